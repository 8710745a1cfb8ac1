//! Partners' real recordings through the program: every row stored or refused with a reason, and nothing twice.
//!
//! The recordings may not ship with the repository. Where they are absent these tests say so and check nothing; the importer's own
//! tests run on files of the same form.

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tournee_tests::{binary, shared_data, workspace_root};

/// A recording, or a line that says what was not tested.
fn recording(path: &str) -> Option<PathBuf> {
    let file = shared_data().map(|folder| folder.join(path)).filter(|file| file.is_file());
    if file.is_none() {
        println!("SKIPPED: {path} is not here; set TOURNEE_SHARED_DATA to the folder of recordings");
    }
    file
}

fn import(file: &Path, stream: &str, mapping: &str, motion: Option<&Path>, data: &Path) -> Result<String> {
    let mut command = Command::new(binary("tournee")?);
    command.args(["import", "samples", "--stream", stream, "--mapping"]);
    command.arg(workspace_root().join("mappings").join(mapping)).arg("--data").arg(data).arg(file);
    if let Some(motion) = motion {
        command.arg("--motion").arg(motion);
    }
    let output = command.stdin(Stdio::null()).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn report(data: &Path, source: &str) -> Result<Value> {
    let folder = data.join("imports");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(source)));
    let file = files.pop().with_context(|| format!("no report of {source} in {}", folder.display()))?;
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

fn rows(data: &Path, table: &str) -> Result<u64> {
    let output = Command::new(binary("tournee")?)
        .args(["sql", "--format", "json", &format!("SELECT count(*) AS n FROM {table}"), "--data"])
        .arg(data)
        .output()?;
    let rows: Value = serde_json::from_slice(&output.stdout)?;
    rows[0]["n"].as_u64().context("a count")
}

fn adds_up(report: &Value) -> Result<()> {
    let refused: u64 = report["refused"].as_object().context("refused")?.values().filter_map(Value::as_u64).sum();
    assert_eq!(report["rows"].as_u64(), report["stored"].as_u64().map(|stored| stored + refused), "{report}");
    Ok(())
}

#[test]
fn the_cork_drives_come_in_once() -> Result<()> {
    let Some(file) = recording("signal/ucc_5g_cork_driving.csv.gz") else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    println!("{}", import(&file, "mobile", "cork-gnettrack.toml", None, &data)?);
    let first = report(&data, "import-cork-gnettrack")?;
    adds_up(&first)?;
    assert_eq!(first["rows"], 65_815);
    assert_eq!(first["refused"]["repeated_second"], 4_960);
    assert_eq!(Some(rows(&data, "mobile")?), first["stored"].as_u64());
    import(&file, "mobile", "cork-gnettrack.toml", None, &data)?;
    assert_eq!(Some(rows(&data, "mobile")?), first["stored"].as_u64(), "the same file again must store nothing");
    Ok(())
}

#[test]
fn a_recorded_drive_becomes_road_windows() -> Result<()> {
    let Some(file) = recording("road_surface/comma2k19_example1_accelerometer.csv.gz") else { return Ok(()) };
    let motion = file.with_file_name("comma2k19_example1_gnss_ublox.csv.gz");
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    println!("{}", import(&file, "road", "comma2k19.toml", Some(&motion), &data)?);
    let report = report(&data, "import-comma2k19")?;
    adds_up(&report)?;
    assert_eq!(report["rows"], 6_256);
    assert_eq!(Some(rows(&data, "road")?), report["samples"].as_u64());
    assert!(rows(&data, "road")? >= 40, "a minute on the road is more than that: {report}");
    Ok(())
}
