//! The fleet's own background: a low percentile of everything that any vehicle measured around a moment. O(n log n).

use crate::air::{Background, Method};
use crate::stats;

/// Counts of values by rank, with cumulative sums in O(log n).
struct RankCounts {
    tree: Vec<u32>,
    n: usize,
}

impl RankCounts {
    fn new(ranks: usize) -> Self {
        Self { tree: vec![0; ranks + 1], n: 0 }
    }

    fn change(&mut self, rank: usize, add: bool) {
        self.n = if add { self.n + 1 } else { self.n.saturating_sub(1) };
        let mut at = rank + 1;
        while let Some(slot) = self.tree.get_mut(at) {
            *slot = if add { *slot + 1 } else { slot.saturating_sub(1) };
            at += at & at.wrapping_neg();
        }
    }

    /// Rank of the k-th smallest value held, k from 0.
    fn kth(&self, k: usize) -> usize {
        let (mut at, mut left) = (0, k as u64);
        let mut step = self.tree.len().next_power_of_two();
        while step > 0 {
            if let Some(count) = self.tree.get(at + step).map(|count| u64::from(*count))
                && count <= left
            {
                at += step;
                left -= count;
            }
            step /= 2;
        }
        at
    }
}

/// For every `(t_us, value)` the percentile of all values within half a window before and after it, in the order of the
/// input; `None` where fewer than `min_values` lie in the window. Values that are not finite have no background and
/// count in none.
#[must_use]
pub fn background(points: &[(i64, f64)], rule: &Background) -> Vec<Option<f64>> {
    let mut by_value: Vec<(f64, usize)> = points
        .iter()
        .zip(0..)
        .filter(|(point, _)| point.1.is_finite())
        .map(|(point, index)| (point.1, index))
        .collect();
    by_value.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // (time, rank, index in the input), by time.
    let mut by_time: Vec<(i64, usize, usize)> =
        by_value.iter().zip(0..).filter_map(|((_, index), rank)| Some((points.get(*index)?.0, rank, *index))).collect();
    by_time.sort_unstable();
    let half_us = i64::from(rule.window_s) * 500_000;
    let mut held = RankCounts::new(by_value.len());
    let mut out = vec![None; points.len()];
    let (mut entering, mut leaving) = (by_time.iter().peekable(), by_time.iter().peekable());
    for (t_us, _, index) in &by_time {
        while let Some((_, rank, _)) = entering.next_if(|next| next.0 <= t_us.saturating_add(half_us)) {
            held.change(*rank, true);
        }
        while let Some((_, rank, _)) = leaving.next_if(|next| next.0 < t_us.saturating_sub(half_us)) {
            held.change(*rank, false);
        }
        if held.n < rule.min_values.max(1) {
            continue;
        }
        let at = rule.percentile / 100.0 * (held.n - 1) as f64;
        let value_of = |k: f64| by_value.get(held.kth(k as usize)).map(|entry| entry.0);
        if let (Some(low), Some(high), Some(slot)) = (value_of(at.floor()), value_of(at.ceil()), out.get_mut(*index)) {
            *slot = Some(low + (high - low) * (at - at.floor()));
        }
    }
    out
}

/// A value brought to the reference background.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adjusted {
    /// Adjusted value, in the unit of the input; the value itself where its window was too thin.
    pub value: f64,
    /// Background around the sample; none where the window was too thin, and the value is then not adjusted.
    pub background: Option<f64>,
}

/// Adjusts a whole fleet's series `(t_us, value)` of one pollutant to one reference, the median of all backgrounds; the
/// answer is in the order of the input.
#[must_use]
pub fn adjust_series(points: &[(i64, f64)], method: Method, rule: &Background) -> Vec<Adjusted> {
    let backgrounds = background(points, rule);
    let reference = stats::median(&backgrounds.iter().flatten().copied().collect::<Vec<_>>());
    points
        .iter()
        .zip(backgrounds)
        .map(|((_, value), background)| match (background, reference) {
            (Some(b_t), Some(b_ref)) => Adjusted { value: rule.adjust(*value, b_t, b_ref, method), background },
            _ => Adjusted { value: *value, background: None },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::air::Corrections;
    use proptest::prelude::*;

    fn rule(min_values: usize) -> Background {
        Background { min_values, ..Corrections::builtin().unwrap().background }
    }

    const MINUTE: i64 = 60_000_000;

    #[test]
    fn rush_hour_is_taken_out() {
        // Two hours of one street; the second hour lies 20 higher for everyone.
        let series: Vec<(i64, f64)> = (0..240)
            .map(|at| {
                (
                    at * MINUTE / 2 + if at >= 120 { 600 * MINUTE } else { 0 },
                    10.0 + (at % 5) as f64 + if at >= 120 { 20.0 } else { 0.0 },
                )
            })
            .collect();
        let adjusted = adjust_series(&series, Method::Additive, &rule(20));
        let (early, late): (Vec<f64>, Vec<f64>) = (
            adjusted[..120].iter().map(|one| one.value).collect(),
            adjusted[120..].iter().map(|one| one.value).collect(),
        );
        let gap = stats::median(&late).unwrap() - stats::median(&early).unwrap();
        assert!(gap.abs() < 0.5, "{gap}");
    }

    #[test]
    fn thin_windows_and_bad_values_are_left_alone() {
        let series = [(0, 5.0), (MINUTE, f64::NAN), (2 * MINUTE, 7.0)];
        assert_eq!(background(&series, &rule(3)), [None, None, None]);
        assert_eq!(background(&series, &rule(2))[1], None);
        assert_eq!(adjust_series(&series[..1], Method::Ratio, &rule(3)), [Adjusted { value: 5.0, background: None }]);
        assert!(background(&[], &rule(1)).is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_the_slow_definition(
            points in proptest::collection::vec((0i64..180, -20i32..20), 0..120),
            min_values in 1usize..6,
        ) {
            let points: Vec<(i64, f64)> = points.into_iter().map(|(minute, value)| (minute * MINUTE, f64::from(value))).collect();
            let rule = rule(min_values);
            let fast = background(&points, &rule);
            for ((t, _), got) in points.iter().zip(&fast) {
                let near: Vec<f64> = points.iter().filter(|other| (other.0 - t).abs() <= 15 * MINUTE).map(|other| other.1).collect();
                let want = if near.len() >= min_values { stats::percentile(&near, 5.0) } else { None };
                match (got, want) {
                    (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-9),
                    (a, b) => prop_assert_eq!(*a, b),
                }
            }
        }
    }
}
