//! Bosch BME280, temperature, humidity and pressure.
//!
//! Registers, times and formulas are those of the data sheet BST-BME280-DS002. The part is used as its section 3.5.1
//! proposes for weather: forced mode, every quantity sampled once, no filter. It sleeps between two readings.
//!
//! The crate `bme280-rs` is not used: it cannot read a control register back, without which a part that was reset is not
//! told from one that works; it takes a measurement that has not ended for one that has; its integer formulas overflow on
//! trimming words that the bus has spoilt, which ends in a panic or in a wrong value; and it keeps a delay, where this
//! crate lends one. The tests hold this driver against it.

use embedded_hal::i2c::SevenBitAddress;
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;

use crate::Error;

/// Its address with the pin SDO at ground.
pub const ADDRESS: SevenBitAddress = 0x76;
/// What its register `id` says.
pub const CHIP_ID: u8 = 0x60;

// Data sheet, section 5.3, memory map.
const REG_TRIMMING_LOW: u8 = 0x88;
const REG_ID: u8 = 0xD0;
const REG_RESET: u8 = 0xE0;
const REG_TRIMMING_HIGH: u8 = 0xE1;
const REG_CTRL_HUM: u8 = 0xF2;
const REG_STATUS: u8 = 0xF3;
const REG_CTRL_MEAS: u8 = 0xF4;
const REG_CONFIG: u8 = 0xF5;
const REG_DATA: u8 = 0xF7;

const RESET: u8 = 0xB6;
const STATUS_MEASURING: u8 = 1 << 3;
const STATUS_IM_UPDATE: u8 = 1;
/// Humidity sampled once. 0 after a reset.
const CTRL_HUM: u8 = 0b001;
/// Temperature and pressure sampled once, one measurement, then sleep.
const CTRL_MEAS_FORCED: u8 = (0b001 << 5) | (0b001 << 2) | 0b01;
/// No filter; standby time of no matter in forced mode.
const CONFIG: u8 = 0;

/// What the data registers hold before the first measurement, or for a quantity that is not sampled.
const NO_DATA_20_BIT: u32 = 0x8_0000;
const NO_DATA_16_BIT: u16 = 0x8000;

/// Start-up time (data sheet, table 1), to which the part comes back after a reset.
const STARTUP_MS: u32 = 2;
/// Greatest measurement time of three single samples: 1.25 + 2.3 + (2.3 + 0.575) + (2.3 + 0.575) ms (section 9.1).
const MEASUREMENT_MS: u32 = 10;
const POLL_MS: u32 = 2;
const POLLS: usize = 10;

/// A measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClimateReading {
    /// Temperature in the part, 0.01 °C.
    pub temp_cdegc: i16,
    /// Relative humidity, 0.01 %.
    pub rh_cpct: u16,
    /// Pressure, not reduced to sea level, Pa.
    pub pressure_pa: u32,
}

/// The part.
#[derive(Debug)]
pub struct Bme280<I> {
    i2c: I,
    trimming: Trimming,
}

impl<I: I2c> Bme280<I> {
    /// Does not touch the bus.
    pub const fn new(i2c: I) -> Self {
        Self { i2c, trimming: Trimming::NONE }
    }

    /// Gives the bus back. The part sleeps.
    pub fn release(self) -> I {
        self.i2c
    }

    /// Resets the part, reads its trimming and sets it up. Takes 2 to 22 ms.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Identity`]; [`Error::Internal`] with the register `status` when the part does not end its
    /// start-up; [`Error::Range`] for trimming that no part has.
    pub async fn start(&mut self, delay: &mut impl DelayNs) -> Result<(), Error<I::Error>> {
        let id = self.read_register(REG_ID).await?;
        if id != CHIP_ID {
            return Err(Error::Identity(u32::from(id)));
        }
        self.write_register(REG_RESET, RESET).await?;
        delay.delay_ms(STARTUP_MS).await;
        // The trimming is being copied from the part's memory to its registers.
        self.wait_while(STATUS_IM_UPDATE, delay).await?;
        let mut low = [0; Trimming::LOW];
        self.i2c.write_read(ADDRESS, &[REG_TRIMMING_LOW], &mut low).await?;
        let mut high = [0; Trimming::HIGH];
        self.i2c.write_read(ADDRESS, &[REG_TRIMMING_HIGH], &mut high).await?;
        self.trimming = Trimming::from_registers(&low, &high);
        // All bits alike is what a bus without its pull-ups or its part gives.
        if matches!(self.trimming.t1, 0 | u16::MAX) || matches!(self.trimming.p1, 0 | u16::MAX) {
            return Err(Error::Range);
        }
        self.write_register(REG_CONFIG, CONFIG).await?;
        // Takes effect with the next write to ctrl_meas (section 5.4.3), which every reading does.
        self.write_register(REG_CTRL_HUM, CTRL_HUM).await?;
        Ok(())
    }

