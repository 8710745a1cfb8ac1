//! Sensirion SPS30, particulate matter, on I²C.
//!
//! Commands, formats and times are those of the data sheet, version 1.0 of March 2020, section 6: 16-bit commands, words
//! of 16 bits, most significant byte first, each followed by its CRC. At most 100 kHz. The part measures once a second.
//!
//! Values are taken as floats: the integers of the other format are whole µg/m³, too coarse for street air at 5 to
//! 20 µg/m³. Of the ten floats only the four mass concentrations are read, which the part allows (a read may end early).
//!
//! A part that was reset is idle: its data-ready flag stays 0 and [`Sps30::read`] gives `None`. Nothing that can be read
//! tells that state from a measurement in progress, so more than a few seconds of `None` mean: start it again.

use embedded_hal::i2c::{Error as I2cError, ErrorKind, SevenBitAddress};
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;

use crate::{Error, PmMass};

/// Its only address (data sheet, section 6).
pub const ADDRESS: SevenBitAddress = 0x69;

/// Device status, bit 21: the fan's speed is out of range. A warning: it also shows while a cold fan gathers speed.
pub const STATUS_SPEED: u32 = 1 << 21;
/// Device status, bit 5: the laser's current is out of range.
pub const STATUS_LASER: u32 = 1 << 5;
/// Device status, bit 4: the fan is on and does not turn.
pub const STATUS_FAN: u32 = 1 << 4;

/// With one of these, concentrations are not measurements.
const STATUS_FAULTS: u32 = STATUS_LASER | STATUS_FAN;

// Data sheet, section 6.3.
const START_MEASUREMENT: u16 = 0x0010;
const STOP_MEASUREMENT: u16 = 0x0104;
const READ_DATA_READY: u16 = 0x0202;
const READ_MEASURED_VALUES: u16 = 0x0300;
const WAKE_UP: u16 = 0x1103;
const READ_PRODUCT_TYPE: u16 = 0xD002;
const READ_DEVICE_STATUS: u16 = 0xD206;

/// Output format "big-endian IEEE 754 float", and the dummy byte that follows it.
const FORMAT_FLOAT: u16 = 0x0300;
/// "00080000" in ASCII, two characters to a word.
const PRODUCT_TYPE: [u16; 4] = [0x3030, 0x3038, 0x3030, 0x3030];

const WAKE_UP_MS: u32 = 5;
const START_STOP_MS: u32 = 20;

/// Upper end of the specified range (data sheet, table 1), µg/m³.
const MAX_UGM3: f32 = 1000.0;

/// How often a part of Sensirion is asked while it does not answer its address, being at work on a command. The longest
/// such time is the 1 ms of the SCD41; 100 tries take 2.5 ms at 400 kHz and 10 ms at 100 kHz.
pub const TRIES: usize = 100;

/// The part.
#[derive(Debug)]
pub struct Sps30<I> {
    i2c: I,
}

impl<I: I2c> Sps30<I> {
    /// Does not touch the bus.
    pub const fn new(i2c: I) -> Self {
        Self { i2c }
    }

    /// Gives the bus back. The part goes on measuring.
    pub fn release(self) -> I {
        self.i2c
    }

    /// Brings the part from any state into a measurement. The first value follows after about a second, the first good
    /// one after 8 to 30 s (data sheet, table 1, start-up time).
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Checksum`]; [`Error::Identity`] with the first four characters of the product type.
    pub async fn start(&mut self, delay: &mut impl DelayNs) -> Result<(), Error<I::Error>> {
        // A sleeping part has its interface off: the first wake-up is lost on it but switches the interface on, the
        // second is heard (data sheet, section 6.3, wake-up). A part that is awake may refuse both; what follows shows
        // whether there is one.
        for _ in 0..2 {
            unless_refused(command(&mut self.i2c, ADDRESS, WAKE_UP).await)?;
        }
        delay.delay_ms(WAKE_UP_MS).await;
        self.check_product_type().await?;
        // Not allowed in idle mode, and no harm there: a refusal means that nothing runs.
        unless_refused(command(&mut self.i2c, ADDRESS, STOP_MEASUREMENT).await)?;
        delay.delay_ms(START_STOP_MS).await;
        command_with(&mut self.i2c, ADDRESS, START_MEASUREMENT, FORMAT_FLOAT, 1).await?;
        delay.delay_ms(START_STOP_MS).await;
        Ok(())
    }

    /// The newest concentrations; `None` when there are none that were not read before. Looks at the device status too:
    /// needs firmware 2.2 or later.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Checksum`]; [`Error::Internal`] with the device status when fan or laser have failed;
    /// [`Error::Range`] for what is not a number, negative or above the specified 1000 µg/m³.
    pub async fn read(&mut self) -> Result<Option<PmMass>, Error<I::Error>> {
        let [ready] = query(&mut self.i2c, ADDRESS, READ_DATA_READY, 1).await?;
        // The upper byte is without use (data sheet, section 6.3.4).
        if ready & 0x00FF == 0 {
            return Ok(None);
        }
        let words: [u16; 8] = query(&mut self.i2c, ADDRESS, READ_MEASURED_VALUES, 1).await?;
        let status = self.status().await?;
        if status & STATUS_FAULTS != 0 {
            return Err(Error::Internal(status));
        }
        let [pm1_hi, pm1_lo, pm25_hi, pm25_lo, _, _, pm10_hi, pm10_lo] = words;
        let dugm3 = |hi, lo| dugm3(float(hi, lo)).ok_or(Error::Range);
        Ok(Some(PmMass {
            pm1_dugm3: dugm3(pm1_hi, pm1_lo)?,
            pm25_dugm3: dugm3(pm25_hi, pm25_lo)?,
            pm10_dugm3: dugm3(pm10_hi, pm10_lo)?,
        }))
    }

    /// The device status register: [`STATUS_SPEED`], [`STATUS_LASER`], [`STATUS_FAN`]. Of firmware 2.2 and later.
    ///
    /// # Errors
    /// [`Error::Bus`], [`Error::Checksum`].
    pub async fn status(&mut self) -> Result<u32, Error<I::Error>> {
        let [hi, lo] = query(&mut self.i2c, ADDRESS, READ_DEVICE_STATUS, 1).await?;
        Ok((u32::from(hi) << 16) | u32::from(lo))
    }

    async fn check_product_type(&mut self) -> Result<(), Error<I::Error>> {
        let found: [u16; 4] = query(&mut self.i2c, ADDRESS, READ_PRODUCT_TYPE, 1).await?;
        let [a, b, ..] = found;
        if found == PRODUCT_TYPE { Ok(()) } else { Err(Error::Identity((u32::from(a) << 16) | u32::from(b))) }
    }
}

