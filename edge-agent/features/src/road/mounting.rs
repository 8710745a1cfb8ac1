//! How the sensor sits in the vehicle, found while driving: no angle is measured at the workshop.
//!
//! Between two fixes the mean acceleration in the sensor's axes is gravity along "up", the change of speed along
//! "forward", and speed times turn along "left". Three regressions, one per axis of the sensor, tell the three apart:
//!
//! `mean a = g up + (dv/dt) forward + (v dψ/dt) left + rest`
//!
//! Gravity alone, followed slowly, would lean over whenever the vehicle brakes (0.15 g for some seconds: up to 8°).
//! Known only when the standard errors say so; forgotten when the sensor is moved. What an earlier boot found is used from
//! the start, for as long as gravity and what this boot finds do not contradict it. Its limits are the `mounting_` keys of
//! the vehicle profile.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::geo;
use crate::profile::RoadProfile;

/// Shortest span between two fixes that is used: finer, the noise of the speeds would rule.
const SPAN_MIN_US: i64 = 900_000;
/// Longest span: over a longer one a turn is not even. [D]
const SPAN_MAX_US: i64 = 5_000_000;
/// Below this the course of a receiver means nothing.
const COURSE_MIN_MPS: f64 = 3.0;
/// Spacing of the knots of integrated acceleration.
const KNOT_US: i64 = 50_000;
/// Knots that are kept: 25 s, more than any fix is late.
const KNOTS_MAX: usize = 512;
/// Fixes that may wait for the acceleration around them.
const FIXES_MAX: usize = 64;
/// The change of speed in the sensor over that of the receiver; outside, one of the two is wrong. [D]
const GAIN: std::ops::RangeInclusive<f64> = 0.7..=1.3;
/// Stretches that wait before they count: a sensor that is being moved is noticed before they do. [D]
const PROBATION: usize = 10;
/// No sensor of a vehicle says more than this. [D]
const ABSURD_MPS2: f64 = 1e4;
/// What this boot found is held against what was kept from this many times the least stretches on. [D]
const COMPARED_TIMES: u32 = 2;

/// The vehicle's axes in those of the sensor, each of length 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mounting {
    /// Away from the road.
    pub up: [f64; 3],
    /// Standard error of `up`, rad, as if the stretches were independent: the mean grade of the roads comes on top.
    pub up_error_rad: f64,
    /// Direction of travel, where the changes of speed were enough to tell.
    pub forward: Option<[f64; 3]>,
    /// Standard error of `forward`, rad; infinite where it is not known.
    pub forward_error_rad: f64,
    /// Stretches between fixes that it rests on.
    pub spans: u32,
}

impl Mounting {
    /// To the left of the direction of travel.
    #[must_use]
    pub fn left(&self) -> Option<[f64; 3]> {
        self.forward.map(|forward| cross(&self.up, &forward))
    }

    /// Whether it can be one: directions of length 1 at a right angle, give or take what is allowed when one is found. For
    /// what was read from a file.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let is_unit = |v: &[f64; 3]| (dot(v, v) - 1.0).abs() < 1e-3;
        is_unit(&self.up)
            && self.up_error_rad >= 0.0
            && self.forward_error_rad >= 0.0
            && self.forward.is_none_or(|forward| is_unit(&forward) && dot(&forward, &self.up).abs() < 0.2)
    }
}

#[derive(Clone, Copy, Debug)]
struct Fix {
    t_us: i64,
    speed_mps: f64,
    heading_deg: Option<f64>,
}

/// A stretch between two fixes.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// 1, change of speed and pull to the left, m/s².
    regressors: [f64; 3],
    /// Mean acceleration in the sensor's axes, m/s².
    mean: [f64; 3],
}

/// The keys of the profile, as they are used.
#[derive(Clone, Copy, Debug)]
struct Limits {
    spans_min: u32,
    up_error_rad: f64,
    forward_error_rad: f64,
    /// Weight of the past at every stretch.
    remembered: f64,
    trusted_spans: u32,
    moved_cos: f64,
    moved_us: i64,
    turned_cos: f64,
}

