//! The reference layers that no vehicle measures, made up to fit the town.

use crate::world::World;

/// One object of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinLayerRow {
    /// Id inside its layer.
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

/// A layer.
#[derive(Clone, Debug, PartialEq)]
pub struct TwinLayer {
    /// `signage_defect`, `pedestrians`, `new_housing`, `dumping` or `density`.
    pub name: &'static str,
    /// Unit of the values.
    pub unit: &'static str,
    /// Its objects.
    pub rows: Vec<TwinLayerRow>,
}

pub(crate) fn reference_layers(_world: &World, _seed: u64) -> Vec<TwinLayer> {
    Vec::new()
}
