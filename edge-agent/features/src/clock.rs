//! Box ticks to UTC, one clock per boot.
//!
//! Anchors (fixes, or pulses where they come) feed a sliding fit; the clock is a chain of straight pieces that is only ever
//! pulled towards the fit, so that it rises strictly with the ticks. An offset that really moved is believed after several
//! anchors agree, and then only forwards; a receiver that wants to go back is refused and the rows say so.

use std::collections::VecDeque;

use crate::flags;
use crate::profile::ClockProfile;

/// Pieces that are kept to stamp samples of the near past.
const PIECES_MAX: usize = 1024;
/// A pulse silences the coarser fixes for this long.
const PPS_RULES_US: i64 = 5_000_000;
/// Time over which a deviation from the fit is worked off.
const PULL_US: f64 = 10_000_000.0;
/// Stated drift where no skew was fitted.
const DRIFT_PPM: f64 = 50.0;
const COARSE_US: f64 = 500_000.0;

/// Where an anchor came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A position message.
    Fix,
    /// The pulse per second.
    Pps,
}

/// A tick in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds since 1970.
    pub utc_us: i64,
    /// Bits 0 to 3 of [`flags`].
    pub flags: u32,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    tick_us: i64,
    utc_us: i64,
    rate: f64,
}

impl Piece {
    fn at(&self, tick_us: i64) -> i64 {
        let delta = tick_us.saturating_sub(self.tick_us);
        // The rate is kept as a deviation from 1, so that long extrapolations stay exact in the large part.
        let pull = ((self.rate - 1.0) * delta as f64).round() as i64;
        self.utc_us.saturating_add(delta).saturating_add(pull)
    }
}

/// The clock of one boot.
#[derive(Debug)]
pub struct Clock {
    profile: ClockProfile,
    anchors: VecDeque<(i64, i64)>,
    pieces: VecDeque<Piece>,
    source: Source,
    first_tick_us: i64,
    last_tick_us: i64,
    last_pps_us: Option<i64>,
    residual_us: f64,
    doubt: Option<(i64, u32)>,
    disagrees: bool,
    refused: u64,
}

impl Clock {
    /// A clock that was never set.
    #[must_use]
    pub fn new(profile: ClockProfile) -> Self {
        Self {
            profile,
            anchors: VecDeque::new(),
            pieces: VecDeque::new(),
            source: Source::Fix,
            first_tick_us: 0,
            last_tick_us: 0,
            last_pps_us: None,
            residual_us: 0.0,
            doubt: None,
            disagrees: false,
            refused: 0,
        }
    }

    /// Whether a time is known.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Anchors that were not believed.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes an anchor: at `tick_us` it was `utc_us`.
    pub fn observe(&mut self, tick_us: i64, utc_us: i64, source: Source) {
        if utc_us < self.profile.utc_floor_us {
            self.refused += u64::from(utc_us != 0);
            return;
        }
        match source {
            Source::Pps => self.last_pps_us = Some(tick_us),
            Source::Fix if self.last_pps_us.is_some_and(|last| tick_us.saturating_sub(last) < PPS_RULES_US) => return,
            Source::Fix => {}
        }
        let Some(last) = self.pieces.back().copied() else {
            self.first_tick_us = tick_us;
            self.restart(tick_us, utc_us, source);
            return;
        };
        if tick_us <= last.tick_us {
            self.refused += 1;
            return;
        }
        let now_us = last.at(tick_us);
        let error_us = utc_us.saturating_sub(now_us);
        if error_us.saturating_abs() > self.profile.step_min_us {
            self.doubt(tick_us, utc_us, error_us, source);
            return;
        }
        self.doubt = None;
        self.disagrees = false;
        if source != self.source {
            // Fixes and pulses have different latencies; a fit across both would be neither.
            self.anchors.clear();
            self.source = source;
        }
        self.push_anchor(tick_us, utc_us);
        let (target_us, skew) = self.fit(tick_us);
        let limit = self.profile.slew_max_ppm * 1e-6;
        let pull = ((target_us - now_us as f64) / PULL_US).clamp(-limit, limit);
        self.push_piece(Piece { tick_us, utc_us: now_us, rate: 1.0 + skew.clamp(-limit, limit) + pull });
        self.last_tick_us = tick_us;
    }