impl Limits {
    fn new(profile: &RoadProfile) -> Self {
        Self {
            spans_min: profile.mounting_spans_min,
            up_error_rad: profile.mounting_up_error_max_deg.to_radians(),
            forward_error_rad: profile.mounting_forward_error_max_deg.to_radians(),
            // A stretch is about a second.
            remembered: 1.0 - 1.0 / profile.mounting_memory_s.max(1.0),
            trusted_spans: profile.mounting_trusted_spans,
            moved_cos: profile.mounting_moved_deg.to_radians().cos(),
            moved_us: (profile.mounting_moved_s * 1e6) as i64,
            turned_cos: profile.mounting_turned_deg.to_radians().cos(),
        }
    }
}

/// Finds the mounting from samples and fixes of one clock.
#[derive(Debug)]
pub struct Estimator {
    limits: Limits,
    integral: [f64; 3],
    last: Option<(i64, [f64; 3])>,
    /// Time and integral of acceleration up to it.
    knots: VecDeque<(i64, [f64; 3])>,
    fixes: VecDeque<Fix>,
    probation: VecDeque<Span>,
    sums: Sums,
    found: Option<Mounting>,
    /// What an earlier boot found, until this one knows better.
    kept: Option<Mounting>,
    /// It was found to be another's, and nobody was told yet.
    turned: bool,
    leaning_since_us: Option<i64>,
    moved: u64,
}

impl Estimator {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(profile: &RoadProfile) -> Self {
        Self {
            limits: Limits::new(profile),
            integral: [0.0; 3],
            last: None,
            knots: VecDeque::new(),
            fixes: VecDeque::new(),
            probation: VecDeque::new(),
            sums: Sums::default(),
            found: None,
            kept: None,
            turned: false,
            leaning_since_us: None,
            moved: 0,
        }
    }

    /// Takes what an earlier boot found; before the first sample. What cannot be one is left.
    pub fn remember(&mut self, mounting: Mounting) {
        self.kept = Some(mounting).filter(Mounting::is_possible);
        self.found = self.kept;
    }

    /// The mounting, once it is known.
    #[must_use]
    pub fn mounting(&self) -> Option<&Mounting> {
        self.found.as_ref()
    }

    /// How often the sensor was found to have been moved.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// Samples are missing here.
    pub fn lost(&mut self) {
        self.last = None;
        self.knots.clear();
    }

    /// Takes a sample, m/s² in the sensor's axes; times rise.
    #[inline]
    pub fn push_accel(&mut self, t_us: i64, a_mps2: &[f64; 3]) {
        if let Some((before_us, before)) = self.last {
            let half = (t_us - before_us) as f64 * 0.5e-6;
            for ((sum, a), b) in self.integral.iter_mut().zip(a_mps2).zip(&before) {
                // One absurd sample of a foreign recording must not drown all that come after it.
                *sum += (a + b).clamp(-ABSURD_MPS2, ABSURD_MPS2) * half;
            }
        }
        self.last = Some((t_us, *a_mps2));
        if self.knots.back().is_none_or(|(knot_us, _)| t_us.saturating_sub(*knot_us) >= KNOT_US) {
            self.knots.push_back((t_us, self.integral));
            if self.knots.len() > KNOTS_MAX {
                self.knots.pop_front();
            }
            self.settle(t_us);
        }
    }

    /// Takes a believed fix: speed in m/s, course in degrees. Times rise.
    pub fn push_fix(&mut self, t_us: i64, speed_mps: f64, heading_deg: Option<f64>) {
        self.fixes.push_back(Fix { t_us, speed_mps, heading_deg });
        if self.fixes.len() > FIXES_MAX {
            self.fixes.pop_front();
        }
    }

    /// Uses the fixes that the samples have reached.
    fn settle(&mut self, now_us: i64) {
        let mut used = false;
        while let (Some(from), Some(to)) = (self.fixes.front().copied(), self.fixes.get(1).copied()) {
            if to.t_us > now_us {
                break;
            }
            if to.t_us.saturating_sub(from.t_us) < SPAN_MIN_US {
                // Not far enough: the next one may be.
                self.fixes.remove(1);
                continue;
            }
            self.fixes.pop_front();
            let span = self.span(&from, &to);
            self.probation.extend(span.filter(|_| self.leaning_since_us.is_none()));
            if self.probation.len() > PROBATION
                && let Some(span) = self.probation.pop_front()
            {
                self.sums.add(&span, self.limits.remembered);
                used = true;
            }
        }
        if used {
            self.conclude();
        }
    }

