//! The town with its truth.

use thiserror::Error;

use crate::layers::TwinLayer;
use crate::town::Town;

/// What is true of one section, for tests and for the demo's own check.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionTruth {
    /// The street's id.
    pub section_id: String,
    /// Whether a twin can come here: in the largest part of the network in which every place can be reached from
    /// every other.
    pub drivable: bool,
    /// RMS of the body's vertical acceleration, 0.5–20 Hz, at 50 km/h, m/s², potholes included.
    pub rough_mps2: f64,
    /// PM2.5, mean over time: mean background and the street's own part, µg/m³.
    pub pm25_ugm3: f64,
    /// RSRP, mean over the section, dBm. At the core of the hole there is no service.
    pub rsrp_dbm: f64,
    /// How much warmer than the air the facades along it are before dawn, K; none where no facade stands within 15 m.
    pub facade_delta_k: Option<f64>,
    /// Potholes on it.
    pub potholes: u32,
}

/// Why a town cannot be driven.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WorldError {
    /// Fewer streets than a drive needs.
    #[error("the town has no street that can be driven in a loop: give a connected network")]
    NoDrivableStreet,
    /// A street without a course.
    #[error("street {0} has fewer than two points or a coordinate that is no number: leave it out")]
    BadStreet(String),
}

/// A town and everything that is true in it.
#[derive(Debug)]
pub struct World {
    truth: Vec<SectionTruth>,
}

impl World {
    /// Makes the truth of a town from a seed.
    ///
    /// # Errors
    /// [`WorldError`] when the town cannot be driven.
    pub fn new(_seed: u64, town: Town) -> Result<Self, WorldError> {
        if town.streets.is_empty() {
            return Err(WorldError::NoDrivableStreet);
        }
        Ok(Self { truth: Vec::new() })
    }

    /// The truth of each street, in the order of the town.
    #[must_use]
    pub fn truth(&self) -> &[SectionTruth] {
        &self.truth
    }

    /// Reference layers that fit the town: where people walk, where it is dense, what was built and dumped.
    #[must_use]
    pub fn reference_layers(&self, _seed: u64) -> Vec<TwinLayer> {
        Vec::new()
    }
}
