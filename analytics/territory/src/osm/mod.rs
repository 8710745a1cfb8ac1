//! OpenStreetMap XML: reading, and what becomes of it (streets, buildings).

pub(crate) mod buildings;
pub(crate) mod network;
mod xml;

pub use buildings::{BuildingReport, read_buildings};
pub use network::{NetworkReport, build_sections};
pub use xml::{OsmData, OsmRelation, OsmWay, ReadLimits, Tags, read};
