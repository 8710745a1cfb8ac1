//! Air quality scales by pollutant: data, read from `data/air_scales.toml`. Two scales are never mixed: the same NO2 of
//! 41 µg/m³ is class 2 of one and class 3 of the other. What a vehicle measures is never printed as the official index.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{DataError, Label, Rounding};

/// One scale.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AirScale {
    /// `atmo_2021` or `eaqi_2024`.
    pub id: String,
    /// Name as printed.
    pub label: Label,
    /// Rounding before classing.
    pub rounding: Rounding,
    /// Where the bands come from.
    pub source: String,
    /// Since when they hold, ISO 8601.
    pub valid_from: String,
    /// Upper bounds in µg/m³ by pollutant (`pm25`, `pm10`, `no2`, `o3`, `so2`), included.
    pub upper: BTreeMap<String, Vec<f64>>,
}

impl AirScale {
    /// Class of a concentration in µg/m³, from 1 (best); `None` for an unknown pollutant or a value not finite.
    #[must_use]
    pub fn class(&self, pollutant: &str, value_ugm3: f64) -> Option<u8> {
        let upper = self.upper.get(pollutant)?;
        if !value_ugm3.is_finite() {
            return None;
        }
        let value = self.rounding.apply(value_ugm3);
        u8::try_from(upper.iter().filter(|bound| value > **bound).count() + 1).ok()
    }

    /// The worst class of several pollutants; `None` when none of them has a class.
    #[must_use]
    pub fn worst(&self, values: &[(&str, f64)]) -> Option<u8> {
        values.iter().filter_map(|(pollutant, value)| self.class(pollutant, *value)).max()
    }
}

/// All scales that are known.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AirScales {
    scale: Vec<AirScale>,
}

impl AirScales {
    /// The scales that ship with this version.
    ///
    /// # Errors
    /// Only if the embedded file is broken, which a test rules out.
    pub fn builtin() -> Result<Self, DataError> {
        Self::from_toml("air_scales.toml", include_str!("../data/air_scales.toml"))
    }

    /// Scales from TOML text; `file` is named in errors.
    ///
    /// # Errors
    /// Names the file and the key that is wrong.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, DataError> {
        let scales: Self = toml::from_str(text).map_err(|error| DataError::toml(file, &error))?;
        for scale in &scales.scale {
            for (pollutant, upper) in &scale.upper {
                if upper.is_empty() || upper.windows(2).any(|pair| pair[0] >= pair[1]) {
                    return Err(DataError::new(file, format!("scale.{}.upper.{pollutant}", scale.id), "must rise"));
                }
            }
        }
        Ok(scales)
    }

    /// The scale of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&AirScale> {
        self.scale.iter().find(|scale| scale.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_u4_classes() {
        let scales = AirScales::builtin().unwrap();
        let (atmo, eaqi) = (scales.get("atmo_2021").unwrap(), scales.get("eaqi_2024").unwrap());
        for (pollutant, value, class) in [
            ("pm25", 10.0, 1),
            ("pm25", 10.4, 1),
            ("pm25", 10.5, 2),
            ("pm25", 25.0, 3),
            ("pm25", 26.0, 4),
            ("pm25", 75.0, 5),
            ("pm25", 76.0, 6),
            ("no2", 40.0, 1),
            ("no2", 90.0, 2),
            ("no2", 120.0, 3),
            ("no2", 230.0, 4),
            ("no2", 340.0, 5),
            ("no2", 341.0, 6),
            ("o3", 130.0, 3),
            ("o3", 131.0, 4),
        ] {
            assert_eq!(atmo.class(pollutant, value), Some(class), "{pollutant} {value}");
        }
        assert_eq!(atmo.worst(&[("pm10", 41.0), ("no2", 30.0), ("o3", 90.0)]), Some(3));
        for (pollutant, value, class) in
            [("pm25", 5.0, 1), ("pm25", 15.0, 2), ("pm25", 50.0, 3), ("no2", 60.0, 3), ("no2", 61.0, 4)]
        {
            assert_eq!(eaqi.class(pollutant, value), Some(class), "{pollutant} {value}");
        }
        assert_eq!((atmo.class("no2", 41.0), eaqi.class("no2", 41.0)), (Some(2), Some(3)), "never mix the two");
        assert_eq!(atmo.class("radon", 1.0), None);
        assert_eq!(atmo.class("no2", f64::NAN), None);
    }
}
