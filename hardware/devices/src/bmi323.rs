//! Bosch BMI323, acceleration, at I²C address 0x68.
//!
//! Written from the data sheet BST-BMI323-DS000: sections 5.4 "Power modes", 5.7 "FIFO data buffering", 6 "Register map",
//! 7.2.3 "I²C protocol", and the names and masks in the maker's public interface code (BMI323_SensorAPI, `bmi3_defs.h`).
//! The accelerometer is modelled, with its FIFO; the gyroscope and the feature engine are not: their registers take
//! and give values and do nothing, a frame that the gyroscope should fill carries its dummy code.
//!
//! The world gives samples at [`SAMPLE_HZ`] in units of the ±4 g range. At lower output rates every second, fourth, … is
//! taken (a real part averages); at higher ones there is nothing true to give, and none is taken. Another range
//! rescales them, as it would.
//!
//! Not checked against a part: what a read beyond the fill level gives (the accelerometer's dummy code here).

mod fifo;

use crate::bus::{I2cDevice, Nack};
use fifo::{Fifo, Sources};

/// The rate at which [`Bmi323::push`] is to be called, per second.
pub const SAMPLE_HZ: u32 = 400;

/// Until the part answers after power-on or a soft reset, µs; the maker's code waits 2 ms.
const START_UP_US: u64 = 1_500;
/// Until the accelerometer's first sample after it is switched on, µs (table 2, "accelerometer start-up time").
const ACC_START_US: u64 = 2_000;
/// What stands before the data of a read on I²C: two bytes without meaning.
const DUMMY: [u8; 2] = [0xA5, 0x5A];
/// "No value yet" in the data registers.
const INVALID: u16 = 0x8000;

const ERR_REG: u8 = 0x01;
const STATUS: u8 = 0x02;
const INT1_STATUS: u8 = 0x0D;
const IBI_STATUS: u8 = 0x0F;
const FIFO_FILL: u8 = 0x15;
const FIFO_DATA: u8 = 0x16;
const ACC_CONF: u8 = 0x20;
const GYR_CONF: u8 = 0x21;
const FIFO_WATERMARK: u8 = 0x35;
const FIFO_CONF: u8 = 0x36;
const FIFO_CTRL: u8 = 0x37;
const INT_MAP2: u8 = 0x3B;
const CMD: u8 = 0x7E;
const SOFT_RESET: u16 = 0xDEAF;

/// STATUS: new acceleration.
const DRDY_ACC: u16 = 1 << 7;
/// ERR_REG: the accelerometer's configuration is not possible.
const ACC_CONF_ERR: u16 = 1 << 5;
/// The interrupt status registers: acceleration ready, watermark reached, FIFO full.
const INT_ACC: u16 = 1 << 13;
const INT_WATERMARK: u16 = 1 << 14;
const INT_FULL: u16 = 1 << 15;

/// The part.
#[derive(Clone, Debug)]
pub struct Bmi323 {
    registers: [u16; 128],
    pointer: u8,
    /// A byte of a register whose other half was not read yet.
    high_byte: Option<u8>,
    fifo: Fifo,
    acc_since_us: u64,
    silent_until_us: u64,
    started_us: u64,
    phase: u32,
    temp_cdegc: i32,
    lost_frames: u64,
}

impl Bmi323 {
    /// A part that got its supply long ago.
    #[must_use]
    pub fn new() -> Self {
        let mut part = Self {
            registers: [0; 128],
            pointer: 0,
            high_byte: None,
            fifo: Fifo::default(),
            acc_since_us: 0,
            silent_until_us: 0,
            started_us: 0,
            phase: 0,
            temp_cdegc: 2_300,
            lost_frames: 0,
        };
        part.defaults();
        part
    }

    /// Values of the registers after power-on or a soft reset (section 6).
    fn defaults(&mut self) {
        self.registers = [0; 128];
        self.registers[0x00] = 0x0043;
        self.registers[usize::from(STATUS)] = 0x0001; // por_detected
        for data in 0x03..=0x09 {
            self.registers[data] = INVALID;
        }
        self.registers[usize::from(ACC_CONF)] = 0x0028;
        self.registers[usize::from(GYR_CONF)] = 0x0048;
        self.fifo = Fifo::default();
        self.phase = 0;
        self.high_byte = None;
    }

