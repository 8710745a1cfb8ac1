//! The coefficients of a BME280, its compensation formulas in double precision, and their inverse.

/// Trimming parameters (data sheet, table 16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Calibration {
    t1: u16,
    t2: i16,
    t3: i16,
    p1: u16,
    p2_to_p9: [i16; 8],
    h1: u8,
    h2: i16,
    h3: u8,
    h4: i16,
    h5: i16,
    h6: i8,
}

const FULL_20: u32 = 0xF_FFFF;
const FULL_16: u32 = 0xFFFF;

impl Calibration {
    /// Temperature and pressure: the makers' worked example (BMP280 data sheet, section 3.12). Humidity: of the size that
    /// such parts have.
    pub(super) const EXAMPLE: Self = Self {
        t1: 27_504,
        t2: 26_435,
        t3: -1_000,
        p1: 36_477,
        p2_to_p9: [-10_685, 3_024, 2_855, 140, -7, 15_500, -14_600, 6_000],
        h1: 75,
        h2: 362,
        h3: 0,
        h4: 324,
        h5: 50,
        h6: 30,
    };

    /// Coefficients within one to five per cent of the example.
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut state = seed;
        // SplitMix64: enough for a handful of deviations, and no dependency.
        let mut per_mille = |limit: i64| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            i64::try_from((word ^ (word >> 31)) % 2_001).unwrap_or(0) * limit / 1_000 - limit
        };
        let base = Self::EXAMPLE;
        let mut around = |value: i64, limit: i64| value + value * per_mille(limit) / 1_000;
        Self {
            t1: around(base.t1.into(), 20) as u16,
            t2: around(base.t2.into(), 20) as i16,
            p1: around(base.p1.into(), 10) as u16,
            p2_to_p9: base.p2_to_p9.map(|value| around(value.into(), 10) as i16),
            h1: around(base.h1.into(), 50) as u8,
            h2: around(base.h2.into(), 50) as i16,
            h4: around(base.h4.into(), 50) as i16,
            ..base
        }
    }

    /// The value of a calibration register, if the address is one.
    pub(super) fn register(&self, address: u8) -> Option<u8> {
        let index = usize::from(address);
        if (0x88..=0x9F).contains(&index) {
            let [p2, p3, p4, p5, p6, p7, p8, p9] = self.p2_to_p9.map(i16::cast_unsigned);
            let (t2, t3) = (self.t2.cast_unsigned(), self.t3.cast_unsigned());
            let words = [self.t1, t2, t3, self.p1, p2, p3, p4, p5, p6, p7, p8, p9];
            let word = words.get((index - 0x88) / 2)?.to_le_bytes();
            return word.get(index % 2).copied();
        }
        let [h2_low, h2_high] = self.h2.to_le_bytes();
        match address {
            0xA1 => Some(self.h1),
            0xE1 => Some(h2_low),
            0xE2 => Some(h2_high),
            0xE3 => Some(self.h3),
            // dig_H4 and dig_H5 have twelve bits and share 0xE5: the low half of H4, then the low half of H5.
            0xE4 => Some((self.h4 >> 4) as u8),
            0xE5 => Some((self.h4 & 0xF) as u8 | ((self.h5 & 0xF) << 4) as u8),
            0xE6 => Some((self.h5 >> 4) as u8),
            0xE7 => Some(self.h6.cast_unsigned()),
            _ => None,
        }
    }

    /// t_fine of a raw temperature (appendix A, "double precision").
    pub(super) fn fine(&self, raw: u32) -> f64 {
        let (raw, t1) = (f64::from(raw), f64::from(self.t1));
        let linear = (raw / 16_384.0 - t1 / 1_024.0) * f64::from(self.t2);
        let bow = raw / 131_072.0 - t1 / 8_192.0;
        linear + bow * bow * f64::from(self.t3)
    }

    /// °C of a raw temperature.
    pub(super) fn temp_degc(&self, raw: u32) -> f64 {
        self.fine(raw) / 5_120.0
    }

    /// Pa of a raw pressure.
    pub(super) fn pressure_pa(&self, raw: u32, fine: f64) -> f64 {
        let [p2, p3, p4, p5, p6, p7, p8, p9] = self.p2_to_p9.map(f64::from);
        let x = fine / 2.0 - 64_000.0;
        let offset = (x * x * p6 / 32_768.0 + x * p5 * 2.0) / 4.0 + p4 * 65_536.0;
        let slope = (1.0 + (p3 * x * x / 524_288.0 + p2 * x) / 524_288.0 / 32_768.0) * f64::from(self.p1);
        let first = (1_048_576.0 - f64::from(raw) - offset / 4_096.0) * 6_250.0 / slope;
        first + (p9 * first * first / 2_147_483_648.0 + first * p8 / 32_768.0 + p7) / 16.0
    }

    /// Percent of a raw humidity, before it is held between 0 and 100.
    pub(super) fn humidity_pct(&self, raw: u32, fine: f64) -> f64 {
        let x = fine - 76_800.0;
        let (h2, h3, h6) = (f64::from(self.h2), f64::from(self.h3), f64::from(self.h6));
        let centred = f64::from(raw) - (f64::from(self.h4) * 64.0 + f64::from(self.h5) / 16_384.0 * x);
        let gain = h2 / 65_536.0 * (1.0 + h6 / 67_108_864.0 * x * (1.0 + h3 / 67_108_864.0 * x));
        let linear = centred * gain;
        linear * (1.0 - f64::from(self.h1) * linear / 524_288.0)
    }

    /// The raw temperature, a multiple of `step`, that comes nearest.
    pub(super) fn raw_temp(&self, degc: f64, step: u32) -> u32 {
        nearest(FULL_20, step, degc, |raw| self.temp_degc(raw))
    }

    /// The raw pressure, a multiple of `step`, that comes nearest at this t_fine.
    pub(super) fn raw_pressure(&self, pa: f64, fine: f64, step: u32) -> u32 {
        // The pressure falls with its raw value.
        nearest(FULL_20, step, -pa, |raw| -self.pressure_pa(raw, fine))
    }

    /// The raw humidity that comes nearest at this t_fine.
    pub(super) fn raw_humidity(&self, pct: f64, fine: f64) -> u32 {
        nearest(FULL_16, 1, pct, |raw| self.humidity_pct(raw, fine))
    }
}

