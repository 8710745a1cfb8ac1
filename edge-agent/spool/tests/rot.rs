//! Bytes that rot in the file while SQLite finds nothing wrong with it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tournee_payload::{BoxId, Sample, Stream, decode, field};
use tournee_spool::{LinePosition, OpenReport, Spool, SpoolConfig};

fn open(path: &Path) -> (Spool, OpenReport) {
    Spool::open(path, SpoolConfig::new(BoxId::new("van-01").unwrap(), 1 << 30), 7).unwrap()
}

fn row(stream: Stream, t_s: i64) -> Sample {
    let mut sample = Sample::new(stream);
    sample.set(field::T_US, Some(1_768_000_000_000_000 + t_s * 1_000_000));
    sample.set(field::FLAGS, Some(t_s));
    sample
}

/// 70 seconds of two streams, a commit each: a sealed batch of 60 rows and 10 open rows each.
fn drive(path: &Path) {
    let (mut spool, _) = open(path);
    for t_s in 0..70 {
        spool.append(&[row(Stream::Air, t_s), row(Stream::Track, t_s)]).unwrap();
        spool.reached(LinePosition { boot_id: 1, next_seq: t_s as u32 + 1 });
        spool.commit().unwrap();
    }
    assert_eq!(spool.pending(Stream::Air).samples, 70);
}

/// A driven spool, changed by `sql`.
fn spoilt(dir: &tempfile::TempDir, sql: &str) -> PathBuf {
    let path = dir.path().join("spool.db");
    drive(&path);
    let changed = Connection::open(&path).unwrap().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql}");
    path
}

/// What is handed out of a stream: the marks, in order, and the numbers given up with reason 2.
fn emptied(spool: &mut Spool, stream: Stream) -> (Vec<i64>, Vec<(i64, i64)>) {
    spool.seal_all().unwrap();
    let mut read = |stream| {
        let (mut samples, mut from) = (Vec::new(), 0);
        while let Some(batch) = spool.peek(stream, from).unwrap() {
            from = batch.end_seq();
            samples.extend(decode(&batch.bytes).unwrap().samples);
        }
        samples
    };
    let marks = read(stream).iter().filter_map(|sample| sample.get(field::FLAGS)).collect();
    let gaps = read(Stream::Gap);
    let of = gaps.iter().filter(|gap| gap.get(16) == Some(stream as i64) && gap.get(19) == Some(2));
    (marks, of.map(|gap| (gap.get(17).unwrap(), gap.get(18).unwrap())).collect())
}

#[test]
fn open_rows_that_rot_are_given_up_and_their_numbers_not_given_again() {
    for (spoil, kept, lost) in [
        ("UPDATE log SET bytes = zeroblob(50) WHERE id = (SELECT max(id) FROM log)", 69, (69, 69)),
        ("UPDATE log SET bytes = substr(bytes, 1, 20) WHERE id >= (SELECT max(id) - 2 FROM log)", 67, (67, 69)),
        ("UPDATE log SET bytes = x'' WHERE id = (SELECT max(id) - 2 FROM log)", 69, (67, 67)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = spoilt(&dir, spoil);
        let (mut spool, report) = open(&path);
        assert_eq!((report.epoch, report.set_aside), (7, None), "{spoil}");
        assert_eq!(spool.generated()[&Stream::Air], 70, "{spoil}");
        assert_eq!(spool.line_position().unwrap().next_seq, 70);
        spool.append(&[row(Stream::Air, 1_000)]).unwrap();
        spool.commit().unwrap();
        let (marks, gaps) = emptied(&mut spool, Stream::Air);
        assert_eq!(gaps, [lost], "{spoil}");
        assert_eq!((marks.len(), *marks.last().unwrap()), (kept + 1, 1_000), "{spoil}");
        assert_eq!(spool.generated()[&Stream::Air], 71);
        assert_eq!(spool.given_up(Stream::Air) + spool.pending(Stream::Air).samples, 71);
        drop(spool);
        let (spool, report) = open(&path);
        assert_eq!((report.set_aside, spool.generated()[&Stream::Air]), (None, 71), "told once");
    }
}

/// Each of these is a number that the tables contradict. Which one is right cannot be known, and a wrong one would give a
/// sequence number twice: the file is set aside.
#[test]
fn books_that_do_not_add_up_set_the_file_aside() {
    for spoil in [
        "UPDATE stream SET next_seq = next_seq - 1 WHERE stream = 1",
        "UPDATE stream SET next_seq = next_seq + 5 WHERE stream = 6",
        "UPDATE stream SET acked = 3 WHERE stream = 1",
        "UPDATE stream SET shed = 3 WHERE stream = 1",
        "UPDATE stream SET acked_seq = 1000 WHERE stream = 1",
        "UPDATE stream SET offered_seq = 1000 WHERE stream = 1",
        "DELETE FROM stream WHERE stream = 1",
        "DELETE FROM batch WHERE stream = 1",
        "UPDATE batch SET count = count + 1 WHERE stream = 1",
        "UPDATE batch SET count = -60 WHERE stream = 1",
        "UPDATE batch SET first_seq = 9223372036854775807 WHERE stream = 1",
        "UPDATE batch SET first_seq = 'x' WHERE stream = 1",
        "UPDATE log SET end_1 = 1000000000000",
        "UPDATE log SET end_1 = 'x'",
        "UPDATE log SET line_seq = -1",
        "DELETE FROM meta",
        "UPDATE meta SET epoch = -1",
        "UPDATE meta SET epoch = 'x'",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = spoilt(&dir, spoil);
        let (mut spool, report) = open(&path);
        assert!(report.created && report.epoch != 7, "{spoil}: {report:?}");
        assert!(report.damage.is_some() && report.nth_set_aside == 1, "{spoil}: {report:?}");
        assert!(report.set_aside.unwrap().exists(), "{spoil}");
        spool.append(&[row(Stream::Air, 0)]).unwrap();
        spool.seal_all().unwrap();
        assert_eq!(spool.peek(Stream::Air, 0).unwrap().unwrap().count, 1, "{spoil}: life goes on");
        drop(spool);
        assert_eq!(open(&path).1.set_aside, None);
    }
}

#[test]
fn a_sound_file_passes_the_same_checks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    drive(&path);
    let (mut spool, report) = open(&path);
    assert_eq!((report.epoch, report.set_aside, report.nth_set_aside), (7, None, 0));
    assert_eq!(emptied(&mut spool, Stream::Air), ((0..70).collect(), vec![]));
}

/// A log that was written anew has every open row once.
#[test]
fn the_log_is_bounded_and_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let (mut spool, _) = open(&path);
    // Health closes a batch only at its second row: until then its one row is carried along.
    spool.append(&[row(Stream::Health, 0)]).unwrap();
    for t_s in 0..1_000 {
        spool.append(&[row(Stream::Air, t_s)]).unwrap();
        spool.commit().unwrap();
    }
    drop(spool);
    let direct = Connection::open(&path).unwrap();
    let rows: i64 = direct.query_row("SELECT count(*) FROM log", [], |row| row.get(0)).unwrap();
    assert!((1..=64).contains(&rows), "{rows}");
    drop(direct);
    let (mut spool, _) = open(&path);
    assert_eq!(emptied(&mut spool, Stream::Health), (vec![0], vec![]));
    assert_eq!(emptied(&mut spool, Stream::Air), ((0..1_000).collect(), vec![]));
}
