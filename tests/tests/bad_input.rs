//! What users get wrong: each mistake is answered with one line that says what to do, and never with a panic.

use anyhow::{Context, Result};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tournee_tests::{Running, binary, wait_until, workspace_root};

/// Runs `tournee`, expects it to fail, and gives its one line.
fn refused(arguments: &[&str]) -> Result<String> {
    let output = Command::new(binary("tournee")?).args(arguments).stdin(Stdio::null()).output()?;
    let message = String::from_utf8(output.stderr)?;
    assert!(!output.status.success(), "accepted: {arguments:?}");
    assert!(!message.contains("panicked") && !message.contains("RUST_BACKTRACE"), "{message}");
    Ok(message)
}

fn one_line(message: &str) -> &str {
    let lines: Vec<&str> = message.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines.len(), 1, "more than one line:\n{message}");
    lines[0]
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    for command in ["demo", "serve"] {
        let message = refused(&[command, "--data", text(&data)?, "--http", &address])?;
        assert!(one_line(&message).contains(&address), "{message}");
    }
    let message = refused(&["serve", "--data", text(&data)?, "--http", "127.0.0.1:0", "--broker", &address])?;
    assert!(one_line(&message).contains(&address), "{message}");
    Ok(())
}

#[test]
fn a_listener_beyond_loopback_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let message = refused(&["serve", "--data", text(&data)?, "--http", "0.0.0.0:0"])?;
    assert!(one_line(&message).contains("loopback"), "{message}");
    let message = refused(&["serve", "--data", text(&data)?, "--http", "127.0.0.1:0", "--broker", "0.0.0.0:0"])?;
    assert!(one_line(&message).contains("loopback"), "{message}");
    Ok(())
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    let below = file.path().join("data");
    for arguments in [
        vec!["demo", "--once", "--data", text(&below)?],
        vec!["serve", "--http", "127.0.0.1:0", "--broker", "none", "--data", text(&below)?],
        vec!["ingest", "--mqtt-port", "1", "--data", text(&below)?],
    ] {
        let message = refused(&arguments)?;
        assert!(one_line(&message).contains(text(&below)?), "{message}");
    }
    Ok(())
}

#[test]
fn the_demo_does_not_replace_a_folder_that_is_not_its_own() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("thesis.odt"), "irreplaceable")?;
    let message = refused(&["demo", "--once", "--data", text(folder.path())?])?;
    assert!(one_line(&message).contains("not a demo"), "{message}");
    assert!(folder.path().join("thesis.odt").exists());
    Ok(())
}

#[test]
fn what_must_stay_is_not_stored_in_a_demos_folder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join(".tournee-demo"), "")?;
    let data = text(folder.path())?;
    for arguments in [
        vec!["serve", "--http", "127.0.0.1:0", "--broker", "none", "--data", data],
        vec!["ingest", "--mqtt-port", "1", "--data", data],
        vec!["import", "samples", "any.csv", "--stream", "mobile", "--mapping", "any.toml", "--data", data],
    ] {
        assert!(one_line(&refused(&arguments)?).contains("demo"), "{arguments:?}");
    }
    Ok(())
}

#[test]
fn a_demo_stopped_on_its_way_ends_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let mut command = Command::new(binary("tournee")?);
    command.args(["demo", "--once", "--rounds", "60", "--data"]).arg(&data);
    let demo = Running::start("demo", folder.path(), &mut command)?;
    let spool = data.join("spool/twin-0.db");
    wait_until("the fleet to set out", Duration::from_secs(60), || spool.exists().then_some(()))?;
    let output = folder.path().join("demo.log");
    let status = demo.terminate(Duration::from_secs(30))?;
    let message = fs::read_to_string(output)?;
    assert!(!status.success() && message.contains("stopped before the end"), "{status}: {message}");
    Ok(())
}

#[test]
fn a_query_without_a_lake_says_where_it_looked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let message = refused(&["sql", "--data", text(folder.path())?, "SELECT 1 FROM air"])?;
    assert!(message.contains(text(folder.path())?), "{message}");
    Ok(())
}

#[test]
fn a_file_that_is_not_what_it_says_is_refused_by_name() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let mapping = workspace_root().join("mappings/cork-gnettrack.toml");
    let import = |name: &str, bytes: &[u8], mapping: &Path| -> Result<String> {
        let file = folder.path().join(name);
        fs::write(&file, bytes)?;
        let message = refused(&[
            "import",
            "samples",
            text(&file)?,
            "--stream",
            "mobile",
            "--mapping",
            text(mapping)?,
            "--data",
            text(&data)?,
        ])?;
        Ok(one_line(&message).to_owned())
    };
    assert!(import("other.csv", b"a,b,c\n1,2,3\n", &mapping)?.contains("column"));
    import("empty.csv", b"", &mapping)?;
    import("picture.csv", &[0x89, b'P', b'N', b'G', 0, 1, 2, 3, 255, 254], &mapping)?;
    import("cut.csv.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2], &mapping)?;
    let wrong_mapping = folder.path().join("mapping.toml");
    fs::write(&wrong_mapping, "format = 'csv'\nno_such_key = 1\n")?;
    import("any.csv", b"a\n1\n", &wrong_mapping)?;
    Ok(())
}
