//! The digital twin of the box, and a town with known truth for it to drive in.
//!
//! Everything comes from one seed: the same [`Town`], seed and [`Plan`] give the same bytes on the line. The twin knows
//! the serial link and nothing else of the pipeline; what the pipeline should find out stands in [`SectionTruth`].
//!
//! Nothing here was measured. The figures are chosen to be believable, and each says where it comes from.

pub mod air;
mod drive;
pub mod emulated;
pub mod emulator;
mod grid;
mod layers;
pub mod line_simulator;
mod noise;
mod plan;
pub mod port;
mod random;
mod rider;
mod rig;
mod route;
mod sensors;
mod town;
mod twin_box;
mod world;

pub use layers::{TwinLayer, TwinLayerRow};
pub use noise::LineNoise;
pub use plan::{Plan, Round, demo_plan};
pub use town::{Facade, Street, Town};
pub use twin_box::{SimInstant, TwinBox, TwinCounters};
pub use world::{SectionTruth, World, WorldError};
