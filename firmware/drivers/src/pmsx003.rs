//! Plantower PMS1003, PMS5003, PMS7003, PMSA003: particle sensors on a serial line, 9600 baud, 8N1.
//!
//! Frame (data sheets PMS5003 and PMS7003, appendix I): `42 4D`, length 28 as a big-endian word, 13 words, check sum: the
//! sum of all bytes before it, modulo 65536. The words are the mass concentrations "CF=1", the same "under atmospheric
//! environment", six particle counts, and version and error code in one word. Answers to commands have length 4.
//!
//! [`crate::PmMass`] is taken from the **CF=1** columns. Both columns are equal up to about 30 µg/m³; above, the part's own
//! table bends the "atmospheric" ones down by up to a third, and nobody outside the maker can undo that. CF=1 is
//! nearer to what was measured, and the correction for humidity that is in use for these parts (Barkjohn 2021) was fitted
//! to CF=1. [`Reading`] holds both.
//!
//! In the first 30 s after power-on or wake-up the fan is not yet steady (data sheet, "circuit attentions"): whoever wakes
//! the part drops these readings.

mod scan;

pub use scan::{BadFrame, Counts};
pub(crate) use scan::{Look, Window};

use crate::PmMass;

/// Bits per second.
pub const BAUD: u32 = 9_600;
/// Sends by itself, every 0.2 to 0.8 s while values change and every 2.3 s while they do not. The state after power-on.
pub const ACTIVE: [u8; 7] = command(0xe1, 1);
/// Sends only when asked by [`READ`].
pub const PASSIVE: [u8; 7] = command(0xe1, 0);
/// Asks for one frame in passive mode.
pub const READ: [u8; 7] = command(0xe2, 0);
/// Fan and laser off.
pub const SLEEP: [u8; 7] = command(0xe4, 0);
/// Fan and laser on.
pub const WAKE: [u8; 7] = command(0xe4, 1);

const START: [u8; 2] = [0x42, 0x4d];
const READING_LEN: usize = 28;
const ANSWER_LEN: usize = 4;
/// Bytes before what the length counts.
const HEAD: usize = 4;
const FRAME_MAX: usize = HEAD + READING_LEN;

const fn command(code: u8, data: u8) -> [u8; 7] {
    let sum = START[0] as u16 + START[1] as u16 + code as u16 + data as u16;
    let [high, low] = sum.to_be_bytes();
    [START[0], START[1], code, 0, data, high, low]
}

/// Everything in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Mass concentrations, "CF=1, standard particle".
    pub cf1: PmMass,
    /// Mass concentrations, "under atmospheric environment".
    pub atmospheric: PmMass,
    /// Particles larger than 0.3, 0.5, 1.0, 2.5, 5.0 and 10 µm in 0.1 l of air.
    pub counts_per_dl: [u16; 6],
    /// Version of the part.
    pub version: u8,
}

/// Reads the part's side of the line in slices of any size, with a bounded buffer.
#[derive(Clone, Debug)]
pub struct Decoder {
    window: Window<FRAME_MAX>,
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

    /// Takes the next bytes and reports the mass concentrations (CF=1) that they complete, in order.
    pub fn feed(&mut self, bytes: &[u8], mut on_mass: impl FnMut(Result<PmMass, BadFrame>)) {
        self.feed_readings(bytes, |reading| on_mass(reading.map(|reading| reading.cf1)));
    }

    /// The same with all that a frame holds.
    pub fn feed_readings(&mut self, bytes: &[u8], on_reading: impl FnMut(Result<Reading, BadFrame>)) {
        self.window.feed(bytes, look, on_reading);
    }
}

fn look(bytes: &[u8]) -> Look<Reading> {
    match bytes {
        [first, ..] if *first != START[0] => return Look::None(BadFrame::Header),
        [_, second, ..] if *second != START[1] => return Look::None(BadFrame::Header),
        _ => {}
    }
    let Some(([_, _, high, low], rest)) = bytes.split_first_chunk::<HEAD>() else { return Look::More };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if len != READING_LEN && len != ANSWER_LEN {
        return Look::None(BadFrame::Length);
    }
    if rest.len() < len {
        return Look::More;
    }
    let Some((summed, sum)) = bytes.get(..HEAD + len).and_then(<[u8]>::split_last_chunk::<2>) else {
        return Look::More;
    };
    // At most 30 bytes: no overflow.
    if summed.iter().map(|byte| u16::from(*byte)).sum::<u16>() != u16::from_be_bytes(*sum) {
        return Look::None(BadFrame::Checksum);
    }
    match summed.get(HEAD..).and_then(|data| data.as_array::<26>()) {
        Some(words) => Look::Reading(HEAD + len, reading(words)),
        None => Look::Answer(HEAD + len),
    }
}

/// The 13 words to units.
fn reading(data: &[u8; 26]) -> Result<Reading, BadFrame> {
    let mut words = [0_u16; 12];
    for (word, bytes) in words.iter_mut().zip(data.as_chunks::<2>().0) {
        *word = u16::from_be_bytes(*bytes);
    }
    let [c1, c25, c10, a1, a25, a10, counts_per_dl @ ..] = words;
    let [.., version, fault] = *data;
    if fault != 0 {
        return Err(BadFrame::Fault(fault));
    }
    Ok(Reading { cf1: mass(c1, c25, c10)?, atmospheric: mass(a1, a25, a10)?, counts_per_dl, version })
}

/// The part counts whole µg/m³, up to about 1000; what a tenth does not fit is no reading.
fn mass(pm1_ugm3: u16, pm25_ugm3: u16, pm10_ugm3: u16) -> Result<PmMass, BadFrame> {
    let tenths = |ugm3: u16| ugm3.checked_mul(10).ok_or(BadFrame::Range);
    Ok(PmMass { pm1_dugm3: tenths(pm1_ugm3)?, pm25_dugm3: tenths(pm25_ugm3)?, pm10_dugm3: tenths(pm10_ugm3)? })
}
