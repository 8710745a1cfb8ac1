//! From the host's monotonic time to the ticks of the box. Pure.
//!
//! A frame that arrives at host time `h` with tick `T` was stamped some delay before: `T = true tick at h − delay`, and the
//! delay (collecting a block of acceleration, the box's queue, the line, the scheduler) is never negative. So the largest
//! `T − h` of the last frames belongs to the one with the least delay, and a moment at host time `t` has the tick
//! `t + max(T − h)`. It is too early by that least delay, some milliseconds (a frame of 100 bytes takes 1.1 ms at 921,600
//! baud), and never by the backlog of a line that is read late. The two crystals differ by some 100 ppm at the worst: 2 ms over
//! the 20 s that a frame counts; while the box says nothing, 0.36 s an hour.

/// A frame counts for one to two of these, microseconds.
const WINDOW_US: u64 = 10_000_000;
/// As the pipeline bounds them.
const TICK_MAX_US: u64 = i64::MAX as u64 / 2;

/// The mapping for one boot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ticks {
    boot_id: Option<u32>,
    /// Largest difference of the window before, and of this one.
    before_us: Option<i64>,
    now_us: Option<i64>,
    window_from_us: u64,
}

impl Ticks {
    /// A frame arrived at a host time, microseconds of any rising count.
    pub fn frame(&mut self, boot_id: u32, tick_us: u64, host_us: u64) {
        let (true, Ok(tick), Ok(host)) = (tick_us <= TICK_MAX_US, i64::try_from(tick_us), i64::try_from(host_us))
        else {
            return;
        };
        if self.boot_id != Some(boot_id) {
            *self = Self { boot_id: Some(boot_id), window_from_us: host_us, ..Self::default() };
        }
        if host_us.saturating_sub(self.window_from_us) >= WINDOW_US {
            (self.before_us, self.now_us, self.window_from_us) = (self.now_us.or(self.before_us), None, host_us);
        }
        let difference_us = tick.saturating_sub(host);
        self.now_us = Some(self.now_us.map_or(difference_us, |most| most.max(difference_us)));
    }

    /// The tick at a host time; nothing before the first frame.
    pub fn at(&self, host_us: u64) -> Option<i64> {
        let difference_us = self.before_us.max(self.now_us)?;
        Some(i64::try_from(host_us).ok()?.saturating_add(difference_us).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_with_the_least_delay_counts() {
        let mut ticks = Ticks::default();
        assert_eq!(ticks.at(5), None);
        // The box started 3 s before the host began to count; delays of 80, 2 and 50 ms.
        for (host_us, delay_us) in [(1_000_000, 80_000), (1_200_000, 2_000), (1_300_000, 50_000)] {
            ticks.frame(7, 3_000_000 + host_us - delay_us, host_us);
        }
        assert_eq!(ticks.at(2_000_000), Some(4_998_000));
        // Another boot begins anew, and a tick that is none says nothing.
        ticks.frame(8, 10, 2_100_000);
        assert_eq!(ticks.at(2_100_500), Some(510));
        ticks.frame(8, u64::MAX, 2_200_000);
        assert_eq!(ticks.at(2_100_500), Some(510));
        assert_eq!(ticks.at(0), Some(0), "no tick is negative");
    }

    #[test]
    fn a_backlog_does_not_move_it_and_a_slow_crystal_is_followed() {
        let mut ticks = Ticks::default();
        // 100 ppm slow, a frame a second with 1 ms of delay; from 60 to 65 s the line is stuck, then everything comes at once.
        let tick = |s: u64| 5_000_000 + s * 999_900;
        let mut worst_us = 0;
        for s in 1_u64..=3_600 {
            let arrival_us = if (60..65).contains(&s) { 65_000_000 } else { s * 1_000_000 + 1_000 };
            ticks.frame(1, tick(s), arrival_us);
            if s > 20 {
                let truth_us = tick(s) as i64;
                worst_us = worst_us.max(ticks.at(s * 1_000_000).unwrap_or(0).abs_diff(truth_us));
            }
        }
        assert!(worst_us <= 3_000, "{worst_us}");
    }
}
