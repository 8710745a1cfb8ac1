//! Recorded drives through `edge-agent replay`: the partners' recordings, and small ones made here.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tournee_edge_agent::replay::{ReplayArguments, ReplayError, ReplayReport, replay};
use tournee_edge_agent::status::SpoolView;
use tournee_features::calibration::Date;
use tournee_payload::Stream;

fn shared_data() -> Option<PathBuf> {
    let folder = std::env::var_os("TOURNEE_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    if !folder.is_dir() {
        println!("SKIPPED: no recordings at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// A configuration without a trim, so that recordings that stand still give rows.
fn configuration(dir: &Path, trim_m: f64) -> PathBuf {
    let path = dir.join("edge-agent.toml");
    let text = format!(
        "box_id = \"van-01\"\n[serial]\npath = \"/dev/none\"\n[spool]\npath = {:?}\n[profile.trim]\nfirst_m = {trim_m:?}\nlast_m = {trim_m:?}\n",
        dir.join("spool.db")
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn arguments(config: PathBuf, csv: Option<PathBuf>, files: Vec<PathBuf>) -> ReplayArguments {
    ReplayArguments { config, csv, earliest: Date::new(2018, 1, 1).unwrap(), files }
}

/// Replays to CSV and gives the report and the tables: per stream the rows, by column.
fn to_csv(files: Vec<PathBuf>, trim_m: f64) -> (ReplayReport, BTreeMap<String, Vec<BTreeMap<String, String>>>) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let report = replay(&arguments(configuration(dir.path(), trim_m), Some(out.clone()), files)).unwrap();
    assert!(!dir.path().join("spool.db").exists());
    let mut tables = BTreeMap::new();
    for entry in std::fs::read_dir(out).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        let rows = lines.map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            assert_eq!(fields.len(), names.len(), "{line}");
            names.iter().zip(fields).map(|(name, field)| ((*name).to_owned(), field.to_owned())).collect()
        });
        tables.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), rows.collect());
    }
    (report, tables)
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} in {row:?}"))
}

/// Days since 1970 of a date, by counting.
fn days(year: i64, month: u32, day: u32) -> i64 {
    let date = Date::new(u16::try_from(year).unwrap(), u8::try_from(month).unwrap(), u8::try_from(day).unwrap());
    date.unwrap().days()
}

/// `2024-01-30T15:31:52.100Z` in seconds since 1970.
fn unix_s(time: &str) -> f64 {
    let part = |range: std::ops::Range<usize>| time[range].parse::<u32>().unwrap();
    let second: f64 = time[17..].trim_end_matches('Z').parse().unwrap();
    let day = days(i64::from(part(0..4)), part(5..7), part(8..10));
    (day * 86_400) as f64 + f64::from(part(11..13) * 3_600 + part(14..16) * 60) + second
}

/// Every position of the replay against the reference decoder's of the same moment. Returns the distances, metres.
fn against_reference(log: &Path) -> Vec<f64> {
    let (report, tables) = to_csv(vec![log.to_owned()], 0.0);
    assert_eq!(report.samples[&Stream::Track] as usize, tables["track"].len());
    assert_eq!((report.line.frames_ok, report.line.frames_lost), (report.messages, 0));
    let reference = std::fs::read_to_string(log.with_extension("log.chk")).unwrap();
    let fixes: Vec<(f64, f64, f64)> = reference
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|fix| fix["class"] == "TPV" && fix["mode"].as_u64() >= Some(2))
        .filter_map(|fix| Some((unix_s(fix["time"].as_str()?), fix["lat"].as_f64()?, fix["lon"].as_f64()?)))
        .collect();
    let mut distances_m = Vec::new();
    for row in &tables["track"] {
        if row["lat_deg"].is_empty() {
            continue;
        }
        let (t_s, lat, lon) = (number(row, "t_us") / 1e6, number(row, "lat_deg"), number(row, "lon_deg"));
        let near = fixes.iter().filter(|fix| (fix.0 - t_s).abs() < 0.2);
        let distance_m = |fix: &(f64, f64, f64)| {
            ((fix.1 - lat) * 111_200.0).hypot((fix.2 - lon) * 111_320.0 * lat.to_radians().cos())
        };
        distances_m.extend(near.map(distance_m).min_by(f64::total_cmp));
    }
    distances_m
}

