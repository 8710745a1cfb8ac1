//! Loaders of the derived tables, as the types that indicators and rules work with.

use datafusion::prelude::SessionContext;
use tournee_indicators::{Confidence, Indicator, PassFact, Theme};
use tournee_lake::derived::DerivedTable;
use tournee_priority::Recommendation;

use crate::columns::Reader;
use crate::error::QueryError;
use crate::read::collect;

/// Which rows to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// Of every territory.
    All,
    /// Of one territory.
    Territory(&'a str),
}

impl Of<'_> {
    fn holds(self, territory: &str) -> bool {
        match self {
            Self::All => true,
            Self::Territory(id) => id == territory,
        }
    }
}

async fn batches(ctx: &SessionContext, table: DerivedTable) -> Result<Vec<arrow::array::RecordBatch>, QueryError> {
    let schema = table.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    collect(ctx, table.name(), &names).await
}

fn count(value: Option<i64>) -> u32 {
    value.and_then(|value| u32::try_from(value).ok()).unwrap_or(0)
}

fn word<T: serde::de::DeserializeOwned>(reader: &Reader<'_>, column: &str, text: &str) -> Result<T, QueryError> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| reader.bad(column, &format!("\"{text}\" is not a known word; written by another version?")))
}

/// Pass facts, sorted by territory, section, indicator, time and box.
///
/// # Errors
/// When the table cannot be read.
pub async fn load_pass_facts(ctx: &SessionContext, of: Of<'_>) -> Result<Vec<PassFact>, QueryError> {
    let batches = batches(ctx, DerivedTable::PassFact).await?;
    if batches.is_empty() {
        return Ok(Vec::new());
    }
    let reader = Reader::new(DerivedTable::PassFact.name(), &batches);
    let rows = reader
        .text("territory")?
        .into_iter()
        .zip(reader.text("section_id")?)
        .zip(reader.text("indicator")?)
        .zip(reader.text("box_id")?)
        .zip(reader.t_us("t")?)
        .zip(reader.date("local_date")?)
        .zip(reader.f64("value")?)
        .zip(reader.i64("n_samples")?);
    let mut facts: Vec<PassFact> = rows
        .filter(|row| of.holds(&row.0.0.0.0.0.0.0))
        .map(|(((((((territory, section_id), indicator), box_id), t_us), date), value), n_samples)| PassFact {
            territory,
            section_id,
            indicator,
            box_id,
            t_us: t_us.unwrap_or(0),
            date,
            value,
            n_samples: count(n_samples),
        })
        .collect();
    facts.sort_by(|a, b| {
        (&a.territory, &a.section_id, &a.indicator, a.t_us, &a.box_id).cmp(&(
            &b.territory,
            &b.section_id,
            &b.indicator,
            b.t_us,
            &b.box_id,
        ))
    });
    Ok(facts)
}

/// Indicators, sorted by territory, theme, indicator, section and origin.
///
/// # Errors
/// When the table cannot be read or holds a word that this version does not know.
pub async fn load_indicators(ctx: &SessionContext, of: Of<'_>) -> Result<Vec<Indicator>, QueryError> {
    let batches = batches(ctx, DerivedTable::Indicator).await?;
    if batches.is_empty() {
        return Ok(Vec::new());
    }
    let reader = Reader::new(DerivedTable::Indicator.name(), &batches);
    let territory = reader.text("territory")?;
    let (section, theme, indicator) = (reader.text("section_id")?, reader.text("theme")?, reader.text("indicator")?);
    let (unit, value) = (reader.text("unit")?, reader.f64("value")?);
    let (lo, hi) = (reader.f64("lo")?, reader.f64("hi")?);
    let (n_passes, n_days, n_boxes) = (reader.i64("n_passes")?, reader.i64("n_days")?, reader.i64("n_boxes")?);
    let (first_date, last_date) = (reader.date("first_date")?, reader.date("last_date")?);
    let (confidence, class, origin) = (reader.text("confidence")?, reader.i64("class")?, reader.text("origin")?);
    let mut found = Vec::with_capacity(territory.len());
    for row in 0..territory.len() {
        let text = |column: &[String]| column.get(row).cloned().unwrap_or_default();
        let number = |column: &[f64]| column.get(row).copied().filter(|value| value.is_finite());
        let whole = |column: &[Option<i64>]| column.get(row).copied().flatten();
        if !of.holds(&text(&territory)) {
            continue;
        }
        found.push(Indicator {
            territory: text(&territory),
            section_id: text(&section),
            theme: word::<Theme>(&reader, "theme", &text(&theme))?,
            indicator: text(&indicator),
            unit: text(&unit),
            value: number(&value).ok_or_else(|| reader.bad("value", "not a number"))?,
            lo: number(&lo),
            hi: number(&hi),
            n_passes: count(whole(&n_passes)),
            n_days: count(whole(&n_days)),
            n_boxes: count(whole(&n_boxes)),
            first_date: text(&first_date),
            last_date: text(&last_date),
            confidence: word::<Confidence>(&reader, "confidence", &text(&confidence))?,
            class: whole(&class).and_then(|class| u8::try_from(class).ok()),
            origin: text(&origin),
        });
    }
    found.sort_by(|a, b| {
        (&a.territory, a.theme, &a.indicator, &a.section_id, &a.origin).cmp(&(
            &b.territory,
            b.theme,
            &b.indicator,
            &b.section_id,
            &b.origin,
        ))
    });
    Ok(found)
}

/// Recommendations, sorted by territory, rule, rank and section.
///
/// # Errors
/// When the table cannot be read or its reasons are not what this version writes.
pub async fn load_recommendations(ctx: &SessionContext, of: Of<'_>) -> Result<Vec<Recommendation>, QueryError> {
    let batches = batches(ctx, DerivedTable::Recommendation).await?;
    if batches.is_empty() {
        return Ok(Vec::new());
    }
    let reader = Reader::new(DerivedTable::Recommendation.name(), &batches);
    let territory = reader.text("territory")?;
    let (rule, section, commune) = (reader.text("rule")?, reader.text("section_id")?, reader.text("code_insee")?);
    let (street, rank, score) = (reader.text("street")?, reader.i64("rank")?, reader.f64("score")?);
    let (confidence, fr, en) = (reader.text("confidence")?, reader.text("action_fr")?, reader.text("action_en")?);
    let reasons = reader.text("reasons")?;
    let mut found = Vec::with_capacity(territory.len());
    for row in 0..territory.len() {
        let text = |column: &[String]| column.get(row).cloned().unwrap_or_default();
        if !of.holds(&text(&territory)) {
            continue;
        }
        found.push(Recommendation {
            territory: text(&territory),
            rule: text(&rule),
            section_id: text(&section),
            code_insee: text(&commune),
            street: text(&street),
            rank: count(rank.get(row).copied().flatten()),
            score: score.get(row).copied().unwrap_or(f64::NAN),
            confidence: text(&confidence),
            action_fr: text(&fr),
            action_en: text(&en),
            reasons: serde_json::from_str(&text(&reasons))
                .map_err(|error| reader.bad("reasons", &format!("not the JSON that this version writes: {error}")))?,
        });
    }
    found.sort_by(|a, b| {
        (&a.territory, &a.rule, a.rank, &a.section_id).cmp(&(&b.territory, &b.rule, b.rank, &b.section_id))
    });
    Ok(found)
}
