//! The stages, wired.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use tournee_indicators::air::Corrections;
use tournee_indicators::{Indicator, Kinds, PassFact, PublicationGates, Theme, aggregate_counted};
use tournee_lake::derived::DerivedTable;
use tournee_priority::{Evaluation, RuleSet, evaluate_counted};
use tournee_query::derived::{Of, load_pass_facts};
use tournee_query::read;
use tournee_territory::matching::{MatchReport, Matcher};
use tournee_territory::partner::PartnerLayer;
use tournee_territory::{Layer, Origin, Territory};

use crate::carry::{self, Raw};
use crate::config::Config;
use crate::facts::{self, RowCounts, Scene, Streams};
use crate::inputs::{as_of, dated_in_the_future, gather, origin_name};
use crate::track::{self, Bounds};
use crate::{PipelineError, partner, reference, store, tables};

/// What the pipeline is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Reading the lake.
    Read,
    /// Laying tracks on streets.
    Match,
    /// Pass facts.
    Facts,
    /// Indicators.
    Indicators,
    /// Rules.
    Rules,
    /// Writing derived tables.
    Write,
}

impl Stage {
    /// Share of the whole, 0 to 1, when this share of the stage is done: roughly how long the stages take.
    fn overall(self, done: f32) -> f32 {
        let (from, to) = match self {
            Self::Read => (0.0, 0.25),
            Self::Match => (0.25, 0.65),
            Self::Facts => (0.65, 0.75),
            Self::Indicators => (0.75, 0.8),
            Self::Rules => (0.8, 0.85),
            Self::Write => (0.85, 1.0),
        };
        from + (to - from) * done.clamp(0.0, 1.0)
    }
}

/// What a run works on.
#[derive(Clone, Copy)]
pub struct PipelineInput<'a> {
    /// Holds `lake/` and `derived/`.
    pub data_dir: &'a Path,
    /// The territory; drives outside of it are left to others.
    pub territory: &'a Territory,
    /// Its reference layers.
    pub layers: &'a [Layer],
    /// Indicator kinds.
    pub kinds: &'a Kinds,
    /// Rules.
    pub rules: &'a RuleSet,
    /// Whether boxes or twins drive here.
    pub origin: Origin,
    /// Hears the stage and how much of the whole run is done, 0 to 1; may be called from other threads.
    pub progress: &'a (dyn Fn(Stage, f32) + Sync),
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PipelineReport {
    /// Territory id.
    pub territory: String,
    /// Boxes that drove in the territory.
    pub boxes: u32,
    /// Rounds of these boxes.
    pub rounds: u32,
    /// Passes over sections that drove enough of them to count.
    pub passes: u64,
    /// Passes that drove too little of their section.
    pub passes_short: u64,
    /// Pass facts, those carried over included.
    pub pass_facts: u64,
    /// Pass facts of earlier runs whose raw rows have left the lake.
    pub facts_carried: u64,
    /// Sections with the theme's headline indicator.
    pub sections_measured: BTreeMap<Theme, u32>,
    /// Indicators.
    pub indicators: u32,
    /// Recommendations by rule; every rule is there.
    pub recommendations: BTreeMap<String, u32>,
    /// What became of the rows of each theme.
    pub rows: BTreeMap<Theme, RowCounts>,
    /// What became of the positions.
    pub positions: MatchReport,
    /// Rows of all streams without an event time, which cannot be placed.
    pub rows_without_time: u64,
    /// Pass facts that became no indicator, or could not be carried over, by reason.
    pub facts_left_out: BTreeMap<String, u64>,
    /// Day that the windows of dated layers go back from: that of the last pass.
    pub as_of: String,
    /// Points of reference layers that rules did not count, by layer and reason (`dumping: date_in_the_future`).
    pub layer_points_left_out: BTreeMap<String, u64>,
}

