//! What the part's own calibration says of how it turns radiation into words: the data sheet's chain (section 11) read
//! backwards.

use super::{COLUMNS, EEPROM_WORDS, PIXELS};

/// 0 °C, K.
const KELVIN: f64 = 273.15;
/// Steps of the gain channel against those at calibration: it drifts, and every pixel with it.
const GAIN_DRIFT: f64 = 1.03;
/// Steps of the PTAT channel at 25 °C; it is proportional to the absolute temperature.
const PTAT_25: f64 = 1_700.0;

/// `bits` bits of a word from bit `shift`.
fn unsigned(word: u16, shift: u32, bits: u32) -> f64 {
    f64::from((u32::from(word) >> shift) & ((1 << bits) - 1))
}

/// The same, in two's complement.
fn signed(word: u16, shift: u32, bits: u32) -> f64 {
    let value = unsigned(word, shift, bits);
    let wrap = f64::from(1_u32 << bits);
    if value >= wrap / 2.0 { value - wrap } else { value }
}

/// To the nearest step that a word holds.
fn word(steps: f64) -> u16 {
    (steps.round() as i16) as u16
}

/// What a word says.
fn steps(word: u16) -> f64 {
    f64::from(word as i16)
}

/// A pixel of the part.
#[derive(Clone, Copy)]
struct PixelSense {
    offset: f64,
    kta: f64,
    kv: f64,
    alpha: f64,
    broken: bool,
}

/// The part, as calibrated.
pub(super) struct Part {
    eeprom: Box<[u16; EEPROM_WORDS]>,
    pixels: Vec<PixelSense>,
    ranges: [Range; 4],
}

/// A range of object temperatures (11.1.9 to 11.1.11).
#[derive(Clone, Copy)]
struct Range {
    from_degc: f32,
    sensitivity: f32,
    slope: f32,
}

/// What surrounds the part and how it is set.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Surroundings {
    pub(super) ambient_degc: f64,
    pub(super) supply_v: f64,
    pub(super) chess: bool,
    pub(super) resolution: u16,
}

/// The words that all pixels share, by their places in the RAM.
pub(super) struct Shared {
    pub(super) vbe: u16,
    pub(super) ptat: u16,
    pub(super) vdd: u16,
    pub(super) gain: u16,
    pub(super) cp: [u16; 2],
}

/// How a pixel answers in the surroundings in force: word = `rest` + `slope` × sensitivity × radiation.
#[derive(Clone, Copy)]
pub(super) struct Response {
    rest: f32,
    slope: f32,
}

/// All pixels in the surroundings in force.
pub(super) struct Responses {
    pub(super) shared: Shared,
    pub(super) pixels: Vec<Response>,
    ambient_k4: f32,
}

impl Part {
    pub(super) fn new(eeprom: [u16; EEPROM_WORDS]) -> Self {
        let eeprom = Box::new(eeprom);
        let pixels = (0..PIXELS).map(|index| pixel(&eeprom, index)).collect();
        let ranges = ranges(&eeprom);
        Self { eeprom, pixels, ranges }
    }

    pub(super) fn eeprom(&self, index: usize) -> u16 {
        self.eeprom.get(index).copied().unwrap_or(0)
    }

