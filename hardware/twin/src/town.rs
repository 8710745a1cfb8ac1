//! What the twin is given: streets and buildings, in WGS 84 degrees.

/// A piece of street between two nodes: one section of the analytics' network, about 50 m.
#[derive(Clone, Debug, PartialEq)]
pub struct Street {
    /// The section's id; what stands before its first `-` names the way that it is part of.
    pub id: String,
    /// First node.
    pub from: i64,
    /// Last node.
    pub to: i64,
    /// May only be driven from `from` to `to`.
    pub oneway: bool,
    /// Course, (longitude, latitude) in degrees.
    pub line: Vec<(f64, f64)>,
    /// Length, metres.
    pub length_m: f64,
}

/// A building.
#[derive(Clone, Debug, PartialEq)]
pub struct Facade {
    /// Its id.
    pub id: i64,
    /// Outer ring, (longitude, latitude) in degrees, closed or not.
    pub ring: Vec<(f64, f64)>,
}

/// A town.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Town {
    /// Its streets.
    pub streets: Vec<Street>,
    /// Its buildings.
    pub facades: Vec<Facade>,
}
