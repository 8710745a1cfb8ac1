//! What a territory is made of. Coordinates are WGS 84, (longitude, latitude) in degrees, unless a name says otherwise.

use geo_types::{LineString, MultiPolygon, Polygon};
use serde::{Deserialize, Serialize};

/// Text that a collectivité reads: French first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

/// Where a value comes from. Said on the map for each layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Boxes on vehicles.
    Measured,
    /// The digital twin: nothing of it was measured.
    Simulated,
    /// A partner's measurements, imported.
    Partner,
}

/// Licence, source and credit of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// The line that must stand on the map.
    pub credit: String,
    /// SPDX identifier or name of the licence.
    pub licence: String,
    /// What the data is and where it was taken from.
    pub source: String,
}

/// A commune.
#[derive(Clone, Debug, PartialEq)]
pub struct Commune {
    /// INSEE code, text ("35236"); outside France the country's own code, prefixed ("IE-D").
    pub code_insee: String,
    /// Name.
    pub name: String,
    /// Outline.
    pub outline: MultiPolygon<f64>,
}

/// A junction of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub i64);

/// Index of a section in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SectionIx(pub u32);

/// A piece of street between two junctions, or an equal part of a long one (about 50 m): the unit that everything is
/// aggregated on.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Stable id: `{way}-{first node}-{part}`, e.g. `w4305911-n256-0`.
    pub id: String,
    /// OSM way.
    pub way_id: i64,
    /// Street name, where known.
    pub name: Option<String>,
    /// OSM highway class ("residential").
    pub class: String,
    /// Commune that holds its middle.
    pub code_insee: String,
    /// First node; inner cuts of a long edge get negative ids of their own.
    pub from: NodeId,
    /// Last node.
    pub to: NodeId,
    /// May only be driven from `from` to `to`.
    pub oneway: bool,
    /// Course of the section.
    pub line: LineString<f64>,
    /// Metres.
    pub length_m: f64,
}

/// A building's outline.
#[derive(Clone, Debug, PartialEq)]
pub struct Building {
    /// OSM way or relation.
    pub osm_id: i64,
    /// Outer ring and holes.
    pub outline: Polygon<f64>,
    /// Height where known, metres.
    pub height_m: Option<f64>,
}

/// A territory, loaded.
#[derive(Clone, Debug)]
pub struct Territory {
    /// Short id in URLs and tables ("redon").
    pub id: String,
    /// Name that is shown.
    pub name: Text,
    /// What is measured here and what is simulated, in a sentence.
    pub statement: Text,
    /// Communes.
    pub communes: Vec<Commune>,
    /// Every section; `SectionIx` indexes this.
    pub sections: Vec<Section>,
    /// Buildings.
    pub buildings: Vec<Building>,
    /// Credits of all that was loaded.
    pub attributions: Vec<Attribution>,
}

/// One object of a reference layer that no vehicle measures (signage defects, pedestrian counts, new housing, dumping
/// reports, density), as imported from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerPoint {
    /// Id inside its file.
    pub local_id: String,
    /// Longitude, degrees.
    pub lon_deg: f64,
    /// Latitude, degrees.
    pub lat_deg: f64,
    /// Date of the observation, ISO 8601.
    pub date: String,
    /// Value in the layer's unit.
    pub value: f64,
}

/// A reference layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Name in rules ("signage_defect", "pedestrians", "new_housing", "dumping", "density").
    pub name: String,
    /// Unit of the values.
    pub unit: String,
    /// Simulated or partner.
    pub origin: Origin,
    /// Credit.
    pub attribution: Attribution,
    /// Objects.
    pub points: Vec<LayerPoint>,
}
