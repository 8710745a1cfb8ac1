//! Sensirion SPS30, particulate matter, at I²C address 0x69.
//!
//! Written from the data sheet "SPS30", version 1.0 (March 2020), section 6 "Operation and Communication through the I²C
//! Interface": transfer types, check bytes, command table, status register. Execution times are its upper bounds.
//! Where the sheet leaves the part's answer open, this model takes the one that is harder on the host:
//! - a command that the state does not allow is refused (a stop while idle, a start while measuring); the wake-up is not,
//!   since the sheet has it sent twice and an awake part must bear that;
//! - the data-ready flag of an idle part reads "nothing new", so that a silent restart does not show by an error;
//! - the words before the first value are zeros.
//!
//! Not modelled: the fan cleaning that comes by itself (its interval can be set and read, and outlives a loss of supply as
//! the sheet says; a cleaning that is asked for happens).

use crate::bus::{Command, I2cDevice, Nack, answer, checked};

/// Until another command is taken after start, stop or a written interval, µs (command table, "max. execution time").
const SLOW_US: u64 = 20_000;
/// The same after sleep, wake-up, fan cleaning and clearing the status register, µs.
const FAST_US: u64 = 5_000;
/// The same after a reset or power-on, µs.
const RESET_US: u64 = 100_000;
/// A new value each second (section 1.1, "sampling interval").
const INTERVAL_US: u64 = 1_000_000;
/// How long the interface listens after the first start condition that a sleeping part saw, µs (section "Wake-up").
const AWAKE_US: u64 = 100_000;
/// How long the fan runs at full speed to clean itself, µs; meanwhile no new values (section 4.2).
const CLEANING_US: u64 = 10_000_000;
/// Interval of the automatic cleaning from the factory, s: a week.
const CLEANING_INTERVAL_S: u32 = 604_800;

/// What the part measures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Particles {
    /// Mass of PM1.0, PM2.5, PM4.0 and PM10, µg/m³.
    pub mass_ugm3: [f32; 4],
    /// Number of PM0.5, PM1.0, PM2.5, PM4.0 and PM10, per cm³.
    pub number_pcm3: [f32; 5],
    /// Typical size, µm.
    pub typical_um: f32,
}

impl Particles {
    fn floats(&self) -> [f32; 10] {
        let [m1, m2, m4, m10] = self.mass_ugm3;
        let [n0, n1, n2, n4, n10] = self.number_pcm3;
        [m1, m2, m4, m10, n0, n1, n2, n4, n10, self.typical_um]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Float,
    U16,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Measuring { format: Format, since_us: u64, seconds: u64, latched: Particles, ready: bool, cleaning_until_us: u64 },
    Sleep { awake_until_us: u64 },
}

/// The part. It measures what [`Sps30::set_particles`] said last.
#[derive(Clone, Debug)]
pub struct Sps30 {
    particles: Particles,
    serial: String,
    state: State,
    busy_until_us: u64,
    pointer: Option<u16>,
    status: u32,
    cleaning_interval_s: u32,
}

impl Sps30 {
    /// Device status register: the fan's speed is out of range (section 4.4).
    pub const STATUS_SPEED: u32 = 1 << 21;
    /// Device status register: the laser's current is out of range.
    pub const STATUS_LASER: u32 = 1 << 5;
    /// Device status register: the fan is switched on but does not turn.
    pub const STATUS_FAN: u32 = 1 << 4;

    /// A part that got its supply long ago. `serial` is cut to the 31 characters that fit before the closing zero.
    #[must_use]
    pub fn new(serial: &str) -> Self {
        Self {
            particles: Particles::default(),
            serial: serial.chars().filter(char::is_ascii).take(31).collect(),
            state: State::Idle,
            busy_until_us: 0,
            pointer: None,
            status: 0,
            cleaning_interval_s: CLEANING_INTERVAL_S,
        }
    }

    /// The air around the part. It shows in the value of the second that ends next.
    pub fn set_particles(&mut self, particles: Particles) {
        self.particles = particles;
    }

    /// Sets bits of the device status register, which the host reads and clears.
    pub fn raise_status(&mut self, bits: u32) {
        self.status |= bits;
    }

    /// Whether it measures: after power-on it does not.
    #[must_use]
    pub fn is_measuring(&self) -> bool {
        matches!(self.state, State::Measuring { .. })
    }

    /// Takes up what happened by itself since the last transaction.
    fn advance(&mut self, now_us: u64) {
        if let State::Measuring { since_us, seconds, latched, ready, cleaning_until_us, .. } = &mut self.state {
            let passed = now_us.saturating_sub(*since_us) / INTERVAL_US;
            if passed > *seconds {
                *seconds = passed;
                if now_us >= *cleaning_until_us {
                    *latched = self.particles;
                    *ready = true;
                }
            }
        }
    }

    fn reset(&mut self, now_us: u64) {
        self.state = State::Idle;
        self.pointer = None;
        self.status = 0;
        self.busy_until_us = now_us.saturating_add(RESET_US);
    }

    fn start(&mut self, now_us: u64, command: Command<'_>) -> Result<(), Nack> {
        let [argument] = command.words()?;
        let format = match argument {
            0x0300 => Format::Float,
            0x0500 => Format::U16,
            _ => return Err(Nack::Data),
        };
        let latched = Particles::default();
        self.state =
            State::Measuring { format, since_us: now_us, seconds: 0, latched, ready: false, cleaning_until_us: 0 };
        self.busy(now_us, SLOW_US);
        Ok(())
    }

