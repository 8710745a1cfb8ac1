//! What a bad line does to the bytes on it.

use std::collections::VecDeque;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Counters;

/// A stretch without an empty byte that counts as a frame, so that planned flips also come on a line that carries no
/// frames.
const LONGEST_FRAME: u32 = 512;
/// A planned flip comes within so many bytes of the frame's beginning, or at its end.
const FLIP_WITHIN: u32 = 16;
/// At most so many frames stay whole between two planned flips.
const MAX_WHOLE_FRAMES: u32 = 8;

/// Which way a fault works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the box to the host.
    ToHost,
    /// From the host to the box.
    ToBox,
    /// Both ways.
    Both,
}

/// How bad the line is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Probability that one bit of a byte is flipped.
    pub flip_per_byte: f64,
    /// Probability that a byte is lost.
    pub drop_per_byte: f64,
    /// On which way.
    pub direction: Direction,
}

impl Faults {
    /// A line without faults.
    pub const CLEAN: Self = Self { flip_per_byte: 0.0, drop_per_byte: 0.0, direction: Direction::Both };

    fn on(&self, way: Way) -> Option<Self> {
        let meant = match self.direction {
            Direction::Both => true,
            Direction::ToHost => way == Way::ToHost,
            Direction::ToBox => way == Way::ToBox,
        };
        (meant && (self.flip_per_byte > 0.0 || self.drop_per_byte > 0.0)).then_some(*self)
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::CLEAN
    }
}

/// The way that bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToHost,
    ToBox,
}

/// Where the next planned flip comes.
#[derive(Debug)]
struct Planned {
    left: u64,
    whole_frames: u32,
    offset: u32,
    position: u32,
    hit: bool,
}

/// Damages bytes.
#[derive(Debug)]
pub(super) struct Injector {
    rng: ChaCha8Rng,
    faults: Faults,
    planned: Planned,
}

impl Injector {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            faults,
            planned: Planned { left: 0, whole_frames: 0, offset: 0, position: 0, hit: false },
        }
    }

    pub(super) fn set(&mut self, faults: Faults) {
        self.faults = faults;
    }

    pub(super) fn plan(&mut self, flips: u64) {
        self.planned.left = self.planned.left.saturating_add(flips);
    }

    pub(super) fn planned(&self) -> u64 {
        self.planned.left
    }

    /// Appends what the line makes of the bytes.
    pub(super) fn pass(&mut self, way: Way, bytes: &[u8], out: &mut VecDeque<u8>, counters: &mut Counters) {
        let faults = self.faults.on(way);
        for byte in bytes {
            // A planned flip is exact: no other fault touches its byte.
            if way == Way::ToHost && self.is_planned(*byte) {
                out.push_back(self.flip(*byte));
                counters.flipped += 1;
                continue;
            }
            match faults {
                Some(faults) if self.draw() < faults.drop_per_byte => counters.dropped += 1,
                Some(faults) if self.draw() < faults.flip_per_byte => {
                    out.push_back(self.flip(*byte));
                    counters.flipped += 1;
                }
                _ => out.push_back(*byte),
            }
        }
    }

    fn draw(&mut self) -> f64 {
        self.rng.random()
    }

    fn flip(&mut self, byte: u8) -> u8 {
        byte ^ (1 << self.rng.random_range(0..8))
    }

    /// Follows the frames, which end with an empty byte, and says whether this byte is to be flipped.
    fn is_planned(&mut self, byte: u8) -> bool {
        let plan = &mut self.planned;
        let ends = byte == 0 || plan.position >= LONGEST_FRAME;
        let due = plan.left > 0 && !plan.hit && plan.whole_frames == 0 && (plan.position >= plan.offset || ends);
        if due {
            plan.left -= 1;
            plan.hit = true;
        }
        plan.position += 1;
        if ends {
            plan.position = 0;
            if plan.hit {
                plan.hit = false;
                plan.whole_frames = self.rng.random_range(0..=MAX_WHOLE_FRAMES);
                plan.offset = self.rng.random_range(0..FLIP_WITHIN);
            } else {
                plan.whole_frames = plan.whole_frames.saturating_sub(1);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planned_flips_are_exact_and_at_most_one_a_frame() {
        let mut injector = Injector::new(5, Faults::CLEAN);
        let frames: Vec<u8> = (0..1_000).flat_map(|length| [vec![7; length % 40], vec![0]].concat()).collect();
        injector.plan(100);
        let (mut out, mut counters) = (VecDeque::new(), Counters::default());
        for piece in frames.chunks(13) {
            injector.pass(Way::ToHost, piece, &mut out, &mut counters);
            injector.pass(Way::ToBox, piece, &mut VecDeque::new(), &mut counters);
        }
        assert_eq!((counters.flipped, counters.dropped, injector.planned()), (100, 0, 0));
        let mut by_frame = vec![0; 1_001];
        let mut frame = 0;
        for (sent, got) in frames.iter().zip(&out) {
            by_frame[frame] += u32::from(sent != got);
            frame += usize::from(*sent == 0);
        }
        assert_eq!(by_frame.iter().sum::<u32>(), 100);
        assert_eq!(by_frame.iter().max(), Some(&1));
        // Spread, not one after the other.
        assert!(by_frame[300..].contains(&1));
    }

    #[test]
    fn probabilities_hold_on_their_way_only() {
        let mut injector = Injector::new(6, Faults::CLEAN);
        injector.set(Faults { flip_per_byte: 0.02, drop_per_byte: 0.01, direction: Direction::ToBox });
        let sent = vec![0x55; 100_000];
        let (mut out, mut counters) = (VecDeque::new(), Counters::default());
        injector.pass(Way::ToHost, &sent, &mut out, &mut counters);
        assert_eq!((counters.flipped, counters.dropped, out.len()), (0, 0, 100_000));
        out.clear();
        injector.pass(Way::ToBox, &sent, &mut out, &mut counters);
        assert_eq!(out.len() as u64, 100_000 - counters.dropped);
        assert_eq!(out.iter().filter(|byte| **byte != 0x55).count() as u64, counters.flipped);
        // Five standard deviations.
        assert!(counters.dropped.abs_diff(1_000) < 160, "{counters:?}");
        assert!(counters.flipped.abs_diff(1_980) < 225, "{counters:?}");
    }
}
