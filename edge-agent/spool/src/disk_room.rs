//! What the disk can hold.
//!
//! A commit goes to the write-ahead log, and only later from there to the file. On a full disk that is a trap: pages that
//! stand in the log but find no room in the file cannot be folded, so the log cannot be written from its start again, and
//! as it cannot grow either, nothing can be written any more, not even what would make room. So when the disk has little
//! room, the file is bounded to what it can become beside a log of usual length: then it is the transaction that finds no
//! page, while it can still give samples up for one, and what stands in the log always has its place in the file.

use std::path::Path;

use nix::sys::statvfs::statvfs;
use rusqlite::Connection;

use crate::aside;
use crate::error::SpoolError;
use crate::file::JOURNAL_BYTES;

/// A disk with less in all cannot hold the write-ahead log and beside it what may have left the vehicle, which is not given
/// up (see [`SpoolConfig::max_bytes`](crate::SpoolConfig)), bytes.
const DISK_LEAST_BYTES: u64 = 4 << 20;
/// With more free room than this the file is not bounded: no commit is as large.
const FREE_ENOUGH_BYTES: u64 = 64 << 20;
/// SQLite's page, which the file is made of, bytes.
const PAGE_BYTES: u64 = 4_096;
/// SQLite's own bound.
const PAGES_MOST: u64 = 4_294_967_294;

/// Size and free room of the file system under a file that need not be there, bytes; none where it does not tell.
fn disk(path: &Path) -> Option<(u64, u64)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
    let total = bytes(disk.blocks());
    (total > 0).then(|| (total, bytes(disk.blocks_available())))
}

/// Refuses a disk that can never hold a spool. One that is merely full is not refused: it may become free.
pub(crate) fn enough(path: &Path) -> Result<(), SpoolError> {
    match disk(path) {
        Some((found_bytes, _)) if found_bytes < DISK_LEAST_BYTES => {
            Err(SpoolError::SmallDisk { path: path.to_owned(), found_bytes, needed_bytes: DISK_LEAST_BYTES })
        }
        _ => Ok(()),
    }
}

/// The bound of the file, as the database has it.
#[derive(Debug)]
pub(crate) struct PageBound {
    pages: u64,
}

impl Default for PageBound {
    fn default() -> Self {
        Self { pages: PAGES_MOST }
    }
}

impl PageBound {
    /// Sets it anew from the room that there is now; `reserve_bytes` more can be had.
    pub fn hold(&mut self, connection: &Connection, spool: &Path, reserve_bytes: u64) -> Result<(), SpoolError> {
        let pages = match disk(spool) {
            Some((_, free_bytes)) if free_bytes < FREE_ENOUGH_BYTES => {
                let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
                let log_bytes = length(&aside::with(spool, "-wal"));
                most_pages(free_bytes + reserve_bytes, length(spool), log_bytes)
            }
            _ => PAGES_MOST,
        };
        if pages != self.pages {
            // Below what the file is already, SQLite takes that.
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
            self.pages = pages;
        }
        Ok(())
    }
}

/// Pages that the file may have, so that it and a log of usual length fit.
fn most_pages(free_bytes: u64, file_bytes: u64, log_bytes: u64) -> u64 {
    let log_grows_bytes = JOURNAL_BYTES.unsigned_abs().saturating_sub(log_bytes);
    // At least one: to SQLite 0 is a question.
    ((file_bytes + free_bytes).saturating_sub(log_grows_bytes) / PAGE_BYTES).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_gets_what_the_log_leaves() {
        const MIB: u64 = 1 << 20;
        assert_eq!(most_pages(4 * MIB, 0, 0), 512);
        assert_eq!(most_pages(3 * MIB, 0, MIB), 512, "a log that has grown takes no room twice");
        assert_eq!(most_pages(MIB, 2 * MIB, MIB), 512);
        assert_eq!(most_pages(0, 2 * MIB, 3 * MIB), 512, "none is left: it stays as it is");
        assert_eq!(most_pages(0, MIB, 0), 1);
    }
}
