//! Streets, buildings, communes and measured layers as GeoJSON (RFC 7946), written straight to bytes.

use std::collections::{BTreeMap, HashMap};

use geo_types::{LineString, MultiPolygon, Polygon};
use serde::Serialize;
use tournee_indicators::{Confidence, Indicator, Kinds, ShownClasses};
use tournee_publish::{PublicGate, Withheld, monday_of};
use tournee_territory::{Section, Territory};

use crate::legend;

/// Six decimals of a degree: 0.1 m, finer than any of the sources, and a third of the bytes.
const DEGREE_STEP: f64 = 1e6;

type Position = [f64; 2];

#[derive(Serialize)]
#[serde(tag = "type", content = "coordinates")]
enum Geometry {
    LineString(Vec<Position>),
    Polygon(Vec<Vec<Position>>),
    MultiPolygon(Vec<Vec<Vec<Position>>>),
}

#[derive(Serialize)]
struct Feature<P> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: usize,
    properties: P,
    geometry: Geometry,
}

#[derive(Serialize)]
struct Collection<P> {
    #[serde(rename = "type")]
    kind: &'static str,
    /// Foreign member of a measured layer: rows that are withheld, by reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<BTreeMap<&'static str, usize>>,
    features: Vec<Feature<P>>,
}

fn collection<P>(features: impl Iterator<Item = (P, Geometry)>) -> Collection<P> {
    let features = features
        .enumerate()
        // From 1: an id of 0 is taken for "none" by some readers.
        .map(|(ix, (properties, geometry))| Feature { kind: "Feature", id: ix + 1, properties, geometry })
        .collect();
    Collection { kind: "FeatureCollection", withheld: None, features }
}

fn positions(line: &LineString<f64>) -> Vec<Position> {
    let round = |degrees: f64| (degrees * DEGREE_STEP).round() / DEGREE_STEP;
    line.coords().map(|at| [round(at.x), round(at.y)]).collect()
}

fn rings(polygon: &Polygon<f64>) -> Vec<Vec<Position>> {
    std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(positions).collect()
}

fn multi(outline: &MultiPolygon<f64>) -> Geometry {
    Geometry::MultiPolygon(outline.iter().map(rings).collect())
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum BaseProperties<'a> {
    Commune { code_insee: &'a str, name: &'a str },
    Building { height_m: Option<f64> },
    Street { id: &'a str, name: Option<&'a str>, class: &'a str },
}

/// The background map: communes first, then buildings, then streets, so that drawing in order is right.
///
/// # Errors
/// Where a value cannot be written as JSON.
pub fn base(territory: &Territory) -> serde_json::Result<Vec<u8>> {
    let communes = territory.communes.iter().map(|commune| {
        let properties = BaseProperties::Commune { code_insee: &commune.code_insee, name: &commune.name };
        (properties, multi(&commune.outline))
    });
    let buildings = territory.buildings.iter().map(|building| {
        let geometry = Geometry::Polygon(rings(&building.outline));
        (BaseProperties::Building { height_m: building.height_m }, geometry)
    });
    let streets = territory.sections.iter().map(|section| {
        let properties =
            BaseProperties::Street { id: &section.id, name: section.name.as_deref(), class: &section.class };
        (properties, Geometry::LineString(positions(&section.line)))
    });
    serde_json::to_vec(&collection(communes.chain(buildings).chain(streets)))
}

/// How a section is drawn: how much is known decides before what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Drawn {
    /// All classes, solid.
    Solid,
    /// Two classes, dashed, paler.
    Dashed,
    /// No class: "to be confirmed".
    Grey,
    /// Nothing is said: too few vehicles, or too few buildings, stand behind the value.
    Withheld,
}