/// Runs everything for one territory and replaces its rows in the derived tables. Call it on a runtime of several
/// threads with deep stacks ([`tournee_query::runtime`]); it computes on the calling thread for some seconds.
///
/// # Errors
/// A lake that cannot be read or a table that cannot be written; the message says which.
pub async fn run(input: PipelineInput<'_>) -> Result<PipelineReport, PipelineError> {
    let PipelineInput { territory, layers, .. } = input;
    let tell = |stage: Stage, done: f32| (input.progress)(stage, stage.overall(done));
    let config = Config::builtin()?;
    let corrections = Corrections::builtin().map_err(|error| broken(&error))?;
    let gates = PublicationGates::builtin().map_err(|error| broken(&error))?;

    tell(Stage::Read, 0.0);
    let session = tournee_query::session(input.data_dir).await?;
    tell(Stage::Read, 0.2);
    let track = read::read_track(&session).await?;
    tell(Stage::Read, 0.4);
    let (air, road) = (read::read_air(&session).await?, read::read_road(&session).await?);
    tell(Stage::Read, 0.7);
    let (mobile, thermal) = (read::read_mobile(&session).await?, read::read_thermal(&session).await?);

    tell(Stage::Match, 0.0);
    let matcher = Matcher::for_territory(territory)
        .map_err(|error| PipelineError::Network { territory: territory.id.clone(), message: error.to_string() })?;
    let drives = match Bounds::around(&territory.sections, config.pass.margin_m) {
        Some(bounds) => {
            let boxes: Vec<_> = (0..)
                .zip(&track.boxes)
                .map(|(ix, name)| (name.clone(), track::rounds(&track, ix, &bounds, &config)))
                .filter(|(_, rounds)| !rounds.is_empty())
                .collect();
            track::match_all(&matcher, &boxes, &|done| tell(Stage::Match, done)).map_err(PipelineError::Worker)?
        }
        None => Vec::new(),
    };

    tell(Stage::Facts, 0.0);
    let streams = Streams { air: &air, road: &road, mobile: &mobile, thermal: &thermal };
    let raw = Raw { track: &track, streams, near_us: i64::from(config.carry.near_s) * 1_000_000 };
    // Of the same session: rows that leave the lake meanwhile are still there for this run.
    let before = load_pass_facts(&session, Of::Territory(&territory.id)).await?;
    let carried = carry::carried(before, &raw, &territory.sections, input.kinds);
    let mut levels = reference::read(input.data_dir, &territory.id)?;
    let held = held(&levels, &carried.facts, &territory.id);
    let scene = Scene {
        territory: &territory.id,
        sections: &territory.sections,
        drives: &drives,
        config: &config,
        corrections: &corrections,
        levels: &held,
    };
    let found = facts::all(scene, streams);
    let not_kept = carried.left_out.clone();
    let joined = carried.join(found.facts, gates.merge_window_s);

    tell(Stage::Indicators, 0.0);
    let aggregated = aggregate_counted(&joined.facts, input.kinds, &gates, origin_name(input.origin));
    let indicators = &aggregated.indicators;

    tell(Stage::Rules, 0.0);
    let as_of = as_of(joined.facts.iter().map(|fact| fact.date.as_str()), layers);
    let future = dated_in_the_future(layers, input.rules, &as_of);
    for (layer, points) in &future {
        tracing::warn!(territory = territory.id, layer, points, as_of, "date_in_the_future: points are not counted");
    }
    let inputs = gather(territory, matcher.index(), layers, input.rules, indicators, &as_of);
    let Evaluation { recommendations, .. } = evaluate_counted(input.rules, &inputs);

    tell(Stage::Write, 0.0);
    let origin = origin_name(input.origin);
    let partners: &[(&str, &str, &tournee_territory::Attribution)] = &[];
    let batches = [
        (DerivedTable::Territory, tables::territory(territory, origin)),
        (DerivedTable::Source, tables::sources(territory, layers, partners)),
        (DerivedTable::Section, tables::sections(territory)),
        (DerivedTable::PassFact, tables::pass_facts(&joined.facts)),
        (DerivedTable::Indicator, tables::indicators(indicators)),
        (DerivedTable::Recommendation, tables::recommendations(&recommendations)),
    ];
    // Before the facts that stand on it; a crash in between leaves facts of nearly the same level.
    let levels_before = levels.clone();
    levels.extend(found.levels);
    if levels != levels_before {
        reference::write(input.data_dir, &territory.id, &levels)?;
    }
    write(input.data_dir, &territory.id, batches, &|done| tell(Stage::Write, done)).await?;
    tell(Stage::Write, 1.0);

    let mut report = PipelineReport {
        territory: territory.id.clone(),
        boxes: count(drives.iter().filter(|drives| !drives.passes.is_empty()).count()),
        rounds: drives.iter().map(|drives| drives.rounds).sum(),
        pass_facts: joined.facts.len() as u64,
        facts_carried: joined.carried,
        sections_measured: sections_measured(indicators, input.kinds),
        indicators: count(indicators.len()),
        recommendations: input.rules.rules().iter().map(|rule| (rule.id.clone(), 0)).collect(),
        rows: found.counts,
        rows_without_time: [
            track.without_time,
            air.without_time,
            road.without_time,
            mobile.without_time,
            thermal.without_time,
        ]
        .into_iter()
        .map(|rows| rows as u64)
        .sum(),
        as_of,
        layer_points_left_out: future
            .into_iter()
            .map(|(layer, points)| (format!("{layer}: date_in_the_future"), points))
            .collect(),
        ..PipelineReport::default()
    };
    for drives in &drives {
        track::add(&mut report.positions, &drives.report);
        let counted = drives.passes.iter().filter(|pass| pass.share >= config.pass.min_share).count() as u64;
        report.passes += counted;
        report.passes_short += drives.passes.len() as u64 - counted;
    }
    for recommendation in &recommendations {
        *report.recommendations.entry(recommendation.rule.clone()).or_default() += 1;
    }
    report.facts_left_out.insert("not a number".to_owned(), aggregated.refused_not_finite);
    report.facts_left_out.insert("merged with another pass of the same vehicle".to_owned(), aggregated.merged);
    report.facts_left_out.insert("rest of a pass that is carried over whole".to_owned(), joined.rests);
    let unknown =
        aggregated.refused_unknown.into_iter().map(|(name, facts)| (format!("unknown indicator {name}"), facts));
    for (reason, facts) in unknown.chain(not_kept) {
        *report.facts_left_out.entry(reason).or_default() += facts;
    }
    Ok(report)
}

