//! One boot of a box: the stages, and the queue in which rows wait for their time and place.

mod modem;
mod raw;

use std::collections::VecDeque;

use tournee_link::{Accel, Gnss, Header, Message};
use tournee_payload::{Sample, Stream};

use crate::air::{self, AirStage};
use crate::clock::{Clock, Source};
use crate::geotag::{Geotag, Place, Position};
use crate::mobile::MobileStage;
use crate::privacy::PrivacyRules;
use crate::privacy::guard::Guard;
use crate::profile::VehicleProfile;
use crate::road::{EventWindow, Mounting, RoadItem, STANDARD_GRAVITY_MPS2, WindowBuilder};
use crate::thermal::{self, ThermalStage};
use crate::{flags, ids};

/// Rows that may wait for time and place.
const WAIT_MAX: usize = 65_536;
/// Ticks above this are no ticks: the box would have run for 146 000 years.
pub const TICK_MAX_US: u64 = i64::MAX as u64 / 2;

/// The clock of a boot refuses what lies this far before the last known time. Half a year: it is there to tell the eras of
/// the GPS week apart, and a wrong time that was once believed must not shut out the right one. [D]
const FLOOR_BEHIND_US: i64 = 180 * 86_400 * 1_000_000;

/// What boots hand on to later ones; the agent keeps it over its own restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kept {
    /// How the acceleration sensor sits in the vehicle.
    pub mounting: Option<Mounting>,
    /// The last time that was known, µs since 1970.
    pub utc_us: Option<i64>,
}

/// Where a row gets its place from.
#[derive(Clone, Copy, Debug)]
enum Where {
    /// From the fixes around its tick.
    Tick,
    /// It is a fix; the travel up to it, where it was believed.
    Fix(Option<f64>),
    /// It has none.
    None,
}

/// What the last health message of the box said; none for what it cannot tell.
#[derive(Clone, Copy, Debug)]
struct BoxHealth {
    queue_drops: i64,
    supply_mv: Option<u16>,
    mcu_ddegc: Option<i16>,
}

#[derive(Clone, Debug)]
struct Draft {
    tick_us: i64,
    place: Where,
    sample: Sample,
}

/// What a boot could not use, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    /// Anchors that the clock refused.
    pub clock_anchors: u64,
    /// Radio lines of the modem that were not understood.
    pub modem_lines: u64,
    /// Polls of the modem faster than one a second.
    pub modem_polls_thinned: u64,
    /// Infrared frames that lacked a chunk.
    pub thermal_frames: u64,
    /// Infrared chunks of an unknown camera, number or length.
    pub thermal_chunks: u64,
    /// Acceleration samples in no window: no fixes around them, or not in order.
    pub accel_samples: u64,
    /// Acceleration blocks without a rate or a scale.
    pub accel_blocks: u64,
    /// Fixes closer than the interval of the track.
    pub fixes_thinned: u64,
    /// Rows that were given up waiting for time and place because the queue was full; they are stored without.
    pub rows_unresolved: u64,
    /// Peaks of acceleration at no known place: no event was made of them.
    pub peaks_without_place: u64,
    /// Raw windows of events that were given up: their event was not kept, or too many waited.
    pub event_windows: u64,
    /// How often the sensor was found to have been moved in its vehicle; what was known of its mounting is forgotten.
    pub sensor_moved: u64,
}

/// One boot.
#[derive(Debug)]
pub struct Boot {
    boot_id: u32,
    profile: VehicleProfile,
    now_us: i64,
    clock: Clock,
    geotag: Geotag,
    air: AirStage,
    road: WindowBuilder,
    mobile: MobileStage,
    thermal: ThermalStage,
    guard: Guard,
    last_track_us: Option<i64>,
    last_health_us: i64,
    health: Option<BoxHealth>,
    waiting: VecDeque<Draft>,
    raw: raw::RawWindows,
    unused: Unused,
}