#[test]
fn receiver_logs_give_the_positions_of_the_reference_decoder() {
    let Some(data) = shared_data() else { return };
    println!("| recording | positions compared | within 0.1 m | greatest distance, m |");
    // Two epochs of the M8L are known to the reference only by the solution that the inertial unit carries on (UBX class
    // HNR): its first one, and that of 15:32:00; see the captures' test of the drivers.
    for (name, least, others) in [("ublox-neo-m8l", 17, 2), ("quectel-eg25-g", 15, 0), ("ublox-neo-m9n-nmea", 50, 0)] {
        let distances_m = against_reference(&data.join("gnss/gpsd").join(format!("{name}.log")));
        let agree = distances_m.iter().filter(|distance_m| **distance_m < 0.1).count();
        let most_m = distances_m.iter().copied().fold(0.0, f64::max);
        println!("| {name} | {} | {agree} | {most_m:.3} |", distances_m.len());
        assert!(agree >= least && distances_m.len() - agree <= others, "{name}: {distances_m:?}");
        assert!(most_m < 1.0, "{name}: {most_m} m");
    }
}

fn unpacked(data: &Path, name: &str, dir: &Path) -> PathBuf {
    let file = std::fs::File::open(data.join("road_surface").join(format!("{name}.csv.gz"))).unwrap();
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut text).unwrap();
    let path = dir.join(format!("{name}.csv"));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_recorded_drive_becomes_windows_of_road() {
    let Some(data) = shared_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    let files = ["comma2k19_example1_accelerometer", "comma2k19_example1_gnss_ublox"];
    let files: Vec<PathBuf> = files.map(|name| unpacked(&data, name, dir.path())).into();
    let (report, tables) = to_csv(files.clone(), 0.0);
    assert!(report.left_out.values().all(|count| *count == 0), "{:?}", report.left_out);
    // Metres by the fixes themselves.
    let fixes = std::fs::read_to_string(&files[1]).unwrap();
    let rows: Vec<(f64, f64)> = fixes
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|field| field.parse().unwrap()).collect::<Vec<f64>>())
        .map(|fields| (fields[0], fields[3]))
        .collect();
    let driven_m: f64 = rows.windows(2).map(|two| (two[1].0 - two[0].0) * (two[0].1 + two[1].1) / 2.0).sum();
    let road = &tables["road"];
    let windows_m: f64 = road.iter().map(|row| number(row, "length_m")).sum();
    println!("driven {driven_m:.0} m, {} windows of road over {windows_m:.0} m", road.len());
    assert!((windows_m / driven_m - 1.0).abs() < 0.05, "{windows_m} of {driven_m} m");
    // The car's 104 rows a second arrive whole: 20 m at a speed take 20 / speed × 104 rows.
    let full: Vec<_> = road.iter().filter(|row| !row["rough_mps2"].is_empty()).collect();
    assert!(full.len() >= 40, "{}", full.len());
    for row in full {
        let expected = number(row, "length_m") / number(row, "speed_mps") * 104.0;
        let samples = number(row, "samples");
        assert!((samples / expected - 1.0).abs() < 0.1, "{samples} samples, {expected:.0} expected: {row:?}");
    }
    // The recording says nothing of satellites, so neither do the rows; and their accuracy is that of the worst fix that
    // the gates let through.
    assert!(tables["track"].iter().all(|row| row["sats"].is_empty() && row["hdop"].is_empty()));

    let (_, again) = to_csv(files.clone(), 0.0);
    assert_eq!(again, tables, "the same recordings give the same rows");
    let (_, trimmed) = to_csv(files, 300.0);
    let kept = trimmed["road"].len();
    println!("with 300 m trimmed at both ends {kept} windows leave the vehicle");
    // Fifteen windows of 20 m at each end.
    assert!((25..=34).contains(&(road.len() - kept)), "{} - {kept}", road.len());
}

#[test]
fn recordings_of_one_drive_meet_on_their_clock_and_reach_the_spool() {
    let Some(data) = shared_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = data.join("gnss/gpsd/quectel-eg25-g.log");
    let modem = dir.path().join("modem.log");
    let text: String = (0..20)
        .map(|second| format!("{} +CESQ: 99,99,255,255,20,{}\n", 1_662_923_705 + second, 40 + second))
        .chain(["garbage\n".to_owned(), "1662923704 +CSQ: 1,99\n".to_owned()])
        .collect();
    std::fs::write(&modem, text).unwrap();
    let config = configuration(dir.path(), 0.0);
    let report = replay(&arguments(config, None, vec![log, modem])).unwrap();
    let mobile = report.samples[&Stream::Mobile];
    assert!((18..=21).contains(&mobile), "{report:?}");
    assert_eq!(report.left_out["modem.log: lines without a time or not of a modem"], 1);
    assert_eq!(report.left_out["modem.log: lines out of order"], 1);
    let view = SpoolView::read(&dir.path().join("spool.db")).unwrap();
    let stored: BTreeMap<Stream, u64> =
        view.streams.iter().filter(|(_, it)| it.pending > 0).map(|(stream, it)| (*stream, it.pending)).collect();
    assert_eq!(stored, report.samples);
}

