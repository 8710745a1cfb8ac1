//! A u-blox receiver on a serial line, with its pulse per second.
//!
//! It comes up as the maker ships it, sending NMEA (RMC, GGA, GSA) once a second, and obeys CFG-MSG, CFG-RATE, CFG-PRT and
//! CFG-VALSET, each answered by ACK-ACK or ACK-NAK. Then it sends what it was asked for: NAV-PVT and NAV-DOP with the
//! epochs, TIM-TP before each edge, any of six NMEA sentences. A message that is not modelled is refused with ACK-NAK and
//! not taken silently. Settings live in its working memory and are gone after [`UbloxReceiver::power_cycle`].
//!
//! Layouts: u-blox M8 receiver description UBX-13003221, F9 HPG 1.32 interface description UBX-22008968, NMEA 0183 as
//! described there. The line's baud rate is the caller's: bytes come in whole messages when they would begin to be sent.

mod config;
mod nmea;
mod ubx;

use std::collections::VecDeque;

use config::{Config, Decoder};

/// GPS minus UTC since 2017, seconds.
const LEAP_S: i64 = 18;
const SECOND_US: i64 = 1_000_000;
/// From power-on to the first byte; nothing is heard meanwhile.
const BOOT_US: u64 = 400_000;
/// From an epoch to its first message: the receiver computes.
const LATENCY_US: i64 = 80_000;
/// TIM-TP goes out so long before the edge that it names.
const TIME_PULSE_AHEAD_US: i64 = 700_000;
/// A caller that polls later than this finds only the last ones: the line is no store.
const BACKLOG_US: i64 = 10 * SECOND_US;
/// Answers that wait for the next poll at the most.
const ANSWERS_MAX: usize = 64;

/// What the antenna sees. The values hold until the next ones; an epoch between two of them has a position between theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MotionState {
    /// True UTC, microseconds since 1970.
    pub utc_us: i64,
    /// Latitude, degrees × 1e7.
    pub lat_e7: i32,
    /// Longitude, degrees × 1e7.
    pub lon_e7: i32,
    /// 0 none, 2 2D, 3 3D, 4 3D with differential corrections.
    pub fix: u8,
    /// Satellites used.
    pub sats: u8,
    /// HDOP × 100.
    pub hdop_centi: u16,
    /// Horizontal accuracy, millimetres.
    pub h_acc_mm: u32,
    /// Speed over ground, millimetres per second.
    pub speed_mmps: u32,
    /// Course, hundredths of a degree clockwise from north; 36000 or more: unknown.
    pub heading_cdeg: u16,
}

/// Which configuration messages the receiver knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// M8: CFG-MSG, CFG-RATE, CFG-PRT.
    Eight,
    /// M9, F9: both. Its time pulse is on the grid of GPS until told otherwise.
    Nine,
    /// M10: CFG-VALSET alone.
    Ten,
}

/// The receiver. See the head of [the module](self).
#[derive(Clone, Debug)]
pub struct UbloxReceiver {
    generation: Generation,
    config: Config,
    decoder: Decoder,
    answers: VecDeque<Vec<u8>>,
    /// Deaf and silent until a poll finds this moment past.
    boot_until_us: u64,
    booted: bool,
    /// The last motion, and the moment on the caller's clock that its UTC belongs to.
    motion: Option<(u64, MotionState)>,
    /// There was a fix since power-on: the receiver knows the time.
    time_known: bool,
    schedule: Option<Schedule>,
    /// Of the epoch that is over and not yet sent.
    sampled: Option<MotionState>,
    epochs: u32,
}

/// What comes next, UTC.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    epoch_us: i64,
    /// The edge that TIM-TP is to name next.
    announced_us: i64,
    edge_us: i64,
}

enum Due {
    Epoch(i64),
    Announcement(i64),
    Edge(i64),
}

impl Schedule {
    fn from(utc_us: i64, period_us: i64) -> Self {
        let after = |step_us: i64, at_us: i64| (at_us.div_euclid(step_us) + 1) * step_us;
        Self {
            epoch_us: after(period_us, utc_us),
            announced_us: after(SECOND_US, utc_us + TIME_PULSE_AHEAD_US),
            edge_us: after(SECOND_US, utc_us),
        }
    }

    /// Takes the first of what is due at this moment.
    fn take(&mut self, utc_us: i64, period_us: i64) -> Option<Due> {
        let epoch_at = self.epoch_us + LATENCY_US;
        let announcement_at = self.announced_us - TIME_PULSE_AHEAD_US;
        let first = epoch_at.min(announcement_at).min(self.edge_us);
        if first > utc_us {
            return None;
        }
        let step = |next: &mut i64, by: i64| {
            *next += by;
            *next - by
        };
        Some(if first == self.edge_us {
            Due::Edge(step(&mut self.edge_us, SECOND_US))
        } else if first == announcement_at {
            Due::Announcement(step(&mut self.announced_us, SECOND_US))
        } else {
            Due::Epoch(step(&mut self.epoch_us, period_us))
        })
    }
}

