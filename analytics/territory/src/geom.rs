//! Lengths, cuts and projections on the sphere, good to about 0.3 % over a territory of some tens of kilometres.

use geo_types::{Coord, LineString};

/// Mean radius of the Earth, metres (IUGG).
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Great-circle distance (haversine), metres.
#[must_use]
pub fn distance_m(a: Coord<f64>, b: Coord<f64>) -> f64 {
    let (lat_a, lat_b) = (a.y.to_radians(), b.y.to_radians());
    let sin_lat = ((lat_b - lat_a) / 2.0).sin();
    let sin_lon = ((b.x - a.x).to_radians() / 2.0).sin();
    let h = lat_a.cos() * lat_b.cos() * sin_lon * sin_lon + sin_lat * sin_lat;
    2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
}

/// Length of a line, metres.
#[must_use]
pub fn length_m(line: &LineString<f64>) -> f64 {
    line.lines().map(|l| distance_m(l.start, l.end)).sum()
}

/// Compass course from `a` to `b`, degrees, 0 ≤ course < 360.
#[must_use]
pub fn bearing_deg(a: Coord<f64>, b: Coord<f64>) -> f64 {
    let x = (b.x - a.x) * ((a.y + b.y) / 2.0).to_radians().cos();
    x.atan2(b.y - a.y).to_degrees().rem_euclid(360.0)
}

/// Smallest angle between two courses, degrees, 0 to 180.
#[must_use]
pub fn angle_between_deg(a: f64, b: f64) -> f64 {
    let d = (a - b).rem_euclid(360.0);
    d.min(360.0 - d)
}

/// The point that lies `offset` metres along the line (clamped to its ends); none for an empty line.
#[must_use]
pub fn point_at(line: &LineString<f64>, offset: f64) -> Option<Coord<f64>> {
    let mut left = offset.max(0.0);
    for l in line.lines() {
        let length = distance_m(l.start, l.end);
        if left <= length && length > 0.0 {
            return Some(between(l.start, l.end, left / length));
        }
        left -= length;
    }
    line.0.last().copied()
}

/// Cuts a line into `parts` pieces of equal length. One piece or a line without length comes back whole.
#[must_use]
pub fn equal_parts(line: &LineString<f64>, parts: usize) -> Vec<LineString<f64>> {
    let total = length_m(line);
    let Some(first) = line.0.first().copied() else { return Vec::new() };
    if parts <= 1 || total <= 0.0 {
        return vec![line.clone()];
    }
    let step = total / parts as f64;
    let mut out = Vec::with_capacity(parts);
    let (mut piece, mut done) = (vec![first], 0.0);
    for l in line.lines() {
        let length = distance_m(l.start, l.end);
        while out.len() + 1 < parts && done + length > step * (out.len() + 1) as f64 {
            let cut = between(l.start, l.end, (step * (out.len() + 1) as f64 - done) / length);
            push_distinct(&mut piece, cut);
            out.push(LineString::new(std::mem::replace(&mut piece, vec![cut])));
        }
        push_distinct(&mut piece, l.end);
        done += length;
    }
    out.push(LineString::new(piece));
    out
}

fn push_distinct(line: &mut Vec<Coord<f64>>, point: Coord<f64>) {
    if line.last() != Some(&point) {
        line.push(point);
    }
}

pub(crate) fn between(a: Coord<f64>, b: Coord<f64>, t: f64) -> Coord<f64> {
    Coord { x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t }
}

/// A plane of metres around one place, for indexes and projections.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    origin: Coord<f64>,
    x_m_per_deg: f64,
    y_m_per_deg: f64,
}

impl Plane {
    /// The plane that touches at `origin`.
    #[must_use]
    pub fn at(origin: Coord<f64>) -> Self {
        let y_m_per_deg = EARTH_RADIUS_M.to_radians();
        Self { origin, x_m_per_deg: y_m_per_deg * origin.y.to_radians().cos(), y_m_per_deg }
    }

    /// The plane at the middle of all these points.
    #[must_use]
    pub fn around(points: impl Iterator<Item = Coord<f64>>) -> Self {
        let mut range: Option<(Coord<f64>, Coord<f64>)> = None;
        for p in points {
            let (lo, hi) = range.get_or_insert((p, p));
            (lo.x, lo.y, hi.x, hi.y) = (lo.x.min(p.x), lo.y.min(p.y), hi.x.max(p.x), hi.y.max(p.y));
        }
        let (lo, hi) = range.unwrap_or_default();
        Self::at(between(lo, hi, 0.5))
    }

    /// Degrees to metres.
    #[must_use]
    pub fn to_m(&self, p: Coord<f64>) -> [f64; 2] {
        [(p.x - self.origin.x) * self.x_m_per_deg, (p.y - self.origin.y) * self.y_m_per_deg]
    }
}

/// Where `p` falls on the segment from `a` to `b`: the share of the segment (0 to 1) and the distance squared.
#[must_use]
pub(crate) fn project(a: [f64; 2], b: [f64; 2], p: [f64; 2]) -> (f64, f64) {
    let [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    let [px, py] = [p[0] - a[0], p[1] - a[1]];
    let len2 = dx * dx + dy * dy;
    let t = if len2 > 0.0 { ((px * dx + py * dy) / len2).clamp(0.0, 1.0) } else { 0.0 };
    let (ex, ey) = (px - t * dx, py - t * dy);
    (t, ex * ex + ey * ey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo_types::coord;

    #[test]
    fn one_degree_of_latitude() {
        let d = distance_m(coord! { x: 2.0, y: 47.0 }, coord! { x: 2.0, y: 48.0 });
        assert!((d - 111_195.08).abs() < 0.01, "{d}");
    }

    #[test]
    fn courses() {
        let o = coord! { x: 0.0, y: 0.0 };
        assert_eq!(bearing_deg(o, coord! { x: 0.0, y: 1.0 }), 0.0);
        assert!((bearing_deg(o, coord! { x: 1.0, y: 0.0 }) - 90.0).abs() < 1e-9);
        assert_eq!(angle_between_deg(350.0, 20.0), 30.0);
    }

    #[test]
    fn parts_are_equal_and_join() {
        let line: LineString<f64> = vec![(0.0, 47.0), (0.001, 47.0), (0.001, 47.002), (0.004, 47.002)].into();
        for n in 1..9 {
            let parts = equal_parts(&line, n);
            assert_eq!(parts.len(), n);
            for w in parts.windows(2) {
                assert_eq!(w[0].0.last(), w[1].0.first());
            }
            for p in &parts {
                assert!((length_m(p) - length_m(&line) / n as f64).abs() < 0.01);
            }
        }
    }

    #[test]
    fn plane_agrees_with_sphere_in_a_town() {
        let (a, b) = (coord! { x: -2.09, y: 47.646 }, coord! { x: -2.08, y: 47.653 });
        let plane = Plane::around([a, b].into_iter());
        let (p, q) = (plane.to_m(a), plane.to_m(b));
        assert!(((p[0] - q[0]).hypot(p[1] - q[1]) - distance_m(a, b)).abs() < 0.01);
    }
}
