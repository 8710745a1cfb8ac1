//! The chain of the whole road with one box on an emulated microcontroller among its twins: `tournee twin` (one with
//! `--firmware`), `edge-agent`, Debian's Mosquitto, `tournee ingest`; every sample of every box ends in the lake.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tournee_tests::{Running, binary, firmware, free_port, mosquitto, wait_until};

/// How long the emulated box drives, in real time.
const DRIVE: Duration = Duration::from_secs(45);
const END: Duration = Duration::from_secs(120);

struct Road {
    folder: tempfile::TempDir,
    port: u16,
}

impl Road {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, name: &str, command: &mut Command) -> Result<Running> {
        Running::start(name, self.folder.path(), command)
    }

    fn twin(&self, vehicle: u32, firmware: Option<PathBuf>) -> Result<Running> {
        let mut command = Command::new(binary("tournee")?);
        command.args(["twin", "--rounds", "1", "--vehicle", &vehicle.to_string(), "--port"]);
        command.arg(self.path(&format!("box-{vehicle}")));
        match firmware {
            Some(image) => command.arg("--firmware").arg(image),
            None => command.args(["--speed", "40"]),
        };
        let twin = self.start(&format!("twin-{vehicle}"), &mut command)?;
        let port = self.path(&format!("box-{vehicle}"));
        wait_until("the line of a twin", Duration::from_secs(30), || port.exists().then_some(()))?;
        Ok(twin)
    }

    fn agent(&self, vehicle: u32) -> Result<Running> {
        let config = self.path(&format!("agent-{vehicle}.toml"));
        // Nothing is trimmed: the emulated box does not come 600 m far in this test.
        fs::write(
            &config,
            format!(
                "box_id = \"van-{vehicle}\"\n[serial]\npath = \"{}\"\n[spool]\npath = \"{}\"\n[mqtt]\nport = {}\n\
                 watermark_timeout_s = 3\n[profile.trim]\nfirst_m = 0.0\nlast_m = 0.0\n",
                self.path(&format!("box-{vehicle}")).display(),
                self.path(&format!("spool-{vehicle}.db")).display(),
                self.port
            ),
        )?;
        self.start(
            &format!("agent-{vehicle}"),
            Command::new(binary("edge-agent")?)
                .arg("--config")
                .arg(config)
                .arg("--finish-on-eof")
                .arg("--report")
                .arg(self.path(&format!("report-{vehicle}.json"))),
        )
    }

    fn tournee(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new(binary("tournee")?)
            .args(arguments)
            .arg("--data")
            .arg(self.path("data"))
            .stdin(Stdio::null())
            .output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

#[test]
fn an_emulated_box_among_twins_reaches_the_lake_whole() -> Result<()> {
    let image = firmware("tournee-box-qemu")?;
    let road = Road { folder: tempfile::tempdir()?, port: free_port()? };
    fs::write(
        road.path("mosquitto.conf"),
        format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 100000\n\
             message_size_limit 262144\npersistence false\n",
            road.port
        ),
    )?;
    let broker = road.start("mosquitto", Command::new(mosquitto()?).arg("-c").arg(road.path("mosquitto.conf")))?;
    let ingest = road.start(
        "ingest",
        Command::new(binary("tournee")?)
            .args(["ingest", "--commit-s", "0.5", "--mqtt-port", &road.port.to_string(), "--data"])
            .arg(road.path("data")),
    )?;
    let emulated = road.twin(0, Some(image))?;
    let twins = [road.twin(1, None)?, road.twin(2, None)?];
    let agents: Vec<Running> = (0..3).map(|vehicle| road.agent(vehicle)).collect::<Result<_>>()?;
    std::thread::sleep(DRIVE);
    // The round is over: the box is switched off, the agent sees the end of its line.
    let said = emulated.output();
    ensure!(emulated.terminate(END)?.success(), "the emulated box did not end cleanly: {said}");
    for twin in twins {
        ensure!(twin.wait(END)?.success(), "a twin failed");
    }
    let mut generated = 0;
    for (vehicle, agent) in (0..3).zip(agents) {
        let log = agent.output();
        ensure!(agent.wait(END)?.success(), "agent {vehicle}: {log}");
        let report: Value = serde_json::from_slice(&fs::read(road.path(&format!("report-{vehicle}.json")))?)?;
        println!(
            "{vehicle}: {} samples, {} frames, {} bad, {} lost, {}",
            report["generated_samples"],
            report["frames_ok"],
            report["frames_bad"],
            report["frames_lost"],
            report["box"]["board"]
        );
        generated += report["generated_samples"].as_u64().context("generated_samples")?;
        if vehicle == 0 {
            ensure!(report["box"]["board"] == "mps2-an386", "{report}");
            ensure!(report["frames_bad"] == 0 && report["frames_lost"] == 0, "{report}");
        }
    }
    let check = road.tournee(&["check", "--json"])?;
    println!("{check}");
    let count = |key: &str| check[key].as_u64().with_context(|| format!("{key} in {check}"));
    ensure!(count("stored")? + count("gaps")? == generated, "generated {generated}, but {check}");
    ensure!(count("duplicates")? == 0 && count("quarantined")? == 0 && count("missing")? == 0, "{check}");

    // What the emulated box measured stands in every table that it can feed; the modem hangs on the Linux side.
    for table in ["air", "track", "thermal", "health"] {
        let query = format!("SELECT count(*) AS n FROM {table} WHERE box_id = 'van-0'");
        let rows = road.tournee(&["sql", "--format", "json", &query])?;
        let rows = rows[0]["n"].as_u64().with_context(|| format!("{table}: {rows}"))?;
        println!("{table}: {rows} rows of the emulated box");
        ensure!(rows > 0, "{table} has no row of the emulated box");
    }
    let air = road.tournee(&[
        "sql",
        "--format",
        "json",
        "SELECT count(pm25_ugm3) AS pm, count(co2_ppm) AS co2, count(no2_ugm3) AS no2, count(lat_deg) AS placed FROM air WHERE box_id = 'van-0'",
    ])?;
    println!("{air}");
    for column in ["pm", "co2", "no2", "placed"] {
        ensure!(air[0][column].as_u64().is_some_and(|count| count > 5), "{column}: {air}");
    }
    ensure!(ingest.terminate(Duration::from_secs(20))?.success(), "ingest did not stop cleanly");
    broker.kill()
}
