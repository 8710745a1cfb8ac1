//! The shipped mappings on the real recordings. The recordings are not part of the repository: they are looked for under
//! `TOURNEE_SHARED_DATA`, else beside the workspace, and a test without them says so.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use tournee_features::{flags, ids};
use tournee_import::{ImportReport, Mapping, import, import_with_motion};
use tournee_payload::{Sample, Stream, field};

const CORK: &str = include_str!("../../../mappings/cork-gnettrack.toml");
const COMMA: &str = include_str!("../../../mappings/comma2k19.toml");

fn recording(name: &str) -> Option<File> {
    let root = std::env::var_os("TOURNEE_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let file = File::open(root.join(name)).ok();
    if file.is_none() {
        println!("SKIPPED: no {name} in TOURNEE_SHARED_DATA or beside the workspace");
    }
    file
}

fn adds_up(report: &ImportReport) {
    assert_eq!(report.rows, report.stored + report.refused.values().sum::<u64>());
    println!("{report:#?}");
}

#[test]
fn cork_drive_tests() {
    let Some(file) = recording("signal/ucc_5g_cork_driving.csv.gz") else { return };
    let mut samples = Vec::new();
    let report = import(file, &Mapping::from_toml(CORK).unwrap(), &mut |sample| samples.push(sample)).unwrap();
    adds_up(&report);
    assert_eq!(report.rows, 65_815);
    assert_eq!(report.refused.get("repeated_second"), Some(&4_960));
    assert_eq!(report.refused.len(), 1, "every other row is stored");
    assert_eq!((report.stored, samples.len()), (60_855, 60_855));
    // 2019-11-20 16:55:16 and 2020-02-27 20:50:06 in winter: Irish time is UTC.
    assert_eq!(report.first_us, Some(1_574_268_916_000_000));
    assert_eq!(report.last_us, Some(1_582_836_606_000_000));

    let old = |sample: &&Sample| matches!(sample.get(ids::mobile::RAT), Some(2 | 3));
    assert!(samples.iter().filter(old).count() > 5_000);
    assert!(samples.iter().filter(old).all(|sample| sample.get(ids::mobile::RSRP).is_none()));
    let levels: Vec<i64> = samples.iter().filter_map(|sample| sample.get(ids::mobile::RSRP)).collect();
    assert!(levels.iter().all(|level| (-1_400..=-440).contains(level)), "no sentinel is left");
    assert!(samples.iter().all(|sample| sample.get(ids::mobile::OPERATOR).is_none()));
    let first = &samples[0];
    assert_eq!(first.get(field::LAT_DEG), Some(519_356_040));
    assert_eq!(first.get(field::LON_DEG), Some(-83_881_860));
    assert_eq!(first.get(ids::mobile::RSRP), Some(-990));
    assert_eq!(first.get(ids::mobile::SINR), Some(60));
    assert_eq!(first.get(ids::mobile::RAT), Some(6));
    assert_eq!(first.get(field::FLAGS), Some(0));
    let sentinels = samples.iter().filter(|s| s.get(field::FLAGS) == Some(i64::from(flags::SENTINEL))).count();
    assert!(sentinels > 5_000, "{sentinels}");
}

#[test]
fn comma2k19_drive() {
    let Some(file) = recording("road_surface/comma2k19_example1_accelerometer.csv.gz") else { return };
    let Some(motion) = recording("road_surface/comma2k19_example1_gnss_ublox.csv.gz") else { return };
    let mut samples = Vec::new();
    let mapping = Mapping::from_toml(COMMA).unwrap();
    let report = import_with_motion(file, motion, &mapping, &mut |sample| samples.push(sample)).unwrap();
    adds_up(&report);
    assert_eq!(report.rows, 6_256);
    assert_eq!(report.samples, samples.len() as u64);
    assert!(samples.iter().all(|sample| sample.stream == Stream::Road));
    let in_windows: i64 = samples.iter().filter_map(|sample| sample.get(ids::road::SAMPLES)).sum();
    assert_eq!(in_windows, report.stored as i64);
    assert!(report.stored > 3_000, "{} of 6256", report.stored);
    assert!(report.refused.contains_key("before_first_fix"));
    for sample in &samples {
        let rough = sample.get_scaled(ids::road::ROUGH).unwrap();
        assert!((0.05..5.0).contains(&rough), "{rough} m/s² on an American road");
        let lat = sample.get_scaled(field::LAT_DEG).unwrap();
        assert!((37.72..37.7303).contains(&lat));
        // The drive is of 2018-08-02, 16:14:48 to 16:15:48 UTC.
        assert!((1_533_226_488..=1_533_226_549).contains(&(sample.get(field::T_US).unwrap() / 1_000_000)));
    }
}

#[test]
fn the_same_file_is_the_same_import() {
    let Some(mut file) = recording("signal/ucc_5g_cork_driving.csv.gz") else { return };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let mapping = Mapping::from_toml(CORK).unwrap();
    let run = || {
        let mut count = 0_u64;
        let report = import(&bytes[..], &mapping, &mut |_| count += 1).unwrap();
        (report, count)
    };
    let (first, second) = (run(), run());
    assert_eq!(first, second);
    assert!(first.0.epoch() > 0);
    // Cut in the middle of its compression: an error, and no report.
    let error = import(&bytes[..bytes.len() / 2], &mapping, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("cannot be read past row") && error.lines().count() == 1, "{error}");
}
