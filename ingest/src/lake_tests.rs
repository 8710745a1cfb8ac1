//! Crashes, redelivery, second workers: the promise of exactly-once, tried at every step of a commit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tournee_lake::Table;
use tournee_payload::{Batch, BoxId, Sample, Stream, field, shard};

use crate::check::{Account, check};
use crate::{FailPoint, IngestError, Lake, LakeOptions, Limits, Refusal};

/// 2026-01-15T00:00:00Z.
const T_US: i64 = 1_768_435_200_000_000;
const NOW_US: i64 = 1_795_000_000_000_000;

fn sample(stream: Stream, seq: u64) -> Sample {
    let mut sample = Sample::new(stream);
    sample.set(field::T_US, Some(T_US + seq as i64 * 1_000_000));
    sample.set(field::LAT_DEG, Some(476_500_000 + seq as i64));
    sample.set(field::LON_DEG, Some(-20_800_000));
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

/// What one vehicle sends, in full: good rows, refused rows, a gap, and a message that cannot be read.
fn deliver(lake: &mut Lake) {
    let mut air = batch("van-01", Stream::Air, 0, 20);
    air.samples[3].set(field::LAT_DEG, Some(0));
    air.samples[3].set(field::LON_DEG, Some(0));
    air.samples[19].set(17, Some(20_001));
    let road = [batch("van-01", Stream::Road, 0, 5), batch("van-01", Stream::Road, 10, 5)];
    for batch in
        [air, gap("van-01", 0, Stream::Road, 5, 9), batch("van-01", Stream::Track, 0, 7)].into_iter().chain(road)
    {
        lake.append(batch, NOW_US).unwrap();
    }
    lake.refuse(Refusal::message("tournee/v1/00/x/up/air", b"\xff", "payload_envelope", "nonsense"), NOW_US);
}

const EXPECTED: Account = Account {
    generated: 20 + 15 + 1 + 7,
    stored: 18 + 10 + 1 + 7,
    expired: 0,
    gaps: 5,
    refused: 2,
    duplicates: 0,
    missing: 0,
};

async fn open(root: &Path) -> Lake {
    Lake::open(root, LakeOptions::default()).await.unwrap()
}

async fn assert_whole(root: &Path, lake: &Lake) {
    let found = check(root).await.unwrap();
    assert_eq!(found.total, EXPECTED);
    assert!(found.total.holds());
    assert_eq!((found.quarantined, found.refused_messages), (3, 1));
    let message = lake.acks(&BoxId::new("van-01").unwrap());
    let mut next: Vec<(&str, u64)> = message.acks.iter().map(|ack| (ack.stream.name(), ack.next_seq)).collect();
    next.sort_unstable();
    assert_eq!(next, [("air", 20), ("gap", 1), ("road", 15), ("track", 7)]);
    assert!(message.acks.iter().all(|ack| ack.epoch == 77));
}

#[tokio::test]
async fn a_crash_at_any_step_loses_nothing_and_doubles_nothing() {
    for point in [FailPoint::BeforeObject, FailPoint::BeforeCommit, FailPoint::AfterCommit] {
        for table in [Table::Quarantine, Table::Gap, Table::Air, Table::Road, Table::Track] {
            let dir = tempfile::tempdir().unwrap();
            let fired = Arc::new(AtomicBool::new(false));
            let seen = fired.clone();
            let hook: crate::Hook = Arc::new(move |at, of| {
                let here = at == point && of == table;
                seen.fetch_or(here, Ordering::SeqCst);
                here
            });
            let mut lake =
                Lake::open(dir.path(), LakeOptions { hook: Some(hook), ..LakeOptions::default() }).await.unwrap();
            deliver(&mut lake);
            let error = lake.commit(NOW_US).await.unwrap_err();
            assert!(matches!(error, IngestError::Injected(at) if at == point), "{error}");
            assert!(fired.load(Ordering::SeqCst));
            drop(lake);
            // The broker delivers everything again, for nothing of it was acknowledged.
            let mut lake = open(dir.path()).await;
            deliver(&mut lake);
            lake.commit(NOW_US).await.unwrap();
            assert_whole(dir.path(), &lake).await;
        }
    }
}

/// A lake whose hook fails once at `point` of `table`, when armed.
async fn failing(root: &Path, point: FailPoint, table: Table) -> (Lake, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(false));
    let seen = armed.clone();
    let hook: crate::Hook = Arc::new(move |at, of| at == point && of == table && seen.swap(false, Ordering::SeqCst));
    let lake = Lake::open(root, LakeOptions { hook: Some(hook), ..LakeOptions::default() }).await.unwrap();
    (lake, armed)
}

