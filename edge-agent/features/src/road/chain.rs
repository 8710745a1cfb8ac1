//! The filters that a sample passes first.

use super::events::median_and_mad;
use super::filter::{Band, Vertical};
use super::ppe::{Meter, Score};
use crate::profile::RoadProfile;

/// Rate that is assumed where not even the first intervals tell one.
const RATE_UNKNOWN_HZ: f64 = 100.0;

/// Vertical, band and prediction error since the last hole.
#[derive(Debug)]
pub(super) struct Chain {
    vertical: Vertical,
    band: Band,
    meter: Meter,
    settled_from_us: i64,
}

impl Chain {
    /// Filters for samples that begin with these, which they have not yet seen. Without a stated rate it is the median of
    /// their intervals. `None` for no samples.
    pub fn new(start: &[(i64, [f64; 3])], rate_hz: Option<f64>, profile: &RoadProfile) -> Option<Self> {
        let (first_us, _) = start.first()?;
        let rate_hz = rate_hz.unwrap_or_else(|| {
            let mut steps: Vec<f64> = start.iter().zip(start.iter().skip(1)).map(|(a, b)| (b.0 - a.0) as f64).collect();
            let (step_us, _) = median_and_mad(&mut steps);
            if step_us > 0.0 { 1e6 / step_us } else { RATE_UNKNOWN_HZ }
        });
        let count = start.len() as f64;
        let mut gravity = [0.0; 3];
        for (_, a) in start {
            for (sum, a) in gravity.iter_mut().zip(a) {
                *sum += a / count;
            }
        }
        Some(Self {
            vertical: Vertical::new(gravity, profile.gravity_cutoff_hz, rate_hz),
            band: Band::new(profile.high_pass_hz, profile.low_pass_hz, rate_hz),
            meter: Meter::new(rate_hz),
            settled_from_us: first_us.saturating_add((profile.settle_s * 1e6) as i64),
        })
    }

    /// The vertical acceleration in the band, none while the filters settle; now and then a score.
    #[inline]
    pub fn step(&mut self, t_us: i64, a_mps2: &[f64; 3]) -> (Option<f64>, Option<Score>) {
        let a = self.band.step(self.vertical.step(a_mps2));
        ((t_us >= self.settled_from_us).then_some(a), self.meter.push(t_us, a_mps2))
    }

    /// Whether the rate is high enough for scores.
    pub fn scores(&self) -> bool {
        self.meter.is_on()
    }

    /// Slowly followed gravity, m/s² in the sensor's axes.
    pub fn gravity(&self) -> &[f64; 3] {
        self.vertical.gravity()
    }

    /// Projects on this direction from now on; on gravity where it is none.
    pub fn set_up(&mut self, up: Option<[f64; 3]>) {
        self.vertical.set_up(up);
    }
}
