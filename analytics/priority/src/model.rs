//! A recommendation and its reasons.

use serde::{Deserialize, Serialize};

/// A term of a score: the reason in numbers. The terms of a recommendation add up to its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Input of the rule ("signage_defect", "pedestrians", "rough_mps2").
    pub input: String,
    /// French.
    pub label_fr: String,
    /// English.
    pub label_en: String,
    /// Value of the input here.
    pub value: f64,
    /// Unit of the value, as printed in French.
    pub unit: String,
    /// Unit as printed in English; empty where it is the same, and in tables written before it was told apart.
    #[serde(default)]
    pub unit_en: String,
    /// What the rule compares with, French ("≥ 0,6", "parmi les 25 % les plus élevés de la commune").
    pub threshold: String,
    /// The same in English; empty in tables written before it was told apart.
    #[serde(default)]
    pub threshold_en: String,
    /// Contribution to the score.
    pub contribution: f64,
    /// Passes behind the value; none for a reference layer.
    pub n_passes: Option<u32>,
    /// Days behind the value.
    pub n_days: Option<u32>,
    /// `measured`, `simulated` or `partner`.
    pub origin: String,
}

/// One recommendation for one section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    /// Territory id.
    pub territory: String,
    /// Rule id ("signage_pedestrians", "housing_signal", "dumping_density", "road_works").
    pub rule: String,
    /// Section id.
    pub section_id: String,
    /// Commune.
    pub code_insee: String,
    /// Street name; empty where the street has none.
    pub street: String,
    /// Rank inside its rule and territory, from 1; equal scores share a rank.
    pub rank: u32,
    /// Score, 0 to 1.
    pub score: f64,
    /// Confidence: `high`, `medium` or `low`, the weakest of its measured inputs.
    pub confidence: String,
    /// What to do, French.
    pub action_fr: String,
    /// What to do, English.
    pub action_en: String,
    /// Why, ordered by contribution.
    pub reasons: Vec<Reason>,
}
