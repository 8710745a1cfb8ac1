//! Travel from fixes: speed between two fixes is linear, distance its integral.

use std::collections::VecDeque;

use crate::geo;

/// Fixes that are kept; a window that stands still for longer loses only the exact position of its start.
const KNOTS_MAX: usize = 4_096;
/// Acceleration and turning are taken over this time at least: finer, the noise of the speeds would rule.
const BASE_US: i64 = 900_000;
/// Below this the course of a receiver means nothing.
const COURSE_MIN_MPS: f64 = 3.0;

/// A fix with the travel up to it.
#[derive(Clone, Copy, Debug)]
pub struct Knot {
    /// Time, microseconds.
    pub t_us: i64,
    /// Latitude, degrees.
    pub lat_deg: f64,
    /// Longitude, degrees.
    pub lon_deg: f64,
    /// Speed.
    pub speed_mps: f64,
    /// Course.
    pub heading_deg: Option<f64>,
    /// Travel since the first fix.
    pub travel_m: f64,
    /// |dv/dt| of the stretch that ends here.
    pub accel_mps2: f64,
    /// |turn| of the stretch that ends here.
    pub yaw_degps: f64,
    /// Whether the stretch that ends here is a hole.
    pub hole: bool,
}

/// The travelled line.
#[derive(Debug, Default)]
pub struct Motion {
    knots: VecDeque<Knot>,
    /// Index of the knot at or before the last asked time.
    cursor: usize,
}

/// A stretch between two fixes.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Its start.
    pub from: Knot,
    /// Its end.
    pub to: Knot,
    seconds: f64,
    slope_mps2: f64,
}

impl Stretch {
    fn new(from: Knot, to: Knot) -> Self {
        let seconds = (to.t_us - from.t_us) as f64 * 1e-6;
        let slope_mps2 = if seconds > 0.0 { (to.speed_mps - from.speed_mps) / seconds } else { 0.0 };
        Self { from, to, seconds, slope_mps2 }
    }

    /// Speed and travel at a time inside.
    #[inline]
    #[must_use]
    pub fn at(&self, t_us: i64) -> (f64, f64) {
        let s = (t_us - self.from.t_us) as f64 * 1e-6;
        let speed = self.from.speed_mps + self.slope_mps2 * s;
        (speed, self.from.travel_m + (self.from.speed_mps + 0.5 * self.slope_mps2 * s) * s)
    }

    /// Position and course at a time inside.
    #[must_use]
    pub fn place(&self, t_us: i64) -> (f64, f64, Option<f64>) {
        let linear = if self.seconds > 0.0 { (t_us - self.from.t_us) as f64 * 1e-6 / self.seconds } else { 0.0 };
        let length = self.to.travel_m - self.from.travel_m;
        // By travel, not by time: a braking vehicle is further than half way at half time.
        let part =
            if length > 0.1 { ((self.at(t_us).1 - self.from.travel_m) / length).clamp(0.0, 1.0) } else { linear };
        let heading = match (self.from.heading_deg, self.to.heading_deg) {
            (Some(a), Some(b)) => Some(geo::between_heading(a, b, part)),
            (a, b) => {
                if part < 0.5 {
                    a
                } else {
                    b
                }
            }
        };
        let lat = self.from.lat_deg + (self.to.lat_deg - self.from.lat_deg) * part;
        (lat, geo::between_lon(self.from.lon_deg, self.to.lon_deg, part), heading)
    }
}

/// Where a time lies on the line.
#[derive(Debug)]
pub enum At {
    /// Before the first fix.
    Before,
    /// In a stretch.
    In(Stretch),
    /// In a hole between fixes.
    Hole,
    /// After the last fix.
    After,
}

