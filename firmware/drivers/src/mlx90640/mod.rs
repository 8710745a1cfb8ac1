//! MLX90640: infrared array of 32×24 pixels, calibrated by its maker (Melexis, data sheet 3901090640, revision 12).
//!
//! Written from the data sheet: the published crate (`mlx9064x` 0.2) speaks the embedded-hal 0.2 of old, only blocking, and
//! has not moved for years. [`eeprom`] and [`Calibration`] turn the part's calibration into parameters, [`compute`] the words
//! of a sub-page into temperatures; this file is the bus.
//!
//! The part measures one half of the pixels at a time (a sub-page), alternating. Memory: about 10 kB for each part, so
//! [`Mlx90640::new`] is `const` and meant for a static. The part needs four minutes after power-on to be as accurate as
//! promised (section 12.2.2). Its EEPROM is specified for 400 kHz at most (note 5 of table 5), the rest for 1 MHz.

mod calibration;
pub mod compute;
pub mod eeprom;

use embedded_hal_async::{delay::DelayNs, i2c::I2c};

pub use calibration::{Calibration, Pixel};
pub use compute::{Conditions, FRAME_WORDS, Frame, FrameError, FrameSettings};
pub use eeprom::{CalibrationError, Scalars};

use crate::Error;
use compute::{FRAME_CONTROL, FRAME_STATUS};

/// Rows of a picture.
pub const ROWS: usize = 24;
/// Columns of a picture.
pub const COLUMNS: usize = 32;
/// Pixels of a picture, row by row.
pub const PIXELS: usize = ROWS * COLUMNS;
/// Words of the EEPROM, and of the RAM.
pub const EEPROM_WORDS: usize = 832;
/// The maker's address of the part; another one can be written to its EEPROM.
pub const ADDRESS: u8 = 0x33;
/// Words of one bus transaction: 128 bytes, 1.2 ms of a bus at 1 MHz, so that others get their turn; 13 make a sub-page.
pub const CHUNK_WORDS: usize = 64;

/// From power-on to the first access (section 10.5).
const POWER_ON_MS: u32 = 80;

// Addresses (section 10.7).
const EEPROM: u16 = 0x2400;
const RAM: u16 = 0x0400;
const STATUS: u16 = 0x8000;
const CONTROL: u16 = 0x800d;

/// Status: new data in the RAM.
const NEW_DATA: u16 = 0x0008;
/// Status: the last sub-page measured.
const SUB_PAGE: u16 = 0x0007;
/// Status as written to clear [`NEW_DATA`]: the RAM may be overwritten.
const CLEARED: u16 = 0x0010;
/// Control, without the refresh rate: chess pattern, 18 bits, sub-pages in turn, every one into the RAM.
const CHESS_18_BITS: u16 = 0x1801;

/// Sub-pages per second; a picture takes two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refresh {
    /// One in two seconds.
    Hz0_5 = 0,
    /// 1.
    Hz1 = 1,
    /// 2, the part's own choice.
    Hz2 = 2,
    /// 4.
    Hz4 = 3,
    /// 8.
    Hz8 = 4,
    /// 16.
    Hz16 = 5,
    /// 32.
    Hz32 = 6,
    /// 64.
    Hz64 = 7,
}

impl Refresh {
    /// From one sub-page to the next, by the part's own clock, µs.
    #[must_use]
    pub const fn period_us(self) -> u32 {
        2_000_000 >> self as u8
    }

    const fn control(self) -> u16 {
        CHESS_18_BITS | (self as u16) << 7
    }
}

/// A half picture was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubPage {
    /// Which half: 0 or 1. Pixels whose row and column, counted from 0, have an even sum belong to 0.
    pub number: u8,
    /// Temperature of the part's case, 0.01 °C; about 8 K over that of the air around it.
    pub ambient_cdegc: i16,
}

/// One part on the bus.
pub struct Mlx90640<I> {
    i2c: I,
    address: u8,
    /// The control register as it was set; `None` before the part was set up.
    control: Option<u16>,
    calibration: Calibration,
    frame: Frame,
    overruns: u32,
}

impl<I> Mlx90640<I> {
    /// A part that was not set up.
    pub const fn new(i2c: I, address: u8) -> Self {
        Self { i2c, address, control: None, calibration: Calibration::EMPTY, frame: [0; FRAME_WORDS], overruns: 0 }
    }

    /// Gives the bus back.
    pub fn release(self) -> I {
        self.i2c
    }

    /// What the part's EEPROM says, once it was set up.
    #[must_use]
    pub const fn calibration(&self) -> Option<&Calibration> {
        if self.control.is_some() { Some(&self.calibration) } else { None }
    }

    /// Sub-pages that were thrown away because the next one came while they were read: the bus is too slow for the refresh
    /// rate.
    #[must_use]
    pub const fn overruns(&self) -> u32 {
        self.overruns
    }
}