#[tokio::test]
async fn the_same_lake_tries_again_after_an_error_at_any_step() {
    for point in [FailPoint::BeforeObject, FailPoint::BeforeCommit, FailPoint::AfterCommit] {
        for table in [Table::Quarantine, Table::Gap, Table::Air] {
            let dir = tempfile::tempdir().unwrap();
            let (mut lake, armed) = failing(dir.path(), point, table).await;
            deliver(&mut lake);
            armed.store(true, Ordering::SeqCst);
            let error = lake.commit(NOW_US).await.unwrap_err();
            assert!(matches!(error, IngestError::Injected(at) if at == point), "{error}");
            assert!(!armed.load(Ordering::SeqCst));
            lake.commit(NOW_US).await.unwrap();
            assert_whole(dir.path(), &lake).await;
            let totals = lake.totals();
            assert_eq!((totals.stored, totals.duplicates, totals.conflicts), (36, 0, 0), "{point:?} {}", table.name());
        }
    }
}

#[tokio::test]
async fn an_entry_that_landed_with_an_error_is_found_again() {
    for table in [Table::Quarantine, Table::Gap, Table::Air] {
        let dir = tempfile::tempdir().unwrap();
        let (mut lake, armed) = failing(dir.path(), FailPoint::AfterLink, table).await;
        deliver(&mut lake);
        armed.store(true, Ordering::SeqCst);
        lake.commit(NOW_US).await.unwrap();
        assert!(!armed.load(Ordering::SeqCst));
        assert_whole(dir.path(), &lake).await;
        assert_eq!((lake.totals().stored, lake.totals().duplicates), (36, 0));
    }
}

#[tokio::test]
async fn a_look_into_the_log_that_breaks_off_is_made_up_before_the_next_commit() {
    let dir = tempfile::tempdir().unwrap();
    let reload = Arc::new(AtomicBool::new(false));
    let link = Arc::new(AtomicBool::new(false));
    let (on_reload, on_link) = (reload.clone(), link.clone());
    let hook: crate::Hook = Arc::new(move |at, of| match at {
        FailPoint::AfterLink => of == Table::Air && on_link.swap(false, Ordering::SeqCst),
        FailPoint::Reload => of == Table::Air && on_reload.swap(false, Ordering::SeqCst),
        _ => false,
    });
    let mut lake = Lake::open(dir.path(), LakeOptions { hook: Some(hook), ..LakeOptions::default() }).await.unwrap();
    let box_id = BoxId::new("van-01").unwrap();
    lake.append(batch("van-01", Stream::Air, 0, 10), NOW_US).unwrap();
    for flag in [&link, &reload] {
        flag.store(true, Ordering::SeqCst);
    }
    // The entry lands with an error, and the look for it breaks off when the version is known but the rows are not.
    assert!(matches!(lake.commit(NOW_US).await, Err(IngestError::Injected(FailPoint::Reload))));
    assert!(lake.acks(&box_id).acks.is_empty());
    lake.append(batch("van-01", Stream::Air, 10, 5), NOW_US).unwrap();
    lake.commit(NOW_US).await.unwrap();
    let found = check(dir.path()).await.unwrap();
    assert_eq!((found.total.stored, found.total.duplicates, found.total.missing), (15, 0, 0));
    assert_eq!((lake.totals().stored, lake.totals().duplicates), (15, 0));
    assert_eq!(lake.acks(&box_id).acks.first().map(|ack| ack.next_seq), Some(15));

    // The same with a second worker: what it wrote is read, although this one failed when it first looked.
    let mut other = open(dir.path()).await;
    other.append(batch("van-01", Stream::Air, 15, 5), NOW_US).unwrap();
    other.append(batch("van-02", Stream::Air, 0, 5), NOW_US).unwrap();
    other.commit(NOW_US).await.unwrap();
    lake.append(batch("van-01", Stream::Air, 15, 6), NOW_US).unwrap();
    reload.store(true, Ordering::SeqCst);
    assert!(matches!(lake.commit(NOW_US).await, Err(IngestError::Injected(FailPoint::Reload))));
    lake.append(batch("van-02", Stream::Air, 0, 6), NOW_US).unwrap();
    lake.commit(NOW_US).await.unwrap();
    let found = check(dir.path()).await.unwrap();
    assert_eq!((found.total.stored, found.total.duplicates, found.total.missing), (21 + 6, 0, 0));
}

