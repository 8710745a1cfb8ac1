//! Peaks in their place become events: merged over a short travel, with the raw samples around them.

use std::collections::VecDeque;

use super::events::Peak;
use super::items::{RawSample, RoadEvent};
use super::motion::Stretch;
use super::open::speed_is_good;
use crate::flags;
use crate::profile::RoadProfile;

/// Raw samples are kept for this long before and after a peak. [D]
const BESIDE_US: i64 = 250_000;
/// Raw samples on each side at the most; at higher rates the time is shorter.
const BESIDE_MAX: usize = 256;

/// Events that are open or still lack what comes after their peak.
#[derive(Debug, Default)]
pub(super) struct Bumps {
    /// The last raw samples, at least [`BESIDE_MAX`] once there were as many.
    behind: Vec<(i64, [f32; 3])>,
    /// Peaks may still be merged into it.
    open: Option<RoadEvent>,
    /// Closed, but their raw samples are not complete. As many as fit into the time beside a peak.
    closing: VecDeque<RoadEvent>,
}

impl Bumps {
    /// A raw sample in its place. Events that are complete go to `done`.
    #[inline]
    pub fn pass(&mut self, t_us: i64, raw: [f32; 3], travel_m: f64, merge_m: f64, done: &mut Vec<RoadEvent>) {
        if self.open.is_some() || !self.closing.is_empty() {
            self.follow(t_us, raw, travel_m, merge_m, done);
        }
        if self.behind.len() >= 2 * BESIDE_MAX {
            self.behind.drain(..BESIDE_MAX);
        }
        self.behind.push((t_us, raw));
    }

    fn follow(&mut self, t_us: i64, raw: [f32; 3], travel_m: f64, merge_m: f64, done: &mut Vec<RoadEvent>) {
        if self.open.as_ref().is_some_and(|event| travel_m - event.travel_m > merge_m) {
            self.closing.extend(self.open.take());
        }
        for event in self.closing.iter_mut().chain(&mut self.open) {
            let offset_us = t_us.saturating_sub(event.t_us);
            let after = event.raw.iter().rev().take_while(|sample| sample.offset_us > 0).count();
            if offset_us <= BESIDE_US && after < BESIDE_MAX {
                event.raw.push(RawSample { offset_us: offset_us as i32, a_mps2: raw });
            }
        }
        while self.closing.front().is_some_and(|event| t_us.saturating_sub(event.t_us) > BESIDE_US) {
            done.extend(self.closing.pop_front());
        }
    }

    /// A peak in its place, whose sample was passed. Whether it begins an event.
    pub fn bump(&mut self, peak: &Peak, stretch: &Stretch, place: (f64, f64), profile: &RoadProfile) -> bool {
        let (speed_mps, travel_m) = place;
        if self.open.as_ref().is_some_and(|event| event.peak_mps2 >= peak.peak_mps2) {
            return false;
        }
        let (lat_deg, lon_deg, heading_deg) = stretch.place(peak.t_us.clamp(stretch.from.t_us, stretch.to.t_us));
        let before = self.behind.iter().skip(self.behind.len().saturating_sub(BESIDE_MAX));
        let raw = before.filter_map(|(t_us, a_mps2)| {
            let offset_us = i32::try_from(t_us.saturating_sub(peak.t_us)).ok()?;
            (i64::from(offset_us) >= -BESIDE_US).then_some(RawSample { offset_us, a_mps2: *a_mps2 })
        });
        let here = RoadEvent {
            t_us: peak.t_us,
            lat_deg,
            lon_deg,
            heading_deg,
            speed_mps,
            peak_mps2: peak.peak_mps2,
            z: peak.z,
            flags: if speed_is_good(speed_mps, speed_mps, profile) { 0 } else { flags::ROAD_SPEED },
            raw: raw.collect(),
            travel_m,
        };
        self.open.replace(here).is_none()
    }

    /// The line ends here: what there is of the events is all that there will be.
    pub fn end(&mut self, done: &mut Vec<RoadEvent>) {
        done.extend(self.closing.drain(..));
        done.extend(self.open.take());
        self.behind.clear();
    }
}
