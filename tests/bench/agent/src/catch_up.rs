//! A day without a network, and the way back: how long the real agent takes to deliver what it kept.

use crate::consumer::Consumer;
use crate::road::{BOX_ID, Road, count, generated, twin};
use crate::used::Used;
use anyhow::{Result, ensure};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tournee_twin::port::TwinPort;

/// Longest wait for what has to come.
const END: Duration = Duration::from_secs(1_800);

/// What came of it.
#[derive(Clone, Debug)]
pub struct CatchUp {
    /// Samples that waited.
    pub samples: u64,
    /// Bytes of the queue's files.
    pub file_bytes: u64,
    /// The agent's memory at the end of the day.
    pub used: Used,
    /// Payload, bytes, all of it received once.
    pub payload_bytes: u64,
    /// From the start of the agent to its end, when the lake had everything, seconds.
    pub took_s: f64,
    /// Seconds of drive per second.
    pub speed: f64,
}

/// Drives so many seconds, as fast as the agent reads, with no broker there. Then starts the broker, a lake and the agent
/// again, with nothing new on its line, and `catch_up_bytes_per_s` where it is given.
///
/// # Errors
/// A part does not start, or something is missing.
pub fn catch_up(program: &Path, folder: &Path, day_s: u32, bytes_per_s: Option<u64>) -> Result<CatchUp> {
    let road = Road::new(program.to_owned(), Some(folder))?;
    let spool = road.path("spool.db");
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &spool, 1_000, "", "")?;
    let agent = road.agent("offline", false)?;
    let mut twin = twin(day_s, 0)?;
    let (mut second, mut used) = (0, None);
    port.pump(&mut twin, |_| {
        second += 1;
        if second == day_s {
            used = Some(Used::of(agent.id()));
        }
    })?;
    ensure!(agent.terminate(END)?.success(), "the agent does not stop");
    let report = road.report()?;
    let sent = twin.counters().frames_sent;
    ensure!(count(&report, "frames_ok")? == sent, "{sent} frames sent, {report}");
    let samples = generated(&report)?;
    ensure!(count(&report, "pending")? == samples, "{report}");
    let file_bytes =
        ["spool.db", "spool.db-wal"].map(|name| fs::metadata(road.path(name)).map_or(0, |file| file.len()));

    let mut port = TwinPort::open()?;
    let limit = bytes_per_s.map_or(String::new(), |rate| format!("catch_up_bytes_per_s = {rate}"));
    road.configure(port.path(), &spool, 1_000, &limit, "")?;
    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let started = Instant::now();
    let agent = road.agent("online", true)?;
    port.close()?;
    let log = agent.output();
    ensure!(agent.wait(END)?.success(), "the agent ended badly:\n{log}");
    let took_s = started.elapsed().as_secs_f64();
    let (holdings, report) = (consumer.holdings(), road.report()?);
    let account = holdings.account();
    ensure!(count(&report, "pending")? == 0 && account.stored == generated(&report)?, "{account:?}, {report}");
    ensure!(account.duplicates == 0 && account.missing == 0, "{account:?}");
    broker.kill()?;
    Ok(CatchUp {
        samples,
        file_bytes: file_bytes.iter().sum(),
        used: used.unwrap_or(Ok(Used::default()))?,
        payload_bytes: holdings.bytes,
        took_s,
        speed: f64::from(day_s) / took_s,
    })
}
