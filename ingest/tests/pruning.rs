//! A question about a small place or a short time opens only the files that may hold an answer: the log says what is in each.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use tournee_ingest::{Lake, LakeOptions};
use tournee_payload::{Batch, BoxId, Sample, Stream, field};

/// 2026-01-15T00:00:00Z.
const T_US: i64 = 1_768_435_200_000_000;
const NOW_US: i64 = 1_795_000_000_000_000;
const ROWS: u64 = 50;
/// Town centres, 1e-7 degrees: Redon, Rodez, Dunkerque, Nice.
const TOWNS: [(i64, i64); 4] =
    [(476_510_000, -20_840_000), (443_500_000, 25_750_000), (510_350_000, 23_770_000), (437_100_000, 72_620_000)];

fn drive(name: &str, hour: i64, (lat, lon): (i64, i64)) -> Batch {
    let samples = (0..ROWS as i64).map(|second| {
        let mut sample = Sample::new(Stream::Track);
        sample.set(field::T_US, Some(T_US + (hour * 3_600 + second) * 1_000_000));
        sample.set(field::LAT_DEG, Some(lat + second * 90));
        sample.set(field::LON_DEG, Some(lon + second * 120));
        sample
    });
    let samples = samples.collect();
    Batch {
        box_id: BoxId::new(name).unwrap(),
        stream: Stream::Track,
        epoch: 77,
        first_seq: hour as u64 * ROWS,
        samples,
    }
}

#[tokio::test]
async fn a_small_box_and_a_late_hour_open_few_files() {
    let Some(python) = std::env::var_os("TOURNEE_PYTHON") else {
        println!("no outside reader: TOURNEE_PYTHON must name a Python with tests/python/requirements.txt installed");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut lake = Lake::open(dir.path(), LakeOptions::default()).await.unwrap();
    // A file per town and hour.
    for hour in 0..3 {
        for (at, town) in TOWNS.into_iter().enumerate() {
            lake.append(drive(&format!("van-{at}"), hour, town), NOW_US).unwrap();
            lake.commit(NOW_US).await.unwrap();
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python/fragments.py");
    let ask = |arguments: &[&str]| {
        let output = Command::new(&python).arg(&script).arg(dir.path().join("track")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        ["files", "opened", "rows"].map(|name| seen[name].as_u64().unwrap())
    };
    let france = ["41.0", "52.0", "-6.0", "10.0"];
    assert_eq!(ask(&france), [12, 12, 12 * ROWS]);
    let redon = ["47.6", "47.7", "-2.2", "-2.0"];
    assert_eq!(ask(&redon), [12, 3, 3 * ROWS]);
    assert_eq!(ask(&[&redon[..], &["2026-01-15T02:00:00+00:00"]].concat()), [12, 1, ROWS]);
    // On the edge: the last row of each drive through Redon, and nothing beyond it.
    assert_eq!(ask(&["47.651441", "47.7", "-2.2", "-2.0"]), [12, 3, 3]);
    assert_eq!(ask(&["47.6514411", "47.7", "-2.2", "-2.0"]), [12, 0, 0]);
}
