//! Nova SDS011, SDS018, SDS021: particle sensors on a serial line, 9600 baud, 8N1.
//!
//! Frame ("Laser Dust Sensor Control Protocol V1.3"): `AA C0`, PM2.5 and PM10 as little-endian words in 0.1 µg/m³, two bytes of
//! device identity, the sum of these six bytes modulo 256, `AB`. Answers to commands are the same with `C5`.
//!
//! The part has no PM1. [`Mass`] therefore has none either: a value for it cannot be made up by accident.

use crate::pmsx003::{Look, Window};

pub use crate::pmsx003::{BadFrame, Counts};

/// Bits per second.
pub const BAUD: u32 = 9_600;
/// Sends by itself, once a second. The state in which the part is delivered; kept over a loss of power.
pub const ACTIVE: [u8; 19] = command(2, 1, 0);
/// Sends only when asked by [`READ`].
pub const PASSIVE: [u8; 19] = command(2, 1, 1);
/// Asks for one frame in passive mode.
pub const READ: [u8; 19] = command(4, 0, 0);
/// Fan and laser off.
pub const SLEEP: [u8; 19] = command(6, 1, 0);
/// Fan and laser on. Readings are steady after 30 s.
pub const WAKE: [u8; 19] = command(6, 1, 1);
/// Measures all the time, not once in so many minutes. Kept over a loss of power.
pub const CONTINUOUS: [u8; 19] = command(8, 1, 0);
/// The greatest value that the part has, 0.1 µg/m³: its PM10 stops at 1999.9 µg/m³, its PM2.5 at 999.9.
pub const MAX_DUGM3: u16 = 19_999;

const START: u8 = 0xaa;
const MEASURED: u8 = 0xc0;
const ANSWER: u8 = 0xc5;
const END: u8 = 0xab;
const FRAME: usize = 10;

/// For every part, whatever its identity: the sum goes over the 15 bytes after `AA B4`.
const fn command(code: u8, set: u8, value: u8) -> [u8; 19] {
    let sum = code.wrapping_add(set).wrapping_add(value).wrapping_add(0xff).wrapping_add(0xff);
    [START, 0xb4, code, set, value, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, sum, END]
}

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mass {
    /// PM2.5, 0.1 µg/m³.
    pub pm25_dugm3: u16,
    /// PM10, 0.1 µg/m³.
    pub pm10_dugm3: u16,
    /// Identity of the part, in the order of the two bytes on the line.
    pub part_id: [u8; 2],
}

/// Reads the part's side of the line in slices of any size, with a bounded buffer.
#[derive(Clone, Debug)]
pub struct Decoder {
    window: Window<FRAME>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that has just been connected: the tail of a frame at the start is not reported.
    #[must_use]
    pub const fn new() -> Self {
        Self { window: Window::new() }
    }

    /// To call after a reconnection. The counts stay.
    pub fn reset(&mut self) {
        self.window.reset();
    }

    /// What came so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.window.counts
    }

    /// Takes the next bytes and reports the readings that they complete, in order.
    pub fn feed(&mut self, bytes: &[u8], on_mass: impl FnMut(Result<Mass, BadFrame>)) {
        self.window.feed(bytes, look, on_mass);
    }
}

fn look(bytes: &[u8]) -> Look<Mass> {
    match bytes {
        [first, ..] if *first != START => return Look::None(BadFrame::Header),
        [_, second, ..] if *second != MEASURED && *second != ANSWER => return Look::None(BadFrame::Header),
        _ => {}
    }
    let Some([_, kind, data @ .., sum, end]) = bytes.first_chunk::<FRAME>() else { return Look::More };
    if *end != END {
        return Look::None(BadFrame::End);
    }
    if data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) != *sum {
        return Look::None(BadFrame::Checksum);
    }
    if *kind == ANSWER { Look::Answer(FRAME) } else { Look::Reading(FRAME, mass(data)) }
}

/// The six data bytes to units.
fn mass(data: &[u8; 6]) -> Result<Mass, BadFrame> {
    let [low25, high25, low10, high10, id @ ..] = *data;
    let (pm25_dugm3, pm10_dugm3) = (u16::from_le_bytes([low25, high25]), u16::from_le_bytes([low10, high10]));
    if pm25_dugm3.max(pm10_dugm3) > MAX_DUGM3 {
        return Err(BadFrame::Range);
    }
    Ok(Mass { pm25_dugm3, pm10_dugm3, part_id: id })
}
