//! What people write: vehicle profiles and calibration files. Nothing panics, neither in reading them nor on a drive with what
//! was taken; written again, it is read the same. The first byte chooses the kind, too.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tournee_features::VehicleProfile;
use tournee_features::calibration::{CalibrationFile, Date, FILE_BYTES_MAX, Sensor, calibrate};
use tournee_features::profile::DEFAULT_TOML;
use tournee_fuzz::{drive, split_way};

fuzz_target!(|data: &[u8]| {
    let Some((framed, rest)) = split_way(data) else { return };
    match data.first().map_or(0, |byte| byte >> 1) % 2 {
        0 => {
            let text = String::from_utf8_lossy(rest);
            let profile = profile(&if framed { profile_text(&text) } else { text.into_owned() });
            profile.map(drive);
        }
        _ => calibrations(framed, rest),
    }
});

fn profile(text: &str) -> Option<VehicleProfile> {
    let profile = VehicleProfile::from_toml(text).ok()?;
    // As text: a value may be no number, and that is not equal to itself.
    let written = toml::to_string(&profile).expect("a profile can be written");
    let again = VehicleProfile::from_toml(&written).expect("a profile that was taken is taken again");
    assert_eq!(toml::to_string(&again).ok(), Some(written));
    assert!(profile.clone().check().is_ok());
    Some(profile)
}

/// Days after 1970, two bytes; then files between bytes of 0, the first of them a profile.
fn calibrations(framed: bool, data: &[u8]) {
    let [low, high, rest @ ..] = data else { return };
    let today = Date::from_unix_s(i64::from(u16::from_le_bytes([*low, *high])) * 86_400);
    let today = today.expect("a day after 1970");
    let mut texts = rest.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let profile_lines = texts.next().unwrap_or_default();
    let profile = profile(&if framed { profile_text(&profile_lines) } else { profile_lines.into_owned() });
    let profile = profile.unwrap_or_default();
    let mut files = Vec::new();
    for (at, text) in texts.enumerate() {
        let text = if framed { calibration_text(&text) } else { text.into_owned() };
        if let Ok(file) = CalibrationFile::parse(&format!("{at}.toml"), &text) {
            check_file(&file, &text);
            files.push(file);
        }
    }
    let Ok((calibrated, report)) = calibrate(profile.clone(), &files, today) else { return };
    assert!(calibrated.clone().check().is_ok());
    assert_eq!(report.applied.len() + report.skipped.len(), files.len());
    assert_eq!(report.applied.len() + report.uncalibrated.len(), Sensor::ALL.len());
    for applied in &report.applied {
        let file = files.iter().find(|file| file.file == applied.file).expect("one of ours");
        assert!(file.valid_from <= today && today <= file.valid_until);
        let named = file.sensor.serial_in(&profile);
        assert!(named.is_empty() || named == file.serial);
    }
    // The order of a folder says nothing.
    files.reverse();
    let turned = calibrate(profile, &files, today).expect("it was possible in the other order");
    assert_eq!(toml::to_string(&turned.0).ok(), toml::to_string(&calibrated).ok());
    assert_eq!(turned.1.applied, report.applied);
    drive(calibrated);
}

fn check_file(file: &CalibrationFile, text: &str) {
    assert!(text.len() <= FILE_BYTES_MAX);
    assert!(file.valid_from <= file.valid_until);
    assert!(file.valid_until.days() - file.valid_from.days() < file.sensor.days_max());
    for key in file.sensor.keys() {
        match file.value(key.name) {
            Some(value) => assert!((key.min..=key.max).contains(&value), "{} = {value}", key.name),
            None => assert!(!key.required),
        }
    }
}

/// Lines of which the first character chooses a key of the default profile, and the rest is its value.
fn profile_text(lines: &str) -> String {
    static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let tables: toml::Table = DEFAULT_TOML.parse().expect("the default profile is TOML");
        let keys_of = |(section, table): (&String, &toml::Value)| {
            let keys = table.as_table().into_iter().flat_map(|table| table.keys());
            keys.map(|key| format!("{section}.{key}")).collect::<Vec<_>>()
        };
        tables.iter().flat_map(keys_of).collect()
    });
    replaced(KEYS.iter().map(|key| (key.clone(), None)).collect(), lines)
}

/// A right file of the sensor that the first character chooses, with the values of [`profile_text`]'s kind of lines in it.
fn calibration_text(lines: &str) -> String {
    let mut characters = lines.chars();
    let at = characters.next().map_or(0, |character| character as usize % Sensor::ALL.len());
    let sensor = Sensor::ALL[at];
    let own = |value: &str| Some(value.to_owned());
    let mut keys = vec![
        ("calibration.sensor".to_owned(), own(&format!("\"{sensor}\""))),
        ("calibration.serial".to_owned(), own("\"A-1\"")),
        ("calibration.version".to_owned(), own("1")),
        ("calibration.valid_from".to_owned(), own("2026-01-10")),
        ("calibration.valid_until".to_owned(), own("2026-04-10")),
        ("calibration.method".to_owned(), own("\"by hand\"")),
        ("calibration.source".to_owned(), own("\"none\"")),
        ("calibration.other".to_owned(), None),
        ("other".to_owned(), None),
    ];
    keys.extend(sensor.keys().iter().map(|key| (format!("values.{}", key.name), own(&key.max.to_string()))));
    replaced(keys, characters.as_str())
}

/// The keys with a value, after each line has given one of them another; an empty one takes it away.
fn replaced(mut keys: Vec<(String, Option<String>)>, lines: &str) -> String {
    for line in lines.lines() {
        let mut characters = line.chars();
        let Some(first) = characters.next() else { continue };
        let at = first as usize % keys.len();
        let value = characters.as_str();
        keys[at].1 = (!value.is_empty()).then(|| value.to_owned());
    }
    keys.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} = {value}\n"))).collect()
}
