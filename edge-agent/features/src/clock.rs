//! Box ticks to UTC, one clock per boot.
//!
//! Anchors (pulses, fixes, or where neither comes the time of the vehicle's computer) feed a sliding fit; the clock is a
//! chain of straight pieces that is only ever pulled towards the fit, so that it rises strictly with the ticks. An offset
//! that really moved is believed after several anchors agree: forwards by a step, a little backwards (a leap second, a
//! receiver that has just learnt of one) by running slow for a while. A receiver that wants to go far back is refused and
//! the rows say so. A date that is one GPS era off is put right.

mod era;
#[cfg(test)]
mod tests;

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
/// The computer's time of at most this age is asked whether a far step of the receiver is true. [D]
const WITNESS_AGE_MAX_US: i64 = 600_000_000;
/// …and it agrees with the clock within this. [D]
const WITNESS_AGREES_US: i64 = 2_000_000;

/// Where an anchor came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A position message.
    Fix,
    /// The pulse per second.
    Pps,
    /// The vehicle's computer.
    Host,
}

/// A tick in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds since 1970.
    pub utc_us: i64,
    /// Bits 0 to 3, 25 and 26 of [`flags`].
    pub flags: u32,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    tick_us: i64,
    utc_us: i64,
    rate: f64,
    /// What stamps of this piece have to say.
    bits: u32,
}

impl Piece {
    fn at(&self, tick_us: i64) -> i64 {
        let delta = tick_us.saturating_sub(self.tick_us);
        // The rate is kept as a deviation from 1, so that long extrapolations stay exact in the large part.
        let pull = ((self.rate - 1.0) * delta as f64).round() as i64;
        self.utc_us.saturating_add(delta).saturating_add(pull)
    }
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    tick_us: i64,
    utc_us: i64,
    source: Source,
    bits: u32,
}

/// Anchors in a row that agree with each other and not with the clock.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    error_us: i64,
    count: u32,
    of_host: bool,
}

/// What the vehicle's computer said last.
#[derive(Clone, Copy, Debug)]
struct Host {
    tick_us: i64,
    utc_us: i64,
    error_us: i64,
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
    /// Tick of the last believed anchor of the receiver.
    last_gnss_us: Option<i64>,
    host: Option<Host>,
    first_host_us: Option<i64>,
    residual_us: f64,
    doubt: Option<Doubt>,
    disagrees: bool,
    /// How far the clock is still ahead of a time that it works its way back to, by running slow.
    ahead_us: i64,
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
            last_gnss_us: None,
            host: None,
            first_host_us: None,
            residual_us: 0.0,
            doubt: None,
            disagrees: false,
            ahead_us: 0,
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

    /// It is later than this, µs since 1970: the last time that is known of before this boot.
    pub fn raise_floor(&mut self, utc_us: i64) {
        self.profile.utc_floor_us = self.profile.utc_floor_us.max(utc_us);
    }

    /// Takes an anchor of the receiver: at `tick_us` it was `utc_us`.
    pub fn observe(&mut self, tick_us: i64, utc_us: i64, source: Source) {
        let Some((utc_us, is_moved)) = era::place(utc_us, self.profile.utc_floor_us) else {
            self.refused += u64::from(utc_us != 0);
            return;
        };
        match source {
            Source::Pps => self.last_pps_us = Some(tick_us),
            Source::Fix if self.last_pps_us.is_some_and(|last| tick_us.saturating_sub(last) < PPS_RULES_US) => return,
            Source::Fix => {}
            // What the computer says has its own way in.
            Source::Host => return,
        }
        let bits = if is_moved { flags::TIME_ROLLOVER } else { 0 };
        self.take(&Anchor { tick_us, utc_us, source, bits });
    }

