//! Calibration files: what is refused and how it is said, which file holds when, what it does to samples, and that the
//! examples and the document of `hardware/calibration` are what the agent reads.

use std::path::{Path, PathBuf};

use tournee_features::calibration::{
    CalibrationError, CalibrationFile, Correction, Date, EXAMPLE, Sensor, Why, calibrate,
};
use tournee_features::{LineCounters, Pipeline, VehicleProfile, ids};
use tournee_link::{Accel, Climate, Co2, Header, Health, Message, No2, Thermal};
use tournee_payload::{Sample, Stream};

const NO2: &str = r#"
[calibration]
sensor = "no2"
serial = "212345678"
version = 3
valid_from = 2026-01-10
valid_until = 2026-06-30
method = "co-location"
source = "station"
[values]
we_zero_uv = 231000
ae_zero_uv = 228500.0
sensitivity_mv_per_ppb = 0.287
"#;

fn day(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).expect("a day that exists")
}

fn no2(changes: &[(&str, &str)]) -> Result<CalibrationFile, CalibrationError> {
    let mut text = NO2.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    CalibrationFile::parse("no2.toml", &text)
}

#[test]
fn what_is_wrong_is_said_with_file_key_and_range() {
    for (from, to, expected) in [
        (
            "we_zero_uv = 231000",
            "we_zero_uv = 231",
            "values.we_zero_uv = 231 is not accepted: a number from 100000 to 600000",
        ),
        ("we_zero_uv = 231000", "we_zero_uv = nan", "values.we_zero_uv = nan is not accepted: a number from 100000"),
        (
            "we_zero_uv = 231000",
            "we_zero_uv = \"a\"",
            "values.we_zero_uv = \"a\" is not accepted: a number from 100000",
        ),
        ("we_zero_uv = 231000", "", "values.we_zero_uv is missing: a number from 100000 to 600000"),
        (
            "we_zero_uv = 231000",
            "we_zero_uv = 231000\nkT = 1",
            "values.kT is not known: for no2 we_zero_uv, ae_zero_uv",
        ),
        ("sensor = \"no2\"", "sensor = \"ozone\"", "calibration.sensor = ozone is not accepted: no2, pm, co2,"),
        ("sensor = \"no2\"", "sensor = 2", "calibration.sensor = 2 is not accepted: a text"),
        ("serial = \"212345678\"", "serial = \" \"", "calibration.serial = \" \" is not accepted"),
        ("version = 3", "version = 0", "calibration.version = 0 is not accepted: a whole number from 1 to 9999"),
        ("version = 3", "version = 1.5", "calibration.version = 1.5 is not accepted"),
        ("version = 3", "operator = \"A. Nonymous\"\nversion = 3", "calibration.operator is not known: sensor, serial"),
        (
            "valid_from = 2026-01-10",
            "valid_from = \"2026-01-10\"",
            "calibration.valid_from = \"2026-01-10\" is not accepted",
        ),
        (
            "valid_from = 2026-01-10",
            "valid_from = 2026-01-10T00:00:00Z",
            "calibration.valid_from = 2026-01-10T00:00:00Z",
        ),
        (
            "valid_until = 2026-06-30",
            "valid_until = 2026-01-09",
            "calibration.valid_until = 2026-01-09 is not accepted",
        ),
        ("valid_until = 2026-06-30", "valid_until = 2026-07-19", "for no2 up to 190 days"),
        ("[values]", "[extra]\na = 1\n[values]", "extra is not known: the tables [calibration] and [values]"),
        ("[values]", "[value]", "[values] is missing"),
        ("[values]", "[values", "TOML parse error"),
    ] {
        let message = no2(&[(from, to)]).unwrap_err().to_string();
        assert!(message.starts_with("calibration no2.toml: ") && message.contains(expected), "{to}: {message}");
    }
    assert!(no2(&[("valid_until = 2026-06-30", "valid_until = 2026-07-18")]).is_ok(), "190 days are accepted");
    assert!(no2(&[("method", &format!("# {}\nmethod", "x".repeat(17_000)))]).is_err());
}

