//! The International Roughness Index of a measured profile: the reference that the vehicle's estimate is held against.
//! ASTM E1926; Sayers, Gillespie and Paterson, World Bank Technical Papers 45 and 46 (1986).
//!
//! A quarter car of fixed constants is drawn over the profile at 80 km/h; the index is the mean of its absolute
//! suspension speed over the speed of travel. Everything is in slope form: put in slopes in mm/m and mm/m (= m/km) come
//! out. Between two points the slope is constant, so that every step is exact at any spacing, even an uneven one.

use super::quarter_car::{QuarterCar, SPEED_MPS, Step};

/// Wheel contact that the index smooths over, m.
pub const ENVELOPE_M: f64 = 0.25;
/// Length over which the car is set to the road's mean slope before it starts, m.
pub const RUN_IN_M: f64 = 11.0;

/// Segments of one profile at the most: 20 000 km of 20 m.
const SEGMENTS_MAX: f64 = 1e6;

/// Why there is no index.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum IriError {
    /// Fewer points than one step needs.
    #[error("a profile needs at least two points, or {ENVELOPE_M} m where they are closer, not {points}")]
    TooShort {
        /// Points given.
        points: usize,
    },
    /// A distance or a height is not a number.
    #[error("point {index} of the profile is not a number")]
    NotFinite {
        /// The point, from 0.
        index: usize,
    },
    /// A distance is not larger than the one before.
    #[error("the distance of point {index} is not above that of the point before it")]
    NotRising {
        /// The point, from 0.
        index: usize,
    },
    /// The spacing is not above zero, or a segment is shorter than the wheel contact or one of far too many.
    #[error("{value} m is no length to work with")]
    Length {
        /// What was given.
        value: f64,
    },
    /// The segments would start outside of the profile.
    #[error("the start at {start_m} m lies outside of the profile")]
    Start {
        /// What was asked for.
        start_m: f64,
    },
}

/// A point of a measured profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Distance along the road, m.
    pub distance_m: f64,
    /// Height, m.
    pub height_m: f64,
}

/// The index of a piece of road.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Where it begins, m.
    pub start_m: f64,
    /// Where it ends, m.
    pub end_m: f64,
    /// The index, m/km.
    pub iri_m_per_km: f64,
}

/// Slopes for the quarter car from evenly spaced heights in mm, in mm/m: over 250 mm where the points are closer
/// together than that, else from point to point. The last heights only end slopes, so that there are fewer of these.
///
/// # Errors
/// A spacing that is none, a height that is no number, too few points.
pub fn slopes_mm_per_m(heights_mm: &[f64], spacing_m: f64) -> Result<Vec<f64>, IriError> {
    if !(spacing_m.is_finite() && spacing_m > 0.0) {
        return Err(IriError::Length { value: spacing_m });
    }
    if let Some(index) = heights_mm.iter().position(|height| !height.is_finite()) {
        return Err(IriError::NotFinite { index });
    }
    // As many points as fit into the envelope, at least the two of a slope.
    let reach = ((ENVELOPE_M / spacing_m + 0.5) as usize).max(1);
    if heights_mm.len() <= reach {
        return Err(IriError::TooShort { points: heights_mm.len() });
    }
    let base_m = reach as f64 * spacing_m;
    Ok(heights_mm.iter().zip(heights_mm.iter().skip(reach)).map(|(from, to)| (to - from) / base_m).collect())
}

/// The car's absolute suspension slope |z1 − z3| after each of some evenly spaced slopes, m/km; the index of a stretch
/// is their mean over it. `start_mm_per_m` is the slope that the car stands on at first.
///
/// # Errors
/// A spacing that is none.
pub fn response_m_per_km(slopes_mm_per_m: &[f64], spacing_m: f64, start_mm_per_m: f64) -> Result<Vec<f64>, IriError> {
    if !(spacing_m.is_finite() && spacing_m > 0.0) {
        return Err(IriError::Length { value: spacing_m });
    }
    let step = Step::over_m(spacing_m);
    let mut car = QuarterCar::on_slope(start_mm_per_m);
    Ok(slopes_mm_per_m.iter().map(|slope| car.advance(&step, *slope).abs()).collect())
}

