//! One operator's coverage: masts, shadows, and a hole.

use crate::random::{SmoothField, hash, unit};

/// Below this a modem finds no service.
pub(crate) const NO_SERVICE_DBM: f64 = -128.0;

/// A mast's cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mast {
    at: (f64, f64),
    pub(crate) cell_id: u32,
    pub(crate) pci: u16,
    pub(crate) earfcn: u32,
    pub(crate) band: u8,
    /// Index of the bandwidth in the modem's answers: 3 is 10 MHz, 5 is 20 MHz.
    pub(crate) bandwidth: u8,
}

/// What a modem has at a place, without fading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serving<'a> {
    pub(crate) mast: &'a Mast,
    pub(crate) rsrp_dbm: f64,
    /// The next best cell, which interferes.
    pub(crate) other_dbm: f64,
}

/// The coverage.
#[derive(Debug)]
pub(crate) struct Radio {
    masts: [Mast; 3],
    shadow: [SmoothField; 3],
    hole: (f64, f64),
    hole_radius_m: f64,
}

impl Radio {
    /// Masts in and around the places that are driven; the hole is where the masts are far, among those places.
    pub(crate) fn new(seed: u64, places: &[(f64, f64)]) -> Self {
        let range = |of: fn(&(f64, f64)) -> f64| {
            let low = places.iter().map(of).fold(f64::INFINITY, f64::min);
            let high = places.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
            (low, (high - low).max(1.0))
        };
        let (x, y) = (range(|place| place.0), range(|place| place.1));
        let spots = [(0.18, 0.75), (0.62, 0.22), (0.55, 0.85)];
        let masts = [0_usize, 1, 2].map(|n| {
            let draw = |what: u64| 0.16 * (unit(hash(&[seed, n as u64, what])) - 0.5);
            // Band 20 from two masts, band 3 from the one in the middle of the list.
            let (earfcn, band, bandwidth) = if n == 1 { (1_300, 3, 5) } else { (6_300, 20, 3) };
            Mast {
                at: (x.0 + x.1 * (spots[n].0 + draw(1)), y.0 + y.1 * (spots[n].1 + draw(2))),
                cell_id: 0x0076_7000 | (n as u32) << 4 | 9,
                pci: [188, 275, 64][n],
                earfcn,
                band,
                bandwidth,
            }
        });
        let shadow = [0_u64, 1, 2].map(|n| SmoothField::new(hash(&[seed, n, 3]), 90.0, 500.0));
        let far = |place: &(f64, f64)| masts.iter().map(|mast| distance(*place, mast.at)).fold(f64::INFINITY, f64::min);
        let mut ranked: Vec<(f64, f64)> = places.to_vec();
        ranked.sort_by(|a, b| far(b).total_cmp(&far(a)).then(a.0.total_cmp(&b.0)).then(a.1.total_cmp(&b.1)));
        // Not the very farthest: at the rim of the town nobody lives.
        let hole = ranked.get(ranked.len() / 6).copied().unwrap_or_default();
        Self { masts, shadow, hole, hole_radius_m: (0.11 * x.1.hypot(y.1)).clamp(90.0, 300.0) }
    }

    pub(crate) fn hole(&self) -> ((f64, f64), f64) {
        (self.hole, self.hole_radius_m)
    }

    pub(crate) fn serving(&self, at: (f64, f64)) -> Serving<'_> {
        let dip = 58.0 * (-(distance(at, self.hole) / self.hole_radius_m).powi(2)).exp();
        let (mut best, mut other) = ((f64::NEG_INFINITY, 0), f64::NEG_INFINITY);
        for (n, mast) in self.masts.iter().enumerate() {
            // Path loss exponent 3.5; −84 dBm at 300 m.
            let path = -84.0 - 35.0 * (distance(at, mast.at).max(35.0) / 300.0).log10();
            let rsrp = path + 4.5 * self.shadow[n].at(at) - dip;
            if rsrp > best.0 {
                other = best.0;
                best = (rsrp, n);
            } else {
                other = other.max(rsrp);
            }
        }
        Serving { mast: &self.masts[best.1], rsrp_dbm: best.0.clamp(-145.0, -52.0), other_dbm: other }
    }
}

fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}
