//! Pass facts outlive their raw rows: a real lake, written by ingest and let go by its maintenance, between runs.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[expect(dead_code, reason = "the other tests write their tables without ingest")]
mod common;

use std::collections::BTreeMap;
use std::path::Path;

use tokio_util::sync::CancellationToken;
use tournee_indicators::{Indicator, Kinds, PassFact};
use tournee_ingest::maintain::{MaintainOptions, Retention, maintain};
use tournee_ingest::{Lake, LakeOptions, LakeStore};
use tournee_payload::{Batch, BoxId, Sample, Stream, field, fields};
use tournee_pipeline::{PipelineInput, PipelineReport, run};
use tournee_priority::{Recommendation, RuleSet};
use tournee_query::derived::{Of, load_indicators, load_pass_facts, load_recommendations};
use tournee_query::session;
use tournee_territory::{Origin, Territory, demo};

use common::{MONDAY, Rows, SECOND};

const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// The rows as the vehicles would send them, later by so much and under another boot where that is not 0.
fn batches(stream: Stream, rows: &Rows, first_seq: u64, later_us: i64) -> Vec<Batch> {
    let mut samples: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for (row, box_id) in rows.boxes.iter().enumerate() {
        let mut sample = Sample::new(stream);
        for field in fields(stream) {
            let name = if field.id == field::T_US { "t" } else { field.name };
            let value = rows.columns.get(name).and_then(|column| column.get(row)).filter(|value| value.is_finite());
            if let Some(value) = value {
                sample.set(field.id, Some((value * 10f64.powi(i32::from(field.scale))).round() as i64));
            }
        }
        sample.set(field::T_US, sample.get(field::T_US).map(|t_us| t_us + later_us));
        if later_us != 0 {
            sample.set(field::BOOT_ID, Some(99));
        }
        samples.entry(box_id).or_default().push(sample);
    }
    samples
        .into_iter()
        .map(|(box_id, samples)| Batch { box_id: BoxId::new(box_id).unwrap(), stream, epoch: 77, first_seq, samples })
        .collect()
}

async fn store(data_dir: &Path, batches: Vec<Batch>, now_us: i64) {
    let mut lake = Lake::open(data_dir.join("lake"), LakeOptions::default()).await.unwrap();
    for batch in batches {
        let sent = batch.samples.len() as u64;
        assert_eq!(lake.append(batch, now_us).unwrap().rows, sent);
    }
    lake.commit(now_us).await.unwrap();
}

/// Lets everything before the day of `now_us` go; gives the rows that left.
async fn let_go(data_dir: &Path, now_us: i64) -> u64 {
    let lake = LakeStore::existing(&data_dir.join("lake").into()).unwrap();
    let derived = LakeStore::existing(&data_dir.join("derived").into()).unwrap();
    let retention = Retention { raw_days: Some(0), ..Retention::default() };
    let options = MaintainOptions { retention, ..MaintainOptions::default() };
    let report = maintain(&lake, Some(&derived), &options, now_us, &CancellationToken::new()).await.unwrap();
    assert!(report.complete, "{:?}", report.errors().collect::<Vec<_>>());
    report.tables.iter().map(|table| table.rows_expired).sum()
}

#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    facts: Vec<PassFact>,
    indicators: Vec<Indicator>,
    recommendations: Vec<Recommendation>,
}

impl Outcome {
    fn facts_of(&self, date: &str) -> Vec<&PassFact> {
        self.facts.iter().filter(|fact| fact.date == date).collect()
    }
}

async fn analyse(data_dir: &Path, territory: &Territory) -> (PipelineReport, Outcome) {
    let (kinds, rules) = (Kinds::builtin().unwrap(), RuleSet::builtin().unwrap());
    let input = PipelineInput {
        data_dir,
        territory,
        layers: &[],
        kinds: &kinds,
        rules: &rules,
        origin: Origin::Simulated,
        progress: &|_, _| {},
    };
    let report = run(input).await.unwrap();
    let ctx = session(data_dir).await.unwrap();
    let of = Of::Territory(&territory.id);
    let outcome = Outcome {
        facts: load_pass_facts(&ctx, of).await.unwrap(),
        indicators: load_indicators(&ctx, of).await.unwrap(),
        recommendations: load_recommendations(&ctx, of).await.unwrap(),
    };
    assert_eq!(report.pass_facts, outcome.facts.len() as u64);
    (report, outcome)
}

#[test]
fn indicators_stay_when_their_raw_rows_leave() {
    let redon = demo::redon().unwrap();
    let fleet = common::fleet(&redon, 2, 2, 300);
    let streams = [
        (Stream::Track, &fleet.track),
        (Stream::Air, &fleet.air),
        (Stream::Road, &fleet.road),
        (Stream::Mobile, &fleet.mobile),
    ];
    let all = |first_seq: u64, later_us: i64| -> Vec<Batch> {
        streams.iter().flat_map(|(stream, rows)| batches(*stream, rows, first_seq, later_us)).collect()
    };
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let tuesday_noon = MONDAY * SECOND + DAY + 5 * HOUR;
    tournee_query::runtime().unwrap().block_on(async {
        store(at, all(0, 0), tuesday_noon).await;
        let (first, before) = analyse(at, &redon).await;
        assert_eq!((first.facts_carried, first.rounds), (0, 4));
        let (monday, tuesday) = (before.facts_of("2026-01-12"), before.facts_of("2026-01-13"));
        assert!(monday.len() > 50 && tuesday.len() > 50, "{} {}", monday.len(), tuesday.len());

        // Monday leaves. The second day's air was 15 µg/m³ worse, so that a level of its own would show.
        assert!(let_go(at, tuesday_noon).await > 1_000);
        let (second, after) = analyse(at, &redon).await;
        assert_eq!((second.facts_carried, second.rounds), (monday.len() as u64, 2));
        assert_eq!(after, before);
        let (third, again) = analyse(at, &redon).await;
        assert_eq!((third, again), (second.clone(), before.clone()));

        // A vehicle comes back with Monday's afternoon, which was not known yet: all of Monday stays, the afternoon comes to it.
        let rows = fleet.track.boxes.len() as u64;
        let late: Vec<Batch> = all(rows, 8 * HOUR)
            .into_iter()
            .filter(|batch| batch.box_id.as_str() == "box-0")
            .map(|mut batch| {
                batch.samples.truncate(batch.samples.len() / 2);
                batch
            })
            .collect();
        store(at, late, tuesday_noon + HOUR).await;
        let (fourth, more) = analyse(at, &redon).await;
        assert_eq!((fourth.facts_carried, fourth.rounds), (monday.len() as u64, 3));
        let morning: Vec<&PassFact> =
            more.facts_of("2026-01-12").into_iter().filter(|fact| fact.t_us < MONDAY * SECOND + 6 * HOUR).collect();
        assert_eq!(morning, monday);
        let afternoon = more.facts_of("2026-01-12").len() - monday.len();
        assert!(afternoon > 25, "{afternoon}");
        assert_eq!(more.facts_of("2026-01-13"), tuesday);

        // In the end nothing raw is left, and everything is known still.
        assert!(let_go(at, tuesday_noon + 3 * DAY).await > 1_000);
        let (last, left) = analyse(at, &redon).await;
        assert_eq!((last.facts_carried, last.rounds), (more.facts.len() as u64, 0));
        assert_eq!(left, more);

        // Two years later the facts leave as well.
        let_go(at, tuesday_noon + 800 * DAY).await;
        let (none, nothing) = analyse(at, &redon).await;
        assert_eq!((none.facts_carried, nothing.facts.len(), nothing.indicators.len()), (0, 0, 0));
    });
}
