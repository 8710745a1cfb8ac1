//! Maintenance beside appends, killed at every step, twice at once, and long after.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::AsArray as _;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio_util::sync::CancellationToken;
use tournee_payload::{Batch, BoxId, Sample, Stream, field};

use super::*;
use crate::check::check;
use crate::{FailPoint, Lake, LakeOptions, Refusal};

const DAY_US: i64 = 86_400_000_000;
/// 2026-01-15T00:00:00Z, the date of the rows.
const T_US: i64 = 1_768_435_200_000_000;

fn sample(stream: Stream, seq: u64) -> Sample {
    let mut sample = Sample::new(stream);
    sample.set(field::T_US, Some(T_US + seq as i64 * 1_000_000));
    // Round and round, so that places come again at other times.
    let angle = seq as f64 / 40.0;
    sample.set(field::LAT_DEG, Some(476_500_000 + (angle.sin() * 30_000.0) as i64));
    sample.set(field::LON_DEG, Some(-20_800_000 + (angle.cos() * 30_000.0) as i64));
    sample.set(field::SPEED_MPS, Some(800 + (seq % 200) as i64));
    sample
}

fn batch(name: &str, stream: Stream, first_seq: u64, count: u64) -> Batch {
    let samples = (first_seq..first_seq + count).map(|seq| sample(stream, seq)).collect();
    Batch { box_id: BoxId::new(name).unwrap(), stream, epoch: 77, first_seq, samples }
}

fn gap(name: &str, seq: u64, stream: Stream, first: i64, last: i64) -> Batch {
    let mut batch = batch(name, Stream::Gap, seq, 1);
    for (id, value) in [(16, stream as i64), (17, first), (18, last), (19, 1)] {
        batch.samples[0].set(id, Some(value));
    }
    batch
}

/// Commits of a few rows each: `rounds` of them, of three boxes, beginning with number `from`.
async fn fill(lake: &mut Lake, from: u64, rounds: u64) {
    for round in from..from + rounds {
        for name in ["van-01", "van-02", "van-03"] {
            lake.append(batch(name, Stream::Track, round * 10, 10), T_US + 1).unwrap();
        }
        lake.commit(T_US + round as i64).await.unwrap();
    }
}

async fn open(root: &Path) -> Lake {
    Lake::open(root, LakeOptions::default()).await.unwrap()
}

/// Options under which everything is due at once.
fn eager() -> MaintainOptions {
    MaintainOptions {
        retention: Retention::NEVER,
        settle: Duration::ZERO,
        hot_files: 2,
        checkpoint_every: 5,
        ..MaintainOptions::default()
    }
}

async fn run(root: &Path, options: &MaintainOptions, now_us: i64) -> MaintainReport {
    let store = LakeStore::existing(&root.into()).unwrap();
    maintain(&store, None, options, now_us, &CancellationToken::new()).await.unwrap()
}

fn of<'a>(report: &'a MaintainReport, table: &str) -> &'a TableReport {
    report.tables.iter().find(|found| found.table == table).unwrap()
}

async fn assert_holds(root: &Path, stored: u64) {
    let found = check(root).await.unwrap();
    assert!(found.holds(), "{:?} {:?}", found.total, found.violations);
    assert_eq!(found.total.stored, stored);
}

fn parquet_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .collect()
}

#[tokio::test]
async fn many_small_files_become_one_and_each_layout_is_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await;
    fill(&mut lake, 0, 12).await;
    let mut expected = 360;
    for (now_us, prefix) in [(T_US + DAY_US, "hot-"), (T_US + 3 * DAY_US, "cold-")] {
        let options = MaintainOptions { memory_bytes: 400_000, ..eager() };
        let report = run(dir.path(), &options, now_us).await;
        assert!(report.complete, "{report:?}");
        let track = of(&report, "track");
        assert_eq!((track.files_after, track.rewrites, track.rows_rewritten), (1, 1, expected), "{track:?}");
        assert_holds(dir.path(), expected).await;
        let files = parquet_files(&dir.path().join("track/date=2026-01-15"));
        let name = |path: &&std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(prefix);
        let new: Vec<_> = files.iter().filter(name).collect();
        assert_eq!(new.len(), 1, "{files:?}");
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(new[0]).unwrap()).unwrap();
        let mut keys = Vec::new();
        for rows in reader.build().unwrap().map(Result::unwrap) {
            let text = |at| rows.column_by_name("box_id").unwrap().as_string::<i32>().value(at).to_owned();
            let t = rows.column_by_name("t").unwrap().as_primitive::<TimestampMicrosecondType>().clone();
            let cell = rows.column_by_name("h3_r10").unwrap().as_primitive::<Int64Type>().clone();
            keys.extend((0..rows.num_rows()).map(|at| match prefix {
                "hot-" => (0, text(at), t.value(at)),
                _ => (cell.value(at), String::new(), t.value(at)),
            }));
        }
        assert!(keys.is_sorted() && keys.len() as u64 == expected);
        // The same worker goes on over the rewrite, without having looked.
        fill(&mut lake, expected / 30, 3).await;
        expected += 90;
        assert_holds(dir.path(), expected).await;
    }
    assert_eq!(lake.totals().conflicts, 0, "compaction is no conflict for ingest");
    // A worker that begins after the rewrite knows what is stored.
    drop(lake);
    let mut lake = open(dir.path()).await;
    fill(&mut lake, 0, 18).await;
    assert_eq!(lake.totals().stored, 0);
    assert_holds(dir.path(), expected).await;
}

