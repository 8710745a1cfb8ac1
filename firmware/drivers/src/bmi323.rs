//! Bosch BMI323, of which the accelerometer is used: 400 Hz, ±4 g, through the part's FIFO.
//!
//! Registers are those of the data sheet BST-BMI323-DS000, section 6, compared with Bosch's own public driver
//! (BMI323_SensorAPI). They are 16 bits wide, least significant byte first; every read over I²C begins with two bytes
//! without meaning (section 7.2.2). The crate `bmi323` is blocking only.
//!
//! Streaming: when the FIFO is full the oldest samples make room, so that what is read is always one unbroken run up to
//! now, and what was lost lies before it. The FIFO holds 341 frames, 0.85 s.

use embedded_hal::i2c::SevenBitAddress;
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;

use crate::Error;

/// Its address with the pin SDO at ground.
pub const ADDRESS: SevenBitAddress = 0x68;
/// Low byte of its register CHIP_ID; the high byte is a revision.
pub const CHIP_ID: u8 = 0x43;

/// Samples a second, by the part's own clock.
pub const ODR_HZ: u16 = 400;
/// Millionths of g in a step. At ±4 g a step is 1/8.192 mg (data sheet, table 2), which is 122.0703 µg: who multiplies by
/// this finds all accelerations too small by 0.058 %, 0.6 mg at 1 g. The part's own scale is right within 0.5 %.
pub const SCALE_UG: u16 = 122;

/// Frames that one [`Bmi323::drain`] reads at the most, whatever room there is: its buffer lies on the stack.
pub const BURST_FRAMES: usize = 64;
/// Frames that the FIFO holds: 2 KiB of 6 bytes each.
pub const FIFO_FRAMES: usize = FIFO_WORDS / FRAME_WORDS;

// Data sheet, section 6.1, register map.
const REG_CHIP_ID: u8 = 0x00;
const REG_ERR: u8 = 0x01;
const REG_INT_STATUS_INT1: u8 = 0x0D;
const REG_FIFO_FILL_LEVEL: u8 = 0x15;
const REG_FIFO_DATA: u8 = 0x16;
const REG_ACC_CONF: u8 = 0x20;
const REG_FIFO_CONF: u8 = 0x36;
const REG_FIFO_CTRL: u8 = 0x37;
const REG_INT_MAP2: u8 = 0x3B;
const REG_CMD: u8 = 0x7E;

const CMD_SOFT_RESET: u16 = 0xDEAF;
/// fatal_err: the part does not work until it is reset.
const ERR_FATAL: u16 = 1;
/// acc_conf_err: the part does not take the setting of its accelerometer.
const ERR_ACC_CONF: u16 = 1 << 5;
/// High-performance mode (7), no averaging (0), bandwidth half the rate (0), ±4 g (1), 400 Hz (10). 0x0028 after a reset.
const ACC_CONF: u16 = (0b111 << 12) | (0b001 << 4) | 0b1010;
/// The accelerometer alone, and the oldest samples give way (fifo_stop_on_full 0).
const FIFO_CONF: u16 = 1 << 9;
const FIFO_FLUSH: u16 = 1;
/// "FIFO full" to the status of interrupt 1. The status register shows only what is mapped; the pin stays off.
const INT_MAP2_FIFO_FULL: u16 = 0b01 << 14;
const INT_STATUS_FIFO_FULL: u16 = 1 << 15;

const FILL_LEVEL_WORDS: u16 = 0x07FF;
const FIFO_WORDS: usize = 1024;
const FRAME_WORDS: usize = 3;
const FRAME_BYTES: usize = 6;
/// What comes before the data of every read.
const DUMMY_BYTES: usize = 2;
/// On the first axis: no sample, the setting has just changed (data sheet, section 5.7, table of the FIFO's frames).
const NO_SAMPLE: i16 = 0x7F01;

/// Before the part answers again after a reset; Bosch's driver waits as long.
const RESET_MS: u32 = 2;
/// Least time between two accesses while the accelerometer is off, as after a reset: 450 µs (data sheet, section 7.3).
/// With it on it is 2 µs, which the next address alone takes longer than.
const SUSPEND_IDLE_US: u32 = 450;

/// What one [`Bmi323::drain`] brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Samples written to the start of the output, oldest first.
    pub count: usize,
    /// Frames that were there and were not read. More may have come since.
    pub left: usize,
    /// The FIFO was full: samples before the first of these were lost, or the next one would have been.
    pub overrun: bool,
}

/// The part.
#[derive(Debug)]
pub struct Bmi323<I> {
    i2c: I,
}

impl<I: I2c> Bmi323<I> {
    /// Does not touch the bus.
    pub const fn new(i2c: I) -> Self {
        Self { i2c }
    }

    /// Gives the bus back. The part goes on sampling.
    pub fn release(self) -> I {
        self.i2c
    }