    /// Commands that do something. `Ok(false)` is a command that only points at what is read next.
    fn act(&mut self, now_us: u64, command: Command<'_>) -> Result<bool, Nack> {
        match (command.code, &mut self.state) {
            (0x0010, State::Idle) => self.start(now_us, command)?,
            (0x8004, State::Idle | State::Measuring { .. }) if !command.is_bare() => {
                let [high, low] = command.words()?;
                self.cleaning_interval_s = (u32::from(high) << 16) | u32::from(low);
                self.busy(now_us, SLOW_US);
            }
            _ if !command.is_bare() => return Err(Nack::Data),
            (0x0104, State::Measuring { .. }) => {
                self.state = State::Idle;
                self.busy(now_us, SLOW_US);
            }
            (0x1001, State::Idle) => {
                self.state = State::Sleep { awake_until_us: 0 };
                self.busy(now_us, FAST_US);
            }
            (0x1103, State::Idle | State::Measuring { .. }) => self.busy(now_us, FAST_US),
            (0x5607, State::Measuring { cleaning_until_us, .. }) => {
                *cleaning_until_us = now_us.saturating_add(CLEANING_US);
                self.busy(now_us, FAST_US);
            }
            (0xD210, _) => {
                self.status = 0;
                self.busy(now_us, FAST_US);
            }
            (0xD304, _) => self.reset(now_us),
            (0x0300, State::Measuring { .. }) | (0x0202 | 0x8004 | 0xD002 | 0xD033 | 0xD100 | 0xD206, _) => {
                return Ok(false);
            }
            _ => return Err(Nack::Data),
        }
        Ok(true)
    }

    fn busy(&mut self, now_us: u64, for_us: u64) {
        self.busy_until_us = now_us.saturating_add(for_us);
    }

    /// What a read finds behind the pointer.
    fn pointed(&mut self) -> Option<Vec<u8>> {
        let halves = |value: u32| [(value >> 16) as u16, (value & 0xFFFF) as u16];
        match (self.pointer?, &mut self.state) {
            (0x0202, State::Measuring { ready, .. }) => Some(checked(&[u16::from(*ready)])),
            (0x0202, _) => Some(checked(&[0])),
            (0x0300, State::Measuring { format, latched, ready, .. }) => {
                *ready = false;
                let floats = latched.floats();
                Some(match format {
                    Format::Float => checked(&floats.map(|value| halves(value.to_bits())).concat()),
                    // Whole µg/m³ and particles per cm³; the size in nm (section 4.3, "unsigned 16-bit integer").
                    Format::U16 => {
                        let [values @ .., size_um] = floats;
                        let mut words = values.map(|value| value.round() as u16).to_vec();
                        words.push((size_um * 1_000.0).round() as u16);
                        checked(&words)
                    }
                })
            }
            (0x8004, _) => Some(checked(&halves(self.cleaning_interval_s))),
            (0xD002, _) => Some(text("00080000", 4)),
            (0xD033, _) => Some(text(&self.serial, 16)),
            (0xD100, _) => Some(checked(&[0x0202])),
            (0xD206, _) => Some(checked(&halves(self.status))),
            _ => None,
        }
    }
}

/// Two characters a word, filled up with zeros.
fn text(characters: &str, words: usize) -> Vec<u8> {
    let mut bytes = characters.bytes().chain(std::iter::repeat(0));
    let words: Vec<u16> =
        (0..words).map(|_| u16::from_be_bytes([bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)])).collect();
    checked(&words)
}

impl I2cDevice for Sps30 {
    fn write(&mut self, now_us: u64, bytes: &[u8]) -> Result<(), Nack> {
        if now_us < self.busy_until_us {
            return Err(Nack::Address);
        }
        self.advance(now_us);
        if let State::Sleep { awake_until_us } = &mut self.state {
            if now_us >= *awake_until_us {
                // The interface is off: this start condition switches it on for a moment.
                *awake_until_us = now_us.saturating_add(AWAKE_US);
                return Err(Nack::Address);
            }
            if bytes != [0x11, 0x03] {
                return Err(Nack::Data);
            }
            self.state = State::Idle;
            self.busy(now_us, FAST_US);
            return Ok(());
        }
        if bytes.is_empty() {
            return Ok(()); // A host that only asks whether somebody is there.
        }
        let command = Command::parse(bytes).ok_or(Nack::Data)?;
        self.pointer = None;
        if !self.act(now_us, command)? {
            self.pointer = Some(command.code);
        }
        Ok(())
    }

    fn read(&mut self, now_us: u64, buffer: &mut [u8]) -> Result<(), Nack> {
        if now_us < self.busy_until_us {
            return Err(Nack::Address);
        }
        self.advance(now_us);
        if let State::Sleep { awake_until_us } = &mut self.state {
            *awake_until_us = now_us.saturating_add(AWAKE_US);
            return Err(Nack::Address);
        }
        answer(&self.pointed().ok_or(Nack::Address)?, buffer);
        Ok(())
    }

    fn power_cycle(&mut self, now_us: u64) {
        self.reset(now_us);
    }
}
