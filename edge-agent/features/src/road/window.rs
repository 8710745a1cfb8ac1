//! 20 m windows of road from acceleration and positions, at any output data rate.
//!
//! Samples pass three stations: the filters at once, the event scorer in blocks of one second, and the distance domain
//! as soon as the fixes around them are known.

use std::collections::VecDeque;

use super::events::{Peak, Scorer};
use super::filter::{Band, Vertical};
use super::motion::{At, Motion, Stretch};
use crate::flags;
use crate::profile::RoadProfile;

/// Samples from which rate and gravity are guessed at every start.
const START_SAMPLES: usize = 64;
/// A window of which more than one sample in this many was taken while the filters settled has no roughness.
const SETTLING_SHARE: u64 = 10;
/// Filtered samples that may wait for fixes.
const WAIT_MAX: usize = 131_072;

/// One window of road.
#[derive(Clone, Debug, PartialEq)]
pub struct RoadWindow {
    /// Time of its first sample.
    pub start_us: i64,
    /// Time of its last sample.
    pub end_us: i64,
    /// Time at the middle of its travel, to which position and course belong.
    pub mid_us: i64,
    /// Latitude at the middle, degrees.
    pub lat_deg: f64,
    /// Longitude at the middle, degrees.
    pub lon_deg: f64,
    /// Course at the middle.
    pub heading_deg: Option<f64>,
    /// Mean speed.
    pub speed_mps: f64,
    /// Travel.
    pub length_m: f64,
    /// RMS of vertical acceleration in the band, m/s².
    pub rms_mps2: Option<f64>,
    /// Speed-neutral roughness; empty when a gate is closed.
    pub rough_mps2: Option<f64>,
    /// Largest absolute vertical acceleration.
    pub peak_mps2: Option<f64>,
    /// Samples that count.
    pub samples: u64,
    /// Samples left out because the filters had just started.
    pub settling: u64,
    /// Events that begin in the window.
    pub events: u64,
    /// Gates and other bits of [`flags`].
    pub flags: u32,
}

/// A pothole or bump.
#[derive(Clone, Debug, PartialEq)]
pub struct RoadEvent {
    /// Time of the peak.
    pub t_us: i64,
    /// Latitude, degrees.
    pub lat_deg: f64,
    /// Longitude, degrees.
    pub lon_deg: f64,
    /// Course.
    pub heading_deg: Option<f64>,
    /// Speed.
    pub speed_mps: f64,
    /// Largest absolute vertical acceleration.
    pub peak_mps2: f64,
    /// Its robust z.
    pub z: f64,
    /// Bits of [`flags`].
    pub flags: u32,
    travel_m: f64,
}

/// What comes out.
#[derive(Clone, Debug, PartialEq)]
pub enum RoadItem {
    /// A window.
    Window(RoadWindow),
    /// An event.
    Event(RoadEvent),
}

/// Where every acceleration sample went that is in no window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoadCounts {
    /// Samples taken.
    pub taken: u64,
    /// Not finite, or not later than the one before by more than a block can overlap.
    pub refused: u64,
    /// Before the first fix.
    pub before_first_fix: u64,
    /// In a hole between fixes.
    pub in_fix_gap: u64,
    /// After the last fix.
    pub after_last_fix: u64,
    /// In windows, counted or settling.
    pub in_windows: u64,
    /// Fixes not later than the one before, or not finite.
    pub fixes_refused: u64,
}

#[derive(Clone, Copy, Debug)]
struct Filtered {
    t_us: i64,
    a: f64,
    settled: bool,
}

#[derive(Debug)]
struct Chain {
    vertical: Vertical,
    band: Band,
    settled_from_us: i64,
}

#[derive(Debug)]
struct Open {
    number: i64,
    start_us: i64,
    end_us: i64,
    start_m: f64,
    end_m: f64,
    mid: Option<(i64, Stretch)>,
    squares: f64,
    peak: f64,
    samples: u64,
    settling: u64,
    events: u64,
    slowest_mps: f64,
    fastest_mps: f64,
    accel_mps2: f64,
    yaw_degps: f64,
    bits: u32,
}

/// Builds windows and events. Times are microseconds of any one clock.
#[derive(Debug)]
pub struct WindowBuilder {
    profile: RoadProfile,
    gap_us: i64,
    hole_us: i64,
    block_us: i64,
    rate_hz: Option<f64>,
    start: Vec<(i64, [f64; 3])>,
    chain: Option<Chain>,
    last_us: Option<i64>,
    waiting: VecDeque<Filtered>,
    scored: usize,
    block_start_us: Option<i64>,
    scorer: Scorer,
    peaks: VecDeque<Peak>,
    motion: Motion,
    open: Option<Open>,
    event: Option<RoadEvent>,
    counts: RoadCounts,
    items: Vec<RoadItem>,
}

