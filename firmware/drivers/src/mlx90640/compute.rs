//! From the RAM of one sub-page to temperatures (data sheet, section 11.2).

use core::fmt;

use super::{COLUMNS, Calibration, PIXELS, ROWS};

/// Words of a [`Frame`].
pub const FRAME_WORDS: usize = 834;
/// The RAM from 0x0400 (832 words), then the control register (0x800D), then the status register (0x8000), as the maker's
/// library keeps them.
pub type Frame = [u16; FRAME_WORDS];

/// Where the control register stands in a [`Frame`].
pub const FRAME_CONTROL: usize = 832;
/// Where the status register stands in a [`Frame`].
pub const FRAME_STATUS: usize = 833;

// Places in the RAM (section 10.7.2), from 0x0400.
const VBE: usize = 0x300;
const CP: [usize; 2] = [0x308, 0x328];
const GAIN: usize = 0x30a;
const PTAT: usize = 0x320;
const VDD: usize = 0x32a;

/// 0 °C, K.
const KELVIN: f32 = 273.15;
/// The supply of the calibration, V.
const SUPPLY_V: f32 = 3.3;
/// The ambient of the calibration, °C.
const AMBIENT_DEGC: f32 = 25.0;
/// Under its power-on threshold (2.2 to 2.6 V) or over its absolute maximum (5 V) the part does not answer.
const SUPPLY_RANGE_V: core::ops::RangeInclusive<f32> = 2.2..=5.0;
/// Operated and stored from -40 to 85 °C; beyond this margin the words are not those of a measurement.
const AMBIENT_RANGE_DEGC: core::ops::RangeInclusive<f32> = -60.0..=125.0;

/// What the object is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameSettings {
    /// Emissivity, over 0 and at most 1.
    pub emissivity: f32,
    /// Temperature of what the object reflects, °C; without meaning at emissivity 1.
    pub reflected_degc: f32,
}

impl FrameSettings {
    /// A black body: the result is the apparent temperature.
    pub const APPARENT: Self = Self { emissivity: 1.0, reflected_degc: 0.0 };
}

/// What a sub-page was measured under.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Which half of the pixels, 0 or 1.
    pub sub_page: u8,
    /// Supply, V.
    pub supply_v: f32,
    /// Temperature of the part's case, °C; about 8 K over that of the air around it.
    pub ambient_degc: f32,
}

/// Why a frame gives no temperatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The sub-page of the status register is neither 0 nor 1.
    SubPage(u16),
    /// The gain channel is not positive.
    Gain,
    /// No part runs at this supply.
    Supply,
    /// No part runs at this ambient temperature.
    Ambient,
    /// The emissivity is not over 0 and at most 1, or the reflected temperature is not a number.
    Settings,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubPage(number) => write!(f, "no such sub-page: {number}"),
            Self::Gain => f.write_str("the gain channel is not positive"),
            Self::Supply => f.write_str("no part runs at this supply"),
            Self::Ambient => f.write_str("no part runs at this ambient temperature"),
            Self::Settings => f.write_str("no such emissivity or reflected temperature"),
        }
    }
}

impl core::error::Error for FrameError {}

/// A word of the RAM as two's complement, steps.
const fn steps(frame: &Frame, place: usize) -> f32 {
    frame[place] as i16 as f32
}

/// Whether the pixels alternate as on a chess board (bit 12), not row by row.
const fn is_chess(control: u16) -> bool {
    control & 0x1000 != 0
}

/// The fourth root to single precision, NaN of what is not positive.
///
/// A quarter of the exponent, read off the bits, is right to 4 %; each of Halley's steps triples the exact digits. Two
/// divisions: that is less than the two square roots in software of a core without a library for its own instruction.
fn fourth_root(value: f32) -> f32 {
    if value.is_nan() || value <= 0.0 {
        return f32::NAN;
    }
    let mut root = f32::from_bits(0x2f9b_4000 + (value.to_bits() >> 2));
    for _ in 0..2 {
        let power = (root * root) * (root * root);
        root *= (3.0 * power + 5.0 * value) / (5.0 * power + 3.0 * value);
    }
    root
}