    /// The words of these surroundings. They are rounded one after the other, and each takes what the words before it say
    /// in place of the truth: so a reader finds in all of them one and the same ambient and supply, and the only error left
    /// is half a step of each pixel.
    pub(super) fn respond(&self, around: &Surroundings) -> Responses {
        let at = |address: usize| self.eeprom[address];
        let finer = f64::from(1_u32 << around.resolution) / unsigned(at(0x38), 12, 2).exp2();
        // Supply (11.2.2.2).
        let k_vdd = signed(at(0x33), 8, 8) * 32.0;
        let vdd_25 = (unsigned(at(0x33), 0, 8) - 256.0) * 32.0 - 8_192.0;
        let vdd = word(((around.supply_v - 3.3) * k_vdd + vdd_25) * finer);
        let supply_diff = (steps(vdd) / finer - vdd_25) / k_vdd;
        // Ambient (11.2.2.3): the PTAT channel is coarse, so the finer Vbe channel takes what it cannot say.
        let (kv_ptat, kt_ptat) = (signed(at(0x32), 10, 6) / 4_096.0, signed(at(0x32), 0, 10) / 8.0);
        let v_ptat_25 = steps(at(0x31));
        let alpha_ptat = unsigned(at(0x10), 12, 4) / 4.0 + 8.0;
        let by_supply = 1.0 + kv_ptat * supply_diff;
        let v_ptat = ((around.ambient_degc - 25.0) * kt_ptat + v_ptat_25) * by_supply;
        let ptat = word(PTAT_25 * (around.ambient_degc + KELVIN) / (25.0 + KELVIN));
        let vbe = word(steps(ptat) * (18_f64.exp2() / v_ptat - alpha_ptat));
        let v_ptat_said = steps(ptat) / (steps(ptat) * alpha_ptat + steps(vbe)) * 18_f64.exp2();
        let ambient_diff = (v_ptat_said / by_supply - v_ptat_25) / kt_ptat;
        // Gain (11.2.2.4). Pixels, compensation pixel and gain come from one converter, so its resolution cancels.
        let gain = word(steps(at(0x30)) * GAIN_DRIFT * finer);
        let per_step = steps(gain) / steps(at(0x30));
        // The compensation pixel (11.2.2.6) sees the case, which is at ambient: nothing but its offset.
        let as_calibrated = around.chess == (unsigned(at(0x0a), 11, 1) == 0.0);
        let cp_offset =
            [0.0, signed(at(0x3a), 10, 6) + if as_calibrated { 0.0 } else { signed(at(0x35), 0, 6) / 16.0 }].map(
                |more| {
                    let kta = signed(at(0x3b), 0, 8) / (unsigned(at(0x38), 4, 4) + 8.0).exp2();
                    let kv = signed(at(0x3b), 8, 8) / unsigned(at(0x38), 8, 4).exp2();
                    (signed(at(0x3a), 0, 10) + more) * (1.0 + kta * ambient_diff) * (1.0 + kv * supply_diff)
                },
            );
        let cp = cp_offset.map(|offset| word(offset * per_step));
        let tgc = signed(at(0x3c), 0, 8) / 32.0;
        let cp_alpha_0 = signed(at(0x39), 0, 10) / (unsigned(at(0x20), 12, 4) + 27.0).exp2();
        let cp_alpha = [cp_alpha_0, cp_alpha_0 * (1.0 + signed(at(0x39), 10, 6) / 128.0)];
        let by_ambient = 1.0 + signed(at(0x3c), 8, 8) / 8_192.0 * ambient_diff;
        let pixels = self.pixels.iter().enumerate().map(|(index, pixel)| {
            if pixel.broken {
                return Response { rest: 0.0, slope: 0.0 };
            }
            let page = page(index, around.chess);
            let leak = tgc * (steps(cp[page]) / per_step - cp_offset[page]);
            let offset = pixel.offset * (1.0 + pixel.kta * ambient_diff) * (1.0 + pixel.kv * supply_diff);
            let pattern = if as_calibrated { 0.0 } else { pattern(at(0x35), index) };
            let alpha = (pixel.alpha - tgc * cp_alpha[page]) * by_ambient;
            Response { rest: ((offset + leak + pattern) * per_step) as f32, slope: (alpha * per_step) as f32 }
        });
        Responses {
            pixels: pixels.collect(),
            shared: Shared { vbe, ptat, vdd, gain, cp },
            ambient_k4: (ambient_diff + 25.0 + KELVIN).powi(4) as f32,
        }
    }

