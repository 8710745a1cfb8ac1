//! Calibration files: one TOML file per sensor, serial number and period, as the workshop writes them after the
//! procedures in `hardware/calibration`. Pure: text and the date come in as arguments, the caller reads the folder.
//!
//! 1. [`CalibrationFile::parse`] reads and checks one file,
//! 2. [`calibrate`] checks the files against each other, chooses those that hold on a date, and puts their values into a
//!    [`VehicleProfile`],
//! 3. [`Correction`] corrects messages by these values before anything else reads them. What a formula takes as a
//!    constant (NO2, the speed exponent, the antenna) is read from the profile where the formula is.

mod choose;
mod correct;
mod date;
mod keys;
mod read;

use std::fmt;

pub use choose::{Applied, CalibrationReport, EXAMPLE, Skipped, Why, calibrate};
pub use correct::Correction;
pub use date::Date;
pub use keys::{Key, Sensor};
pub use read::{CalibrationFile, FILE_BYTES_MAX};

#[cfg(doc)]
use crate::VehicleProfile;
use crate::profile::ProfileError;

/// Why calibration files were refused. Each names the file, the key with its table, and what would be accepted.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// Not TOML.
    #[error("calibration {file}: {cause}")]
    Toml {
        /// The file.
        file: String,
        /// Where and why.
        cause: String,
    },
    /// A key, missing or with a value that is not accepted.
    #[error("calibration {file}: {key} = {given} is not accepted: {expected}")]
    Value {
        /// The file.
        file: String,
        /// The key, with its table.
        key: String,
        /// What was given.
        given: String,
        /// What would be accepted.
        expected: String,
    },
    /// A key that no calibration file has.
    #[error("calibration {file}: {key} is not known: {expected}")]
    Unknown {
        /// The file.
        file: String,
        /// The key, with its table.
        key: String,
        /// The keys there are.
        expected: String,
    },
    /// A key that must be there.
    #[error("calibration {file}: {key} is missing: {expected}")]
    Missing {
        /// The file.
        file: String,
        /// The key, with its table.
        key: String,
        /// What would be accepted.
        expected: String,
    },
    /// Two files of one sensor hold at the same time.
    #[error(
        "calibrations {first} and {second} of {sensor} {serial} both hold on {on}: end the older one with \
         calibration.valid_until on the day before"
    )]
    Overlap {
        /// A file.
        first: String,
        /// The other.
        second: String,
        /// The sensor.
        sensor: Sensor,
        /// Its serial number.
        serial: String,
        /// First day on which both hold.
        on: Date,
    },
    /// Two files of one sensor have the same version.
    #[error(
        "calibrations {first} and {second} of {sensor} {serial} both say calibration.version = {version}: count up"
    )]
    SameVersion {
        /// A file.
        first: String,
        /// The other.
        second: String,
        /// The sensor.
        sensor: Sensor,
        /// Its serial number.
        serial: String,
        /// The version.
        version: u32,
    },
    /// Files of two specimens of a sensor hold on the date, and the profile does not say which one is fitted.
    #[error(
        "calibrations {first} and {second} are of two specimens of {sensor}: name the fitted one in sensors.{sensor}"
    )]
    WhichOne {
        /// A file.
        first: String,
        /// The other.
        second: String,
        /// The sensor.
        sensor: Sensor,
    },
    /// The profile with the values in place is impossible.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl fmt::Display for Sensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