#[test]
fn the_file_of_the_day_is_taken_and_the_others_are_reported() {
    let files = [
        no2(&[]).unwrap(),
        no2(&[
            ("version = 3", "version = 2"),
            ("2026-01-10", "2025-08-01"),
            ("2026-06-30", "2026-01-09"),
            ("231000", "229000"),
        ])
        .unwrap(),
        no2(&[("212345678", "299999999"), ("2026-01-10", "2026-07-01"), ("2026-06-30", "2026-12-31")]).unwrap(),
    ];
    let at = |date| calibrate(VehicleProfile::default(), &files, date).unwrap();
    for (date, we_zero_uv, version) in [
        (day(2025, 8, 1), 229_000.0, 2),
        (day(2026, 1, 9), 229_000.0, 2),
        (day(2026, 1, 10), 231_000.0, 3),
        (day(2026, 6, 30), 231_000.0, 3),
    ] {
        let (profile, report) = at(date);
        assert_eq!((profile.air.no2_we_zero_uv, report.applied[0].version), (we_zero_uv, version), "{date}");
        assert_eq!((report.applied.len(), report.skipped.len()), (1, 2));
        assert_eq!(report.uncalibrated.len(), Sensor::ALL.len() - 1);
    }
    let (profile, report) = at(day(2027, 1, 1));
    assert_eq!(profile, VehicleProfile::default());
    assert!(report.applied.is_empty() && report.uncalibrated == Sensor::ALL);
    let why: Vec<String> = report.skipped.iter().map(|it| it.why.to_string()).collect();
    assert_eq!(why, ["held until 2026-06-30", "held until 2026-01-09", "held until 2026-12-31"]);
    assert_eq!(at(day(2025, 1, 1)).1.skipped[0].why, Why::NotYet(day(2026, 1, 10)));
    // The profile names the fitted specimen: the others are not its calibration.
    let named = VehicleProfile::from_toml("[sensors]\nno2 = \"299999999\"").unwrap();
    let (profile, report) = calibrate(named.clone(), &files, day(2026, 2, 1)).unwrap();
    assert_eq!((profile, report.skipped[0].why), (named, Why::OtherSerial));
}

#[test]
fn files_that_contradict_each_other_are_refused() {
    let today = day(2026, 2, 1);
    let refused = |files: &[CalibrationFile], profile: &str| {
        calibrate(VehicleProfile::from_toml(profile).unwrap(), files, today).unwrap_err().to_string()
    };
    let first = no2(&[]).unwrap();
    let mut second = no2(&[("version = 3", "version = 4")]).unwrap();
    (second.file, second.valid_from, second.valid_until) =
        ("second.toml".to_owned(), day(2026, 6, 30), day(2026, 7, 31));
    // Although neither clash is today's.
    let message = refused(&[second.clone(), first.clone()], "");
    assert!(message.contains("no2.toml and second.toml of no2 212345678 both hold on 2026-06-30"), "{message}");
    let mut later = second;
    (later.valid_from, later.version) = (day(2026, 7, 1), 3);
    assert!(refused(&[first.clone(), later], "").contains("both say calibration.version = 3"));
    let mut other = first.clone();
    (other.serial, other.file) = ("9".to_owned(), "other.toml".to_owned());
    let both = [first, other];
    assert!(refused(&both, "").contains("name the fitted one in sensors.no2"));
    let (_, report) = calibrate(VehicleProfile::from_toml("[sensors]\nno2 = \"9\"").unwrap(), &both, today).unwrap();
    assert_eq!(report.applied[0].file, "other.toml");
}

/// The samples of a boot with one message of each kind.
fn samples(profile: VehicleProfile) -> Vec<Sample> {
    let mut pipeline = Pipeline::new(profile);
    let mut out = Vec::new();
    let climate = Climate { status: 0, temp_cdegc: 2_000, rh_cpct: 5_000, pressure_pa: 101_325 };
    let mut messages = vec![
        Message::Climate(climate),
        Message::Co2(Co2 { status: 0, ppm: 440 }),
        Message::No2(No2 { status: 0, we_uv: 300_000, ae_uv: 285_000 }),
    ];
    for chunk in 0..6 {
        let mut pixels_cdegc = heapless::Vec::new();
        pixels_cdegc.resize(tournee_link::THERMAL_CHUNK_MAX, 1_000).expect("a chunk has this length");
        messages.push(Message::Thermal(Thermal { camera: 1, frame: 1, chunk, ambient_cdegc: 2_100, pixels_cdegc }));
    }
    messages.push(Message::Health(Health {
        queue_drops: 0,
        uart_overruns: 0,
        bus_errors: 0,
        supply_mv: 12_000,
        mcu_ddegc: 300,
    }));
    for (seq, message) in (0..).zip(&messages) {
        let header =
            Header { proto: tournee_link::PROTO, boot_id: 7, seq, tick_us: 1_000_000 + u64::from(seq) * 10_000 };
        pipeline.feed(&header, message, &LineCounters::default(), &mut out);
    }
    pipeline.finish(&mut out);
    out
}

