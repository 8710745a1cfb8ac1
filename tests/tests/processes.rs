//! The whole road as separate processes: twin boxes on pseudo-terminals, `edge-agent`, Debian's Mosquitto, `tournee ingest`,
//! `tournee serve`. Each of ours and the broker is killed in mid-drive and started again; nothing may be lost or doubled.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tournee_tests::{Running, binary, free_port, mosquitto, wait_until};

const VEHICLES: u32 = 2;
/// One round at twenty times real time, and what the kills cost.
const DRIVE: Duration = Duration::from_secs(240);
/// Longest wait for rows of a drive under way.
const GROWTH: Duration = Duration::from_secs(60);

/// One place with a broker port, a lake and two vehicles.
struct Road {
    folder: tempfile::TempDir,
    mqtt_port: u16,
    http_port: u16,
}

impl Road {
    fn new() -> Result<Self> {
        let road = Self { folder: tempfile::tempdir()?, mqtt_port: free_port()?, http_port: free_port()? };
        // In-flight and queue limits as a fleet needs them; the broker's own memory is allowed to be lost.
        fs::write(
            road.path("mosquitto.conf"),
            format!(
                "listener {} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 1000000\n\
                 max_queued_bytes 4294967296\nmessage_size_limit 262144\nset_tcp_nodelay true\npersistence false\n",
                road.mqtt_port
            ),
        )?;
        for vehicle in 0..VEHICLES {
            fs::write(
                road.path(&format!("agent-{vehicle}.toml")),
                format!(
                    "box_id = \"twin-{vehicle}\"\n[serial]\npath = \"{}\"\n[spool]\npath = \"{}\"\ncommit_interval_ms = 200\n\
                     [mqtt]\nhost = \"127.0.0.1\"\nport = {}\nwatermark_timeout_s = 3\n",
                    road.path(&format!("box-{vehicle}")).display(),
                    road.path(&format!("spool-{vehicle}.db")).display(),
                    road.mqtt_port
                ),
            )?;
        }
        Ok(road)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log_folder(&self) -> &Path {
        self.folder.path()
    }

    fn broker(&self) -> Result<Running> {
        Running::start(
            "mosquitto",
            self.log_folder(),
            Command::new(mosquitto()?).arg("-c").arg(self.path("mosquitto.conf")),
        )
    }

    fn ingest(&self) -> Result<Running> {
        Running::start(
            "ingest",
            self.log_folder(),
            Command::new(binary("tournee")?)
                .env("TOURNEE_LOG", "info")
                .args(["ingest", "--commit-s", "0.5", "--mqtt-port", &self.mqtt_port.to_string(), "--data"])
                .arg(self.path("data")),
        )
    }

    fn serve(&self) -> Result<Running> {
        Running::start(
            "serve",
            self.log_folder(),
            Command::new(binary("tournee")?)
                .args(["serve", "--broker", "none", "--refresh-s", "2", "--origin", "simulated"])
                .args(["--http", &format!("127.0.0.1:{}", self.http_port), "--data"])
                .arg(self.path("data")),
        )
    }

    fn twin(&self, vehicle: u32) -> Result<Running> {
        Running::start(
            &format!("twin-{vehicle}"),
            self.log_folder(),
            // Half an hour in a minute and a half: slow enough that every kill falls into the drive.
            Command::new(binary("tournee")?)
                .args(["twin", "--rounds", "1", "--speed", "20", "--vehicle", &vehicle.to_string(), "--port"])
                .arg(self.path(&format!("box-{vehicle}"))),
        )
    }

    fn agent(&self, vehicle: u32) -> Result<Running> {
        Running::start(
            &format!("agent-{vehicle}"),
            self.log_folder(),
            Command::new(binary("edge-agent")?)
                .arg("--config")
                .arg(self.path(&format!("agent-{vehicle}.toml")))
                .arg("--finish-on-eof")
                .arg("--report")
                .arg(self.path(&format!("report-{vehicle}.json"))),
        )
    }

    fn check(&self) -> Result<Value> {
        let output = Command::new(binary("tournee")?)
            .args(["check", "--json", "--data"])
            .arg(self.path("data"))
            .stdin(Stdio::null())
            .output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("no JSON; standard error: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// The end of what every process said, for a failure's message.
    fn logs(&self) -> String {
        let mut logs: Vec<_> =
            fs::read_dir(self.log_folder()).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.sort();
        let tail = |path: &PathBuf| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(8).collect();
            format!("{}:\n  {}", path.display(), lines.into_iter().rev().collect::<Vec<_>>().join("\n  "))
        };
        logs.iter().map(tail).collect::<Vec<_>>().join("\n")
    }

    /// Waits until the server's map has measured sections.
    fn map_shows_measures(&self, after: &str) -> Result<()> {
        let url = "/api/territories/redon/layers/mobile.geojson";
        let features = wait_until(&format!("measured sections on the map after {after}"), GROWTH, || {
            let body = get(self.http_port, url).ok()?;
            let collection: Value = serde_json::from_str(&body).ok()?;
            collection["features"].as_array().map(Vec::len).filter(|features| *features > 0)
        })
        .with_context(|| self.logs())?;
        println!("{features} sections on the map after {after}");
        Ok(())
    }

    fn stored(&self) -> u64 {
        self.check().ok().and_then(|check| check["stored"].as_u64()).unwrap_or(0)
    }
}

/// One plain HTTP GET on loopback.
fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(body.to_owned())
}

#[test]
fn a_kill_of_every_process_in_mid_drive_loses_nothing() -> Result<()> {
    let road = Road::new()?;
    let mut broker = road.broker()?;
    let mut ingest = road.ingest()?;
    let mut serve = road.serve()?;
    let mut driving = Vec::new();
    let twins: Vec<Running> = (0..VEHICLES).map(|vehicle| road.twin(vehicle)).collect::<Result<_>>()?;
    for vehicle in 0..VEHICLES {
        let port = road.path(&format!("box-{vehicle}"));
        wait_until("the pseudo-terminal of a twin", Duration::from_secs(30), || port.exists().then_some(()))?;
    }
    let mut agents = (0..VEHICLES).map(|vehicle| road.agent(vehicle)).collect::<Result<Vec<_>>>()?;

    let mut seen = 0;
    let mut grown = |what: &str| -> Result<()> {
        seen = wait_until(&format!("new rows after {what}"), GROWTH, || {
            let stored = road.stored();
            (stored > seen).then_some(stored)
        })
        .with_context(|| road.logs())?;
        Ok(())
    };
    grown("the start")?;
    ingest.kill()?;
    ingest = road.ingest()?;
    grown("the kill of ingest")?;
    broker.kill()?;
    broker = road.broker()?;
    grown("the kill of the broker")?;
    agents.into_iter().try_for_each(Running::kill)?;
    agents = (0..VEHICLES).map(|vehicle| road.agent(vehicle)).collect::<Result<Vec<_>>>()?;
    grown("the kill of the agents")?;
    road.map_shows_measures("the start")?;
    serve.kill()?;
    serve = road.serve()?;
    road.map_shows_measures("the kill of the server")?;
    for mut twin in twins {
        ensure!(twin.is_alive(), "the drive was over before the last kill: drive slower");
        driving.push(twin);
    }

    for twin in driving {
        ensure!(twin.wait(DRIVE)?.success(), "a twin ended with an error\n{}", road.logs());
    }
    let mut generated = 0;
    for (vehicle, agent) in (0..VEHICLES).zip(agents) {
        let log = agent.output();
        let status = agent.wait(DRIVE)?;
        ensure!(status.success(), "agent {vehicle}: {status}\n{log}");
        let report: Value = serde_json::from_slice(&fs::read(road.path(&format!("report-{vehicle}.json")))?)?;
        let streams = report["generated"].as_object().context("generated by stream")?;
        generated += streams
            .iter()
            .filter(|(stream, _)| stream.as_str() != "gap")
            .filter_map(|(_, count)| count.as_u64())
            .sum::<u64>();
    }
    let check = road.check()?;
    let count = |key: &str| check[key].as_u64().with_context(|| format!("{key} in {check}"));
    println!("generated {generated}; {check}");
    ensure!(generated > 1_000, "only {generated} samples: the drive did not happen");
    ensure!(count("stored")? + count("gaps")? == generated, "generated {generated}, but {check}");
    ensure!(count("duplicates")? == 0, "{check}");
    ensure!(count("missing")? == 0, "{check}");

    ensure!(serve.is_alive(), "{}", serve.output());
    ensure!(ingest.terminate(Duration::from_secs(20))?.success(), "ingest did not stop cleanly");
    ensure!(serve.terminate(Duration::from_secs(20))?.success(), "serve did not stop cleanly");
    broker.kill()
}