    /// What this boot found and what was kept make what is known.
    fn conclude(&mut self) {
        let fresh = self.sums.solve(&self.limits);
        let (Some(fresh), Some(kept)) = (fresh, self.kept) else {
            self.found = fresh.or(self.kept);
            return;
        };
        let is_enough = fresh.spans >= self.limits.spans_min.saturating_mul(COMPARED_TIMES);
        if is_enough && dot(&fresh.up, &kept.up) < self.limits.turned_cos {
            // Turned while nobody looked, by less than gravity alone would tell.
            self.kept = None;
            self.turned = true;
            self.moved += 1;
            self.found = Some(fresh);
        } else if fresh.spans >= self.limits.trusted_spans {
            let forward = fresh.forward.or(kept.forward);
            let forward_error_rad =
                if fresh.forward.is_some() { fresh.forward_error_rad } else { kept.forward_error_rad };
            self.found = Some(Mounting { forward, forward_error_rad, ..fresh });
        } else {
            self.found = Some(kept);
        }
    }

    fn span(&self, from: &Fix, to: &Fix) -> Option<Span> {
        let span_us = to.t_us.saturating_sub(from.t_us);
        let (start, end) = (self.integral_at(from.t_us)?, self.integral_at(to.t_us)?);
        if span_us > SPAN_MAX_US {
            return None;
        }
        let seconds = span_us as f64 * 1e-6;
        let speed_mps = (from.speed_mps + to.speed_mps) / 2.0;
        // Headings turn clockwise; "left" wants the other sense. A crawling vehicle hardly feels its turns.
        let left_mps2 = if from.speed_mps.min(to.speed_mps) < COURSE_MIN_MPS {
            0.0
        } else {
            -geo::turn_deg(from.heading_deg?, to.heading_deg?).to_radians() / seconds * speed_mps
        };
        let mean = [0, 1, 2].map(|axis: usize| {
            let difference = end.get(axis).zip(start.get(axis)).map_or(0.0, |(end, start)| end - start);
            difference / seconds
        });
        Some(Span { regressors: [1.0, (to.speed_mps - from.speed_mps) / seconds, left_mps2], mean })
    }

    /// The integral at a time between two knots.
    fn integral_at(&self, t_us: i64) -> Option<[f64; 3]> {
        let after = self.knots.partition_point(|(knot_us, _)| *knot_us < t_us);
        let (to_us, to) = self.knots.get(after)?;
        if *to_us == t_us {
            return Some(*to);
        }
        let (from_us, from) = self.knots.get(after.checked_sub(1)?)?;
        let part = (t_us - from_us) as f64 / (to_us - from_us) as f64;
        let mut at = *from;
        for (at, to) in at.iter_mut().zip(to) {
            *at += (to - *at) * part;
        }
        Some(at)
    }

    /// "Up", while slowly followed gravity does not contradict it.
    #[must_use]
    pub fn agreed_up(&self, gravity: &[f64; 3]) -> Option<[f64; 3]> {
        let up = self.found.as_ref()?.up;
        agree(gravity, &up, self.limits.moved_cos).then_some(up)
    }

    /// Compares slowly followed gravity with the mounting; says whether the sensor was moved, which forgets it.
    pub fn is_moved(&mut self, t_us: i64, gravity: &[f64; 3]) -> bool {
        let Some(mounting) = &self.found else { return false };
        if agree(gravity, &mounting.up, self.limits.moved_cos) {
            self.leaning_since_us = None;
            return std::mem::take(&mut self.turned);
        }
        self.probation.clear();
        if t_us.saturating_sub(*self.leaning_since_us.get_or_insert(t_us)) < self.limits.moved_us {
            return false;
        }
        self.leaning_since_us = None;
        self.found = None;
        self.kept = None;
        self.turned = false;
        self.sums = Sums::default();
        self.moved += 1;
        true
    }
}

fn agree(gravity: &[f64; 3], up: &[f64; 3], least_cos: f64) -> bool {
    dot(gravity, up) >= least_cos * dot(gravity, gravity).sqrt()
}

/// Sums of the three regressions.
#[derive(Debug, Default)]
struct Sums {
    spans: u32,
    /// Their weights.
    weight: f64,
    /// Of the products of the regressors.
    normal: [[f64; 3]; 3],
    /// Per sensor axis, of its products with the regressors.
    right: [[f64; 3]; 3],
    /// Per sensor axis, of its squares.
    squares: [f64; 3],
}

