//! The memory shared with the host, by plain volatile access.

use core::sync::atomic::{Ordering, fence};

use crate::layout::MEMORY_BYTES;

/// Where mps2-an386 maps its PSRAM (Arm application note AN386, memory map).
const BASE: usize = 0x2100_0000;

fn within(offset: usize, len: usize) -> bool {
    offset.checked_add(len).is_some_and(|end| end <= MEMORY_BYTES)
}

/// Copies `bytes` to `offset`; `false`, and nothing done, when they would not fit.
pub fn write(offset: usize, bytes: &[u8]) -> bool {
    if !within(offset, bytes.len()) {
        return false;
    }
    for (at, byte) in bytes.iter().enumerate() {
        // SAFETY: within the PSRAM, which no section of the program uses and where every pattern is a valid byte.
        unsafe { ((BASE + offset + at) as *mut u8).write_volatile(*byte) };
    }
    fence(Ordering::SeqCst);
    true
}

/// Fills `bytes` from `offset`; `false`, and nothing done, when that would leave the memory.
pub fn read(offset: usize, bytes: &mut [u8]) -> bool {
    if !within(offset, bytes.len()) {
        return false;
    }
    fence(Ordering::SeqCst);
    for (at, byte) in bytes.iter_mut().enumerate() {
        // SAFETY: as in `write`.
        *byte = unsafe { ((BASE + offset + at) as *const u8).read_volatile() };
    }
    true
}

/// Writes a word at once: what stands before it in the program is in memory by then.
pub fn write_word(offset: usize, word: u32) {
    if within(offset, 4) && offset.is_multiple_of(4) {
        fence(Ordering::SeqCst);
        // SAFETY: as in `write`, and aligned.
        unsafe { ((BASE + offset) as *mut u32).write_volatile(word) };
        fence(Ordering::SeqCst);
    }
}

/// Reads a word at once; 0 outside the memory.
pub fn read_word(offset: usize) -> u32 {
    if !within(offset, 4) || !offset.is_multiple_of(4) {
        return 0;
    }
    fence(Ordering::SeqCst);
    // SAFETY: as in `write`, and aligned.
    unsafe { ((BASE + offset) as *const u32).read_volatile() }
}
