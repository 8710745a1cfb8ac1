//! Reference layers that no vehicle measures (signage defects, pedestrians, new housing, dumping, density), from CSV or
//! GeoJSON points with a sidecar. Format: docs/formats/layers.md. Every row is kept or refused with a reason.

mod csv_points;
mod geojson_points;
mod sections;
pub(crate) mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{parse, wrong};
use crate::{Attribution, Layer, LayerPoint, Origin, TerritoryError};

pub use sections::{Aggregate, to_sections, to_sections_with};

/// What a layer file cannot say itself: the sidecar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerMeta {
    /// Name in rules ("signage_defect").
    pub name: String,
    /// Unit of the values.
    pub unit: String,
    /// `simulated`, `partner` or `measured`.
    pub origin: Origin,
    /// SPDX identifier or name of the licence.
    pub licence: String,
    /// Line that must stand on the map.
    pub credit: String,
    /// What the data is and where it was taken from.
    #[serde(default)]
    pub source: String,
}

impl LayerMeta {
    /// Reads a sidecar.
    ///
    /// # Errors
    /// Not TOML of this form, or an empty name, unit, licence or credit.
    pub fn from_toml(text: &str) -> Result<Self, TerritoryError> {
        let meta: Self = parse("layer sidecar", text)?;
        let must = [("name", &meta.name), ("unit", &meta.unit), ("licence", &meta.licence), ("credit", &meta.credit)];
        match must.iter().find(|(_, v)| v.trim().is_empty()) {
            Some((key, _)) => Err(wrong("layer sidecar", &format!("`{key}` must not be empty"))),
            None => Ok(meta),
        }
    }
}

/// A row that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Line in the file (CSV) or number of the feature (GeoJSON), from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// What became of the rows: `kept` + `refused` = `rows`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Rows (features) in the file.
    pub rows: usize,
    /// Rows in the layer.
    pub kept: usize,
    /// Rows not in the layer.
    pub refused: usize,
    /// The same by reason.
    pub reasons: BTreeMap<String, usize>,
    /// The first [`MAX_REFUSALS`] of them, with their lines.
    pub refusals: Vec<Refusal>,
    /// Encoding and separator that were recognised, in words.
    pub recognised: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// Refused rows that are listed one by one; all are counted.
pub const MAX_REFUSALS: usize = 100;

/// Rows that one file may hold.
pub const MAX_ROWS: usize = 2_000_000;

impl LayerReport {
    fn refuse(&mut self, line: u64, reason: &str) {
        self.refused += 1;
        *self.reasons.entry(reason.to_owned()).or_default() += 1;
        if self.refusals.len() < MAX_REFUSALS {
            self.refusals.push(Refusal { line, reason: reason.to_owned() });
        }
    }
}

/// Reads a layer from CSV (columns local_id, lon, lat, date, value) or GeoJSON points (known by a leading `{`), plain or
/// gzip.
///
/// # Errors
/// Damaged file, missing columns (named), too many rows. Rows that cannot be used are in the report.
pub fn read(bytes: &[u8], meta: &LayerMeta) -> Result<(Layer, LayerReport), TerritoryError> {
    let unpacked = crate::bytes::unpack(bytes, crate::bytes::MAX_UNPACKED_BYTES)?;
    let (text, other_encoding) = crate::bytes::decode(&unpacked);
    let mut report = LayerReport { sha256: sha256(bytes), ..LayerReport::default() };
    let encoding = if other_encoding { "Windows-1252" } else { "UTF-8" };
    let points = if text.trim_start().starts_with('{') {
        report.recognised = format!("GeoJSON, {encoding}");
        geojson_points::read(&text, &mut report)?
    } else {
        let separator = table::separator(&text) as char;
        report.recognised = format!("CSV, {encoding}, separator `{separator}`");
        csv_points::read(&text, &mut report)?
    };
    report.kept = points.len();
    let attribution =
        Attribution { credit: meta.credit.clone(), licence: meta.licence.clone(), source: meta.source.clone() };
    let layer = Layer { name: meta.name.clone(), unit: meta.unit.clone(), origin: meta.origin, attribution, points };
    Ok((layer, report))
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// The checks that are the same for every source of points.
fn checked(
    local_id: &str,
    lon: Option<f64>,
    lat: Option<f64>,
    date: &str,
    value: Option<f64>,
) -> Result<LayerPoint, &'static str> {
    let local_id = local_id.trim();
    if local_id.is_empty() {
        return Err("local_id empty");
    }
    let lon_deg = lon.ok_or("lon not a number")?;
    let lat_deg = lat.ok_or("lat not a number")?;
    if lon_deg == 0.0 && lat_deg == 0.0 {
        return Err("position 0,0: no position");
    }
    if lon_deg.abs() > 180.0 || lat_deg.abs() > 90.0 {
        return Err("position not in degrees (WGS 84)");
    }
    let date = table::date(date).ok_or("date neither YYYY-MM-DD nor DD/MM/YYYY")?;
    let value = value.ok_or("value not a number")?;
    Ok(LayerPoint { local_id: local_id.to_owned(), lon_deg, lat_deg, date, value })
}
