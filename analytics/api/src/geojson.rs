//! Streets, buildings, communes and measured layers as GeoJSON (RFC 7946), written straight to bytes.

use std::collections::HashMap;

use geo_types::{LineString, MultiPolygon, Polygon};
use serde::Serialize;
use tournee_indicators::{Confidence, Indicator, Kinds, ShownClasses};
use tournee_publish::Published;
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
    features: Vec<Feature<P>>,
}

fn collection<P>(features: impl Iterator<Item = (P, Geometry)>) -> Collection<P> {
    let features = features
        .enumerate()
        // From 1: an id of 0 is taken for "none" by some readers.
        .map(|(ix, (properties, geometry))| Feature { kind: "Feature", id: ix + 1, properties, geometry })
        .collect();
    Collection { kind: "FeatureCollection", features }
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
    /// All classes, solid. Also a partner's layer that has a class: its passes are not ours to count, and the page says
    /// so.
    Solid,
    /// Two classes, dashed, paler.
    Dashed,
    /// No class: "to be confirmed".
    Grey,
}

/// Drawing rule for an indicator.
#[must_use]
pub fn drawn(kinds: &Kinds, indicator: &Indicator) -> Drawn {
    if indicator.class.is_none() {
        return Drawn::Grey;
    }
    if indicator.origin == "partner" && indicator.n_passes == 0 {
        return Drawn::Solid;
    }
    match legend::shown_classes(kinds, indicator.confidence) {
        ShownClasses::All => Drawn::Solid,
        ShownClasses::Two => Drawn::Dashed,
        ShownClasses::None => Drawn::Grey,
    }
}

#[derive(Serialize)]
struct LayerProperties<'a> {
    section_id: &'a str,
    name: Option<&'a str>,
    code_insee: &'a str,
    indicator: &'a str,
    unit: &'a str,
    value: f64,
    lo: Option<f64>,
    hi: Option<f64>,
    class: Option<u8>,
    confidence: Confidence,
    drawn: Drawn,
    n_passes: u32,
    n_days: u32,
    first_date: &'a str,
    last_date: &'a str,
    origin: &'a str,
}

/// One indicator over the sections that have it. A row whose section is not in the territory is left out, and so is a
/// value that is not a number; the count of rows left out comes back beside the bytes.
///
/// # Errors
/// Where a value cannot be written as JSON.
pub fn layer<'a>(
    published: &Published,
    sections: &HashMap<&str, &'a Section>,
    indicators: impl Iterator<Item = &'a Indicator>,
) -> serde_json::Result<(Vec<u8>, usize)> {
    let mut left_out = 0;
    let round = |value: f64| (value * 1e4).round() / 1e4;
    let features: Vec<_> = indicators
        .filter_map(|row| {
            let section = sections.get(row.section_id.as_str()).filter(|_| row.value.is_finite());
            if section.is_none() {
                left_out += 1;
            }
            let section = section?;
            // The days of a single vehicle would retrace its round.
            let public = published.gates.is_public(row);
            let properties = LayerProperties {
                section_id: &section.id,
                name: section.name.as_deref(),
                code_insee: &section.code_insee,
                indicator: &row.indicator,
                unit: &row.unit,
                value: round(row.value),
                lo: row.lo.map(round),
                hi: row.hi.map(round),
                class: row.class,
                confidence: row.confidence,
                drawn: drawn(&published.kinds, row),
                n_passes: row.n_passes,
                n_days: row.n_days,
                first_date: if public { &row.first_date } else { "" },
                last_date: if public { &row.last_date } else { "" },
                origin: &row.origin,
            };
            Some((properties, Geometry::LineString(positions(&section.line))))
        })
        .collect();
    Ok((serde_json::to_vec(&collection(features.into_iter()))?, left_out))
}