    /// Measures, and waits for the result: 10 to 30 ms.
    ///
    /// Whether the part was reset since [`Bme280::start`] is asked after the result was fetched, so that a reset at any
    /// moment before is seen. The values that the data registers have after a reset do not prove one by themselves: each is
    /// also a value that the part measures (0x80000 lies near 25 °C). Only all three at once are taken for it.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Restarted`]; [`Error::Internal`] with the register `status` when the measurement does not
    /// end; [`Error::Range`] outside −40 to 85 °C or 30 to 110 kPa, or with trimming that no part has.
    pub async fn read(&mut self, delay: &mut impl DelayNs) -> Result<ClimateReading, Error<I::Error>> {
        self.write_register(REG_CTRL_MEAS, CTRL_MEAS_FORCED).await?;
        delay.delay_ms(MEASUREMENT_MS).await;
        self.wait_while(STATUS_MEASURING, delay).await?;
        // In one go: the part keeps the eight bytes of one measurement together (section 4).
        let mut data = [0; 8];
        self.i2c.write_read(ADDRESS, &[REG_DATA], &mut data).await?;
        let [p2, p1, p0, t2, t1, t0, h1, h0] = data;
        let twenty_bits = |msb, lsb, xlsb| u32::from_be_bytes([0, msb, lsb, xlsb]) >> 4;
        let (adc_p, adc_t, adc_h) = (twenty_bits(p2, p1, p0), twenty_bits(t2, t1, t0), u16::from_be_bytes([h1, h0]));
        let reset = self.read_register(REG_CTRL_HUM).await? != CTRL_HUM;
        if reset || (adc_p, adc_t, adc_h) == (NO_DATA_20_BIT, NO_DATA_20_BIT, NO_DATA_16_BIT) {
            return Err(Error::Restarted);
        }
        self.trimming.reading(adc_p, adc_t, adc_h).ok_or(Error::Range)
    }

    async fn wait_while(&mut self, busy: u8, delay: &mut impl DelayNs) -> Result<(), Error<I::Error>> {
        let mut status = self.read_register(REG_STATUS).await?;
        for _ in 0..POLLS {
            if status & busy == 0 {
                return Ok(());
            }
            delay.delay_ms(POLL_MS).await;
            status = self.read_register(REG_STATUS).await?;
        }
        if status & busy == 0 { Ok(()) } else { Err(Error::Internal(u32::from(status))) }
    }

    async fn read_register(&mut self, register: u8) -> Result<u8, Error<I::Error>> {
        let mut byte = [0];
        self.i2c.write_read(ADDRESS, &[register], &mut byte).await?;
        let [byte] = byte;
        Ok(byte)
    }

    async fn write_register(&mut self, register: u8, value: u8) -> Result<(), Error<I::Error>> {
        Ok(self.i2c.write(ADDRESS, &[register, value]).await?)
    }
}

/// What the maker measured on this very part: the words `dig_T1` to `dig_H6` of the data sheet, table 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "names of the data sheet")]
pub struct Trimming {
    pub t1: u16,
    pub t2: i16,
    pub t3: i16,
    pub p1: u16,
    pub p2: i16,
    pub p3: i16,
    pub p4: i16,
    pub p5: i16,
    pub p6: i16,
    pub p7: i16,
    pub p8: i16,
    pub p9: i16,
    pub h1: u8,
    pub h2: i16,
    pub h3: u8,
    pub h4: i16,
    pub h5: i16,
    pub h6: i8,
}

impl Trimming {
    /// Registers from 0x88 on.
    pub const LOW: usize = 26;
    /// Registers from 0xE1 on.
    pub const HIGH: usize = 7;

    /// Before the part was read: every reading is out of range.
    const NONE: Self = Self::from_registers(&[0; Self::LOW], &[0; Self::HIGH]);

    /// Takes the words apart (data sheet, table 16).
    #[must_use]
    pub const fn from_registers(low: &[u8; Self::LOW], high: &[u8; Self::HIGH]) -> Self {
        let [ta, tb, tc, td, te, tf, words @ .., _, h1] = low;
        let [pa, pb, pc, pd, pe, pf, pg, ph, pi, pj, pk, pl, pm, pn, po, pp, pq, pr] = words;
        let [h2a, h2b, h3, h4_msb, h45, h5_msb, h6] = high;
        const fn signed(lsb: u8, msb: u8) -> i16 {
            i16::from_le_bytes([lsb, msb])
        }
        Self {
            t1: u16::from_le_bytes([*ta, *tb]),
            t2: signed(*tc, *td),
            t3: signed(*te, *tf),
            p1: u16::from_le_bytes([*pa, *pb]),
            p2: signed(*pc, *pd),
            p3: signed(*pe, *pf),
            p4: signed(*pg, *ph),
            p5: signed(*pi, *pj),
            p6: signed(*pk, *pl),
            p7: signed(*pm, *pn),
            p8: signed(*po, *pp),
            p9: signed(*pq, *pr),
            h1: *h1,
            h2: signed(*h2a, *h2b),
            h3: *h3,
            // Two signed words of 12 bits that share a byte. The sign is in the whole byte of each.
            h4: ((*h4_msb as i8 as i16) << 4) | (*h45 as i16 & 0x0F),
            h5: ((*h5_msb as i8 as i16) << 4) | (*h45 as i16 >> 4),
            h6: *h6 as i8,
        }
    }

