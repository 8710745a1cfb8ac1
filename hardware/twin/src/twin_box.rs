//! A box that drives.

use std::sync::Arc;

use crate::noise::LineNoise;
use crate::plan::Plan;
use crate::world::World;

/// Where a simulated second lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimInstant {
    /// Start of the second, UTC, microseconds since 1970.
    pub utc_us: i64,
    /// Number of the round, from 0.
    pub round: u32,
}

/// What a box has sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TwinCounters {
    /// Frames, damaged ones included.
    pub frames_sent: u64,
    /// Frames with a flipped bit.
    pub frames_flipped: u64,
    /// Frames with a lost byte.
    pub frames_cut: u64,
    /// Bytes on the line.
    pub bytes_sent: u64,
    /// Rounds begun.
    pub rounds: u32,
    /// Distance driven, metres.
    pub driven_m: u64,
}

/// A box on a vehicle that drives a plan's rounds through a world.
#[derive(Debug)]
pub struct TwinBox {
    _world: Arc<World>,
    counters: TwinCounters,
}

impl TwinBox {
    /// A box that has not yet been switched on.
    #[must_use]
    pub fn new(world: Arc<World>, _seed: u64, _box_ix: u32, _plan: Plan, _noise: LineNoise) -> Self {
        Self { _world: world, counters: TwinCounters::default() }
    }

    /// Appends the bytes of the next simulated second to `out`; nothing after the last round.
    pub fn next_second(&mut self, _out: &mut Vec<u8>) -> Option<SimInstant> {
        None
    }

    /// What was sent so far.
    #[must_use]
    pub fn counters(&self) -> TwinCounters {
        self.counters
    }
}