/// Kelvin to the fourth power.
const fn fourth_power(temp_degc: f32) -> f32 {
    let square = (temp_degc + KELVIN) * (temp_degc + KELVIN);
    square * square
}

impl Calibration {
    /// Supply, V (11.2.2.2); only this channel is corrected for the converter's resolution (11.2.2.1).
    #[must_use]
    pub fn supply_v(&self, frame: &Frame) -> f32 {
        let now = (frame[FRAME_CONTROL] >> 10) & 3;
        let correction = f32::from(1_u16 << self.scalars.resolution) / f32::from(1_u16 << now);
        (steps(frame, VDD) * correction - self.scalars.vdd_25) / self.scalars.k_vdd + SUPPLY_V
    }

    /// Temperature of the part's case, °C (11.2.2.3). Both sub-pages contribute to it, so it lags by one.
    #[must_use]
    pub fn ambient_degc(&self, frame: &Frame) -> f32 {
        let scalars = &self.scalars;
        let ptat = steps(frame, PTAT);
        let v_ptat = ptat / (ptat * scalars.alpha_ptat + steps(frame, VBE)) * 262_144.0;
        let at_supply = v_ptat / (1.0 + scalars.kv_ptat * (self.supply_v(frame) - SUPPLY_V));
        (at_supply - scalars.v_ptat_25) / scalars.kt_ptat + AMBIENT_DEGC
    }

    /// Object temperatures of the pixels of the frame's sub-page, °C, into their places of `out`; the others are left as
    /// they are. NaN stands for a pixel that is not to be used, and for one without any radiation.
    ///
    /// # Errors
    /// [`FrameError`] if the frame or the settings make no sense; `out` is then untouched.
    pub fn temperatures(
        &self,
        frame: &Frame,
        settings: FrameSettings,
        out: &mut [f32; PIXELS],
    ) -> Result<Conditions, FrameError> {
        let sub_page = Prepared::new(self, frame, settings)?;
        sub_page.each(|index, temp_degc| {
            if let Some(place) = out.get_mut(index) {
                *place = temp_degc;
            }
        });
        Ok(sub_page.conditions)
    }

    /// Apparent temperatures of the pixels of the frame's sub-page, 0.01 °C, into their places of `picture`; the others
    /// are left as they are. [`i16::MIN`] stands for a pixel without a value; values saturate.
    ///
    /// # Errors
    /// [`FrameError`] if the frame makes no sense; `picture` is then untouched.
    pub fn apparent(&self, frame: &Frame, picture: &mut [i16; PIXELS]) -> Result<Conditions, FrameError> {
        let sub_page = Prepared::new(self, frame, FrameSettings::APPARENT)?;
        sub_page.each(|index, temp_degc| {
            if let Some(place) = picture.get_mut(index) {
                *place = centi(temp_degc);
            }
        });
        Ok(sub_page.conditions)
    }
}

/// 0.01 of a unit, rounded and saturating; [`i16::MIN`] for what is not a number and for nothing else.
pub(super) fn centi(value: f32) -> i16 {
    if !value.is_finite() {
        return i16::MIN;
    }
    let scaled = value * 100.0;
    let rounded = (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i16;
    rounded.max(i16::MIN + 1)
}

/// What is the same for all pixels of a sub-page.
struct Prepared<'a> {
    calibration: &'a Calibration,
    raw: &'a [[u16; COLUMNS]],
    conditions: Conditions,
    chess: bool,
    /// Steps of now to steps of the calibration.
    gain: f32,
    /// Ambient over that of the calibration, K.
    ambient_diff_k: f32,
    /// What the supply does to the offsets of such a row and column.
    kv_factor: [[f32; 2]; 2],
    /// The compensation pixel's share, steps.
    cp_steps: f32,
    /// The compensation pixel's share, steps/K⁴.
    cp_alpha: f32,
    /// What ambient and emissivity do to the sensitivities.
    alpha_factor: f32,
    /// Radiation of the surroundings, K⁴.
    surroundings_k4: f32,
    /// Sensitivity and its slope for each object range: at 0 °C, so that the range's begin drops out.
    ranges: [(f32, f32); 4],
}

