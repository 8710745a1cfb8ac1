//! Settings that are data: which ways are streets, how matching weighs. Embedded with their sources, replaceable.

use serde::Deserialize;

use crate::TerritoryError;

/// Which OSM ways form the network and how they are cut. `config/network.toml` holds the defaults and their sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Highway classes that a delivery vehicle may use.
    pub classes: Vec<String>,
    /// Highway classes that count only when the way has a name.
    pub classes_when_named: Vec<String>,
    /// Classes that are one-way unless tagged otherwise.
    pub oneway_classes: Vec<String>,
    /// Values of `junction` that are one-way unless tagged otherwise.
    pub oneway_junctions: Vec<String>,
    /// Access tags, the most specific first; the first one present decides.
    pub access_keys: Vec<String>,
    /// Values of the access tags that close a way.
    pub access_refused: Vec<String>,
    /// Sections are equal parts of an edge, as near to this as possible, metres.
    pub section_target_m: f64,
    /// Shorter pieces are left out and counted, metres.
    pub min_section_m: f64,
}

impl NetworkConfig {
    /// The embedded defaults.
    ///
    /// # Errors
    /// When the embedded file is damaged (a build defect).
    pub fn embedded() -> Result<Self, TerritoryError> {
        Self::from_toml(include_str!("../config/network.toml"))
    }

    /// Reads settings of the same form as `config/network.toml`.
    ///
    /// # Errors
    /// When the text is not TOML of this form or a length is not positive.
    pub fn from_toml(text: &str) -> Result<Self, TerritoryError> {
        let config: Self = parse("network.toml", text)?;
        if !(config.section_target_m >= 1.0 && config.section_target_m.is_finite() && config.min_section_m >= 0.0) {
            return Err(wrong("network.toml", "section_target_m must be at least 1 and min_section_m not negative"));
        }
        Ok(config)
    }
}

/// One line of the transition table.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// Interval between two fixes, seconds.
    pub interval_s: f64,
    /// Scale of the exponential, metres.
    pub beta_m: f64,
}

/// Weights and cuts of map matching (Newson and Krumm 2009). `config/matching.toml` holds the defaults and the source.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchConfig {
    /// Least standard deviation of a fix, metres.
    pub sigma_min_m: f64,
    /// Largest standard deviation that is believed, metres.
    pub sigma_max_m: f64,
    /// Streets farther away are no candidates, metres.
    pub candidate_radius_m: f64,
    /// Nearest sections that are candidates.
    pub candidate_max: usize,
    /// Fixes nearer than this many sigmas to the last kept one are interpolated afterwards.
    pub thin_sigmas: f64,
    /// Longer silence cuts the line, seconds.
    pub gap_max_s: f64,
    /// Faster is impossible, m/s.
    pub speed_max_mps: f64,
    /// Larger differences of road and straight distance are impossible, metres.
    pub detour_max_m: f64,
    /// Impossible fixes in a row that are left out before the line is cut.
    pub outliers_max: usize,
    /// Course is believed from this speed, m/s.
    pub heading_min_mps: f64,
    /// Course may differ this much from the street, degrees.
    pub heading_gate_deg: f64,
    /// Natural logarithm taken off per further 30 degrees.
    pub heading_penalty: f64,
    /// Natural logarithm taken off for turning round.
    pub uturn_penalty: f64,
    /// Transition scale by interval, ascending.
    pub transition: Vec<Transition>,
}

impl MatchConfig {
    /// The embedded defaults.
    ///
    /// # Errors
    /// When the embedded file is damaged (a build defect).
    pub fn embedded() -> Result<Self, TerritoryError> {
        Self::from_toml(include_str!("../config/matching.toml"))
    }

    /// Reads settings of the same form as `config/matching.toml`.
    ///
    /// # Errors
    /// When the text is not TOML of this form, a scale is not positive or the table is not ascending.
    pub fn from_toml(text: &str) -> Result<Self, TerritoryError> {
        let config: Self = parse("matching.toml", text)?;
        let positive = [config.sigma_min_m, config.candidate_radius_m, config.gap_max_s, config.speed_max_mps];
        if !positive.iter().all(|v| v.is_finite() && *v > 0.0) || config.candidate_max == 0 {
            return Err(wrong("matching.toml", "sigma, radius, gap, speed and candidate_max must be positive"));
        }
        if config.sigma_max_m.is_nan() || config.sigma_max_m < config.sigma_min_m {
            return Err(wrong("matching.toml", "sigma_max_m must not be below sigma_min_m"));
        }
        let ascending = config.transition.windows(2).all(|w| matches!(w, [a, b] if a.interval_s < b.interval_s));
        if config.transition.is_empty() || !ascending || !config.transition.iter().all(|t| t.beta_m > 0.0) {
            return Err(wrong("matching.toml", "transition needs ascending intervals and positive beta_m"));
        }
        Ok(config)
    }
}

pub(crate) fn parse<T: for<'de> Deserialize<'de>>(file: &str, text: &str) -> Result<T, TerritoryError> {
    toml::from_str(text).map_err(|e| TerritoryError::Config { file: file.to_owned(), reason: e.to_string() })
}

pub(crate) fn wrong(file: &str, reason: &str) -> TerritoryError {
    TerritoryError::Config { file: file.to_owned(), reason: reason.to_owned() }
}
