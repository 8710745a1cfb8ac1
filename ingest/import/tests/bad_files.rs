//! Files that are not what they say, and rows that are refused: one line each, no panic, counts that add up.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;

use proptest::prelude::*;
use tournee_import::{ImportError, ImportReport, Mapping, import, import_with_motion};
use tournee_payload::{Sample, field};

const MAPPING: &str = r#"
name = "test"
stream = "mobile"
[time]
column = "when"
format = "%Y-%m-%d %H:%M:%S"
timezone = "Europe/Paris"
[duplicates]
run = ["run"]
[[refuse]]
reason = "parked"
column = "state"
is = ["P"]
[[column]]
column = "lat"
field = "lat_deg"
[[column]]
column = "lon"
field = "lon_deg"
[[column]]
column = "level"
field = "rsrp_dbm"
sentinels = ["-200"]
[constant]
operator_mccmnc = 20801
"#;

const HEAD: &str = "run,when,lat,lon,level,state\n";

fn read(bytes: &[u8]) -> Result<(ImportReport, Vec<Sample>), ImportError> {
    let mut samples = Vec::new();
    let report = import(bytes, &Mapping::from_toml(MAPPING).unwrap(), &mut |sample| samples.push(sample))?;
    Ok((report, samples))
}

fn complaint(bytes: &[u8]) -> String {
    let text = read(bytes).unwrap_err().to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn files_that_are_not_what_they_say() {
    assert_eq!(complaint(b""), "the file is empty");
    let text = complaint(b"run;when;lat;lon\n1;2;3;4\n");
    assert!(text.contains("no column `when`") || text.contains("no column `lat`"), "{text}");
    assert!(text.contains("run;when;lat;lon"), "{text}");
    let text = complaint(b"run,when,lat,lon,state\n");
    assert!(text.contains("no column `level`; it has: run, when, lat, lon, state"), "{text}");
    assert!(complaint(b"run,when,lat,lon,level,state,lat\n").contains("`lat` more than once"));
    assert!(complaint(b"PK\x03\x04 a spreadsheet").contains("50 4b 03 04"));
    assert!(complaint(b"\x1f\x8b\x08\x00rubbish").contains("cannot be read"));
    assert!(complaint(&[b'x'; 3_000_000]).contains("longer than"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&[0, 1, 2, 3]).unwrap();
    assert!(complaint(&gzip.finish().unwrap()).contains("inside of its gzip"));
}

#[test]
fn every_row_is_stored_or_refused_with_a_reason() {
    let body = "\
        a,2026-01-01 10:00:00,47.65,-2.09,-100,D\n\
        a,2026-01-01 10:00:00,47.65,-2.09,-101,D\n\
        b,2026-01-01 10:00:00,47.65,-2.09,-200,D\n\
        a,2026-01-01 10:00:01,0,0,-100,D\n\
        a,2026-01-01 10:00:02,,-2.09,-100,D\n\
        a,2026-01-01 10:00:03,91,-2.09,-100,D\n\
        a,10 o'clock,47.65,-2.09,-100,D\n\
        a,2026-03-29 02:30:00,47.65,-2.09,-100,D\n\
        a,2026-10-25 02:30:00,47.65,-2.09,NaN,D\n\
        a,2026-01-01 10:00:04,47.65,-2.09,strong,D\n\
        a,2026-01-01 10:00:05,47.65,-2.09,-100,P\n\
        a,2026-01-01 10:00:06,47.65,-2.09,9,D\n\
        a,2026-01-01 10:00:07,47.65\n\
        a,1815-06-18 10:00:07,47.65,-2.09,-100,D\n";
    let mut bytes = format!("\u{feff}{HEAD}{body}").into_bytes();
    bytes.extend_from_slice(b"a,2026-01-01 10:00:08,47.65,-2.09,\xff\xfe,D\n");
    let (report, samples) = read(&bytes).unwrap();
    let refused: Vec<(&str, u64)> = report.refused.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    assert_eq!(
        refused,
        [
            ("bad_time", 2),
            ("bad_value_level", 1),
            ("no_position", 2),
            ("not_utf8", 1),
            ("parked", 1),
            ("position_0_0", 1),
            ("repeated_second", 1),
            ("time_that_never_was", 1),
            ("wrong_number_of_cells", 1),
        ]
    );
    assert_eq!((report.rows, report.stored, samples.len()), (15, 4, 4));
    // Paris is an hour ahead of UTC in winter.
    assert_eq!(samples[0].get(field::T_US), Some(1_767_258_000_000_000));
    assert_eq!(samples[0].get(16), Some(20_801));
    let bits: Vec<Option<i64>> = samples.iter().map(|sample| sample.get(field::FLAGS)).collect();
    assert_eq!(bits, [Some(0), Some(1 << 23), Some(1 << 22), Some(1 << 10)]);
    assert!(samples[1..].iter().all(|sample| sample.get(19).is_none()));
    assert_eq!(report.emptied.get("rsrp_dbm: sentinel"), Some(&1));
}

#[test]
fn mappings_that_cannot_be() {
    let complaint = |from: &str, to: &str| {
        let text = Mapping::from_toml(&MAPPING.replace(from, to)).unwrap_err().to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    assert!(complaint("\"rsrp_dbm\"", "\"rsrp\"").contains("no field `rsrp` in stream mobile; there are: t_us"));
    assert!(complaint("stream = \"mobile\"", "stream = \"phone\"").contains("`phone`"));
    assert!(complaint("\"lon_deg\"", "\"lat_deg\"").contains("given twice"));
    assert!(complaint("operator_mccmnc", "flags").contains("filled by the import"));
    assert!(complaint("name = \"test\"", "nom = \"essai\"").contains("line 2"));
    assert!(complaint("\"%Y-%m-%d %H:%M:%S\"", "\"seconds\"").contains("device's clock"));
    let zone = Mapping::from_toml(&MAPPING.replace("Europe/Paris", "Europe/Redon")).unwrap();
    assert!(import(HEAD.as_bytes(), &zone, &mut |_| ()).unwrap_err().to_string().contains("Europe/Redon"));
}

const ROAD: &str = include_str!("../../../mappings/comma2k19.toml");
const MOTION_HEAD: &str = "t_s,latitude_deg,longitude_deg,speed_mps,utc_timestamp_ms,altitude_m,bearing_deg\n";

#[test]
fn acceleration_needs_its_motion() {
    let road = Mapping::from_toml(ROAD).unwrap();
    let rows = Mapping::from_toml(MAPPING).unwrap();
    let accel: &[u8] = b"t_s,forward,right,down\n0.0,0,0,-9.8\n";
    let text = |result: Result<ImportReport, ImportError>| result.unwrap_err().to_string();
    assert!(text(import(accel, &road, &mut |_| ())).contains("--motion FILE"));
    assert!(text(import_with_motion(accel, accel, &rows, &mut |_| ())).contains("leave the motion file out"));
    assert!(
        text(import_with_motion(accel, accel, &road, &mut |_| ()))
            .contains("motion file has no column `utc_timestamp_ms`")
    );
    let lost = format!("{MOTION_HEAD}1,0,0,5,1533226488299,0,0\n2,x,0,5,1533226488299,0,0\n");
    let found = text(import_with_motion(accel, lost.as_bytes(), &road, &mut |_| ()));
    assert!(found.contains("no usable row: 2 rows, 2 no_position"), "{found}");
}

#[test]
fn acceleration_rows_all_have_an_end() {
    let mut motion = MOTION_HEAD.to_owned();
    for second in 5..60 {
        let lat = 37.72 + f64::from(second) * 12.0 / 111_195.0;
        motion.push_str(&format!(
            "{second},{lat},-122.47,12,{},0,0\n",
            1_533_226_488_000_i64 + i64::from(second) * 1_000
        ));
    }
    let mut accel = "t_s,forward,right,down\n".to_owned();
    for n in 0..7_000 {
        let t = f64::from(n) * 0.01;
        accel.push_str(&format!("{t},0.1,0,{}\n", -9.8 + (t * 30.0).sin()));
    }
    accel.push_str("70.5,0,0,much\n70.4,0\n3.0,0,0,-9.8\nsoon,0,0,-9.8\n");
    let mut samples = Vec::new();
    let road = Mapping::from_toml(ROAD).unwrap();
    let report =
        import_with_motion(accel.as_bytes(), motion.as_bytes(), &road, &mut |sample| samples.push(sample)).unwrap();
    assert_eq!(report.rows, 7_004);
    assert_eq!(report.rows, report.stored + report.refused.values().sum::<u64>());
    let refused = |reason: &str| report.refused.get(reason).copied().unwrap_or(0);
    assert_eq!(refused("before_first_fix"), 500);
    assert_eq!(refused("after_last_fix"), 1_099);
    assert_eq!((refused("bad_value"), refused("wrong_number_of_cells")), (1, 1));
    assert_eq!((refused("not_in_time_order"), refused("bad_time")), (1, 1));
    assert_eq!(report.samples, samples.len() as u64);
    assert!(samples.len() >= 30, "{report:?}");
    let utc = samples[0].get(field::T_US).unwrap();
    let tick = samples[0].get(field::TICK_US).unwrap();
    assert!((utc - tick - 1_533_226_488_000_000).abs() < 1_000);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_rows_or_one_line(head in prop_oneof![Just(HEAD.as_bytes().to_vec()), Just(Vec::new())],
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b','), Just(b'\n'), Just(b'"'), Just(b'1')], 0..400)) {
        let mut file = head;
        file.extend(bytes);
        match read(&file) {
            Ok((report, samples)) => {
                prop_assert_eq!(report.rows, report.stored + report.refused.values().sum::<u64>());
                prop_assert_eq!(report.stored, samples.len() as u64);
                prop_assert!(samples.iter().all(|sample| sample.out_of_range().is_none()));
            }
            Err(error) => prop_assert_eq!(error.to_string().lines().count(), 1),
        }
    }
}
