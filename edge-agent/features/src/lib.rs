//! From link messages to samples: clock, positions, and one reduction per stream. Pure: no IO, no wall clock; the same
//! frames in the same order give the same samples, however they are cut into calls.

pub mod air;
mod boot;
pub mod calibration;
pub mod clock;
pub mod flags;
pub mod geo;
pub mod geotag;
pub mod ids;
pub mod mobile;
mod pipeline;
pub mod privacy;
pub mod profile;
pub mod road;
pub mod thermal;
pub mod trim;

pub use boot::{Kept, Unused};
pub use pipeline::{Drive, GATES, LineCounters, Pipeline, PipelineCounters, copy_gates};
pub use profile::{ProfileError, VehicleProfile};