impl<I: I2c> Mlx90640<I> {
    /// Sets the part up: reads its calibration, sets pattern, resolution and refresh rate. To be called again after
    /// [`Error::Restarted`].
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Identity`] with the options word of another part; [`Error::Range`] for a calibration that no
    /// part has; [`Error::Internal`] with the control register if it does not keep what was written.
    pub async fn start(&mut self, refresh: Refresh, mut delay: impl DelayNs) -> Result<(), Error<I::Error>> {
        self.control = None;
        delay.delay_ms(POWER_ON_MS).await;
        self.read_block(EEPROM).await?;
        let words = self.frame.first_chunk().ok_or(Error::Range)?;
        self.calibration.load(words).map_err(|error| match error {
            CalibrationError::OtherPart(options) => Error::Identity(u32::from(options)),
            _ => Error::Range,
        })?;
        let control = refresh.control();
        self.write(CONTROL, control).await?;
        let kept = self.read_word(CONTROL).await?;
        if kept != control {
            return Err(Error::Internal(u32::from(kept)));
        }
        // What was measured before was measured otherwise.
        self.write(STATUS, CLEARED).await?;
        self.control = Some(control);
        Ok(())
    }

    /// Reads the last half picture, if it is new, into its pixels of `picture`: apparent temperature (emissivity 1),
    /// 0.01 °C, [`i16::MIN`] where there is no value. The other half is left as it is.
    ///
    /// The part overwrites its RAM without asking. So the mark of new data is cleared before the words are read, and looked
    /// at again afterwards: if it is back, the words may be those of two sub-pages and are thrown away (`None`,
    /// [`Self::overruns`]). Cleared afterwards, it would hide just that.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Restarted`] if the part is not set up as by [`Self::start`]; [`Error::Range`] for words that
    /// no part measures. `picture` is untouched then.
    pub async fn read(&mut self, picture: &mut [i16; PIXELS]) -> Result<Option<SubPage>, Error<I::Error>> {
        let Some(expected) = self.control else {
            return Err(Error::Restarted);
        };
        let status = self.read_word(STATUS).await?;
        if status & NEW_DATA == 0 {
            return Ok(None);
        }
        let control = self.read_word(CONTROL).await?;
        if control != expected {
            self.control = None;
            return Err(Error::Restarted);
        }
        self.write(STATUS, CLEARED).await?;
        self.read_block(RAM).await?;
        let status_after = self.read_word(STATUS).await?;
        if status_after & (NEW_DATA | SUB_PAGE) != status & SUB_PAGE {
            self.overruns = self.overruns.saturating_add(1);
            return Ok(None);
        }
        self.frame[FRAME_CONTROL] = control;
        self.frame[FRAME_STATUS] = status;
        let conditions = self.calibration.apparent(&self.frame, picture).map_err(|_| Error::Range)?;
        Ok(Some(SubPage { number: conditions.sub_page, ambient_cdegc: compute::centi(conditions.ambient_degc) }))
    }

    /// The words from `address` into the frame.
    async fn read_block(&mut self, address: u16) -> Result<(), Error<I::Error>> {
        let mut bytes = [0; 2 * CHUNK_WORDS];
        let starts = (address..).step_by(CHUNK_WORDS);
        let (chunks, _) = self.frame.as_chunks_mut::<CHUNK_WORDS>();
        for (chunk, start) in chunks.iter_mut().zip(starts) {
            self.i2c.write_read(self.address, &start.to_be_bytes(), &mut bytes).await?;
            for (word, pair) in chunk.iter_mut().zip(bytes.as_chunks().0) {
                *word = u16::from_be_bytes(*pair);
            }
        }
        Ok(())
    }

    async fn read_word(&mut self, address: u16) -> Result<u16, Error<I::Error>> {
        let mut bytes = [0; 2];
        self.i2c.write_read(self.address, &address.to_be_bytes(), &mut bytes).await?;
        Ok(u16::from_be_bytes(bytes))
    }

    async fn write(&mut self, address: u16, word: u16) -> Result<(), Error<I::Error>> {
        let [address_high, address_low] = address.to_be_bytes();
        let [word_high, word_low] = word.to_be_bytes();
        Ok(self.i2c.write(self.address, &[address_high, address_low, word_high, word_low]).await?)
    }
}

// Whole chunks fill EEPROM and RAM; the two registers behind them are not part of a chunk.
const _: () = assert!(
    EEPROM_WORDS.is_multiple_of(CHUNK_WORDS)
        && EEPROM_WORDS == FRAME_CONTROL
        && FRAME_WORDS < EEPROM_WORDS + CHUNK_WORDS
);
const _: () = assert!(size_of::<Calibration>() <= 12 * 1024);
