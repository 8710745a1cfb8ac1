//! A calibration of a part that never was, for twins: the maker's own examples are for tests only.
//!
//! Spreads follow what the data sheet's worked example (section 11.2.1.2) and common sense of a lens suggest: sensitivity
//! falls towards the edges, offsets go with rows and columns. The average sensitivity is at the upper end of that example,
//! so that one step of the converter stays below 0.2 K down to -30 °C.

use super::{COLUMNS, EEPROM_WORDS, PIXELS, ROWS};

/// SplitMix64 (Steele, Lea and Flood 2014): a seed in, numbers without pattern out.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `-spread` to `spread`.
    fn around(&mut self, centre: i32, spread: i32) -> i32 {
        let width = 2 * u64::from(spread.unsigned_abs()) + 1;
        centre - spread + (self.next() % width) as i32
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// The lowest `bits` bits of a number, at `shift`.
const fn put(value: i32, shift: u32, bits: u32) -> u16 {
    ((value & ((1 << bits) - 1)) << shift) as u16
}

/// Writes four-bit numbers, the first of each four into the lowest bits.
fn put_nibbles(words: &mut [u16], mut value: impl FnMut(usize) -> i32) {
    for (place, word) in words.iter_mut().enumerate() {
        *word = (0..4).map(|part| put(value(4 * place + part), 4 * part as u32, 4)).fold(0, |all, bits| all | bits);
    }
}

/// How far from the middle, 0 to `steps`.
fn edge(index: usize, count: usize, steps: i32) -> i32 {
    let from_middle = (2 * index + 1).abs_diff(count) as f64 / count as f64;
    (from_middle * from_middle * f64::from(steps)).round() as i32
}

/// The EEPROM of a plausible part: the same one for the same seed. Two of its pixels are marked as deviating, one as broken
/// and one as outside of the specification, never side by side (note 4 of table 10).
#[must_use]
pub fn synthetic_eeprom(seed: u64) -> [u16; EEPROM_WORDS] {
    let mut random = Random(seed);
    let mut words = [0; EEPROM_WORDS];
    for id in &mut words[0x07..0x0a] {
        *id = random.next() as u16;
    }
    // What the registers take at power-on: chess, 18 bits, 2 Hz; address 0x33 (table 8).
    words[0x0c] = 0x1901;
    words[0x0f] = 0xbe33;
    common(&mut words, &mut random);
    pixels(&mut words, &mut random);
    words
}

/// Words 0x10 to 0x3f.
fn common(words: &mut [u16; EEPROM_WORDS], random: &mut Random) {
    // Alpha_PTAT 9; offsets: rows in steps of 4, columns of 2, remainders of 1.
    words[0x10] = 0x4210;
    words[0x11] = random.around(-66, 6) as u16;
    put_nibbles(&mut words[0x12..0x18], |row| random.around(if row % 2 == 0 { 2 } else { -1 } - edge(row, ROWS, 2), 1));
    put_nibbles(&mut words[0x18..0x20], |column| random.around(if column % 2 == 0 { 1 } else { -1 }, 1));
    // Sensitivities in 2^-37 steps/K⁴: rows and columns in steps of 2^9, remainders of 2^5.
    words[0x20] = 0x7995;
    words[0x21] = random.around(18_900, 300) as u16;
    put_nibbles(&mut words[0x22..0x28], |row| 1 - edge(row, ROWS, 3));
    put_nibbles(&mut words[0x28..0x30], |column| 1 - edge(column, COLUMNS, 3));
    words[0x30] = random.around(6_300, 250) as u16;
    words[0x31] = random.around(12_270, 60) as u16;
    words[0x32] = put(random.around(20, 3), 10, 6) | put(random.around(338, 4), 0, 10);
    words[0x33] = put(random.around(-99, 2), 8, 8) | put(random.around(0x68, 6), 0, 8);
    put_nibbles(&mut words[0x34..0x35], |_| random.around(5, 1));
    words[0x35] = put(random.around(1, 1), 11, 5) | put(random.around(5, 2), 6, 5) | put(random.around(18, 4), 0, 6);
    words[0x36] = put(random.around(100, 6), 8, 8) | put(random.around(88, 6), 0, 8);
    words[0x37] = put(random.around(86, 6), 8, 8) | put(random.around(86, 6), 0, 8);
    // Calibrated at 18 bits; Kv in 2^-3, Kta in 2^-14, its remainders times 2^2.
    words[0x38] = 0x2362;
    words[0x39] = put(random.around(-6, 3), 10, 6) | put(random.around(72, 6), 0, 10);
    words[0x3a] = put(random.around(-2, 1), 10, 6) | put(random.around(-75, 5), 0, 10);
    words[0x3b] = put(random.around(4, 1), 8, 8) | put(random.around(75, 5), 0, 8);
    // TGC is 0 in the parts sold today (section 11.1.16).
    words[0x3c] = put(random.around(-17, 3), 8, 8);
    let slope = random.around(-105, 6);
    words[0x3d] = put(slope, 8, 8) | put(slope, 0, 8);
    words[0x3e] = put(slope, 8, 8) | put(slope, 0, 8);
    // Object ranges from 160 and 320 °C, slopes in 2^-17.
    words[0x3f] = 0x2889;
}

/// Words 0x40 to the end.
fn pixels(words: &mut [u16; EEPROM_WORDS], random: &mut Random) {
    for word in &mut words[0x40..] {
        let bits = put(random.around(0, 7), 10, 6) | put(random.around(0, 24), 4, 6) | put(random.around(0, 2), 1, 3);
        // 0 would mean a broken pixel.
        *word = if bits == 0 { put(1, 4, 6) } else { bits };
    }
    let broken = random.below(PIXELS);
    // Half a picture away, with a column between.
    let outlier = (broken + PIXELS / 2 + 2 + random.below(COLUMNS)) % PIXELS;
    words[0x40 + broken] = 0;
    words[0x40 + outlier] |= 1;
}
