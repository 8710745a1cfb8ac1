//! Winsen MH-Z19B: CO2 by infrared absorption on a serial line, 9600 baud, 8N1. Speaks only when asked.
//!
//! Frame (data sheet, "UART output", and its check sum): `FF 86`, CO2 in ppm as a big-endian word, four bytes without a
//! documented meaning, and the two's complement of the sum of the seven bytes before, the first left out. Other commands
//! are answered with their own number in place of `86`.

use crate::pmsx003::{Look, Window};

pub use crate::pmsx003::{BadFrame, Counts};

/// Bits per second.
pub const BAUD: u32 = 9_600;
/// Asks for one reading.
pub const READ: [u8; 9] = command(0x86, 0);
/// The part takes the lowest value of each day for outdoor air. The state in which the part is delivered.
pub const BASELINE_ON: [u8; 9] = command(0x79, 0xa0);
/// The part keeps its calibration. For a vehicle whose box may be in a garage for days.
pub const BASELINE_OFF: [u8; 9] = command(0x79, 0);
/// The widest range of any version of the part, ppm.
pub const MAX_PPM: u16 = 10_000;

const START: u8 = 0xff;
const MEASURED: u8 = 0x86;
const BASELINE: u8 = 0x79;
const FRAME: usize = 9;

const fn command(code: u8, data: u8) -> [u8; 9] {
    [START, 1, code, data, 0, 0, 0, 0, 1_u8.wrapping_add(code).wrapping_add(data).wrapping_neg()]
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

    /// Takes the next bytes and reports the CO2 readings that they complete, in ppm, in order.
    pub fn feed(&mut self, bytes: &[u8], on_ppm: impl FnMut(Result<u16, BadFrame>)) {
        self.window.feed(bytes, look, on_ppm);
    }
}

fn look(bytes: &[u8]) -> Look<u16> {
    match bytes {
        [first, ..] if *first != START => return Look::None(BadFrame::Header),
        [_, second, ..] if *second != MEASURED && *second != BASELINE => return Look::None(BadFrame::Header),
        _ => {}
    }
    let Some([_, kind, high, low, rest @ ..]) = bytes.first_chunk::<FRAME>() else { return Look::More };
    // Sum and check sum together are 0 modulo 256.
    if [kind, high, low].into_iter().chain(rest).fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) != 0 {
        return Look::None(BadFrame::Checksum);
    }
    if *kind == BASELINE {
        return Look::Answer(FRAME);
    }
    let ppm = u16::from_be_bytes([*high, *low]);
    Look::Reading(FRAME, if ppm <= MAX_PPM { Ok(ppm) } else { Err(BadFrame::Range) })
}
