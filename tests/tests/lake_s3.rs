//! A lake in a bucket, as processes: a real agent and broker, a worker with `--lake s3://…` that is killed in mid-drive, maintenance
//! beside it, the proof and an outside reader at the end. The store is moto's S3 server.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;
use tournee_tests::road::{Road, count, generated, twin};
use tournee_tests::{Running, binary, free_port, python, wait_until};
use tournee_twin::port::TwinPort;

const BUCKET: &str = "tournee-lake";
const LAKE: &str = "s3://tournee-lake/town";
const DRIVE_S: u32 = 900;
/// Longest wait for a process to be ready, and for the end of an agent that has to deliver everything first.
const READY: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(240);

/// The bucket's server.
struct Store {
    port: u16,
    _server: Running,
}

impl Store {
    fn start(road: &Road) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(python()?);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let server = Running::start("store", road.folder(), &mut command)?;
        let store = Self { port, _server: server };
        wait_until("the store", READY, || store.make_bucket().ok().filter(|made| *made))?;
        Ok(store)
    }

    fn make_bucket(&self) -> Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(
            stream,
            "PUT /{BUCKET} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.port
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    }

    /// A program that finds the store by the usual variables.
    fn client(&self, mut command: Command) -> Command {
        command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "eu-west-3")]);
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)).env("AWS_ALLOW_HTTP", "true");
        command
    }

    fn tournee(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("tournee")?);
        command.args(arguments).args(["--lake", LAKE]).env("TOURNEE_LOG", "info");
        Ok(self.client(command))
    }

    fn worker(&self, road: &Road) -> Result<Running> {
        let data = road.path("data").display().to_string();
        let port = road.mqtt_port().to_string();
        let arguments = ["ingest", "--commit-s", "0.5", "--mqtt-port", &port, "--data", &data];
        Running::start("ingest", road.folder(), &mut self.tournee(&arguments)?)
    }

    /// One JSON object of a command that must end well.
    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.tournee(arguments)?.stdin(Stdio::null()).output()?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{arguments:?}: {out}{err}");
        serde_json::from_str(out.lines().last().unwrap_or_default())
            .with_context(|| format!("{arguments:?}: {out}{err}"))
    }
}

#[test]
fn a_lake_in_a_bucket_takes_everything_though_its_worker_is_killed_and_maintained() -> Result<()> {
    let road = Road::new(binary("edge-agent")?, None)?;
    let store = Store::start(&road)?;
    let broker = road.broker()?;
    let mut worker = Some(store.worker(&road)?);
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &road.path("spool.db"), 200, "reconnect_most_s = 1\nwatermark_timeout_s = 2\n", "")?;
    let agent = road.agent("agent", true)?;
    let mut twin = twin(DRIVE_S, 0)?;
    // The box drives in January 2026: by the calendar it would leave at once.
    let compact = ["lake", "maintain", "--once", "--settle", "1s", "--hot-files", "2", "--raw-days", "never", "--json"];
    let (mut second, mut outcome) = (0, Ok(()));
    port.pump(&mut twin, |_| {
        second += 1;
        if outcome.is_ok() && second % 300 == 0 {
            outcome = (|| {
                worker.take().context("a worker")?.kill()?;
                worker = Some(store.worker(&road)?);
                store.json(&compact).map(|_| ())
            })();
        }
    })?;
    outcome?;
    let log = agent.output();
    let status = agent.wait(END)?;
    ensure!(status.success(), "the agent: {status}\n{log}");
    let report = road.report()?;
    let maintained = store.json(&compact)?;
    let prove = ["lake", "check", "--json"];
    let check = store.json(&prove)?;
    let made = generated(&report)?;
    println!("generated {made}; {check}; {maintained}");
    ensure!(made > 1_000, "the drive did not happen: {report}");
    // Gap records are no samples; the vehicle had no reason to give anything up.
    ensure!(count(&report, "gaps")? == 0 && count(&report, "pending")? == 0, "{report}");
    ensure!(check["holds"] == true && check["stored"] == made && check["duplicates"] == 0, "{made}: {check}");

    // The reader's threads may outlive the interpreter and abort it at its end: it leaves at once.
    let script = format!(
        "import os\nfrom deltalake import DeltaTable\nt = DeltaTable('{LAKE}/track').to_pyarrow_table(columns=['box_id', 'epoch', 'seq'])\n\
         keys = set(zip(*[t.column(name).to_pylist() for name in t.column_names]))\nprint(t.num_rows, len(keys), flush=True)\nos._exit(0)"
    );
    let mut reader = Command::new(python()?);
    reader.args(["-c", &script]);
    let output = store.client(reader).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let (rows, keys) = said.trim().split_once(' ').context("two numbers")?;
    ensure!(rows == keys && rows.parse::<u64>()? > 100, "an outside reader sees {rows} rows of {keys} keys");

    // What retention takes out of a bucket is still proved.
    store.json(&["lake", "maintain", "--once", "--raw-days", "30", "--json"])?;
    let check = store.json(&prove)?;
    ensure!(check["holds"] == true && check["expired"] == made && check["stored"] == 0, "{made}: {check}");
    ensure!(worker.context("a worker")?.terminate(READY)?.success(), "the worker did not end well");
    broker.kill()
}
