//! The whole pipeline over a small lake on the real streets of the demo territory.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::path::Path;
use std::time::Instant;

use tournee_indicators::{Indicator, Kinds, Theme, stats};
use tournee_pipeline::{PipelineInput, PipelineReport, Stage, import_partner, run};
use tournee_priority::RuleSet;
use tournee_query::derived::{Of, load_indicators, load_pass_facts, load_recommendations};
use tournee_query::{Limits, session, sql};
use tournee_territory::{Origin, Territory, demo};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tournee_query::runtime().unwrap().block_on(future)
}

async fn analyse(data_dir: &Path, territory: &Territory) -> PipelineReport {
    let (kinds, rules) = (Kinds::builtin().unwrap(), RuleSet::builtin().unwrap());
    let last = std::sync::Mutex::new((Stage::Read, 0.0_f32));
    let progress = |stage: Stage, done: f32| *last.lock().unwrap() = (stage, done);
    let input = PipelineInput {
        data_dir,
        territory,
        layers: &[],
        kinds: &kinds,
        rules: &rules,
        origin: Origin::Simulated,
        progress: &progress,
    };
    let report = run(input).await.unwrap();
    assert_eq!(*last.lock().unwrap(), (Stage::Write, 1.0));
    report
}

async fn indicators(data_dir: &Path, of: Of<'_>) -> Vec<Indicator> {
    load_indicators(&session(data_dir).await.unwrap(), of).await.unwrap()
}

async fn number(data_dir: &Path, query: &str) -> String {
    let result =
        sql(&session(data_dir).await.unwrap(), query, Limits::default()).await.unwrap_or_else(|e| panic!("{e}"));
    let mut out = Vec::new();
    tournee_query::render(&result, tournee_query::Format::Csv, &mut out).unwrap();
    String::from_utf8(out).unwrap().lines().nth(1).unwrap_or_default().to_owned()
}

#[test]
fn drives_become_indicators_that_follow_the_truth() {
    let redon = demo::redon().unwrap();
    let fleet = common::fleet(&redon, 2, 6, 600);
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        fleet.write(dir.path()).await;
        let report = analyse(dir.path(), &redon).await;
        println!("{report:#?}");
        assert_eq!((report.boxes, report.rounds), (2, 12));
        for theme in Theme::ALL {
            assert!(report.sections_measured[&theme] > 20, "{}", theme.name());
            let rows = report.rows[&theme];
            let sum = rows.refused + rows.too_humid + rows.empty + rows.elsewhere + rows.short + rows.thin + rows.used;
            assert_eq!(rows.rows, sum, "{}: every row has one fate", theme.name());
            // At 8 m/s every second mobile sample lies nearer than 10 m to the one before and is thinned out.
            let share = if theme == Theme::Mobile { 5 } else { 9 };
            assert!(rows.used * 10 > rows.rows * share, "{}: {rows:?}", theme.name());
        }
        let found = indicators(dir.path(), Of::All).await;
        assert_eq!(found.len(), report.indicators as usize);
        let truth = |one: &Indicator| {
            let ix = redon.sections.iter().position(|section| section.id == one.section_id).unwrap();
            common::truth(tournee_territory::SectionIx(u32::try_from(ix).unwrap()))
        };
        for (name, sign) in [("pm25_ugm3", 1.0), ("rough_mps2", 1.0), ("rsrp_dbm", -1.0), ("facade_delta_k", 1.0)] {
            let of: Vec<&Indicator> = found.iter().filter(|one| one.indicator == name && one.n_passes >= 6).collect();
            let values: Vec<f64> = of.iter().map(|one| one.value * sign).collect();
            let truths: Vec<f64> = of.iter().map(|one| truth(one)).collect();
            let rho = stats::spearman(&values, &truths).unwrap();
            println!("{name}: {rho:.3} over {} sections", of.len());
            assert!(of.len() > 20 && rho > 0.9, "{name}: {rho} over {} sections", of.len());
        }
        let mut heat: Vec<f64> =
            found.iter().filter(|one| one.indicator == "facade_delta_k").map(|one| one.value).collect();
        heat.sort_by(f64::total_cmp);
        assert!(heat[heat.len() / 2].abs() < 0.3, "facades are centred: {}", heat[heat.len() / 2]);
        let facts = load_pass_facts(&session(dir.path()).await.unwrap(), Of::Territory("redon")).await.unwrap();
        assert_eq!(facts.len() as u64, report.pass_facts);
        assert!(facts.iter().all(|fact| fact.date.starts_with("2026-01-1")));
        assert_eq!(
            number(dir.path(), "SELECT count(*) FROM section WHERE territory = 'redon'").await,
            redon.sections.len().to_string()
        );
        assert_eq!(number(dir.path(), "SELECT count(DISTINCT box_id) FROM track").await, "2");
        let near = number(
            dir.path(),
            "SELECT round(avg(lat_deg), 1) FROM track WHERE lat_deg > 47.6 AND t >= TIMESTAMP '2026-01-12T07:00:00Z'",
        )
        .await;
        assert!(near.starts_with("47.6") || near.starts_with("47.7"), "{near}");
    });
}

