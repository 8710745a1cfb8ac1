//! Sensirion SPS30 on its serial line (pin SEL open), 115200 baud, 8N1. Speaks only when asked.
//!
//! SHDLC (data sheet SPS30, section 5): `7E`, address 0, command, state, length, data, check sum, `7E`. The check sum is
//! the complement of the low byte of the sum of all bytes from the address on, before stuffing; `7E`, `7D`, `11` and `13` are
//! sent as `7D` and the byte with bit 5 turned. Frames to the part have no state. Measured values are ten big-endian
//! floats after [`START_FLOAT`], or nothing when none is new.

use crate::PmMass;

pub use crate::pmsx003::{BadFrame, Counts};

/// Bits per second.
pub const BAUD: u32 = 115_200;
/// Begins to measure, values as floats. The part is idle after power-on.
pub const START_FLOAT: [u8; 8] = [0x7e, 0x00, 0x00, 0x02, 0x01, 0x03, 0xf9, 0x7e];
/// Stops measuring.
pub const STOP: [u8; 6] = [0x7e, 0x00, 0x01, 0x00, 0xfe, 0x7e];
/// Asks for the measured values; a new one is there every second.
pub const READ: [u8; 6] = [0x7e, 0x00, 0x03, 0x00, 0xfc, 0x7e];
/// Fan at full speed for 10 s, while measuring.
pub const CLEAN_FAN: [u8; 6] = [0x7e, 0x00, 0x56, 0x00, 0xa9, 0x7e];
/// As after power-on.
pub const RESET: [u8; 6] = [0x7e, 0x00, 0xd3, 0x00, 0x2c, 0x7e];

const EDGE: u8 = 0x7e;
const ESCAPE: u8 = 0x7d;
const READ_VALUES: u8 = 0x03;
const FLOATS: usize = 10;
/// Address, command, state, length.
const HEAD: usize = 4;
/// The longest answer of the part: 40 bytes of measured values, head and check sum.
const FRAME_MAX: usize = HEAD + 4 * FLOATS + 1;

/// All that the part measures at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// PM1, PM2.5, PM4, PM10, µg/m³.
    pub mass_ugm3: [f32; 4],
    /// Particles between 0.3 and 0.5, 1.0, 2.5, 4.0, 10 µm, per cm³.
    pub counts_per_cm3: [f32; 5],
    /// Typical size of the particles, µm.
    pub typical_um: f32,
}

impl Reading {
    /// What the contract takes of it, rounded to the nearest tenth.
    ///
    /// # Errors
    /// [`BadFrame::Range`] for a value that is not a number, negative or above 6553.4 µg/m³ (the part's range ends at 1000).
    /// `u16::MAX` never comes out: it is what the link says for "not measured".
    pub fn mass(&self) -> Result<PmMass, BadFrame> {
        let [pm1, pm25, _, pm10] = self.mass_ugm3;
        Ok(PmMass { pm1_dugm3: tenths(pm1)?, pm25_dugm3: tenths(pm25)?, pm10_dugm3: tenths(pm10)? })
    }
}

fn tenths(ugm3: f32) -> Result<u16, BadFrame> {
    let tenths = libm::roundf(ugm3 * 10.0);
    // Also refuses what is not a number. Exact after rounding, and within a word by the test.
    if (0.0..f32::from(u16::MAX)).contains(&tenths) { Ok(tenths as u16) } else { Err(BadFrame::Range) }
}

/// Reads the part's side of the line in slices of any size, with a bounded buffer.
#[derive(Clone, Debug)]
pub struct Decoder {
    bytes: [u8; FRAME_MAX],
    len: usize,
    escaped: bool,
    broken: Option<BadFrame>,
    synced: bool,
    counts: Counts,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that has just been connected: what stands before the first `7E` is not reported.
    #[must_use]
    pub const fn new() -> Self {
        let counts = Counts { readings: 0, answers: 0, bad: 0 };
        Self { bytes: [0; FRAME_MAX], len: 0, escaped: false, broken: None, synced: false, counts }
    }