#[tokio::test]
async fn a_commit_that_was_dropped_half_way_is_safe() {
    // The future is polled a number of times and then dropped, as a timeout around it would do.
    for polls in (1..40).step_by(3) {
        let dir = tempfile::tempdir().unwrap();
        let mut lake = open(dir.path()).await;
        lake.append(batch("van-01", Stream::Air, 0, 10), NOW_US).unwrap();
        let mut left = polls;
        {
            let mut work = Box::pin(lake.commit(NOW_US));
            std::future::poll_fn(|context| {
                left -= 1;
                if work.as_mut().poll(context).is_ready() || left == 0 {
                    return std::task::Poll::Ready(());
                }
                std::task::Poll::Pending
            })
            .await;
        }
        lake.append(batch("van-01", Stream::Air, 10, 5), NOW_US).unwrap();
        lake.commit(NOW_US).await.unwrap();
        let found = check(dir.path()).await.unwrap();
        assert_eq!((found.total.stored, found.total.duplicates, found.total.missing), (15, 0, 0), "{polls} polls");
    }
}

#[tokio::test]
async fn redelivery_before_and_after_the_commit_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await;
    deliver(&mut lake);
    deliver(&mut lake);
    // Nothing is promised to the vehicle before the commit.
    assert!(lake.acks(&BoxId::new("van-01").unwrap()).acks.is_empty());
    lake.commit(NOW_US).await.unwrap();
    deliver(&mut lake);
    assert_eq!(lake.commit(NOW_US).await.unwrap(), crate::CommitReport::default());
    assert_whole(dir.path(), &lake).await;
    let totals = lake.totals();
    assert_eq!((totals.stored, totals.refused_rows, totals.refused_messages), (36, 2, 1));
    // 38 rows and one message, twice too often; the gap's own range is no row.
    assert_eq!(totals.duplicates, 2 * (20 + 10 + 1 + 7 + 1));
    assert_eq!(lake.boxes(), [BoxId::new("van-01").unwrap()]);
}

#[tokio::test]
async fn a_batch_of_bad_rows_costs_little_memory_and_is_accounted_for() {
    const ROWS: u64 = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await;
    // Every second row is at 0,0; some lie in ranges that a later batch sends again.
    let mut bad = batch("van-01", Stream::Air, 0, ROWS);
    for sample in bad.samples.iter_mut().step_by(2) {
        sample.set(field::LAT_DEG, Some(0));
        sample.set(field::LON_DEG, Some(0));
    }
    let empty =
        Batch { samples: vec![Sample::new(Stream::Track); ROWS as usize], ..batch("van-01", Stream::Track, 0, 1) };
    for round in 0..2 {
        for batch in [&bad, &empty] {
            lake.append(batch.clone(), NOW_US).unwrap();
        }
        assert_eq!(lake.pending_rows() as u64, 2 * ROWS, "round {round}");
    }
    assert_eq!(lake.totals().refused_rows, ROWS + ROWS / 2);
    // The good rows, and 16 bytes for each refused row that has no refused neighbour.
    let stored = (ROWS / 2) as usize * (size_of::<(u64, Sample)>() + 16 + bad.samples[0].values.len() * 16);
    let refused = lake.pending_bytes().checked_sub(stored).unwrap();
    assert!(refused < (ROWS / 2) as usize * 16 + 40_000, "{refused}");
    assert_eq!(lake.commit(NOW_US).await.unwrap().rows.get("quarantine"), Some(&(ROWS + ROWS / 2)));
    assert_eq!((lake.pending_rows(), lake.pending_bytes()), (0, 0));
    drop(lake);
    let mut lake = open(dir.path()).await;
    assert_eq!(lake.append(bad, NOW_US).unwrap().duplicates, ROWS);
    let found = check(dir.path()).await.unwrap();
    assert!(found.total.holds());
    assert_eq!((found.total.stored, found.total.refused, found.refused_messages), (ROWS / 2, ROWS + ROWS / 2, 0));
    let message = lake.acks(&BoxId::new("van-01").unwrap());
    assert!(message.acks.len() == 2 && message.acks.iter().all(|ack| ack.next_seq == ROWS), "{message:?}");
}

