//! When a value may be shown and how sure it is: data, read from `data/publication.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Confidence, DataError, Indicator, Theme};

/// Least counts for a confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinCounts {
    /// Passes.
    pub passes: u32,
    /// Distinct local dates.
    pub days: u32,
}

impl MinCounts {
    const fn met_by(self, n_passes: u32, n_days: u32) -> bool {
        n_passes >= self.passes && n_days >= self.days
    }
}

/// Confidence of one theme. A level that is absent is never given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfidenceRule {
    /// Least counts for `low`.
    pub low: Option<MinCounts>,
    /// For `medium`.
    pub medium: Option<MinCounts>,
    /// For `high`.
    pub high: Option<MinCounts>,
    /// Where the counts come from.
    pub source: String,
    /// Since when they hold, ISO 8601.
    pub valid_from: String,
}

/// What a row needs before the public may see it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KAnonymity {
    /// Distinct vehicles.
    pub min_vehicles: u32,
    /// Distinct pairs of vehicle and day.
    pub min_vehicle_days: u32,
    /// Origins that this gate does not concern.
    pub exempt_origins: Vec<String>,
    /// Where the numbers come from.
    pub source: String,
    /// Since when they hold, ISO 8601.
    pub valid_from: String,
}

/// What the list of passes of a public row needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassGate {
    /// Distinct vehicles that drove the section in an ISO week, for the week to be listed.
    pub min_vehicles_per_week: u32,
    /// Where the number comes from.
    pub source: String,
    /// Since when it holds, ISO 8601.
    pub valid_from: String,
}

/// What a row about heat needs beside, so that it is never the value of one dwelling.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeatGate {
    /// Buildings whose outline lies within [`Self::within_m`] of the section.
    pub min_buildings: u32,
    /// Metres.
    pub within_m: f64,
    /// Where the numbers come from.
    pub source: String,
    /// Since when they hold, ISO 8601.
    pub valid_from: String,
}

/// Gates of aggregation and publication.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicationGates {
    /// Version of the data file.
    pub version: String,
    /// Passes of one vehicle within this time of the first of them count as one.
    pub merge_window_s: u32,
    /// The public gate.
    pub k_anonymity: KAnonymity,
    /// The gate of a public row's passes.
    pub passes: PassGate,
    /// The gate of heat.
    pub heat: HeatGate,
    /// Confidence by theme.
    pub confidence: BTreeMap<Theme, ConfidenceRule>,
}

impl PublicationGates {
    /// The gates that ship with this version.
    ///
    /// # Errors
    /// Only if the embedded file is broken, which a test rules out.
    pub fn builtin() -> Result<Self, DataError> {
        Self::from_toml("publication.toml", include_str!("../data/publication.toml"))
    }

    /// Gates from TOML text; `file` is named in errors.
    ///
    /// # Errors
    /// Names the file and the key that is wrong.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, DataError> {
        let gates: Self = toml::from_str(text).map_err(|error| DataError::toml(file, &error))?;
        if !(0.0..=1_000.0).contains(&gates.heat.within_m) {
            return Err(DataError::new(file, "heat.within_m", "is not a distance from 0 to 1000 m"));
        }
        for theme in Theme::ALL {
            let key = format!("confidence.{}", theme.name());
            let Some(rule) = gates.confidence.get(&theme) else {
                return Err(DataError::new(file, key, "is missing"));
            };
            let levels: Vec<MinCounts> = [rule.low, rule.medium, rule.high].into_iter().flatten().collect();
            if levels.windows(2).any(|pair| pair[0].passes > pair[1].passes || pair[0].days > pair[1].days) {
                return Err(DataError::new(file, key, "a higher confidence must not need fewer passes or days"));
            }
            if !is_iso_date(&rule.valid_from) {
                return Err(DataError::new(file, format!("{key}.valid_from"), "is not a date like 2026-01-31"));
            }
        }
        Ok(gates)
    }

    /// Confidence of a value of this theme by its passes and days.
    #[must_use]
    pub fn confidence_of(&self, theme: Theme, n_passes: u32, n_days: u32) -> Confidence {
        let Some(rule) = self.confidence.get(&theme) else { return Confidence::Insufficient };
        let met = |counts: Option<MinCounts>| counts.is_some_and(|counts| counts.met_by(n_passes, n_days));
        if met(rule.high) {
            Confidence::High
        } else if met(rule.medium) {
            Confidence::Medium
        } else if met(rule.low) {
            Confidence::Low
        } else {
            Confidence::Insufficient
        }
    }

    /// True for rows that no gate concerns: a partner publishes them already.
    #[must_use]
    pub fn is_exempt(&self, indicator: &Indicator) -> bool {
        self.k_anonymity.exempt_origins.contains(&indicator.origin)
    }

    /// True when enough vehicles stand behind this row for the public to see it; a row about heat also needs
    /// [`Self::has_enough_buildings`]. Vehicle-days are not carried by an indicator; the larger of its vehicles
    /// and its days never exceeds them, so the gate errs on the closed side.
    #[must_use]
    pub fn is_public(&self, indicator: &Indicator) -> bool {
        let gate = &self.k_anonymity;
        self.is_exempt(indicator)
            || (indicator.n_boxes >= gate.min_vehicles
                && indicator.n_boxes.max(indicator.n_days) >= gate.min_vehicle_days)
    }

    /// True when a row with so many buildings near its section says nothing about a single dwelling; asked of heat alone.
    #[must_use]
    pub fn has_enough_buildings(&self, indicator: &Indicator, n_buildings: u32) -> bool {
        indicator.theme != Theme::Heat || self.is_exempt(indicator) || n_buildings >= self.heat.min_buildings
    }
}

/// `YYYY-MM-DD`, digits in the right places.
pub(crate) fn is_iso_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_comes_from_data() {
        let gates = PublicationGates::builtin().unwrap();
        assert_eq!(gates.confidence_of(Theme::Air, 5, 3), Confidence::Insufficient, "golden U5: three days");
        assert_eq!(gates.confidence_of(Theme::Air, 4, 4), Confidence::Medium);
        assert_eq!(gates.confidence_of(Theme::Air, 10, 10), Confidence::High);
        assert_eq!(gates.confidence_of(Theme::Road, 0, 0), Confidence::Insufficient);
        assert_eq!(gates.confidence_of(Theme::Road, 2, 2), Confidence::Low);
        assert_eq!(gates.confidence_of(Theme::Road, 9, 9), Confidence::Medium);
        assert_eq!(gates.confidence_of(Theme::Road, 10, 2), Confidence::Medium);
        assert_eq!(gates.confidence_of(Theme::Road, 10, 3), Confidence::High);
        assert_eq!(gates.confidence_of(Theme::Mobile, 3, 1), Confidence::Low);
    }

    #[test]
    fn broken_gates_are_named() {
        let text = include_str!("../data/publication.toml");
        for (from, to, key) in [
            ("[confidence.heat]", "[confidence.cold]", "toml"),
            ("high = { passes = 10, days = 10 }", "high = { passes = 3, days = 10 }", "confidence.air"),
            ("min_vehicles = 2", "min_vehicles = -2", "toml"),
            ("within_m = 20.0", "within_m = -1.0", "heat.within_m"),
            ("min_vehicles_per_week = 2", "", "toml"),
        ] {
            assert!(text.contains(from));
            assert_eq!(PublicationGates::from_toml("g", &text.replacen(from, to, 1)).unwrap_err().key, key);
        }
    }
}