    /// Raw values (20, 20 and 16 bits) to units. `None` outside the ranges in which the part works (data sheet, section 1)
    /// and for trimming with which the formulas have no result.
    #[must_use]
    pub fn reading(&self, adc_p: u32, adc_t: u32, adc_h: u16) -> Option<ClimateReading> {
        let t_fine = self.t_fine(adc_t);
        let temp_cdegc = i16::try_from((t_fine * 5 + 128) >> 8).ok().filter(|temp| (-4000..=8500).contains(temp))?;
        let pressure_pa = self.pressure_pa(adc_p, t_fine).filter(|pressure| (30_000..=110_000).contains(pressure))?;
        Some(ClimateReading { temp_cdegc, rh_cpct: self.rh_cpct(adc_h, t_fine), pressure_pa })
    }

    /// Temperature in 1/5120 °C, for the other two formulas (section 4.2.3). 64 bits, so that no trimming overflows.
    fn t_fine(&self, adc_t: u32) -> i64 {
        let (adc_t, t1, t2, t3) = (i64::from(adc_t), i64::from(self.t1), i64::from(self.t2), i64::from(self.t3));
        let linear = (((adc_t >> 3) - (t1 << 1)) * t2) >> 11;
        let offset = (adc_t >> 4) - t1;
        let square = (((offset * offset) >> 12) * t3) >> 14;
        linear + square
    }

    /// Pressure, rounded to the pascal (section 4.2.3, 64-bit form, whose result is in 1/256 Pa). `None` where the formula
    /// divides by 0 or overflows; with `t_fine` of a part within its range only spoilt trimming does.
    fn pressure_pa(&self, adc_p: u32, t_fine: i64) -> Option<u32> {
        let [p1, p2, p3, p4, p5, p6, p7, p8, p9] = [
            i64::from(self.p1),
            i64::from(self.p2),
            i64::from(self.p3),
            i64::from(self.p4),
            i64::from(self.p5),
            i64::from(self.p6),
            i64::from(self.p7),
            i64::from(self.p8),
            i64::from(self.p9),
        ];
        let temp = t_fine - 128_000;
        let offset = temp * temp * p6 + ((temp * p5) << 17) + (p4 << 35);
        let gain = ((temp * temp * p3) >> 8) + ((temp * p2) << 12);
        let gain = ((1 << 47) + gain).checked_mul(p1)? >> 33;
        let linear = (((1_048_576 - i64::from(adc_p)) << 31) - offset).checked_mul(3125)?.checked_div(gain)?;
        let square = p9.checked_mul(linear >> 13)?.checked_mul(linear >> 13)? >> 25;
        let third = p8.checked_mul(linear)? >> 19;
        let pressure_256 = ((linear.checked_add(square)?.checked_add(third)?) >> 8).checked_add(p7 << 4)?;
        u32::try_from((pressure_256.checked_add(128)?) >> 8).ok()
    }

    /// Relative humidity, rounded to 0.01 %, from 0 to 10 000 (section 4.2.3, whose result is in 1/1024 %).
    fn rh_cpct(&self, adc_h: u16, t_fine: i64) -> u16 {
        let (h1, h2, h3) = (i64::from(self.h1), i64::from(self.h2), i64::from(self.h3));
        let (h4, h5, h6) = (i64::from(self.h4), i64::from(self.h5), i64::from(self.h6));
        let temp = t_fine - 76_800;
        let offset = ((i64::from(adc_h) << 14) - (h4 << 20) - h5 * temp + 16_384) >> 15;
        let curve = (((temp * h6) >> 10) * (((temp * h3) >> 11) + 32_768)) >> 10;
        let linear = offset * (((curve + 2_097_152) * h2 + 8192) >> 14);
        let square = ((((linear >> 15) * (linear >> 15)) >> 7) * h1) >> 4;
        let rh_1024 = (linear - square).clamp(0, 100 << 22) >> 12;
        // At most 10 000.
        ((rh_1024 * 100 + 512) >> 10) as u16
    }
}
