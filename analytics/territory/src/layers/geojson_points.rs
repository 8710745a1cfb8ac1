//! Layer points from GeoJSON: Point features with the properties local_id, date and value.

use geojson::{Feature, GeoJson, GeometryValue};
use serde_json::Value;

use super::{LayerReport, MAX_ROWS, checked, table};
use crate::{LayerPoint, TerritoryError};

pub(super) fn read(text: &str, report: &mut LayerReport) -> Result<Vec<LayerPoint>, TerritoryError> {
    let bad = |reason: String| TerritoryError::Format { format: "layer GeoJSON", reason };
    let parsed: GeoJson = text.parse().map_err(|e: geojson::Error| bad(e.to_string()))?;
    let GeoJson::FeatureCollection(collection) = parsed else { return Err(bad("not a FeatureCollection".into())) };
    if collection.features.len() > MAX_ROWS {
        return Err(TerritoryError::TooLarge { what: "features", limit: MAX_ROWS });
    }
    let mut points = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (i, feature) in collection.features.iter().enumerate() {
        report.rows += 1;
        let line = i as u64 + 1;
        match point(feature) {
            Ok(point) if !seen.insert((point.local_id.clone(), point.date.clone())) => {
                report.refuse(line, "local_id stands twice with the same date");
            }
            Ok(point) => points.push(point),
            Err(reason) => report.refuse(line, reason),
        }
    }
    Ok(points)
}

fn point(feature: &Feature) -> Result<LayerPoint, &'static str> {
    let position = match feature.geometry.as_ref().map(|g| &g.value) {
        Some(GeometryValue::Point { coordinates }) => coordinates,
        _ => return Err("geometry is not a Point"),
    };
    let text = |key: &str| match feature.property(key) {
        Some(Value::String(s)) => s.clone(),
        Some(Value::Number(n)) => n.to_string(),
        _ => String::new(),
    };
    let at = |i: usize| position.as_slice().get(i).copied();
    let value = feature.property("value").and_then(|v| match v {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => table::number(s),
        _ => None,
    });
    checked(&text("local_id"), at(0), at(1), &text("date"), value)
}
