//! The real agent on a serial line: a twin box at its default rates (400 Hz of acceleration), Debian's Mosquitto, a lake in
//! memory that answers.

use crate::consumer::Consumer;
use crate::road::{BOX_ID, Road, count, generated, twin};
use crate::used::Used;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tournee_twin::TwinBox;
use tournee_twin::port::TwinPort;

/// Seconds of drive that are not measured: connecting, first fix, the file system's first blocks.
const WARM_S: u32 = 60;
/// Longest wait for what has to come.
const SOON: Duration = Duration::from_secs(120);

/// A drive, measured from its second minute to its last second.
#[derive(Clone, Copy, Debug)]
pub struct Drive {
    /// Seconds of drive that were measured, and the real time that they took.
    pub drive_s: f64,
    /// See `drive_s`.
    pub took_s: f64,
    /// Frames of the whole drive, all of them read.
    pub frames: u64,
    /// Samples of the whole drive.
    pub samples: u64,
    /// Payload of the whole drive, bytes.
    pub payload_bytes: u64,
    /// Processor time per second of drive, seconds.
    pub cpu_share: f64,
    /// Bytes sent to the block layer per hour of drive, and per byte of payload.
    pub written_per_hour: f64,
    /// See `written_per_hour`.
    pub written_per_payload: f64,
    /// Memory at the end.
    pub used: Used,
}

/// How to drive.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `edge-agent`.
    pub program: PathBuf,
    /// Where the spool lies: on a disk.
    pub folder: PathBuf,
    /// Seconds of drive.
    pub seconds: u32,
    /// Seconds of drive per second.
    pub speed: f64,
}

impl Plan {
    /// A commit for each second of drive, as at real time, whatever the speed.
    fn commit_interval_ms(&self) -> u64 {
        ((1_000.0 / self.speed).round() as u64).clamp(10, 1_000)
    }
}

/// Drives and measures.
///
/// # Errors
/// A part does not start, or something was lost: a measurement of that means nothing.
pub fn drive(plan: &Plan) -> Result<Drive> {
    let road = Road::new(plan.program.clone(), Some(&plan.folder))?;
    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &road.path("spool.db"), plan.commit_interval_ms(), "", "")?;
    let agent = road.agent("agent", true)?;
    let id = agent.id();
    let mut twin = twin(plan.seconds, 0)?;
    let (mut second, mut marks) = (0, Vec::new());
    let started = Instant::now();
    port.pump(&mut twin, |_| {
        second += 1;
        let due = Duration::from_secs_f64(f64::from(second) / plan.speed);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        if second == WARM_S || second == plan.seconds {
            marks.push((Instant::now(), Used::of(id)));
        }
    })?;
    let log = agent.output();
    ensure!(agent.wait(SOON)?.success(), "the agent ended badly:\n{log}");
    let report = road.report()?;
    let holdings = consumer.holdings();
    whole(&report, &twin, &consumer)?;
    let mut marks = marks.into_iter();
    let (begun_at, begun) = marks.next().context("the drive is too short")?;
    let (ended_at, ended) = marks.next().context("the drive is too short")?;
    let (begun, ended) = (begun?, ended?);
    let drive_s = f64::from(plan.seconds - WARM_S);
    let written = (ended.written_bytes - begun.written_bytes) as f64;
    broker.kill()?;
    Ok(Drive {
        drive_s,
        took_s: ended_at.duration_since(begun_at).as_secs_f64(),
        frames: twin.counters().frames_sent,
        samples: generated(&report)?,
        payload_bytes: holdings.bytes,
        cpu_share: (ended.cpu_s - begun.cpu_s) / drive_s,
        written_per_hour: written / drive_s * 3_600.0,
        written_per_payload: written / (holdings.bytes as f64 * drive_s / f64::from(plan.seconds)),
        used: ended,
    })
}

/// Every frame was read and every sample is there.
fn whole(report: &Value, twin: &TwinBox, consumer: &Consumer) -> Result<()> {
    let sent = twin.counters().frames_sent;
    ensure!(count(report, "frames_ok")? == sent && count(report, "frames_lost")? == 0, "{sent} frames sent, {report}");
    let (account, generated) = (consumer.holdings().account(), generated(report)?);
    ensure!(account.stored == generated && account.duplicates == 0, "{generated} generated, {account:?}");
    Ok(())
}

/// From the start of the process in the middle of a drive, real time.
#[derive(Clone, Copy, Debug)]
pub struct StartUp {
    /// To the first answer on its status socket, seconds.
    pub answers_s: f64,
    /// To the first committed sample, seconds.
    pub stored_s: f64,
}

/// Starts the agent while a box that has been on for a minute speaks in real time. A spool that is there is used.
///
/// # Errors
/// A part does not start, or no sample comes.
pub fn start_up(program: &Path, folder: &Path) -> Result<StartUp> {
    const SPEAKS_S: u32 = 20;
    let road = Road::new(program.to_owned(), Some(folder))?;
    let spool = road.path("spool.db");
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &spool, 1_000, "", "")?;
    let mut twin = twin(WARM_S + SPEAKS_S, 0)?;
    let mut unheard = Vec::new();
    for _ in 0..WARM_S {
        twin.next_second(&mut unheard).context("a box that speaks")?;
    }
    let started = Instant::now();
    let agent = road.spawn_agent("agent", &[], false)?;
    std::thread::scope(|scope| -> Result<StartUp> {
        let speaking = scope.spawn(move || {
            let mut second = 0;
            port.pump(&mut twin, |_| {
                second += 1;
                std::thread::sleep(Duration::from_secs(second).saturating_sub(started.elapsed()));
            })
        });
        let mut answers_s = None;
        let stored_s = loop {
            if let Ok(status) = road.status(&spool) {
                answers_s.get_or_insert_with(|| started.elapsed().as_secs_f64());
                let streams = status["streams"].as_object().context("streams")?;
                if streams.values().any(|stream| stream["generated"].as_u64() > Some(0)) {
                    break started.elapsed().as_secs_f64();
                }
            }
            ensure!(started.elapsed() < SOON, "no sample within {SOON:?}:\n{}", agent.output());
            std::thread::sleep(Duration::from_millis(2));
        };
        match speaking.join() {
            Ok(spoke) => spoke?,
            Err(_) => anyhow::bail!("the box's thread failed"),
        }
        ensure!(agent.terminate(SOON)?.success(), "the agent does not stop");
        Ok(StartUp { answers_s: answers_s.context("no answer")?, stored_s })
    })
}
