//! Bosch BME280, temperature, humidity and pressure, at I²C address 0x76.
//!
//! Written from the data sheet BST-BME280-DS002: section 3 "Functional description" (modes, oversampling, filter), 4.2
//! "Output compensation" with appendix A (formulas in double precision), 5 "Global memory map", 6.2 "I²C interface",
//! 9.1 "Measurement time". Measurements take the maximum time.
//!
//! What is set from outside is turned into raw values by solving the compensation formulas numerically, so that a host
//! that compensates them gets it back, to one step of the converter.

mod calibration;

use crate::bus::{I2cDevice, Nack};
use calibration::Calibration;

/// Until the part answers after its supply came, and until the image of the calibration is copied after a reset, µs
/// (section 1.1, "start-up time").
const START_UP_US: u64 = 2_000;
/// Register value after power-on of a raw value of 20 bits, and of one of 16 bits (section 5.4.7 to 5.4.9).
const RESET_20: u32 = 0x80000;
const RESET_16: u32 = 0x8000;
/// So many filter steps leave nothing of the past at the longest filter.
const MAX_FILTER_STEPS: u64 = 256;

/// The air around the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Climate {
    /// Temperature, 0.01 °C.
    pub temp_cdegc: i16,
    /// Relative humidity, 0.01 %.
    pub rh_cpct: u16,
    /// Pressure, Pa.
    pub pressure_pa: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Raw {
    pressure: u32,
    temp: u32,
    humidity: u32,
}

impl Raw {
    const RESET: Self = Self { pressure: RESET_20, temp: RESET_20, humidity: RESET_16 };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sleep,
    /// One measurement with the humidity setting that was in force at its start.
    Forced {
        done_us: u64,
    },
    /// Measurement and standby in turn.
    Normal {
        since_us: u64,
        finished: u64,
    },
}

/// The part. It measures what [`Bme280::set_climate`] said last.
#[derive(Clone, Debug)]
pub struct Bme280 {
    climate: Climate,
    calibration: Calibration,
    pointer: u8,
    ctrl_hum: u8,
    /// ctrl_hum takes effect by the next write to ctrl_meas (section 5.4.3).
    osrs_h: u8,
    ctrl_meas: u8,
    config: u8,
    raw: Raw,
    /// Whether the filter holds something: its first value after a reset is taken as it is (section 3.4.4).
    filtered: bool,
    state: State,
    silent_until_us: u64,
    copying_until_us: u64,
}

