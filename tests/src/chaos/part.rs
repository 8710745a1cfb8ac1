//! One process of a seed, and what its log tells.

use crate::Running;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a process says at a fail point.
const ON_PURPOSE: &str = "fail point, on purpose";

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// SIGKILLs, by whom they hit.
    pub kills: BTreeMap<&'static str, u32>,
    /// Times that a connection was cut, held or refused.
    pub cuts: u32,
    /// Fail points that acted, by name.
    pub points: BTreeMap<String, u32>,
    /// Runs of the maintenance that came to their end.
    pub maintained: u32,
}

/// A process.
pub struct Part {
    /// It.
    pub running: Running,
    /// What it says.
    pub log: PathBuf,
    /// How many of its kind were before.
    pub life: usize,
}

impl Part {
    /// Starts it; its output goes to `<folder>/<name>-<life>.log`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(name: &str, folder: &Path, life: usize, command: &mut Command) -> Result<Self> {
        let name = format!("{name}-{life}");
        let running = Running::start(&name, folder, command)?;
        Ok(Self { running, log: folder.join(format!("{name}.log")), life })
    }

    /// Whether a process with this log came to a fail point.
    #[must_use]
    pub fn failed_on_purpose(log: &Path) -> bool {
        fs::read_to_string(log).is_ok_and(|text| text.contains(ON_PURPOSE))
    }

    /// SIGKILL; it may have ended at a fail point just before.
    ///
    /// # Errors
    /// Where it had ended by itself.
    pub fn kill(self) -> Result<()> {
        let Self { running, log, .. } = self;
        match running.kill() {
            Err(_) if Self::failed_on_purpose(&log) => Ok(()),
            done => done,
        }
    }
}

/// Adds the fail points that acted, as a log names them.
pub fn count_points(log: &str, points: &mut BTreeMap<String, u32>) {
    for line in log.lines().filter(|line| line.contains(ON_PURPOSE)) {
        let value = |key: &str| {
            let (_, rest) = line.split_once(&format!("{key}=\""))?;
            rest.split_once('"').map(|(value, _)| value)
        };
        let action = line.split_once("action=").map_or("", |(_, action)| action.split('(').next().unwrap_or(""));
        let name = format!("{} {}", value("point").unwrap_or("?"), action.trim().to_lowercase());
        *points.entry(name).or_default() += 1;
    }
}