#[tokio::test]
async fn a_wild_clock_does_not_make_a_file_per_row() {
    let mut wild = batch("van-01", Stream::Air, 0, 100);
    for (day, sample) in wild.samples.iter_mut().enumerate() {
        sample.set(field::T_US, Some(T_US + day as i64 * 86_400_000_000));
    }
    let dates = |root: &Path| {
        let names = std::fs::read_dir(root.join("air")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("date=")).count()
    };
    for (limits, files, clamped) in [(Limits::VEHICLES, 32, 69), (Limits::NONE, 100, 0)] {
        let dir = tempfile::tempdir().unwrap();
        let mut lake = open(dir.path()).await.with_limits(limits);
        lake.append(wild.clone(), NOW_US).unwrap();
        lake.append(batch("van-02", Stream::Air, 0, 5), NOW_US).unwrap();
        lake.commit(NOW_US).await.unwrap();
        assert_eq!((dates(dir.path()), lake.totals().dates_clamped), (files, clamped));
        assert!(dir.path().join("air/date=2026-01-15").is_dir(), "the day of two boxes stays");
        assert_eq!(check(dir.path()).await.unwrap().total.stored, 105);
    }
}

#[tokio::test]
async fn a_box_that_claims_too_much_is_held_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await.with_limits(Limits::VEHICLES);
    let epoch = |epoch| Batch { epoch, ..batch("van-01", Stream::Air, 0, 2) };
    for number in 0..64 {
        assert_eq!(lake.append(epoch(number), NOW_US).unwrap().rows, 2);
    }
    lake.commit(NOW_US).await.unwrap();
    drop(lake);
    // The count survives a restart; other boxes and the box's known epochs are not affected.
    let mut lake = open(dir.path()).await.with_limits(Limits::VEHICLES);
    assert_eq!(lake.append(epoch(64), NOW_US).unwrap().refused, 2);
    assert_eq!(lake.append(Batch { epoch: 5, ..batch("van-01", Stream::Track, 0, 3) }, NOW_US).unwrap().rows, 3);
    assert_eq!(lake.append(batch("van-02", Stream::Air, 0, 4), NOW_US).unwrap().rows, 4);

    // Ten million numbers at once, and not further than that beyond what is known.
    let wide = gap("van-02", 0, Stream::Road, 0, 10_000_000);
    let far = gap("van-02", 1, Stream::Road, 10_000_000, 10_000_000);
    let good = gap("van-02", 2, Stream::Road, 0, 9_999_999);
    let next = gap("van-02", 3, Stream::Road, 10_000_000, 19_999_999);
    for (record, rows) in [(wide, 0), (far, 0), (good, 1), (next, 1)] {
        let done = lake.append(record, NOW_US).unwrap();
        assert_eq!((done.rows, done.refused), (rows, 1 - rows));
    }
    lake.commit(NOW_US).await.unwrap();
    let found = check(dir.path()).await.unwrap();
    assert!(found.total.holds());
    assert_eq!((found.total.stored, found.total.gaps, found.total.refused), (128 + 3 + 4 + 2, 20_000_000, 2));
    assert_eq!((lake.totals().refused_messages, found.refused_messages), (1, 1));
}

