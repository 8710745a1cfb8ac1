//! Communes: outlines from GeoJSON, official names from the Etalab lists, and which commune a point lies in.

use geo::{Contains, Distance, Euclidean};
use geo_types::{Coord, Geometry, MultiPolygon, Point};
use geojson::GeoJson;
use serde::Deserialize;

use crate::{Commune, TerritoryError};

/// Names and codes of a commune, as officially listed. Codes are text: "01004", "2A004".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficialCommune {
    /// INSEE code.
    pub code_insee: String,
    /// Official name.
    pub name: String,
    /// Department code.
    pub department: String,
    /// SIREN of the commune, where listed.
    pub siren: Option<String>,
    /// Postal codes.
    pub postal_codes: Vec<String>,
    /// Population, where listed.
    pub population: Option<u64>,
    /// SIREN of the grouping of communes (EPCI).
    pub siren_epci: Option<String>,
    /// Name of the grouping.
    pub epci: Option<String>,
}

/// Reads outlines: a FeatureCollection of polygons with the properties `code` (or `code_insee`) and `nom` (or `name`).
///
/// # Errors
/// Not GeoJSON, or a feature without code, name or area: a commune that is silently missing would send its streets to its
/// neighbour.
pub fn read_geojson(bytes: &[u8]) -> Result<Vec<Commune>, TerritoryError> {
    let (text, _) = crate::bytes::decode(bytes);
    let parsed: GeoJson = text.parse().map_err(|e: geojson::Error| bad(e.to_string()))?;
    let GeoJson::FeatureCollection(collection) = parsed else {
        return Err(bad("not a FeatureCollection".into()));
    };
    collection.features.into_iter().map(commune).collect()
}

fn commune(feature: geojson::Feature) -> Result<Commune, TerritoryError> {
    let text =
        |keys: [&str; 2]| keys.iter().find_map(|k| feature.property(k).and_then(|v| v.as_str())).map(str::to_owned);
    let code_insee = text(["code", "code_insee"]).ok_or_else(|| bad("a feature has no text property `code`".into()))?;
    let name = text(["nom", "name"]).ok_or_else(|| bad(format!("commune {code_insee} has no `nom`")))?;
    let geometry = feature.geometry.ok_or_else(|| bad(format!("commune {code_insee} has no outline")))?;
    let outline = match Geometry::<f64>::try_from(geometry) {
        Ok(Geometry::Polygon(p)) => MultiPolygon::new(vec![p]),
        Ok(Geometry::MultiPolygon(m)) => m,
        _ => return Err(bad(format!("the outline of commune {code_insee} is not a polygon"))),
    };
    Ok(Commune { code_insee, name, outline })
}

fn bad(reason: String) -> TerritoryError {
    TerritoryError::Format { format: "commune GeoJSON", reason }
}

#[derive(Deserialize)]
struct Lists {
    communes: Vec<ListedCommune>,
    epci: Vec<ListedEpci>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedCommune {
    code: String,
    nom: String,
    departement: String,
    siren: Option<String>,
    #[serde(default)]
    codes_postaux: Vec<String>,
    population: Option<u64>,
}

#[derive(Deserialize)]
struct ListedEpci {
    code: String,
    nom: String,
    membres: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    code: String,
}

/// Reads `{"communes": […], "epci": […]}` whose entries have the form of @etalab/decoupage-administratif.
///
/// # Errors
/// Not JSON of this form.
pub fn read_official(bytes: &[u8]) -> Result<Vec<OfficialCommune>, TerritoryError> {
    let lists: Lists = serde_json::from_slice(bytes)
        .map_err(|e| TerritoryError::Format { format: "commune list", reason: e.to_string() })?;
    let epci_of = |code: &str| lists.epci.iter().find(|e| e.membres.iter().any(|m| m.code == code));
    Ok(lists
        .communes
        .iter()
        .map(|c| OfficialCommune {
            code_insee: c.code.clone(),
            name: c.nom.clone(),
            department: c.departement.clone(),
            siren: c.siren.clone(),
            postal_codes: c.codes_postaux.clone(),
            population: c.population,
            siren_epci: epci_of(&c.code).map(|e| e.code.clone()),
            epci: epci_of(&c.code).map(|e| e.nom.clone()),
        })
        .collect())
}

/// Finds the commune of a point.
pub struct CommuneIndex<'a>(&'a [Commune]);

impl<'a> CommuneIndex<'a> {
    /// Over these communes. A territory has few: they are tried one by one.
    #[must_use]
    pub fn new(communes: &'a [Commune]) -> Self {
        Self(communes)
    }

    /// Code of the commune that contains the point, else of the one whose outline is nearest; none without communes.
    /// Outlines are generalised, so a street at the edge may lie a few metres outside of all of them.
    #[must_use]
    pub fn code_at(&self, point: Coord<f64>) -> Option<String> {
        let point = Point::from(point);
        if let Some(c) = self.0.iter().find(|c| c.outline.contains(&point)) {
            return Some(c.code_insee.clone());
        }
        // Degrees of longitude are shorter than degrees of latitude: scale both before comparing.
        let scale = point.y().to_radians().cos();
        let flat = |p: Coord<f64>| Coord { x: p.x * scale, y: p.y };
        let distance = |c: &Commune| {
            let outline = geo::MapCoords::map_coords(&c.outline, flat);
            Euclidean.distance(&Point::from(flat(point.into())), &outline)
        };
        self.0.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).map(|c| c.code_insee.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo_types::coord;

    const TWO: &str = r#"{"type":"FeatureCollection","features":[
        {"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,45],[1,45],[1,46],[0,46],[0,45]]]},"properties":{"code":"01004","nom":"A"}},
        {"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[2,45],[3,45],[3,46],[2,46],[2,45]]]},"properties":{"code":"2A004","nom":"B"}}]}"#;

    #[test]
    fn inside_then_nearest() {
        let communes = read_geojson(TWO.as_bytes()).unwrap();
        let index = CommuneIndex::new(&communes);
        assert_eq!(index.code_at(coord! { x: 0.5, y: 45.5 }).as_deref(), Some("01004"));
        assert_eq!(index.code_at(coord! { x: 1.4, y: 45.5 }).as_deref(), Some("01004"));
        assert_eq!(index.code_at(coord! { x: 1.6, y: 45.5 }).as_deref(), Some("2A004"));
        assert_eq!(CommuneIndex::new(&[]).code_at(coord! { x: 0.0, y: 0.0 }), None);
    }

    #[test]
    fn a_numeric_code_is_refused_because_its_zero_is_lost() {
        let error = read_geojson(TWO.replace("\"01004\"", "1004").as_bytes()).unwrap_err();
        assert!(error.to_string().contains("code"), "{error}");
    }
}
