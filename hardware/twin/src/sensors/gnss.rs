//! The receiver: slow drift, white noise, cold starts and gaps.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use tournee_devices::gnss::MotionState;

/// Seconds from power-on to the first fix.
const COLD_START_S: u32 = 20;
/// A gap (bridge, high houses) begins once in this many seconds, on average.
const GAP_EVERY_S: f64 = 420.0;
/// Drift per axis at HDOP 1, metres: 2.5 m in the plane.
const DRIFT_M: f64 = 1.77;
/// Time constant of the drift.
const DRIFT_S: f64 = 60.0;
const WHITE_M: f64 = 0.5;
const UNKNOWN_HEADING_CDEG: u16 = 36_000;

/// A moment of the vehicle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Motion {
    /// (longitude, latitude) after the error is added.
    pub(crate) at: (f64, f64),
    pub(crate) speed_mps: f64,
    /// Radians from east, counter-clockwise.
    pub(crate) angle: f64,
}

/// What is wrong with a second's fix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Error {
    /// East and north, metres.
    pub(crate) at_m: [f64; 2],
    pub(crate) speed_mps: f64,
    pub(crate) course_deg: f64,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    drift: [f64; 2],
    hdop: f64,
    second: u32,
    gap_left_s: u32,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self { drift: [0.0; 2], hdop: 0.9, second: 0, gap_left_s: 0 }
    }

    /// Power-on.
    pub(crate) fn restart(&mut self, rng: &mut ChaCha8Rng) {
        *self = Self::new();
        for axis in &mut self.drift {
            *axis = DRIFT_M * rng.sample::<f64, _>(StandardNormal);
        }
    }

    /// One second on: how far off the receiver is, metres east and north, or nothing without a fix.
    pub(crate) fn second(&mut self, rng: &mut ChaCha8Rng) -> Option<Error> {
        let keep = (-1.0 / DRIFT_S).exp();
        let kick = (1.0 - keep * keep).sqrt();
        for axis in &mut self.drift {
            *axis = keep * *axis + kick * DRIFT_M * rng.sample::<f64, _>(StandardNormal);
        }
        self.hdop = (0.98 * self.hdop + 0.02 * 0.95 + 0.03 * rng.sample::<f64, _>(StandardNormal)).clamp(0.6, 2.6);
        let cold = self.second < COLD_START_S;
        self.second += 1;
        if self.gap_left_s > 0 {
            self.gap_left_s -= 1;
        } else if !cold && rng.random::<f64>() < 1.0 / GAP_EVERY_S {
            self.gap_left_s = rng.random_range(5..=20);
        }
        let at_m = self.drift.map(|drift| self.hdop * drift + WHITE_M * rng.sample::<f64, _>(StandardNormal));
        let error = Error {
            at_m,
            speed_mps: 0.08 * rng.sample::<f64, _>(StandardNormal),
            course_deg: 2.0 * rng.sample::<f64, _>(StandardNormal),
        };
        (!cold && self.gap_left_s == 0).then_some(error)
    }

    /// What a receiver with a fix believes.
    pub(crate) fn fix(&self, utc_us: i64, motion: Motion, error: &Error) -> MotionState {
        let speed = (motion.speed_mps + error.speed_mps).max(0.0);
        let course = (90.0 - motion.angle.to_degrees() + error.course_deg).rem_euclid(360.0);
        MotionState {
            utc_us,
            fix: 3,
            sats: (14.0 - 4.0 * self.hdop).round().clamp(6.0, 14.0) as u8,
            hdop_centi: (self.hdop * 100.0).round() as u16,
            lat_e7: (motion.at.1 * 1e7).round() as i32,
            lon_e7: (motion.at.0 * 1e7).round() as i32,
            h_acc_mm: (2_600.0 * self.hdop).round() as u32,
            speed_mmps: (speed * 1e3).round() as u32,
            // Standing still there is no course.
            heading_cdeg: if motion.speed_mps < 0.5 {
                UNKNOWN_HEADING_CDEG
            } else {
                ((course * 100.0).round() as u16) % UNKNOWN_HEADING_CDEG
            },
        }
    }

    /// A receiver without a fix. Whether it knows the time is its own matter: a cold one does not.
    pub(crate) fn no_fix(utc_us: i64) -> MotionState {
        MotionState {
            utc_us,
            fix: 0,
            sats: 2,
            hdop_centi: 9_999,
            lat_e7: 0,
            lon_e7: 0,
            h_acc_mm: u32::MAX,
            speed_mmps: 0,
            heading_cdeg: UNKNOWN_HEADING_CDEG,
        }
    }
}
