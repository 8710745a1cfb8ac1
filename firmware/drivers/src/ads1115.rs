//! Texas Instruments ADS1115, four-channel 16-bit analogue-to-digital converter.
//!
//! Two of its four registers are enough (data sheet SBAS444, section "Register Map"), so they are driven from here; the
//! crate `ads1x1x` is sound but blocking only.
//!
//! Every conversion is a single shot: the part sleeps between two. What the configuration register says when the
//! conversion has ended is compared with what was written, not only its ready bit: a part that was reset in between says
//! "ready" too, and its conversion register is 0.

use embedded_hal::i2c::SevenBitAddress;
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;

use crate::Error;

/// Its address with the pin ADDR at ground.
pub const ADDRESS: SevenBitAddress = 0x48;

const REG_CONVERSION: u8 = 0x00;
const REG_CONFIG: u8 = 0x01;

/// Written: start a conversion. Read: none is running.
const CONFIG_OS: u16 = 1 << 15;
/// Input against ground: AIN0; the other inputs follow.
const CONFIG_MUX_AIN0: u16 = 0b100;
const CONFIG_SINGLE_SHOT: u16 = 1 << 8;
/// 128 samples a second: the lowest noise that still lets four inputs be read ten times a second.
const CONFIG_128_SPS: u16 = 0b100 << 5;
const CONFIG_NO_COMPARATOR: u16 = 0b11;

/// 1/128 s is 7.8 ms; the part's clock is right within 10 % and it takes 25 µs to wake up: 8.7 ms at the most.
const CONVERSION_MS: u32 = 8;
/// Then asked again every millisecond, this often.
const POLLS: usize = 5;

/// An input, measured against ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "names of pins")]
pub enum Input {
    Ain0,
    Ain1,
    Ain2,
    Ain3,
}

/// What the converter's range is. An input must not go above the supply whatever the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullScale {
    /// ±6.144 V, steps of 187.5 µV.
    V6144,
    /// ±4.096 V, steps of 125 µV.
    V4096,
    /// ±2.048 V, steps of 62.5 µV.
    V2048,
    /// ±1.024 V, steps of 31.25 µV.
    V1024,
    /// ±0.512 V, steps of 15.625 µV.
    V0512,
    /// ±0.256 V, steps of 7.8125 µV.
    V0256,
}

impl FullScale {
    /// Upper end, µV.
    #[must_use]
    pub const fn microvolts(self) -> i32 {
        match self {
            Self::V6144 => 6_144_000,
            Self::V4096 => 4_096_000,
            Self::V2048 => 2_048_000,
            Self::V1024 => 1_024_000,
            Self::V0512 => 512_000,
            Self::V0256 => 256_000,
        }
    }

    /// The field PGA.
    const fn code(self) -> u16 {
        match self {
            Self::V6144 => 0,
            Self::V4096 => 1,
            Self::V2048 => 2,
            Self::V1024 => 3,
            Self::V0512 => 4,
            Self::V0256 => 5,
        }
    }
}

/// The part.
#[derive(Debug)]
pub struct Ads1115<I> {
    i2c: I,
    full_scales: [FullScale; 4],
}

impl<I: I2c> Ads1115<I> {
    /// Does not touch the bus. All inputs are read at ±2.048 V, as the part does after power-on.
    pub const fn new(i2c: I) -> Self {
        Self { i2c, full_scales: [FullScale::V2048; 4] }
    }

    /// The range of an input from now on: the smallest that its source cannot leave.
    pub const fn set_full_scale(&mut self, input: Input, full_scale: FullScale) {
        let [ain0, ain1, ain2, ain3] = &mut self.full_scales;
        *(match input {
            Input::Ain0 => ain0,
            Input::Ain1 => ain1,
            Input::Ain2 => ain2,
            Input::Ain3 => ain3,
        }) = full_scale;
    }

    /// Gives the bus back.
    pub fn release(self) -> I {
        self.i2c
    }

    /// Converts once, µV. Takes 8 to 13 ms.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Restarted`] when the part lost the setting while it converted; [`Error::Internal`] with the
    /// configuration register when no conversion ended in time; [`Error::Range`] for a result at either end of the range.
    pub async fn read_uv(&mut self, input: Input, delay: &mut impl DelayNs) -> Result<i32, Error<I::Error>> {
        let full_scale = self.full_scale(input);
        let config = config(input, full_scale);
        let [hi, lo] = config.to_be_bytes();
        self.i2c.write(ADDRESS, &[REG_CONFIG, hi, lo]).await?;
        delay.delay_ms(CONVERSION_MS).await;
        let mut found = 0;
        for _ in 0..POLLS {
            delay.delay_ms(1).await;
            found = self.read_register(REG_CONFIG).await?;
            if found & CONFIG_OS != 0 {
                break;
            }
        }
        if found & !CONFIG_OS != config & !CONFIG_OS {
            return Err(Error::Restarted);
        }
        if found & CONFIG_OS == 0 {
            return Err(Error::Internal(u32::from(found)));
        }
        // Two's complement.
        let raw = self.read_register(REG_CONVERSION).await? as i16;
        if matches!(raw, i16::MIN | i16::MAX) {
            return Err(Error::Range);
        }
        Ok(microvolts(raw, full_scale))
    }

    const fn full_scale(&self, input: Input) -> FullScale {
        let [ain0, ain1, ain2, ain3] = self.full_scales;
        match input {
            Input::Ain0 => ain0,
            Input::Ain1 => ain1,
            Input::Ain2 => ain2,
            Input::Ain3 => ain3,
        }
    }

    async fn read_register(&mut self, register: u8) -> Result<u16, Error<I::Error>> {
        let mut bytes = [0; 2];
        self.i2c.write_read(ADDRESS, &[register], &mut bytes).await?;
        Ok(u16::from_be_bytes(bytes))
    }
}

/// Data sheet, "Config Register".
const fn config(input: Input, full_scale: FullScale) -> u16 {
    let mux = CONFIG_MUX_AIN0 + input as u16;
    CONFIG_OS | mux << 12 | full_scale.code() << 9 | CONFIG_SINGLE_SHOT | CONFIG_128_SPS | CONFIG_NO_COMPARATOR
}

/// A conversion in µV, rounded to the nearest, halves away from 0: raw · full scale / 2¹⁵ (data sheet, "Data Format").
#[must_use]
pub const fn microvolts(raw: i16, full_scale: FullScale) -> i32 {
    const STEPS: i64 = 1 << 15;
    let product = raw as i64 * full_scale.microvolts() as i64;
    let half = if product < 0 { -STEPS / 2 } else { STEPS / 2 };
    // At most the full scale.
    ((product + half) / STEPS) as i32
}
