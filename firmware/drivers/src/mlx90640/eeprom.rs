//! From the words of the EEPROM to what all pixels share: one pure function for each parameter.
//!
//! Sections are those of the data sheet "MLX90640 32x24 IR array", revision 12 (3901090640). Word `n` stands at address
//! 0x2400 + `n`. Rows and columns count from 0 here and from 1 there, so "odd" there is even here.

use core::fmt;

use super::EEPROM_WORDS;

/// Why the words are no calibration. The EEPROM has no check sum: these are the values that no calibrated part has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalibrationError {
    /// The options word (0x240A) is that of another part of the family.
    OtherPart(u16),
    /// The slope of the supply voltage is 0.
    Supply,
    /// The slope of the ambient sensor is not positive.
    Ambient,
    /// The gain is not positive.
    Gain,
    /// The object temperature ranges are empty.
    Ranges,
    /// So many pixels are marked as broken or outside of the specification.
    Deviating(u16),
}

impl fmt::Display for CalibrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherPart(options) => write!(f, "calibration of another part: options {options:#06x}"),
            Self::Supply => f.write_str("calibration without a slope of the supply voltage"),
            Self::Ambient => f.write_str("calibration without a slope of the ambient temperature"),
            Self::Gain => f.write_str("calibration without a gain"),
            Self::Ranges => f.write_str("calibration with empty ranges of the object temperature"),
            Self::Deviating(count) => write!(f, "calibration with {count} deviating pixels"),
        }
    }
}

impl core::error::Error for CalibrationError {}

/// A field of `bits` bits from bit `shift` of a word, unsigned.
pub(super) const fn field(word: u16, shift: u16, bits: u16) -> u16 {
    (word >> shift) & ((1 << bits) - 1)
}

/// The same as two's complement.
pub(super) const fn signed(word: u16, shift: u16, bits: u16) -> i16 {
    let unused = 16 - bits;
    ((word << (unused - shift)) as i16) >> unused
}

/// 2 to the power of `-exponent`, exact.
pub(super) const fn half_to(exponent: u16) -> f32 {
    let mut value = 1.0;
    let mut left = exponent;
    while left > 0 {
        value *= 0.5;
        left -= 1;
    }
    value
}

/// What is common to all pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalars {
    /// K_Vdd: steps per volt (11.1.1).
    pub k_vdd: f32,
    /// Vdd_25: steps at 25 °C and 3.3 V (11.1.1).
    pub vdd_25: f32,
    /// Kv_PTAT: the ambient sensor's dependence on the supply, 1/V (11.1.2).
    pub kv_ptat: f32,
    /// Kt_PTAT: steps per kelvin (11.1.2).
    pub kt_ptat: f32,
    /// V_PTAT25: steps at 25 °C (11.1.2).
    pub v_ptat_25: f32,
    /// Alpha_PTAT (11.1.2).
    pub alpha_ptat: f32,
    /// GAIN: steps of the gain channel at calibration (11.1.7).
    pub gain: f32,
    /// TGC: the share of the compensation pixel that is taken off, 0 in the parts sold today (11.1.16).
    pub tgc: f32,
    /// KsTa: the sensitivity's dependence on the ambient, 1/K (11.1.8).
    pub ks_ta: f32,
    /// KsTo of the four object ranges, 1/K (11.1.10).
    pub ks_to: [f32; 4],
    /// Where the four object ranges begin, °C (11.1.9).
    pub corner_degc: [f32; 4],
    /// Sensitivity at the begin of each range, against that at 0 °C (11.1.11).
    pub alpha_corner: [f32; 4],
    /// Resolution of the converter at calibration, 0 to 3 for 16 to 19 bits (11.1.17).
    pub resolution: u16,
    /// Sensitivity of the compensation pixel in each sub-page, steps/K⁴ (11.1.12).
    pub cp_alpha: [f32; 2],
    /// Offset of the compensation pixel in each sub-page, steps (11.1.13).
    pub cp_offset: [f32; 2],
    /// Kv of the compensation pixel, 1/V (11.1.14).
    pub cp_kv: f32,
    /// Kta of the compensation pixel, 1/K (11.1.15).
    pub cp_kta: f32,
    /// IL_CHESS_C1 to C3: what a pattern other than that of the calibration adds, steps (11.1.3.1).
    pub pattern_correction: [f32; 3],
    /// Whether it was calibrated in the chess pattern (bit 11 of the options at 0x240A is 0).
    pub calibrated_in_chess: bool,
    /// Kv of the pixels by row and column, 0 for the first and every other one, 1/V (11.1.5).
    pub kv: [[f32; 2]; 2],
}

impl Scalars {
    /// Before the EEPROM was read: zeros, so that a driver without its part costs no flash. No frame makes sense with them.
    pub(super) const NONE: Self = Self {
        k_vdd: 0.0,
        vdd_25: 0.0,
        kv_ptat: 0.0,
        kt_ptat: 0.0,
        v_ptat_25: 0.0,
        alpha_ptat: 0.0,
        gain: 0.0,
        tgc: 0.0,
        ks_ta: 0.0,
        ks_to: [0.0; 4],
        corner_degc: [0.0; 4],
        alpha_corner: [0.0; 4],
        resolution: 0,
        cp_alpha: [0.0; 2],
        cp_offset: [0.0; 2],
        cp_kv: 0.0,
        cp_kta: 0.0,
        pattern_correction: [0.0; 3],
        calibrated_in_chess: false,
        kv: [[0.0; 2]; 2],
    };