impl Bme280 {
    /// A part that got its supply long ago, with the calibration of the makers' example for temperature and pressure
    /// (BMP280 data sheet, section 3.12) and believable coefficients for the humidity.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Calibration::EXAMPLE)
    }

    /// A part of its own: coefficients around those of [`Bme280::new`].
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self::with(Calibration::from_seed(seed))
    }

    fn with(calibration: Calibration) -> Self {
        Self {
            climate: Climate { temp_cdegc: 2_000, rh_cpct: 5_000, pressure_pa: 101_325 },
            calibration,
            pointer: 0,
            ctrl_hum: 0,
            osrs_h: 0,
            ctrl_meas: 0,
            config: 0,
            raw: Raw::RESET,
            filtered: false,
            state: State::Sleep,
            silent_until_us: 0,
            copying_until_us: 0,
        }
    }

    /// The air around the part. It shows in the measurement that ends next.
    pub fn set_climate(&mut self, climate: Climate) {
        self.climate = climate;
    }

    /// (osrs_t, osrs_p, osrs_h) as codes of the control registers in force.
    fn oversampling(&self) -> (u8, u8, u8) {
        ((self.ctrl_meas >> 5) & 7, (self.ctrl_meas >> 2) & 7, self.osrs_h)
    }

    /// The longest a measurement takes (section 9.1), µs.
    fn measurement_us(&self) -> u64 {
        let (t, p, h) = self.oversampling();
        let samples = |code: u8| if code == 0 { 0 } else { 1_u64 << (code.min(5) - 1) };
        let with_setup = |code: u8| if code == 0 { 0 } else { 2_300 * samples(code) + 575 };
        1_250 + 2_300 * samples(t) + with_setup(p) + with_setup(h)
    }

    /// Standby between two measurements of the normal mode (section 5.4.6, "t_sb"), µs.
    fn standby_us(&self) -> u64 {
        match self.config >> 5 {
            0 => 500,
            1 => 62_500,
            2 => 125_000,
            3 => 250_000,
            4 => 500_000,
            5 => 1_000_000,
            6 => 10_000,
            _ => 20_000,
        }
    }

    fn advance(&mut self, now_us: u64) {
        match self.state {
            State::Forced { done_us } if now_us >= done_us => {
                self.measure();
                self.state = State::Sleep;
                self.ctrl_meas &= !0b11;
            }
            State::Normal { since_us, finished } => {
                // Each cycle begins with the measurement.
                let (measurement_us, standby_us) = (self.measurement_us(), self.standby_us());
                let passed_us = now_us.saturating_sub(since_us).saturating_add(standby_us);
                let done = passed_us / (measurement_us + standby_us);
                for _ in 0..done.saturating_sub(finished).min(MAX_FILTER_STEPS) {
                    self.measure();
                }
                self.state = State::Normal { since_us, finished: done };
            }
            _ => {}
        }
    }

    fn is_measuring(&self, now_us: u64) -> bool {
        match self.state {
            State::Sleep => false,
            State::Forced { .. } => true,
            State::Normal { since_us, .. } => {
                let cycle_us = self.measurement_us() + self.standby_us();
                now_us.saturating_sub(since_us) % cycle_us < self.measurement_us()
            }
        }
    }

    fn measure(&mut self) {
        let (t, p, h) = self.oversampling();
        let filter = u32::from((self.config >> 2) & 7).min(4);
        // Without the filter the resolution is 16 bits and one more per doubling (sections 3.4.2 and 3.4.3).
        let step = |code: u8| if filter > 0 { 1 } else { 1_u32 << (5 - code.clamp(1, 5)) };
        let old = self.raw;
        let settle = |old: u32, new: u32| {
            let keep = (1_u32 << filter) - 1;
            if self.filtered && old != RESET_20 { (old * keep + new) >> filter } else { new }
        };
        let temp_degc = f64::from(self.climate.temp_cdegc) / 100.0;
        let exact = self.calibration.raw_temp(temp_degc, 1);
        let temp = if t == 0 { RESET_20 } else { settle(old.temp, self.calibration.raw_temp(temp_degc, step(t))) };
        // The host knows the temperature only by what it reads; the part's own is the same without it.
        let fine = self.calibration.fine(if t == 0 { exact } else { temp });
        let pressure = if p == 0 {
            RESET_20
        } else {
            settle(old.pressure, self.calibration.raw_pressure(f64::from(self.climate.pressure_pa), fine, step(p)))
        };
        let rh_pct = f64::from(self.climate.rh_cpct.min(10_000)) / 100.0;
        let humidity = if h == 0 { RESET_16 } else { self.calibration.raw_humidity(rh_pct, fine) };
        self.raw = Raw { pressure, temp, humidity };
        self.filtered = true;
    }

    fn reset(&mut self, now_us: u64) {
        let (climate, calibration) = (self.climate, self.calibration);
        *self = Self { climate, calibration, ..Self::new() };
        self.copying_until_us = now_us.saturating_add(START_UP_US);
    }

    /// ctrl_meas was written: a measurement under way is given up, a cycle begins anew. (A real part may finish the one
    /// under way first; a host that waits for it sees no difference.)
    fn control(&mut self, now_us: u64, value: u8) {
        self.osrs_h = self.ctrl_hum & 7;
        self.ctrl_meas = value;
        self.state = match value & 0b11 {
            0 => State::Sleep,
            0b11 => State::Normal { since_us: now_us, finished: 0 },
            _ => State::Forced { done_us: now_us.saturating_add(self.measurement_us()) },
        };
    }

    fn register(&self, now_us: u64, address: u8) -> u8 {
        let [_, p0, p1, p2] = (self.raw.pressure << 4).to_be_bytes();
        let [_, t0, t1, t2] = (self.raw.temp << 4).to_be_bytes();
        let [_, _, h0, h1] = self.raw.humidity.to_be_bytes();
        match address {
            0xD0 => 0x60,
            0xF2 => self.ctrl_hum,
            0xF3 => u8::from(self.is_measuring(now_us)) << 3 | u8::from(now_us < self.copying_until_us),
            0xF4 => self.ctrl_meas,
            0xF5 => self.config,
            0xF7 => p0,
            0xF8 => p1,
            0xF9 => p2,
            0xFA => t0,
            0xFB => t1,
            0xFC => t2,
            0xFD => h0,
            0xFE => h1,
            _ => self.calibration.register(address).unwrap_or(0),
        }
    }
}

impl Default for Bme280 {
    fn default() -> Self {
        Self::new()
    }
}

impl I2cDevice for Bme280 {
    fn write(&mut self, now_us: u64, bytes: &[u8]) -> Result<(), Nack> {
        if now_us < self.silent_until_us {
            return Err(Nack::Address);
        }
        self.advance(now_us);
        // Pairs of address and value; an address alone is where the next read begins (section 6.2.1).
        let (pairs, rest) = bytes.as_chunks::<2>();
        for [address, value] in pairs {
            match address {
                0xE0 if *value == 0xB6 => self.reset(now_us),
                0xF2 => self.ctrl_hum = value & 7,
                0xF4 => self.control(now_us, *value),
                0xF5 => {
                    self.config = value & 0b1111_1101;
                    if let State::Normal { .. } = self.state {
                        self.state = State::Normal { since_us: now_us, finished: 0 };
                    }
                }
                _ => {} // Read only, or no register: without effect.
            }
        }
        if let [pointer] = rest {
            self.pointer = *pointer;
        }
        Ok(())
    }

    fn read(&mut self, now_us: u64, buffer: &mut [u8]) -> Result<(), Nack> {
        if now_us < self.silent_until_us {
            return Err(Nack::Address);
        }
        // Once a burst: the part shadows its data registers while they are read (section 4.1).
        self.advance(now_us);
        for byte in buffer {
            *byte = self.register(now_us, self.pointer);
            self.pointer = self.pointer.wrapping_add(1);
        }
        Ok(())
    }

    fn power_cycle(&mut self, now_us: u64) {
        self.reset(now_us);
        self.silent_until_us = now_us.saturating_add(START_UP_US);
    }
}