#[tokio::test]
async fn a_crash_at_any_step_leaves_a_whole_lake() {
    for point in [
        FailPoint::BeforeRewrite,
        FailPoint::BeforeRewriteCommit,
        FailPoint::AfterRewriteCommit,
        FailPoint::BeforeDelete,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut lake = open(dir.path()).await;
        lake.append(gap("van-01", 0, Stream::Air, 0, 4), T_US).unwrap();
        fill(&mut lake, 0, 6).await;
        // First compaction, and history enough to remove what it replaced; then retention.
        for (retention, now_us) in [(Retention::NEVER, T_US + 3 * DAY_US), (Retention::default(), T_US + 40 * DAY_US)] {
            let fired = Arc::new(AtomicUsize::new(0));
            let seen = fired.clone();
            let hook: crate::Hook = Arc::new(move |at, _| at == point && seen.fetch_add(1, Ordering::SeqCst) == 0);
            let options = MaintainOptions { retention, history: Duration::ZERO, hook: Some(hook), ..eager() };
            let report = run(dir.path(), &options, now_us).await;
            assert!(fired.load(Ordering::SeqCst) > 0, "{point:?} was not reached");
            assert_eq!(report.errors().count(), 1, "{point:?} {report:?}");
            let found = check(dir.path()).await.unwrap();
            assert!(found.holds(), "{point:?} {:?} {:?}", found.total, found.violations);
            assert_eq!(found.total.stored + found.total.expired, 181);
            // The next run brings to an end what the crashed one began.
            let options = MaintainOptions { hook: None, ..options };
            assert!(run(dir.path(), &options, now_us).await.complete);
            let found = check(dir.path()).await.unwrap();
            assert!(found.holds(), "{point:?} {:?} {:?}", found.total, found.violations);
            if retention != Retention::NEVER {
                assert_eq!((found.total.stored, found.total.expired, found.total.gaps), (0, 181, 5));
            }
        }
    }
}

#[tokio::test]
async fn what_expired_stays_provable_and_is_not_stored_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await;
    let mut air = batch("van-01", Stream::Air, 0, 20);
    air.samples[3].set(field::LAT_DEG, Some(0));
    air.samples[3].set(field::LON_DEG, Some(0));
    lake.append(air, T_US).unwrap();
    lake.append(gap("van-01", 0, Stream::Air, 20, 29), T_US).unwrap();
    lake.refuse(Refusal::message("tournee/v1/00/x/up/air", b"\xff", "payload_envelope", "nonsense"), T_US);
    lake.commit(T_US).await.unwrap();
    let later = T_US + 31 * DAY_US;
    let report = run(dir.path(), &MaintainOptions { retention: Retention::default(), ..eager() }, later).await;
    assert!(report.complete, "{report:?}");
    assert_eq!((of(&report, "air").rows_expired, of(&report, "quarantine").rows_expired), (19, 2));
    let found = check(dir.path()).await.unwrap();
    assert!(found.holds(), "{:?} {:?}", found.total, found.violations);
    assert_eq!(found.quarantined, 0);
    assert_eq!((found.total.expired, found.total.gaps, found.total.refused), (20, 10, 1));
    let air: Vec<_> = found.days.iter().filter(|day| day.stream == "air" && day.account.expired > 0).collect();
    assert_eq!(air.len(), 1);
    assert_eq!((air[0].date.as_str(), air[0].account.expired), ("2026-01-15", 19));
    // Delivered again, nothing of it is stored again; what follows is.
    lake.append(batch("van-01", Stream::Air, 0, 40), later).unwrap();
    lake.commit(later).await.unwrap();
    assert_eq!(lake.totals().stored, 20 + 10);
    assert_holds(dir.path(), 10).await;
    // An old date that comes late expires as well, and the account of the first removal is carried on.
    let report = run(dir.path(), &MaintainOptions { retention: Retention::default(), ..eager() }, later).await;
    assert_eq!(of(&report, "air").rows_expired, 10);
    let found = check(dir.path()).await.unwrap();
    assert!(found.holds(), "{:?} {:?}", found.total, found.violations);
    assert_eq!(found.total.expired, 30);
    // The object is what proves it.
    std::fs::remove_dir_all(dir.path().join("_expired/air")).unwrap();
    let found = check(dir.path()).await.unwrap();
    let kinds: Vec<&str> = found.violations.iter().map(|violation| violation.kind).collect();
    assert!(kinds.contains(&"missing_expired") && kinds.contains(&"lost_rows"), "{kinds:?}");
}

