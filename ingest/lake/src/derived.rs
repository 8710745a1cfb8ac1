//! The derived tables: what the pipeline makes of the lake, one Delta table each under `<data_dir>/derived`.
//!
//! Every table is partitioned by `territory`; a pipeline run replaces the rows of its territory and keeps all others.
//! All but old pass facts can be computed again from the lake at any time: raw rows leave before the facts made of them do
//! (docs/decisions/0011). Append-only like the lake: a column, once published, keeps its
//! name, type and unit.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// The partition column of every derived table.
pub const TERRITORY: &str = "territory";

/// A derived table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DerivedTable {
    /// Sections of the street network.
    Section,
    /// One pass of one box over one section, one indicator.
    PassFact,
    /// One indicator of one section over all its passes, or a partner's value.
    Indicator,
    /// Ranked, explained recommendations.
    Recommendation,
    /// The territories and what is measured and simulated in each.
    Territory,
    /// Credits: every data set that a territory's rows stand on.
    Source,
}

impl DerivedTable {
    /// Every derived table, in the order they are written: facts before what refers to them.
    pub const ALL: [Self; 6] =
        [Self::Territory, Self::Source, Self::Section, Self::PassFact, Self::Indicator, Self::Recommendation];

    /// Name in SQL and of the folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Section => "section",
            Self::PassFact => "pass_fact",
            Self::Indicator => "indicator",
            Self::Recommendation => "recommendation",
            Self::Territory => "territory",
            Self::Source => "source",
        }
    }

    /// The table of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// What one row is, for catalogues.
    #[must_use]
    pub const fn comment(self) -> &'static str {
        match self {
            Self::Section => "a piece of street between two junctions, or an equal part of about 50 m of a long one",
            Self::PassFact => "what one pass of one box says about one section",
            Self::Indicator => "one indicator of one section: median over passes with counts and confidence",
            Self::Recommendation => "a ranked recommendation for one section, with its reasons",
            Self::Territory => "a territory and what is measured and what is simulated in it",
            Self::Source => "credit and licence of a data set that a territory's rows stand on",
        }
    }

    /// Arrow schema, as written. Each field carries its meaning and unit under the metadata key `comment`.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        let own = match self {
            Self::Section => section(),
            Self::PassFact => pass_fact(),
            Self::Indicator => indicator(),
            Self::Recommendation => recommendation(),
            Self::Territory => territory(),
            Self::Source => source(),
        };
        let mut fields = vec![text(TERRITORY, "territory id; the partition")];
        fields.extend(own);
        Arc::new(Schema::new(fields))
    }
}

fn field(name: &str, data_type: DataType, nullable: bool, comment: &str) -> Field {
    let metadata = HashMap::from([("comment".to_owned(), comment.to_owned())]);
    Field::new(name, data_type, nullable).with_metadata(metadata)
}

fn text(name: &str, comment: &str) -> Field {
    field(name, DataType::Utf8, false, comment)
}

fn number(name: &str, comment: &str) -> Field {
    field(name, DataType::Float64, false, comment)
}

fn count(name: &str, comment: &str) -> Field {
    field(name, DataType::Int32, false, comment)
}

fn section() -> Vec<Field> {
    vec![
        text("section_id", "stable id of the section"),
        field("way_id", DataType::Int64, false, "OpenStreetMap way"),
        field("name", DataType::Utf8, true, "street name, where known"),
        text("class", "OpenStreetMap highway class"),
        text("code_insee", "commune that holds the middle"),
        field("from_node", DataType::Int64, false, "first junction"),
        field("to_node", DataType::Int64, false, "last junction"),
        field("oneway", DataType::Boolean, false, "may only be driven from from_node to to_node"),
        number("length_m", "length, metres"),
        number("lon_deg", "longitude of the middle, degrees, WGS 84"),
        number("lat_deg", "latitude of the middle, degrees, WGS 84"),
        field("h3_r10", DataType::Int64, true, "H3 cell of the middle, resolution 10"),
        text("geometry", "course, WKT LINESTRING, WGS 84 longitude latitude"),
    ]
}

