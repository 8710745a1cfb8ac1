//! Reference layers, the road network with its sections, and map matching. Pure over bytes: no network, no clock.
//!
//! Start at [`demo::redon`] for a territory, [`graph::NetworkGraph`] to drive on it, [`graph::SectionIndex`] to find the
//! street of a place, [`matching::Matcher`] to lay a track on it, [`layers::read`] for what no vehicle measures and
//! [`export`] for the base map.

pub mod bytes;
pub mod cells;
mod clip;
pub mod communes;
mod config;
mod cut;
pub mod demo;
mod error;
pub mod export;
pub mod geom;
pub mod graph;
pub mod layers;
pub mod matching;
mod model;
pub mod osm;
pub mod partner;
pub mod street_edges;

pub use clip::Bounds;
pub use config::{MatchConfig, NetworkConfig, Transition};
pub use error::TerritoryError;
pub use model::*;
