//! What the kernel says of another process (proc(5)).

use anyhow::{Context, Result};
use std::fs;

/// The kernel counts processor time for user space in hundredths of a second (`USER_HZ`), on every machine that we build for.
const TICKS_PER_S: f64 = 100.0;

/// Figures of a running process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// User and system time of all threads, seconds.
    pub cpu_s: f64,
    /// Bytes that it caused to be sent to the block layer.
    pub written_bytes: u64,
    /// Memory that is resident, and the most that ever was, bytes.
    pub resident_bytes: u64,
    /// See `resident_bytes`.
    pub resident_most_bytes: u64,
    /// Of the resident memory, that which belongs to no file, bytes.
    pub anonymous_bytes: u64,
}

impl Used {
    /// Of this process.
    ///
    /// # Errors
    /// It is gone, or belongs to somebody else.
    pub fn of(id: u32) -> Result<Self> {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{id}/{name}")).with_context(|| format!("/proc/{id}/{name}"));
        let stat = read("stat")?;
        // The name may hold spaces; after its bracket come the numbers from the third on.
        let (_, rest) = stat.rsplit_once(')').context("stat")?;
        let ticks: f64 = rest.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<f64>().ok()).sum();
        let status = read("status")?;
        let kb = |key: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| key.to_owned())?;
            Ok(line.split_whitespace().next().context("a number")?.parse::<u64>()? * 1_024)
        };
        let io = read("io")?;
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("write_bytes")?;
        Ok(Self {
            cpu_s: ticks / TICKS_PER_S,
            written_bytes: written.trim().parse()?,
            resident_bytes: kb("VmRSS:")?,
            resident_most_bytes: kb("VmHWM:")?,
            anonymous_bytes: kb("RssAnon:")?,
        })
    }
}

/// The name of the processor, cores, kernel and load.
#[must_use]
pub fn machine() -> String {
    let line = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find(|line| line.starts_with(key)).map(|line| line.trim_start_matches(key).to_owned());
        found.unwrap_or_default().trim_start_matches([' ', '\t', ':']).trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = line("/proc/loadavg", "");
    format!(
        "{}, {cores} cores, {} of memory, Linux {}, load {}",
        line("/proc/cpuinfo", "model name"),
        line("/proc/meminfo", "MemTotal"),
        line("/proc/sys/kernel/osrelease", ""),
        load.split(' ').next().unwrap_or("?")
    )
}
