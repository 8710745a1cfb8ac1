//! One vehicle with its broker: a twin box on a serial line, the real `edge-agent`, Debian's Mosquitto without a memory.

use crate::process::{Running, wait_until};
use crate::workplace::{free_port, mosquitto};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tournee_twin::{LineNoise, Plan, Round, Town, TwinBox, World};

/// Monday, 2026-01-05, 07:30 UTC, microseconds since 1970.
const START_UTC_US: i64 = 1_767_598_200_000_000;
/// A broker is up well within this.
const BROKER_WITHIN: Duration = Duration::from_secs(20);

/// The box whose agent this is.
pub const BOX_ID: &str = "twin-0";

/// A place for one vehicle.
pub struct Road {
    folder: tempfile::TempDir,
    program: PathBuf,
    mqtt_port: u16,
}

impl Road {
    /// `program` is the `edge-agent`; the folder is made under `parent`, or where the system keeps temporary files.
    ///
    /// # Errors
    /// No folder or no port to be had.
    pub fn new(program: PathBuf, parent: Option<&Path>) -> Result<Self> {
        let folder = parent.map_or_else(tempfile::tempdir, tempfile::tempdir_in)?;
        let road = Self { folder, program, mqtt_port: free_port()? };
        // As root it would become a user who may not read the folder.
        let conf = format!(
            "user root\nlistener {} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n\
             max_queued_messages 1000000\nmax_queued_bytes 4294967296\nmessage_size_limit 262144\n\
             set_tcp_nodelay true\npersistence false\n",
            road.mqtt_port
        );
        fs::write(road.path("mosquitto.conf"), conf)?;
        Ok(road)
    }

    /// A file of this place.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the broker listens, when it runs.
    #[must_use]
    pub fn mqtt_port(&self) -> u16 {
        self.mqtt_port
    }

    /// Starts the broker and waits until it answers.
    ///
    /// # Errors
    /// Not installed, or it does not come up.
    pub fn broker(&self) -> Result<Running> {
        let mut command = Command::new(mosquitto()?);
        let broker = Running::start("mosquitto", self.folder(), command.arg("-c").arg(self.path("mosquitto.conf")))?;
        wait_until("the broker", BROKER_WITHIN, || TcpStream::connect(("127.0.0.1", self.mqtt_port)).ok())?;
        Ok(broker)
    }

    /// Writes the agent's configuration: `line` is the serial line, `spool` the queue, `more` what differs from the defaults
    /// (further tables). The privacy trim is off: it holds the last 300 m back in memory and would hide what the spool costs.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn configure(&self, line: &Path, spool: &Path, commit_interval_ms: u64, mqtt: &str, more: &str) -> Result<()> {
        let text = format!(
            "box_id = \"{BOX_ID}\"\n[serial]\npath = {line:?}\n[spool]\npath = {spool:?}\n\
             commit_interval_ms = {commit_interval_ms}\n[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n{mqtt}\n\
             [profile.trim]\nfirst_m = 0.0\nlast_m = 0.0\n{more}\n",
            self.mqtt_port
        );
        Ok(fs::write(self.path("agent.toml"), text)?)
    }

    /// The command line of the agent. `finish`: it ends with its line, when the lake has everything.
    #[must_use]
    pub fn agent_arguments(&self, finish: bool) -> Vec<PathBuf> {
        let mut arguments = vec![self.program.clone()];
        arguments.extend(finish.then(|| PathBuf::from("--finish-on-eof")));
        arguments.extend(["--config".into(), self.path("agent.toml"), "--report".into(), self.path("report.json")]);
        arguments
    }

    /// Starts the agent and waits until it has opened its line.
    ///
    /// # Errors
    /// It does not start, or ends before.
    pub fn agent(&self, name: &str, finish: bool) -> Result<Running> {
        self.start_agent(name, &[], finish)
    }

    /// As [`Road::agent`], started by another program that becomes it.
    ///
    /// # Errors
    /// As there.
    pub fn start_agent(&self, name: &str, before: &[&str], finish: bool) -> Result<Running> {
        let agent = self.spawn_agent(name, before, finish)?;
        wait_until("the agent to open its line", BROKER_WITHIN, || {
            agent.output().contains("serial line open").then_some(())
        })
        .with_context(|| agent.output())?;
        Ok(agent)
    }

    /// Starts the agent and waits for nothing.
    ///
    /// # Errors
    /// It cannot be started, or an old report cannot be removed.
    pub fn spawn_agent(&self, name: &str, before: &[&str], finish: bool) -> Result<Running> {
        match fs::remove_file(self.path("report.json")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let words = before.iter().map(PathBuf::from).chain(self.agent_arguments(finish)).collect::<Vec<_>>();
        let (program, arguments) = words.split_first().context("a program")?;
        Running::start(name, self.folder(), Command::new(program).args(arguments))
    }

    /// What the agent wrote when it ended.
    ///
    /// # Errors
    /// It wrote none.
    pub fn report(&self) -> Result<Value> {
        let bytes = fs::read(self.path("report.json")).context("the agent left no report")?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// What a running agent says on its status socket, beside the spool.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn status(&self, spool: &Path) -> Result<Value> {
        let mut socket = spool.as_os_str().to_owned();
        socket.push(".sock");
        let mut stream = UnixStream::connect(PathBuf::from(socket))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }
}

/// A twin box that drives one round of so many seconds through a small town, on a line without noise. `round` numbers the
/// rounds of a vehicle: another one has another boot.
///
/// # Errors
/// Never, for this town.
pub fn twin(duration_s: u32, round: u32) -> Result<TwinBox> {
    let world = Arc::new(World::new(3, Town::grid(6, 6, 100.0))?);
    let start_utc_us = START_UTC_US + i64::from(round) * 86_400_000_000;
    let plan = Plan { rounds: vec![Round { start_utc_us, duration_s }] };
    Ok(TwinBox::new(world, 1 + u64::from(round), 0, plan, LineNoise::CLEAN))
}

/// A count of a report.
///
/// # Errors
/// There is none of this name.
pub fn count(report: &Value, key: &str) -> Result<u64> {
    report[key].as_u64().with_context(|| format!("{key} in {report}"))
}

/// Samples of the measuring streams in a report.
///
/// # Errors
/// There are none.
pub fn generated(report: &Value) -> Result<u64> {
    let streams = report["generated"].as_object().context("generated by stream")?;
    let measured = streams.iter().filter(|(name, _)| name.as_str() != "gap").filter_map(|(_, count)| count.as_u64());
    let generated = measured.sum();
    ensure!(generated > 0, "nothing was generated: {report}");
    Ok(generated)
}
