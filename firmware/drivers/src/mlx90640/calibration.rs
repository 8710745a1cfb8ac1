//! The parameters of every pixel, from the words of the EEPROM (data sheet, sections 11.1.3 to 11.1.6).

use super::eeprom::{CalibrationError, Scalars, field, half_to, kta_unit, signed};
use super::{COLUMNS, EEPROM_WORDS, PIXELS, ROWS};

/// Where the pixels' words begin.
const PIXEL_WORDS: usize = 0x40;
/// More deviating pixels than this no part has (section 9 and note 4 of table 10): the words were misread.
const DEVIATING_MAX: u16 = 4;

/// Kta common to the pixels of such a row and column, steps (11.1.6).
fn kta_averages(words: [u16; 2]) -> [[i32; 2]; 2] {
    let kta = |word: u16, shift: u16| i32::from(signed(word, shift, 8));
    [[kta(words[0], 8), kta(words[1], 8)], [kta(words[0], 0), kta(words[1], 0)]]
}

/// The four-bit correction of a row or column, of a list of four a word.
fn nibble(words: &[u16], index: usize) -> i32 {
    let word = words.get(index / 4).copied().unwrap_or(0);
    i32::from(signed(word, (index % 4) as u16 * 4, 4))
}

/// Average, row, column and remainder of a value that is stored so: offset (11.1.3) and sensitivity (11.1.4).
struct Composed<'a> {
    average: i32,
    rows: &'a [u16],
    columns: &'a [u16],
    row_scale: u16,
    column_scale: u16,
    remainder_scale: u16,
}

impl Composed<'_> {
    /// The value of a pixel, in steps; at most 2^15 + 3·2^20, so it cannot overflow.
    fn at(&self, row: usize, column: usize, remainder: i16) -> i32 {
        self.average
            + (nibble(self.rows, row) << self.row_scale)
            + (nibble(self.columns, column) << self.column_scale)
            + (i32::from(remainder) << self.remainder_scale)
    }
}

/// Offsets (11.1.3).
fn offsets(words: &[u16; EEPROM_WORDS]) -> Composed<'_> {
    Composed {
        average: i32::from(words[0x11] as i16),
        rows: &words[0x12..0x18],
        columns: &words[0x18..0x20],
        row_scale: field(words[0x10], 8, 4),
        column_scale: field(words[0x10], 4, 4),
        remainder_scale: field(words[0x10], 0, 4),
    }
}

/// Sensitivities, before their scale (11.1.4).
fn sensitivities(words: &[u16; EEPROM_WORDS]) -> Composed<'_> {
    Composed {
        average: i32::from(words[0x21]),
        rows: &words[0x22..0x28],
        columns: &words[0x28..0x30],
        row_scale: field(words[0x20], 8, 4),
        column_scale: field(words[0x20], 4, 4),
        remainder_scale: field(words[0x20], 0, 4),
    }
}

/// The parameters of one pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pixel {
    /// Offset at 25 °C and 3.3 V, steps.
    pub offset: i16,
    /// Sensitivity, steps/K⁴, before the compensation pixel is taken off.
    pub alpha: f32,
    /// The offset's dependence on the ambient, 1/K.
    pub kta: f32,
    /// The offset's dependence on the supply, 1/V.
    pub kv: f32,
}

/// Everything that the EEPROM says of one part: about 8 kB, so it is filled in place.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    pub(super) scalars: Scalars,
    pub(super) offset: [i16; PIXELS],
    /// 0 marks a pixel that is not to be used.
    pub(super) alpha: [f32; PIXELS],
    pub(super) kta: [f32; PIXELS],
}

impl Calibration {
    /// Without any pixel; to be filled by [`Self::load`].
    pub const EMPTY: Self =
        Self { scalars: Scalars::NONE, offset: [0; PIXELS], alpha: [0.0; PIXELS], kta: [0.0; PIXELS] };

    /// From the words at 0x2400.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_eeprom(words: &[u16; EEPROM_WORDS]) -> Result<Self, CalibrationError> {
        let mut calibration = Self::EMPTY;
        calibration.load(words)?;
        Ok(calibration)
    }

    /// Fills it from the words at 0x2400, without a second copy on the stack. After an error no pixel is usable.
    ///
    /// # Errors
    /// [`CalibrationError`] if the words cannot be those of a calibrated part.
    pub fn load(&mut self, words: &[u16; EEPROM_WORDS]) -> Result<(), CalibrationError> {
        self.alpha = [0.0; PIXELS];
        self.scalars = Scalars::from_eeprom(words)?;
        let deviating = words[PIXEL_WORDS..].iter().filter(|word| deviates(**word)).count() as u16;
        if deviating > DEVIATING_MAX {
            return Err(CalibrationError::Deviating(deviating));
        }
        let offsets = offsets(words);
        let sensitivities = sensitivities(words);
        let alpha_unit = half_to(field(words[0x20], 12, 4) + 30);
        let kta_averages = kta_averages([words[0x36], words[0x37]]);
        let kta_unit = kta_unit(words[0x38]);
        let kta_scale = field(words[0x38], 0, 4);
        let pixels = self.offset.iter_mut().zip(&mut self.alpha).zip(&mut self.kta);
        for (index, (word, ((offset, alpha), kta))) in words[PIXEL_WORDS..].iter().copied().zip(pixels).enumerate() {
            let (row, column) = (index / COLUMNS, index % COLUMNS);
            let offset_steps = offsets.at(row, column, signed(word, 10, 6));
            let alpha_steps = sensitivities.at(row, column, signed(word, 4, 6));
            let kta_steps = kta_averages[row % 2][column % 2] + (i32::from(signed(word, 1, 3)) << kta_scale);
            *kta = kta_steps as f32 * kta_unit;
            let fits = i16::try_from(offset_steps);
            *offset = fits.unwrap_or(0);
            // A sensitivity that is not positive, or an offset that no pixel word can reach, is a misread word.
            let usable = !deviates(word) && alpha_steps > 0 && fits.is_ok();
            *alpha = if usable { alpha_steps as f32 * alpha_unit } else { 0.0 };
        }
        Ok(())
    }

    /// What is common to all pixels.
    #[must_use]
    pub const fn scalars(&self) -> &Scalars {
        &self.scalars
    }

    /// The parameters of a pixel, counted from 0 row by row; `None` for one that is marked as broken or as outside of the
    /// specification, and for one that does not exist.
    #[must_use]
    pub fn pixel(&self, index: usize) -> Option<Pixel> {
        let alpha = self.alpha.get(index).copied().filter(|alpha| *alpha > 0.0)?;
        Some(Pixel {
            offset: self.offset.get(index).copied()?,
            alpha,
            kta: self.kta.get(index).copied()?,
            kv: self.scalars.kv[index / COLUMNS % 2][index % 2],
        })
    }
}

/// Whether a pixel's word says that it is broken (0) or outside of the specification (lowest bit; notes 1 and 2 of table
/// 10).
const fn deviates(word: u16) -> bool {
    word == 0 || word & 1 != 0
}

const _: () = assert!(PIXELS == ROWS * COLUMNS && EEPROM_WORDS == PIXEL_WORDS + PIXELS);