impl Boot {
    pub fn new(boot_id: u32, first_tick_us: i64, profile: &VehicleProfile, privacy: &PrivacyRules) -> Self {
        Self {
            boot_id,
            now_us: first_tick_us,
            clock: Clock::new(profile.clock.clone()),
            geotag: Geotag::new(profile.geotag.clone()),
            air: AirStage::new(profile.air.clone()),
            road: WindowBuilder::new(profile.road.clone()),
            mobile: MobileStage::new(profile.mobile.clone()),
            thermal: ThermalStage::new(profile.thermal.clone()),
            guard: Guard::new(privacy.clone(), profile.trim.clone()),
            last_track_us: None,
            last_health_us: first_tick_us,
            health: None,
            waiting: VecDeque::new(),
            raw: raw::RawWindows::default(),
            unused: Unused::default(),
            profile: profile.clone(),
        }
    }

    pub fn boot_id(&self) -> u32 {
        self.boot_id
    }

    /// Takes what earlier boots found out; before the first message.
    pub fn remember(&mut self, kept: &Kept) {
        if let Some(mounting) = kept.mounting {
            self.road.remember(mounting);
        }
        if let Some(utc_us) = kept.utc_us {
            self.clock.raise_floor(utc_us.saturating_sub(FLOOR_BEHIND_US));
        }
    }

    /// What this boot found out, for later ones.
    pub fn kept(&self) -> Kept {
        let doubts = flags::TIME_DISAGREES | flags::TIME_COARSE;
        let stamp = self.clock.at(self.now_us).filter(|stamp| stamp.flags & doubts == 0);
        Kept { mounting: self.road.mounting().copied(), utc_us: stamp.map(|stamp| stamp.utc_us) }
    }

    /// Takes the time of the vehicle's computer at a tick.
    pub fn observe_host(&mut self, tick_us: i64, utc_us: i64, error_us: i64) {
        self.clock.observe_host(tick_us, utc_us, error_us);
    }

    /// Raw windows of the events that were kept, since they were last taken.
    pub fn take_windows(&mut self) -> VecDeque<EventWindow> {
        self.raw.take()
    }

