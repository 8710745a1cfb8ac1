//! GeoJSON as RFC 7946 wants it: WGS 84, six decimals, no `crs` member.

use serde_json::{Map, Number, Value as Json, json};

use crate::table::{FeatureTable, Value};

/// One FeatureCollection of all tables; each feature tells its table in the property `couche`, and what the files say
/// about themselves stands in the foreign member `metadonnees`.
#[must_use]
pub fn geojson(tables: &[FeatureTable]) -> Vec<u8> {
    let mut features = Vec::new();
    let mut bounds: Option<[f64; 4]> = None;
    for table in tables {
        for feature in table.features() {
            let mut properties = Map::new();
            properties.insert("couche".into(), table.name().into());
            for (column, value) in table.columns().iter().zip(&feature.values) {
                properties.insert(column.name.clone(), cell(value));
            }
            let line: Vec<[f64; 2]> = feature.line.iter().map(|point| point.map(round6)).collect();
            for [x, y] in &line {
                let [west, south, east, north] = bounds.unwrap_or([*x, *y, *x, *y]);
                bounds = Some([west.min(*x), south.min(*y), east.max(*x), north.max(*y)]);
            }
            features.push(json!({
                "type": "Feature",
                "id": format!("{}/{}", table.name(), feature.id),
                "geometry": { "type": "LineString", "coordinates": line },
                "properties": properties,
            }));
        }
    }
    let mut root = Map::new();
    root.insert("type".into(), "FeatureCollection".into());
    if let Some(bounds) = bounds {
        root.insert("bbox".into(), json!(bounds));
    }
    let about: Map<String, Json> = tables.iter().map(|table| (table.name().to_owned(), about(table))).collect();
    root.insert("metadonnees".into(), about.into());
    root.insert("features".into(), features.into());
    Json::Object(root).to_string().into_bytes()
}

fn about(table: &FeatureTable) -> Json {
    let meta = &table.metadata;
    json!({
        "titre": table.title(),
        "description": meta.description,
        "origine": meta.statement,
        "licence": meta.licence,
        "credits": meta.credits,
        "millesime": meta.vintage,
        "methode": meta.method_version,
        "produit_le": meta.produced_at,
        "lignes_ecartees": meta.left_out,
    })
}

fn cell(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Text(text) | Value::Date(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Real(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
    }
}

fn round6(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::sample;

    #[test]
    fn follows_rfc_7946() {
        let json: Json = serde_json::from_slice(&geojson(&[sample()])).unwrap();
        assert_eq!(json["type"], "FeatureCollection");
        assert!(json.get("crs").is_none());
        assert_eq!(json["bbox"], json!([-2.0851, 47.6512, -2.084, 47.652]));
        let first = &json["features"][0];
        assert_eq!(first["geometry"]["coordinates"][0], json!([-2.0851, 47.6512]));
        assert_eq!(first["properties"]["couche"], "air");
        assert_eq!(first["properties"]["valeur"], 1234.56);
        assert_eq!(json["features"][1]["properties"]["valeur"], Json::Null);
        assert_eq!(json["metadonnees"]["air"]["lignes_ecartees"]["moins de 2 véhicules"], 3);
        assert!(json["metadonnees"]["air"]["credits"][0].as_str().unwrap().contains("OpenStreetMap"));
    }

    #[test]
    fn no_table_is_an_empty_collection() {
        let json: Json = serde_json::from_slice(&geojson(&[])).unwrap();
        assert_eq!(json["features"], json!([]));
    }
}
