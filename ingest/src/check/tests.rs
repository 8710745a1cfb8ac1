//! The check must see what is wrong; each test breaks a lake in one way.

use std::path::{Path, PathBuf};

use tournee_payload::{Batch, BoxId, Sample, Stream, field};

use super::*;
use crate::{Lake, LakeOptions};

const T_US: i64 = 1_768_435_200_000_000;

fn batch(name: &str, first_seq: u64, count: u64) -> Batch {
    let samples = (first_seq..first_seq + count).map(|seq| {
        let mut sample = Sample::new(Stream::Track);
        sample.set(field::T_US, Some(T_US + seq as i64 * 1_000_000));
        sample.set(field::LAT_DEG, Some(476_500_000));
        sample.set(field::LON_DEG, Some(-20_800_000));
        sample
    });
    Batch { box_id: BoxId::new(name).unwrap(), stream: Stream::Track, epoch: 77, first_seq, samples: samples.collect() }
}

/// Two commits of two boxes.
async fn lake(root: &Path) -> Lake {
    let mut lake = Lake::open(root, LakeOptions::default()).await.unwrap();
    for round in 0..2 {
        for name in ["van-01", "van-02"] {
            lake.append(batch(name, round * 10, 10), T_US).unwrap();
        }
        lake.commit(T_US).await.unwrap();
    }
    lake
}

async fn kinds(root: &Path) -> Vec<&'static str> {
    let found = check(root).await.unwrap();
    assert_eq!(found.holds(), found.violations.is_empty() && found.total.holds());
    let mut kinds: Vec<&str> = found.violations.iter().map(|violation| violation.kind).collect();
    kinds.dedup();
    kinds
}

/// Files below a folder of the lake, by name.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            out.extend(files(&entry.path(), ending));
        } else if entry.path().to_str().unwrap().ends_with(ending) {
            out.push(entry.path());
        }
    }
    out.sort();
    out
}

/// Adds a log entry to `track`, as somebody would who does not keep the rules.
fn forge(root: &Path, action: &str) {
    let log = root.join("track/_delta_log");
    let next = files(&log, ".json").len();
    std::fs::write(log.join(format!("{next:020}.json")), format!("{action}\n")).unwrap();
}

/// The `add` action of the newest commit of `track`.
fn last_add(root: &Path) -> String {
    let text = std::fs::read_to_string(files(&root.join("track/_delta_log"), ".json").pop().unwrap()).unwrap();
    text.lines().find(|line| line.starts_with("{\"add\"")).unwrap().to_owned()
}

#[tokio::test]
async fn a_whole_lake_holds_and_is_told_per_day() {
    let dir = tempfile::tempdir().unwrap();
    drop(lake(dir.path()).await);
    let found = check(dir.path()).await.unwrap();
    assert!(found.holds(), "{:?}", found.violations);
    assert_eq!(found.series.len(), 2);
    let day = found.days.first().unwrap();
    assert_eq!((day.date.as_str(), day.stream, day.account.stored), ("2026-01-15", "track", 40));
    // With next to no memory the boxes are read in parts, and the result is the same.
    let parts = check_within(dir.path(), CheckLimits { memory_bytes: 700 }).await.unwrap();
    assert_eq!(parts, found);
}

#[tokio::test]
async fn a_duplicated_row_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    drop(lake(dir.path()).await);
    // The same file under another name.
    let add: serde_json::Value = serde_json::from_str(&last_add(dir.path())).unwrap();
    let path = dir.path().join("track").join(add["add"]["path"].as_str().unwrap());
    let copy = path.to_str().unwrap().replace("part-", "part-0");
    std::fs::copy(&path, copy).unwrap();
    forge(dir.path(), &last_add(dir.path()).replace("part-", "part-0"));
    assert_eq!(kinds(dir.path()).await, ["duplicate"]);
    let found = check(dir.path()).await.unwrap();
    assert_eq!((found.total.stored, found.total.duplicates), (40, 20));
}

#[tokio::test]
async fn a_missing_and_a_broken_file_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    drop(lake(dir.path()).await);
    let file = files(&dir.path().join("track"), ".parquet").pop().unwrap();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let seen = kinds(dir.path()).await;
    assert!(seen.contains(&"broken_file") && seen.contains(&"lost_rows"), "{seen:?}");
    std::fs::remove_file(&file).unwrap();
    let seen = kinds(dir.path()).await;
    assert!(seen.contains(&"missing_file") && seen.contains(&"lost_rows"), "{seen:?}");
}

#[tokio::test]
async fn rows_taken_out_of_the_log_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    drop(lake(dir.path()).await);
    let add: serde_json::Value = serde_json::from_str(&last_add(dir.path())).unwrap();
    let remove = serde_json::json!({"remove": {
        "path": add["add"]["path"], "dataChange": true, "deletionTimestamp": 1, "size": add["add"]["size"],
        "partitionValues": add["add"]["partitionValues"], "extendedFileMetadata": true
    }});
    forge(dir.path(), &remove.to_string());
    assert_eq!(kinds(dir.path()).await, ["lost_rows"]);
}

#[tokio::test]
async fn a_removed_watermark_object_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    drop(lake(dir.path()).await);
    let object = files(&dir.path().join("_watermarks/track"), ".json").pop().unwrap();
    let bytes = std::fs::read(&object).unwrap();
    std::fs::write(&object, [&bytes[..], b" "].concat()).unwrap();
    let seen = kinds(dir.path()).await;
    assert!(seen.contains(&"missing_watermark") && seen.contains(&"unaccounted_rows"), "{seen:?}");
    std::fs::remove_file(&object).unwrap();
    assert_eq!(kinds(dir.path()).await, seen);
}

#[tokio::test]
async fn rows_that_no_watermark_accounts_for_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    drop(lake(dir.path()).await);
    let mut foreign = Lake::open(other.path(), LakeOptions::default()).await.unwrap();
    foreign.append(batch("van-09", 0, 5), T_US).unwrap();
    foreign.commit(T_US).await.unwrap();
    let from = files(&other.path().join("track"), ".parquet").pop().unwrap();
    std::fs::copy(&from, dir.path().join("track/date=2026-01-15").join(from.file_name().unwrap())).unwrap();
    forge(dir.path(), &last_add(other.path()));
    assert_eq!(kinds(dir.path()).await, ["unaccounted_rows"]);
}

#[tokio::test]
async fn a_hole_is_seen_and_a_place_without_a_lake_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = lake(dir.path()).await;
    lake.append(batch("van-01", 25, 5), T_US).unwrap();
    lake.commit(T_US).await.unwrap();
    let found = check(dir.path()).await.unwrap();
    assert!(!found.holds() && found.total.missing == 5);
    assert!(found.violations[0].detail.contains("20-24"), "{:?}", found.violations);
    assert!(check(dir.path().join("nowhere")).await.is_err());
}
