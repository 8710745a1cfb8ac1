//! Pure, tested formulas: from passes to values with units, counts and confidence. No IO, no clock.

mod model;

pub use model::*;