    /// What was not kept for the sake of privacy.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    pub fn guard_mut(&mut self) -> &mut Guard {
        &mut self.guard
    }

    pub fn profile_mut(&mut self) -> &mut VehicleProfile {
        &mut self.profile
    }

    pub fn unused(&self) -> Unused {
        let road = self.road.counts();
        Unused {
            clock_anchors: self.clock.refused(),
            modem_lines: self.mobile.unparseable(),
            modem_polls_thinned: self.mobile.thinned(),
            thermal_frames: self.thermal.dropped_frames(),
            thermal_chunks: self.thermal.bad_chunks(),
            accel_samples: road.refused + road.before_first_fix + road.in_fix_gap + road.after_last_fix,
            peaks_without_place: road.peaks_without_place,
            event_windows: self.raw.dropped(),
            sensor_moved: road.moved,
            ..self.unused
        }
    }

    /// Takes a message; `health` makes a health row from the box's last state when one is due.
    pub fn feed(&mut self, header: &Header, message: &Message, out: &mut Vec<Sample>) {
        // The caller has checked the range.
        let tick_us = i64::try_from(header.tick_us).unwrap_or(i64::MAX / 2);
        self.now_us = self.now_us.max(tick_us);
        self.take(tick_us, message);
        let now_us = self.now_us;
        let row = self.air.at(now_us);
        self.queue(row, Where::Tick);
        let row = self.mobile.at(now_us);
        self.queue(row, Where::Tick);
        self.drain_road();
        self.resolve(Some(now_us), out);
    }

    fn take(&mut self, tick_us: i64, message: &Message) {
        let row = match message {
            Message::Gnss(gnss) => return self.fix(tick_us, gnss),
            Message::Pps(pps) => return self.clock.observe(tick_us, pps.utc_us, Source::Pps),
            Message::Accel(accel) => return self.accel(tick_us, accel),
            Message::Health(health) => {
                self.health = Some(BoxHealth {
                    queue_drops: health.queue_drops.into(),
                    supply_mv: Some(health.supply_mv),
                    mcu_ddegc: Some(health.mcu_ddegc),
                });
                return;
            }
            Message::HealthV2(health) => {
                self.health = Some(BoxHealth {
                    queue_drops: health.queue_drops.iter().map(|drops| i64::from(*drops)).sum(),
                    supply_mv: (health.supply_mv > 0).then_some(health.supply_mv),
                    mcu_ddegc: (health.mcu_ddegc > i16::MIN).then_some(health.mcu_ddegc),
                });
                return;
            }
            // About the box and the line, not about the street: the agent's own business.
            Message::Hello(_)
            | Message::HelloV2(_)
            | Message::TimeSync(_)
            | Message::Ack(_)
            | Message::Nak(_)
            | Message::Config(_)
            | Message::SelfTest(_)
            | Message::SensorState(_) => return,
            Message::Pm(reading) => self.air.pm(tick_us, reading),
            Message::Climate(reading) => self.air.climate(tick_us, reading),
            Message::Co2(reading) => self.air.co2(tick_us, reading),
            Message::No2(reading) => self.air.no2(tick_us, reading),
            Message::ModemLine(line) => self.mobile.line(tick_us, &line.text),
            Message::Thermal(chunk) => {
                let ambient_degc = self.air.temperature_degc(tick_us, self.profile.thermal.ambient_hold_s);
                self.thermal.chunk(tick_us, chunk, ambient_degc, self.geotag.speed_mps(tick_us))
            }
        };
        self.queue(row, Where::Tick);
    }

    fn queue(&mut self, row: Option<(i64, Sample)>, place: Where) {
        if let Some((tick_us, sample)) = row {
            self.waiting.push_back(Draft { tick_us, place, sample });
        }
    }

    fn fix(&mut self, tick_us: i64, gnss: &Gnss) {
        let verdict = self.geotag.push(tick_us, gnss);
        // A receiver without a fix free-runs its clock: its time is no anchor.
        if gnss.fix >= 2 {
            self.clock.observe(tick_us, gnss.utc_us, Source::Fix);
        }
        if let Ok(p) = &verdict {
            self.road.push_motion(tick_us, p.lat_deg, p.lon_deg, p.speed_mps, p.heading_deg);
        }
        let interval_us = (self.profile.track.interval_min_s * 1e6) as i64;
        if self.last_track_us.is_some_and(|last| tick_us.saturating_sub(last) < interval_us) {
            self.unused.fixes_thinned += 1;
            return;
        }
        self.last_track_us = Some(tick_us);
        let mut sample = Sample::new(Stream::Track);
        sample.set(ids::track::FIX, Some(i64::from(gnss.fix)));
        sample.set(ids::track::SATS, Some(i64::from(gnss.sats)));
        sample.set(ids::track::HDOP, Some(i64::from(gnss.hdop_centi)));
        let (bits, odometer_m) = match verdict {
            Ok(position) => {
                put_position(&mut sample, &position);
                (position.flags, Some(position.odometer_m))
            }
            Err(bits) => (bits | flags::NO_POSITION, None),
        };
        sample.set(ids::FLAGS, Some(i64::from(bits)));
        self.queue(Some((tick_us, sample)), Where::Fix(odometer_m));
    }

    fn accel(&mut self, tick_us: i64, accel: &Accel) {
        if accel.odr_hz == 0 || accel.scale_ug == 0 {
            self.unused.accel_blocks += 1;
            return;
        }
        let rate_hz = f64::from(accel.odr_hz);
        self.road.set_rate_hz(rate_hz);
        if accel.lost > 0 {
            self.road.lost();
        }
        let mps2 = f64::from(accel.scale_ug) * 1e-6 * STANDARD_GRAVITY_MPS2;
        let step_us = 1e6 / rate_hz;
        for (number, axes) in accel.samples.iter().enumerate() {
            let t_us = tick_us.saturating_add((number as f64 * step_us).round() as i64);
            self.road.push_accel(t_us, axes.map(|raw| f64::from(raw) * mps2));
        }
    }

    fn drain_road(&mut self) {
        let (waiting, raw) = (&mut self.waiting, &mut self.raw);
        waiting.extend(self.road.drain().map(|item| match item {
            RoadItem::Window(window) => Draft { tick_us: window.mid_us, place: Where::Tick, sample: window.row() },
            RoadItem::Event(mut event) => {
                raw.hold(event.t_us, std::mem::take(&mut event.raw));
                Draft { tick_us: event.t_us, place: Where::Tick, sample: event.row() }
            }
        }));
    }

    /// Whether a health row is due; says so once per interval.
    pub fn health_is_due(&mut self) -> bool {
        let interval_us = self.profile.health.interval_s.max(1).saturating_mul(1_000_000);
        let due = self.now_us.saturating_sub(self.last_health_us) >= interval_us;
        if due {
            self.last_health_us = self.now_us;
        }
        due
    }

    /// Queues a health row that the caller has filled with its own counters.
    pub fn push_health(&mut self, mut sample: Sample) {
        if let Some(health) = &self.health {
            sample.set(ids::health::QUEUE_DROPS, Some(health.queue_drops));
            sample.set(ids::health::SUPPLY, health.supply_mv.map(i64::from));
            sample.set(ids::health::MCU, health.mcu_ddegc.map(i64::from));
        }
        sample.set(ids::FLAGS, Some(0));
        self.waiting.push_back(Draft { tick_us: self.now_us, place: Where::None, sample });
    }

    /// End of the boot, first part: every row is resolved and the end of the round stays on board.
    pub fn finish_rows(&mut self, out: &mut Vec<Sample>) {
        let row = self.air.close();
        self.queue(row, Where::Tick);
        let row = self.mobile.close();
        self.queue(row, Where::Tick);
        let row = self.mobile.close_probe();
        self.queue(row, Where::Tick);
        self.thermal.close();
        self.road.finish();
        self.drain_road();
        self.resolve(None, out);
        let first = out.len();
        self.guard.finish(out);
        self.raw.meet(out.get(first..).unwrap_or_default());
        self.raw.close();
    }

    /// Gives time and place to the rows that can have them. `None`: nothing more will come.
    pub fn resolve(&mut self, now_us: Option<i64>, out: &mut Vec<Sample>) {
        let first = out.len();
        let ends = now_us.is_none();
        let wait_us = self.profile.clock.wait_first_fix_s.saturating_mul(1_000_000);
        while let Some(draft) = self.waiting.front() {
            let full = self.waiting.len() > WAIT_MAX;
            let unset = !self.clock.is_set();
            let age_us = now_us.map_or(i64::MAX, |now| now.saturating_sub(draft.tick_us));
            if unset && !full && !ends && (age_us <= wait_us || self.guard.needs_time()) {
                break;
            }
            let place = match draft.place {
                Where::Tick => self.geotag.locate(draft.tick_us, now_us.unwrap_or(i64::MAX)),
                Where::Fix(_) | Where::None => Place::Unknown,
            };
            if place == Place::Wait && !full && !ends {
                break;
            }
            self.unused.rows_unresolved += u64::from(full);
            if let Some(draft) = self.waiting.pop_front() {
                self.seal(draft, place, out);
            }
        }
        self.guard.release(self.geotag.odometer_m(), out);
        self.raw.meet(out.get(first..).unwrap_or_default());
    }

    fn seal(&mut self, draft: Draft, place: Place, out: &mut Vec<Sample>) {
        let Draft { tick_us, place: from, mut sample } = draft;
        let mut bits = sample.get(ids::FLAGS).and_then(|bits| u32::try_from(bits).ok()).unwrap_or(0);
        sample.set(ids::TICK_US, Some(tick_us));
        sample.set(ids::BOOT_ID, Some(i64::from(self.boot_id)));
        let stamp = self.clock.at(tick_us);
        match stamp {
            Some(stamp) => {
                sample.set(ids::T_US, Some(stamp.utc_us));
                bits |= stamp.flags;
            }
            None => bits |= flags::NO_TIME,
        }
        let mut odometer_m = None;
        match (from, place) {
            (Where::Tick, Place::At(position)) => {
                // A window knows its own mean speed better than the middle of it does.
                let own_speed = sample.get(ids::SPEED_MPS);
                put_position(&mut sample, &position);
                if own_speed.is_some() {
                    sample.set(ids::SPEED_MPS, own_speed);
                }
                bits |= position.flags;
                odometer_m = Some(position.odometer_m);
            }
            (Where::Tick, _) => bits |= flags::NO_POSITION | self.geotag.why_not(tick_us),
            (Where::Fix(travel_m), _) => odometer_m = travel_m,
            (Where::None, _) => {}
        }
        if sample.stream == Stream::Thermal {
            let spot = match place {
                Place::At(position) => Some((position.lat_deg, position.lon_deg)),
                _ => None,
            };
            let gates = thermal::conditions(
                stamp.map(|stamp| stamp.utc_us),
                spot,
                sample.get_scaled(ids::SPEED_MPS),
                &self.profile.thermal,
            );
            let before = sample.get(ids::thermal::GATE).unwrap_or(0);
            sample.set(ids::thermal::GATE, Some(before | i64::from(gates)));
        }
        if sample.stream == Stream::Air && matches!(place, Place::At(_)) {
            let hold_us = self.profile.air.own_stop_hold_s.saturating_mul(1_000_000);
            let slowest_mps = self.geotag.slowest_mps(tick_us.saturating_sub(hold_us), tick_us);
            bits = air::own_exhaust(bits, sample.get_scaled(ids::SPEED_MPS), slowest_mps, &self.profile.air);
        } else if sample.stream == Stream::Air {
            bits = air::own_exhaust(bits, None, None, &self.profile.air);
        }
        sample.set(ids::FLAGS, Some(i64::from(bits)));
        if sample.void_out_of_range() > 0 {
            bits |= flags::OUT_OF_RANGE;
            // Half a position is none.
            if sample.get(ids::LAT_DEG).is_none() != sample.get(ids::LON_DEG).is_none() {
                sample.set(ids::LAT_DEG, None);
                sample.set(ids::LON_DEG, None);
                bits |= flags::NO_POSITION;
            }
            sample.set(ids::FLAGS, Some(i64::from(bits)));
        }
        // Rounded to the last digit, even a believed position could become the one that means "none".
        if sample.get(ids::LAT_DEG) == Some(0) && sample.get(ids::LON_DEG) == Some(0) {
            sample.set(ids::LAT_DEG, None);
            sample.set(ids::LON_DEG, None);
            sample.set(ids::FLAGS, Some(i64::from(bits | flags::NO_POSITION)));
        }
        match from {
            Where::None => out.push(self.guard.health(sample)),
            Where::Tick | Where::Fix(_) => self.guard.take(sample, odometer_m, out),
        }
    }
}

fn put_position(sample: &mut Sample, position: &Position) {
    sample.set_scaled(ids::LAT_DEG, position.lat_deg);
    sample.set_scaled(ids::LON_DEG, position.lon_deg);
    sample.set_scaled(ids::H_ACC_M, position.h_acc_m);
    sample.set_scaled(ids::SPEED_MPS, position.speed_mps);
    if let Some(heading) = position.heading_deg {
        sample.set_scaled(ids::HEADING_DEG, heading);
    }
}
