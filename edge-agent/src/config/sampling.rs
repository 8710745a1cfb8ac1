//! How the box is told to sample.

use serde::{Deserialize, Serialize};
use tournee_link::{BoxConfig, PmPart, SensorId, checksum};

use super::ConfigError;

/// How the box samples; set over the line whenever the box says that it samples otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingSettings {
    /// Sensors that are off, by name: not fitted, or not wanted.
    pub off: Vec<String>,
    /// Acceleration samples per message.
    pub accel_block: u8,
    /// Milliseconds between two fixes.
    pub gnss_period_ms: u16,
    /// Which particulate sensor is fitted.
    pub pm_part: String,
    /// Milliseconds between two readings of particulate matter.
    pub pm_period_ms: u16,
    /// Milliseconds between two readings of temperature, humidity and pressure.
    pub climate_period_ms: u16,
    /// Milliseconds between two readings of the NO2 cell.
    pub no2_period_ms: u16,
    /// Milliseconds between two pictures of a camera.
    pub thermal_period_ms: u16,
    /// Milliseconds between two health messages of the box.
    pub health_period_ms: u16,
}

const PM_PARTS: [(&str, PmPart); 3] =
    [("sps30", PmPart::Sps30), ("pmsx003", PmPart::Pmsx003), ("sds011", PmPart::Sds011)];

impl Default for SamplingSettings {
    fn default() -> Self {
        let BoxConfig {
            accel_block,
            gnss_period_ms,
            pm_period_ms,
            climate_period_ms,
            no2_period_ms,
            thermal_period_ms,
            health_period_ms,
            ..
        } = BoxConfig::DEFAULT;
        Self {
            off: Vec::new(),
            accel_block,
            gnss_period_ms,
            pm_part: "sps30".to_owned(),
            pm_period_ms,
            climate_period_ms,
            no2_period_ms,
            thermal_period_ms,
            health_period_ms,
        }
    }
}

impl SamplingSettings {
    /// The same for the box, whose generation is made of its content: the same settings are the same generation.
    ///
    /// # Errors
    /// A name that no sensor or part has, a value out of its range.
    pub fn wanted(&self) -> Result<BoxConfig, ConfigError> {
        let mut enabled = BoxConfig::DEFAULT.enabled;
        for name in &self.off {
            let sensor = SensorId::ALL.into_iter().find(|sensor| sensor.name() == name);
            let names = || SensorId::ALL.map(SensorId::name).join(", ");
            enabled &= !sensor.ok_or_else(|| refused("sampling.off", name, format!("one of {}", names())))?.bit();
        }
        let part = PM_PARTS.iter().find(|(name, _)| *name == self.pm_part);
        let names = || PM_PARTS.map(|(name, _)| name).join(", ");
        let (_, part) =
            part.ok_or_else(|| refused("sampling.pm_part", &self.pm_part, format!("one of {}", names())))?;
        let config = BoxConfig {
            generation: 1,
            enabled,
            accel_block: self.accel_block,
            gnss_period_ms: self.gnss_period_ms,
            pm_part: *part as u8,
            pm_period_ms: self.pm_period_ms,
            climate_period_ms: self.climate_period_ms,
            no2_period_ms: self.no2_period_ms,
            thermal_period_ms: self.thermal_period_ms,
            health_period_ms: self.health_period_ms,
        };
        config.check().map_err(|error| ConfigError::Value {
            key: key_of(error.field),
            value: error.value.to_string(),
            expected: format!("{} to {}", error.min, error.max),
        })?;
        Ok(BoxConfig { generation: checksum(format!("{config:?}").as_bytes()).max(1), ..config })
    }
}

fn refused(key: &'static str, value: &str, expected: String) -> ConfigError {
    ConfigError::Value { key, value: value.to_owned(), expected }
}

fn key_of(field: &str) -> &'static str {
    match field {
        "accel_block" => "sampling.accel_block",
        "gnss_period_ms" => "sampling.gnss_period_ms",
        "pm_period_ms" => "sampling.pm_period_ms",
        "climate_period_ms" => "sampling.climate_period_ms",
        "no2_period_ms" => "sampling.no2_period_ms",
        "thermal_period_ms" => "sampling.thermal_period_ms",
        "health_period_ms" => "sampling.health_period_ms",
        _ => "sampling",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_settings_are_the_same_generation_and_others_another() {
        let settings = SamplingSettings::default();
        let wanted = settings.wanted().unwrap();
        assert_eq!(BoxConfig { generation: 0, ..wanted }, BoxConfig::DEFAULT);
        assert_eq!(settings.wanted().unwrap(), wanted);
        let other = SamplingSettings { accel_block: 8, ..settings };
        assert_ne!(other.wanted().unwrap().generation, wanted.generation);
    }

    #[test]
    fn names_and_ranges_are_refused_with_their_key() {
        let text = |settings: SamplingSettings| settings.wanted().unwrap_err().to_string();
        let base = SamplingSettings::default();
        let off = text(SamplingSettings { off: vec!["co3".to_owned()], ..base.clone() });
        assert!(off.contains("sampling.off") && off.contains("co2"), "{off}");
        let part = text(SamplingSettings { pm_part: "pms".to_owned(), ..base.clone() });
        assert!(part.contains("sampling.pm_part") && part.contains("pmsx003"), "{part}");
        let period = text(SamplingSettings { gnss_period_ms: 1, ..base });
        assert!(period.contains("sampling.gnss_period_ms") && period.contains("100 to 10000"), "{period}");
    }
}
