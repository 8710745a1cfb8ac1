//! Mobile signal of a pass. Decibels are not averaged as powers: the median is robust and keeps the order.

use crate::stats;

/// Indices of the samples to keep so that no two kept ones lie closer than `step_m` along the way; a vehicle at a red
/// light then does not outvote the street. `travelled_m` is the distance since the start of the pass, rising; a sample
/// whose distance is not finite is left out.
#[must_use]
pub fn thin(travelled_m: &[f64], step_m: f64) -> Vec<usize> {
    let mut last = f64::NEG_INFINITY;
    let mut kept = Vec::new();
    for (index, at) in travelled_m.iter().enumerate() {
        if at.is_finite() && at - last >= step_m {
            kept.push(index);
            last = *at;
        }
    }
    kept
}

/// Median RSRP of a pass, dBm, over samples thinned to one per `step_m`; `(travelled_m, rsrp_dbm)`, a sample without
/// signal has no RSRP and is left to [`service_share`].
#[must_use]
pub fn pass_rsrp_dbm(samples: &[(f64, f64)], step_m: f64) -> Option<f64> {
    let travelled: Vec<f64> = samples.iter().map(|sample| sample.0).collect();
    let kept: Vec<f64> =
        thin(&travelled, step_m).into_iter().filter_map(|index| samples.get(index)).map(|sample| sample.1).collect();
    stats::median(&kept)
}

/// Share of samples with service, and its Wilson interval; "no service" is a measurement, never dropped.
#[must_use]
pub fn service_share(registered: &[bool]) -> Option<(f64, f64, f64)> {
    let n = registered.len() as u64;
    let ok = registered.iter().filter(|one| **one).count() as u64;
    let (low, high) = stats::wilson(ok, n)?;
    Some((ok as f64 / n as f64, low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_red_light_does_not_outvote_the_street() {
        let mut samples: Vec<(f64, f64)> = (0..60).map(|_| (0.0, -120.0)).collect();
        samples.extend((1..=5).map(|at| (f64::from(at) * 12.0, -90.0)));
        assert_eq!(pass_rsrp_dbm(&samples, 10.0), Some(-90.0));
        assert_eq!(thin(&[0.0, 4.0, f64::NAN, 9.9, 10.0, 25.0], 10.0), [0, 4, 5]);
        assert_eq!(pass_rsrp_dbm(&[], 10.0), None);
    }

    #[test]
    fn share_of_service_has_an_interval() {
        let mut all = vec![true; 18];
        all.extend([false; 2]);
        let (share, low, high) = service_share(&all).unwrap();
        assert!((share - 0.9).abs() < 1e-12 && (low - 0.69897).abs() < 1e-5 && (high - 0.97213).abs() < 1e-5);
        assert_eq!(service_share(&[]), None);
    }
}
