//! How a box samples. Set by the host, kept in the box's memory only: a box that has started anew says Hello with
//! generation 0 and samples by [`BoxConfig::DEFAULT`] until the host sets it again.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::message::ACCEL_BLOCK_MAX;
use crate::sensor::SensorId;

/// Which particulate sensor is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PmPart {
    /// Sensirion SPS30 on the I²C bus.
    Sps30 = 0,
    /// Plantower PMSx003 on the serial line.
    Pmsx003 = 1,
    /// Nova SDS011 on the serial line.
    Sds011 = 2,
}

/// How a box samples. All fields are plain numbers, so that a value that a box does not know is refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxConfig {
    /// Chosen by the host, not 0; said back in [`crate::HelloV2`].
    pub generation: u32,
    /// Sensors that are on, [`SensorId::bit`] each.
    pub enabled: u16,
    /// Acceleration samples per block, 1 to [`ACCEL_BLOCK_MAX`].
    pub accel_block: u8,
    /// Milliseconds between two fixes.
    pub gnss_period_ms: u16,
    /// Which particulate sensor: a [`PmPart`].
    pub pm_part: u8,
    /// Milliseconds between two readings.
    pub pm_period_ms: u16,
    /// Milliseconds between two readings.
    pub climate_period_ms: u16,
    /// Milliseconds between two readings.
    pub no2_period_ms: u16,
    /// Milliseconds between two whole pictures of a camera.
    pub thermal_period_ms: u16,
    /// Milliseconds between two health messages.
    pub health_period_ms: u16,
}

/// A value that no box accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Name of the field.
    pub field: &'static str,
    /// Its place in [`BoxConfig`], from 0; what a Nak carries.
    pub index: u8,
    /// What was given.
    pub value: u32,
    /// Least accepted value.
    pub min: u32,
    /// Greatest accepted value.
    pub max: u32,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, min, max, .. } = self;
        write!(f, "box configuration: {field} = {value}, accepted is {min} to {max}")
    }
}

impl core::error::Error for ConfigError {}

const ALL_SENSORS: u16 = {
    let mut bits = 0;
    let mut n = 0;
    while n < SensorId::ALL.len() {
        bits |= SensorId::ALL[n].bit();
        n += 1;
    }
    bits
};

impl BoxConfig {
    /// What a box does until it is told otherwise.
    pub const DEFAULT: Self = Self {
        generation: 0,
        enabled: ALL_SENSORS,
        accel_block: ACCEL_BLOCK_MAX as u8,
        gnss_period_ms: 1_000,
        pm_part: PmPart::Sps30 as u8,
        pm_period_ms: 1_000,
        climate_period_ms: 1_000,
        no2_period_ms: 1_000,
        thermal_period_ms: 1_000,
        health_period_ms: 60_000,
    };

    /// Whether a box accepts it.
    ///
    /// # Errors
    /// The first field out of its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fields: [(&str, u32, u32, u32); 10] = [
            ("generation", self.generation, 1, u32::MAX),
            ("enabled", self.enabled.into(), 0, ALL_SENSORS.into()),
            ("accel_block", self.accel_block.into(), 1, ACCEL_BLOCK_MAX as u32),
            ("gnss_period_ms", self.gnss_period_ms.into(), 100, 10_000),
            ("pm_part", self.pm_part.into(), 0, PmPart::Sds011 as u32),
            ("pm_period_ms", self.pm_period_ms.into(), 1_000, 60_000),
            ("climate_period_ms", self.climate_period_ms.into(), 100, 60_000),
            ("no2_period_ms", self.no2_period_ms.into(), 100, 60_000),
            ("thermal_period_ms", self.thermal_period_ms.into(), 250, 4_000),
            ("health_period_ms", self.health_period_ms.into(), 1_000, 60_000),
        ];
        for (index, (field, value, min, max)) in (0..).zip(fields) {
            if !(min..=max).contains(&value) {
                return Err(ConfigError { field, index, value, min, max });
            }
        }
        Ok(())
    }

    /// Whether a sensor is on.
    #[must_use]
    pub const fn has(&self, sensor: SensorId) -> bool {
        self.enabled & sensor.bit() != 0
    }

    /// The particulate sensor; the default part for a number that this version does not know, which [`Self::check`] refuses.
    #[must_use]
    pub const fn pm(&self) -> PmPart {
        match self.pm_part {
            1 => PmPart::Pmsx003,
            2 => PmPart::Sds011,
            _ => PmPart::Sps30,
        }
    }
}
