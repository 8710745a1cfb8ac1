//! The file: damage, owners, caps, bytes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use tournee_payload::{BoxId, Sample, Stream, decode, field};
use tournee_spool::{AckOutcome, GapReason, LinePosition, Spool, SpoolConfig, SpoolError};

fn config(name: &str, max_bytes: u64) -> SpoolConfig {
    SpoolConfig::new(BoxId::new(name).unwrap(), max_bytes)
}

fn open(path: &Path, epoch: u64) -> Spool {
    Spool::open(path, config("van-01", 1 << 30), epoch).unwrap().0
}

fn rows(stream: Stream, from_s: i64, count: i64) -> Vec<Sample> {
    (from_s..from_s + count)
        .map(|t| {
            let mut sample = Sample::new(stream);
            sample.set(field::T_US, Some(1_768_000_000_000_000 + t * 1_000_000));
            sample
        })
        .collect()
}

#[test]
fn a_damaged_file_is_set_aside_and_a_new_epoch_begins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    std::fs::write(&path, vec![0x5a; 10_000]).unwrap();
    let (spool, report) = Spool::open(&path, config("van-01", 1 << 30), 7).unwrap();
    let second = spool.epoch();
    assert!(report.created && report.epoch == second && second != 7, "a fixed seed does not bring the old epoch back");
    let aside = report.set_aside.unwrap();
    assert_eq!(aside, dir.path().join("spool.db.damaged-1"));
    assert_eq!(std::fs::read(aside).unwrap().len(), 10_000, "kept for whoever wants to look");
    drop(spool);

    // A page in the middle, overwritten.
    let mut spool = open(&path, 7);
    assert_eq!(spool.epoch(), second);
    for minute in 0..200 {
        spool.append(&rows(Stream::Air, minute * 60, 60)).unwrap();
        spool.commit().unwrap();
    }
    drop(spool);
    let mut bytes = std::fs::read(&path).unwrap();
    for page in 1..bytes.len() / 4_096 {
        bytes[page * 4_096..page * 4_096 + 100].fill(0xff);
    }
    std::fs::write(&path, bytes).unwrap();
    let (spool, report) = Spool::open(&path, config("van-01", 1 << 30), 7).unwrap();
    assert_eq!(report.set_aside, Some(dir.path().join("spool.db.damaged-2")));
    assert!(spool.epoch() != second && spool.epoch() != 7);
    assert!(report.damage.is_some());
}

#[test]
fn rotten_batch_bytes_are_given_up_and_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let mut spool = open(&path, 7);
    for part in 0..3 {
        spool.append(&rows(Stream::Air, part * 60, 60)).unwrap();
        spool.seal_all().unwrap();
    }
    drop(spool);
    let direct = rusqlite::Connection::open(&path).unwrap();
    direct.execute("UPDATE batch SET bytes = zeroblob(100) WHERE first_seq = 60", []).unwrap();
    drop(direct);
    let mut spool = open(&path, 8);
    assert_eq!(spool.peek(Stream::Air, 0).unwrap().unwrap().first_seq, 0);
    assert_eq!(spool.peek(Stream::Air, 60).unwrap().unwrap().first_seq, 120);
    assert_eq!(spool.given_up(Stream::Air), 60);
    let gap = decode(&spool.peek(Stream::Gap, 0).unwrap().unwrap().bytes).unwrap();
    let values: Vec<_> = (16..20).map(|id| gap.samples[0].get(id).unwrap()).collect();
    assert_eq!(values, [1, 60, 119, 2], "stream air, seq 60 to 119, reason 2");
}

/// Stream, first and last seq, reason of every gap row; sequence numbers have no hole.
fn gap_rows(spool: &mut Spool) -> Vec<[Option<i64>; 4]> {
    let (mut rows, mut from) = (Vec::new(), 0);
    while let Some(batch) = spool.peek(Stream::Gap, from).unwrap() {
        assert_eq!(batch.first_seq, from);
        from = batch.end_seq();
        for sample in decode(&batch.bytes).unwrap().samples {
            rows.push([16, 17, 18, 19].map(|id| sample.get(id)));
        }
    }
    assert_eq!(spool.generated()[&Stream::Gap], from);
    rows
}