/// The levels of the last run that hold for this one: those of indicators that have facts which cannot be made again.
fn held(levels: &BTreeMap<String, f64>, carried: &[PassFact], territory: &str) -> BTreeMap<String, f64> {
    let names: BTreeSet<&str> = carried.iter().map(|fact| fact.indicator.as_str()).collect();
    let of_air = ["pm25_ugm3", "no2_ugm3"];
    for name in of_air.iter().filter(|name| names.contains(*name) && !levels.contains_key(**name)) {
        tracing::warn!(
            territory,
            name,
            "facts are carried whose background level is not known: new ones may stand on another"
        );
    }
    levels
        .iter()
        .filter(|(name, _)| names.contains(name.as_str()))
        .map(|(name, level)| (name.clone(), *level))
        .collect()
}

/// Writes a partner's layer as the indicators of its territory, with the territory's sections and credits; gives the
/// number of indicators.
///
/// # Errors
/// A table that cannot be written; the message says which.
pub async fn import_partner(
    data_dir: &Path,
    territory: &Territory,
    layer: &PartnerLayer,
    kinds: &Kinds,
) -> Result<u64, PipelineError> {
    let (indicators, left_out) = partner::partner_indicators(&territory.id, layer, kinds);
    if left_out > 0 {
        tracing::warn!(territory = territory.id, left_out, "values of a partner are of no known indicator or double");
    }
    let origin = origin_name(layer.meta.origin);
    let credit = [(layer.meta.name.as_str(), origin, &layer.meta.attribution)];
    let batches = [
        (DerivedTable::Territory, tables::territory(territory, origin)),
        (DerivedTable::Source, tables::sources(territory, &[], &credit)),
        (DerivedTable::Section, tables::sections(territory)),
        (DerivedTable::Indicator, tables::indicators(&indicators)),
    ];
    write(data_dir, &territory.id, batches, &|_| {}).await?;
    Ok(indicators.len() as u64)
}

type Batch = (DerivedTable, Result<arrow::array::RecordBatch, arrow::error::ArrowError>);

async fn write(
    data_dir: &Path,
    territory: &str,
    batches: impl IntoIterator<Item = Batch, IntoIter: ExactSizeIterator + Send>,
    progress: &(dyn Fn(f32) + Sync),
) -> Result<(), PipelineError> {
    let batches = batches.into_iter();
    let all = batches.len();
    for (done, (table, batch)) in (1_u8..).zip(batches) {
        let batch = batch.map_err(|error| PipelineError::Write {
            path: data_dir.join("derived").join(table.name()),
            message: error.to_string(),
        })?;
        store::replace(data_dir, table, territory, batch).await?;
        #[expect(clippy::cast_precision_loss, reason = "a share for a progress bar")]
        progress(f32::from(done) / all.max(1) as f32);
    }
    Ok(())
}

fn sections_measured(indicators: &[Indicator], kinds: &Kinds) -> BTreeMap<Theme, u32> {
    Theme::ALL
        .into_iter()
        .map(|theme| {
            let sections: BTreeSet<&str> = indicators
                .iter()
                .filter(|one| one.theme == theme && kinds.get(&one.indicator).is_some_and(|kind| kind.headline))
                .map(|one| one.section_id.as_str())
                .collect();
            (theme, count(sections.len()))
        })
        .collect()
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn broken(error: &tournee_indicators::DataError) -> PipelineError {
    PipelineError::Config { file: "indicators".to_owned(), message: error.to_string() }
}