    /// The temperature of the chip, 0.01 °C.
    pub fn set_temperature(&mut self, cdegc: i32) {
        self.temp_cdegc = cdegc;
    }

    /// Frames that the FIFO had no room for since the part was made.
    #[must_use]
    pub fn lost_frames(&self) -> u64 {
        self.lost_frames
    }

    /// Whether the accelerometer is on, at a rate that this model gives.
    #[must_use]
    pub fn is_sampling(&self) -> bool {
        self.divider().is_some()
    }

    fn get(&self, register: u8) -> u16 {
        self.registers.get(usize::from(register)).copied().unwrap_or(0)
    }

    fn set(&mut self, register: u8, value: u16) {
        if let Some(slot) = self.registers.get_mut(usize::from(register)) {
            *slot = value;
        }
    }

    /// Of how many samples one is taken, if any: ACC_CONF bits 0 to 3 double the rate from 0.78125 Hz at code 1, bits 12
    /// to 14 are the mode.
    fn divider(&self) -> Option<u32> {
        let conf = self.get(ACC_CONF);
        let on = (conf >> 12) & 0b111 != 0 && self.get(ERR_REG) & ACC_CONF_ERR == 0;
        let code = u32::from(conf & 0xF);
        (on && (1..=10).contains(&code)).then(|| 1 << (10 - code))
    }

    /// A sample of the world, x, y, z in units of the ±4 g range (8192 per g). Ignored while the accelerometer is off or
    /// starting, or runs at a rate above [`SAMPLE_HZ`].
    pub fn push(&mut self, now_us: u64, raw: [i16; 3]) {
        let Some(divider) = self.divider() else { return };
        if now_us < self.silent_until_us || now_us < self.acc_since_us.saturating_add(ACC_START_US) {
            return;
        }
        self.phase = (self.phase + 1) % divider;
        if self.phase != 0 {
            return;
        }
        // ±2, ±4, ±8, ±16 g by bits 4 to 6.
        let range = (self.get(ACC_CONF) >> 4) & 0b111;
        let scaled = raw.map(|axis| match range {
            0 => axis.saturating_mul(2),
            1 => axis,
            2 => axis / 2,
            _ => axis / 4,
        });
        let words = scaled.map(i16::cast_unsigned);
        for (register, word) in (0x03..).zip(words) {
            self.set(register, word);
        }
        // 512 steps a kelvin, zero at 23 °C.
        let temp = ((self.temp_cdegc - 2_300).clamp(-6_300, 6_300) * 512 / 100) as i16;
        self.set(0x09, temp.cast_unsigned());
        self.set(STATUS, self.get(STATUS) | DRDY_ACC);
        let time = self.sensor_time(now_us) as u16;
        let stop_on_full = self.get(FIFO_CONF) & 1 != 0;
        self.lost_frames += self.fifo.push(self.sources(), words, temp.cast_unsigned(), time, stop_on_full);
        self.raise(INT_ACC, 10);
        self.note_fifo();
    }

    fn sources(&self) -> Sources {
        Sources::from_conf(self.get(FIFO_CONF))
    }

    /// Sets the interrupt flags that the FIFO's fill asks for.
    fn note_fifo(&mut self) {
        let watermark = usize::from(self.get(FIFO_WATERMARK) & 0x3FF);
        if watermark > 0 && self.fifo.words() >= watermark {
            self.raise(INT_WATERMARK, 12);
        }
        if self.fifo.is_full(self.sources()) {
            self.raise(INT_FULL, 14);
        }
    }

    /// Sets a flag in the status register of the output (INT1, INT2 or in-band) that INT_MAP2 maps it to, if any.
    fn raise(&mut self, flag: u16, map_shift: u16) {
        let output = (self.get(INT_MAP2) >> map_shift) & 0b11;
        if let (1..=3, Ok(output)) = (output, u8::try_from(output)) {
            let register = INT1_STATUS + output - 1;
            self.set(register, self.get(register) | flag);
        }
    }

    /// Ticks of 39.0625 µs since the last reset.
    fn sensor_time(&self, now_us: u64) -> u32 {
        (u128::from(now_us.saturating_sub(self.started_us)) * 16 / 625) as u32
    }

    fn reset(&mut self, now_us: u64) {
        self.defaults();
        self.started_us = now_us;
        self.silent_until_us = now_us.saturating_add(START_UP_US);
    }