#[test]
fn gap_rows_that_rot_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let mut spool = open(&path, 7);
    for part in 0..6 {
        spool.append(&rows(Stream::Air, part * 60, 60)).unwrap();
        spool.append(&rows(Stream::Road, part * 60, 60)).unwrap();
        spool.seal_all().unwrap();
    }
    // Acknowledged up to 60; then three batches are given up, each with a gap row of its own.
    assert_eq!(spool.peek(Stream::Air, 0).unwrap().unwrap().first_seq, 0);
    assert_eq!(spool.acknowledge(Stream::Air, 7, 60).unwrap(), AckOutcome::Deleted(60));
    for (stream, first_seq) in [(Stream::Air, 120), (Stream::Road, 0), (Stream::Road, 300)] {
        assert_eq!(spool.give_up(stream, first_seq, GapReason::TooLargeForBroker).unwrap(), 60);
    }
    drop(spool);
    let direct = rusqlite::Connection::open(&path).unwrap();
    let mut bytes: Vec<u8> =
        direct.query_row("SELECT bytes FROM batch WHERE stream = 8 AND first_seq = 1", [], |row| row.get(0)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    bytes.truncate(middle + 1);
    direct.execute("UPDATE batch SET bytes = ?1 WHERE stream = 8 AND first_seq < 2", [bytes]).unwrap();
    drop(direct);

    let mut spool = open(&path, 8);
    let lost = [None, None, None, Some(2)];
    let named = |stream, first, last, reason| [Some(stream), Some(first), Some(last), Some(reason)];
    let expected =
        [lost, lost, named(2, 300, 359, 3), named(2, 0, 59, 2), named(1, 120, 179, 2)].map(|row| (row[0], row));
    let mut found: Vec<_> = gap_rows(&mut spool).into_iter().map(|row| (row[0], row)).collect();
    found[3..].sort_by_key(|row| std::cmp::Reverse(row.0));
    assert_eq!(found, expected, "the readable one as it was, the two others again, each once");
    assert_eq!(spool.lost_gap_rows(), 2);
    assert_eq!((spool.given_up(Stream::Air), spool.given_up(Stream::Road)), (60, 120), "counted once");
    assert_eq!(spool.pending(Stream::Gap).samples, 5);
    assert_eq!(spool.acknowledge(Stream::Gap, 7, 5).unwrap(), AckOutcome::Deleted(5), "the watermark passes");
    assert_eq!(spool.pending(Stream::Gap).bytes, 0);
    drop(spool);
    assert_eq!(open(&path, 8).peek(Stream::Gap, 5).unwrap(), None);
}

#[test]
fn one_owner_one_box_one_layout() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let spool = open(&path, 7);
    assert!(matches!(Spool::open(&path, config("van-01", 1), 8), Err(SpoolError::InUse(_))));
    drop(spool);
    let other = Spool::open(&path, config("van-02", 1), 8);
    assert!(matches!(other, Err(SpoolError::OtherBox { ref found, .. }) if found == "van-01"));
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Spool::open(&path, config("van-01", 1), 8), Err(SpoolError::Newer { found: 99, .. })));
    assert!(path.exists(), "refused, not set aside");
    assert!(matches!(Spool::open(&path, config("van-01", 1), u64::MAX), Err(SpoolError::Epoch(_))));
}

#[test]
fn batches_are_sealed_by_time_and_open_rows_survive() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let mut spool = open(&path, 7);
    for second in 0..90 {
        spool.append(&rows(Stream::Track, second, 1)).unwrap();
        spool.commit().unwrap();
    }
    let batch = spool.peek(Stream::Track, 0).unwrap().unwrap();
    assert_eq!((batch.first_seq, batch.count), (0, 60));
    assert_eq!(spool.peek(Stream::Track, 60).unwrap(), None, "the open batch is not handed out");
    drop(spool);
    let mut spool = open(&path, 8);
    for second in 90..130 {
        spool.append(&rows(Stream::Track, second, 1)).unwrap();
        spool.commit().unwrap();
    }
    let second = spool.peek(Stream::Track, 60).unwrap().unwrap();
    assert_eq!((second.first_seq, second.count), (60, 60), "one batch across the restart");
    assert_eq!(spool.peek(Stream::Track, 30).unwrap().unwrap(), batch, "a seq inside a batch finds it");
}

#[test]
fn an_event_does_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir.path().join("spool.db"), 7);
    spool.append(&rows(Stream::RoadEvent, 0, 1)).unwrap();
    spool.commit().unwrap();
    assert_eq!(spool.peek(Stream::RoadEvent, 0).unwrap().unwrap().count, 1);
}

#[test]
fn watermarks_that_are_not_ours_do_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir.path().join("spool.db"), 7);
    spool.append(&rows(Stream::Air, 0, 10)).unwrap();
    spool.seal_all().unwrap();
    assert_eq!(spool.acknowledge(Stream::Air, 7, 10).unwrap(), AckOutcome::Beyond, "never offered");
    assert!(spool.peek(Stream::Air, 0).unwrap().is_some());
    assert_eq!(spool.acknowledge(Stream::Air, 8, 10).unwrap(), AckOutcome::OtherEpoch);
    assert_eq!(spool.acknowledge(Stream::Air, 7, 11).unwrap(), AckOutcome::Beyond);
    assert_eq!(spool.acknowledge(Stream::Air, 7, 9).unwrap(), AckOutcome::Deleted(0), "half a batch is kept whole");
    assert_eq!(spool.pending(Stream::Air).samples, 10);
    assert_eq!(spool.acknowledge(Stream::Air, 7, 10).unwrap(), AckOutcome::Deleted(10));
    assert_eq!(spool.acknowledge(Stream::Air, 7, 3).unwrap(), AckOutcome::Deleted(0), "a watermark never goes back");
}

