//! The box that a territory's extract covers.

use geo_types::Coord;
use serde::Deserialize;

/// A box in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// West edge, degrees.
    pub west_deg: f64,
    /// South edge, degrees.
    pub south_deg: f64,
    /// East edge, degrees.
    pub east_deg: f64,
    /// North edge, degrees.
    pub north_deg: f64,
}

impl Bounds {
    /// Whether the point lies inside or on the edge.
    #[must_use]
    pub fn contains(&self, p: Coord<f64>) -> bool {
        (self.west_deg..=self.east_deg).contains(&p.x) && (self.south_deg..=self.north_deg).contains(&p.y)
    }

    /// The share of the way from `a` to `b` at which it enters and leaves the box (Liang and Barsky 1984); none if it stays
    /// outside or only touches.
    #[must_use]
    pub fn clip(&self, a: Coord<f64>, b: Coord<f64>) -> Option<(f64, f64)> {
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let edges = [
            (-dx, a.x - self.west_deg),
            (dx, self.east_deg - a.x),
            (-dy, a.y - self.south_deg),
            (dy, self.north_deg - a.y),
        ];
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for (p, q) in edges {
            if p == 0.0 {
                if q < 0.0 {
                    return None;
                }
            } else if p < 0.0 {
                enter = enter.max(q / p);
            } else {
                leave = leave.min(q / p);
            }
        }
        (enter < leave).then_some((enter, leave))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo_types::coord;

    #[test]
    fn clips() {
        let b = Bounds { west_deg: 0.0, south_deg: 0.0, east_deg: 1.0, north_deg: 1.0 };
        let at = |x: f64, y: f64| coord! { x: x, y: y };
        assert_eq!(b.clip(at(0.2, 0.2), at(0.8, 0.8)), Some((0.0, 1.0)));
        assert_eq!(b.clip(at(-1.0, 0.5), at(1.0, 0.5)), Some((0.5, 1.0)));
        assert_eq!(b.clip(at(-1.0, 0.5), at(3.0, 0.5)), Some((0.25, 0.5)));
        assert_eq!(b.clip(at(-1.0, 2.0), at(3.0, 2.0)), None);
        assert_eq!(b.clip(at(1.0, 0.5), at(3.0, 0.5)), None);
    }
}
