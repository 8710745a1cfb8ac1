//! Texas Instruments ADS1115, four analogue inputs, at I²C address 0x48.
//!
//! Written from the data sheet SBAS444 "ADS111x": section "Programming" (pointer, write and read transactions, register
//! map, config register), "Conversion modes", "Full-scale range and LSB size". Conversions take as long as the slowest
//! part's: the data rate varies by 10 %, and a single shot first powers the converter up.
//!
//! Not modelled: the comparator (its thresholds can be written and read) and the general-call reset.

use crate::bus::{I2cDevice, Nack, RELEASED};

/// Config register after power-on (section "Config register").
const CONFIG_RESET: u16 = 0x8583;
/// From power-down until the conversion starts, µs ("Conversion modes": about 25 µs).
const POWER_UP_US: u64 = 25;

#[derive(Clone, Copy, Debug)]
struct Conversion {
    config: u16,
    done_us: u64,
}

/// The part. It converts the voltages that [`Ads1115::set_input_uv`] said.
#[derive(Clone, Debug)]
pub struct Ads1115 {
    inputs_uv: [i32; 4],
    pointer: u8,
    config: u16,
    low: u16,
    high: u16,
    result: i16,
    running: Option<Conversion>,
}

impl Default for Ads1115 {
    fn default() -> Self {
        Self::new()
    }
}

impl Ads1115 {
    /// A part that got its supply long ago.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inputs_uv: [0; 4],
            pointer: 0,
            config: CONFIG_RESET,
            low: 0x8000,
            high: 0x7FFF,
            result: 0,
            running: None,
        }
    }

    /// Puts a voltage on an input (0 to 3), µV against ground; other numbers are ignored.
    pub fn set_input_uv(&mut self, input: usize, microvolts: i32) {
        if let Some(slot) = self.inputs_uv.get_mut(input) {
            *slot = microvolts;
        }
    }

    fn advance(&mut self, now_us: u64) {
        let Some(Conversion { config, done_us }) = self.running else { return };
        let Some(over_us) = now_us.checked_sub(done_us) else { return };
        // In continuous mode the next one follows at once; the inputs are constant here, so only the last one matters.
        let period_us = conversion_us(self.config);
        let followed = if self.config & 0x0100 == 0 { over_us / period_us } else { 0 };
        self.result = self.convert(if followed == 0 { config } else { self.config });
        self.running = (self.config & 0x0100 == 0).then(|| Conversion {
            config: self.config,
            done_us: now_us.saturating_add(period_us - over_us % period_us),
        });
    }

    /// The voltage between the inputs that MUX selects, in steps of the range that PGA selects, held at the rails.
    fn convert(&self, config: u16) -> i16 {
        let [a0, a1, a2, a3] = self.inputs_uv.map(i64::from);
        let microvolts = match (config >> 12) & 0b111 {
            0 => a0 - a1,
            1 => a0 - a3,
            2 => a1 - a3,
            3 => a2 - a3,
            4 => a0,
            5 => a1,
            6 => a2,
            _ => a3,
        };
        let full_uv: i64 = match (config >> 9) & 0b111 {
            0 => 6_144_000,
            1 => 4_096_000,
            2 => 2_048_000,
            3 => 1_024_000,
            4 => 512_000,
            _ => 256_000,
        };
        let steps = (microvolts * 32_768 * 2 + full_uv).div_euclid(full_uv * 2);
        steps.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
    }

    fn configure(&mut self, now_us: u64, value: u16) {
        let continuous = value & 0x0100 == 0;
        let start = value & 0x8000 != 0;
        self.config = value & 0x7FFF;
        // A start during a conversion has no effect; a conversion under way ends with the settings it began with.
        if self.running.is_none() && (continuous || start) {
            let done_us = now_us.saturating_add(POWER_UP_US + conversion_us(value));
            self.running = Some(Conversion { config: self.config, done_us });
        }
    }

    fn register(&self) -> u16 {
        match self.pointer & 0b11 {
            0 => self.result.cast_unsigned(),
            // OS reads 1 while no conversion is under way.
            1 => self.config & 0x7FFF | if self.running.is_none() { 0x8000 } else { 0 },
            2 => self.low,
            _ => self.high,
        }
    }
}

/// The longest a conversion takes at the data rate of a config word, µs.
fn conversion_us(config: u16) -> u64 {
    let rate_hz = match (config >> 5) & 0b111 {
        0 => 8,
        1 => 16,
        2 => 32,
        3 => 64,
        4 => 128,
        5 => 250,
        6 => 475,
        _ => 860,
    };
    1_100_000_u64.div_ceil(rate_hz)
}

impl I2cDevice for Ads1115 {
    fn write(&mut self, now_us: u64, bytes: &[u8]) -> Result<(), Nack> {
        self.advance(now_us);
        let Some((pointer, data)) = bytes.split_first() else { return Ok(()) };
        self.pointer = *pointer;
        // Two bytes are a register; what follows them has no meaning to the part.
        if let Some(value) = data.first_chunk::<2>() {
            let value = u16::from_be_bytes(*value);
            match pointer & 0b11 {
                0 => {} // The conversion register is read only.
                1 => self.configure(now_us, value),
                2 => self.low = value,
                _ => self.high = value,
            }
        }
        Ok(())
    }

    fn read(&mut self, now_us: u64, buffer: &mut [u8]) -> Result<(), Nack> {
        self.advance(now_us);
        buffer.fill(RELEASED);
        for (to, from) in buffer.iter_mut().zip(self.register().to_be_bytes()) {
            *to = from;
        }
        Ok(())
    }

    fn power_cycle(&mut self, _now_us: u64) {
        *self = Self { inputs_uv: self.inputs_uv, ..Self::new() };
    }
}