impl UbloxReceiver {
    /// A receiver that knows both ways of configuration, powered up at 0.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Generation::Nine)
    }

    /// A receiver of this generation, powered up at 0.
    #[must_use]
    pub fn of(generation: Generation) -> Self {
        Self {
            generation,
            config: Config::of(generation),
            decoder: Decoder::default(),
            answers: VecDeque::new(),
            boot_until_us: BOOT_US,
            booted: false,
            motion: None,
            time_known: false,
            schedule: None,
            sampled: None,
            epochs: 0,
        }
    }

    /// Loses its supply and gets it back: settings, time and position are gone. Where it is comes with the next
    /// [`UbloxReceiver::set_motion`]; to play a cold start, set `fix` 0 for as long as it takes.
    pub fn power_cycle(&mut self, now_us: u64) {
        let motion = self.motion;
        *self = Self { boot_until_us: now_us.saturating_add(BOOT_US), motion, ..Self::of(self.generation) };
    }

    /// What the antenna sees from now on. `motion.utc_us` is the UTC at `now_us` of the caller's clock.
    pub fn set_motion(&mut self, now_us: u64, motion: MotionState) {
        // A jump of the caller's world: begin anew instead of making up for it.
        if self.utc_us(now_us).is_none_or(|utc_us| utc_us.abs_diff(motion.utc_us) > 100_000) {
            self.schedule = None;
            self.sampled = None;
        } else if let (Some(schedule), Some((_, before)), None) = (self.schedule, self.motion, self.sampled)
            && (before.utc_us..=motion.utc_us).contains(&schedule.epoch_us)
        {
            self.sampled = Some(between(&before, &motion, schedule.epoch_us));
        }
        self.motion = Some((now_us, motion));
    }

    /// The baud rate that the receiver has been told to use.
    #[must_use]
    pub fn baud(&self) -> u32 {
        self.config.baud
    }

    /// Takes what the box sends. Answers come with the next [`UbloxReceiver::poll`].
    pub fn receive(&mut self, bytes: &[u8]) {
        if !self.booted {
            return;
        }
        let Self { decoder, config, answers, generation, schedule, sampled, .. } = self;
        decoder.feed(bytes, |class, id, payload| {
            let period_ms = config.period_ms;
            let Some(done) = config.take(*generation, class, id, payload) else { return };
            if config.period_ms != period_ms {
                *schedule = None;
                *sampled = None;
            }
            if answers.len() < ANSWERS_MAX {
                answers.push_back(ubx::frame(0x05, u8::from(done), &[class, id]));
            }
        });
    }

    /// Gives out what became due up to `now_us`, in order: messages, and the moments of the edges of the pulse on the
    /// caller's clock. There are pulses only with a fix, as the maker ships it.
    pub fn poll(&mut self, now_us: u64, mut on_bytes: impl FnMut(&[u8]), mut on_pps: impl FnMut(u64)) {
        if now_us < self.boot_until_us {
            return;
        }
        self.booted = true;
        for answer in self.answers.drain(..) {
            on_bytes(&answer);
        }
        let (Some(utc_us), Some((at_us, motion))) = (self.utc_us(now_us), self.motion) else { return };
        let period_us = i64::from(self.config.period_ms) * 1_000;
        let mut schedule = self.schedule.unwrap_or_else(|| Schedule::from(utc_us, period_us));
        if schedule.edge_us < utc_us - BACKLOG_US {
            schedule = Schedule::from(utc_us - BACKLOG_US, period_us);
        }
        self.time_known |= motion.fix > 0;
        while let Some(due) = schedule.take(utc_us, period_us) {
            match due {
                Due::Epoch(epoch_us) => {
                    let seen = self.sampled.take().unwrap_or(motion);
                    self.epoch(&MotionState { utc_us: epoch_us, ..seen }, &mut on_bytes);
                }
                Due::Announcement(edge_us) => {
                    if motion.fix > 0 && self.config.sends_ubx(ubx::TIM_TP, self.epochs) {
                        on_bytes(&ubx::time_pulse(edge_us, self.config.grid_is_utc));
                    }
                }
                Due::Edge(edge_us) => {
                    if motion.fix > 0 {
                        on_pps(at_us.saturating_add_signed(edge_us - motion.utc_us));
                    }
                }
            }
        }
        self.schedule = Some(schedule);
    }

    fn utc_us(&self, now_us: u64) -> Option<i64> {
        let (at_us, motion) = self.motion?;
        // Wraps only if the caller's clock runs for 292,000 years.
        Some(motion.utc_us.wrapping_add(now_us.wrapping_sub(at_us) as i64))
    }

    fn epoch(&mut self, motion: &MotionState, on_bytes: &mut impl FnMut(&[u8])) {
        self.epochs = self.epochs.wrapping_add(1);
        if self.config.nmea_out {
            for id in nmea::MODELLED {
                if self.config.is_due((nmea::CLASS, id), self.epochs) {
                    on_bytes(nmea::sentence(id, motion, self.time_known).as_bytes());
                }
            }
        }
        if self.config.sends_ubx(ubx::NAV_PVT, self.epochs) {
            on_bytes(&ubx::nav_pvt(motion, self.time_known));
        }
        if self.config.sends_ubx(ubx::NAV_DOP, self.epochs) {
            on_bytes(&ubx::nav_dop(motion));
        }
    }
}

/// Where a receiver is at a moment between two others.
fn between(before: &MotionState, after: &MotionState, utc_us: i64) -> MotionState {
    let (passed_us, all_us) = (utc_us - before.utc_us, after.utc_us - before.utc_us);
    // A quarter of the globe in one step is another place and not a way.
    let on_the_way = |from: i32, to: i32| {
        let far = from.abs_diff(to) > 900_000_000;
        let part = i64::from(to.wrapping_sub(from)) * passed_us;
        if all_us <= 0 || far { to } else { from + (part / all_us) as i32 }
    };
    let lat_e7 = on_the_way(before.lat_e7, after.lat_e7);
    let lon_e7 = on_the_way(before.lon_e7, after.lon_e7);
    let nearer = if passed_us * 2 < all_us { before } else { after };
    if before.fix == 0 || after.fix == 0 { *nearer } else { MotionState { lat_e7, lon_e7, ..*nearer } }
}

impl Default for UbloxReceiver {
    fn default() -> Self {
        Self::new()
    }
}
