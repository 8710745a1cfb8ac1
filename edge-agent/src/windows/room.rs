//! How much room the disk has beside what the spool needs.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// What windows leave clear at the most, bytes: of a large disk they could have more, but need not.
const CLEAR_MOST_BYTES: u64 = 64 << 20;
/// And at the least: the spool's reserve, its write-ahead log, and as much again for whatever else is on a small disk.
const CLEAR_LEAST_BYTES: u64 = 8 << 20;
/// Part of the disk that is left clear between the two: a twentieth.
const CLEAR_PART: u64 = 20;
/// Below this the spool is about to give samples up for want of room: the size of its reserve, which is gone or about to be.
const SPOOL_NEEDS_BYTES: u64 = 2 << 20;

/// What may be done with windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// They may be written.
    Enough,
    /// No more may be written.
    Little,
    /// Those on board are in the way.
    SpoolNeedsIt,
}

/// Looks at the disk under a file that need not be there.
///
/// # Errors
/// Those of the file system.
pub(super) fn place(path: &Path) -> io::Result<Place> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
    Ok(judge(bytes(disk.blocks_available()), bytes(disk.blocks())))
}

fn judge(free_bytes: u64, total_bytes: u64) -> Place {
    let clear_bytes = (total_bytes / CLEAR_PART).clamp(CLEAR_LEAST_BYTES, CLEAR_MOST_BYTES);
    if free_bytes < SPOOL_NEEDS_BYTES {
        Place::SpoolNeedsIt
    } else if free_bytes < clear_bytes {
        Place::Little
    } else {
        Place::Enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_stop_long_before_the_spool_has_to_give_samples_up() {
        const MIB: u64 = 1 << 20;
        for (free, total, place) in [
            (100 * MIB, 32_768 * MIB, Place::Enough),
            (63 * MIB, 32_768 * MIB, Place::Little),
            (30 * MIB, 512 * MIB, Place::Enough),
            (25 * MIB, 512 * MIB, Place::Little),
            (9 * MIB, 64 * MIB, Place::Enough),
            (7 * MIB, 8 * MIB, Place::Little),
            (2 * MIB, 4 * MIB, Place::Little),
            (2 * MIB - 1, 4 * MIB, Place::SpoolNeedsIt),
            (0, 32_768 * MIB, Place::SpoolNeedsIt),
        ] {
            assert_eq!(judge(free, total), place, "{free} of {total} free");
        }
        assert!(place(Path::new("/nowhere/at/all")).is_err());
    }
}