#[test]
fn what_cannot_be_replayed_is_refused_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), 0.0);
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let out = dir.path().join("out");
    let run = |files: Vec<PathBuf>| replay(&arguments(config.clone(), Some(out.clone()), files)).unwrap_err();
    assert!(matches!(run(vec![file("letter.txt", "Dear all,\n")]), ReplayError::Kind(_)));
    assert!(matches!(run(vec![dir.path().join("absent")]), ReplayError::File { .. }));
    assert!(matches!(run(vec![file("empty.csv", "t_s,x,y,z\n")]), ReplayError::Empty(_)));
    assert!(matches!(run(vec![file("one.csv", "t_s,x,y,z\n1,0,0,9.8\n")]), ReplayError::Empty(_)));
    let device = file("device.csv", "t_s,x,y,z\n1.00,0,0,9.8\n1.01,0,0,9.8\n1.02,0,0,9.8\n");
    let utc = file("utc.log", "1780000000 +CSQ: 20,99\n");
    assert!(matches!(run(vec![device.clone(), utc]), ReplayError::Clocks { .. }));
    assert!(matches!(run(vec![device; 17]), ReplayError::Files));
}

/// Rows that are no rows, values beyond the sensor, holes, steps back: counted, never fatal, and the rest arrives.
#[test]
fn a_damaged_table_is_read_for_what_it_is_worth() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.csv");
    let mut text = "t_s,x,y,z,temperature\n".to_owned();
    for row in 0..500 {
        let t_s = 10.0 + f64::from(row) * 0.01 + if row >= 250 { 3.0 } else { 0.0 };
        text += &match row {
            100 => "10.9,0,0\n".to_owned(),
            101 => "half a row".repeat(1_000) + "\n",
            102 => "\u{0}\u{1}\u{fffd}\n".to_owned(),
            103 => format!("{t_s},inf,0,9.8,20\n"),
            104 => format!("{},0,0,9.8,20\n", t_s - 1.0),
            105 => format!("{t_s},400,0,9.8,20\n"),
            _ => format!("{t_s:.2},0.1,0,9.8,\n"),
        };
    }
    std::fs::write(&path, text).unwrap();
    let (report, _) = to_csv(vec![path], 0.0);
    let left_out = |reason: &str| report.left_out[&format!("damaged.csv: {reason}")];
    assert_eq!(left_out("rows that lack a value"), 4);
    assert_eq!(left_out("rows not after the last"), 1);
    assert_eq!(left_out("values beyond 16 g, clipped"), 1);
    assert_eq!(left_out("lines that are too long"), 1);
    // 495 rows in blocks of 32, one cut by the hole of rows 100 to 104 and one by that of three seconds.
    assert!((16..=18).contains(&report.messages), "{report:?}");
    assert_eq!(report.line.frames_bad, 0);
}

/// Whatever stands in a file, it is replayed or refused, and every message that it gave is a whole frame.
#[test]
fn no_recording_stops_the_program() {
    use proptest::prelude::*;
    let number = prop_oneof![
        any::<f64>().prop_map(|value| value.to_string()),
        (0.0..100.0).prop_map(|value: f64| value.to_string()),
        (1.0e9..2.0e9).prop_map(|value: f64| value.to_string()),
        Just(String::new()),
        "[ -~]{0,8}",
    ];
    let line = proptest::collection::vec(number, 0..9).prop_map(|fields| fields.join(","));
    let header = prop_oneof![
        Just("t_s,x,y,z"),
        Just("t_s,latitude_deg,longitude_deg,speed_mps,bearing_deg,sats,hdop,h_acc_m"),
        Just("utc_timestamp_ms,lat_deg,lon_deg,speed_mps"),
        Just("1780000000 +CSQ: 1,99"),
        Just("$GPGLL,,,,,,V,N*64"),
    ];
    let text = (header, proptest::collection::vec(line, 0..60))
        .prop_map(|(header, lines)| [vec![header.to_owned()], lines].concat().join("\n").into_bytes());
    let bytes = proptest::collection::vec(any::<u8>(), 0..400).prop_map(|mut bytes| {
        bytes.splice(0..0, [0xb5, 0x62]);
        bytes
    });
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), 0.0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let case = std::cell::Cell::new(0);
    let replayed = std::cell::Cell::new(0);
    runner
        .run(&prop_oneof![text, bytes], |content| {
            case.set(case.get() + 1);
            let path = dir.path().join("recording");
            std::fs::write(&path, content).unwrap();
            let out = dir.path().join(format!("out-{}", case.get()));
            match replay(&arguments(config.clone(), Some(out), vec![path])) {
                Ok(report) => {
                    replayed.set(replayed.get() + 1);
                    prop_assert_eq!((report.line.frames_ok, report.line.frames_bad), (report.messages, 0));
                }
                Err(error) => prop_assert!(matches!(error, ReplayError::Kind(_) | ReplayError::Empty(_)), "{}", error),
            }
            Ok(())
        })
        .unwrap();
    assert!(replayed.get() > 20, "only {} of {} were replayed", replayed.get(), case.get());
}