/// The index of consecutive whole segments of a profile from `start_m` on; the points may lie unevenly. The heights are
/// taken as they are: points closer than 250 mm want [`envelope`] before. The car starts at `start_m` on the mean slope
/// of the next 11 m, which is felt for some 20 m: a survey begins that much earlier and drops them.
///
/// # Errors
/// Points that are no numbers or not in order, too few of them, a start outside, or a length that is none.
pub fn segments(points: &[Point], start_m: f64, segment_m: f64) -> Result<Vec<Segment>, IriError> {
    check(points)?;
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Err(IriError::TooShort { points: points.len() });
    };
    let fits = (last.distance_m - first.distance_m) / segment_m < SEGMENTS_MAX;
    if !(segment_m.is_finite() && segment_m >= ENVELOPE_M && fits) {
        return Err(IriError::Length { value: segment_m });
    }
    if !(start_m >= first.distance_m && start_m < last.distance_m) {
        return Err(IriError::Start { start_m });
    }
    let run_in_m = RUN_IN_M.min(last.distance_m - start_m);
    let start_height_m = height_at(points, start_m);
    let start_slope = (height_at(points, start_m + run_in_m) - start_height_m) / run_in_m * 1e3;
    let mut car = QuarterCar::on_slope(start_slope);
    let mut out = Vec::new();
    let mut at = Point { distance_m: start_m, height_m: start_height_m };
    let (mut number, mut sum_m) = (0_u32, 0.0);
    // A step that is the last one again, as on an even profile, is not worked out again.
    let mut step = (0.0, Step::over_m(0.0));
    for point in points.iter().skip_while(|point| point.distance_m <= start_m) {
        // A segment's end inside a step cuts it in two. One nanometre: the sum of many segment lengths is not exact.
        loop {
            let end_m = start_m + f64::from(number + 1) * segment_m;
            let ends = end_m <= point.distance_m + 1e-9;
            let to_m = if ends { end_m } else { point.distance_m };
            let length_m = to_m - at.distance_m;
            if length_m > 1e-9 {
                let slope = (point.height_m - at.height_m) / (point.distance_m - at.distance_m);
                if (step.0 - length_m).abs() > 1e-9 {
                    step = (length_m, Step::over_m(length_m));
                }
                sum_m += car.advance(&step.1, slope * 1e3).abs() * length_m;
                at = Point { distance_m: to_m, height_m: at.height_m + slope * length_m };
            }
            if !ends {
                break;
            }
            let segment_start_m = start_m + f64::from(number) * segment_m;
            out.push(Segment { start_m: segment_start_m, end_m, iri_m_per_km: sum_m / segment_m });
            sum_m = 0.0;
            number += 1;
        }
    }
    Ok(out)
}

/// A profile smoothed over the wheel contact: every height becomes the mean of the heights within half of 250 mm around
/// it. For points closer together than that; others stay as they are.
///
/// # Errors
/// As for [`segments`].
pub fn envelope(points: &[Point]) -> Result<Vec<Point>, IriError> {
    check(points)?;
    let half_m = ENVELOPE_M / 2.0;
    let (mut from, mut to) = (0, 0);
    Ok(points
        .iter()
        .map(|point| {
            while points.get(from).is_some_and(|other| other.distance_m < point.distance_m - half_m) {
                from += 1;
            }
            while points.get(to).is_some_and(|other| other.distance_m <= point.distance_m + half_m) {
                to += 1;
            }
            let near = points.get(from..to).unwrap_or_default();
            let sum: f64 = near.iter().map(|other| other.height_m).sum();
            Point { distance_m: point.distance_m, height_m: sum / near.len().max(1) as f64 }
        })
        .collect())
}

fn check(points: &[Point]) -> Result<(), IriError> {
    if points.len() < 2 {
        return Err(IriError::TooShort { points: points.len() });
    }
    let finite = |point: &Point| point.distance_m.is_finite() && point.height_m.is_finite();
    if let Some(index) = points.iter().position(|point| !finite(point)) {
        return Err(IriError::NotFinite { index });
    }
    match points.iter().zip(points.iter().skip(1)).position(|(a, b)| b.distance_m <= a.distance_m) {
        Some(before) => Err(IriError::NotRising { index: before + 1 }),
        None => Ok(()),
    }
}

/// Height between two points, on the straight line; outside the profile that of its end.
fn height_at(points: &[Point], distance_m: f64) -> f64 {
    let after = points.partition_point(|point| point.distance_m < distance_m);
    match (after.checked_sub(1).and_then(|before| points.get(before)), points.get(after)) {
        (Some(a), Some(b)) => {
            let part = (distance_m - a.distance_m) / (b.distance_m - a.distance_m);
            a.height_m + (b.height_m - a.height_m) * part
        }
        (None, Some(end)) | (Some(end), None) => end.height_m,
        (None, None) => 0.0,
    }
}

/// The index that a road with the slope spectrum `c_per_radpm` (white, per rad/m) has on average, m/km: for a normal
/// road the mean of the absolute value is √(2/π) of the standard deviation, and that is the integral of the car's gain.
/// 2.213 m/km at 10⁻⁶; with the envelope 2.167.
#[must_use]
pub fn expected_m_per_km(c_per_radpm: f64, with_envelope: bool) -> f64 {
    // By wave number on a logarithmic grid; the gain falls off with its square at both ends.
    let steps = 20_000;
    let (low, high) = (1e-4_f64.ln(), 1e4_f64.ln());
    let width = (high - low) / f64::from(steps);
    let square: f64 = (0..steps)
        .map(|n| {
            let omega_radpm = (low + (f64::from(n) + 0.5) * width).exp();
            let half = omega_radpm * ENVELOPE_M / 2.0;
            let smooth = if with_envelope { half.sin() / half } else { 1.0 };
            (QuarterCar::slope_gain(omega_radpm * SPEED_MPS) * smooth).powi(2) * omega_radpm * width
        })
        .sum();
    1e3 * (2.0 / std::f64::consts::PI * c_per_radpm * square).sqrt()
}
