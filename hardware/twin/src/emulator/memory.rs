//! The file that is the emulated box's shared memory.
//!
//! Read and written as a file: the emulator maps it shared, and the page cache keeps both views the same.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::layout::{HOST_BLOCK, HOST_MAGIC, MEMORY_BYTES, SERIAL_BYTES};

/// The shared memory.
#[derive(Debug)]
pub(super) struct Memory(File);

impl Memory {
    /// Makes the file anew, all zero.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        file.set_len(MEMORY_BYTES as u64)?;
        Ok(Self(file))
    }

    /// Tells the box who it is; what is longer than the box's name may be is cut.
    pub(super) fn introduce(&self, seed: u32, serial: &str) -> io::Result<()> {
        let mut block = [0_u8; 8 + SERIAL_BYTES];
        let (numbers, name) = block.split_at_mut(8);
        numbers.copy_from_slice(&((u64::from(seed) << 32) | u64::from(HOST_MAGIC)).to_le_bytes());
        for (to, from) in name.iter_mut().zip(serial.bytes()) {
            *to = from;
        }
        self.write(HOST_BLOCK, &block)
    }

    pub(super) fn write(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset as u64)
    }

    pub(super) fn read(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset as u64)
    }

    pub(super) fn read_word(&self, offset: usize) -> io::Result<u32> {
        let mut word = [0; 4];
        self.read(offset, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }
}