    fn doubt(&mut self, tick_us: i64, utc_us: i64, error_us: i64, source: Source) {
        let count = match self.doubt {
            Some((before, count)) if error_us.saturating_sub(before).saturating_abs() <= self.profile.step_min_us => {
                count.saturating_add(1)
            }
            _ => 1,
        };
        self.doubt = Some((error_us, count));
        self.refused += 1;
        if count < self.profile.step_confirmations {
            return;
        }
        if error_us > 0 {
            self.refused -= 1;
            self.restart(tick_us, utc_us, source);
        } else {
            self.disagrees = true;
        }
    }

    fn restart(&mut self, tick_us: i64, utc_us: i64, source: Source) {
        self.anchors.clear();
        self.source = source;
        self.doubt = None;
        self.disagrees = false;
        self.residual_us = 0.0;
        self.push_anchor(tick_us, utc_us);
        self.push_piece(Piece { tick_us, utc_us, rate: 1.0 });
        self.last_tick_us = tick_us;
    }

    fn push_anchor(&mut self, tick_us: i64, utc_us: i64) {
        self.anchors.push_back((tick_us, utc_us));
        while self.anchors.len() > self.profile.fit_anchors.max(1) {
            self.anchors.pop_front();
        }
    }

    fn push_piece(&mut self, piece: Piece) {
        self.pieces.push_back(piece);
        while self.pieces.len() > PIECES_MAX {
            self.pieces.pop_front();
        }
    }

    /// Best UTC at `tick_us` and skew. Least squares over pulses; the median offset over fixes, whose latency jitters far
    /// more than a crystal drifts in half a minute.
    fn fit(&mut self, tick_us: i64) -> (f64, f64) {
        let Some(&(tick0, utc0)) = self.anchors.front() else { return (0.0, 0.0) };
        let base_us = utc0.saturating_sub(tick0);
        let points: Vec<(f64, f64)> = self
            .anchors
            .iter()
            .map(|(tick, utc)| ((tick - tick0) as f64, utc.saturating_sub(*tick).saturating_sub(base_us) as f64))
            .collect();
        let count = points.len() as f64;
        let (offset, skew, mid) = if self.source == Source::Pps && points.len() >= 4 {
            let mean_x = points.iter().map(|point| point.0).sum::<f64>() / count;
            let mean_y = points.iter().map(|point| point.1).sum::<f64>() / count;
            let sxx: f64 = points.iter().map(|point| (point.0 - mean_x).powi(2)).sum();
            let sxy: f64 = points.iter().map(|point| (point.0 - mean_x) * (point.1 - mean_y)).sum();
            (mean_y, if sxx > 0.0 { sxy / sxx } else { 0.0 }, mean_x)
        } else {
            let mut offsets: Vec<f64> = points.iter().map(|point| point.1).collect();
            offsets.sort_by(f64::total_cmp);
            (offsets.get(offsets.len() / 2).copied().unwrap_or(0.0), 0.0, 0.0)
        };
        let squares: f64 = points.iter().map(|(x, y)| (y - offset - skew * (x - mid)).powi(2)).sum();
        self.residual_us = (squares / count).sqrt();
        let now = (tick_us - tick0) as f64;
        let target = tick_us.saturating_add(base_us) as f64 + offset + skew * (now - mid);
        (target, skew)
    }

    /// Stated error at a tick, microseconds.
    #[must_use]
    pub fn error_us(&self, tick_us: i64) -> f64 {
        let anchor = match self.source {
            Source::Pps => self.profile.pps_error_us,
            Source::Fix => self.profile.fix_error_us,
        };
        let away = (tick_us.saturating_sub(self.last_tick_us)).max(self.first_tick_us.saturating_sub(tick_us)).max(0);
        anchor as f64 + self.residual_us + away as f64 * DRIFT_PPM * 1e-6
    }

