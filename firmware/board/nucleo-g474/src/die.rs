//! The temperature of the microcontroller from its own converter.

/// What the maker measured at 3.0 V on the reference pin and wrote into the chip (data sheet DS12288, calibration values).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// TS_CAL1: the sensor at 30 °C, counts.
    pub at_30_degc: u16,
    /// TS_CAL2: the sensor at 130 °C, counts.
    pub at_130_degc: u16,
    /// VREFINT_CAL: the internal reference, counts.
    pub reference: u16,
}

/// Counts of 12 bits, each the mean of a few conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Temperature sensor.
    pub sensor: u16,
    /// Internal reference.
    pub reference: u16,
}

/// Temperature, 0.1 °C; `i16::MIN` ("cannot tell") where the calibration is missing or the counts give none between -50 and
/// +150 °C. Straight line through the two calibration points, the supply taken out by the internal reference (RM0440, ADC,
/// reading the temperature).
#[must_use]
pub fn temp_ddegc(calibration: Calibration, counts: Counts) -> i16 {
    let [low, high, reference] =
        [calibration.at_30_degc, calibration.at_130_degc, calibration.reference].map(i64::from);
    // 0xFFFF is what a chip without the values reads as.
    if low >= high || high >= 0xFFFF || reference == 0 || reference == 0xFFFF || counts.reference == 0 {
        return i16::MIN;
    }
    // The count that the sensor would have given at the maker's 3.0 V, times the reference's count.
    let scaled = i64::from(counts.sensor) * reference;
    let above = scaled - low * i64::from(counts.reference);
    let temp_ddegc = 300 + above * 1_000 / ((high - low) * i64::from(counts.reference));
    i16::try_from(temp_ddegc).ok().filter(|temp_ddegc| (-500..=1500).contains(temp_ddegc)).unwrap_or(i16::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order of magnitude of real chips: 0.76 V at 30 °C, 2.5 mV/K, 1.21 V reference.
    const CHIP: Calibration = Calibration { at_30_degc: 1038, at_130_degc: 1379, reference: 1655 };

    #[test]
    fn the_calibration_points_come_back() {
        assert_eq!(temp_ddegc(CHIP, Counts { sensor: 1038, reference: 1655 }), 300);
        assert_eq!(temp_ddegc(CHIP, Counts { sensor: 1379, reference: 1655 }), 1300);
    }

    #[test]
    fn the_supply_does_not_matter() {
        // 3.3 V instead of 3.0 V: every count is lower by that ratio; one count is 0.3 K.
        let scale = |count: u32| (count * 10 / 11) as u16;
        let temp = temp_ddegc(CHIP, Counts { sensor: scale(1200), reference: scale(1655) });
        let direct = temp_ddegc(CHIP, Counts { sensor: 1200, reference: 1655 });
        assert!((temp - direct).abs() <= 6, "{temp} {direct}");
        assert_eq!(i32::from(direct), 300 + (1200 - 1038) * 1000 / (1379 - 1038));
    }

    #[test]
    fn nonsense_is_not_a_temperature() {
        for calibration in [
            Calibration { at_30_degc: 0xFFFF, at_130_degc: 0xFFFF, reference: 0xFFFF },
            Calibration { at_30_degc: 0, at_130_degc: 0, reference: 0 },
            Calibration { at_30_degc: 1379, at_130_degc: 1038, reference: 1655 },
        ] {
            assert_eq!(temp_ddegc(calibration, Counts { sensor: 1000, reference: 1655 }), i16::MIN);
        }
        for counts in [
            Counts { sensor: 1000, reference: 0 },
            Counts { sensor: 4095, reference: 1 },
            Counts { sensor: 0, reference: 4095 },
            Counts { sensor: u16::MAX, reference: u16::MAX },
        ] {
            let temp = temp_ddegc(CHIP, counts);
            assert!(temp == i16::MIN || (-500..=1500).contains(&temp));
        }
        assert_eq!(temp_ddegc(CHIP, Counts { sensor: 4095, reference: 1655 }), i16::MIN);
    }
}
