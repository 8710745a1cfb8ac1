//! Robust statistics. Every function is total: empty or non-finite input gives `None`, never a panic.

/// z of a two-sided 95 % normal interval.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// Scales the MAD to the standard deviation of a normal distribution.
pub const MAD_TO_SIGMA: f64 = 1.4826;

/// A sorted copy; `None` when empty or when any value is not finite.
fn sorted(values: &[f64]) -> Option<Vec<f64>> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut copy = values.to_vec();
    copy.sort_by(f64::total_cmp);
    Some(copy)
}

/// Median; the mean of the two middle values when their number is even.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 50.0)
}

/// Percentile `p` (0 to 100) with linear interpolation between order statistics (Hyndman and Fan type 7).
#[must_use]
pub fn percentile(values: &[f64], p: f64) -> Option<f64> {
    percentile_of_sorted(&sorted(values)?, p)
}

/// [`percentile`] of values that are sorted already.
#[must_use]
pub fn percentile_of_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    if sorted.is_empty() || !(0.0..=100.0).contains(&p) {
        return None;
    }
    let at = p / 100.0 * (sorted.len() - 1) as f64;
    let (low, high) = (sorted.get(at.floor() as usize)?, sorted.get(at.ceil() as usize)?);
    Some(low + (high - low) * (at - at.floor()))
}

/// Arithmetic mean.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

/// Median absolute deviation from the median, not scaled.
#[must_use]
pub fn mad(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    median(&values.iter().map(|value| (value - middle).abs()).collect::<Vec<_>>())
}

/// The ranks (from 1) of the order statistics that enclose the median with at least 95 % probability, and that
/// probability. `None` below six values: even the whole range covers only 93.75 % at n = 5.
///
/// The count of values below the median is binomial (n, 1/2), so ranks (j, n + 1 − j) cover 1 − 2 P(B ≤ j − 1); the
/// largest j that keeps 95 % is taken (David and Nagaraja, Order Statistics, §7.1).
#[must_use]
pub fn median_ci_ranks(n: usize) -> Option<(usize, usize, f64)> {
    // In logarithms: 0.5^n leaves the range of f64 above n = 1074.
    let mut ln_pmf = -(n as f64) * std::f64::consts::LN_2;
    let mut below = 0.0;
    let mut best = None;
    for j in 1..=n / 2 {
        below += ln_pmf.exp();
        let coverage = 1.0 - 2.0 * below;
        if coverage < 0.95 {
            break;
        }
        best = Some((j, n + 1 - j, coverage));
        ln_pmf += ((n - j + 1) as f64 / j as f64).ln();
    }
    best
}

/// Order-statistic 95 % interval of the median; `None` below six values.
#[must_use]
pub fn median_ci(values: &[f64]) -> Option<(f64, f64)> {
    let sorted = sorted(values)?;
    let (low, high, _) = median_ci_ranks(sorted.len())?;
    Some((*sorted.get(low - 1)?, *sorted.get(high - 1)?))
}

/// Wilson score interval of a proportion at 95 %; `None` when `n` is 0 or `successes > n`.
#[must_use]
pub fn wilson(successes: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 || successes > n {
        return None;
    }
    let (count, p) = (n as f64, successes as f64 / n as f64);
    let z2 = Z_95 * Z_95;
    let centre = p + z2 / (2.0 * count);
    let half = Z_95 * (p * (1.0 - p) / count + z2 / (4.0 * count * count)).sqrt();
    let scale = 1.0 + z2 / count;
    Some((((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0)))
}

/// Ranks from 1; equal values share the mean of their ranks.
#[must_use]
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = vec![0.0; values.len()];
    let mut done = 0;
    for group in order.chunk_by(|a, b| a.0 == b.0) {
        let shared = done as f64 + (group.len() + 1) as f64 / 2.0;
        for (_, index) in group {
            if let Some(slot) = out.get_mut(*index) {
                *slot = shared;
            }
        }
        done += group.len();
    }
    out
}

