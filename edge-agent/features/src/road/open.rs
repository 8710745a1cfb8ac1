//! A window of road while it is being driven.

use super::items::RoadWindow;
use super::motion::Stretch;
use super::ppe::Score;
use crate::flags;
use crate::profile::RoadProfile;

/// A window of which more than one sample in this many was taken while the filters settled has no roughness.
const SETTLING_SHARE: u64 = 10;

/// Sums over a window.
#[derive(Debug)]
pub(super) struct Open {
    number: i64,
    start_us: i64,
    end_us: i64,
    start_m: f64,
    end_m: f64,
    mid: Option<(i64, Stretch)>,
    squares: f64,
    peak: f64,
    ppe_sum: f64,
    ppe_count: u32,
    samples: u64,
    settling: u64,
    events: u64,
    slowest_mps: f64,
    fastest_mps: f64,
    accel_mps2: f64,
    yaw_degps: f64,
}

/// Number of the window that holds a place.
pub(super) fn number_at(travel_m: f64, profile: &RoadProfile) -> i64 {
    (travel_m / profile.window_m).floor() as i64
}

/// Whether a stretch of these speeds may be believed.
pub(super) fn speed_is_good(slowest_mps: f64, fastest_mps: f64, profile: &RoadProfile) -> bool {
    slowest_mps * 3.6 >= profile.speed_min_kmh && fastest_mps * 3.6 <= profile.speed_max_kmh
}

impl Open {
    /// A window whose first sample lies here.
    pub fn new(number: i64, t_us: i64, travel_m: f64) -> Self {
        Self {
            number,
            start_us: t_us,
            end_us: t_us,
            start_m: travel_m,
            end_m: travel_m,
            mid: None,
            squares: 0.0,
            peak: 0.0,
            ppe_sum: 0.0,
            ppe_count: 0,
            samples: 0,
            settling: 0,
            events: 0,
            slowest_mps: f64::INFINITY,
            fastest_mps: 0.0,
            accel_mps2: 0.0,
            yaw_degps: 0.0,
        }
    }

    /// Its number.
    pub fn number(&self) -> i64 {
        self.number
    }

    /// Takes a filtered sample (`None` while the filters settle) in its place.
    #[inline]
    pub fn take(&mut self, t_us: i64, a: Option<f64>, stretch: &Stretch, place: (f64, f64), window_m: f64) {
        let (speed_mps, travel_m) = place;
        self.end_us = t_us;
        self.end_m = travel_m;
        if self.mid.is_none() || travel_m <= (self.number as f64 + 0.5) * window_m {
            match &mut self.mid {
                // Most samples lie in the stretch of the one before: only their time is new.
                Some((mid_us, of)) if of.from.t_us == stretch.from.t_us && of.to.t_us == stretch.to.t_us => {
                    *mid_us = t_us
                }
                mid => *mid = Some((t_us, *stretch)),
            }
        }
        match a {
            Some(a) => {
                self.squares += a * a;
                self.peak = self.peak.max(a.abs());
                self.samples += 1;
            }
            None => self.settling += 1,
        }
        self.slowest_mps = self.slowest_mps.min(speed_mps);
        self.fastest_mps = self.fastest_mps.max(speed_mps);
        self.accel_mps2 = self.accel_mps2.max(stretch.to.accel_mps2);
        self.yaw_degps = self.yaw_degps.max(stretch.to.yaw_degps);
    }

    /// Takes a score whose middle was passed; one that belongs before the window is not its own.
    pub fn score(&mut self, score: &Score) {
        if score.mid_us() >= self.start_us {
            self.ppe_sum += score.ppe_m2ps4;
            self.ppe_count += 1;
        }
    }

    /// An event begins here.
    pub fn event(&mut self) {
        self.events += 1;
    }

    /// The window, whose last sample was taken; `reached_end` when the line goes on behind it.
    pub fn close(self, reached_end: bool, profile: &RoadProfile) -> RoadWindow {
        let full_m = profile.window_m;
        let start_m = self.number as f64 * full_m;
        let seconds = (self.end_us - self.start_us) as f64 * 1e-6;
        let covered_m = self.end_m - self.start_m;
        // A sample's step is missing at both ends together; two steps are forgiven.
        let step_m = covered_m / (self.samples + self.settling).max(1) as f64;
        let whole =
            reached_end && self.start_m - start_m <= 2.0 * step_m + 0.5 && full_m - covered_m <= 2.0 * step_m + 0.5;
        let length_m = if whole { full_m } else { covered_m };
        let speed_mps = if seconds > 0.0 { covered_m / seconds } else { self.fastest_mps };
        let bits = self.gates(whole, seconds, profile);
        let rms = (self.samples > 0).then(|| (self.squares / self.samples as f64).sqrt());
        let neutral = (profile.reference_speed_kmh / 3.6 / speed_mps).powf(profile.speed_exponent);
        let ppe = (self.ppe_count > 0).then(|| self.ppe_sum / f64::from(self.ppe_count));
        let (mid_us, lat_deg, lon_deg, heading_deg) = match self.mid {
            Some((t_us, stretch)) => {
                let (lat, lon, heading) = stretch.place(t_us);
                (t_us, lat, lon, heading)
            }
            None => (self.start_us, f64::NAN, f64::NAN, None),
        };
        RoadWindow {
            start_us: self.start_us,
            end_us: self.end_us,
            mid_us,
            lat_deg,
            lon_deg,
            heading_deg,
            speed_mps,
            length_m,
            rms_mps2: rms,
            rough_mps2: rms.filter(|_| bits == 0).map(|rms| rms * neutral),
            peak_mps2: rms.map(|_| self.peak),
            // A power: twice the exponent.
            ppe_m2ps4: ppe.filter(|_| bits == 0).map(|ppe| ppe * neutral * neutral),
            samples: self.samples,
            settling: self.settling,
            events: self.events,
            flags: bits,
        }
    }

    /// The bits of the closed gates.
    fn gates(&self, whole: bool, seconds: f64, profile: &RoadProfile) -> u32 {
        let too_slow = (self.samples as f64) < profile.sample_rate_min_hz * seconds;
        let few = too_slow || self.samples < 2 || self.settling * SETTLING_SHARE > self.samples;
        let speed = speed_is_good(self.slowest_mps, self.fastest_mps, profile);
        let gates = [
            (!whole, flags::ROAD_PARTIAL),
            (!speed, flags::ROAD_SPEED),
            (self.accel_mps2 >= profile.accel_max_mps2, flags::ROAD_BRAKING),
            (self.yaw_degps >= profile.yaw_max_degps, flags::ROAD_TURNING),
            (few, flags::ROAD_FEW_SAMPLES),
        ];
        gates.iter().filter(|(closed, _)| *closed).fold(0, |bits, (_, bit)| bits | bit)
    }
}
