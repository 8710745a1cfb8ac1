//! The sensors of a box and what can be wrong with one. Both travel as plain bytes, so that a reader can tell a number
//! that it does not know from a broken frame.

use core::fmt;

/// How many sensors [`SensorId`] names.
pub const SENSOR_COUNT: usize = 9;

/// A sensor of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SensorId {
    /// Acceleration, 400 Hz.
    Accel = 0,
    /// Satellite receiver.
    Gnss = 1,
    /// Particulate matter.
    Pm = 2,
    /// Air temperature, humidity, pressure.
    Climate = 3,
    /// Carbon dioxide.
    Co2 = 4,
    /// NO2 cell behind its converter.
    No2 = 5,
    /// Infrared array to the left, in the direction of travel.
    CameraLeft = 6,
    /// Infrared array to the right.
    CameraRight = 7,
    /// Supply voltage.
    Supply = 8,
}

impl SensorId {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; SENSOR_COUNT] = [
        Self::Accel,
        Self::Gnss,
        Self::Pm,
        Self::Climate,
        Self::Co2,
        Self::No2,
        Self::CameraLeft,
        Self::CameraRight,
        Self::Supply,
    ];

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its place in a list of all.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its bit in a set of sensors.
    #[must_use]
    pub const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// The sensor of this number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// A short name, for logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accel => "accel",
            Self::Gnss => "gnss",
            Self::Pm => "pm",
            Self::Climate => "climate",
            Self::Co2 => "co2",
            Self::No2 => "no2",
            Self::CameraLeft => "camera-left",
            Self::CameraRight => "camera-right",
            Self::Supply => "supply",
        }
    }
}

impl fmt::Display for SensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wrong with a sensor; the `status` of its messages, where 0 is "valid".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Fault {
    /// Nothing at its address.
    NoAnswer = 1,
    /// The bus failed otherwise: arbitration, time-out, overrun.
    Bus = 2,
    /// What it said does not fit its check sum.
    Checksum = 3,
    /// Something else answers at its address.
    Identity = 4,
    /// It answers but has had nothing new for too long.
    Silent = 5,
    /// It has lost its settings: it was reset or lost power.
    Restarted = 6,
    /// A value that the part cannot have.
    Range = 7,
    /// The part reports a fault of its own: fan, laser, memory.
    Internal = 8,
    /// Switched off by the configuration, or not fitted.
    Off = 9,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NoAnswer,
        Self::Bus,
        Self::Checksum,
        Self::Identity,
        Self::Silent,
        Self::Restarted,
        Self::Range,
        Self::Internal,
        Self::Off,
    ];

    /// Its number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The fault of this number, if this version knows it.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.code() == code)
    }
}

impl Fault {
    /// What it is and what to do.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoAnswer => "no answer at its address: check plug and supply",
            Self::Bus => "bus failure: check wiring and pull-ups",
            Self::Checksum => "wrong check sum in its data",
            Self::Identity => "another part answers at its address",
            Self::Silent => "answers but has nothing new",
            Self::Restarted => "had lost its settings and was set up again",
            Self::Range => "a value that the part cannot have",
            Self::Internal => "reports a fault of its own",
            Self::Off => "switched off or not fitted",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