#[tokio::test]
async fn vacuum_keeps_history_and_removes_what_crashes_left() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await;
    fill(&mut lake, 0, 6).await;
    let date = dir.path().join("track/date=2026-01-15");
    let now_us = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap();
    for name in ["part-ff.zstd.parquet", ".ff.staging", "cold-ff.zstd.parquet#1", "somebody's notes.txt"] {
        std::fs::write(date.join(name), b"left behind").unwrap();
    }
    let orphan = dir.path().join("_watermarks/track/07/00000000000000000099-00000000000000ff.json");
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, b"{}").unwrap();
    let report = run(dir.path(), &eager(), now_us).await;
    assert!(report.complete, "{report:?}");
    assert_eq!((of(&report, "track").files_after, of(&report, "track").files_removed), (1, 0));
    assert_eq!(std::fs::read_dir(&date).unwrap().count(), 6 + 1 + 4);
    // A week later nobody may read the old versions any more.
    let report = run(dir.path(), &eager(), now_us + 8 * DAY_US).await;
    assert_eq!(of(&report, "track").files_removed, 6 + 3, "{report:?}");
    assert_eq!(of(&report, "track").objects_removed, 1);
    assert!(of(&report, "track").log_entries_removed > 0, "{report:?}");
    assert!(!orphan.exists() && date.join("somebody's notes.txt").exists());
    assert_holds(dir.path(), 180).await;
    // The worker that has not looked since, and one that begins now, both go on.
    fill(&mut lake, 6, 3).await;
    assert_holds(dir.path(), 270).await;
    let mut other = open(dir.path()).await;
    fill(&mut other, 0, 10).await;
    assert_eq!(other.totals().stored, 30);
    assert_holds(dir.path(), 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_and_two_maintenances_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await;
    fill(&mut lake, 0, 4).await;
    let root = dir.path().to_path_buf();
    let over = CancellationToken::new();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (root, over) = (root.clone(), over.clone());
            tokio::spawn(async move {
                let (mut rewrites, mut conflicts) = (0, 0);
                while !over.is_cancelled() {
                    let options = MaintainOptions { orphan_age: Duration::from_secs(86_400), ..eager() };
                    let report = run(&root, &options, T_US + DAY_US).await;
                    assert!(report.complete, "{report:?}");
                    rewrites += of(&report, "track").rewrites;
                    conflicts += of(&report, "track").conflicts;
                }
                (rewrites, conflicts)
            })
        })
        .collect();
    fill(&mut lake, 4, 36).await;
    over.cancel();
    let mut rewrites = 0;
    for worker in workers {
        let (done, conflicts) = worker.await.unwrap();
        println!("rewrites {done}, conflicts {conflicts}");
        rewrites += done;
    }
    assert!(rewrites > 0);
    assert_eq!(lake.totals().conflicts, 0);
    assert_holds(&root, 40 * 30).await;
}

#[tokio::test]
async fn told_to_stop_or_out_of_time_it_leaves_the_rest_to_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await;
    fill(&mut lake, 0, 4).await;
    let store = LakeStore::existing(&dir.path().into()).unwrap();
    let stopped = CancellationToken::new();
    stopped.cancel();
    let report = maintain(&store, None, &eager(), T_US, &stopped).await.unwrap();
    assert!(!report.complete && report.errors().count() == 0, "{report:?}");
    let options = MaintainOptions { budget: Duration::ZERO, ..eager() };
    assert!(!run(dir.path(), &options, T_US).await.complete);
    assert!(run(dir.path(), &eager(), T_US).await.complete);
    assert_holds(dir.path(), 120).await;
}