    /// Takes the time of the vehicle's computer: at `tick_us` it was `utc_us`, give or take `error_us`. It sets the clock
    /// only where no receiver's time came for a while; and it is asked when a receiver's time jumps.
    pub fn observe_host(&mut self, tick_us: i64, utc_us: i64, error_us: i64) {
        let is_placed = era::place(utc_us, self.profile.utc_floor_us).is_some_and(|(_, is_moved)| !is_moved);
        if !is_placed {
            self.refused += 1;
            return;
        }
        let error_us = error_us.max(0).saturating_add(self.profile.host_error_us);
        self.host = Some(Host { tick_us, utc_us, error_us });
        let first_us = *self.first_host_us.get_or_insert(tick_us);
        let since_us = self.last_gnss_us.map_or(first_us, |last| last.max(first_us));
        if tick_us.saturating_sub(since_us) < self.profile.host_after_s.saturating_mul(1_000_000) {
            return;
        }
        if self.last_gnss_us.is_some() {
            // The receiver has set this clock: it is corrected within its own stated error, not contradicted.
            let now_us = self.raw_at(tick_us).unwrap_or(utc_us);
            let apart_us = utc_us.saturating_sub(now_us).saturating_abs();
            if apart_us as f64 > self.error_us(tick_us) + error_us as f64 {
                self.refused += 1;
                return;
            }
        }
        self.take(&Anchor { tick_us, utc_us, source: Source::Host, bits: flags::TIME_FROM_HOST });
    }

    fn take(&mut self, anchor: &Anchor) {
        let Anchor { tick_us, utc_us, source, bits } = *anchor;
        let Some(now_us) = self.raw_at(tick_us) else {
            self.first_tick_us = tick_us;
            self.restart(anchor);
            return;
        };
        if tick_us <= self.last_tick_us {
            self.refused += 1;
            return;
        }
        let error_us = utc_us.saturating_sub(now_us);
        let is_slow = self.ahead_us > 0 && error_us < 0 && error_us > -self.profile.slow_down_max_us;
        if !is_slow && error_us.saturating_abs() > self.profile.step_min_us {
            self.doubt(anchor, error_us);
            return;
        }
        if source != Source::Host {
            self.doubt = None;
            self.disagrees = false;
            self.last_gnss_us = Some(tick_us);
        }
        if source != self.source {
            // Each source has its own latency; a fit across two would be neither.
            self.anchors.clear();
            self.source = source;
        }
        self.push_anchor(tick_us, utc_us);
        if is_slow && error_us < -self.profile.step_min_us {
            self.run_slow(anchor, now_us, error_us);
            return;
        }
        self.ahead_us = 0;
        let (target_us, skew) = self.fit(tick_us);
        let limit = self.profile.slew_max_ppm * 1e-6;
        let pull = ((target_us - now_us as f64) / PULL_US).clamp(-limit, limit);
        self.push_piece(Piece { tick_us, utc_us: now_us, rate: 1.0 + skew.clamp(-limit, limit) + pull, bits });
        self.last_tick_us = tick_us;
    }

    fn doubt(&mut self, anchor: &Anchor, error_us: i64) {
        let of_host = anchor.source == Source::Host;
        let count = match self.doubt {
            Some(before)
                if before.of_host == of_host
                    && error_us.saturating_sub(before.error_us).saturating_abs() <= self.profile.step_min_us =>
            {
                before.count.saturating_add(1)
            }
            _ => 1,
        };
        self.doubt = Some(Doubt { error_us, count, of_host });
        self.refused += 1;
        if count < self.profile.step_confirmations {
            return;
        }
        let is_far = error_us.saturating_abs() > self.profile.step_far_us;
        if error_us > 0 && (!is_far || (count >= self.profile.step_far_confirmations && !self.has_witness(anchor))) {
            self.refused -= 1;
            self.restart(anchor);
        } else if error_us < 0 && error_us > -self.profile.slow_down_max_us {
            self.refused -= 1;
            self.anchors.clear();
            self.source = anchor.source;
            self.doubt = None;
            self.disagrees = false;
            self.residual_us = 0.0;
            if !of_host {
                self.last_gnss_us = Some(anchor.tick_us);
            }
            self.push_anchor(anchor.tick_us, anchor.utc_us);
            let now_us = anchor.utc_us.saturating_sub(error_us);
            self.run_slow(anchor, now_us, error_us);
        } else {
            self.disagrees = true;
        }
    }

