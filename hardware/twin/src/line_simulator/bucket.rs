//! So many bytes a second, and no more.

use std::time::{Duration, Instant};

/// Start bit, eight data bits, stop bit.
const BITS_PER_BYTE: f64 = 10.0;
/// What may gather while the simulator is kept from running, s.
const DEPTH_S: f64 = 0.05;
/// How much is worth waking up for, s.
const PORTION_S: f64 = 0.005;

/// A token bucket; without a rate it never says no.
#[derive(Debug)]
pub(super) struct Bucket {
    bytes_per_s: Option<f64>,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(now: Instant, baud: Option<u32>) -> Self {
        let mut bucket = Self { bytes_per_s: None, tokens: 0.0, at: now };
        bucket.set(now, baud);
        bucket
    }

    /// Bits per second, or no limit. Zero is taken as one.
    pub(super) fn set(&mut self, now: Instant, baud: Option<u32>) {
        self.bytes_per_s = baud.map(|baud| f64::from(baud.max(1)) / BITS_PER_BYTE);
        self.tokens = 0.0;
        self.at = now;
    }

    fn refill(&mut self, now: Instant) {
        if let Some(rate) = self.bytes_per_s {
            let gathered = self.tokens + rate * now.saturating_duration_since(self.at).as_secs_f64();
            self.tokens = gathered.min((rate * DEPTH_S).max(2.0));
        }
        self.at = now;
    }

    /// How many bytes may go now, or how long to wait for the next ones.
    pub(super) fn room(&mut self, now: Instant) -> Result<usize, Duration> {
        self.refill(now);
        let Some(rate) = self.bytes_per_s else { return Ok(usize::MAX) };
        let portion = (rate * PORTION_S).max(1.0);
        if self.tokens >= portion {
            Ok(self.tokens as usize)
        } else {
            Err(Duration::from_secs_f64((portion - self.tokens) / rate))
        }
    }

    pub(super) fn take(&mut self, bytes: usize) {
        if self.bytes_per_s.is_some() {
            self.tokens -= bytes as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_ten_bits_a_byte_and_says_how_long_to_wait() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, None);
        assert_eq!(bucket.room(start), Ok(usize::MAX));
        for baud in [9_600, 115_200, 921_600] {
            bucket.set(start, Some(baud));
            let (mut now, mut bytes, mut turns) = (start, 0, 0);
            while now < start + Duration::from_secs(10) {
                match bucket.room(now) {
                    Ok(room) => {
                        bucket.take(room);
                        bytes += room;
                    }
                    Err(wait) => now += wait + Duration::from_nanos(1),
                }
                turns += 1;
            }
            let expected = baud as usize;
            assert!(bytes.abs_diff(expected) * 100 <= expected, "{baud}: {bytes} bytes");
            assert!(turns < 5_000, "{baud}: {turns} turns");
        }
        // A long sleep gathers no more than the depth.
        assert_eq!(bucket.room(start + Duration::from_secs(100)), Ok(4_608));
    }
}