    /// From the words.
    ///
    /// # Errors
    /// [`CalibrationError`], of any kind but that of the pixels.
    pub fn from_eeprom(words: &[u16; EEPROM_WORDS]) -> Result<Self, CalibrationError> {
        // The maker's library tells the parts of the family apart by bit 6; the data sheet names the word only.
        if words[0x0a] & 0x0040 != 0 {
            return Err(CalibrationError::OtherPart(words[0x0a]));
        }
        let (k_vdd, vdd_25) = supply(words[0x33]);
        if k_vdd == 0.0 {
            return Err(CalibrationError::Supply);
        }
        let (kv_ptat, kt_ptat) = ptat_slopes(words[0x32]);
        let v_ptat_25 = f32::from(words[0x31] as i16);
        if kt_ptat <= 0.0 {
            return Err(CalibrationError::Ambient);
        }
        let gain = f32::from(words[0x30] as i16);
        if gain <= 0.0 {
            return Err(CalibrationError::Gain);
        }
        let corner_degc = corners(words[0x3f]);
        if corner_degc[2] <= 0.0 {
            return Err(CalibrationError::Ranges);
        }
        let ks_to = object_slopes([words[0x3d], words[0x3e]], words[0x3f]);
        Ok(Self {
            k_vdd,
            vdd_25,
            kv_ptat,
            kt_ptat,
            v_ptat_25,
            alpha_ptat: f32::from(field(words[0x10], 12, 4)) / 4.0 + 8.0,
            gain,
            tgc: f32::from(signed(words[0x3c], 0, 8)) / 32.0,
            ks_ta: f32::from(signed(words[0x3c], 8, 8)) / 8192.0,
            ks_to,
            corner_degc,
            alpha_corner: corner_sensitivities(ks_to, corner_degc),
            resolution: field(words[0x38], 12, 2),
            cp_alpha: cp_sensitivities(words[0x39], words[0x20]),
            cp_offset: cp_offsets(words[0x3a]),
            cp_kv: f32::from(signed(words[0x3b], 8, 8)) * kv_unit(words[0x38]),
            cp_kta: f32::from(signed(words[0x3b], 0, 8)) * kta_unit(words[0x38]),
            pattern_correction: pattern_corrections(words[0x35]),
            calibrated_in_chess: field(words[0x0a], 11, 1) == 0,
            kv: supply_slopes(words[0x34], words[0x38]),
        })
    }
}

/// K_Vdd and Vdd_25 (11.1.1).
fn supply(word: u16) -> (f32, f32) {
    let vdd_25 = (i32::from(field(word, 0, 8)) - 256) * 32 - 8192;
    (f32::from(signed(word, 8, 8)) * 32.0, vdd_25 as f32)
}

/// Kv_PTAT and Kt_PTAT (11.1.2).
fn ptat_slopes(word: u16) -> (f32, f32) {
    (f32::from(signed(word, 10, 6)) / 4096.0, f32::from(signed(word, 0, 10)) / 8.0)
}

/// Where the object ranges begin (11.1.9): the first two are fixed.
fn corners(word: u16) -> [f32; 4] {
    let step = field(word, 12, 2) * 10;
    let third = field(word, 4, 4) * step;
    let fourth = third + field(word, 8, 4) * step;
    [-40.0, 0.0, f32::from(third), f32::from(fourth)]
}

/// KsTo of the object ranges (11.1.10).
fn object_slopes(words: [u16; 2], scale: u16) -> [f32; 4] {
    let unit = half_to(field(scale, 0, 4) + 8);
    let slope = |word: u16, shift: u16| f32::from(signed(word, shift, 8)) * unit;
    [slope(words[0], 0), slope(words[0], 8), slope(words[1], 0), slope(words[1], 8)]
}

/// Sensitivity at the begin of each object range (11.1.11).
fn corner_sensitivities(ks_to: [f32; 4], corner_degc: [f32; 4]) -> [f32; 4] {
    let third = 1.0 + ks_to[1] * corner_degc[2];
    let fourth = third * (1.0 + ks_to[2] * (corner_degc[3] - corner_degc[2]));
    [1.0 / (1.0 - ks_to[0] * corner_degc[0]), 1.0, third, fourth]
}

/// Sensitivities of the compensation pixel (11.1.12).
fn cp_sensitivities(word: u16, scale: u16) -> [f32; 2] {
    let first = f32::from(signed(word, 0, 10)) * half_to(field(scale, 12, 4) + 27);
    [first, first * (1.0 + f32::from(signed(word, 10, 6)) / 128.0)]
}

/// Offsets of the compensation pixel (11.1.13).
fn cp_offsets(word: u16) -> [f32; 2] {
    let first = signed(word, 0, 10);
    [f32::from(first), f32::from(first + signed(word, 10, 6))]
}

/// What one step of a Kv is worth (11.1.5).
fn kv_unit(scales: u16) -> f32 {
    half_to(field(scales, 8, 4))
}

/// What one step of a Kta is worth (11.1.6).
pub(super) fn kta_unit(scales: u16) -> f32 {
    half_to(field(scales, 4, 4) + 8)
}

/// IL_CHESS_C1 to C3 (11.1.3.1).
fn pattern_corrections(word: u16) -> [f32; 3] {
    [f32::from(signed(word, 0, 6)) / 16.0, f32::from(signed(word, 6, 5)) / 2.0, f32::from(signed(word, 11, 5)) / 8.0]
}

/// Kv by row and column (11.1.5).
fn supply_slopes(word: u16, scales: u16) -> [[f32; 2]; 2] {
    let kv = |shift: u16| f32::from(signed(word, shift, 4)) * kv_unit(scales);
    [[kv(12), kv(4)], [kv(8), kv(0)]]
}
