//! A partner's indicator layer: values per OSM way (or per section) with a sidecar that says what they are worth.
//! Format: docs/formats/layers.md.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::bytes::{MAX_UNPACKED_BYTES, decode, unpack};
use crate::config::{parse, wrong};
use crate::{Attribution, Origin, Section, SectionIx, TerritoryError, Text};

/// One value of a partner's layer, laid on one section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartnerValue {
    /// Index of the section.
    pub section: SectionIx,
    /// Id of the section.
    pub section_id: String,
    /// OSM way that the value belongs to; all its sections share the value.
    pub way_id: i64,
    /// Indicator name (`no2_ugm3`, `pm25_ugm3`).
    pub indicator: String,
    /// Unit as printed.
    pub unit: String,
    /// Value, in that unit.
    pub value: f64,
}

/// What the partner says about the layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartnerMeta {
    /// Name of the layer.
    pub name: String,
    /// Where it comes from; `partner` for real measurements.
    pub origin: Origin,
    /// Credit, licence, source.
    pub attribution: Attribution,
    /// First month or day, ISO 8601.
    pub period_start: String,
    /// Last month or day, ISO 8601.
    pub period_end: String,
    /// `high`, `medium`, `low` or `insufficient`, as judged by whoever imports.
    pub confidence: String,
    /// Why that confidence.
    pub confidence_reason: Text,
    /// What is measured, in a sentence for the map.
    pub statement: Text,
}

/// What became of the rows and values. `values_read` + all of `values_refused` = rows × value columns;
/// `values_joined` + `values_unjoined` = `values_read`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerReport {
    /// Rows in the file.
    pub rows: usize,
    /// Values that are numbers within their range.
    pub values_read: usize,
    /// Values left out, by reason.
    pub values_refused: BTreeMap<String, usize>,
    /// Values that found at least one section.
    pub values_joined: usize,
    /// Values whose way is not in the network.
    pub values_unjoined: usize,
    /// Ways with a value that are in the network.
    pub ways_joined: usize,
    /// Ways with a value that are not.
    pub ways_unjoined: usize,
    /// Sections with at least one value.
    pub sections_valued: usize,
    /// Of these, sections whose value is that of a further way of the same street piece.
    pub sections_by_further_way: usize,
}