impl<'a> Prepared<'a> {
    fn new(calibration: &'a Calibration, frame: &'a Frame, settings: FrameSettings) -> Result<Self, FrameError> {
        let scalars = &calibration.scalars;
        let in_range = settings.emissivity > 0.0 && settings.emissivity <= 1.0;
        if !in_range || !settings.reflected_degc.is_finite() {
            return Err(FrameError::Settings);
        }
        let sub_page = match frame[FRAME_STATUS] & 7 {
            0 => 0_u8,
            1 => 1,
            other => return Err(FrameError::SubPage(other)),
        };
        let gain_steps = steps(frame, GAIN);
        if gain_steps <= 0.0 {
            return Err(FrameError::Gain);
        }
        let supply_v = calibration.supply_v(frame);
        if !SUPPLY_RANGE_V.contains(&supply_v) {
            return Err(FrameError::Supply);
        }
        let ambient_degc = calibration.ambient_degc(frame);
        if !AMBIENT_RANGE_DEGC.contains(&ambient_degc) {
            return Err(FrameError::Ambient);
        }
        let page = usize::from(sub_page);
        let chess = is_chess(frame[FRAME_CONTROL]);
        let gain = scalars.gain / gain_steps;
        let (ambient_diff_k, supply_diff_v) = (ambient_degc - AMBIENT_DEGC, supply_v - SUPPLY_V);
        // Section 11.2.2.6: only the second sub-page's offset depends on the pattern.
        let as_calibrated = chess == scalars.calibrated_in_chess;
        let correction = if as_calibrated || page == 0 { 0.0 } else { scalars.pattern_correction[0] };
        let cp_offset = (scalars.cp_offset[page] + correction)
            * (1.0 + scalars.cp_kta * ambient_diff_k)
            * (1.0 + scalars.cp_kv * supply_diff_v);
        let ambient_k4 = fourth_power(ambient_degc);
        // Section 11.2.2.9. At emissivity 1 the reflected part drops out; the difference of two large numbers would not.
        let surroundings_k4 = if settings.emissivity < 1.0 {
            let reflected_k4 = fourth_power(settings.reflected_degc);
            reflected_k4 - (reflected_k4 - ambient_k4) / settings.emissivity
        } else {
            ambient_k4
        };
        Ok(Self {
            calibration,
            raw: frame.as_chunks().0,
            conditions: Conditions { sub_page, supply_v, ambient_degc },
            chess,
            gain,
            ambient_diff_k,
            kv_factor: scalars.kv.map(|row| row.map(|kv| 1.0 + kv * supply_diff_v)),
            cp_steps: scalars.tgc * (steps(frame, CP[page]) * gain - cp_offset),
            cp_alpha: scalars.tgc * scalars.cp_alpha[page],
            alpha_factor: (1.0 + scalars.ks_ta * ambient_diff_k) * settings.emissivity,
            surroundings_k4,
            ranges: core::array::from_fn(|range| {
                let (at_corner, slope) = (scalars.alpha_corner[range], scalars.ks_to[range]);
                (at_corner * (1.0 - slope * scalars.corner_degc[range]), at_corner * slope)
            }),
        })
    }