    /// The word of a pixel that looks at a black body of this temperature.
    pub(super) fn pixel_word(&self, responses: &Responses, response: Response, apparent_cdegc: i16) -> u16 {
        // Nothing is colder than 0 K.
        let object_degc = (f32::from(apparent_cdegc) / 100.0).max(-273.15);
        let object_k = object_degc + 273.15;
        let object_k4 = (object_k * object_k) * (object_k * object_k);
        let mut range = self.ranges[0];
        for next in &self.ranges[1..] {
            if object_degc >= next.from_degc {
                range = *next;
            }
        }
        let sensitivity = range.sensitivity * (1.0 + range.slope * (object_degc - range.from_degc));
        let steps = response.rest + response.slope * sensitivity * (object_k4 - responses.ambient_k4);
        ((steps + 0.5).floor() as i16) as u16
    }
}

/// The sub-page of a pixel (11.2.2.7).
pub(super) const fn page(index: usize, chess: bool) -> usize {
    let (row, column) = (index / COLUMNS, index % COLUMNS);
    if chess { (row + column) % 2 } else { row % 2 }
}

/// What a pixel reads more in the pattern that it was not calibrated in (11.1.3.1), steps.
fn pattern(coefficients: u16, index: usize) -> f64 {
    let up = if (index / COLUMNS).is_multiple_of(2) { 1.0 } else { -1.0 };
    let along = match index % 4 {
        1 => -1.0,
        3 => 1.0,
        _ => 0.0,
    };
    let (second, third) = (signed(coefficients, 6, 5) / 2.0, signed(coefficients, 11, 5) / 8.0);
    up * (third + second * along)
}

/// A pixel's parameters (11.1.3 to 11.1.6).
fn pixel(eeprom: &[u16; EEPROM_WORDS], index: usize) -> PixelSense {
    let (row, column) = (index / COLUMNS, index % COLUMNS);
    let own = eeprom[0x40 + index];
    let nibble = |start: usize, place: usize| signed(eeprom[start + place / 4], 4 * (place % 4) as u32, 4);
    // A value kept as an average and what row, column and pixel differ from it.
    let composed = |start: usize, average: f64, remainder: f64| {
        let scale = |shift: u32| unsigned(eeprom[start], shift, 4).exp2();
        let by_row = nibble(start + 2, row) * scale(8);
        average + by_row + nibble(start + 8, column) * scale(4) + remainder * scale(0)
    };
    let offset = composed(0x10, steps(eeprom[0x11]), signed(own, 10, 6));
    let alpha = composed(0x20, f64::from(eeprom[0x21]), signed(own, 4, 6));
    let scales = eeprom[0x38];
    let kta_average = signed(eeprom[0x36 + column % 2], if row % 2 == 0 { 8 } else { 0 }, 8);
    let kta = kta_average + signed(own, 1, 3) * unsigned(scales, 0, 4).exp2();
    let kv = signed(eeprom[0x34], [[12, 4], [8, 0]][row % 2][column % 2], 4);
    PixelSense {
        offset,
        alpha: alpha / (unsigned(eeprom[0x20], 12, 4) + 30.0).exp2(),
        kta: kta / (unsigned(scales, 4, 4) + 8.0).exp2(),
        kv: kv / unsigned(scales, 8, 4).exp2(),
        broken: own == 0,
    }
}

/// The ranges of the object's temperature: each begins as sensitive as the one below it ends.
fn ranges(eeprom: &[u16; EEPROM_WORDS]) -> [Range; 4] {
    let last = eeprom[0x3f];
    let unit = (unsigned(last, 0, 4) + 8.0).exp2();
    let slopes = [(0x3d, 0), (0x3d, 8), (0x3e, 0), (0x3e, 8)].map(|(at, shift)| signed(eeprom[at], shift, 8) / unit);
    let step = unsigned(last, 12, 2) * 10.0;
    let third = unsigned(last, 4, 4) * step;
    let from = [-40.0, 0.0, third, third + unsigned(last, 8, 4) * step];
    let first = 1.0 / (1.0 + slopes[0] * 40.0);
    let to_third = 1.0 + slopes[1] * from[2];
    let sensitivity = [first, 1.0, to_third, to_third * (1.0 + slopes[2] * (from[3] - from[2]))];
    std::array::from_fn(|range| Range {
        from_degc: from[range] as f32,
        sensitivity: sensitivity[range] as f32,
        slope: slopes[range] as f32,
    })
}
