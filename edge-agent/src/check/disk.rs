//! The disk under the spool, and the spool.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::sys::statvfs::statvfs;

use super::Finding;
use crate::config::AgentConfig;
use crate::status::{SpoolView, SpoolViewError, spool_bytes};

/// Writes that are timed.
const WRITES: usize = 12;
/// Bytes of each: a page of the database.
const WRITE_BYTES: usize = 4_096;
/// A commit a second needs this and more to spare.
const FSYNC_SLOW: Duration = Duration::from_millis(250);
/// No more is timed beyond this.
const TIMING_LIMIT: Duration = Duration::from_secs(5);
/// With less the database itself cannot work.
const FREE_LEAST_BYTES: u64 = 32 << 20;

/// What was seen of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    free_bytes: u64,
    in_memory: bool,
    fsync_median: Duration,
    fsync_most: Duration,
}

pub async fn check(config: &AgentConfig) -> Vec<Finding> {
    let config = config.clone();
    let work = tokio::task::spawn_blocking(move || {
        let folder = match config.spool.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => Path::new(".").to_owned(),
        };
        let used = spool_bytes(&config.spool.path).unwrap_or(0);
        let disk = match look(&folder) {
            Ok(seen) => judge(&seen, config.spool.max_bytes.saturating_sub(used)),
            Err(error) => Finding::fail(
                "disk",
                format!("{}: {error}", folder.display()),
                "make the folder and give it to the agent's user: install -d -m 0750 -o tournee -g tournee FOLDER",
            ),
        };
        vec![disk, spool(&config)]
    });
    work.await.unwrap_or_default()
}

/// Tries the folder; the file that it writes has no name left afterwards.
fn look(folder: &Path) -> io::Result<Seen> {
    let name = folder.join(format!(".edge-agent-check-{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&name)?;
    let timed = time_writes(&mut file);
    std::fs::remove_file(&name)?;
    let mut took = timed?;
    took.sort();
    let statistics = statvfs(folder)?;
    Ok(Seen {
        free_bytes: statistics.blocks_available().saturating_mul(statistics.fragment_size()),
        in_memory: statfs(folder)?.filesystem_type() == TMPFS_MAGIC,
        fsync_median: took.get(took.len() / 2).copied().unwrap_or_default(),
        fsync_most: took.last().copied().unwrap_or_default(),
    })
}

fn time_writes(file: &mut std::fs::File) -> io::Result<Vec<Duration>> {
    let page = [0x5a_u8; WRITE_BYTES];
    let began = Instant::now();
    let mut took = Vec::new();
    while took.len() < WRITES && began.elapsed() < TIMING_LIMIT {
        let since = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        took.push(since.elapsed());
    }
    Ok(took)
}

fn judge(seen: &Seen, wanted_bytes: u64) -> Finding {
    let text = format!(
        "{} MB free, a write is safe after {:.1} ms (at the most {:.1} ms)",
        seen.free_bytes / 1_000_000,
        seen.fsync_median.as_secs_f64() * 1e3,
        seen.fsync_most.as_secs_f64() * 1e3
    );
    if seen.free_bytes < FREE_LEAST_BYTES {
        return Finding::fail("disk", text, "free at least 32 MB, or move spool.path to another disk");
    }
    if seen.in_memory {
        return Finding::warn(
            "disk",
            text,
            "this folder lies in memory: a power cut loses it; move spool.path to a disk",
        );
    }
    if seen.free_bytes < wanted_bytes {
        let advice = format!(
            "the disk is full before spool.max_bytes is reached: {} MB more are needed, or a smaller cap",
            (wanted_bytes - seen.free_bytes).div_ceil(1_000_000)
        );
        return Finding::warn("disk", text, advice);
    }
    if seen.fsync_median > FSYNC_SLOW || seen.fsync_most > Duration::from_secs(1) {
        return Finding::warn("disk", text, "slow: with an old card a kill may cost more than a second; replace it");
    }
    Finding::ok("disk", text)
}

fn spool(config: &AgentConfig) -> Finding {
    match SpoolView::read(&config.spool.path) {
        Ok(view) if view.box_id != config.box_id.as_str() => Finding::fail(
            "spool",
            format!("the file is that of box {}", view.box_id),
            "box_id or spool.path is another vehicle's; the agent will not start like this",
        ),
        Ok(view) => {
            let pending: u64 = view.streams.values().map(|stream| stream.pending).sum();
            Finding::ok("spool", format!("{pending} samples wait in it"))
        }
        Err(SpoolViewError::Absent(_)) => Finding::ok("spool", "none yet; the agent makes it"),
        Err(SpoolViewError::InUse(_)) => Finding::ok("spool", "in use by the agent that runs"),
        Err(error @ SpoolViewError::Layout { .. }) => {
            Finding::fail("spool", error.to_string(), "install the version of the agent that wrote it, or a newer one")
        }
        Err(error) => Finding::warn(
            "spool",
            error.to_string(),
            "the agent sets a damaged file aside at its start and begins a new one; keep the file that is set aside",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    const GOOD: Seen = Seen {
        free_bytes: 1 << 32,
        in_memory: false,
        fsync_median: Duration::from_millis(8),
        fsync_most: Duration::from_millis(40),
    };

    #[test]
    fn the_disk_is_judged() {
        let verdict = |seen: Seen| judge(&seen, 1 << 31).verdict;
        assert_eq!(verdict(GOOD), Verdict::Ok);
        assert_eq!(verdict(Seen { free_bytes: 1 << 30, ..GOOD }), Verdict::Warn);
        assert_eq!(verdict(Seen { free_bytes: 1 << 20, ..GOOD }), Verdict::Fail);
        assert_eq!(verdict(Seen { in_memory: true, ..GOOD }), Verdict::Warn);
        assert_eq!(verdict(Seen { fsync_median: Duration::from_millis(300), ..GOOD }), Verdict::Warn);
        assert_eq!(verdict(Seen { fsync_most: Duration::from_secs(2), ..GOOD }), Verdict::Warn);
    }

    #[test]
    fn a_look_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let seen = look(dir.path()).unwrap();
        assert!(seen.free_bytes > 0 && seen.fsync_most >= seen.fsync_median);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(look(&dir.path().join("absent")).is_err());
    }
}
