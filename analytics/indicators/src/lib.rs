//! Pure, tested formulas: from passes to values with units, counts and confidence. No IO, no clock.
//!
//! A value travels: raw sample → correction ([`air`], [`heat`], [`mobile`]) → [`PassFact`] (one vehicle, one section, one
//! pass) → [`aggregate`] → [`Indicator`] with interval, counts, confidence and class. Class limits, colours, words and
//! gates are data ([`Kinds`], [`PublicationGates`]), each with its source and validity date.

mod aggregate;
pub mod air;
mod air_scale;
mod background;
mod error;
pub mod format;
mod gates;
pub mod heat;
mod kinds;
mod legend;
pub mod mobile;
mod model;
pub mod stats;

pub use aggregate::{Aggregated, aggregate, aggregate_counted, partner_indicator};
pub use air_scale::{AirScale, AirScales};
pub use error::DataError;
pub use gates::{ConfidenceRule, KAnonymity, MinCounts, PublicationGates};
pub use kinds::{Class, Direction, Drawing, Kind, Kinds, Label, Rounding, ShownClasses};
pub use legend::{Legend, LegendClass, legend};
pub use model::*;
