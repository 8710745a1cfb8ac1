//! Courses of streets in metres.

use crate::town::Town;

/// Metres per degree of latitude on a sphere of the earth's mean radius: good to 0.3 % over a town.
const METRES_PER_DEG: f64 = 111_195.08;

/// A flat town: x to the east and y to the north, metres from its middle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane {
    lon_deg: f64,
    lat_deg: f64,
    metres_per_lon_deg: f64,
}

impl Plane {
    /// Around the middle of all streets; none when there is no usable coordinate.
    pub(crate) fn around(town: &Town) -> Option<Self> {
        let points = || town.streets.iter().flat_map(|street| street.line.iter());
        let finite = || points().filter(|(lon, lat)| lon.is_finite() && lat.is_finite() && lat.abs() < 89.0);
        let count = finite().count();
        let (lon, lat) = finite().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (count > 0).then(|| {
            let (lon_deg, lat_deg) = (lon / count as f64, lat / count as f64);
            Self { lon_deg, lat_deg, metres_per_lon_deg: METRES_PER_DEG * lat_deg.to_radians().cos() }
        })
    }

    pub(crate) fn to_metres(self, (lon_deg, lat_deg): (f64, f64)) -> (f64, f64) {
        ((lon_deg - self.lon_deg) * self.metres_per_lon_deg, (lat_deg - self.lat_deg) * METRES_PER_DEG)
    }

    /// (longitude, latitude).
    pub(crate) fn to_degrees(self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.lon_deg + x / self.metres_per_lon_deg, self.lat_deg + y / METRES_PER_DEG)
    }
}

/// A street's course in metres.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    points: Vec<(f64, f64)>,
    along: Vec<f64>,
}

impl Course {
    pub(crate) fn new(plane: &Plane, line: &[(f64, f64)]) -> Option<Self> {
        let mut points: Vec<(f64, f64)> = line.iter().map(|point| plane.to_metres(*point)).collect();
        if points.iter().any(|(x, y)| !(x.is_finite() && y.is_finite())) {
            return None;
        }
        points.dedup();
        let mut along = vec![0.0];
        for pair in points.windows(2) {
            along.push(along[along.len() - 1] + (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1));
        }
        (points.len() >= 2 && along[along.len() - 1] > 0.01).then_some(Self { points, along })
    }

    pub(crate) fn length_m(&self) -> f64 {
        self.along[self.along.len() - 1]
    }

    /// Index of the leg that holds this place.
    fn leg(&self, at_m: f64) -> usize {
        self.along.partition_point(|along| *along <= at_m).clamp(1, self.points.len() - 1) - 1
    }

    pub(crate) fn point(&self, at_m: f64) -> (f64, f64) {
        let leg = self.leg(at_m);
        let part = ((at_m - self.along[leg]) / (self.along[leg + 1] - self.along[leg]).max(1e-9)).clamp(0.0, 1.0);
        let (from, to) = (self.points[leg], self.points[leg + 1]);
        (from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1))
    }

    /// Mathematical angle of the course, radians from east, counter-clockwise.
    pub(crate) fn angle(&self, at_m: f64) -> f64 {
        let leg = self.leg(at_m);
        let (from, to) = (self.points[leg], self.points[leg + 1]);
        (to.1 - from.1).atan2(to.0 - from.0)
    }

    pub(crate) fn middle(&self) -> (f64, f64) {
        self.point(self.length_m() / 2.0)
    }

    /// Bends inside it: where, and how far it turns, radians.
    pub(crate) fn bends(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        (1..self.points.len() - 1).map(|inner| {
            let before = self.angle(self.along[inner - 1]);
            (self.along[inner], turn(before, self.angle(self.along[inner])).abs())
        })
    }

    /// Mean of a function over it.
    pub(crate) fn mean(&self, of: impl Fn((f64, f64)) -> f64) -> f64 {
        const STEPS: u32 = 6;
        let step = |n: u32| of(self.point(self.length_m() * (f64::from(n) + 0.5) / f64::from(STEPS)));
        (0..STEPS).map(step).sum::<f64>() / f64::from(STEPS)
    }
}

/// The angle from one direction to another, −π to π.
pub(crate) fn turn(from: f64, to: f64) -> f64 {
    let full = std::f64::consts::TAU;
    (to - from + full / 2.0).rem_euclid(full) - full / 2.0
}
