//! How long commits to the spool take: a card that ages shows here first.

use std::time::Duration;

/// A histogram of durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitTimes {
    /// How many took no longer than each of [`CommitTimes::LIMITS_MS`], and longer than the one before it; the last: longer.
    counts: [u64; CommitTimes::LIMITS_MS.len() + 1],
    /// Their sum, microseconds.
    sum_us: u64,
    /// The longest, microseconds.
    most_us: u64,
}

impl CommitTimes {
    /// Upper limits, milliseconds: an fsync on eMMC or SD takes 5 to 50 ms, at times 200.
    pub const LIMITS_MS: [u64; 9] = [2, 5, 10, 20, 50, 100, 250, 1_000, 5_000];

    /// One more.
    pub fn add(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let slot = Self::LIMITS_MS.iter().position(|limit_ms| us <= limit_ms * 1_000);
        if let Some(count) = self.counts.get_mut(slot.unwrap_or(Self::LIMITS_MS.len())) {
            *count += 1;
        }
        self.sum_us = self.sum_us.saturating_add(us);
        self.most_us = self.most_us.max(us);
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many took no longer than each limit, with the limit in seconds: rising.
    #[must_use]
    pub fn up_to_s(&self) -> Vec<(f64, u64)> {
        let mut sum = 0;
        let limits = Self::LIMITS_MS.iter().zip(&self.counts);
        limits
            .map(|(limit_ms, count)| {
                sum += count;
                (*limit_ms as f64 / 1e3, sum)
            })
            .collect()
    }

    /// All of them together, seconds.
    #[must_use]
    pub fn sum_s(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }

    /// The longest, seconds.
    #[must_use]
    pub fn most_s(&self) -> f64 {
        self.most_us as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_commit_is_in_one_slot_and_in_all_above() {
        let mut times = CommitTimes::default();
        for ms in [1, 2, 3, 60, 900, 7_000] {
            times.add(Duration::from_millis(ms));
        }
        let up_to: Vec<u64> = times.up_to_s().into_iter().map(|(_, count)| count).collect();
        assert_eq!(up_to, [2, 3, 3, 3, 3, 4, 4, 5, 5]);
        assert_eq!((times.count(), times.most_s()), (6, 7.0));
        assert!((times.sum_s() - 7.966).abs() < 1e-9);
    }
}