    /// The UTC of a tick; `None` while the clock was never set.
    #[must_use]
    pub fn at(&self, tick_us: i64) -> Option<Stamp> {
        let next = self.pieces.partition_point(|piece| piece.tick_us <= tick_us);
        let piece = self.pieces.get(next.saturating_sub(1))?;
        let mut bits = 0;
        if tick_us < self.first_tick_us {
            bits |= flags::TIME_BEFORE_FIX;
        }
        if self.disagrees {
            bits |= flags::TIME_DISAGREES;
        }
        if self.error_us(tick_us) > COARSE_US {
            bits |= flags::TIME_COARSE;
        }
        // Inside a piece the pull may never reach past the next one's start.
        let utc_us = match self.pieces.get(next) {
            Some(after) if next > 0 => piece.at(tick_us).min(after.utc_us),
            _ => piece.at(tick_us),
        };
        Some(Stamp { utc_us, flags: bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::VehicleProfile;

    const T0: i64 = 1_767_225_600_000_000; // 2026-01-01

    fn clock() -> Clock {
        Clock::new(VehicleProfile::default().clock)
    }

    #[test]
    fn pulses_recover_offset_and_skew() {
        let mut clock = clock();
        // A crystal 40 ppm slow: 1 s of UTC is 999 960 ticks.
        for second in 0..120 {
            clock.observe(5_000_000 + second * 999_960, T0 + second * 1_000_000, Source::Pps);
        }
        let stamp = clock.at(5_000_000 + 119 * 999_960 + 499_980).unwrap();
        assert!((stamp.utc_us - (T0 + 119_500_000)).abs() < 200, "{}", stamp.utc_us - T0);
        assert_eq!(stamp.flags, 0);
        // Ten minutes without a pulse: the fitted skew still holds.
        let stamp = clock.at(5_000_000 + 719 * 999_960).unwrap();
        assert!((stamp.utc_us - (T0 + 719_000_000)).abs() < 3_000, "{}", stamp.utc_us - T0 - 719_000_000);
    }

    #[test]
    fn before_the_first_fix_is_resolved_backwards_and_flagged() {
        let mut clock = clock();
        assert_eq!(clock.at(1_000_000), None);
        clock.observe(10_000_000, 0, Source::Fix);
        assert!(!clock.is_set());
        clock.observe(30_000_000, T0, Source::Fix);
        assert_eq!(clock.at(1_000_000), Some(Stamp { utc_us: T0 - 29_000_000, flags: flags::TIME_BEFORE_FIX }));
    }

    #[test]
    fn a_week_rollover_is_no_time() {
        let mut clock = clock();
        clock.observe(1_000_000, 943_920_000_000_000, Source::Fix); // 1999
        assert!(!clock.is_set());
        assert_eq!(clock.refused(), 1);
    }

    #[test]
    fn one_wild_fix_changes_nothing_and_five_step_forwards() {
        let mut clock = clock();
        for second in 0..10 {
            clock.observe(second * 1_000_000, T0 + second * 1_000_000, Source::Fix);
        }
        clock.observe(10_000_000, T0 + 3_610_000_000, Source::Fix);
        assert_eq!(clock.at(10_500_000).unwrap().utc_us, T0 + 10_500_000);
        for second in 11..16 {
            clock.observe(second * 1_000_000, T0 + (second + 3_600) * 1_000_000, Source::Fix);
        }
        assert_eq!(clock.at(16_000_000).unwrap().utc_us, T0 + 3_616_000_000);
        assert_eq!(clock.at(9_000_000).unwrap().utc_us, T0 + 9_000_000, "the past keeps its time");
    }

    #[test]
    fn never_backwards_but_said() {
        let mut clock = clock();
        for second in 0..10 {
            clock.observe(second * 1_000_000, T0 + second * 1_000_000, Source::Fix);
        }
        for second in 10..30 {
            clock.observe(second * 1_000_000, T0 + (second - 3_600) * 1_000_000, Source::Fix);
        }
        let stamp = clock.at(30_000_000).unwrap();
        assert_eq!(stamp.utc_us, T0 + 30_000_000);
        assert_eq!(stamp.flags, flags::TIME_DISAGREES);
    }

    proptest::proptest! {
        #[test]
        fn time_rises_with_ticks(
            jumps in proptest::collection::vec((1_i64..3_000_000, -2_000_000_i64..2_000_000, proptest::bool::ANY), 1..200)
        ) {
            let mut clock = clock();
            let mut tick = 0;
            for (step, noise, pps) in jumps {
                tick += step;
                clock.observe(tick, T0 + tick + noise, if pps { Source::Pps } else { Source::Fix });
            }
            let mut last = i64::MIN;
            for at in (0..tick + 5_000_000).step_by(50_000) {
                let utc = clock.at(at).unwrap().utc_us;
                proptest::prop_assert!(utc >= last, "{utc} after {last}");
                last = utc;
            }
        }
    }
}
