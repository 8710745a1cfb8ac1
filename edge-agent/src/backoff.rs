//! How long to wait before trying again. Pure: randomness is an argument.

use std::time::Duration;

/// Doubling ceilings with full jitter, so that a fleet that lost its broker does not come back at once: a wait is anywhere
/// between nothing and its ceiling, each moment as likely as any other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

/// Shorter waits are not worth their packets: rumqttc polls a refusing socket some 800 times a second otherwise.
const LEAST: Duration = Duration::from_millis(50);

impl Backoff {
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// The wait after one more failure; `random` within 0..1.
    pub fn next(&mut self, random: f64) -> Duration {
        let ceiling = self.first.saturating_mul(1 << self.failures.min(20)).min(self.most);
        self.failures = self.failures.saturating_add(1);
        // Of a number that is none, `clamp` makes none; `max` takes the other one.
        ceiling.mul_f64(random.clamp(0.0, 1.0).max(0.0)).max(LEAST)
    }

    /// Waits are no longer than this from now on.
    pub const fn limit(&mut self, most: Duration) {
        self.most = most;
    }

    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(300);

    #[test]
    fn ceilings_double_up_to_the_most() {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        let waits: Vec<_> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
        backoff.reset();
        assert_eq!(backoff.next(0.5), Duration::from_millis(100));
        assert_eq!(backoff.next(0.0), LEAST);
        assert_eq!(backoff.next(f64::NAN), LEAST);
        for _ in 0..100 {
            assert!(backoff.next(1.0) <= Duration::from_secs(5), "however often it fails");
        }
    }

    /// The wait of `failures` failures before, over evenly spread `random`: what a large fleet draws.
    fn fleet(failures: u32, boxes: u32) -> Vec<Duration> {
        let mut waits: Vec<_> = (0..boxes)
            .map(|at| {
                Backoff { first: Duration::from_millis(250), most: MOST, failures }
                    .next(f64::from(at) / f64::from(boxes))
            })
            .collect();
        waits.sort();
        waits
    }

    /// 40,000 boxes that have failed long enough are spread evenly over five minutes: no second sees more than its share.
    #[test]
    fn a_fleet_comes_back_evenly_over_the_longest_wait() {
        let waits = fleet(30, 40_000);
        let mut per_second = vec![0_u32; 301];
        for wait in &waits {
            per_second[wait.as_secs() as usize] += 1;
        }
        let share = 40_000 / 300;
        assert!(per_second[..300].iter().all(|count| (share - 2..=share + 2).contains(count)), "{per_second:?}");
        assert!(waits.iter().all(|wait| *wait <= MOST));
        let mean = waits.iter().sum::<Duration>() / 40_000;
        assert!((mean.as_secs_f64() - 150.0).abs() < 0.1, "{mean:?}");
    }

    #[test]
    fn the_spread_doubles_with_each_failure() {
        for failures in 0..10 {
            let waits = fleet(failures, 1_000);
            let ceiling = Duration::from_millis(250) * (1 << failures);
            let median = waits[500];
            assert!(median.abs_diff(ceiling / 2) <= ceiling / 500, "after {failures} failures: {median:?}");
        }
    }
}
