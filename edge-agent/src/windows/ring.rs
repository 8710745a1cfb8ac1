//! The file of the newest windows: a thousand slots of one page, each window in the slot of its number. It never grows
//! beyond them, a slot is written whole and at its place, and one that was torn by a power cut costs only itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use tournee_features::road::EventWindow;

use super::record::{self, Record, SLOT_BYTES};

/// Windows that are kept: 4 MB.
pub(super) const SLOTS: u64 = 1_000;

/// What a file of windows holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Content {
    /// Whole windows, oldest first.
    pub records: Vec<Record>,
    /// Slots that hold no whole window: torn or rotten.
    pub damaged: u64,
}

/// Reads a file of windows, oldest first. One that is not there holds nothing.
///
/// # Errors
/// Those of the file system.
pub(super) fn read(path: &Path) -> io::Result<Content> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(SLOTS * SLOT_BYTES as u64).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::default()),
        Err(error) => return Err(error),
    };
    let mut content = Content::default();
    for (slot, bytes) in (0..).zip(bytes.chunks(SLOT_BYTES)) {
        match record::read(bytes) {
            Ok(Some(record)) if record.number % SLOTS == slot => content.records.push(record),
            Ok(None) => {}
            _ => content.damaged += 1,
        }
    }
    content.records.sort_by_key(|record| record.number);
    Ok(content)
}

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct Ring {
    file: File,
    next: u64,
}

impl Ring {
    /// Opens or makes it; goes on after the newest whole window. Says how many slots were damaged; they are written over
    /// when their turn comes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<(Self, u64)> {
        let content = read(path)?;
        let next = content.records.last().map_or(0, |record| record.number.wrapping_add(1));
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        Ok((Self { file, next }, content.damaged))
    }

    /// Writes windows over the oldest ones, then waits for the disk once.
    ///
    /// # Errors
    /// Those of the file system; the windows that were not written are lost.
    pub fn write(&mut self, windows: &[EventWindow]) -> io::Result<()> {
        for window in windows {
            let slot = record::write(self.next, window);
            self.file.write_all_at(&slot, self.next % SLOTS * SLOT_BYTES as u64)?;
            self.next = self.next.wrapping_add(1);
        }
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::window;
    use super::*;

    fn numbers(path: &Path) -> (Vec<u64>, u64) {
        let content = read(path).unwrap();
        (content.records.iter().map(|record| record.number).collect(), content.damaged)
    }

    #[test]
    fn the_newest_thousand_are_kept_over_restarts_in_four_megabytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w");
        assert_eq!(numbers(&path), (vec![], 0));
        for start in (0..2_300).step_by(100) {
            let (mut ring, damaged) = Ring::open(&path).unwrap();
            assert_eq!(damaged, 0);
            ring.write(&(start..start + 100).map(window).collect::<Vec<_>>()).unwrap();
        }
        assert_eq!(numbers(&path), ((1_300..2_300).collect(), 0));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 4_096_000);
        let newest = read(&path).unwrap().records.pop().unwrap();
        assert_eq!(newest.window.sample, window(2_299).sample);
    }

    #[test]
    fn a_cut_at_any_byte_costs_the_window_that_was_being_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w");
        let (mut ring, _) = Ring::open(&path).unwrap();
        ring.write(&[window(1), window(2), window(3)]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in (0..whole.len()).step_by(97) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (slots, rest) = ((cut / SLOT_BYTES) as u64, cut % SLOT_BYTES);
            // What lies beyond the samples of a slot is zeros: even without them the window is whole.
            let kept = slots + u64::from(rest >= 118 + 201 * 8);
            let damaged = u64::from(rest > 0 && rest < 118 + 201 * 8);
            assert_eq!(numbers(&path), ((0..kept).collect(), damaged), "cut at {cut}");
            let (mut ring, seen) = Ring::open(&path).unwrap();
            assert_eq!(seen, damaged);
            ring.write(&[window(4)]).unwrap();
            assert_eq!(numbers(&path), ((0..=kept).collect(), 0), "the torn one is written over");
        }
    }

    #[test]
    fn a_file_of_something_else_is_counted_and_used_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w");
        std::fs::write(&path, vec![0xA5; 3 * SLOT_BYTES + 5]).unwrap();
        let (mut ring, damaged) = Ring::open(&path).unwrap();
        assert_eq!(damaged, 4);
        ring.write(&[window(1)]).unwrap();
        assert_eq!(numbers(&path), (vec![0], 3));
        // A whole window in another's slot is none either.
        let slot = std::fs::read(&path).unwrap()[..SLOT_BYTES].to_vec();
        std::fs::write(&path, [slot.clone(), slot].concat()).unwrap();
        assert_eq!(numbers(&path), (vec![0], 1));
        assert!(Ring::open(Path::new("/nowhere/at/all")).is_err());
    }
}
