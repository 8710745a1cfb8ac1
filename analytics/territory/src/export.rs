//! Base map as GeoJSON text for the web: six decimals, which is 11 cm.

use geo_types::{Coord, LineString, MultiPolygon, Polygon};
use serde_json::{Map, Value, json};

use crate::Territory;

/// Streets: one LineString per section with `id`, `name`, `class`, `code_insee`, `oneway`, `length_m`.
#[must_use]
pub fn streets(territory: &Territory) -> String {
    collection(territory.sections.iter().map(|s| {
        let properties = json!({
            "id": s.id, "name": s.name, "class": s.class, "code_insee": s.code_insee, "oneway": s.oneway,
            "length_m": (s.length_m * 10.0).round() / 10.0,
        });
        feature(json!({"type": "LineString", "coordinates": line(&s.line)}), properties)
    }))
}

/// Buildings: one Polygon each with `osm_id` and `height_m` (null where unknown).
#[must_use]
pub fn buildings(territory: &Territory) -> String {
    collection(territory.buildings.iter().map(|b| {
        let geometry = json!({"type": "Polygon", "coordinates": polygon(&b.outline)});
        feature(geometry, json!({"osm_id": b.osm_id, "height_m": b.height_m}))
    }))
}

/// Commune outlines: one MultiPolygon each with `code_insee` (text) and `name`.
#[must_use]
pub fn communes(territory: &Territory) -> String {
    collection(territory.communes.iter().map(|c| {
        let geometry = json!({"type": "MultiPolygon", "coordinates": multi_polygon(&c.outline)});
        feature(geometry, json!({"code_insee": c.code_insee, "name": c.name}))
    }))
}

/// West, south, east and north edge of all streets, degrees; none without streets.
#[must_use]
pub fn bounds_deg(territory: &Territory) -> Option<[f64; 4]> {
    let points = territory.sections.iter().flat_map(|s| &s.line.0);
    points.fold(None, |b: Option<[f64; 4]>, p| {
        let [w, s, e, n] = b.unwrap_or([p.x, p.y, p.x, p.y]);
        Some([w.min(p.x), s.min(p.y), e.max(p.x), n.max(p.y)])
    })
}

fn collection(features: impl Iterator<Item = Value>) -> String {
    json!({"type": "FeatureCollection", "features": features.collect::<Vec<_>>()}).to_string()
}

fn feature(geometry: Value, properties: Value) -> Value {
    let mut map = Map::new();
    map.insert("type".into(), "Feature".into());
    map.insert("geometry".into(), geometry);
    map.insert("properties".into(), properties);
    Value::Object(map)
}

fn position(c: &Coord<f64>) -> Value {
    json!([(c.x * 1e6).round() / 1e6, (c.y * 1e6).round() / 1e6])
}

fn line(l: &LineString<f64>) -> Value {
    Value::Array(l.0.iter().map(position).collect())
}

fn polygon(p: &Polygon<f64>) -> Value {
    Value::Array(std::iter::once(p.exterior()).chain(p.interiors()).map(line).collect())
}

fn multi_polygon(m: &MultiPolygon<f64>) -> Value {
    Value::Array(m.0.iter().map(polygon).collect())
}
