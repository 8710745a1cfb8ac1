//! Sensirion SCD41, carbon dioxide, at I²C address 0x62.
//!
//! Written from the data sheet "SCD4x", section 3 "Digital Interface Description": command overview with execution times
//! and which commands run during a measurement, signal conversions, examples. Execution times are its upper bounds; of the
//! revisions that differ the longer one counts (reinit and wake-up: 30 ms).
//!
//! A part that is executing a command acknowledges nothing, nor a read before the command's millisecond is over. Where
//! the sheet is silent, this model takes the answer that is harder on the host: a command that the state does not allow is
//! refused, an argument out of range is refused and changes nothing.
//!
//! Not modelled: forced recalibration and self-calibration (the switch can be set and read), the effect of the pressure on
//! the value, the effect of the temperature offset on the humidity. Commands of these are refused as unknown.

use crate::bus::{Command, I2cDevice, Nack, answer, checked};

/// Commands with the execution time "1 ms".
const SHORT_US: u64 = 1_000;
/// stop_periodic_measurement.
const STOP_US: u64 = 500_000;
/// reinit, wake_up, and power-on until the idle state.
const WAKE_US: u64 = 30_000;
/// persist_settings.
const PERSIST_US: u64 = 800_000;
/// perform_factory_reset.
const FACTORY_US: u64 = 1_200_000;
/// perform_self_test.
const SELF_TEST_US: u64 = 10_000_000;
/// measure_single_shot, and the interval of the periodic measurement.
const INTERVAL_US: u64 = 5_000_000;
/// The interval of the low-power periodic measurement.
const LOW_POWER_US: u64 = 30_000_000;
/// measure_single_shot_rht_only.
const RHT_US: u64 = 50_000;

/// The air as the part would measure it with its temperature offset from the factory (4 °C).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Air {
    /// Carbon dioxide, ppm.
    pub co2_ppm: u16,
    /// Temperature, 0.01 °C.
    pub temp_cdegc: i16,
    /// Relative humidity, 0.01 %.
    pub rh_cpct: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Settings {
    temp_offset: u16,
    altitude_m: u16,
    self_calibration: u16,
}

impl Settings {
    /// 4 °C in the units of the signal conversion, sea level, self-calibration on.
    const FACTORY: Self = Self { temp_offset: 1_498, altitude_m: 0, self_calibration: 1 };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Periodic { since_us: u64, interval_us: u64, values: u64 },
    SingleShot { done_us: u64, with_co2: bool },
    Sleep,
}

/// The part. It measures what [`Scd41::set_air`] said last.
#[derive(Clone, Debug)]
pub struct Scd41 {
    air: Air,
    serial: u64,
    state: State,
    busy_until_us: u64,
    response: Option<Vec<u8>>,
    ready: Option<[u16; 3]>,
    settings: Settings,
    stored: Settings,
    pressure_hpa: u16,
}

impl Scd41 {
    /// The ambient pressure in force after power-on, hPa (section "set_ambient_pressure": default 1013 hPa).
    pub const DEFAULT_PRESSURE_HPA: u16 = 1_013;

    /// A part that got its supply long ago; of the serial number 48 bits count.
    #[must_use]
    pub fn new(serial: u64) -> Self {
        Self {
            air: Air { co2_ppm: 420, temp_cdegc: 2_000, rh_cpct: 5_000 },
            serial,
            state: State::Idle,
            busy_until_us: 0,
            response: None,
            ready: None,
            settings: Settings::FACTORY,
            stored: Settings::FACTORY,
            pressure_hpa: Self::DEFAULT_PRESSURE_HPA,
        }
    }

    /// The air around the part. It shows in the value that is finished next.
    pub fn set_air(&mut self, air: Air) {
        self.air = air;
    }

    /// Whether a periodic measurement runs: after power-on it does not.
    #[must_use]
    pub fn is_measuring(&self) -> bool {
        matches!(self.state, State::Periodic { .. })
    }

    /// The ambient pressure that the host set, or the default, hPa.
    #[must_use]
    pub fn pressure_hpa(&self) -> u16 {
        self.pressure_hpa
    }

    fn advance(&mut self, now_us: u64) {
        match &mut self.state {
            State::Periodic { since_us, interval_us, values } => {
                let passed = now_us.saturating_sub(*since_us) / *interval_us;
                if passed > *values {
                    *values = passed;
                    self.ready = Some(self.words(true));
                }
            }
            State::SingleShot { done_us, with_co2 } if now_us >= *done_us => {
                let with_co2 = *with_co2;
                self.ready = Some(self.words(with_co2));
                self.state = State::Idle;
            }
            _ => {}
        }
    }

    /// The measurement as words (section "read_measurement": T = -45 + 175 · word / (2^16 - 1), RH = 100 · word / (2^16 - 1)).
    fn words(&self, with_co2: bool) -> [u16; 3] {
        let full = f64::from(u16::MAX);
        let offset_degc = f64::from(self.settings.temp_offset) * 175.0 / full;
        let factory_degc = f64::from(Settings::FACTORY.temp_offset) * 175.0 / full;
        let temp_degc = f64::from(self.air.temp_cdegc) / 100.0 + factory_degc - offset_degc;
        let temp = ((temp_degc + 45.0) / 175.0 * full).round() as u16;
        let rh = (f64::from(self.air.rh_cpct.min(10_000)) / 10_000.0 * full).round() as u16;
        [if with_co2 { self.air.co2_ppm } else { 0 }, temp, rh]
    }