impl Sums {
    fn add(&mut self, span: &Span, remembered: f64) {
        self.spans = self.spans.saturating_add(1);
        let past = self.normal.iter_mut().chain(&mut self.right).flatten().chain(&mut self.squares);
        past.chain([&mut self.weight]).for_each(|sum| *sum *= remembered);
        self.weight += 1.0;
        for (row, x) in self.normal.iter_mut().zip(&span.regressors) {
            for (sum, y) in row.iter_mut().zip(&span.regressors) {
                *sum += x * y;
            }
        }
        for ((row, squares), a) in self.right.iter_mut().zip(&mut self.squares).zip(&span.mean) {
            *squares += a * a;
            for (sum, x) in row.iter_mut().zip(&span.regressors) {
                *sum += x * a;
            }
        }
    }

    fn solve(&self, limits: &Limits) -> Option<Mounting> {
        if self.spans < limits.spans_min {
            return None;
        }
        // A drive without any turn has no third equation: a grain of prior keeps the others solvable.
        let mut normal = self.normal;
        for (n, row) in normal.iter_mut().enumerate() {
            if let Some(diagonal) = row.get_mut(n) {
                *diagonal += 1e-6;
            }
        }
        let inverse = invert(&normal)?;
        // Per sensor axis: gravity, forward, left, and the variance of what is left over.
        let fitted = self.right.map(|right| inverse.map(|row| dot(&row, &right)));
        let mut left_over = 0.0;
        for ((fit, right), squares) in fitted.iter().zip(&self.right).zip(&self.squares) {
            left_over += (squares - dot(fit, right)).max(0.0);
        }
        let variance = left_over / (3.0 * (self.weight - 3.0));
        let gravity = fitted.map(|[gravity, _, _]| gravity);
        let (up, length) = unit(&gravity)?;
        let error = |n: usize, length: f64| {
            let share = inverse.get(n).and_then(|row| row.get(n)).copied().unwrap_or(f64::INFINITY);
            // Two directions at a right angle to the vector turn it.
            (2.0 * variance * share.max(0.0)).sqrt() / length
        };
        let up_error_rad = error(0, length);
        if up_error_rad.is_nan() || up_error_rad > limits.up_error_rad {
            return None;
        }
        let slope = fitted.map(|[_, forward, _]| forward);
        let lean = dot(&slope, &up);
        let level =
            [0, 1, 2].map(|n: usize| slope.get(n).copied().unwrap_or(0.0) - lean * up.get(n).copied().unwrap_or(0.0));
        // A vehicle that speeds up squats a little: some of it in "up" is right.
        let found =
            unit(&level).filter(|(_, gain)| GAIN.contains(gain) && lean.abs() <= limits.forward_error_rad * 3.0 * gain);
        let forward = found.map(|(forward, gain)| (forward, error(1, gain)));
        let forward = forward.filter(|(_, error)| *error <= limits.forward_error_rad);
        Some(Mounting {
            up,
            up_error_rad,
            forward: forward.map(|(forward, _)| forward),
            forward_error_rad: forward.map_or(f64::INFINITY, |(_, error)| error),
            spans: self.spans,
        })
    }
}

/// Inverse of a symmetric matrix by its cofactors, for as long as it has one.
fn invert(m: &[[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let [a, b, c] = m;
    let columns = [cross(b, c), cross(c, a), cross(a, b)];
    let determinant = dot(a, &cross(b, c));
    (determinant.is_finite() && determinant.abs() > 1e-12).then(|| columns.map(|row| row.map(|x| x / determinant)))
}

fn unit(v: &[f64; 3]) -> Option<([f64; 3], f64)> {
    let length = dot(v, v).sqrt();
    (length.is_finite() && length > 1e-6).then(|| (v.map(|x| x / length), length))
}

/// Scalar product.
#[inline]
pub(super) fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    let ([a1, a2, a3], [b1, b2, b3]) = (a, b);
    a1 * b1 + a2 * b2 + a3 * b3
}

fn cross(a: &[f64; 3], b: &[f64; 3]) -> [f64; 3] {
    let ([a1, a2, a3], [b1, b2, b3]) = (a, b);
    [a2 * b3 - a3 * b2, a3 * b1 - a1 * b3, a1 * b2 - a2 * b1]
}