/// The multiple of `step` up to `full` at which a rising function comes nearest to `target`; the end of the range when
/// it does not reach it.
fn nearest(full: u32, step: u32, target: f64, rising: impl Fn(u32) -> f64) -> u32 {
    let (mut low, mut high) = (0, full / step);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if rising(middle * step) <= target { low = middle } else { high = middle }
    }
    let (below, above) = (rising(low * step), rising(high * step));
    if target - below <= above - target { low * step } else { high * step }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_example_of_the_maker() {
        let example = Calibration::EXAMPLE;
        assert!((example.temp_degc(519_888) - 25.08).abs() < 0.005);
        assert!((example.pressure_pa(415_148, example.fine(519_888)) - 100_653.27).abs() < 0.05);
    }

    #[test]
    fn inverse_gives_back_what_was_asked_for() {
        for calibration in [Calibration::EXAMPLE, Calibration::from_seed(1), Calibration::from_seed(99)] {
            for degc in [-40.0, -12.34, 0.0, 25.08, 60.0, 84.9] {
                let raw = calibration.raw_temp(degc, 1);
                assert!(raw > 0 && raw < FULL_20);
                // A step of the converter is 0.0003 °C.
                assert!((calibration.temp_degc(raw) - degc).abs() < 3e-4, "{degc}");
                let fine = calibration.fine(raw);
                for pa in [30_000.0, 70_000.0, 101_325.0, 110_000.0] {
                    let raw = calibration.raw_pressure(pa, fine, 1);
                    assert!(raw > 0 && raw < FULL_20);
                    assert!((calibration.pressure_pa(raw, fine) - pa).abs() < 0.2, "{pa} {degc}");
                }
                for pct in [0.0, 12.5, 50.0, 99.9] {
                    let raw = calibration.raw_humidity(pct, fine);
                    assert!(raw > 0 && raw < FULL_16);
                    assert!((calibration.humidity_pct(raw, fine) - pct).abs() < 0.01, "{pct} {degc}");
                }
            }
        }
    }
}