    /// Resets the part and lets it sample into an empty FIFO. Takes about 6 ms.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Identity`] with the chip id; [`Error::Internal`] with the register ERR_REG when the part is
    /// broken or does not take its setting.
    pub async fn start(&mut self, delay: &mut impl DelayNs) -> Result<(), Error<I::Error>> {
        let [id, _] = self.read(REG_CHIP_ID).await?.to_le_bytes();
        if id != CHIP_ID {
            return Err(Error::Identity(u32::from(id)));
        }
        delay.delay_us(SUSPEND_IDLE_US).await;
        self.write(REG_CMD, CMD_SOFT_RESET).await?;
        delay.delay_ms(RESET_MS).await;
        self.check_errors().await?;
        delay.delay_us(SUSPEND_IDLE_US).await;
        self.write(REG_INT_MAP2, INT_MAP2_FIFO_FULL).await?;
        delay.delay_us(SUSPEND_IDLE_US).await;
        self.write(REG_FIFO_CONF, FIFO_CONF).await?;
        delay.delay_us(SUSPEND_IDLE_US).await;
        self.write(REG_ACC_CONF, ACC_CONF).await?;
        delay.delay_us(SUSPEND_IDLE_US).await;
        self.check_errors().await?;
        delay.delay_us(SUSPEND_IDLE_US).await;
        // Last, so that the first frame is of the new setting.
        self.write(REG_FIFO_CTRL, FIFO_FLUSH).await
    }

    /// Takes samples out of the FIFO, as many as there are, `out` has room for, and [`BURST_FRAMES`] allows. A sample is
    /// the three axes in steps of [`SCALE_UG`]. While samples come back, [`Drained::left`] tells whether to call again.
    ///
    /// A burst that the bus breaks off loses the samples that were on their way.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Range`] when the part says that it holds more than it can.
    pub async fn drain(&mut self, out: &mut [[i16; 3]]) -> Result<Drained, Error<I::Error>> {
        // Before the burst, which makes room; clear on read.
        let full = self.read(REG_INT_STATUS_INT1).await? & INT_STATUS_FIFO_FULL != 0;
        let words = usize::from(self.read(REG_FIFO_FILL_LEVEL).await? & FILL_LEVEL_WORDS);
        if words > FIFO_WORDS {
            return Err(Error::Range);
        }
        // A frame that is being written is not whole yet.
        let frames = words / FRAME_WORDS;
        let overrun = full || frames >= FIFO_FRAMES;
        let burst = frames.min(out.len()).min(BURST_FRAMES);
        if burst == 0 {
            return Ok(Drained { count: 0, left: frames, overrun });
        }
        let mut bytes = [0; DUMMY_BYTES + BURST_FRAMES * FRAME_BYTES];
        let wanted = bytes.get_mut(..DUMMY_BYTES + burst * FRAME_BYTES).unwrap_or_default();
        self.i2c.write_read(ADDRESS, &[REG_FIFO_DATA], wanted).await?;
        let (read, _) = wanted.get(DUMMY_BYTES..).unwrap_or_default().as_chunks();
        let samples = read.iter().map(sample).filter(|[x, _, _]| *x != NO_SAMPLE);
        let count = out.iter_mut().zip(samples).map(|(to, from)| *to = from).count();
        Ok(Drained { count, left: frames - burst, overrun })
    }

    /// Whether the part no longer has its setting: it was reset, samples nothing, and has to be started again.
    ///
    /// # Errors
    /// [`Error::Bus`].
    pub async fn is_restarted(&mut self) -> Result<bool, Error<I::Error>> {
        Ok(self.read(REG_ACC_CONF).await? != ACC_CONF)
    }

    async fn check_errors(&mut self) -> Result<(), Error<I::Error>> {
        let errors = self.read(REG_ERR).await?;
        if errors & (ERR_FATAL | ERR_ACC_CONF) == 0 { Ok(()) } else { Err(Error::Internal(u32::from(errors))) }
    }

    async fn read(&mut self, register: u8) -> Result<u16, Error<I::Error>> {
        let mut bytes = [0; 4];
        self.i2c.write_read(ADDRESS, &[register], &mut bytes).await?;
        let [_, _, lo, hi] = bytes;
        Ok(u16::from_le_bytes([lo, hi]))
    }

    async fn write(&mut self, register: u8, value: u16) -> Result<(), Error<I::Error>> {
        let [lo, hi] = value.to_le_bytes();
        Ok(self.i2c.write(ADDRESS, &[register, lo, hi]).await?)
    }
}

/// A frame of the FIFO: the three axes, least significant byte first.
#[must_use]
pub const fn sample(frame: &[u8; 6]) -> [i16; 3] {
    let [xl, xh, yl, yh, zl, zh] = *frame;
    [i16::from_le_bytes([xl, xh]), i16::from_le_bytes([yl, yh]), i16::from_le_bytes([zl, zh])]
}