    /// Whether the vehicle's computer says that this clock, which the receiver had set, was right before its time jumped.
    fn has_witness(&self, anchor: &Anchor) -> bool {
        let Some(host) = self.host.filter(|_| self.last_gnss_us.is_some() && anchor.source != Source::Host) else {
            return false;
        };
        let agrees_us = WITNESS_AGREES_US.saturating_add(host.error_us);
        anchor.tick_us.saturating_sub(host.tick_us) <= WITNESS_AGE_MAX_US
            && self
                .raw_at(host.tick_us)
                .is_some_and(|utc_us| utc_us.saturating_sub(host.utc_us).saturating_abs() <= agrees_us)
    }

    /// Runs slow from here until the clock and the anchors agree, also when no more of them come.
    fn run_slow(&mut self, anchor: &Anchor, now_us: i64, error_us: i64) {
        let tick_us = anchor.tick_us;
        self.ahead_us = error_us.saturating_neg().max(0);
        let rate = 1.0 - self.profile.slow_down_share;
        let bits = anchor.bits | flags::TIME_DISAGREES;
        let slow = Piece { tick_us, utc_us: now_us, rate, bits };
        self.push_piece(slow);
        let until_us = tick_us.saturating_add((self.ahead_us as f64 / self.profile.slow_down_share) as i64);
        self.push_piece(Piece { tick_us: until_us, utc_us: slow.at(until_us), rate: 1.0, bits: anchor.bits });
        self.last_tick_us = tick_us;
    }

    fn restart(&mut self, anchor: &Anchor) {
        let Anchor { tick_us, utc_us, source, bits } = *anchor;
        self.anchors.clear();
        self.source = source;
        self.doubt = None;
        self.disagrees = false;
        self.ahead_us = 0;
        self.residual_us = 0.0;
        if source != Source::Host {
            self.last_gnss_us = Some(tick_us);
        }
        self.push_anchor(tick_us, utc_us);
        self.push_piece(Piece { tick_us, utc_us, rate: 1.0, bits });
        self.last_tick_us = tick_us;
    }

    fn push_anchor(&mut self, tick_us: i64, utc_us: i64) {
        self.anchors.push_back((tick_us, utc_us));
        while self.anchors.len() > self.profile.fit_anchors.max(1) {
            self.anchors.pop_front();
        }
    }

    fn push_piece(&mut self, piece: Piece) {
        // What was planned for later is planned anew.
        while self.pieces.pop_back_if(|later| later.tick_us >= piece.tick_us).is_some() {}
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
        let anchor_us = match self.source {
            Source::Pps => self.profile.pps_error_us,
            Source::Fix => self.profile.fix_error_us,
            Source::Host => self.host.map_or(self.profile.host_error_us, |host| host.error_us),
        };
        let away = (tick_us.saturating_sub(self.last_tick_us)).max(self.first_tick_us.saturating_sub(tick_us)).max(0);
        let ahead_us = self.ahead_us as f64 - away as f64 * self.profile.slow_down_share;
        anchor_us as f64 + self.residual_us + ahead_us.max(0.0) + away as f64 * DRIFT_PPM * 1e-6
    }

    fn piece_at(&self, tick_us: i64) -> Option<(&Piece, i64)> {
        let next = self.pieces.partition_point(|piece| piece.tick_us <= tick_us);
        let piece = self.pieces.get(next.saturating_sub(1))?;
        // Inside a piece the pull may never reach past the next one's start.
        let utc_us = match self.pieces.get(next) {
            Some(after) if next > 0 => piece.at(tick_us).min(after.utc_us),
            _ => piece.at(tick_us),
        };
        Some((piece, utc_us))
    }

    fn raw_at(&self, tick_us: i64) -> Option<i64> {
        self.piece_at(tick_us).map(|(_, utc_us)| utc_us)
    }

    /// The UTC of a tick; `None` while the clock was never set.
    #[must_use]
    pub fn at(&self, tick_us: i64) -> Option<Stamp> {
        let (piece, utc_us) = self.piece_at(tick_us)?;
        let mut bits = piece.bits;
        if tick_us < self.first_tick_us {
            bits |= flags::TIME_BEFORE_FIX;
        }
        if self.disagrees {
            bits |= flags::TIME_DISAGREES;
        }
        if self.error_us(tick_us) > COARSE_US {
            bits |= flags::TIME_COARSE;
        }
        Some(Stamp { utc_us, flags: bits })
    }
}