/// Pearson correlation; `None` for fewer than two pairs, unequal lengths or a constant side.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 2 {
        return None;
    }
    let (mean_x, mean_y) = (mean(x)?, mean(y)?);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (da, db) = (a - mean_x, b - mean_y);
        xy += da * db;
        xx += da * da;
        yy += db * db;
    }
    let correlation = xy / (xx * yy).sqrt();
    correlation.is_finite().then(|| correlation.clamp(-1.0, 1.0))
}

/// Spearman rank correlation: Pearson's correlation of the mid-ranks, so ties are handled exactly. `None` where
/// [`pearson`] has none, or when any value is not finite.
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.iter().chain(y).any(|value| !value.is_finite()) {
        return None;
    }
    pearson(&ranks(x), &ranks(y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    #[test]
    fn median_and_percentiles() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[1.0, f64::NAN]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(percentile(&[10.0, 20.0, 30.0, 40.0, 50.0], 75.0), Some(40.0));
        assert_eq!(percentile(&[1.0], 101.0), None);
    }

    #[test]
    fn golden_p4_mad() {
        let values = [10.0, 11.0, 12.0, 13.0, 100.0];
        assert_eq!(median(&values), Some(12.0));
        assert_eq!(mad(&values), Some(1.0));
        close(mad(&values).unwrap() * MAD_TO_SIGMA, 1.4826, 1e-12);
    }

    #[test]
    fn golden_u6_interval_of_the_median() {
        let (low, high, coverage) = median_ci_ranks(10).unwrap();
        assert_eq!((low, high), (2, 9));
        close(coverage, 0.979, 5e-4);
        let (low, high, coverage) = median_ci_ranks(6).unwrap();
        assert_eq!((low, high), (1, 6));
        close(coverage, 0.96875, 1e-12);
        for n in 0..6 {
            assert_eq!(median_ci_ranks(n), None, "n = {n}");
        }
        let (low, high, coverage) = median_ci_ranks(5000).unwrap();
        assert!(low + high == 5001 && (0.95..0.953).contains(&coverage), "{low} {high} {coverage}");
        assert_eq!(median_ci(&[5.0, 1.0, 2.0, 4.0, 3.0, 6.0]), Some((1.0, 6.0)));
    }

    #[test]
    fn golden_m3_wilson() {
        let (low, high) = wilson(18, 20).unwrap();
        close(low, 0.69897, 1e-5);
        close(high, 0.97213, 1e-5);
        let (low, high) = wilson(0, 5).unwrap();
        close(low, 0.0, 1e-12);
        close(high, 0.43448, 1e-5);
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(2, 1), None);
    }

    #[test]
    fn spearman_with_and_without_ties() {
        close(spearman(&[1.0, 2.0, 3.0, 4.0], &[1.0, 4.0, 9.0, 16.0]).unwrap(), 1.0, 1e-12);
        close(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]).unwrap(), -1.0, 1e-12);
        // ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4: 4.5 / sqrt(4.5 * 5)
        close(spearman(&[1.0, 2.0, 2.0, 3.0], &[10.0, 30.0, 20.0, 40.0]).unwrap(), 0.948_683_298, 1e-9);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[1.0, f64::NAN], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[1.0], &[1.0, 2.0]), None);
    }

    proptest! {
        #[test]
        fn median_lies_in_its_interval(values in proptest::collection::vec(-1e6..1e6f64, 6..80)) {
            let (low, high) = median_ci(&values).unwrap();
            let middle = median(&values).unwrap();
            prop_assert!(low <= middle && middle <= high);
        }

        #[test]
        fn spearman_ignores_monotone_transforms(pairs in proptest::collection::vec((-50.0..50.0f64, -50.0..50.0f64), 3..40)) {
            let x: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
            let y: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
            let bent: Vec<f64> = y.iter().map(|value| value.powi(3) + value).collect();
            prop_assert_eq!(spearman(&x, &y), spearman(&x, &bent));
        }
    }
}