fn value(samples: &[Sample], stream: Stream, id: u16) -> Option<i64> {
    samples.iter().find(|sample| sample.stream == stream).and_then(|sample| sample.get(id))
}

#[test]
fn values_reach_the_samples() {
    let quiet = "[trim]\nfirst_m = 0\nlast_m = 0\n";
    let before = samples(VehicleProfile::from_toml(quiet).unwrap());
    assert_eq!(value(&before, Stream::Air, ids::air::NO2), Some(1_211));
    assert_eq!(
        value(&before, Stream::Thermal, ids::thermal::FACADE),
        None,
        "10 °C below air of 20 °C is masked as sky"
    );
    let head = |sensor: &str| {
        format!(
            "[calibration]\nsensor = \"{sensor}\"\nserial = \"1\"\nversion = 1\nvalid_from = 2026-01-01\n\
             valid_until = 2026-03-01\nmethod = \"m\"\nsource = \"s\"\n[values]\n"
        )
    };
    let files: Vec<CalibrationFile> = [
        ("no2", "we_zero_uv = 270000\nae_zero_uv = 260000\nsensitivity_mv_per_ppb = 0.25"),
        ("co2", "offset_ppm = -20"),
        ("climate", "temp_offset_k = -5.0\nrh_offset_pct = 3\npressure_offset_pa = -25"),
        ("camera_right", "gain = 1.1\nshift_k = 2.0"),
        ("camera_left", "gain = 0.9\nshift_k = -2.0"),
        ("supply", "gain = 1.02\noffset_mv = 60"),
        ("antenna", "cabin_offset_db = 8"),
        ("pm", "kappa = 0.3"),
        (
            "accel",
            "bias_x_mps2 = 0.1\nbias_y_mps2 = -0.2\nbias_z_mps2 = 0.3\nscale_x = 1.01\nscale_y = 0.99\nscale_z = 1.0\n\
             kappa = 31.5",
        ),
    ]
    .into_iter()
    .map(|(sensor, values)| CalibrationFile::parse(sensor, &(head(sensor) + values)).unwrap())
    .collect();
    let profile = VehicleProfile::from_toml(quiet).unwrap();
    let (profile, report) = calibrate(profile, &files, day(2026, 2, 1)).unwrap();
    assert!(report.skipped.is_empty() && report.uncalibrated.is_empty());
    assert_eq!((profile.mobile.cabin_offset_db, profile.road.kappa), (8.0, 31.5));
    assert_eq!((profile.road.accel_bias_mps2, profile.road.accel_scale), ([0.1, -0.2, 0.3], [1.01, 0.99, 1.0]));
    let pm = report.applied.iter().find(|it| it.sensor == Sensor::Pm).unwrap();
    assert_eq!(pm.in_profile, 0, "the lake keeps particulate matter as the sensor gives it");

    let after = samples(profile);
    let air = |id| value(&after, Stream::Air, id);
    assert_eq!(
        (air(ids::air::TEMP), air(ids::air::RH), air(ids::air::PRESSURE)),
        (Some(1_500), Some(530), Some(10_130))
    );
    assert_eq!(air(ids::air::CO2), Some(420));
    // n_T at the corrected 15 °C is 0.8: (30 − 0.8 × 25) mV / 0.25 mV/ppb × 1.9125 µg/m³/ppb.
    assert_eq!(air(ids::air::NO2), Some(765));
    // The right camera: 1.1 × 10 + 2 = 13 °C, 2 K below the corrected air: not the sky any more.
    assert_eq!(value(&after, Stream::Thermal, ids::thermal::FACADE), Some(1_300));
    assert_eq!(value(&after, Stream::Thermal, ids::thermal::DELTA), Some(-200));
    assert_eq!(value(&after, Stream::Health, ids::health::SUPPLY), Some(12_300));
}