#[tokio::test]
async fn holes_hold_the_watermark_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await;
    lake.append(batch("van-01", Stream::Air, 10, 5), NOW_US).unwrap();
    lake.commit(NOW_US).await.unwrap();
    let next = |lake: &Lake| lake.acks(&BoxId::new("van-01").unwrap()).acks.first().map(|ack| ack.next_seq);
    assert_eq!(next(&lake), Some(0));
    lake.append(batch("van-01", Stream::Air, 0, 12), NOW_US).unwrap();
    lake.commit(NOW_US).await.unwrap();
    assert_eq!(next(&lake), Some(15));
    let found = check(dir.path()).await.unwrap();
    assert_eq!((found.total.stored, found.total.duplicates, found.total.missing), (15, 0, 0));
}

#[tokio::test]
async fn a_second_worker_on_the_same_shard_is_fenced_off() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (open(dir.path()).await, open(dir.path()).await);
    one.append(batch("van-01", Stream::Air, 0, 10), NOW_US).unwrap();
    two.append(batch("van-01", Stream::Air, 5, 10), NOW_US).unwrap();
    assert_eq!(one.commit(NOW_US).await.unwrap().conflicts, 0);
    let report = two.commit(NOW_US).await.unwrap();
    assert_eq!((report.conflicts, report.rows.get("air").copied()), (1, Some(5)));
    assert_eq!(two.totals().duplicates, 5);
    // The loser of the next round finds that everything is there already.
    one.append(batch("van-01", Stream::Air, 10, 5), NOW_US).unwrap();
    let report = one.commit(NOW_US).await.unwrap();
    assert_eq!((report.conflicts, report.rows.get("air").copied()), (1, None));
    let found = check(dir.path()).await.unwrap();
    assert_eq!((found.total.stored, found.total.duplicates, found.total.missing), (15, 0, 0));
    assert_eq!(one.acks(&BoxId::new("van-01").unwrap()).acks, two.acks(&BoxId::new("van-01").unwrap()).acks);
}

#[tokio::test]
async fn a_second_worker_is_noticed_even_where_this_one_did_not_write() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (open(dir.path()).await, open(dir.path()).await);
    let of = |name: &str| shard(&BoxId::new(name).unwrap());
    assert_ne!(of("van-01"), of("van-02"));
    two.append(batch("van-02", Stream::Air, 0, 5), NOW_US).unwrap();
    two.commit(NOW_US).await.unwrap();
    // This commit goes past the other worker's, which touched another shard of ours.
    one.append(batch("van-01", Stream::Air, 0, 5), NOW_US).unwrap();
    assert_eq!(one.commit(NOW_US).await.unwrap().conflicts, 1);
    assert_eq!(one.append(batch("van-02", Stream::Air, 0, 5), NOW_US).unwrap().duplicates, 5);
    one.commit(NOW_US).await.unwrap();
    let found = check(dir.path()).await.unwrap();
    assert_eq!((found.total.stored, found.total.duplicates), (10, 0));
}

#[tokio::test]
async fn checkpoints_keep_the_transactions() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await;
    for seq in 0..120 {
        lake.append(batch("van-01", Stream::Health, seq, 1), NOW_US).unwrap();
        lake.commit(NOW_US).await.unwrap();
    }
    let log = dir.path().join("health/_delta_log");
    assert!(log.join("_last_checkpoint").is_file());
    // Without the entries before the checkpoint, the state must come from the checkpoint itself.
    for version in 0..99 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let mut lake = open(dir.path()).await;
    assert_eq!(lake.append(batch("van-01", Stream::Health, 0, 121), NOW_US).unwrap().rows, 1);
    lake.commit(NOW_US).await.unwrap();
    let found = check(dir.path()).await.unwrap();
    assert!(found.total.holds());
    assert_eq!(found.total.stored, 121);
}