    /// To call after a reconnection. The counts stay.
    pub fn reset(&mut self) {
        self.begin();
        self.synced = false;
    }

    /// What came so far. An answer to [`READ`] without a new value counts as an answer.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes the next bytes and reports the mass concentrations that they complete, in order.
    pub fn feed(&mut self, bytes: &[u8], mut on_mass: impl FnMut(Result<PmMass, BadFrame>)) {
        self.feed_readings(bytes, |reading| on_mass(reading.and_then(|reading| reading.mass())));
    }

    /// The same with all that a frame holds. A reading comes only if its masses are such that [`Reading::mass`] takes them.
    pub fn feed_readings(&mut self, bytes: &[u8], mut on_reading: impl FnMut(Result<Reading, BadFrame>)) {
        for byte in bytes {
            if *byte != EDGE {
                self.push(*byte);
                continue;
            }
            // The edge that ends a frame and the one that begins the next may be one and the same: whatever stands
            // between two edges is tried, and nothing between them is nothing.
            let something = self.len > 0 || self.escaped || self.broken.is_some();
            if something {
                let result = self.finish();
                match &result {
                    Ok(Some(_)) => self.counts.reading(),
                    Ok(None) => self.counts.answer(),
                    Err(_) if self.synced => self.counts.bad(),
                    Err(_) => {}
                }
                match result {
                    Ok(Some(reading)) => on_reading(Ok(reading)),
                    Err(why) if self.synced => on_reading(Err(why)),
                    _ => {}
                }
            }
            self.synced = true;
            self.begin();
        }
    }

    fn begin(&mut self) {
        self.len = 0;
        self.escaped = false;
        self.broken = None;
    }

    fn push(&mut self, byte: u8) {
        let byte = match (self.escaped, byte) {
            (false, ESCAPE) => {
                self.escaped = true;
                return;
            }
            (false, byte) => byte,
            (true, 0x5e | 0x5d | 0x31 | 0x33) => byte ^ 0x20,
            (true, byte) => {
                self.broken.get_or_insert(BadFrame::Stuffing);
                byte
            }
        };
        self.escaped = false;
        match self.bytes.get_mut(self.len) {
            Some(free) => {
                *free = byte;
                self.len += 1;
            }
            None => {
                self.broken.get_or_insert(BadFrame::Length);
            }
        }
    }

    /// A reading, or nothing for another whole answer.
    fn finish(&self) -> Result<Option<Reading>, BadFrame> {
        if let Some(why) = self.broken {
            return Err(why);
        }
        if self.escaped {
            return Err(BadFrame::Stuffing);
        }
        let content = self.bytes.get(..self.len).unwrap_or_default();
        let Some((sum, summed)) = content.split_last() else { return Err(BadFrame::Length) };
        let Some(([address, command, state, len], data)) = summed.split_first_chunk::<HEAD>() else {
            return Err(BadFrame::Length);
        };
        if data.len() != usize::from(*len) {
            return Err(BadFrame::Length);
        }
        if !summed.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) != *sum {
            return Err(BadFrame::Checksum);
        }
        if *address != 0 {
            return Err(BadFrame::Header);
        }
        // Bit 7: an error flag of the part is set; below: why the command was not done.
        if *state != 0 {
            return Err(BadFrame::Fault(*state));
        }
        if *command != READ_VALUES || data.is_empty() {
            return Ok(None);
        }
        let (floats, rest) = data.as_chunks::<4>();
        let floats: &[[u8; 4]; FLOATS] = floats.try_into().map_err(|_| BadFrame::Length)?;
        if !rest.is_empty() {
            return Err(BadFrame::Length);
        }
        let [m1, m25, m4, m10, n05, n1, n25, n4, n10, typical_um] = floats.map(f32::from_be_bytes);
        let reading = Reading { mass_ugm3: [m1, m25, m4, m10], counts_per_cm3: [n05, n1, n25, n4, n10], typical_um };
        reading.mass().map(|_| Some(reading))
    }
}
