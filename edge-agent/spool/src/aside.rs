//! Files that were set aside: how they are named, and how many are kept.
//!
//! Each may hold samples that never reached the lake, for whoever wants to look; the vehicle itself cannot use them any more, and
//! has told of them as given up. So they are kept as long as they are no danger to what comes: the newest
//! [`FILES_MAX`], and together no more bytes than the spool itself may have. A disk that breaks file after file would
//! else be filled by them. The newest one always stays. What is removed is counted and logged with its name.

use std::path::{Path, PathBuf};

use crate::report::AsideReport;

/// Files that are kept.
const FILES_MAX: usize = 8;
/// What follows the number: the file itself, its logs.
const PARTS: [&str; 3] = ["", "-wal", "-shm"];

/// The path with something after its name.
pub(crate) fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The file that was the `nth` to be set aside.
pub(crate) fn name(path: &Path, nth: u32) -> PathBuf {
    with(path, &format!(".damaged-{nth}"))
}

/// The numbers of the files that are there, rising.
fn numbers(path: &Path) -> Vec<u32> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Some(file), Ok(entries)) = (path.file_name().and_then(|name| name.to_str()), std::fs::read_dir(folder)) else {
        return Vec::new();
    };
    let prefix = format!("{file}.damaged-");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut numbers: Vec<u32> = names.filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// The number of the next file: never one that was given before, also where older files were removed, for the new epoch is
/// made from it.
pub(crate) fn next_number(path: &Path) -> u32 {
    let first = numbers(path).last().map_or(1, |newest| newest.saturating_add(1));
    // In a folder that may not be listed, the file itself still tells.
    (first..u32::MAX).find(|nth| !name(path, *nth).exists()).unwrap_or(u32::MAX)
}

fn bytes(path: &Path, nth: u32) -> u64 {
    let file = name(path, nth);
    PARTS.iter().filter_map(|part| std::fs::metadata(with(&file, part)).ok()).map(|about| about.len()).sum()
}

/// Removes the oldest until no more than [`FILES_MAX`] files of `max_bytes` together are left, and counts both.
pub(crate) fn bound(path: &Path, max_bytes: u64) -> AsideReport {
    let mut report = AsideReport::default();
    for (newer, nth) in numbers(path).into_iter().rev().enumerate() {
        let size = bytes(path, nth);
        let fits = newer < FILES_MAX && report.bytes.saturating_add(size) <= max_bytes;
        let file = name(path, nth);
        if newer == 0 || fits || !remove(&file) {
            report.files += 1;
            report.bytes = report.bytes.saturating_add(size);
            continue;
        }
        tracing::error!(
            file = %file.display(), bytes = size,
            "an older spool that was set aside is removed to make room; unsent samples in it are gone"
        );
        report.removed_files += 1;
        report.removed_bytes = report.removed_bytes.saturating_add(size);
    }
    report
}

/// The logs first: a file without its log is still one that was set aside, a log alone would be forgotten.
fn remove(file: &Path) -> bool {
    PARTS.iter().rev().all(|part| match std::fs::remove_file(with(file, part)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::error!(file = %file.display(), %error, "a spool that was set aside cannot be removed");
            false
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path, sizes: &[(u32, usize)]) -> PathBuf {
        let path = dir.join("spool.db");
        for (nth, size) in sizes {
            std::fs::write(name(&path, *nth), vec![0; *size]).unwrap();
            std::fs::write(with(&name(&path, *nth), "-wal"), vec![0; 10]).unwrap();
        }
        std::fs::write(with(&path, ".damaged-x"), "not ours").unwrap();
        std::fs::write(dir.join("spool.db.commands"), "not ours").unwrap();
        path
    }

    #[test]
    fn the_newest_eight_stay_and_no_number_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let sizes: Vec<_> = (1..=12).map(|nth| (nth, 100)).collect();
        let path = files(dir.path(), &sizes);
        let report = bound(&path, 1 << 20);
        let expected = AsideReport { files: 8, bytes: 880, removed_files: 4, removed_bytes: 440 };
        assert_eq!(report, expected);
        assert_eq!(numbers(&path), (5..=12).collect::<Vec<_>>());
        assert_eq!(next_number(&path), 13);
        assert!(!with(&name(&path, 1), "-wal").exists(), "its log went with it");
        assert_eq!(bound(&path, 1 << 20), AsideReport { removed_files: 0, removed_bytes: 0, ..expected });
        assert!(dir.path().join("spool.db.damaged-x").exists() && dir.path().join("spool.db.commands").exists());
    }

    #[test]
    fn together_they_have_a_cap_and_the_newest_stays_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = files(dir.path(), &[(1, 90), (3, 500), (4, 90), (7, 2_000)]);
        assert_eq!(bound(&path, 2_200).removed_files, 2, "the newest and the one before it fit, the third does not");
        assert_eq!(numbers(&path), [4, 7]);
        assert_eq!(bound(&path, 50).files, 1);
        assert_eq!(numbers(&path), [7]);
        assert_eq!(numbers(Path::new("/nowhere/spool.db")), Vec::<u32>::new());
        assert_eq!(next_number(Path::new("/nowhere/spool.db")), 1);
    }
}
