//! Samples of the accelerometer's FIFO to blocks with the tick of their first sample.
//!
//! The part samples by its own oscillator (± 2 %) and the FIFO is read whenever the bus is free, so that neither the
//! moment of reading nor the nominal rate is the time of a sample. A loop of second order follows the samples: each reading
//! says when its newest sample was taken, to within a period; the loop takes an eighth of the deviation into the phase and a
//! part into the period.

use tournee_link::{ACCEL_BLOCK_MAX, Accel};

/// Beyond this the samples between two readings are not those that were expected: some are lost.
const RESYNC_NS: i64 = 30_000_000;
const PHASE_SHARE: i64 = 8;
const PERIOD_SHARE: i64 = 256;

/// Collects blocks.
#[derive(Debug)]
pub(crate) struct AccelBlocks {
    nominal_ns: i64,
    period_ns: i64,
    /// When the sample after the last one is due; none at the start.
    next_ns: Option<i64>,
    block: Accel,
    block_us: u64,
}

impl AccelBlocks {
    pub(crate) const fn new() -> Self {
        let block = Accel { odr_hz: 0, scale_ug: 0, lost: 0, samples: heapless::Vec::new() };
        Self { nominal_ns: 0, period_ns: 0, next_ns: None, block, block_us: 0 }
    }

    /// After the part was set up: what was begun is given up, counted as lost by the block that follows.
    pub(crate) fn restart(&mut self, odr_hz: u16, scale_ug: u16) {
        self.nominal_ns = 1_000_000_000 / i64::from(odr_hz.max(1));
        self.period_ns = self.nominal_ns;
        self.next_ns = None;
        let lost = self.block.lost.saturating_add(self.block.samples.len() as u16);
        self.block = Accel { odr_hz, scale_ug, lost, samples: heapless::Vec::new() };
    }

    /// Takes what a reading at `now_us` brought, oldest first, while `left` newer samples stayed in the FIFO. `overrun`:
    /// the FIFO was full and has lost samples before these.
    pub(crate) fn take(
        &mut self,
        now_us: u64,
        samples: &[[i16; 3]],
        left: usize,
        overrun: bool,
        block_len: usize,
        mut on_block: impl FnMut(u64, Accel),
    ) {
        let Some(count) = i64::try_from(samples.len()).ok().filter(|count| *count > 0 && self.nominal_ns > 0) else {
            return;
        };
        let now_ns = i64::try_from(now_us).unwrap_or(i64::MAX / 2_000).saturating_mul(1_000);
        let after = i64::try_from(left).unwrap_or(0);
        // The newest sample in the FIFO is half a period old, on average: the one after it is due half a period from now.
        let first_ns = now_ns - (count + after) * self.period_ns + self.period_ns / 2;
        let first_ns = match self.next_ns {
            Some(next_ns) if !overrun && (first_ns - next_ns).abs() <= RESYNC_NS => {
                let off_ns = first_ns - next_ns;
                let limit_ns = self.nominal_ns / 25;
                self.period_ns = (self.period_ns + off_ns / (PERIOD_SHARE * count))
                    .clamp(self.nominal_ns - limit_ns, self.nominal_ns + limit_ns);
                next_ns + off_ns / PHASE_SHARE
            }
            Some(next_ns) => {
                let missing = (first_ns - next_ns + self.period_ns / 2) / self.period_ns;
                // A block has one rate: what was begun before the hole is given up with it.
                let lost = missing.max(i64::from(overrun)) + self.block.samples.len() as i64;
                self.block.samples.clear();
                self.block.lost = self.block.lost.saturating_add(u16::try_from(lost).unwrap_or(u16::MAX));
                first_ns
            }
            None => first_ns,
        };
        for (n, sample) in (0_i64..).zip(samples) {
            if self.block.samples.is_empty() {
                self.block_us = u64::try_from((first_ns + n * self.period_ns) / 1_000).unwrap_or(0);
            }
            // Never longer than a block: given out when full.
            let _ = self.block.samples.push(*sample);
            if self.block.samples.len() >= block_len.clamp(1, ACCEL_BLOCK_MAX) {
                let Accel { odr_hz, scale_ug, .. } = self.block;
                let next = Accel { odr_hz, scale_ug, lost: 0, samples: heapless::Vec::new() };
                on_block(self.block_us, core::mem::replace(&mut self.block, next));
            }
        }
        self.next_ns = Some(first_ns + count * self.period_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads every `every_us` with some delay what a part of this period has sampled; gives the blocks' ticks and the
    /// true times of their first samples.
    fn run(period_us: f64, every_us: u64, jitter_us: u64, seconds: u64) -> std::vec::Vec<(f64, f64, u16)> {
        let mut blocks = AccelBlocks::new();
        blocks.restart(400, 122);
        let (mut taken, mut out, mut begun) = (0_u64, std::vec::Vec::new(), 0_u64);
        let mut random = 1_u64;
        for turn in 1..seconds * 1_000_000 / every_us {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let now_us = turn * every_us + (random >> 33) % jitter_us.max(1);
            let there = (now_us as f64 / period_us) as u64 + 1;
            let samples = std::vec![[0, 0, 8_192]; (there - taken) as usize];
            taken = there;
            blocks.take(now_us, &samples, 0, false, 32, |tick_us, block| {
                out.push((tick_us as f64, begun as f64 * period_us, block.lost));
                begun += block.samples.len() as u64;
            });
        }
        out
    }

    #[test]
    fn a_part_that_is_two_percent_off_is_followed_to_a_period() {
        for period_us in [2_450.0, 2_500.0, 2_550.0] {
            for (every_us, jitter_us) in [(80_000, 20_000), (10_000, 4_000)] {
                let blocks = run(period_us, every_us, jitter_us, 120);
                assert!(blocks.len() > 1_400);
                let late = &blocks[blocks.len() / 4..];
                let worst = late.iter().map(|(tick, truth, _)| (tick - truth).abs()).fold(0.0, f64::max);
                assert!(worst < 2_500.0, "{period_us} µs, read every {every_us}: {worst} µs off");
                assert!(blocks.iter().all(|(_, _, lost)| *lost == 0));
            }
        }
    }

    #[test]
    fn a_hole_is_counted_and_the_next_block_begins_after_it() {
        let mut blocks = AccelBlocks::new();
        blocks.restart(400, 122);
        let mut out = std::vec::Vec::new();
        for turn in 1..=10_u64 {
            blocks.take(turn * 80_000, &[[0; 3]; 32], 0, false, 32, |tick, block| out.push((tick, block.lost)));
        }
        // Two seconds later the FIFO holds its newest 341 samples.
        blocks.take(2_800_000, &[[0; 3]; 64], 277, true, 32, |tick, block| out.push((tick, block.lost)));
        let (tick_us, lost) = out[10];
        assert!((i64::try_from(tick_us).unwrap() - (2_800_000 - 341 * 2_500 + 1_250)).abs() < 2_500, "{tick_us}");
        assert!((458..=460).contains(&lost), "800 samples passed, 341 are there: {lost}");
        assert_eq!(out[11].1, 0);
    }

    #[test]
    fn setting_up_again_counts_what_was_begun() {
        let mut blocks = AccelBlocks::new();
        blocks.restart(400, 122);
        blocks.take(80_000, &[[0; 3]; 20], 0, false, 32, |_, _| unreachable!());
        blocks.restart(400, 122);
        let mut lost = None;
        blocks.take(500_000, &[[0; 3]; 32], 0, false, 32, |_, block| lost = Some(block.lost));
        assert_eq!(lost, Some(20));
    }
}
