//! Working hours and places with the real program: what must not be kept never reaches the spool, and the counts are told
//! everywhere.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod status_box;

use std::path::Path;

use serde_json::Value;
use status_box::{FakeBox, Habits, Running, command, configuration, free_port, output, text, wait_until};
use tournee_payload::{Batch, Stream, decode, field};
use tournee_spool::{Spool, SpoolConfig};

fn status(config: &Path) -> Value {
    serde_json::from_slice(&output(&["status", "--json"], config).stdout).unwrap_or_default()
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// Everything that the spool would send.
fn stored(path: &Path) -> Vec<Batch> {
    let box_id = tournee_payload::BoxId::new("van-01").unwrap();
    let (mut spool, report) = Spool::open(path, SpoolConfig::new(box_id, 1 << 30), 7).unwrap();
    assert!(!report.created);
    spool.seal_all().unwrap();
    let mut batches = Vec::new();
    for stream in Stream::ALL {
        let mut from_seq = 0;
        while let Some(batch) = spool.peek(stream, from_seq).unwrap() {
            from_seq = batch.end_seq();
            batches.push(decode(&batch.bytes).unwrap());
        }
    }
    batches
}

/// Hours of a zone in which it is never open on any day that the test can run on.
const NEVER: &str = "[privacy.hours]\nopen = [\"mon-sun 00:00-24:00\"]\nclosed = [";

/// Every day around now is closed.
fn never_open() -> String {
    let now_days = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let days = (now_days - 2..now_days + 3).map(|day| {
        // Civil date of a day since 1970.
        let date = (1970..).scan(day, |rest, year: u64| {
            let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            let length = 365 + u64::from(leap);
            let found = (*rest < length).then_some((year, *rest, leap));
            *rest = rest.saturating_sub(length);
            Some(found)
        });
        let (year, mut rest, leap) = date.flatten().next().unwrap();
        let lengths = [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let month = lengths.iter().position(|length| {
            let here = rest < *length;
            if !here {
                rest -= length;
            }
            here
        });
        format!("\"{year}-{:02}-{:02}\"", month.unwrap() + 1, rest + 1)
    });
    format!("{NEVER}{}]\n", days.collect::<Vec<_>>().join(", "))
}

#[test]
fn outside_of_working_hours_nothing_is_stored_and_all_of_it_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let sensor_box = FakeBox::start(Habits::default());
    let port = free_port();
    let more = format!("[profile.health]\ninterval_s = 2\n[metrics]\nlisten = \"127.0.0.1:{port}\"\n{}", never_open());
    let config = configuration(dir.path(), &sensor_box.path, free_port(), &more);
    let mut agent = Running::start(command(&[], &config));
    wait_until("samples are withheld and health rows stored", || {
        let status = status(&config);
        number(&status, "/withheld/hours") > 30 && number(&status, "/streams/health/generated") > 1
    });
    let running = status(&config);
    assert_eq!(running["outside_hours"], Value::Bool(true));
    let screen = text(&output(&["status"], &config));
    assert!(screen.contains("collection  outside of working hours"), "{screen}");
    assert!(screen.contains("samples outside of working hours, 0 at places"), "{screen}");
    assert!(agent.stop().success());
    let batches = stored(&dir.path().join("spool.db"));
    assert!(!batches.is_empty());
    let mut last = 0;
    for batch in &batches {
        assert_eq!(batch.stream, Stream::Health, "nothing but counts");
        for row in &batch.samples {
            assert_eq!((row.get(field::LAT_DEG), row.get(21), row.get(22)), (None, None, None), "{row:?}");
            last = row.get(24).unwrap();
        }
    }
    assert!(last as u64 >= number(&running, "/withheld/hours"), "the last row tells of all of them: {last}");
    let stored = text(&output(&["status"], &config));
    assert!(stored.contains(&format!("{last} outside of working hours")), "{stored}");
}

#[test]
fn at_a_place_nothing_is_stored_but_what_has_no_place() {
    let dir = tempfile::tempdir().unwrap();
    let sensor_box = FakeBox::start(Habits::default());
    let place = "[[privacy.place]]\nname = \"dépôt\"\nlat_deg = 47.65\nlon_deg = -2.08\nradius_m = 60\n";
    let config = configuration(dir.path(), &sensor_box.path, free_port(), place);
    let mut agent = Running::start(command(&[], &config));
    // It leaves the place at 8 m/s.
    wait_until("rows from within are counted and later ones stored", || {
        let status = status(&config);
        number(&status, "/withheld/places") > 5 && number(&status, "/streams/track/generated") > 3
    });
    assert!(agent.stop().success());
    let batches = stored(&dir.path().join("spool.db"));
    let mut located = 0;
    for row in batches.iter().flat_map(|batch| &batch.samples) {
        let Some(lat_deg) = row.get(field::LAT_DEG) else { continue };
        let away_m = (lat_deg - 476_500_000) as f64 * 1e-7 * 111_195.0;
        assert!(away_m > 60.0 + row.get_scaled(field::H_ACC_M).unwrap(), "{away_m} m: {row:?}");
        located += 1;
    }
    assert!(located > 3);
}
