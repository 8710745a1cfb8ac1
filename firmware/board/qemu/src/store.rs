//! A store for firmware images in RAM.
//!
//! It takes, keeps and gives back an image as the real board's second flash bank does, so that the transfer can be
//! shown; it cannot start one, and says so when asked.

use tournee_sampler::FirmwareStore;

use crate::layout::{STORE, STORE_BYTES};
use crate::shared;

/// What an erased flash memory holds.
const ERASED: [u8; 256] = [0xFF; 256];

/// A part reaches beyond the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfStore;

/// The store.
#[derive(Clone, Copy, Debug)]
pub struct RamStore;

/// Where `len` bytes from `offset` on begin in the shared memory.
fn place(offset: u32, len: usize) -> Result<usize, OutOfStore> {
    let offset = offset as usize;
    match offset.checked_add(len) {
        Some(end) if end <= STORE_BYTES => Ok(STORE + offset),
        _ => Err(OutOfStore),
    }
}

impl FirmwareStore for RamStore {
    type Error = OutOfStore;

    fn capacity(&self) -> u32 {
        STORE_BYTES as u32
    }

    fn begin(&mut self, len: u32) -> Result<(), OutOfStore> {
        place(0, len as usize)?;
        for at in (0..STORE_BYTES).step_by(ERASED.len()) {
            if !shared::write(STORE + at, &ERASED) {
                return Err(OutOfStore);
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), OutOfStore> {
        if shared::write(place(offset, data.len())?, data) { Ok(()) } else { Err(OutOfStore) }
    }

    fn read(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), OutOfStore> {
        if shared::read(place(offset, buffer.len())?, buffer) { Ok(()) } else { Err(OutOfStore) }
    }

    fn try_out(&mut self) -> Option<Result<(), OutOfStore>> {
        None
    }

    fn confirm(&mut self) -> Option<Result<(), OutOfStore>> {
        None
    }
}
