//! The figures of a run, as printed and as JSON.

use serde::Serialize;
use std::collections::BTreeMap;

/// What a run came to. The same seed gives the same figures, but for `elapsed_s` and `data_dir`.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Samples that got an identity on the vehicles.
    pub generated: u64,
    /// Samples that lie in the lake.
    pub stored: u64,
    /// Samples that were given up, each in a gap record.
    pub gaps: u64,
    /// Rows and batches in quarantine.
    pub quarantined: u64,
    /// Keys that are in the lake more than once.
    pub duplicates: u64,
    /// Vehicles.
    pub boxes: u64,
    /// Passes over a section.
    pub passes: u64,
    /// Sections with an indicator, by theme.
    pub sections_measured: BTreeMap<String, u64>,
    /// Indicators, all territories.
    pub indicators: u64,
    /// Recommendations.
    pub recommendations: u64,
    /// Recommendations by rule.
    pub recommendations_by_rule: BTreeMap<String, u64>,
    /// Link frames broken on the serial lines.
    pub frames_bad: u64,
    /// Link frames missing by sequence number.
    pub frames_lost: u64,
    /// Spearman rank correlation between indicator and the twin's truth, sections with six passes or more.
    pub truth_rank_correlation: BTreeMap<String, f64>,
    /// Seed.
    pub seed: u64,
    /// Where everything lies.
    pub data_dir: String,
    /// Seconds from start to map.
    pub elapsed_s: f64,
}
