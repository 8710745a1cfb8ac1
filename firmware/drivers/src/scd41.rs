//! Sensirion SCD41, CO₂ with temperature and humidity.
//!
//! Commands, formats and times are those of the SCD4x data sheet, version 1.5 and later, section 3: 16-bit commands, words
//! of 16 bits, most significant byte first, each followed by the CRC of [`crate::sps30::crc8`]. The part measures every 5 s.
//!
//! The crate `scd4x` is not used: it cannot read the ambient pressure back, on which [`Scd41::is_restarted`] rests; it
//! refuses by its own memory of the mode, which a part that was reset does not share; and it keeps a delay, where this
//! crate lends one. What remained would be seven commands, and they are here.
//!
//! How a reset shows: the ambient pressure is lost with the supply. A part that answers with the value of power-on, which
//! is never written here, has been reset, is idle, and delivers nothing until it is started again.

use embedded_hal::i2c::SevenBitAddress;
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;

use crate::Error;
use crate::sps30::{TRIES, command, command_with, query, unless_refused};

/// Its only address (data sheet, section 3.1).
pub const ADDRESS: SevenBitAddress = 0x62;

/// The ambient pressure that the part assumes after power-on, hPa (data sheet, `set_ambient_pressure`).
pub const DEFAULT_PRESSURE_HPA: u16 = 1013;

// Data sheet, section 3.5 and following.
const START_PERIODIC_MEASUREMENT: u16 = 0x21B1;
const READ_MEASUREMENT: u16 = 0xEC05;
const STOP_PERIODIC_MEASUREMENT: u16 = 0x3F86;
/// Followed by a word it sets, followed by a read it gets. Allowed while measuring.
const AMBIENT_PRESSURE: u16 = 0xE000;
const GET_DATA_READY_STATUS: u16 = 0xE4B8;
const GET_SERIAL_NUMBER: u16 = 0x3682;
const REINIT: u16 = 0x3646;
const WAKE_UP: u16 = 0x36F6;

const WAKE_UP_MS: u32 = 30;
const STOP_MS: u32 = 500;
const REINIT_MS: u32 = 30;
const WRITE_MS: u32 = 1;

/// Accepted ambient pressures, Pa (data sheet, `set_ambient_pressure`).
const PRESSURE_PA: core::ops::RangeInclusive<u32> = 70_000..=120_000;
/// CO₂ that the part can put out, ppm (data sheet, table 1). 0 is what it says when it has measured none.
const CO2_PPM: core::ops::RangeInclusive<u16> = 1..=40_000;

/// A measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Co2Reading {
    /// CO₂, ppm, corrected for the ambient pressure that was set.
    pub ppm: u16,
    /// Temperature in the part, 0.01 °C.
    pub temp_cdegc: i16,
    /// Relative humidity, 0.01 %.
    pub rh_cpct: u16,
}

/// The part.
#[derive(Debug)]
pub struct Scd41<I> {
    i2c: I,
    /// What the part was last told, hPa.
    pressure_hpa: u16,
    /// What it last acknowledged, hPa. Another value while the last write has failed: the part may hold either.
    acknowledged_hpa: u16,
    /// It may still be at work on what it was told, 1 ms at the most, and refuse the next command.
    busy: bool,
}

impl<I: I2c> Scd41<I> {
    /// Does not touch the bus.
    pub const fn new(i2c: I) -> Self {
        let pressure_hpa = DEFAULT_PRESSURE_HPA - 1;
        Self { i2c, pressure_hpa, acknowledged_hpa: pressure_hpa, busy: false }
    }

    /// Gives the bus back. The part goes on measuring.
    pub fn release(self) -> I {
        self.i2c
    }

    /// Brings the part from any state into periodic measurement, with the ambient pressure last set, or 101 200 Pa. Takes
    /// about 0.6 s; the first value follows after 5 s.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Checksum`] when the serial number cannot be read whole; [`Error::Identity`] when it is 0.
    pub async fn start(&mut self, delay: &mut impl DelayNs) -> Result<(), Error<I::Error>> {
        // Never acknowledged by a sleeping part, nor of use to one that is awake (data sheet, `wake_up`).
        unless_refused(command(&mut self.i2c, ADDRESS, WAKE_UP).await)?;
        delay.delay_ms(WAKE_UP_MS).await;
        // Of no use to an idle part, which may refuse it.
        unless_refused(command(&mut self.i2c, ADDRESS, STOP_PERIODIC_MEASUREMENT).await)?;
        delay.delay_ms(STOP_MS).await;
        command(&mut self.i2c, ADDRESS, REINIT).await?;
        delay.delay_ms(REINIT_MS).await;
        let serial: [u16; 3] = query(&mut self.i2c, ADDRESS, GET_SERIAL_NUMBER, 1).await?;
        if serial == [0; 3] {
            return Err(Error::Identity(0));
        }
        self.busy = false;
        self.write_pressure(self.pressure_hpa).await?;
        delay.delay_ms(WRITE_MS).await;
        self.busy = false;
        command(&mut self.i2c, ADDRESS, START_PERIODIC_MEASUREMENT).await?;
        Ok(())
    }