impl Motion {
    /// Takes a fix; what is not later than the last one or not finite is ignored (`false`).
    pub fn push(
        &mut self,
        t_us: i64,
        lat_deg: f64,
        lon_deg: f64,
        speed_mps: f64,
        heading_deg: Option<f64>,
        gap_us: i64,
    ) -> bool {
        if ![lat_deg, lon_deg, speed_mps].iter().all(|value| value.is_finite()) || speed_mps < 0.0 {
            return false;
        }
        let mut knot = Knot {
            t_us,
            lat_deg,
            lon_deg,
            speed_mps,
            heading_deg: heading_deg.filter(|heading| heading.is_finite()),
            travel_m: 0.0,
            accel_mps2: 0.0,
            yaw_degps: 0.0,
            hole: false,
        };
        if let Some(last) = self.knots.back() {
            if t_us <= last.t_us {
                return false;
            }
            let span_us = t_us.saturating_sub(last.t_us);
            knot.hole = span_us > gap_us;
            let seconds = span_us as f64 * 1e-6;
            let step_m = if knot.hole {
                geo::distance_m(last.lat_deg, last.lon_deg, lat_deg, lon_deg)
            } else {
                (last.speed_mps + speed_mps) / 2.0 * seconds
            };
            knot.travel_m = last.travel_m + step_m;
            if let Some(base) = self.base(t_us, gap_us) {
                let seconds = (t_us - base.t_us) as f64 * 1e-6;
                knot.accel_mps2 = (speed_mps - base.speed_mps).abs() / seconds;
                if let (Some(a), Some(b)) = (base.heading_deg, knot.heading_deg)
                    && speed_mps.min(base.speed_mps) >= COURSE_MIN_MPS
                {
                    knot.yaw_degps = geo::turn_deg(a, b).abs() / seconds;
                }
            }
        }
        self.knots.push_back(knot);
        while self.knots.len() > KNOTS_MAX {
            self.knots.pop_front();
            self.cursor = self.cursor.saturating_sub(1);
        }
        true
    }

    /// The latest fix at least [`BASE_US`] before, without a hole between.
    fn base(&self, t_us: i64, gap_us: i64) -> Option<Knot> {
        let found = self.knots.iter().rev().find(|knot| t_us.saturating_sub(knot.t_us) >= BASE_US)?;
        (t_us.saturating_sub(found.t_us) <= gap_us.max(2 * BASE_US)).then_some(*found)
    }

    /// Time of the last fix.
    #[must_use]
    pub fn last_us(&self) -> Option<i64> {
        self.knots.back().map(|knot| knot.t_us)
    }

    /// Where a time lies; times must not fall by more than a few seconds from call to call to be fast.
    #[must_use]
    pub fn at(&mut self, t_us: i64) -> At {
        let last = self.knots.len().saturating_sub(1);
        self.cursor = self.cursor.min(last);
        while self.cursor > 0 && self.knots.get(self.cursor).is_some_and(|knot| knot.t_us > t_us) {
            self.cursor -= 1;
        }
        while self.knots.get(self.cursor + 1).is_some_and(|knot| knot.t_us <= t_us) {
            self.cursor += 1;
        }
        let (Some(from), to) = (self.knots.get(self.cursor), self.knots.get(self.cursor + 1)) else { return At::After };
        if t_us < from.t_us {
            return At::Before;
        }
        match to {
            Some(to) if to.hole => At::Hole,
            Some(to) => At::In(Stretch::new(*from, *to)),
            // The fix itself still belongs to the line.
            None if t_us == from.t_us => At::In(Stretch::new(*from, *from)),
            None => At::After,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_the_integral_of_speed() {
        let mut motion = Motion::default();
        for second in 0..=10_i64 {
            // 10 m/s, braking with 1 m/s² after 5 s.
            let speed = if second <= 5 { 10.0 } else { 15.0 - second as f64 };
            assert!(motion.push(second * 1_000_000, 47.65 + second as f64 * 1e-4, -2.09, speed, Some(0.0), 3_000_000));
        }
        let At::In(stretch) = motion.at(8_500_000) else { panic!() };
        let (speed, travel) = stretch.at(8_500_000);
        assert!((speed - 6.5).abs() < 1e-9);
        assert!((travel - (50.0 + 10.0 * 3.5 - 0.5 * 3.5 * 3.5)).abs() < 1e-9);
        assert!((stretch.to.accel_mps2 - 1.0).abs() < 1e-9);
        assert!(matches!(motion.at(-1), At::Before));
        assert!(matches!(motion.at(10_000_001), At::After));
    }

    #[test]
    fn holes_and_turns() {
        let mut motion = Motion::default();
        motion.push(0, 47.65, -2.09, 10.0, Some(350.0), 3_000_000);
        motion.push(1_000_000, 47.65, -2.09, 10.0, Some(20.0), 3_000_000);
        motion.push(6_000_000, 47.6505, -2.09, 10.0, Some(20.0), 3_000_000);
        let At::In(stretch) = motion.at(500_000) else { panic!() };
        assert!((stretch.to.yaw_degps - 30.0).abs() < 1e-9);
        assert!(matches!(motion.at(3_000_000), At::Hole));
        assert!(!motion.push(6_000_000, 47.65, -2.09, 10.0, None, 3_000_000), "not later");
        assert!(!motion.push(7_000_000, f64::NAN, -2.09, 10.0, None, 3_000_000));
    }
}
