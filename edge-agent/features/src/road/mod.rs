//! Road roughness and events from acceleration.

mod bumps;
mod chain;
pub mod events;
pub mod filter;
pub mod iri;
mod items;
pub mod mednis;
pub mod motion;
pub mod mounting;
mod open;
pub mod ppe;
pub mod quarter_car;
mod window;

pub use items::{EventWindow, RawSample, RoadCounts, RoadEvent, RoadItem, RoadWindow};
pub use mounting::Mounting;
pub use window::WindowBuilder;

/// Metres per second squared per standard gravity.
pub const STANDARD_GRAVITY_MPS2: f64 = 9.806_65;
