//! Many files and a date: which of them hold.

use std::collections::BTreeMap;
use std::fmt;

use super::{CalibrationError, CalibrationFile, Date, Sensor};
use crate::VehicleProfile;

/// How the serial numbers of the examples in `hardware/calibration` begin: invented values that no sample may be
/// corrected by, wherever a folder was copied from.
pub const EXAMPLE: &str = "EXAMPLE";

/// A file that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The file.
    pub file: String,
    /// What it calibrates.
    pub sensor: Sensor,
    /// Which specimen.
    pub serial: String,
    /// Its version.
    pub version: u32,
    /// Last day on which it holds.
    pub valid_until: Date,
    /// Values that went into the profile; the others are for the server.
    pub in_profile: usize,
}

/// Why a file is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It holds from this day on.
    NotYet(Date),
    /// It held until this day.
    Expired(Date),
    /// The profile names another serial number for the sensor.
    OtherSerial,
    /// Its serial number begins with [`EXAMPLE`].
    Example,
}

/// A file that is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub file: String,
    /// What it calibrates.
    pub sensor: Sensor,
    /// Why it was not taken.
    pub why: Why,
}

/// What was done with the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalibrationReport {
    /// In force, by sensor.
    pub applied: Vec<Applied>,
    /// Not in force.
    pub skipped: Vec<Skipped>,
    /// Sensors without a calibration in force: their values are the priors of the profile.
    pub uncalibrated: Vec<Sensor>,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet(from) => write!(f, "holds from {from} on"),
            Self::Expired(until) => write!(f, "held until {until}"),
            Self::OtherSerial => f.write_str("is of another serial number than the profile names"),
            Self::Example => write!(f, "is an example: its serial number begins with {EXAMPLE}"),
        }
    }
}

/// Puts the values of the files that hold on `today` into a profile.
///
/// # Errors
/// Files that contradict each other, or an impossible profile.
pub fn calibrate(
    mut profile: VehicleProfile,
    files: &[CalibrationFile],
    today: Date,
) -> Result<(VehicleProfile, CalibrationReport), CalibrationError> {
    check_pairs(files)?;
    let mut report = CalibrationReport::default();
    let mut chosen: BTreeMap<Sensor, &CalibrationFile> = BTreeMap::new();
    for file in files {
        let named = file.sensor.serial_in(&profile);
        let why = if file.serial.starts_with(EXAMPLE) {
            Some(Why::Example)
        } else if today < file.valid_from {
            Some(Why::NotYet(file.valid_from))
        } else if today > file.valid_until {
            Some(Why::Expired(file.valid_until))
        } else {
            (!named.is_empty() && named != file.serial).then_some(Why::OtherSerial)
        };
        if let Some(why) = why {
            report.skipped.push(Skipped { file: file.file.clone(), sensor: file.sensor, why });
        } else if let Some(other) = chosen.insert(file.sensor, file) {
            // Of one specimen this would be an overlap, refused above.
            let (first, second) = (other.file.clone(), file.file.clone());
            return Err(CalibrationError::WhichOne { first, second, sensor: file.sensor });
        }
    }
    for (sensor, file) in &chosen {
        let mut in_profile = 0;
        for (key, value) in &file.values {
            if let Some(place) = key.place {
                *place(&mut profile) = *value;
                in_profile += 1;
            }
        }
        report.applied.push(Applied {
            file: file.file.clone(),
            sensor: *sensor,
            serial: file.serial.clone(),
            version: file.version,
            valid_until: file.valid_until,
            in_profile,
        });
    }
    report.uncalibrated = Sensor::ALL.into_iter().filter(|sensor| !chosen.contains_key(sensor)).collect();
    Ok((profile.check()?, report))
}

/// Two files of one specimen must differ in version and share no day. Sorted, only neighbours need to be compared.
fn check_pairs(files: &[CalibrationFile]) -> Result<(), CalibrationError> {
    let mut sorted: Vec<&CalibrationFile> = files.iter().collect();
    sorted.sort_by_key(|it| (it.sensor, &it.serial, it.valid_from, it.valid_until, &it.file));
    for pair in sorted.windows(2) {
        let [a, b] = pair else { continue };
        if (a.sensor, &a.serial) == (b.sensor, &b.serial) && b.valid_from <= a.valid_until {
            return Err(CalibrationError::Overlap {
                first: a.file.clone(),
                second: b.file.clone(),
                sensor: b.sensor,
                serial: b.serial.clone(),
                on: b.valid_from,
            });
        }
    }
    sorted.sort_by_key(|it| (it.sensor, &it.serial, it.version, &it.file));
    for pair in sorted.windows(2) {
        let [a, b] = pair else { continue };
        if (a.sensor, &a.serial, a.version) == (b.sensor, &b.serial, b.version) {
            return Err(CalibrationError::SameVersion {
                first: a.file.clone(),
                second: b.file.clone(),
                sensor: b.sensor,
                serial: b.serial.clone(),
                version: b.version,
            });
        }
    }
    Ok(())
}