    fn write_register(&mut self, now_us: u64, register: u8, value: u16) {
        match register {
            CMD if value == SOFT_RESET => self.reset(now_us),
            ACC_CONF => {
                let was_on = self.get(ACC_CONF) >> 12 & 0b111 != 0;
                self.set(ACC_CONF, value & 0x77FF);
                let possible = acc_conf_is_possible(value);
                let errors = self.get(ERR_REG) & !ACC_CONF_ERR;
                self.set(ERR_REG, if possible { errors } else { errors | ACC_CONF_ERR });
                if !was_on {
                    self.acc_since_us = now_us;
                }
                self.phase = 0;
            }
            // Frames of two formats could not be told apart: a change of what is stored empties the FIFO.
            FIFO_CONF => {
                if (value ^ self.get(FIFO_CONF)) & 0x0F00 != 0 {
                    self.fifo.flush();
                }
                self.set(FIFO_CONF, value & 0x0F01);
            }
            FIFO_CTRL => {
                if value & 1 != 0 {
                    self.fifo.flush();
                }
            }
            // Read only: identity, errors, status, data, FIFO fill and data.
            0x00..=0x0F | FIFO_FILL | FIFO_DATA | CMD => {}
            _ => self.set(register, value),
        }
    }

    /// A register as the host reads it; some are cleared by that.
    fn read_register(&mut self, now_us: u64, register: u8) -> u16 {
        match register {
            STATUS => {
                let value = self.get(STATUS);
                self.set(STATUS, value & !(DRDY_ACC | 1));
                value
            }
            0x0A => self.sensor_time(now_us) as u16,
            0x0B => (self.sensor_time(now_us) >> 16) as u16,
            INT1_STATUS..=IBI_STATUS => {
                let value = self.get(register);
                self.set(register, 0);
                value
            }
            FIFO_FILL => self.fifo.words() as u16,
            FIFO_DATA => self.fifo.read_word(),
            _ => self.get(register),
        }
    }
}

/// Modes are off, low power, normal and high performance; normal and high performance begin at 12.5 Hz, low power ends at
/// 400 Hz (section on ACC_CONF, register 0x20).
fn acc_conf_is_possible(conf: u16) -> bool {
    match ((conf >> 12) & 0b111, conf & 0xF) {
        (0, _) => true,
        (3, rate) => (1..=10).contains(&rate),
        (4 | 7, rate) => (5..=14).contains(&rate),
        _ => false,
    }
}

impl Default for Bmi323 {
    fn default() -> Self {
        Self::new()
    }
}

impl I2cDevice for Bmi323 {
    fn write(&mut self, now_us: u64, bytes: &[u8]) -> Result<(), Nack> {
        if now_us < self.silent_until_us {
            return Err(Nack::Address);
        }
        let Some((register, data)) = bytes.split_first() else { return Ok(()) };
        self.pointer = register & 0x7F;
        self.high_byte = None;
        // Words, low byte first, in registers that follow each other; half a word is not taken.
        let (words, _) = data.as_chunks::<2>();
        for word in words {
            self.write_register(now_us, self.pointer, u16::from_le_bytes(*word));
            self.pointer = (self.pointer + 1) & 0x7F;
            if now_us < self.silent_until_us {
                return Ok(()); // It was a reset.
            }
        }
        Ok(())
    }

    fn read(&mut self, now_us: u64, buffer: &mut [u8]) -> Result<(), Nack> {
        if now_us < self.silent_until_us {
            return Err(Nack::Address);
        }
        self.high_byte = None;
        let mut dummy = DUMMY.into_iter();
        for byte in buffer {
            *byte = match (dummy.next(), self.high_byte.take()) {
                (Some(meaningless), _) => meaningless,
                (None, Some(high)) => high,
                (None, None) => {
                    let [low, high] = self.read_register(now_us, self.pointer).to_le_bytes();
                    self.high_byte = Some(high);
                    // The FIFO's data come out of one register.
                    if self.pointer != FIFO_DATA {
                        self.pointer = (self.pointer + 1) & 0x7F;
                    }
                    low
                }
            };
        }
        self.fifo.end_of_read();
        Ok(())
    }

    fn power_cycle(&mut self, now_us: u64) {
        self.reset(now_us);
    }
}
