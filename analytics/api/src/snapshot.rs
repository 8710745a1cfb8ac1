//! What the server shows: an immutable picture of the territories, made by the pipeline and handed over whole.

use std::sync::Arc;

use tournee_indicators::{Indicator, Kinds, PassFact};
use tournee_priority::Recommendation;
use tournee_territory::Territory;

/// One territory with everything that was derived for it.
///
/// Rows of other territories in the lists are ignored: only those whose `territory` is this territory's id count.
#[derive(Clone, Debug)]
pub struct TerritoryView {
    /// Streets, buildings, communes, credits and the statement of what is measured and what is simulated.
    pub territory: Arc<Territory>,
    /// One row per section and indicator.
    pub indicators: Vec<Indicator>,
    /// The facts behind the indicators. Box ids and times of day in them never leave the server.
    pub pass_facts: Vec<PassFact>,
    /// Recommendations with their reasons.
    pub recommendations: Vec<Recommendation>,
}

/// Everything the server answers from. Made once, then only read; a newer one replaces it as a whole.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Territories, in the order they are offered.
    pub territories: Vec<TerritoryView>,
    /// Indicator kinds with their units, classes and colours: the legend.
    pub kinds: Kinds,
    /// When the indicators were computed, ISO 8601 with zone.
    pub generated_at: String,
    /// Version of the data behind the indicators, so that an answer can be cited.
    pub data_version: String,
}
