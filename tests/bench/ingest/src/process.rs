//! What the kernel counted for a process.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Clock ticks a second in `/proc/<pid>/stat`: fixed at 100 on Linux for user space.
const TICKS_PER_S: f64 = 100.0;

/// CPU seconds that a process and its threads have used.
pub fn cpu_s(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("process {pid} has gone"))?;
    // The name stands in brackets and may hold spaces.
    let rest = text.rsplit_once(") ").with_context(|| path.clone())?.1;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS_PER_S)
}

/// CPU seconds of a process and of all below it that live, and of those that ended and were waited for.
pub fn tree_cpu_s(pid: u32) -> f64 {
    let own = cpu_s(pid).unwrap_or(0.0) + waited_s(pid);
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    own + children.split_whitespace().filter_map(|child| child.parse().ok()).map(tree_cpu_s).sum::<f64>()
}

fn waited_s(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((_, rest)) = text.rsplit_once(") ") else { return 0.0 };
    let ticks: f64 = rest.split(' ').skip(13).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_S
}

/// The most memory that a process has had resident, MB.
pub fn peak_rss_mb(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kb * 1_024.0 / 1e6)
}

/// Bytes of the files under a folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// A program of this build, beside this one.
pub fn binary(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.parent().context("no folder")?.join(name);
    anyhow::ensure!(path.is_file(), "{} is not built: cargo build --release --bins", path.display());
    Ok(path)
}