    fn restart(&mut self, now_us: u64) {
        self.state = State::Idle;
        self.response = None;
        self.ready = None;
        self.settings = self.stored;
        self.pressure_hpa = Self::DEFAULT_PRESSURE_HPA;
        self.busy_until_us = now_us.saturating_add(WAKE_US);
    }

    /// Does what was asked and says for how long the part is busy; what is read next is in `response`.
    fn act(&mut self, now_us: u64, command: Command<'_>) -> Result<u64, Nack> {
        let idle = self.state == State::Idle;
        // Settings with an argument; the ambient pressure alone may be set during a measurement.
        match command.code {
            0xE000 if !command.is_bare() => {
                self.pressure_hpa = ranged(command, 700..=1_200)?;
                return Ok(SHORT_US);
            }
            0x241D if idle => {
                // 0 to 20 °C.
                self.settings.temp_offset = ranged(command, 0..=7_490)?;
                return Ok(SHORT_US);
            }
            0x2427 if idle => {
                self.settings.altitude_m = ranged(command, 0..=3_000)?;
                return Ok(SHORT_US);
            }
            0x2416 if idle => {
                self.settings.self_calibration = ranged(command, 0..=1)?;
                return Ok(SHORT_US);
            }
            _ if !command.is_bare() => return Err(Nack::Data),
            _ => {}
        }
        let periodic = |interval_us| State::Periodic { since_us: now_us, interval_us, values: 0 };
        let single = |for_us, with_co2| State::SingleShot { done_us: now_us.saturating_add(for_us), with_co2 };
        match command.code {
            // At any time.
            0xE000 => self.say(&[self.pressure_hpa]),
            0xE4B8 => {
                // The low eleven bits say whether there is something; the sheet's examples carry 0x8000.
                let waiting = if self.ready.is_some() { 0x8006 } else { 0x8000 };
                self.say(&[waiting])
            }
            0xEC05 => match self.ready.take() {
                Some(words) => self.say(&words),
                None => Ok(SHORT_US), // The read that follows is not acknowledged.
            },
            0x3F86 if !matches!(self.state, State::SingleShot { .. }) => {
                self.state = State::Idle;
                self.ready = None;
                Ok(STOP_US)
            }
            // In the idle state only.
            0x21B1 | 0x21AC if idle => {
                self.ready = None;
                self.state = periodic(if command.code == 0x21B1 { INTERVAL_US } else { LOW_POWER_US });
                Ok(0)
            }
            0x2318 if idle => self.say(&[self.settings.temp_offset]),
            0x2322 if idle => self.say(&[self.settings.altitude_m]),
            0x2313 if idle => self.say(&[self.settings.self_calibration]),
            0x3682 if idle => {
                let [_, high, middle, low] = [48, 32, 16, 0].map(|shift| (self.serial >> shift) as u16);
                self.say(&[high, middle, low])
            }
            // The variant of the SCD41 is the 1 in the highest four bits (section "get_sensor_variant").
            0x202F if idle => self.say(&[0x1440]),
            0x3639 if idle => self.say(&[0]).map(|_| SELF_TEST_US),
            0x3615 if idle => {
                self.stored = self.settings;
                Ok(PERSIST_US)
            }
            0x3632 if idle => {
                self.stored = Settings::FACTORY;
                self.restart(now_us);
                Ok(FACTORY_US)
            }
            0x3646 if idle => {
                self.restart(now_us);
                Ok(WAKE_US)
            }
            0x219D if idle => {
                self.state = single(INTERVAL_US, true);
                Ok(INTERVAL_US)
            }
            0x2196 if idle => {
                self.state = single(RHT_US, false);
                Ok(RHT_US)
            }
            0x36E0 if idle => {
                self.state = State::Sleep;
                Ok(SHORT_US)
            }
            _ => Err(Nack::Data),
        }
    }

    fn say(&mut self, words: &[u16]) -> Result<u64, Nack> {
        self.response = Some(checked(words));
        Ok(SHORT_US)
    }
}

/// One argument within a range.
fn ranged(command: Command<'_>, range: std::ops::RangeInclusive<u16>) -> Result<u16, Nack> {
    let [value] = command.words()?;
    if range.contains(&value) { Ok(value) } else { Err(Nack::Data) }
}

impl I2cDevice for Scd41 {
    fn write(&mut self, now_us: u64, bytes: &[u8]) -> Result<(), Nack> {
        if now_us < self.busy_until_us {
            return Err(Nack::Address);
        }
        self.advance(now_us);
        if self.state == State::Sleep {
            // The part does not acknowledge the wake-up (section "wake_up"), but obeys.
            if bytes == [0x36, 0xF6] {
                self.state = State::Idle;
                self.busy_until_us = now_us.saturating_add(WAKE_US);
            }
            return Err(Nack::Address);
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let command = Command::parse(bytes).ok_or(Nack::Data)?;
        self.response = None;
        let for_us = self.act(now_us, command)?;
        self.busy_until_us = now_us.saturating_add(for_us);
        Ok(())
    }

    fn read(&mut self, now_us: u64, buffer: &mut [u8]) -> Result<(), Nack> {
        if now_us < self.busy_until_us || self.state == State::Sleep {
            return Err(Nack::Address);
        }
        self.advance(now_us);
        // An answer is given once.
        answer(&self.response.take().ok_or(Nack::Address)?, buffer);
        Ok(())
    }

    fn power_cycle(&mut self, now_us: u64) {
        self.restart(now_us);
    }
}
