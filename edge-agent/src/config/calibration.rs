//! The folder of calibration files: reading it, the date of today, and what the log says about it.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tournee_features::calibration::{CalibrationFile, CalibrationReport, Date, FILE_BYTES_MAX};

use super::{AgentConfig, ConfigError};

/// Files of one box over its life; more is a folder of something else.
const FILES_MAX: usize = 500;

/// Today, UTC. A machine without a set clock says 1970: then no calibration holds, and the log says so.
pub fn today() -> Date {
    let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    i64::try_from(unix_s).ok().and_then(Date::from_unix_s).unwrap_or(Date::EPOCH)
}

/// Reads and checks every `*.toml` of a folder, by name. Hidden files (editors' copies) and folders are left out.
pub fn read_folder(folder: &Path) -> Result<Vec<CalibrationFile>, ConfigError> {
    let cannot = |path: &Path| {
        let path = path.to_owned();
        move |cause| ConfigError::CalibrationRead { path, cause }
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot(folder))? {
        let path = entry.map_err(cannot(folder))?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension().is_none_or(|extension| extension != "toml") || path.is_dir() {
            continue;
        }
        if paths.len() == FILES_MAX {
            return Err(ConfigError::CalibrationCount { folder: folder.to_owned(), most: FILES_MAX });
        }
        paths.push(path);
    }
    // The order of a folder is the file system's; messages must not depend on it.
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let mut text = String::new();
        let file = fs::File::open(&path).map_err(cannot(&path))?;
        // One byte more than is accepted, so that the parser sees that it was too much.
        file.take(FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(cannot(&path))?;
        files.push(CalibrationFile::parse(&path.display().to_string(), &text)?);
    }
    Ok(files)
}

/// Which calibrations are in force, which are not and why, and what has none.
pub fn log(report: &CalibrationReport, today: Date) {
    for it in &report.applied {
        tracing::info!(
            sensor = %it.sensor, serial = it.serial, version = it.version, valid_until = %it.valid_until,
            in_profile = it.in_profile, file = it.file, "calibration in force"
        );
    }
    for it in &report.skipped {
        tracing::warn!(sensor = %it.sensor, file = it.file, "calibration not applied: it {}", it.why);
    }
    let uncalibrated: Vec<&str> = report.uncalibrated.iter().map(|sensor| sensor.name()).collect();
    tracing::info!(
        %today, applied = report.applied.len(), not_applied = report.skipped.len(),
        uncalibrated = uncalibrated.join(" "), "calibration files read"
    );
}

impl AgentConfig {
    /// What was done with the calibration files, for programs: sensor, serial number and version of what is in force, what
    /// is not and why, and which sensors have none.
    #[must_use]
    pub fn calibration_json(&self) -> Value {
        let report = &self.calibrated;
        let applied = report.applied.iter().map(|it| {
            json!({
                "sensor": it.sensor.name(), "serial": it.serial, "version": it.version,
                "valid_until": it.valid_until.to_string(), "in_profile": it.in_profile,
            })
        });
        let skipped = report
            .skipped
            .iter()
            .map(|it| json!({ "sensor": it.sensor.name(), "file": it.file, "why": it.why.to_string() }));
        json!({
            "applied": applied.collect::<Vec<_>>(),
            "not_applied": skipped.collect::<Vec<_>>(),
            "uncalibrated": report.uncalibrated.iter().map(|sensor| sensor.name()).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CO2: &str = "[calibration]\nsensor = \"co2\"\nserial = \"77\"\nversion = 4\nvalid_from = 2026-01-01\n\
                       valid_until = 2026-12-31\nmethod = \"outdoor baseline\"\nsource = \"425 ppm\"\n[values]\n\
                       offset_ppm = -18\n";

    /// A folder with these files, and a configuration that names it.
    fn agent(files: &[(&str, &[u8])]) -> (tempfile::TempDir, AgentConfig) {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        let mut config = AgentConfig::new("van-01", Path::new("line"), Path::new("spool")).unwrap();
        config.calibration.folder = folder.path().to_owned();
        (folder, config)
    }

    fn day(month: u8) -> Date {
        Date::new(2026, month, 1).unwrap()
    }

    #[test]
    fn the_folder_goes_into_the_profile() {
        let expired = CO2.replace("2026-", "2025-").replace("version = 4", "version = 3");
        let files = [
            ("co2-4.toml", CO2.as_bytes()),
            ("co2-3.toml", expired.as_bytes()),
            (".co2-4.toml", b"an editor's copy"),
            ("notes.txt", b"not TOML"),
        ];
        let (folder, mut config) = agent(&files);
        fs::create_dir(folder.path().join("old.toml")).unwrap();
        config.calibrate(day(3)).unwrap();
        assert_eq!(config.profile.air.co2_offset_ppm, -18.0);
        let json = config.calibration_json();
        assert_eq!(json["applied"][0]["version"], 4);
        assert_eq!(json["not_applied"][0]["why"], "held until 2025-12-31");
        assert_eq!(json["uncalibrated"].as_array().map(Vec::len), Some(8));
    }

    #[test]
    fn without_a_folder_nothing_is_read_and_with_a_missing_one_nothing_starts() {
        let mut config = AgentConfig::new("van-01", Path::new("line"), Path::new("spool")).unwrap();
        config.calibrate(day(3)).unwrap();
        assert_eq!(config.calibrated, CalibrationReport::default());
        config.calibration.folder = PathBuf::from("/nowhere/at/all");
        let message = config.calibrate(day(3)).unwrap_err().to_string();
        assert!(message.starts_with("calibration.folder: cannot read /nowhere/at/all: "), "{message}");
    }

    #[test]
    fn what_is_wrong_names_its_file_and_leaves_the_profile_as_it_was() {
        let wrong = CO2.replace("-18", "-1800");
        let large = format!("# {}\n{CO2}", "x".repeat(FILE_BYTES_MAX));
        for (bytes, expected) in [
            (wrong.as_bytes(), "b.toml: values.offset_ppm = -1800 is not accepted: a number from -300 to 300"),
            (large.as_bytes(), "b.toml: 16385 bytes are too many"),
            (b"\xff\xfe".as_slice(), "b.toml: stream did not contain valid UTF-8"),
            (CO2.as_bytes(), "a.toml and "),
        ] {
            let (_folder, mut config) = agent(&[("a.toml", CO2.as_bytes()), ("b.toml", bytes)]);
            let before = config.profile.clone();
            let message = config.calibrate(day(3)).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert_eq!(config.profile, before);
        }
    }

    #[test]
    fn too_many_files_are_refused() {
        let (folder, mut config) = agent(&[]);
        for number in 0..=FILES_MAX {
            fs::write(folder.path().join(format!("{number}.toml")), "").unwrap();
        }
        let message = config.calibrate(day(3)).unwrap_err().to_string();
        assert!(message.contains("more than 500 calibration files"), "{message}");
    }

    #[test]
    fn a_configuration_file_is_calibrated_for_today() {
        let (folder, _) = agent(&[("co2.toml", CO2.replace("-18", "-1800").as_bytes())]);
        let path = folder.path().join("agent.conf");
        let text = format!(
            "box_id = \"van-01\"\n[serial]\npath = \"x\"\n[spool]\npath = \"y\"\n[calibration]\nfolder = {:?}\n",
            folder.path()
        );
        fs::write(&path, text).unwrap();
        // Whatever today is: a file that is wrong is refused on every day.
        let message = AgentConfig::from_file(&path).unwrap_err().to_string();
        assert!(message.contains("values.offset_ppm"), "{message}");
        assert!(today() > Date::EPOCH, "the clock of this machine is not set");
    }
}
