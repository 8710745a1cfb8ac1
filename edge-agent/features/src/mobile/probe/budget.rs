//! The bytes of a day.

use serde::{Deserialize, Serialize};

/// What was spent on which day; to be kept over a restart, because a van starts its agent at every stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Days since 1970-01-01, UTC.
    pub day: i64,
    /// Bytes spent on it.
    pub spent_bytes: u64,
}

/// Two new days cannot be closer than this, whatever the clock says.
const DAY_MIN_US: i64 = 20 * 3_600_000_000;

#[derive(Clone, Debug)]
pub(super) struct Budget {
    bytes_per_day: u64,
    ledger: Ledger,
    renewed_us: Option<i64>,
}

impl Budget {
    pub(super) fn new(bytes_per_day: u64, ledger: Ledger) -> Self {
        Self { bytes_per_day, ledger, renewed_us: None }
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// A later day renews the budget, at most once in 20 hours. An earlier one does not: the clock was wrong before, and what
    /// is spent stays spent; the day after it renews.
    pub(super) fn day(&mut self, utc_day: i64, now_us: i64) {
        if utc_day < self.ledger.day {
            self.ledger.day = utc_day;
        } else if utc_day > self.ledger.day && self.renewed_us.is_none_or(|at| now_us.saturating_sub(at) >= DAY_MIN_US)
        {
            self.ledger = Ledger { day: utc_day, spent_bytes: 0 };
            self.renewed_us = Some(now_us);
        }
    }

    pub(super) fn spend(&mut self, bytes: u64) {
        self.ledger.spent_bytes = self.ledger.spent_bytes.saturating_add(bytes);
    }

    pub(super) fn left(&self) -> u64 {
        self.bytes_per_day.saturating_sub(self.ledger.spent_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_day_renews_and_a_jumping_clock_does_not() {
        let mut budget = Budget::new(1000, Ledger { day: 20_000, spent_bytes: 900 });
        budget.day(20_000, 0);
        assert_eq!(budget.left(), 100);
        budget.day(20_001, 1);
        assert_eq!(budget.left(), 1000);
        budget.spend(5000);
        assert_eq!(budget.left(), 0);
        for n in 0..100 {
            budget.day(20_000 + n % 3, n + 2);
            assert_eq!(budget.left(), 0);
        }
        budget.day(20_001, DAY_MIN_US);
        assert_eq!(budget.left(), 0);
        budget.day(20_002, DAY_MIN_US + 1);
        assert_eq!(budget.left(), 1000);
    }

    #[test]
    fn a_day_far_ahead_does_not_block_for_ever() {
        let mut budget = Budget::new(1000, Ledger { day: 99_999, spent_bytes: 1000 });
        budget.day(20_000, 0);
        assert_eq!(budget.left(), 0);
        budget.day(20_001, 1);
        assert_eq!(budget.left(), 1000);
    }
}
