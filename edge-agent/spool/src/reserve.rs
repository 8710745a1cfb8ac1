//! Room on the disk that is kept for the moment when it is full.
//!
//! On a full disk even giving samples up needs room: the write-ahead log must be folded into the file before it can be
//! written from its start again, and the file may have to grow for that. A second file holds that much; it goes when the
//! disk is full, and is taken again when the disk has room: at a start, or when much has been delivered.

use std::io::Write;
use std::path::{Path, PathBuf};

/// More than the write-ahead log is long when it is folded, and one commit of usual size.
const RESERVE_BYTES: usize = 2 << 20;

#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    held: bool,
}

impl Reserve {
    /// Finds it beside the spool, or makes it. Without room there is none, and that is no error.
    pub fn beside(spool: &Path) -> Self {
        let mut path = spool.as_os_str().to_owned();
        path.push(".reserve");
        let mut reserve = Self { path: PathBuf::from(path), held: false };
        reserve.make();
        reserve
    }

    /// Takes the room, if the disk has it. Whether it is held.
    pub fn make(&mut self) -> bool {
        let path = &self.path;
        let whole = std::fs::metadata(path).is_ok_and(|found| found.len() == RESERVE_BYTES as u64);
        self.held = whole || write(path).inspect_err(|_| drop(std::fs::remove_file(path))).is_ok();
        self.held
    }

    /// The room that it holds, bytes.
    pub const fn bytes(&self) -> u64 {
        if self.held { RESERVE_BYTES as u64 } else { 0 }
    }

    /// Gives the room back to the disk. Whether there was any.
    pub fn release(&mut self) -> bool {
        let held = std::mem::take(&mut self.held);
        held && std::fs::remove_file(&self.path).is_ok()
    }
}

/// Real bytes: a hole in a file holds no room.
fn write(path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(&vec![0x55; RESERVE_BYTES])?;
    file.sync_all()
}