fn float(hi: u16, lo: u16) -> f32 {
    f32::from_bits((u32::from(hi) << 16) | u32::from(lo))
}

/// A concentration in µg/m³ to 0.1 µg/m³, rounded to the nearest. `None` for what the part cannot measure.
#[must_use]
pub fn dugm3(ugm3: f32) -> Option<u16> {
    // The comparison is false for what is not a number.
    (0.0..=MAX_UGM3).contains(&ugm3).then(|| libm::roundf(ugm3 * 10.0) as u16)
}

/// Sensirion's CRC-8 of the two bytes of a word: polynomial 0x31, start 0xFF, nothing reflected (data sheet, section 6.2).
#[must_use]
pub fn crc8(bytes: [u8; 2]) -> u8 {
    bytes.iter().fold(0xFF, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x31 })
    })
}

// What Sensirion's parts share; `scd41` uses it too.

/// Sends a command without arguments.
pub(crate) async fn command<I: I2c>(i2c: &mut I, address: u8, code: u16) -> Result<(), I::Error> {
    i2c.write(address, &code.to_be_bytes()).await
}

/// Sends a command with one word; up to `tries` times while the part refuses it.
pub(crate) async fn command_with<I: I2c>(
    i2c: &mut I,
    address: u8,
    code: u16,
    word: u16,
    tries: usize,
) -> Result<(), I::Error> {
    let ([c0, c1], bytes) = (code.to_be_bytes(), word.to_be_bytes());
    let [b0, b1] = bytes;
    patiently(tries, async || i2c.write(address, &[c0, c1, b0, b1, crc8(bytes)]).await).await
}

/// Sends a command, up to `tries` times while the part refuses it, and reads the words that answer it.
///
/// The callers have no delay at hand, and need none: a part that is still at work does not answer its address, and is
/// asked again, up to [`TRIES`] times.
pub(crate) async fn query<I: I2c, const N: usize>(
    i2c: &mut I,
    address: u8,
    code: u16,
    tries: usize,
) -> Result<[u16; N], Error<I::Error>> {
    patiently(tries, async || command(i2c, address, code).await).await?;
    let mut answer = [[0_u8; 3]; N];
    patiently(TRIES, async || i2c.read(address, answer.as_flattened_mut()).await).await?;
    if answer.iter().any(|[hi, lo, crc]| crc8([*hi, *lo]) != *crc) {
        return Err(Error::Checksum);
    }
    Ok(answer.map(|[hi, lo, _]| u16::from_be_bytes([hi, lo])))
}

/// Calls again while the part refuses, `tries` times in all.
async fn patiently<E: I2cError>(tries: usize, mut call: impl AsyncFnMut() -> Result<(), E>) -> Result<(), E> {
    for _ in 1..tries {
        match call().await {
            Err(error) if is_refusal(&error) => {}
            result => return result,
        }
    }
    call().await
}

/// For commands that the part may refuse in the state that it is in. Any other failure of the bus remains one.
pub(crate) fn unless_refused<E: I2cError>(result: Result<(), E>) -> Result<(), E> {
    result.or_else(|error| if is_refusal(&error) { Ok(()) } else { Err(error) })
}

fn is_refusal(error: &impl I2cError) -> bool {
    matches!(error.kind(), ErrorKind::NoAcknowledge(_))
}
