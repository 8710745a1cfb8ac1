//! 20 m windows of road from acceleration and positions, at any output data rate.
//!
//! Samples pass three stations: the filters at once, the event scorer in blocks of one second, and the distance domain
//! as soon as the fixes around them are known.

use std::collections::VecDeque;

use super::bumps::Bumps;
use super::chain::Chain;
use super::events::{Peak, Scorer};
use super::items::{RoadCounts, RoadEvent, RoadItem};
use super::motion::{At, Motion, Stretch};
use super::mounting::{Estimator, Mounting};
use super::open::{Open, number_at};
use super::ppe::Score;
use crate::profile::RoadProfile;

/// Samples from which rate and gravity are guessed at every start.
const START_SAMPLES: usize = 64;
/// Filtered samples that may wait for fixes.
const WAIT_MAX: usize = 131_072;

#[derive(Clone, Copy, Debug)]
struct Filtered {
    t_us: i64,
    /// Vertical, filtered; none while the filters settle.
    a: Option<f64>,
    raw: [f32; 3],
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
    mounting: Estimator,
    moved: bool,
    scores: VecDeque<Score>,
    /// Up to here the scores are known.
    scores_until_us: i64,
    open: Option<Open>,
    bumps: Bumps,
    events: Vec<RoadEvent>,
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
            mounting: Estimator::new(&profile),
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
            moved: false,
            scores: VecDeque::new(),
            scores_until_us: i64::MIN,
            open: None,
            bumps: Bumps::default(),
            events: Vec::new(),
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
        RoadCounts { moved: self.mounting.moved(), ..self.counts }
    }

    /// Takes what an earlier boot found of the mounting; before the first sample. It is used while gravity and this drive
    /// agree with it.
    pub fn remember(&mut self, mounting: Mounting) {
        self.mounting.remember(mounting);
    }

    /// How the sensor sits in the vehicle, once the drive has told.
    #[must_use]
    pub fn mounting(&self) -> Option<&Mounting> {
        self.mounting.mounting()
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
            self.mounting.push_fix(t_us, speed_mps, heading_deg);
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
        self.mounting.push_accel(t_us, &a_mps2);
        if self.chain.is_some() {
            self.filter(t_us, &a_mps2);
            if std::mem::take(&mut self.moved) {
                // What the filters hold is of another direction.
                self.restart();
            }
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
        self.mounting.lost();
        self.scores_until_us = self.last_us.unwrap_or(self.scores_until_us);
        self.score(true);
    }

    fn begin(&mut self) {
        let start = std::mem::take(&mut self.start);
        self.chain = Chain::new(&start, self.rate_hz, &self.profile);
        for (t_us, a) in &start {
            self.filter(*t_us, a);
        }
        self.start = start;
        self.start.clear();
    }

    #[inline]
    fn filter(&mut self, t_us: i64, a_mps2: &[f64; 3]) {
        let Some(chain) = &mut self.chain else { return };
        let (a, score) = chain.step(t_us, a_mps2);
        if let Some(score) = score {
            self.scores_until_us = score.end_us;
            self.scores.push_back(score);
        } else if !chain.scores() {
            self.scores_until_us = t_us;
        }
        self.waiting.push_back(Filtered { t_us, a, raw: a_mps2.map(|a| a as f32) });
        let from_us = *self.block_start_us.get_or_insert(t_us);
        if t_us.saturating_sub(from_us) >= self.block_us {
            self.score(false);
            self.block_start_us = Some(t_us);
            self.straighten(t_us);
            self.advance(false);
        }
    }

    /// Gives the found mounting to the filters, and notices when it is no longer right.
    fn straighten(&mut self, now_us: i64) {
        let Some(chain) = &mut self.chain else { return };
        let gravity = *chain.gravity();
        self.moved |= self.mounting.is_moved(now_us, &gravity);
        chain.set_up(self.mounting.agreed_up(&gravity));
    }

    fn score(&mut self, ends: bool) {
        let mut peaks = Vec::new();
        if self.scored < self.waiting.len() {
            // The swing of a starting filter is no bump.
            let block = self.waiting.range(self.scored..).filter_map(|sample| Some((sample.t_us, sample.a?)));
            self.scorer.block(block, &mut peaks);
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
        // A score comes up to a second after its samples, and a peak ends some time after its largest sample.
        let known_us =
            self.scorer.open_us().map_or(i64::MAX, |peak_us| peak_us.saturating_sub(1)).min(self.scores_until_us);
        let mut cached: Option<Stretch> = None;
        while self.scored > 0 {
            let Some(sample) = self.waiting.front().copied() else { break };
            if sample.t_us > known_us && !ends && self.waiting.len() <= WAIT_MAX {
                break;
            }
            if let Some(stretch) = cached.as_ref().filter(|it| sample.t_us >= it.from.t_us && sample.t_us < it.to.t_us)
            {
                self.take(&sample, stretch);
                continue;
            }
            match self.motion.at(sample.t_us) {
                At::In(stretch) => {
                    self.take(&sample, cached.insert(stretch));
                    continue;
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
            self.pass_over(sample.t_us);
        }
    }

    /// A sample without a place takes along what was found in it.
    fn pass_over(&mut self, t_us: i64) {
        while self.scores.pop_front_if(|score| score.mid_us() <= t_us).is_some() {}
        while self.peaks.pop_front_if(|peak| peak.t_us <= t_us).is_some() {
            self.counts.peaks_without_place += 1;
        }
    }

    /// The first of the waiting samples in its place.
    #[inline]
    fn take(&mut self, sample: &Filtered, stretch: &Stretch) {
        self.waiting.pop_front();
        self.scored -= 1;
        let place @ (_, travel_m) = stretch.at(sample.t_us);
        let number = number_at(travel_m, &self.profile);
        if self.open.as_ref().is_some_and(|open| open.number() != number) {
            self.close(true);
        }
        self.counts.in_windows += 1;
        let open = self.open.get_or_insert_with(|| Open::new(number, sample.t_us, travel_m));
        open.take(sample.t_us, sample.a, stretch, place, self.profile.window_m);
        while let Some(score) = self.scores.pop_front_if(|score| score.mid_us() <= sample.t_us) {
            open.score(&score);
        }
        self.bumps.pass(sample.t_us, sample.raw, travel_m, self.profile.event_merge_m, &mut self.events);
        while let Some(peak) = self.peaks.pop_front_if(|peak| peak.t_us <= sample.t_us) {
            if self.bumps.bump(&peak, stretch, place, &self.profile) {
                open.event();
            }
        }
        self.items.extend(self.events.drain(..).map(RoadItem::Event));
    }

    /// The line ends here: the open window stays short, the open events are done.
    fn break_line(&mut self) {
        self.close(false);
        self.bumps.end(&mut self.events);
        self.items.extend(self.events.drain(..).map(RoadItem::Event));
    }

    fn close(&mut self, reached_end: bool) {
        if let Some(open) = self.open.take() {
            self.items.push(RoadItem::Window(open.close(reached_end, &self.profile)));
        }
    }
}