#[tokio::test]
async fn workers_of_different_shards_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..40).map(|number| format!("van-{number}")).collect();
    let of = |low: bool| names.iter().find(|name| (shard(&BoxId::new(name).unwrap()) < 32) == low).unwrap();
    let options = |shards| LakeOptions { shards, hook: None };
    let mut low = Lake::open(dir.path(), options(0..=31)).await.unwrap();
    let mut high = Lake::open(dir.path(), options(32..=63)).await.unwrap();
    low.append(batch(of(true), Stream::Air, 0, 3), NOW_US).unwrap();
    high.append(batch(of(false), Stream::Air, 0, 4), NOW_US).unwrap();
    assert_eq!(low.commit(NOW_US).await.unwrap().conflicts, 0);
    assert_eq!(high.commit(NOW_US).await.unwrap().conflicts, 0);
    assert!(matches!(low.append(batch(of(false), Stream::Air, 0, 1), NOW_US), Err(IngestError::ForeignShard { .. })));
    // Another division of the shards later: nothing is forgotten.
    let mut all = open(dir.path()).await;
    assert_eq!(all.append(batch(of(true), Stream::Air, 0, 3), NOW_US).unwrap().duplicates, 3);
    assert_eq!(all.append(batch(of(false), Stream::Air, 0, 4), NOW_US).unwrap().duplicates, 4);
    assert_eq!(check(dir.path()).await.unwrap().total.stored, 7);
}

#[tokio::test]
async fn a_missing_watermark_object_stops_ingest_instead_of_doubling_rows() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = open(dir.path()).await;
    for round in 0..8 {
        lake.append(batch("van-01", Stream::Air, round, 1), NOW_US).unwrap();
        lake.commit(NOW_US).await.unwrap();
    }
    let objects =
        dir.path().join(tournee_lake::transaction::object_dir(Table::Air, shard(&BoxId::new("van-01").unwrap())));
    let files: Vec<_> = std::fs::read_dir(&objects).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "old objects are pruned");
    for file in files {
        std::fs::write(file, b"{}").unwrap();
    }
    let error = Lake::open(dir.path(), LakeOptions::default()).await.err().unwrap().to_string();
    assert!(error.contains("restore"), "{error}");
}

#[tokio::test]
async fn a_directory_that_is_a_file_is_a_one_line_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lake");
    std::fs::write(&path, b"").unwrap();
    let error = Lake::open(&path, LakeOptions::default()).await.err().unwrap().to_string();
    assert!(error.contains("cannot use the lake directory") && error.lines().count() == 1, "{error}");
}

/// `cargo test --release … -- --ignored --nocapture measure`: what a commit costs.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure_commits() {
    let dir = tempfile::tempdir().unwrap();
    let began = std::time::Instant::now();
    let mut lake = open(dir.path()).await;
    println!("open, new lake: {:?}", began.elapsed());
    let mut times = Vec::new();
    for round in 0..60_u64 {
        for stream in [Stream::Air, Stream::Track, Stream::Mobile] {
            for van in ["van-01", "van-02", "van-03"] {
                lake.append(batch(van, stream, round * 400, 400), NOW_US).unwrap();
            }
        }
        let began = std::time::Instant::now();
        lake.commit(NOW_US).await.unwrap();
        times.push(began.elapsed());
    }
    println!("commit of 3,600 rows to 3 tables: first {:?}, tenth {:?}, last {:?}", times[0], times[9], times[59]);
    let rows: u64 = 100_000;
    let large = batch("van-01", Stream::Air, 60 * 400, rows);
    let bytes = tournee_payload::encode(&large).unwrap();
    let began = std::time::Instant::now();
    let decoded = tournee_payload::decode(&bytes).unwrap();
    println!("decode {rows} rows: {:?}", began.elapsed());
    let began = std::time::Instant::now();
    lake.append(decoded, NOW_US).unwrap();
    println!("append: {:?}", began.elapsed());
    let began = std::time::Instant::now();
    lake.commit(NOW_US).await.unwrap();
    println!("commit: {:?}", began.elapsed());
    drop(lake);
    let began = std::time::Instant::now();
    let _lake = open(dir.path()).await;
    println!("open, 61 commits: {:?}", began.elapsed());
}
