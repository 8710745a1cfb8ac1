//! The position on the serial line: as durable as the samples, never ahead of them; files of the layout before it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use tournee_payload::{Batch, BoxId, Sample, Stream, decode, encode, field};
use tournee_spool::{LinePosition, Spool, SpoolConfig};

fn open(path: &Path) -> Spool {
    Spool::open(path, SpoolConfig::new(BoxId::new("van-01").unwrap(), 1 << 30), 7).unwrap().0
}

fn row(t_s: i64) -> Sample {
    let mut sample = Sample::new(Stream::Air);
    sample.set(field::T_US, Some(1_768_000_000_000_000 + t_s * 1_000_000));
    sample
}

const fn at(next_seq: u32) -> LinePosition {
    LinePosition { boot_id: u32::MAX, next_seq }
}

/// What a kill leaves behind: the file and its log as they are at this moment.
fn as_killed(path: &Path, to: &Path) -> Spool {
    for suffix in ["", "-wal"] {
        let with = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(with(path), with(to)).unwrap();
    }
    open(to)
}

#[test]
fn the_position_is_committed_with_the_samples_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let mut spool = open(&path);
    assert_eq!(spool.line_position(), None);
    spool.append(&[row(0)]).unwrap();
    spool.reached(at(10));
    assert_eq!(spool.line_position(), None, "not before the commit");
    spool.commit().unwrap();
    spool.append(&[row(1)]).unwrap();
    spool.reached(at(20));
    let killed = as_killed(&path, &dir.path().join("killed.db"));
    assert_eq!((killed.generated()[&Stream::Air], killed.line_position()), (1, Some(at(10))));

    spool.commit().unwrap();
    // A stop: the pipeline held nothing that became a sample, but the position moves. It may wrap.
    spool.reached(at(0));
    spool.commit().unwrap();
    assert_eq!(spool.line_position(), Some(at(0)));
    drop(spool);
    let spool = open(&path);
    assert_eq!((spool.generated()[&Stream::Air], spool.line_position()), (2, Some(at(0))));
}

/// The tables as the first layout made them.
const LAYOUT_1: &str = "
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), box_id TEXT NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE stream (
  stream INTEGER PRIMARY KEY, next_seq INTEGER NOT NULL, offered_seq INTEGER NOT NULL DEFAULT 0,
  acked_seq INTEGER NOT NULL DEFAULT 0, acked INTEGER NOT NULL DEFAULT 0, shed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE batch (
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, first_seq INTEGER NOT NULL, count INTEGER NOT NULL,
  sealed INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE UNIQUE INDEX batch_key ON batch (stream, first_seq);
PRAGMA user_version = 1;
INSERT INTO meta VALUES (1, 'van-01', 4711);
INSERT INTO stream VALUES (1, 120, 120, 120, 120, 0);
";

#[test]
fn a_file_of_layout_1_is_taken_over_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.pragma_update(None, "journal_mode", "WAL").unwrap();
    old.execute_batch(LAYOUT_1).unwrap();
    drop(old);
    let mut spool = open(&path);
    assert_eq!((spool.epoch(), spool.generated()[&Stream::Air]), (4711, 120), "the old identity goes on");
    assert_eq!(spool.line_position(), None, "nothing is known, so nothing will be counted");
    spool.append(&[row(0)]).unwrap();
    spool.reached(at(5));
    spool.commit().unwrap();
    drop(spool);
    let spool = open(&path);
    assert_eq!((spool.epoch(), spool.generated()[&Stream::Air]), (4711, 121));
    assert_eq!(spool.line_position(), Some(at(5)));
    drop(spool);
    let layout: i64 =
        rusqlite::Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(layout, 3, "an agent that does not know the position refuses the file");
}

/// Layout 2 kept the open rows as chunks among the batches, and the position in a table of its own.
#[test]
fn a_file_of_layout_2_is_taken_over_with_its_open_rows_and_its_position() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(LAYOUT_1).unwrap();
    let line = "CREATE TABLE line (one INTEGER PRIMARY KEY CHECK (one = 1), boot_id INTEGER NOT NULL, next_seq INTEGER NOT NULL)";
    old.execute_batch(&format!("{line}; INSERT INTO line VALUES (1, 4294967295, 77); PRAGMA user_version = 2"))
        .unwrap();
    // 120 acknowledged, a sealed batch of two, and two chunks of the open batch.
    for (first_seq, count, sealed) in [(120_u64, 2_i64, 1), (122, 1, 0), (123, 3, 0)] {
        let samples = (0..count).map(|n| row(first_seq as i64 + n)).collect();
        let box_id = BoxId::new("van-01").unwrap();
        let bytes = encode(&Batch { box_id, stream: Stream::Air, epoch: 4711, first_seq, samples }).unwrap();
        old.execute(
            "INSERT INTO batch (stream, first_seq, count, sealed, bytes) VALUES (1, ?1, ?2, ?3, ?4)",
            (first_seq as i64, count, sealed, bytes),
        )
        .unwrap();
    }
    old.execute("UPDATE stream SET next_seq = 126", []).unwrap();
    drop(old);

    for _ in 0..2 {
        let mut spool = open(&path);
        assert_eq!(
            (spool.epoch(), spool.generated()[&Stream::Air], spool.pending(Stream::Air).samples),
            (4711, 126, 6)
        );
        assert_eq!(spool.line_position(), Some(at(77)));
        let (mut from, mut seconds) = (120, Vec::new());
        while let Some(batch) = spool.peek(Stream::Air, from).unwrap() {
            assert_eq!(batch.first_seq, from);
            from = batch.end_seq();
            let samples = decode(&batch.bytes).unwrap().samples;
            seconds.extend(samples.iter().map(|s| s.get(field::T_US).unwrap() / 1_000_000 - 1_768_000_000));
        }
        assert_eq!(seconds, (120..126).collect::<Vec<_>>(), "the same rows under the same numbers");
    }
    let mut spool = open(&path);
    spool.append(&[row(126)]).unwrap();
    spool.commit().unwrap();
    assert_eq!((spool.generated()[&Stream::Air], spool.line_position()), (127, Some(at(77))));
}