impl WindowBuilder {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(profile: RoadProfile) -> Self {
        Self {
            gap_us: (profile.motion_gap_max_s * 1e6) as i64,
            hole_us: (profile.hole_max_s * 1e6) as i64,
            block_us: ((profile.event_window_s / 2.0) * 1e6) as i64,
            scorer: Scorer::new(&profile),
            profile,
            rate_hz: None,
            start: Vec::with_capacity(START_SAMPLES),
            chain: None,
            last_us: None,
            waiting: VecDeque::new(),
            scored: 0,
            block_start_us: None,
            peaks: VecDeque::new(),
            motion: Motion::default(),
            open: None,
            event: None,
            counts: RoadCounts::default(),
            items: Vec::new(),
        }
    }

    /// States the output data rate. Without it the rate is the median of the first intervals.
    pub fn set_rate_hz(&mut self, rate_hz: f64) {
        let rate = (rate_hz.is_finite() && rate_hz > 0.0).then_some(rate_hz);
        if self.rate_hz != rate {
            self.restart();
            self.rate_hz = rate;
        }
    }

    /// Where the samples went.
    #[must_use]
    pub fn counts(&self) -> RoadCounts {
        self.counts
    }

    /// Finished windows and events, in order of their ends.
    pub fn drain(&mut self) -> std::vec::Drain<'_, RoadItem> {
        self.items.drain(..)
    }

    /// Says that samples are missing here.
    pub fn lost(&mut self) {
        self.restart();
    }

    /// Takes a fix: position in degrees, speed in m/s, course in degrees.
    pub fn push_motion(&mut self, t_us: i64, lat_deg: f64, lon_deg: f64, speed_mps: f64, heading_deg: Option<f64>) {
        if self.motion.push(t_us, lat_deg, lon_deg, speed_mps, heading_deg, self.gap_us) {
            self.advance(false);
        } else {
            self.counts.fixes_refused += 1;
        }
    }

    /// Takes a sample: time and acceleration in the sensor's axes, m/s², gravity included.
    pub fn push_accel(&mut self, t_us: i64, a_mps2: [f64; 3]) {
        self.counts.taken += 1;
        if !a_mps2.iter().all(|a| a.is_finite()) {
            self.counts.refused += 1;
            return;
        }
        let mut t_us = t_us;
        if let Some(last_us) = self.last_us {
            if t_us <= last_us {
                // A sensor faster than its stated rate overlaps its next block a little.
                if last_us.saturating_sub(t_us) > self.hole_us {
                    self.counts.refused += 1;
                    return;
                }
                t_us = last_us.saturating_add(1);
            } else if t_us.saturating_sub(last_us) > self.hole_us {
                self.restart();
            }
        }
        self.last_us = Some(t_us);
        if self.chain.is_some() {
            self.filter(t_us, &a_mps2);
        } else {
            self.start.push((t_us, a_mps2));
            if self.start.len() >= START_SAMPLES {
                self.begin();
            }
        }
    }

    /// End of input.
    pub fn finish(&mut self) {
        self.restart();
        self.advance(true);
        self.break_line();
    }

    /// Ends the filters; what they hold goes on.
    fn restart(&mut self) {
        if self.chain.is_none() && !self.start.is_empty() {
            self.begin();
        }
        self.chain = None;
        self.score(true);
    }

    fn begin(&mut self) {
        let start = std::mem::take(&mut self.start);
        let (Some((first_us, _)), count) = (start.first().copied(), start.len() as f64) else { return };
        let rate_hz = self.rate_hz.unwrap_or_else(|| {
            let mut steps: Vec<f64> =
                start.windows(2).filter_map(|pair| Some((pair.get(1)?.0 - pair.first()?.0) as f64)).collect();
            let (step_us, _) = super::events::median_and_mad(&mut steps);
            if step_us > 0.0 { 1e6 / step_us } else { 100.0 }
        });
        let mut gravity = [0.0; 3];
        for (_, a) in &start {
            for (sum, a) in gravity.iter_mut().zip(a) {
                *sum += a / count;
            }
        }
        self.chain = Some(Chain {
            vertical: Vertical::new(gravity, self.profile.gravity_cutoff_hz, rate_hz),
            band: Band::new(self.profile.high_pass_hz, self.profile.low_pass_hz, rate_hz),
            settled_from_us: first_us.saturating_add((self.profile.settle_s * 1e6) as i64),
        });
        for (t_us, a) in &start {
            self.filter(*t_us, a);
        }
        self.start = start;
        self.start.clear();
    }

    #[inline]
    fn filter(&mut self, t_us: i64, a_mps2: &[f64; 3]) {
        let Some(chain) = &mut self.chain else { return };
        let a = chain.band.step(chain.vertical.step(a_mps2));
        let settled = t_us >= chain.settled_from_us;
        self.waiting.push_back(Filtered { t_us, a, settled });
        let from_us = *self.block_start_us.get_or_insert(t_us);
        if t_us.saturating_sub(from_us) >= self.block_us {
            self.score(false);
            self.block_start_us = Some(t_us);
            self.advance(false);
        }
    }

    fn score(&mut self, ends: bool) {
        let mut peaks = Vec::new();
        if self.scored < self.waiting.len() {
            // The swing of a starting filter is no bump.
            let block = self.waiting.range(self.scored..).filter(|sample| sample.settled);
            self.scorer.block(block.map(|sample| (sample.t_us, sample.a)), &mut peaks);
            self.scored = self.waiting.len();
        }
        if ends {
            self.scorer.restart(&mut peaks);
            self.block_start_us = None;
        } else if let Some(last) = self.waiting.back() {
            self.scorer.close_before(last.t_us, &mut peaks);
        }
        self.peaks.extend(peaks);
    }

    /// Moves scored samples into the distance domain, as far as the fixes reach.
    fn advance(&mut self, ends: bool) {
        let newest_us = self.waiting.back().map(|sample| sample.t_us);
        let line_us = self.motion.last_us();
        // Past this, any later fix leaves a hole here: nobody needs to wait for it.
        let hopeless = match (newest_us, line_us) {
            (Some(newest), Some(line)) => newest.saturating_sub(line) > self.gap_us,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let mut cached: Option<Stretch> = None;
        while self.scored > 0 {
            let Some(sample) = self.waiting.front().copied() else { break };
            let inside = cached.filter(|it| sample.t_us >= it.from.t_us && sample.t_us < it.to.t_us);
            let at = match inside {
                Some(stretch) => At::In(stretch),
                None => self.motion.at(sample.t_us),
            };
            match at {
                At::In(stretch) => {
                    cached = Some(stretch);
                    self.take(&sample, &stretch);
                }
                // Without any fix, wait as long as a hole may last.
                At::After if !ends && self.waiting.len() <= WAIT_MAX && !(hopeless && line_us.is_some()) => {
                    let young = newest_us.is_some_and(|newest| newest.saturating_sub(sample.t_us) <= self.gap_us);
                    if line_us.is_some() || young {
                        break;
                    }
                    self.counts.before_first_fix += 1;
                }
                At::Before => self.counts.before_first_fix += 1,
                At::Hole => {
                    self.break_line();
                    self.counts.in_fix_gap += 1;
                }
                At::After => {
                    self.break_line();
                    match (line_us, ends) {
                        (None, _) => self.counts.before_first_fix += 1,
                        (_, true) => self.counts.after_last_fix += 1,
                        (_, false) => self.counts.in_fix_gap += 1,
                    }
                }
            }
            self.waiting.pop_front();
            self.scored -= 1;
        }
    }

    /// A sample in its place.
    #[inline]
    fn take(&mut self, sample: &Filtered, stretch: &Stretch) {
        let (speed_mps, travel_m) = stretch.at(sample.t_us);
        let number = (travel_m / self.profile.window_m).floor() as i64;
        if self.open.as_ref().is_some_and(|open| open.number != number) {
            self.close(true);
        }
        self.counts.in_windows += 1;
        let start_m = number as f64 * self.profile.window_m;
        let open = self.open.get_or_insert(Open {
            number,
            start_us: sample.t_us,
            end_us: sample.t_us,
            start_m: travel_m,
            end_m: travel_m,
            mid: None,
            squares: 0.0,
            peak: 0.0,
            samples: 0,
            settling: 0,
            events: 0,
            slowest_mps: f64::INFINITY,
            fastest_mps: 0.0,
            accel_mps2: 0.0,
            yaw_degps: 0.0,
            bits: 0,
        });
        open.end_us = sample.t_us;
        open.end_m = travel_m;
        if open.mid.is_none() || travel_m <= start_m + self.profile.window_m / 2.0 {
            open.mid = Some((sample.t_us, *stretch));
        }
        if sample.settled {
            open.squares += sample.a * sample.a;
            open.peak = open.peak.max(sample.a.abs());
            open.samples += 1;
        } else {
            open.settling += 1;
        }
        open.slowest_mps = open.slowest_mps.min(speed_mps);
        open.fastest_mps = open.fastest_mps.max(speed_mps);
        open.accel_mps2 = open.accel_mps2.max(stretch.to.accel_mps2);
        open.yaw_degps = open.yaw_degps.max(stretch.to.yaw_degps);
        if self.event.as_ref().is_some_and(|event| travel_m - event.travel_m > self.profile.event_merge_m) {
            self.items.extend(self.event.take().map(RoadItem::Event));
        }
        while self.peaks.front().is_some_and(|peak| peak.t_us <= sample.t_us) {
            if let Some(peak) = self.peaks.pop_front() {
                self.bump(&peak, stretch, speed_mps, travel_m);
            }
        }
    }

    fn bump(&mut self, peak: &Peak, stretch: &Stretch, speed_mps: f64, travel_m: f64) {
        let (lat_deg, lon_deg, heading_deg) = stretch.place(peak.t_us.clamp(stretch.from.t_us, stretch.to.t_us));
        let bits = if self.speed_is_good(speed_mps, speed_mps) { 0 } else { flags::ROAD_SPEED };
        let here = RoadEvent {
            t_us: peak.t_us,
            lat_deg,
            lon_deg,
            heading_deg,
            speed_mps,
            peak_mps2: peak.peak_mps2,
            z: peak.z,
            flags: bits,
            travel_m,
        };
        match &mut self.event {
            Some(event) => {
                if here.peak_mps2 > event.peak_mps2 {
                    *event = here;
                }
            }
            None => {
                self.event = Some(here);
                if let Some(open) = &mut self.open {
                    open.events += 1;
                }
            }
        }
    }

    fn speed_is_good(&self, slowest_mps: f64, fastest_mps: f64) -> bool {
        slowest_mps * 3.6 >= self.profile.speed_min_kmh && fastest_mps * 3.6 <= self.profile.speed_max_kmh
    }

    /// The line ends here: the open window stays short, the open event is done.
    fn break_line(&mut self) {
        self.close(false);
        self.items.extend(self.event.take().map(RoadItem::Event));
    }

    fn close(&mut self, reached_end: bool) {
        let Some(open) = self.open.take() else { return };
        let full_m = self.profile.window_m;
        let start_m = open.number as f64 * full_m;
        let seconds = (open.end_us - open.start_us) as f64 * 1e-6;
        let covered_m = open.end_m - open.start_m;
        // A sample's step is missing at both ends together; two steps are forgiven.
        let step_m = covered_m / (open.samples + open.settling).max(1) as f64;
        let whole =
            reached_end && open.start_m - start_m <= 2.0 * step_m + 0.5 && full_m - covered_m <= 2.0 * step_m + 0.5;
        let length_m = if whole { full_m } else { covered_m };
        let speed_mps = if seconds > 0.0 { covered_m / seconds } else { open.fastest_mps };
        let mut bits = open.bits;
        if !whole {
            bits |= flags::ROAD_PARTIAL;
        }
        if !self.speed_is_good(open.slowest_mps, open.fastest_mps) {
            bits |= flags::ROAD_SPEED;
        }
        if open.accel_mps2 >= self.profile.accel_max_mps2 {
            bits |= flags::ROAD_BRAKING;
        }
        if open.yaw_degps >= self.profile.yaw_max_degps {
            bits |= flags::ROAD_TURNING;
        }
        let too_slow = (open.samples as f64) < self.profile.sample_rate_min_hz * seconds;
        if too_slow || open.samples < 2 || open.settling * SETTLING_SHARE > open.samples {
            bits |= flags::ROAD_FEW_SAMPLES;
        }
        let rms = (open.samples > 0).then(|| (open.squares / open.samples as f64).sqrt());
        let neutral =
            |rms: f64| rms * (self.profile.reference_speed_kmh / 3.6 / speed_mps).powf(self.profile.speed_exponent);
        let (mid_us, lat_deg, lon_deg, heading_deg) = match open.mid {
            Some((t_us, stretch)) => {
                let (lat, lon, heading) = stretch.place(t_us);
                (t_us, lat, lon, heading)
            }
            None => (open.start_us, f64::NAN, f64::NAN, None),
        };
        self.items.push(RoadItem::Window(RoadWindow {
            start_us: open.start_us,
            end_us: open.end_us,
            mid_us,
            lat_deg,
            lon_deg,
            heading_deg,
            speed_mps,
            length_m,
            rms_mps2: rms,
            rough_mps2: rms.filter(|_| bits == 0).map(neutral),
            peak_mps2: rms.map(|_| open.peak),
            samples: open.samples,
            settling: open.settling,
            events: open.events,
            flags: bits,
        }));
    }
}
