//! A box that drives.

use std::sync::Arc;

use tournee_sampler::{Identity, Vitals};

use crate::drive::{SAMPLES_PER_STEP, STEPS_PER_S};
use crate::noise::{Line, LineNoise};
use crate::plan::{Plan, Round};
use crate::random::hash;
use crate::rider::Rider;
use crate::rig::Rig;
use crate::sensors::body::ODR_HZ;
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

/// Quartz of the box: at most this far off.
const SKEW_MAX_PPM: f64 = 40.0;
/// The satellite receiver is looked at every so many acceleration samples: every 10 ms.
const LOOK_EVERY_SAMPLES: u32 = 4;
/// What a box in a process says of its stack: it has one like any thread.
const STACK_BYTES: u32 = 1 << 20;

/// A box on a vehicle that drives a plan's rounds through a world: the firmware's own sampler and drivers on register-level
/// models of its parts.
///
/// One boot per round, ticks from 0. Deterministic: the same world, seed, number, plan and noise, and the same commands at
/// the same moments, give the same bytes.
#[derive(Debug)]
pub struct TwinBox {
    plan: Plan,
    seed: u64,
    number: u32,
    rider: Rider,
    /// Boxed: 40 kB, handed to and fro at every step.
    rig: Option<Box<Rig>>,
    line: Line,
    round: usize,
    /// Seconds since the start of the round; none while the box is off.
    second: Option<u32>,
    /// When the box was switched on, by true time since the start of the round.
    boot_us: u64,
    boots: u64,
    tick_per_us: f64,
    rounds_begun: u32,
}

impl TwinBox {
    /// A box that has not yet been switched on.
    #[must_use]
    pub fn new(world: Arc<World>, seed: u64, box_ix: u32, plan: Plan, noise: LineNoise) -> Self {
        let seed = hash(&[world.seed, seed, u64::from(box_ix)]);
        let skew = (crate::random::unit(hash(&[seed, 61])) * 2.0 - 1.0) * SKEW_MAX_PPM * 1e-6;
        Self {
            plan,
            seed,
            number: box_ix,
            rider: Rider::new(world, seed),
            rig: None,
            line: Line::new(noise, hash(&[seed, 65])),
            round: 0,
            second: None,
            boot_us: 0,
            boots: 0,
            tick_per_us: 1.0 + skew,
            rounds_begun: 0,
        }
    }

    /// What was sent so far.
    #[must_use]
    pub fn counters(&self) -> TwinCounters {
        let (frames_sent, frames_flipped, frames_cut, bytes_sent) = self.line.counters();
        let driven_m = self.rider.driven_m() as u64;
        TwinCounters { frames_sent, frames_flipped, frames_cut, bytes_sent, rounds: self.rounds_begun, driven_m }
    }

    /// Appends the bytes of the next simulated second to `out`; none at the end of the last round.
    pub fn next_second(&mut self, out: &mut Vec<u8>) -> Option<SimInstant> {
        let round = loop {
            let round = *self.plan.rounds.get(self.round)?;
            if self.second.unwrap_or(0) < round.duration_s {
                break round;
            }
            self.round += 1;
            self.second = None;
            self.rig = None;
        };
        let second = match self.second {
            Some(second) => second,
            None => {
                self.rider.boot(&round);
                self.rounds_begun += 1;
                self.boot(0, 1, out);
                0
            }
        };
        let utc_us = round.start_utc_us + i64::from(second) * 1_000_000;
        self.drive(&round, second, out);
        self.second = Some(second + 1);
        Some(SimInstant { utc_us, round: self.round as u32 })
    }

    /// Bytes that the host has sent.
    pub fn receive(&mut self, bytes: &[u8]) {
        if let Some(rig) = &mut self.rig {
            rig.command(bytes);
        }
    }

    fn boot(&mut self, at_us: u64, reset_cause: u8, out: &mut Vec<u8>) {
        let boot_id = hash(&[self.seed, 66, self.boots]) as u32;
        self.boots += 1;
        self.boot_us = at_us;
        let serial = format!("twin-{:04}", self.number + 1);
        let identity = Identity {
            firmware: concat!("twin ", env!("CARGO_PKG_VERSION")),
            commit: "",
            serial: &serial,
            board: "twin",
            reset_cause,
            trial: 0,
        };
        self.line.boot(out);
        self.rig = Some(Box::new(Rig::boot(hash(&[self.seed, 67]), boot_id, &identity)));
    }

    fn drive(&mut self, round: &Round, second: u32, out: &mut Vec<u8>) {
        let utc_us = round.start_utc_us + i64::from(second) * 1_000_000;
        for step in 0..STEPS_PER_S {
            let Some(mut rig) = self.rig.take() else { return };
            let (boot_us, tick_per_us) = (self.boot_us, self.tick_per_us);
            let to_ticks = |world_us: u64| (world_us.saturating_sub(boot_us) as f64 * tick_per_us).round() as u64;
            let world_us = |sample: u32| {
                u64::from(second) * 1_000_000
                    + u64::from(step * SAMPLES_PER_STEP + sample) * 1_000_000 / u64::from(ODR_HZ)
            };
            let moment = self.rider.step(utc_us, step, &mut rig.sensors());
            rig.set_vitals(Vitals { uart_overruns: 0, stack_free_bytes: STACK_BYTES, mcu_ddegc: 210 });
            rig.receive_satellites(world_us(0), moment.motion.as_ref(), to_ticks);
            if let Some(line) = moment.modem {
                rig.modem(to_ticks(world_us(0)), line);
            }
            for sample in 0..SAMPLES_PER_STEP {
                let now_us = world_us(sample);
                if sample.is_multiple_of(LOOK_EVERY_SAMPLES) && sample > 0 {
                    rig.receive_satellites(now_us, None, to_ticks);
                }
                let tick_us = to_ticks(now_us);
                rig.run_until(tick_us);
                rig.shake(tick_us, self.rider.sample());
                // After every sample, as a line that is faster than the sensors takes it.
                while let Some((header, message)) = rig.pop() {
                    self.line.send(&header, &message, out);
                }
            }
            let reboot = rig.wants_reboot();
            self.rig = Some(rig);
            if reboot {
                self.boot(world_us(SAMPLES_PER_STEP), 3, out);
            }
        }
    }
}