    /// Gives each pixel of the sub-page its temperature, °C (NaN: none).
    fn each(&self, mut take: impl FnMut(usize, f32)) {
        let page = usize::from(self.conditions.sub_page);
        let rows = self.calibration.offset.as_chunks::<COLUMNS>().0.iter();
        let rows = rows.zip(self.calibration.alpha.as_chunks::<COLUMNS>().0);
        let rows = rows.zip(self.calibration.kta.as_chunks::<COLUMNS>().0);
        for (row, (raw, ((offset, alpha), kta))) in self.raw.iter().zip(rows).enumerate().take(ROWS) {
            // Section 11.2.2.7: the sub-page of a pixel is the parity of its row, against that of its column on a chess
            // board.
            let row_parity = row % 2;
            let (first, stride) = match (self.chess, row_parity == page) {
                (true, _) => (row_parity ^ page, 2),
                (false, true) => (0, 1),
                (false, false) => continue,
            };
            let columns = raw.iter().zip(offset).zip(alpha.iter().zip(kta)).enumerate();
            for (column, ((raw, offset), (alpha, kta))) in columns.skip(first).step_by(stride) {
                let kv_factor = self.kv_factor[row_parity][column % 2];
                let offset = f32::from(*offset) * (1.0 + kta * self.ambient_diff_k) * kv_factor;
                let measured = f32::from(*raw as i16) * self.gain - offset - self.cp_steps;
                let corrected = measured + self.pattern_steps(row_parity, column);
                take(row * COLUMNS + column, self.object_degc(corrected, *alpha));
            }
        }
    }

    /// What a pattern other than that of the calibration takes off (11.1.3.1), steps.
    fn pattern_steps(&self, row_parity: usize, column: usize) -> f32 {
        let scalars = &self.calibration.scalars;
        if self.chess == scalars.calibrated_in_chess {
            return 0.0;
        }
        let sign = if row_parity == 0 { 1.0 } else { -1.0 };
        // The conversion pattern of the data sheet runs 0, -1, 0, 1 along a row.
        let conversion = [0.0, -1.0, 0.0, 1.0][column % 4] * sign;
        -scalars.pattern_correction[2] * sign - scalars.pattern_correction[1] * conversion
    }

    /// The temperature that gives a pixel of this sensitivity so many steps (11.2.2.8, 11.2.2.9 and 11.2.2.9.1), °C.
    ///
    /// The data sheet's Sx is written here as what it is: the sensitivity at a first guess of the object. Its fourth
    /// powers of the sensitivity cancel, which saves the smallest numbers of the chain from single precision.
    fn object_degc(&self, steps: f32, alpha: f32) -> f32 {
        let sensitivity = (alpha - self.cp_alpha) * self.alpha_factor;
        if alpha <= 0.0 || sensitivity <= 0.0 {
            return f32::NAN;
        }
        let signal_k4 = steps / sensitivity;
        let ks_to = &self.calibration.scalars.ks_to;
        let guess_k = fourth_root(signal_k4 + self.surroundings_k4);
        let basic_k = fourth_root(signal_k4 / (1.0 + ks_to[1] * (guess_k - KELVIN)) + self.surroundings_k4);
        let basic_degc = basic_k - KELVIN;
        let corner_degc = &self.calibration.scalars.corner_degc;
        let range = corner_degc.iter().skip(1).filter(|corner| basic_degc >= **corner).count();
        let (at_zero, slope) = self.ranges[range.min(3)];
        fourth_root(signal_k4 / (at_zero + slope * basic_degc) + self.surroundings_k4) - KELVIN
    }
}

#[cfg(test)]
mod tests {
    use super::fourth_root;

    #[test]
    fn fourth_root_is_exact_to_single_precision() {
        let mut worst = 0.0_f64;
        // From 0.1 K to 1800 K in steps of 0.01 %.
        let mut value = 1e-4_f32;
        while value < 1e13 {
            let exact = f64::from(value).sqrt().sqrt();
            worst = worst.max((f64::from(fourth_root(value)) / exact - 1.0).abs());
            value *= 1.0001;
        }
        assert!(worst < 4e-7, "{worst:e}");
        for nothing in [0.0, -0.0, -1.0, f32::NAN, f32::NEG_INFINITY, f32::INFINITY] {
            assert!(fourth_root(nothing).is_nan(), "{nothing}");
        }
    }
}
