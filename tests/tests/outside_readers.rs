//! Python's deltalake and DuckDB read the tables while real vehicles' rows are stored and maintenance runs: every version that they
//! see is whole.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tournee_tests::{Running, binary, free_port, mosquitto, python, wait_until, workspace_root};

const VEHICLES: u32 = 2;
const DRIVE: Duration = Duration::from_secs(300);
/// Files that were replaced stay readable this long: longer than one look of a reader on a busy machine.
const HISTORY: &str = "45s";

struct Place {
    folder: tempfile::TempDir,
    port: u16,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, name: &str, command: &mut Command) -> Result<Running> {
        Running::start(name, self.folder.path(), command)
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }
}

#[test]
fn every_version_that_others_read_is_whole() -> Result<()> {
    let python = match python() {
        Ok(python) => python,
        Err(error) => {
            println!("SKIPPED: {error}");
            return Ok(());
        }
    };
    let place = Place { folder: tempfile::tempdir()?, port: free_port()? };
    let data = place.path("data");
    fs::write(
        place.path("mosquitto.conf"),
        format!(
            "user root\nlistener {} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n\
             max_queued_messages 1000000\nset_tcp_nodelay true\npersistence false\n",
            place.port
        ),
    )?;
    let broker = place.start("mosquitto", Command::new(mosquitto()?).arg("-c").arg(place.path("mosquitto.conf")))?;
    wait_until("the broker", Duration::from_secs(20), || TcpStream::connect(("127.0.0.1", place.port)).ok())?;
    let port = place.port.to_string();
    let mut ingest = place.start(
        "ingest",
        Command::new(binary("tournee")?)
            .args(["ingest", "--commit-s", "0.5", "--mqtt-port", &port, "--data"])
            .arg(&data),
    )?;
    wait_until("the tables", Duration::from_secs(60), || {
        data.join("lake/track/_delta_log/00000000000000000000.json").is_file().then_some(())
    })
    .with_context(|| ingest.output())?;
    let maintain = place.start(
        "maintain",
        Command::new(binary("tournee")?)
            .args(["lake", "maintain", "--every", "3s", "--json", "--settle", "0s", "--hot-files", "3"])
            .args(["--raw-days", "never", "--history", HISTORY, "--data"])
            .arg(&data),
    )?;
    let stop = place.path("stop");
    let script = workspace_root().join("tests/python/watch_tables.py");
    let reader = place.start("reader", Command::new(python).arg(script).arg(&data).arg(&stop))?;

    let mut twins = Vec::new();
    let mut agents = Vec::new();
    for vehicle in 0..VEHICLES {
        let number = vehicle.to_string();
        let box_port = place.path(&format!("box-{vehicle}"));
        fs::write(
            place.path(&format!("agent-{vehicle}.toml")),
            format!(
                "box_id = \"twin-{vehicle}\"\n[serial]\npath = {box_port:?}\n[spool]\npath = {:?}\ncommit_interval_ms = 200\n\
                 [mqtt]\nhost = \"127.0.0.1\"\nport = {}\nwatermark_timeout_s = 3\n",
                place.path(&format!("spool-{vehicle}.db")),
                place.port
            ),
        )?;
        twins.push(
            place.start(
                &format!("twin-{vehicle}"),
                Command::new(binary("tournee")?)
                    .args(["twin", "--rounds", "1", "--speed", "20", "--vehicle", &number, "--port"])
                    .arg(&box_port),
            )?,
        );
        wait_until("the pseudo-terminal of a twin", Duration::from_secs(60), || box_port.exists().then_some(()))?;
        agents.push(
            place.start(
                &format!("agent-{vehicle}"),
                Command::new(binary("edge-agent")?)
                    .arg("--config")
                    .arg(place.path(&format!("agent-{vehicle}.toml")))
                    .arg("--finish-on-eof"),
            )?,
        );
    }
    for twin in twins {
        ensure!(twin.wait(DRIVE)?.success(), "a twin ended with an error");
    }
    for (vehicle, agent) in agents.into_iter().enumerate() {
        ensure!(agent.wait(DRIVE)?.success(), "{}", place.log(&format!("agent-{vehicle}")));
    }
    ensure!(ingest.is_alive(), "{}", ingest.output());
    fs::write(&stop, "")?;
    let status = reader.wait(DRIVE)?;
    let text = place.log("reader");
    let seen: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).with_context(|| text.clone())?;
    ensure!(maintain.terminate(Duration::from_secs(60))?.success(), "{}", place.log("maintain"));
    ensure!(ingest.terminate(Duration::from_secs(60))?.success(), "{}", place.log("ingest"));
    broker.kill()?;

    let (mut rewrites, mut removed) = (0, 0);
    for run in place.log("maintain").lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        for table in run["tables"].as_array().into_iter().flatten() {
            ensure!(table["error"].is_null(), "{table}");
            rewrites += table["rewrites"].as_u64().unwrap_or(0);
            removed += table["files_removed"].as_u64().unwrap_or(0);
        }
    }
    println!("{rewrites} rewrites, {removed} files removed, readers: {seen}");
    ensure!(status.success(), "{seen}");
    ensure!(rewrites > 5, "maintenance did next to nothing: {rewrites} rewrites");
    ensure!(removed > 5, "no replaced file was removed while others read: {removed}");
    ensure!(seen["looks"].as_u64().is_some_and(|looks| looks > 20), "{seen}");
    ensure!(seen["rows"]["track"].as_u64().is_some_and(|rows| rows > 100), "{seen}");
    let check = Command::new(binary("tournee")?).args(["lake", "check", "--data"]).arg(&data).output()?;
    ensure!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    Ok(())
}
