//! From link messages to samples: clock, positions, and one reduction per stream. Pure: no IO, no wall clock; the same
//! frames in the same order give the same samples, however they are cut into calls.

pub mod flags;
mod pipeline;
pub mod profile;

pub use pipeline::{LineCounters, Pipeline};
pub use profile::{ProfileError, VehicleProfile};
