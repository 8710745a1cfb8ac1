//! Pass facts and indicators. Indicators are always computed from pass facts, never from other indicators.

use serde::{Deserialize, Serialize};

/// What a territory asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// Air quality.
    Air,
    /// Road surface.
    Road,
    /// Mobile network.
    Mobile,
    /// Heat that facades lose.
    Heat,
}

impl Theme {
    /// All themes, in the order they are shown.
    pub const ALL: [Self; 4] = [Self::Air, Self::Road, Self::Mobile, Self::Heat];

    /// Name in tables and URLs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Air => "air",
            Self::Road => "road",
            Self::Mobile => "mobile",
            Self::Heat => "heat",
        }
    }

    /// The theme of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.name() == name)
    }
}

/// What one pass of one vehicle says about one section: the smallest fact that leaves the raw tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassFact {
    /// Territory id.
    pub territory: String,
    /// Section id.
    pub section_id: String,
    /// Indicator name, e.g. `pm25_ugm3`; the table of kinds is data.
    pub indicator: String,
    /// Box.
    pub box_id: String,
    /// Start of the pass over this section, UTC, microseconds since 1970.
    pub t_us: i64,
    /// Local date of the pass, ISO 8601.
    pub date: String,
    /// Value of the pass, in the indicator's unit.
    pub value: f64,
    /// Samples behind the value.
    pub n_samples: u32,
}

/// Confidence in words, thresholds are data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Too few passes or days to show a class.
    Insufficient,
    /// 1-2 passes: to be confirmed.
    Low,
    /// 3-9 passes.
    Medium,
    /// 10 or more passes on 3 or more days.
    High,
}

/// One indicator of one section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Indicator {
    /// Territory id.
    pub territory: String,
    /// Section id.
    pub section_id: String,
    /// Theme.
    pub theme: Theme,
    /// Indicator name.
    pub indicator: String,
    /// Unit as printed.
    pub unit: String,
    /// Median over passes.
    pub value: f64,
    /// Lower end of the 95 % order-statistic interval of the median; none below six passes.
    pub lo: Option<f64>,
    /// Upper end.
    pub hi: Option<f64>,
    /// Passes; 0 where a partner's layer does not say.
    pub n_passes: u32,
    /// Distinct local dates.
    pub n_days: u32,
    /// Distinct boxes.
    pub n_boxes: u32,
    /// First local date, ISO 8601; empty where unknown.
    pub first_date: String,
    /// Last local date, ISO 8601; empty where unknown.
    pub last_date: String,
    /// Confidence.
    pub confidence: Confidence,
    /// Class of the legend, from 0 (best); none where confidence is insufficient.
    pub class: Option<u8>,
    /// `measured`, `simulated` or `partner`.
    pub origin: String,
}
