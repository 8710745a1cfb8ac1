//! Thresholds between samples and pass facts: data, read from `config/pipeline.toml`.

use chrono_tz::Tz;
use serde::Deserialize;

use crate::PipelineError;

/// A quality bit by which a sample is refused; `docs/flags.md` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bit {
    /// Its place, from 0.
    pub bit: u32,
    /// Its name.
    pub name: String,
}

/// Where rounds are cut.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said in the file")]
pub struct Round {
    pub gap_s: u32,
    pub source: String,
    pub valid_from: String,
}

/// What a pass is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said in the file")]
pub struct Pass {
    pub min_share: f64,
    pub max_time_off_s: f64,
    pub margin_m: f64,
    pub time_zone: String,
    pub source: String,
    pub valid_from: String,
}

/// Air samples.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said in the file")]
pub struct Air {
    pub min_samples: u32,
    pub refuse: Vec<Bit>,
    pub refuse_no2: Vec<Bit>,
    pub source: String,
    pub valid_from: String,
}

/// Road windows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said in the file")]
pub struct Road {
    pub min_windows: u32,
    pub min_window_m: f64,
    pub source: String,
    pub valid_from: String,
}

/// Mobile samples.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said in the file")]
pub struct Mobile {
    pub min_samples: u32,
    pub no_service_dbm: f64,
    pub refuse: Vec<Bit>,
    pub source: String,
    pub valid_from: String,
}

/// Pass facts whose raw rows have left.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said in the file")]
pub struct Carry {
    pub near_s: u32,
    pub source: String,
    pub valid_from: String,
}

/// Facade frames; how many a pass needs stands with their correction.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said in the file")]
pub struct Heat {
    pub refuse: Vec<Bit>,
}

/// All thresholds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "said in the file")]
pub struct Config {
    pub version: String,
    pub round: Round,
    pub pass: Pass,
    pub air: Air,
    pub road: Road,
    pub mobile: Mobile,
    pub heat: Heat,
    pub carry: Carry,
    /// [`Pass::time_zone`], read.
    #[serde(skip, default = "utc")]
    pub zone: Tz,
}

const fn utc() -> Tz {
    Tz::UTC
}

impl Config {
    /// The thresholds that ship with this version.
    ///
    /// # Errors
    /// Only if the embedded file is broken, which a test rules out.
    pub fn builtin() -> Result<Self, PipelineError> {
        Self::from_toml(include_str!("../config/pipeline.toml"))
    }

    /// Thresholds from TOML text.
    ///
    /// # Errors
    /// Names the key that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, PipelineError> {
        let wrong = |message: String| PipelineError::Config { file: "pipeline.toml".to_owned(), message };
        let mut read: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        read.zone = read
            .pass
            .time_zone
            .parse()
            .map_err(|_| wrong(format!("pass.time_zone: no time zone \"{}\"", read.pass.time_zone)))?;
        if !(0.0..=1.0).contains(&read.pass.min_share) {
            return Err(wrong("pass.min_share: from 0 to 1".to_owned()));
        }
        if !(read.pass.max_time_off_s > 0.0 && read.pass.max_time_off_s < 60.0) || read.round.gap_s == 0 {
            return Err(wrong("pass.max_time_off_s: above 0, below 60; round.gap_s: above 0".to_owned()));
        }
        if read.carry.near_s == 0 || read.carry.near_s > 3_600 {
            return Err(wrong("carry.near_s: from 1 to 3600".to_owned()));
        }
        if !(-200.0..=-20.0).contains(&read.mobile.no_service_dbm) {
            return Err(wrong("mobile.no_service_dbm: from -200 to -20".to_owned()));
        }
        let bits = [&read.air.refuse, &read.air.refuse_no2, &read.mobile.refuse, &read.heat.refuse];
        if bits.into_iter().flatten().any(|bit| bit.bit > 31) {
            return Err(wrong("refuse.bit: from 0 to 31".to_owned()));
        }
        Ok(read)
    }

    /// [`Pass::max_time_off_s`] in microseconds.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "below 60 s, checked when read")]
    pub fn max_time_off_us(&self) -> i64 {
        (self.pass.max_time_off_s * 1e6) as i64
    }
}

/// True when one of the bits is set; flags that are not a number refuse nothing.
#[must_use]
pub fn refused(flags: f64, bits: &[Bit]) -> bool {
    if !flags.is_finite() || flags < 0.0 {
        return false;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let flags = flags as u64;
    bits.iter().any(|bit| flags & (1_u64 << bit.bit.min(63)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_read() {
        let config = Config::builtin().unwrap();
        assert_eq!(config.zone, Tz::Europe__Paris);
        assert_eq!(config.max_time_off_us(), 1_500_000);
    }

    #[test]
    fn wrong_values_are_named() {
        let text = include_str!("../config/pipeline.toml");
        for (from, to, says) in [
            ("min_share = 0.6", "min_share = 6", "pass.min_share"),
            ("Europe/Paris", "Europe/Redon", "Europe/Redon"),
            ("gap_s = 1800", "gap_s = 0", "round.gap_s"),
            ("no_service_dbm = -140.0", "no_service_dbm = 0.0", "mobile.no_service_dbm"),
            ("bit = 13", "bit = 64", "refuse.bit"),
            ("min_windows = 1", "min_window = 1", "min_window"),
            ("near_s = 90", "near_s = 0", "carry.near_s"),
        ] {
            let error = Config::from_toml(&text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn bits_carry_the_names_of_the_documentation() {
        let config = Config::builtin().unwrap();
        let documented = include_str!("../../../docs/flags.md");
        for bit in [&config.air.refuse, &config.air.refuse_no2, &config.mobile.refuse, &config.heat.refuse]
            .into_iter()
            .flatten()
        {
            assert!(documented.contains(&format!("| {} | `{}` |", bit.bit, bit.name)), "{}", bit.name);
        }
    }

    #[test]
    fn flags_refuse_by_bit() {
        let bits = [Bit { bit: 11, name: String::new() }];
        assert!(refused(2048.0, &bits) && refused(2049.0, &bits));
        assert!(!refused(1024.0, &bits) && !refused(f64::NAN, &bits));
    }
}