/// Drawing rule for a public indicator: its confidence decides, a partner's like ours.
#[must_use]
pub fn drawn(kinds: &Kinds, indicator: &Indicator) -> Drawn {
    if indicator.class.is_none() {
        return Drawn::Grey;
    }
    match legend::shown_classes(kinds, indicator.confidence) {
        ShownClasses::All => Drawn::Solid,
        ShownClasses::Two => Drawn::Dashed,
        ShownClasses::None => Drawn::Grey,
    }
}

/// A row as the public may see it: its days as the Mondays of their weeks. A partner's dates are the partner's.
pub(crate) fn public_row(row: &Indicator) -> Indicator {
    let mut row = row.clone();
    if row.origin != "partner" {
        row.first_date = monday_of(&row.first_date).unwrap_or_default();
        row.last_date = monday_of(&row.last_date).unwrap_or_default();
    }
    row
}

#[derive(Serialize)]
struct LayerProperties<'a> {
    section_id: &'a str,
    name: Option<&'a str>,
    code_insee: &'a str,
    indicator: &'a str,
    unit: &'a str,
    origin: &'a str,
    withheld: bool,
    #[serde(flatten)]
    said: Said,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Said {
    Value(Box<Value>),
    Withheld { drawn: Drawn, reason: &'static str },
}

#[derive(Serialize)]
struct Value {
    value: f64,
    lo: Option<f64>,
    hi: Option<f64>,
    class: Option<u8>,
    confidence: Confidence,
    drawn: Drawn,
    n_passes: u32,
    n_days: u32,
    first_date: String,
    last_date: String,
}

/// A layer's bytes, with the counts of what is not in them.
pub(crate) struct Layer {
    pub body: Vec<u8>,
    /// Rows whose section is not in the territory or whose value is no number.
    pub left_out: usize,
    /// Rows that say their value.
    pub public: usize,
}

/// One indicator over the sections that have it. A row below the gates of publication stands there with its reason and
/// nothing else; one whose section is not in the territory is left out, and so is a value that is not a number.
///
/// # Errors
/// Where a value cannot be written as JSON.
pub(crate) fn layer<'a>(
    kinds: &Kinds,
    gate: &PublicGate,
    sections: &HashMap<&str, &'a Section>,
    indicators: impl Iterator<Item = &'a Indicator>,
) -> serde_json::Result<Layer> {
    let (mut left_out, mut public) = (0, 0);
    let mut withheld: BTreeMap<&'static str, usize> = Withheld::ALL.iter().map(|why| (why.name(), 0)).collect();
    let mut features = Vec::new();
    for row in indicators {
        let Some(section) = sections.get(row.section_id.as_str()).filter(|_| row.value.is_finite()) else {
            left_out += 1;
            continue;
        };
        let why = gate.withheld(row);
        let said = match why {
            Some(why) => {
                *withheld.entry(why.name()).or_default() += 1;
                Said::Withheld { drawn: Drawn::Withheld, reason: why.name() }
            }
            None => {
                public += 1;
                Said::Value(Box::new(value(kinds, row)))
            }
        };
        let properties = LayerProperties {
            section_id: &section.id,
            name: section.name.as_deref(),
            code_insee: &section.code_insee,
            indicator: &row.indicator,
            unit: &row.unit,
            origin: &row.origin,
            withheld: why.is_some(),
            said,
        };
        features.push((properties, Geometry::LineString(positions(&section.line))));
    }
    let collection = Collection { withheld: Some(withheld), ..collection(features.into_iter()) };
    Ok(Layer { body: serde_json::to_vec(&collection)?, left_out, public })
}

fn value(kinds: &Kinds, row: &Indicator) -> Value {
    let round = |value: f64| (value * 1e4).round() / 1e4;
    let drawn = drawn(kinds, row);
    let row = public_row(row);
    Value {
        value: round(row.value),
        lo: row.lo.map(round),
        hi: row.hi.map(round),
        class: row.class,
        confidence: row.confidence,
        drawn,
        n_passes: row.n_passes,
        n_days: row.n_days,
        first_date: row.first_date,
        last_date: row.last_date,
    }
}