fn pass_fact() -> Vec<Field> {
    vec![
        text("section_id", "section"),
        text("indicator", "indicator name, unit last"),
        text("box_id", "box"),
        field("t", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false, "start of the pass, UTC"),
        field("local_date", DataType::Date32, false, "local date of the pass"),
        number("value", "value of the pass, in the indicator's unit"),
        count("n_samples", "samples behind the value"),
    ]
}

fn indicator() -> Vec<Field> {
    vec![
        text("section_id", "section"),
        text("theme", "air, road, mobile or heat"),
        text("indicator", "indicator name, unit last"),
        text("unit", "unit as printed"),
        number("value", "median over passes, or the partner's value"),
        field("lo", DataType::Float64, true, "lower end of the 95 % interval of the median; none below six passes"),
        field("hi", DataType::Float64, true, "upper end of that interval"),
        count("n_passes", "passes; 0 where a partner's layer does not say"),
        count("n_days", "distinct local dates"),
        count("n_boxes", "distinct boxes"),
        field("first_date", DataType::Date32, true, "first local date"),
        field("last_date", DataType::Date32, true, "last local date"),
        text("confidence", "insufficient, low, medium or high"),
        field("class", DataType::Int32, true, "class of the legend, from 0 (best)"),
        text("origin", "measured, simulated or partner"),
    ]
}

fn recommendation() -> Vec<Field> {
    vec![
        text("rule", "rule id"),
        text("section_id", "section"),
        text("code_insee", "commune"),
        text("street", "street name; empty where the street has none"),
        count("rank", "rank inside rule and territory, from 1; equal scores share a rank"),
        number("score", "score, 0 to 1"),
        text("confidence", "low, medium or high: the weakest measured input"),
        text("action_fr", "what to do, French"),
        text("action_en", "what to do, English"),
        text("reasons", "JSON array of reasons, ordered by contribution; the contributions add up to the score"),
    ]
}

fn territory() -> Vec<Field> {
    vec![
        text("name_fr", "name, French"),
        text("name_en", "name, English"),
        text("statement_fr", "what is measured and what is simulated here, French"),
        text("statement_en", "what is measured and what is simulated here, English"),
        text("origin", "measured, simulated or partner: what the boxes' values are here"),
        count("n_sections", "sections"),
        number("length_m", "total length of the sections, metres"),
        field("lon_min_deg", DataType::Float64, true, "western bound, degrees"),
        field("lat_min_deg", DataType::Float64, true, "southern bound, degrees"),
        field("lon_max_deg", DataType::Float64, true, "eastern bound, degrees"),
        field("lat_max_deg", DataType::Float64, true, "northern bound, degrees"),
    ]
}

fn source() -> Vec<Field> {
    vec![
        text("layer", "data set: the network, or the name of a reference or partner layer"),
        text("origin", "measured, simulated or partner; reference for the street network"),
        text("credit", "the line that must stand on the map"),
        text("licence", "licence, SPDX identifier or name"),
        text("source", "what the data is and where it was taken from"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published columns never change name or type. If this fails, revert your change and add a column instead.
    #[test]
    fn the_published_columns_stand() {
        let seen: Vec<String> = DerivedTable::ALL
            .into_iter()
            .map(|table| {
                let columns: Vec<String> = table
                    .schema()
                    .fields()
                    .iter()
                    .map(|f| format!("{} {}{}", f.name(), f.data_type(), if f.is_nullable() { "?" } else { "" }))
                    .collect();
                format!("{}: {}", table.name(), columns.join(", "))
            })
            .collect();
        let frozen = include_str!("derived.frozen.txt");
        assert_eq!(seen.join("\n").trim(), frozen.lines().skip(2).collect::<Vec<_>>().join("\n").trim());
    }

    #[test]
    fn every_column_says_what_it_is() {
        for table in DerivedTable::ALL {
            assert_eq!(table.schema().field(0).name(), TERRITORY);
            assert_eq!(DerivedTable::from_name(table.name()), Some(table));
            for field in table.schema().fields() {
                assert!(field.metadata().get("comment").is_some_and(|text| !text.is_empty()), "{}", field.name());
            }
        }
    }
}
