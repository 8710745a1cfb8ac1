//! Rules kept as data, scores and explanations. Pure: no IO, no clock.

mod model;

pub use model::*;
