//! How fast a backlog may leave. Pure: the clock is an argument.
//!
//! A vehicle that was without network for a day has some megabytes to send. Sent as fast as the modem can, they fill the
//! uplink of a cell and, from a whole fleet, the broker. So bytes are paid from a bucket that fills at a fixed rate. What a
//! driving box makes (tens to hundreds of bytes a second) is far below any rate that is accepted, so only a backlog waits.

use std::time::Duration;

/// Batches of the hard limit, at least one of which must fit.
const LEAST_BURST_BYTES: u64 = tournee_payload::MAX_WIRE_BYTES as u64;
/// Seconds of the rate that may leave at once.
const BURST_S: u64 = 4;

/// A bucket of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchUp {
    rate_bytes_per_s: u64,
    burst_bytes: i64,
    /// Below zero: owed, after a batch that was larger than what was left.
    left_bytes: i64,
    filled_at: Duration,
}

impl CatchUp {
    /// A full bucket.
    pub fn new(rate_bytes_per_s: u64) -> Self {
        let burst = rate_bytes_per_s.saturating_mul(BURST_S).max(LEAST_BURST_BYTES);
        let burst_bytes = i64::try_from(burst).unwrap_or(i64::MAX);
        Self { rate_bytes_per_s, burst_bytes, left_bytes: burst_bytes, filled_at: Duration::ZERO }
    }

    /// Another rate from now on. What was earned or is owed stays.
    pub fn set_rate(&mut self, rate_bytes_per_s: u64, now: Duration) {
        self.fill(now);
        let fresh = Self::new(rate_bytes_per_s);
        let left_bytes = self.left_bytes.min(fresh.burst_bytes);
        *self = Self { left_bytes, filled_at: self.filled_at, ..fresh };
    }

    /// Whether the next batch may leave.
    pub fn may_send(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.left_bytes > 0
    }

    /// A batch left.
    pub fn sent(&mut self, bytes: usize) {
        self.left_bytes = self.left_bytes.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn fill(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.filled_at);
        let earned = elapsed.as_micros().saturating_mul(u128::from(self.rate_bytes_per_s)) / 1_000_000;
        // Less than a byte: the time is kept for the next call, or frequent calls would earn nothing.
        if earned == 0 {
            return;
        }
        self.filled_at = now;
        let earned = i64::try_from(earned).unwrap_or(i64::MAX);
        self.left_bytes = self.left_bytes.saturating_add(earned).min(self.burst_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = CatchUp::new(100_000);
        let mut sent = 0;
        let mut at_once = 0;
        for tenth in 0..1_000_u64 {
            while bucket.may_send(Duration::from_millis(tenth * 100)) {
                bucket.sent(10_000);
                sent += 10_000_u64;
            }
            if tenth == 0 {
                at_once = sent;
            }
        }
        assert_eq!(at_once, 400_000, "four seconds of the rate");
        assert_eq!(sent, 400_000 + 99 * 100_000 + 90_000);
    }

    #[test]
    fn a_rate_can_change_and_nothing_is_earned_by_it() {
        let mut bucket = CatchUp::new(100_000);
        while bucket.may_send(Duration::ZERO) {
            bucket.sent(10_000);
        }
        bucket.set_rate(1_000_000, Duration::ZERO);
        assert!(!bucket.may_send(Duration::ZERO));
        assert!(bucket.may_send(Duration::from_millis(10)), "a tenth of a second's worth");
        bucket.set_rate(4_096, Duration::from_secs(60));
        assert_eq!(bucket.left_bytes, bucket.burst_bytes, "never more than the burst");
        assert_eq!(bucket.burst_bytes, 262_144);
    }

    #[test]
    fn a_low_rate_still_lets_the_largest_batch_pass() {
        let mut bucket = CatchUp::new(1);
        assert!(bucket.may_send(Duration::ZERO));
        bucket.sent(tournee_payload::MAX_WIRE_BYTES + 100);
        assert!(!bucket.may_send(Duration::from_secs(100)));
        assert!(bucket.may_send(Duration::from_secs(101)), "what was owed is paid");
    }

    proptest! {
        /// Over any stretch of time no more than a burst, the rate, and the one batch that overdraws.
        #[test]
        fn never_faster_than_the_rate(
            rate in 1_000..1_000_000_u64,
            steps in prop::collection::vec((0..2_000_u64, 1..262_144_usize), 1..200),
        ) {
            let mut bucket = CatchUp::new(rate);
            let burst = (rate * BURST_S).max(LEAST_BURST_BYTES);
            let mut now_ms = 0;
            let mut sent = Vec::new();
            for (wait_ms, bytes) in steps {
                now_ms += wait_ms;
                if bucket.may_send(Duration::from_millis(now_ms)) {
                    bucket.sent(bytes);
                    sent.push((now_ms, bytes as u64));
                }
            }
            for (at, (from_ms, _)) in sent.iter().enumerate() {
                let mut total = 0;
                for (until_ms, bytes) in &sent[at..] {
                    prop_assert!(total <= burst + rate * (until_ms - from_ms) / 1_000 + 262_144);
                    total += bytes;
                }
            }
        }
    }
}