#[test]
fn the_order_of_rows_does_not_matter_and_a_second_run_replaces_the_first() {
    let redon = demo::redon().unwrap();
    let mut fleet = common::fleet(&redon, 2, 2, 300);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    block_on(async {
        fleet.write(one.path()).await;
        fleet.reverse();
        fleet.write(two.path()).await;
        let first = analyse(one.path(), &redon).await;
        let before = indicators(one.path(), Of::All).await;
        assert_eq!(first, analyse(one.path(), &redon).await, "a second run over the same lake");
        assert_eq!(before, indicators(one.path(), Of::All).await, "replaced, not added");
        assert_eq!(first, analyse(two.path(), &redon).await, "rows in reverse");
        assert_eq!(before, indicators(two.path(), Of::All).await);
    });
}

#[test]
fn a_partner_stands_beside_and_territories_do_not_touch_each_other() {
    let redon = demo::redon().unwrap();
    let (dublin, layer, _) = demo::dublin_with_report().unwrap();
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        common::fleet(&redon, 1, 1, 200).write(dir.path()).await;
        let kinds = Kinds::builtin().unwrap();
        let written = import_partner(dir.path(), &dublin, &layer, &kinds).await.unwrap();
        assert!(written > 1_000, "{written}");
        let report = analyse(dir.path(), &redon).await;
        assert_eq!(import_partner(dir.path(), &dublin, &layer, &kinds).await.unwrap(), written);
        let all = indicators(dir.path(), Of::All).await;
        assert_eq!(all.len() as u64, written + u64::from(report.indicators));
        let partner = indicators(dir.path(), Of::Territory(&dublin.id)).await;
        assert_eq!(partner.len() as u64, written);
        assert!(partner.iter().all(|one| one.origin == "partner"));
        let none = load_recommendations(&session(dir.path()).await.unwrap(), Of::Territory(&dublin.id)).await.unwrap();
        assert!(none.is_empty());
        assert_eq!(number(dir.path(), "SELECT count(*) FROM territory").await, "2");
        assert!(number(dir.path(), "SELECT count(*) FROM source WHERE origin = 'partner'").await != "0");
    });
}

#[test]
fn an_empty_lake_gives_an_empty_answer() {
    let redon = demo::redon().unwrap();
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let report = analyse(dir.path(), &redon).await;
        assert_eq!((report.boxes, report.passes, report.indicators), (0, 0, 0));
        common::Fleet::default().write(dir.path()).await;
        assert_eq!(report, analyse(dir.path(), &redon).await);
    });
}

/// Timing at the size of the demo: `cargo test --release … -- --ignored --nocapture demo_size`.
#[test]
#[ignore = "a measurement"]
fn demo_size() {
    let redon = demo::redon().unwrap();
    let fleet = common::fleet(&redon, 3, 12, 2_083);
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        fleet.write(dir.path()).await;
        let start = Instant::now();
        let report = analyse(dir.path(), &redon).await;
        println!("{} passes, {} facts in {:.1} s", report.passes, report.pass_facts, start.elapsed().as_secs_f64());
        let start = Instant::now();
        let ctx = session(dir.path()).await.unwrap();
        println!("session {:.2} s", start.elapsed().as_secs_f64());
        for text in
            ["SELECT count(*) FROM air", "SELECT indicator, count(*), avg(value) FROM indicator GROUP BY 1 ORDER BY 1"]
        {
            let start = Instant::now();
            sql(&ctx, text, Limits::default()).await.unwrap();
            println!("{text}: {:.2} s", start.elapsed().as_secs_f64());
        }
    });
}
