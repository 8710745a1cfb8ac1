//! Rows of the derived tables as Arrow batches, in the schemas of the lake contract.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::error::ArrowError;
use geo_types::{Coord, LineString};
use h3o::{LatLng, Resolution};
use tournee_indicators::{Indicator, PassFact};
use tournee_lake::derived::DerivedTable;
use tournee_priority::Recommendation;
use tournee_query::columns::date_days;
use tournee_territory::{Attribution, Layer, Section, Territory, geom};

use crate::inputs::origin_name;

/// A column of text.
fn text<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn number(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

fn maybe(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}

fn count(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values.map(|value| i32::try_from(value).unwrap_or(i32::MAX))))
}

fn date<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(values.map(date_days).collect::<Date32Array>())
}

fn batch(table: DerivedTable, columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(table.schema(), columns)
}

fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

pub(crate) fn pass_facts(facts: &[PassFact]) -> Result<RecordBatch, ArrowError> {
    let t = TimestampMicrosecondArray::from_iter_values(facts.iter().map(|fact| fact.t_us)).with_timezone("UTC");
    batch(
        DerivedTable::PassFact,
        vec![
            text(facts.iter().map(|fact| fact.territory.as_str())),
            text(facts.iter().map(|fact| fact.section_id.as_str())),
            text(facts.iter().map(|fact| fact.indicator.as_str())),
            text(facts.iter().map(|fact| fact.box_id.as_str())),
            Arc::new(t),
            date(facts.iter().map(|fact| fact.date.as_str())),
            number(facts.iter().map(|fact| fact.value)),
            count(facts.iter().map(|fact| fact.n_samples)),
        ],
    )
}

pub(crate) fn indicators(rows: &[Indicator]) -> Result<RecordBatch, ArrowError> {
    let confidence: Vec<String> = rows.iter().map(|row| word(&row.confidence)).collect();
    batch(
        DerivedTable::Indicator,
        vec![
            text(rows.iter().map(|row| row.territory.as_str())),
            text(rows.iter().map(|row| row.section_id.as_str())),
            text(rows.iter().map(|row| row.theme.name())),
            text(rows.iter().map(|row| row.indicator.as_str())),
            text(rows.iter().map(|row| row.unit.as_str())),
            number(rows.iter().map(|row| row.value)),
            maybe(rows.iter().map(|row| row.lo)),
            maybe(rows.iter().map(|row| row.hi)),
            count(rows.iter().map(|row| row.n_passes)),
            count(rows.iter().map(|row| row.n_days)),
            count(rows.iter().map(|row| row.n_boxes)),
            date(rows.iter().map(|row| row.first_date.as_str())),
            date(rows.iter().map(|row| row.last_date.as_str())),
            text(confidence.iter().map(String::as_str)),
            Arc::new(rows.iter().map(|row| row.class.map(i32::from)).collect::<Int32Array>()),
            text(rows.iter().map(|row| row.origin.as_str())),
        ],
    )
}

pub(crate) fn recommendations(rows: &[Recommendation]) -> Result<RecordBatch, ArrowError> {
    let reasons = rows
        .iter()
        .map(|row| serde_json::to_string(&row.reasons))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    batch(
        DerivedTable::Recommendation,
        vec![
            text(rows.iter().map(|row| row.territory.as_str())),
            text(rows.iter().map(|row| row.rule.as_str())),
            text(rows.iter().map(|row| row.section_id.as_str())),
            text(rows.iter().map(|row| row.code_insee.as_str())),
            text(rows.iter().map(|row| row.street.as_str())),
            count(rows.iter().map(|row| row.rank)),
            number(rows.iter().map(|row| row.score)),
            text(rows.iter().map(|row| row.confidence.as_str())),
            text(rows.iter().map(|row| row.action_fr.as_str())),
            text(rows.iter().map(|row| row.action_en.as_str())),
            text(reasons.iter().map(String::as_str)),
        ],
    )
}

