//! From fixes as they came to fixes in order, on Earth, one per instant.

use geo_types::{Coord, coord};

use super::{Fix, MatchReport};

/// Sorted, usable fixes.
pub(super) fn usable(fixes: &[Fix], report: &mut MatchReport) -> Vec<Fix> {
    report.fixes = fixes.len();
    let mut out: Vec<Fix> = fixes.iter().copied().filter(on_earth).collect();
    report.not_finite = fixes.len() - out.len();
    out.sort_by_key(|f| f.t_us);
    let before = out.len();
    out.dedup_by_key(|f| f.t_us);
    report.same_time = before - out.len();
    out
}

fn on_earth(fix: &Fix) -> bool {
    fix.lon_deg.abs() <= 180.0 && fix.lat_deg.abs() <= 90.0
}

pub(super) const fn place(fix: &Fix) -> Coord<f64> {
    coord! { x: fix.lon_deg, y: fix.lat_deg }
}

/// Seconds from `a` to `b`.
pub(super) fn seconds(a: i64, b: i64) -> f64 {
    b.saturating_sub(a) as f64 / 1e6
}