    /// The newest measurement; `None` when there is none that was not read before.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Checksum`]; [`Error::Range`] for 0 or more than 40 000 ppm.
    pub async fn read(&mut self) -> Result<Option<Co2Reading>, Error<I::Error>> {
        let [ready] = self.ask(GET_DATA_READY_STATUS).await?;
        // Ready unless the lower 11 bits are all 0 (data sheet, `get_data_ready_status`).
        if ready & 0x07FF == 0 {
            return Ok(None);
        }
        let [ppm, temp, rh] = self.ask(READ_MEASUREMENT).await?;
        if !CO2_PPM.contains(&ppm) {
            return Err(Error::Range);
        }
        Ok(Some(Co2Reading { ppm, temp_cdegc: temp_cdegc(temp), rh_cpct: rh_cpct(rh) }))
    }

    /// Tells the part the pressure of the air around it; allowed at any time. The part takes whole hectopascals. The one
    /// that it has at power-on is never written, but the hectopascal beside it: 0.1 % of the pressure and so of the CO₂,
    /// where the part itself promises no better than 2.5 %.
    ///
    /// # Errors
    /// [`Error::Range`] outside 70 to 120 kPa, without a word to the part; [`Error::Bus`].
    pub async fn set_pressure(&mut self, pressure_pa: u32) -> Result<(), Error<I::Error>> {
        self.write_pressure(pressure_hpa(pressure_pa).ok_or(Error::Range)?).await
    }

    /// Whether the part no longer has the ambient pressure that it was told: it was reset, is idle, and has to be started
    /// again.
    ///
    /// # Errors
    /// [`Error::Bus`], [`Error::Checksum`].
    pub async fn is_restarted(&mut self) -> Result<bool, Error<I::Error>> {
        let [found_hpa] = self.ask(AMBIENT_PRESSURE).await?;
        Ok(found_hpa != self.pressure_hpa && found_hpa != self.acknowledged_hpa)
    }

    async fn write_pressure(&mut self, hpa: u16) -> Result<(), Error<I::Error>> {
        // Remembered before it is sent: a write whose acknowledgement was lost may still have been heard.
        self.pressure_hpa = hpa;
        let tries = self.tries();
        command_with(&mut self.i2c, ADDRESS, AMBIENT_PRESSURE, hpa, tries).await?;
        self.acknowledged_hpa = hpa;
        self.busy = true;
        Ok(())
    }

    async fn ask<const N: usize>(&mut self, code: u16) -> Result<[u16; N], Error<I::Error>> {
        let tries = self.tries();
        query(&mut self.i2c, ADDRESS, code, tries).await
    }

    const fn tries(&mut self) -> usize {
        if core::mem::replace(&mut self.busy, false) { TRIES } else { 1 }
    }
}

/// What is written for a pressure, hPa: rounded to the nearest, but never [`DEFAULT_PRESSURE_HPA`]. `None` outside 70 to
/// 120 kPa.
#[must_use]
pub fn pressure_hpa(pressure_pa: u32) -> Option<u16> {
    if !PRESSURE_PA.contains(&pressure_pa) {
        return None;
    }
    match u16::try_from((pressure_pa + 50) / 100).ok()? {
        DEFAULT_PRESSURE_HPA if pressure_pa < u32::from(DEFAULT_PRESSURE_HPA) * 100 => Some(DEFAULT_PRESSURE_HPA - 1),
        DEFAULT_PRESSURE_HPA => Some(DEFAULT_PRESSURE_HPA + 1),
        hpa => Some(hpa),
    }
}

/// Temperature, 0.01 °C: −45 + 175 · raw / (2¹⁶ − 1) (data sheet, `read_measurement`), rounded to the nearest.
#[must_use]
pub fn temp_cdegc(raw: u16) -> i16 {
    // At most 13 000.
    (scaled(raw, 17_500) as i16) - 4500
}

/// Relative humidity, 0.01 %: 100 · raw / (2¹⁶ − 1) (data sheet, `read_measurement`), rounded to the nearest.
#[must_use]
pub fn rh_cpct(raw: u16) -> u16 {
    scaled(raw, 10_000)
}

/// `full · raw / 65535`, rounded; never above `full`.
fn scaled(raw: u16, full: u16) -> u16 {
    ((u32::from(raw) * u32::from(full) + 32_767) / 65_535) as u16
}