/// A partner's layer on a network.
#[derive(Clone, Debug)]
pub struct PartnerLayer {
    /// What it is.
    pub meta: PartnerMeta,
    /// Values per section and indicator, in the order of the sections.
    pub values: Vec<PartnerValue>,
    /// Counts.
    pub report: PartnerReport,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sidecar {
    name: String,
    origin: Origin,
    licence: String,
    credit: String,
    source: String,
    period_start: String,
    period_end: String,
    confidence: String,
    confidence_reason: Text,
    statement: Text,
    key: String,
    values: Vec<ValueColumn>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueColumn {
    column: String,
    indicator: String,
    unit: String,
    min: f64,
    max: f64,
}

/// A partner's table, read but not yet on a network.
pub struct PartnerTable {
    meta: PartnerMeta,
    columns: Vec<ValueColumn>,
    values: BTreeMap<i64, Vec<Option<f64>>>,
    report: PartnerReport,
}

impl PartnerTable {
    /// Ways that have at least one value.
    #[must_use]
    pub fn way_ids(&self) -> BTreeSet<i64> {
        self.values.keys().copied().collect()
    }

    /// What the sidecar says.
    #[must_use]
    pub const fn meta(&self) -> &PartnerMeta {
        &self.meta
    }
}

/// Reads the values (CSV, plain or gzip) and their sidecar (TOML).
///
/// # Errors
/// Damaged files, missing columns (named), a sidecar that leaves out what must be said.
pub fn read_table(csv_bytes: &[u8], sidecar_toml: &str) -> Result<PartnerTable, TerritoryError> {
    let side: Sidecar = parse("partner sidecar", sidecar_toml)?;
    if !["high", "medium", "low", "insufficient"].contains(&side.confidence.as_str()) {
        return Err(wrong("partner sidecar", "confidence must be high, medium, low or insufficient"));
    }
    if side.values.is_empty() || side.confidence_reason.fr.is_empty() || side.credit.is_empty() {
        return Err(wrong("partner sidecar", "values, confidence_reason and credit must not be empty"));
    }
    let unpacked = unpack(csv_bytes, MAX_UNPACKED_BYTES)?;
    let (text, _) = decode(&unpacked);
    let mut reader = crate::layers::table::reader(&text);
    let bad = |e: csv::Error| TerritoryError::Format { format: "partner CSV", reason: e.to_string() };
    let headers = reader.headers().map_err(bad)?.clone();
    let names: Vec<&str> =
        std::iter::once(side.key.as_str()).chain(side.values.iter().map(|v| v.column.as_str())).collect();
    let at = crate::layers::table::columns(&headers, &names)?;
    let mut report = PartnerReport::default();
    let mut values: BTreeMap<i64, Vec<Option<f64>>> = BTreeMap::new();
    for row in reader.records() {
        report.rows += 1;
        let mut refuse = |reason: &str, n: usize| *report.values_refused.entry(reason.to_owned()).or_default() += n;
        let Ok(row) = row else {
            refuse("row not readable", side.values.len());
            continue;
        };
        let cell = |i: usize| at.get(i).and_then(|c| row.get(*c)).unwrap_or("").trim();
        let Ok(way) = cell(0).parse::<i64>() else {
            refuse("way id not a whole number", side.values.len());
            continue;
        };
        if values.contains_key(&way) {
            refuse("way stands twice in the file", side.values.len());
            continue;
        }
        let mut read = Vec::with_capacity(side.values.len());
        for (i, column) in side.values.iter().enumerate() {
            read.push(match crate::layers::table::number(cell(i + 1)) {
                Some(v) if (column.min..=column.max).contains(&v) => Some(v),
                Some(_) => {
                    refuse("value out of range", 1);
                    None
                }
                None => {
                    refuse("value not a number", 1);
                    None
                }
            });
        }
        report.values_read += read.iter().flatten().count();
        values.insert(way, read);
    }
    let Sidecar { name, origin, licence, credit, source, period_start, period_end, .. } = side;
    let Sidecar { confidence, confidence_reason, statement, values: columns, .. } =
        parse("partner sidecar", sidecar_toml)?;
    let attribution = Attribution { credit, licence, source };
    let meta =
        PartnerMeta { name, origin, attribution, period_start, period_end, confidence, confidence_reason, statement };
    Ok(PartnerTable { meta, columns, values, report })
}

/// Lays the values on the sections of their ways. `other_ways` names the further ways of a piece (by section id prefix),
/// used where the first has no value; pass an empty map for an OSM network.
#[must_use]
pub fn join(table: PartnerTable, sections: &[Section], other_ways: &BTreeMap<String, Vec<i64>>) -> PartnerLayer {
    let PartnerTable { meta, columns, values: by_way, mut report } = table;
    let mut values = Vec::new();
    let mut used: HashMap<i64, ()> = HashMap::new();
    for (i, section) in sections.iter().enumerate() {
        let prefix = section.id.rsplit_once('-').map_or("", |(p, _)| p);
        let further = other_ways.get(prefix).map_or(&[][..], Vec::as_slice);
        let Some(way) = std::iter::once(&section.way_id).chain(further).find(|w| by_way.contains_key(*w)) else {
            continue;
        };
        let Some(read) = by_way.get(way) else { continue };
        used.insert(*way, ());
        report.sections_valued += 1;
        report.sections_by_further_way += usize::from(*way != section.way_id);
        for (column, value) in columns.iter().zip(read) {
            if let Some(value) = *value {
                values.push(PartnerValue {
                    section: SectionIx(i as u32),
                    section_id: section.id.clone(),
                    way_id: *way,
                    indicator: column.indicator.clone(),
                    unit: column.unit.clone(),
                    value,
                });
            }
        }
    }
    for (way, read) in &by_way {
        let n = read.iter().flatten().count();
        if used.contains_key(way) {
            report.ways_joined += 1;
            report.values_joined += n;
        } else {
            report.ways_unjoined += 1;
            report.values_unjoined += n;
        }
    }
    PartnerLayer { meta, values, report }
}