pub(crate) fn sections(territory: &Territory) -> Result<RecordBatch, ArrowError> {
    let rows = &territory.sections;
    let middles: Vec<Coord<f64>> = rows.iter().map(middle).collect();
    let geometry: Vec<String> = rows.iter().map(|row| wkt(&row.line)).collect();
    batch(
        DerivedTable::Section,
        vec![
            text(rows.iter().map(|_| territory.id.as_str())),
            text(rows.iter().map(|row| row.id.as_str())),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.way_id))),
            Arc::new(rows.iter().map(|row| row.name.as_deref()).collect::<StringArray>()),
            text(rows.iter().map(|row| row.class.as_str())),
            text(rows.iter().map(|row| row.code_insee.as_str())),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.from.0))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.to.0))),
            Arc::new(rows.iter().map(|row| Some(row.oneway)).collect::<BooleanArray>()),
            number(rows.iter().map(|row| row.length_m)),
            number(middles.iter().map(|middle| middle.x)),
            number(middles.iter().map(|middle| middle.y)),
            Arc::new(middles.iter().map(|middle| h3_r10(*middle)).collect::<Int64Array>()),
            text(geometry.iter().map(String::as_str)),
        ],
    )
}

pub(crate) fn territory(territory: &Territory, origin: &str) -> Result<RecordBatch, ArrowError> {
    let places = || territory.sections.iter().flat_map(|section| section.line.0.iter());
    let bound = |of: fn(&Coord<f64>) -> f64, pick: fn(f64, f64) -> f64| places().map(of).reduce(pick);
    batch(
        DerivedTable::Territory,
        vec![
            text([territory.id.as_str()].into_iter()),
            text([territory.name.fr.as_str()].into_iter()),
            text([territory.name.en.as_str()].into_iter()),
            text([territory.statement.fr.as_str()].into_iter()),
            text([territory.statement.en.as_str()].into_iter()),
            text([origin].into_iter()),
            count([u32::try_from(territory.sections.len()).unwrap_or(u32::MAX)].into_iter()),
            number([territory.sections.iter().map(|section| section.length_m).sum()].into_iter()),
            maybe([bound(|place| place.x, f64::min)].into_iter()),
            maybe([bound(|place| place.y, f64::min)].into_iter()),
            maybe([bound(|place| place.x, f64::max)].into_iter()),
            maybe([bound(|place| place.y, f64::max)].into_iter()),
        ],
    )
}

/// Credits of the territory's own data, of its reference layers and of partners: (layer, origin, credit).
pub(crate) fn sources(
    territory: &Territory,
    layers: &[Layer],
    partners: &[(&str, &str, &Attribution)],
) -> Result<RecordBatch, ArrowError> {
    let own = territory.attributions.iter().map(|credit| ("network", "reference", credit));
    let reference = layers.iter().map(|layer| (layer.name.as_str(), origin_name(layer.origin), &layer.attribution));
    let rows: Vec<(&str, &str, &Attribution)> = own.chain(reference).chain(partners.iter().copied()).collect();
    batch(
        DerivedTable::Source,
        vec![
            text(rows.iter().map(|_| territory.id.as_str())),
            text(rows.iter().map(|row| row.0)),
            text(rows.iter().map(|row| row.1)),
            text(rows.iter().map(|row| row.2.credit.as_str())),
            text(rows.iter().map(|row| row.2.licence.as_str())),
            text(rows.iter().map(|row| row.2.source.as_str())),
        ],
    )
}

fn middle(section: &Section) -> Coord<f64> {
    geom::point_at(&section.line, section.length_m / 2.0)
        .or_else(|| section.line.0.first().copied())
        .unwrap_or(Coord { x: f64::NAN, y: f64::NAN })
}

fn h3_r10(place: Coord<f64>) -> Option<i64> {
    let cell = LatLng::new(place.y, place.x).ok()?.to_cell(Resolution::Ten);
    i64::try_from(u64::from(cell)).ok()
}

/// Seven decimals, the precision of the sources (1 cm).
fn wkt(line: &LineString<f64>) -> String {
    let places: Vec<String> = line.0.iter().map(|place| format!("{:.7} {:.7}", place.x, place.y)).collect();
    if places.is_empty() { "LINESTRING EMPTY".to_owned() } else { format!("LINESTRING ({})", places.join(", ")) }
}
