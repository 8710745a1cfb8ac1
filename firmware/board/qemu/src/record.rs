//! What the box remembers over a reset, and what the host tells it before the start: both in the shared memory.

use crate::layout::{BOX_BLOCK, BOX_MAGIC, HOST_BLOCK, HOST_MAGIC, SERIAL_BYTES};
use crate::shared;

const BOOTS: usize = BOX_BLOCK + 4;
const CAUSE: usize = BOX_BLOCK + 8;
const SEED: usize = HOST_BLOCK + 4;
const SERIAL: usize = HOST_BLOCK + 8;

/// Why the box started; the numbers are those of the link's Hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ResetCause {
    /// A reset that nobody announced, such as one by the emulator's monitor.
    Unknown = 0,
    /// The memory held no record of an earlier boot.
    Power = 1,
    /// The watchdog was not fed.
    Watchdog = 2,
    /// Somebody asked for it.
    Asked = 3,
    /// A panic or a fault of the core.
    Fault = 4,
}

/// This boot.
#[derive(Clone, Copy, Debug)]
pub struct Boot {
    /// Why.
    pub cause: ResetCause,
    /// Differs from boot to boot.
    pub id: u32,
}

/// Counts this boot and reads why the last one ended. `disorder` is any value that differs between boots.
pub fn begin_boot(disorder: u32) -> Boot {
    let known = shared::read_word(BOX_BLOCK) == BOX_MAGIC;
    let number = if known { shared::read_word(BOOTS).wrapping_add(1) } else { 1 };
    let cause = match shared::read_word(CAUSE) {
        _ if !known => ResetCause::Power,
        2 => ResetCause::Watchdog,
        3 => ResetCause::Asked,
        4 => ResetCause::Fault,
        _ => ResetCause::Unknown,
    };
    shared::write_word(BOOTS, number);
    shared::write_word(CAUSE, ResetCause::Unknown as u32);
    shared::write_word(BOX_BLOCK, BOX_MAGIC);
    // The board has no random numbers of its own: the host's seed makes two boxes differ, the count two boots.
    let seed = if shared::read_word(HOST_BLOCK) == HOST_MAGIC { shared::read_word(SEED) } else { 0 };
    Boot { cause, id: mix(mix(mix(seed) ^ number) ^ disorder) }
}

/// Says why the reset that follows happens.
pub fn announce(cause: ResetCause) {
    shared::write_word(CAUSE, cause as u32);
}

/// The serial number that the host gave; empty when it gave none or no text.
pub fn serial(buffer: &mut [u8; SERIAL_BYTES]) -> &str {
    if shared::read_word(HOST_BLOCK) != HOST_MAGIC || !shared::read(SERIAL, buffer) {
        return "";
    }
    let len = buffer.iter().position(|byte| *byte == 0).unwrap_or(SERIAL_BYTES);
    buffer.get(..len).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Spreads every bit of a word over all of them, reversibly: multiply by an odd number and fold, twice.
fn mix(word: u32) -> u32 {
    let word = (word ^ (word >> 16)).wrapping_mul(0x9E37_79B1);
    let word = (word ^ (word >> 15)).wrapping_mul(0x85EB_CA6B);
    word ^ (word >> 13)
}
