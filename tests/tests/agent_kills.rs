//! The edge agent is killed (SIGKILL) two hundred times at random moments of a drive: a twin box on a real pseudo-terminal,
//! Debian's Mosquitto, `tournee ingest`. At the end stored + gaps = generated, nothing is there twice, and what every kill
//! cost was counted, in frames, by the agent after it, and lies within the stated exposure.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tournee_tests::{Running, binary, free_port, mosquitto, wait_until};

const KILLS: usize = 200;
const ROUNDS: u32 = 2;
/// Two rounds of a good 25 minutes in about two minutes.
const SPEED: f64 = 24.0;
/// The exposure as it is configured, at this speed almost five seconds of the box.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);
/// What the box said in this time was not committed yet when the kill came: the interval, and what the disk and a machine
/// full of other work may add to it. The issue allows one second.
const EXPOSURE: Duration = Duration::from_millis(1_000);
/// Rows are made of frames of the last seconds, and the position on the line stands that far behind them: `COLLECT_US` of
/// the agent's `progress.rs`, a second that is being sent, and a row that waits for the next fix. Seconds of the box.
const HELD_S: f64 = 6.0;
/// What waits in a pseudo-terminal while nobody reads comes at once: the front buffer and the queue behind it, bytes.
const LINE_BYTES: f64 = 4_096.0 + 65_536.0;

/// The place of the drive.
struct Road {
    folder: tempfile::TempDir,
    mqtt_port: u16,
}

impl Road {
    fn new() -> Result<Self> {
        let road = Self { folder: tempfile::tempdir()?, mqtt_port: free_port()? };
        fs::write(
            road.path("mosquitto.conf"),
            format!(
                "listener {} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 1000000\n\
                 max_queued_bytes 4294967296\nmessage_size_limit 262144\nset_tcp_nodelay true\npersistence false\n",
                road.mqtt_port
            ),
        )?;
        // The privacy trim holds the last 300 m back in memory and would hide what the spool costs.
        fs::write(
            road.path("agent.toml"),
            format!(
                "box_id = \"twin-0\"\n[serial]\npath = \"{}\"\n[spool]\npath = \"{}\"\ncommit_interval_ms = {}\n[mqtt]\n\
                 host = \"127.0.0.1\"\nport = {}\nwatermark_timeout_s = 3\n[profile.trim]\nfirst_m = 0.0\nlast_m = 0.0\n",
                road.path("box").display(),
                road.path("spool.db").display(),
                COMMIT_INTERVAL.as_millis(),
                road.mqtt_port
            ),
        )?;
        Ok(road)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, name: &str, program: &Path, arguments: &[&str], path: Option<&str>) -> Result<Running> {
        let mut command = Command::new(program);
        command.args(arguments).args(path.map(|name| self.path(name)));
        Running::start(name, self.folder.path(), &mut command)
    }

    fn agent(&self, nth: usize) -> Result<Running> {
        let report = self.path("report.json");
        if report.exists() {
            fs::remove_file(&report)?;
        }
        let mut command = Command::new(binary("edge-agent")?);
        command.arg("--finish-on-eof").arg("--config").arg(self.path("agent.toml")).arg("--report").arg(report);
        Running::start(&format!("agent-{nth}"), self.folder.path(), &mut command)
    }

    fn report(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(self.path("report.json")).context("no report of the agent")?)?)
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
}

/// Xorshift, seeded by the clock: every run kills at other moments. The seed is printed; TOURNEE_KILL_SEED repeats it.
struct Dice(u64);

impl Dice {
    fn new() -> Result<Self> {
        let seed = match std::env::var("TOURNEE_KILL_SEED") {
            Ok(seed) => seed.parse()?,
            Err(_) => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos() as u64,
        };
        println!("TOURNEE_KILL_SEED={seed}");
        Ok(Self(seed | 1))
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(from + self.0 % (to - from))
    }
}

