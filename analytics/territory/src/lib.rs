//! Reference layers, the road network with its sections, and map matching. Pure over bytes: no network, no clock.

mod model;

pub use model::*;
