//! Clock numbers of the I²C buses, by the limits of the bus specification.
//!
//! The HAL works its own out, but cuts its set-up delay to the four bits of the register: from 64 MHz on it comes out too
//! short. So these are used instead. Method: RM0440, I2C, "I2C timings"; limits: UM10204, table of the characteristics.

/// The clock that the buses are divided from.
pub const CLOCK_HZ: u32 = 80_000_000;

/// Fields of I2C_TIMINGR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// PRESC: one tick of the others is `prescale + 1` clocks.
    pub prescale: u8,
    /// SCLDEL: data set-up, ticks less one.
    pub setup: u8,
    /// SDADEL: data hold, ticks.
    pub hold: u8,
    /// SCLH: clock high, ticks less one.
    pub high: u8,
    /// SCLL: clock low, ticks less one.
    pub low: u8,
}

impl Timing {
    /// I2C_TIMINGR.
    #[must_use]
    pub const fn register(self) -> u32 {
        let Self { prescale, setup, hold, high, low } = self;
        (prescale as u32) << 28 | (setup as u32) << 20 | (hold as u32) << 16 | (high as u32) << 8 | low as u32
    }
}

/// Fast mode: never above 400 kHz. The infrared arrays could do 1 MHz, but not while their EEPROM is read (data sheet, table 5).
pub const FAST: Timing = Timing { prescale: 1, setup: 15, hold: 9, high: 39, low: 55 };
/// Standard mode: never above 100 kHz.
pub const SLOW: Timing = Timing { prescale: 7, setup: 12, hold: 3, high: 44, low: 53 };

#[cfg(test)]
mod tests {
    use super::*;

    /// Of UM10204, nanoseconds.
    struct Limits {
        period: u32,
        low: u32,
        high: u32,
        setup: u32,
        rise: u32,
        fall: u32,
        valid: u32,
    }

    const FAST_MODE: Limits =
        Limits { period: 2_500, low: 1_300, high: 600, setup: 100, rise: 300, fall: 300, valid: 900 };
    const STANDARD: Limits =
        Limits { period: 10_000, low: 4_700, high: 4_000, setup: 250, rise: 1_000, fall: 300, valid: 3_450 };
    /// Of the analogue filter, DS12288: 50 to 260 ns. Two clocks pass before an edge is seen.
    const FILTER_MIN_NS: f64 = 50.0;

    fn check(timing: Timing, limits: &Limits) {
        let clock = 1e9 / f64::from(CLOCK_HZ);
        let tick = clock * f64::from(timing.prescale + 1);
        let seen = FILTER_MIN_NS + 2.0 * clock;
        let (high, low) = (tick * f64::from(timing.high + 1), tick * f64::from(timing.low + 1));
        assert!(low + seen >= f64::from(limits.low));
        assert!(high + seen >= f64::from(limits.high));
        assert!(high + low + 2.0 * seen >= f64::from(limits.period), "faster than the parts can do");
        assert!(high + low < 1.1 * f64::from(limits.period), "slower than need be");
        let setup = tick * f64::from(timing.setup + 1);
        assert!(setup >= f64::from(limits.rise + limits.setup));
        let hold = tick * f64::from(timing.hold) + clock;
        assert!(hold >= f64::from(limits.fall) - FILTER_MIN_NS - 3.0 * clock);
        // Valid in time even behind a slow filter: the low phase pays for the rise.
        assert!(hold + 260.0 + 4.0 * clock <= f64::from(limits.valid));
        assert!(timing.setup < 16 && timing.hold < 16 && timing.prescale < 16);
    }

    #[test]
    fn both_keep_the_specification() {
        check(FAST, &FAST_MODE);
        check(SLOW, &STANDARD);
    }

    #[test]
    fn the_register_has_its_fields_in_place() {
        let timing = Timing { prescale: 1, setup: 2, hold: 3, high: 4, low: 5 };
        assert_eq!(timing.register(), 0x1023_0405);
    }
}