/// The numbers in a line such as "drove 12 m, sent 34 frames, 56 bytes".
fn numbers(line: &str) -> Vec<f64> {
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

fn count(report: &Value, key: &str) -> Result<u64> {
    report[key].as_u64().with_context(|| format!("{key} in {report}"))
}

#[test]
fn two_hundred_kills_of_the_agent_cost_what_is_stated_and_counted() -> Result<()> {
    let road = Road::new()?;
    let started = Instant::now();
    let broker = road.start("mosquitto", &mosquitto()?, &["-c"], Some("mosquitto.conf"))?;
    let tournee = binary("tournee")?;
    let mqtt_port = road.mqtt_port.to_string();
    let ingest = ["ingest", "--commit-s", "0.5", "--mqtt-port", &mqtt_port, "--data"];
    let ingest = road.start("ingest", &tournee, &ingest, Some("data"))?;
    let (rounds, speed) = (ROUNDS.to_string(), SPEED.to_string());
    let twin = ["twin", "--rounds", &rounds, "--speed", &speed, "--vehicle", "0", "--port"];
    let mut twin = road.start("twin", &tournee, &twin, Some("box"))?;
    let line = road.path("box");
    wait_until("the pseudo-terminal of the twin", Duration::from_secs(30), || line.exists().then_some(()))?;

    let mut dice = Dice::new()?;
    let mut costs = Vec::new();
    // Kills whose cost the next agent that hears a frame and can tell will count.
    let mut uncounted = 0;
    for nth in 0..KILLS {
        let agent = road.agent(nth * 2)?;
        std::thread::sleep(dice.millis(20, 400));
        agent.kill().with_context(|| format!("kill {nth}"))?;
        uncounted += 1;
        ensure!(twin.is_alive(), "the drive was over after {nth} kills: drive slower\n{}", twin.output());

        // The next one is told to stop, loses nothing, and says what was missing when it came.
        let next = road.agent(nth * 2 + 1)?;
        wait_until("the agent to open the line", Duration::from_secs(20), || {
            next.output().contains("serial line open").then_some(())
        })?;
        std::thread::sleep(dice.millis(40, 120));
        let log = next.output();
        let status = next.terminate(Duration::from_secs(20))?;
        ensure!(status.success(), "agent after kill {nth}: {status}\n{log}");
        let report = road.report()?;
        ensure!(report["set_aside"].is_null(), "a kill does not damage the spool: {report}");
        if count(&report, "frames_ok")? > 0 {
            costs.push((uncounted, count(&report, "frames_lost")?));
            uncounted = 0;
        }
    }
    let killing = started.elapsed();

    let last = road.agent(KILLS * 2)?;
    ensure!(twin.wait(Duration::from_secs(300))?.success(), "the twin ended with an error");
    let log = last.output();
    let status = last.wait(Duration::from_secs(120))?;
    ensure!(status.success(), "the last agent: {status}\n{log}");
    let report = road.report()?;
    costs.push((uncounted, count(&report, "frames_lost")?));

    let streams = report["generated"].as_object().context("generated by stream")?;
    let generated: u64 =
        streams.iter().filter(|(name, _)| name.as_str() != "gap").filter_map(|(_, count)| count.as_u64()).sum();
    let check = road.check()?;
    let twin_said = fs::read_to_string(road.path("twin.log"))?;
    let drove = twin_said.lines().find(|line| line.starts_with("drove ")).context("what the twin drove")?;
    let [_, sent, bytes] = numbers(drove)[..] else { anyhow::bail!("not what the twin drove: {drove}") };
    let drive_s: i64 = tournee_twin::demo_plan(0, ROUNDS).rounds.iter().map(|round| i64::from(round.duration_s)).sum();
    let frames_per_s = sent / drive_s as f64;
    let bound = frames_per_s * (EXPOSURE.as_secs_f64() * SPEED + HELD_S) + LINE_BYTES * sent / bytes;

    let lost: u64 = costs.iter().map(|(_, frames)| frames).sum();
    let most = costs.iter().map(|(kills, frames)| *frames as f64 / f64::from((*kills).max(1))).fold(0.0, f64::max);
    let free = costs.iter().filter(|(_, frames)| *frames == 0).count();
    println!(
        "{KILLS} kills in {:.0} s, all {:.0} s; the box sent {sent} frames ({frames_per_s:.1} in each of its seconds); counted as \
         lost {lost}: {:.1} a kill, at most {most:.0} (bound {bound:.0}), {free} kills free of cost; generated {generated}; {check}",
        killing.as_secs_f64(),
        started.elapsed().as_secs_f64(),
        lost as f64 / KILLS as f64
    );
    for (kills, frames) in &costs {
        ensure!(*frames as f64 <= bound * f64::from((*kills).max(1)), "{frames} frames by {kills} kills: {costs:?}");
    }
    ensure!(lost > 0, "not one of {KILLS} kills cost anything: they did not hit");
    ensure!((lost as f64) < sent / 2.0, "most of the drive is lost");
    ensure!(count(&report, "pending")? == 0 && count(&report, "old_copies")? == 0, "{report}");
    ensure!(generated > 1_000, "only {generated} samples: the drive did not happen");
    ensure!(count(&check, "stored")? + count(&check, "gaps")? == generated, "generated {generated}, but {check}");
    ensure!(count(&check, "duplicates")? == 0, "{check}");
    ensure!(count(&check, "missing")? == 0, "{check}");
    ensure!(ingest.terminate(Duration::from_secs(20))?.success(), "ingest did not stop cleanly");
    broker.kill()
}
