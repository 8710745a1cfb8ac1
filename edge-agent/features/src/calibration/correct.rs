//! Messages corrected by the values of a profile, before any stage reads them: so every user of a reading (NO2 needs the
//! air temperature, the camera's masks too) sees the same true one.

use std::borrow::Cow;

use tournee_link::{Accel, Message, Thermal};

use crate::VehicleProfile;
use crate::road::STANDARD_GRAVITY_MPS2;
use crate::thermal::strip::DEAD;

/// What is to be corrected. Integers in, integers out: a correction rounds to the unit of its message.
#[derive(Clone, Debug)]
pub struct Correction {
    co2_offset_ppm: f64,
    temp_offset_k: f64,
    rh_offset_pct: f64,
    pressure_offset_pa: f64,
    accel_bias_mps2: [f64; 3],
    accel_scale: [f64; 3],
    camera_gain: [f64; 2],
    camera_shift_k: [f64; 2],
    supply_gain: f64,
    supply_offset_mv: f64,
}

impl Correction {
    /// By the values of a profile.
    #[must_use]
    pub fn new(profile: &VehicleProfile) -> Self {
        Self {
            co2_offset_ppm: profile.air.co2_offset_ppm,
            temp_offset_k: profile.air.temp_offset_k,
            rh_offset_pct: profile.air.rh_offset_pct,
            pressure_offset_pa: profile.air.pressure_offset_pa,
            accel_bias_mps2: profile.road.accel_bias_mps2,
            accel_scale: profile.road.accel_scale,
            camera_gain: profile.thermal.camera_gain,
            camera_shift_k: profile.thermal.camera_shift_k,
            supply_gain: profile.health.supply_gain,
            supply_offset_mv: profile.health.supply_offset_mv,
        }
    }

    /// The message with true values. A reading with a fault stays as it is: its values are void. With the values of an
    /// uncalibrated profile the message is the same to the bit.
    #[must_use]
    pub fn apply<'a>(&self, message: &'a Message) -> Cow<'a, Message> {
        match message {
            Message::Co2(reading) if reading.status == 0 && self.co2_offset_ppm != 0.0 => {
                let mut reading = *reading;
                reading.ppm = to_u16(f64::from(reading.ppm) + self.co2_offset_ppm);
                Cow::Owned(Message::Co2(reading))
            }
            Message::Climate(reading) if reading.status == 0 => {
                let mut reading = *reading;
                reading.temp_cdegc = to_i16(f64::from(reading.temp_cdegc) + self.temp_offset_k * 100.0);
                if self.rh_offset_pct != 0.0 {
                    // Air holds no more than 100 %, whatever the offset.
                    reading.rh_cpct = to_u16((f64::from(reading.rh_cpct) + self.rh_offset_pct * 100.0).min(10_000.0));
                }
                let pressure_pa = f64::from(reading.pressure_pa) + self.pressure_offset_pa;
                reading.pressure_pa = pressure_pa.round().clamp(0.0, f64::from(u32::MAX)) as u32;
                Cow::Owned(Message::Climate(reading))
            }
            Message::Accel(block) if self.accel_bias_mps2 != [0.0; 3] || self.accel_scale != [1.0; 3] => {
                Cow::Owned(Message::Accel(self.accel(block)))
            }
            Message::Thermal(chunk) => match self.thermal(chunk) {
                Some(chunk) => Cow::Owned(Message::Thermal(chunk)),
                None => Cow::Borrowed(message),
            },
            Message::Health(health) => {
                let mut health = *health;
                health.supply_mv = self.supply_mv(health.supply_mv);
                Cow::Owned(Message::Health(health))
            }
            Message::HealthV2(health) => {
                let mut health = health.clone();
                health.supply_mv = self.supply_mv(health.supply_mv);
                Cow::Owned(Message::HealthV2(health))
            }
            _ => Cow::Borrowed(message),
        }
    }

    /// `true = (reading − bias) × scale`. What stood at the end of the range stays there: it was more than could be said.
    fn accel(&self, block: &Accel) -> Accel {
        let mut block = block.clone();
        let unit_mps2 = f64::from(block.scale_ug) * 1e-6 * STANDARD_GRAVITY_MPS2;
        // A block without a scale is refused by its stage.
        if unit_mps2 > 0.0 {
            for sample in &mut block.samples {
                for ((raw, bias), scale) in sample.iter_mut().zip(self.accel_bias_mps2).zip(self.accel_scale) {
                    if *raw != i16::MAX && *raw != i16::MIN {
                        *raw = to_i16((f64::from(*raw) - bias / unit_mps2) * scale);
                    }
                }
            }
        }
        block
    }

    /// `true = gain × reading + shift`, °C. Dead pixels stay dead, and none dies of it.
    fn thermal(&self, chunk: &Thermal) -> Option<Thermal> {
        let camera = usize::from(chunk.camera);
        let (gain, shift_k) = (*self.camera_gain.get(camera)?, *self.camera_shift_k.get(camera)?);
        if gain == 1.0 && shift_k == 0.0 {
            return None;
        }
        let mut chunk = chunk.clone();
        for pixel in chunk.pixels_cdegc.iter_mut().filter(|pixel| **pixel != DEAD) {
            *pixel = to_i16(f64::from(*pixel) * gain + shift_k * 100.0).max(DEAD + 1);
        }
        Some(chunk)
    }

    /// `true = gain × reading + offset`; 0 means unknown and stays.
    fn supply_mv(&self, reading_mv: u16) -> u16 {
        if reading_mv == 0 {
            return 0;
        }
        to_u16(f64::from(reading_mv) * self.supply_gain + self.supply_offset_mv)
    }
}

fn to_i16(value: f64) -> i16 {
    value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}

fn to_u16(value: f64) -> u16 {
    value.round().clamp(0.0, f64::from(u16::MAX)) as u16
}