#[test]
fn ends_of_ranges_do_not_wrap() {
    let profile = VehicleProfile::from_toml(
        "[air]\nco2_offset_ppm = -300\ntemp_offset_k = 10\nrh_offset_pct = 20\npressure_offset_pa = -1000\n\
         [road]\naccel_bias_mps2 = [1.0, -1.0, 0]\naccel_scale = [1.1, 1.1, 1.1]\n\
         [thermal]\ncamera_gain = [1.2, 1]\ncamera_shift_k = [-10, 0]\n[health]\nsupply_offset_mv = -500\n",
    )
    .unwrap();
    let correction = Correction::new(&profile);
    let apply = |message: Message| correction.apply(&message).into_owned();
    assert_eq!(apply(Message::Co2(Co2 { status: 0, ppm: 100 })), Message::Co2(Co2 { status: 0, ppm: 0 }));
    let void = Message::Co2(Co2 { status: 4, ppm: 0 });
    assert_eq!(apply(void.clone()), void, "a fault stays as it is");
    let hot = Climate { status: 0, temp_cdegc: i16::MAX, rh_cpct: 9_500, pressure_pa: 300 };
    let expected = Climate { rh_cpct: 10_000, pressure_pa: 0, ..hot };
    assert_eq!(apply(Message::Climate(hot)), Message::Climate(expected));
    let mut samples = heapless::Vec::new();
    samples.push([i16::MIN, i16::MAX, 1_000]).unwrap();
    samples.push([-32_767, 32_766, 0]).unwrap();
    let Message::Accel(block) = apply(Message::Accel(Accel { odr_hz: 400, scale_ug: 244, lost: 0, samples })) else {
        panic!("another message")
    };
    assert_eq!(block.samples[0], [i16::MIN, i16::MAX, 1_100]);
    assert_eq!(block.samples[1], [i16::MIN, i16::MAX, 0]);
    let mut pixels_cdegc = heapless::Vec::new();
    pixels_cdegc.extend_from_slice(&[i16::MIN, i16::MIN + 1, i16::MAX, 2_000]).unwrap();
    let chunk = Thermal { camera: 0, frame: 0, chunk: 0, ambient_cdegc: 0, pixels_cdegc };
    let Message::Thermal(left) = apply(Message::Thermal(chunk.clone())) else { panic!("another message") };
    assert_eq!(left.pixels_cdegc.as_slice(), [i16::MIN, i16::MIN + 1, i16::MAX, 1_400]);
    for camera in [1, 2, 255] {
        let chunk = Message::Thermal(Thermal { camera, ..chunk.clone() });
        assert_eq!(apply(chunk.clone()), chunk, "camera {camera} has no correction");
    }
    let health = |supply_mv| {
        Message::Health(Health { queue_drops: 0, uart_overruns: 0, bus_errors: 0, supply_mv, mcu_ddegc: 0 })
    };
    assert_eq!((apply(health(0)), apply(health(300)), apply(health(12_500))), (health(0), health(0), health(12_000)));
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hardware/calibration")
}

#[test]
fn every_sensor_has_an_example_that_the_agent_reads() {
    let mut seen = Vec::new();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let file = CalibrationFile::parse(&name, &std::fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(name, format!("{}.example.toml", file.sensor));
            assert!(file.serial.starts_with(EXAMPLE), "{name} could be taken for a real calibration");
            for key in file.sensor.keys() {
                assert!(file.value(key.name).is_some(), "{name} does not show {}", key.name);
            }
            seen.push(file.sensor);
            files.push(file);
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, Sensor::ALL);
    // Together, as the agent would read the folder, on a day on which all hold: nothing of them reaches a sample.
    let today = day(2026, 1, 15);
    let (profile, report) = calibrate(VehicleProfile::default(), &files, today).unwrap();
    assert_eq!(profile, VehicleProfile::default());
    assert!(report.skipped.len() == Sensor::ALL.len() && report.skipped.iter().all(|it| it.why == Why::Example));
    // With the serial number of a real part they are in force, all together.
    for file in &mut files {
        file.serial = file.serial.replace(EXAMPLE, "NO");
    }
    let (_, report) = calibrate(VehicleProfile::default(), &files, today).unwrap();
    assert_eq!(report.applied.len(), Sensor::ALL.len());
}

#[test]
fn the_document_names_every_key_and_its_range() {
    let text = std::fs::read_to_string(examples().join("README.md")).unwrap();
    for sensor in Sensor::ALL {
        let days = format!("| `{sensor}` | {} |", sensor.days_max());
        assert!(text.contains(&days), "README.md lacks {days}");
        for key in sensor.keys() {
            let need = if key.required { "yes" } else { "no" };
            let row = format!("| `{sensor}` | `{}` | {} to {} | {need} |", key.name, key.min, key.max);
            assert!(text.contains(&row), "README.md lacks {row}");
        }
    }
}