/// Every file of a spool, as a disk image holds them.
fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| std::path::PathBuf::from(format!("{}{suffix}", path.display()));
        if name(from).exists() {
            std::fs::copy(name(from), name(to)).unwrap();
        }
    }
}

#[test]
fn a_spool_that_rolled_back_goes_on_under_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let (path, image) = (dir.path().join("spool.db"), dir.path().join("image.db"));
    let mut spool = open(&path, 7);
    let deliver = |spool: &mut Spool, from_s| {
        spool.append(&rows(Stream::Air, from_s, 60)).unwrap();
        spool.seal_all().unwrap();
        while spool.peek(Stream::Air, spool.acknowledged_seq(Stream::Air)).unwrap().is_some() {
            let end = spool.generated()[&Stream::Air];
            assert!(matches!(spool.acknowledge(Stream::Air, spool.epoch(), end).unwrap(), AckOutcome::Deleted(_)));
        }
    };
    deliver(&mut spool, 0);
    copy(&path, &image);
    deliver(&mut spool, 60);
    drop(spool);
    copy(&image, &path);

    // 30 committed under numbers that are taken, one batch closed and 20 rows open in memory.
    let mut spool = open(&path, 7);
    spool.append(&rows(Stream::Air, 200, 30)).unwrap();
    spool.commit().unwrap();
    spool.append(&rows(Stream::Air, 230, 50)).unwrap();
    spool.reached(LinePosition { boot_id: 3, next_seq: 900 });
    assert_eq!(spool.acknowledge(Stream::Air, 7, 120).unwrap(), AckOutcome::Beyond);
    let left = spool.begin_new_epoch(7).unwrap();
    assert_eq!((left.samples, left.epoch), (30, spool.epoch()));
    assert_ne!(spool.epoch(), 7, "though the same epoch was offered");
    assert_eq!((spool.uncommitted(), spool.pending_total().samples), (50, 0));
    spool.seal_all().unwrap();
    assert_eq!(spool.line_position(), Some(LinePosition { boot_id: 3, next_seq: 900 }));
    assert_eq!(spool.acknowledge(Stream::Air, 7, 120).unwrap(), AckOutcome::OtherEpoch);
    let (mut from, mut seconds) = (0, Vec::new());
    while let Some(batch) = spool.peek(Stream::Air, from).unwrap() {
        let batch = decode(&batch.bytes).unwrap();
        assert_eq!((batch.epoch, batch.first_seq), (left.epoch, from));
        from += batch.samples.len() as u64;
        seconds.extend(batch.samples.iter().map(|s| s.get(field::T_US).unwrap() / 1_000_000 - 1_768_000_000));
    }
    assert_eq!(seconds, (230..280).collect::<Vec<_>>(), "what was in memory, each once, in order");
    drop(spool);
    assert_eq!(open(&path, 7).epoch(), left.epoch);
    let aside = open(&left.set_aside, 9);
    assert_eq!((aside.epoch(), aside.pending(Stream::Air).samples), (7, 30), "kept for whoever wants to look");
}

#[test]
fn at_the_cap_the_lowest_priority_goes_first_and_offered_batches_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let (mut spool, _) = Spool::open(&path, config("van-01", 16_000), 7).unwrap();
    spool.append(&rows(Stream::Health, 0, 60)).unwrap();
    spool.seal_all().unwrap();
    let offered = spool.peek(Stream::Health, 0).unwrap().unwrap();
    for minute in 1..60 {
        for stream in [Stream::Health, Stream::Track, Stream::Road] {
            spool.append(&rows(stream, minute * 60, 60)).unwrap();
        }
        spool.seal_all().unwrap();
    }
    assert!(spool.pending_total().bytes <= 16_000 + 1_000, "{:?}", spool.pending_total());
    assert_eq!(spool.peek(Stream::Health, 0).unwrap(), Some(offered), "it may be in the lake already");
    assert_eq!(spool.pending(Stream::Health).samples, 60);
    assert!(spool.given_up(Stream::Track) > spool.given_up(Stream::Road));
    assert!(spool.pending(Stream::Road).samples > 0);
    assert!(spool.pending(Stream::Gap).samples > 0);
}

#[test]
fn the_buffer_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = config("van-01", 1 << 30);
    small.max_uncommitted = 10;
    let (mut spool, _) = Spool::open(&dir.path().join("spool.db"), small, 7).unwrap();
    spool.append(&rows(Stream::Air, 0, 10)).unwrap();
    assert!(matches!(spool.append(&rows(Stream::Air, 10, 1)), Err(SpoolError::BufferFull(10))));
    spool.commit().unwrap();
    spool.append(&rows(Stream::Air, 10, 1)).unwrap();
    assert!(matches!(spool.append(&[Sample::new(Stream::Gap)]), Err(SpoolError::WrongSample("gap"))));
    let crooked = Sample { stream: Stream::Air, values: vec![None] };
    assert!(matches!(spool.append(&[crooked]), Err(SpoolError::WrongSample("air"))));
}
