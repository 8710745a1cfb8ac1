//! Positions for ticks: gates on fixes, interpolation between them, dead reckoning over short gaps.

use std::collections::VecDeque;

use tournee_link::Gnss;

use crate::profile::GeotagProfile;
use crate::{flags, geo};

/// Fixes that are kept for samples of the near past.
const FIXES_MAX: usize = 1024;
/// Frames of different sensors may overtake each other by this much.
const OVERTAKE_US: i64 = 1_000_000;
const CDEG_NONE: u16 = 36_000;

/// A believed position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Latitude, degrees.
    pub lat_deg: f64,
    /// Longitude, degrees.
    pub lon_deg: f64,
    /// Horizontal accuracy, metres.
    pub h_acc_m: f64,
    /// Speed over ground.
    pub speed_mps: f64,
    /// Course, where it is known.
    pub heading_deg: Option<f64>,
    /// Travel since the first believed fix of the boot.
    pub odometer_m: f64,
    /// Bits 5 to 7 of [`flags`].
    pub flags: u32,
}

/// The answer to "where was it at this tick".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// A fix that may still come can improve the answer.
    Wait,
    /// Here.
    At(Position),
    /// Nobody can know any more.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Fix {
    tick_us: i64,
    position: Position,
}

/// Positions of one boot.
#[derive(Debug)]
pub struct Geotag {
    profile: GeotagProfile,
    fixes: VecDeque<Fix>,
    /// Ticks of refused fixes and why, where the receiver had one to offer.
    refused: VecDeque<(i64, u32)>,
    /// The last moment that the receiver gave, and the tick at which it was new.
    moment: Option<(i64, i64)>,
    jump: Option<(i64, f64, f64, u32)>,
}

impl Geotag {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(profile: GeotagProfile) -> Self {
        Self { profile, fixes: VecDeque::new(), refused: VecDeque::new(), moment: None, jump: None }
    }

    /// Takes a GNSS message. A believed fix is returned as a position, a refused one as the bits that say why.
    ///
    /// # Errors
    /// The reasons as bits of [`flags`]; the fix is then not used.
    pub fn push(&mut self, tick_us: i64, gnss: &Gnss) -> Result<Position, u32> {
        let verdict = self.judge(tick_us, gnss);
        // Without any fix there is nothing to refuse: the sky is not in sight.
        if let Err(bits) = verdict
            && gnss.fix >= 2
        {
            self.refused.push_back((tick_us, bits));
            while self.refused.len() > FIXES_MAX {
                self.refused.pop_front();
            }
        }
        verdict
    }

    fn judge(&mut self, tick_us: i64, gnss: &Gnss) -> Result<Position, u32> {
        let profile = &self.profile;
        let (lat_deg, lon_deg) = (f64::from(gnss.lat_e7) * 1e-7, f64::from(gnss.lon_e7) * 1e-7);
        let hdop = f64::from(gnss.hdop_centi) / 100.0;
        let nowhere = gnss.lat_e7 == 0 && gnss.lon_e7 == 0;
        let off_globe = lat_deg.abs() > 90.0 || lon_deg.abs() > 180.0;
        if gnss.fix < profile.fix_min || gnss.sats < profile.sats_min || hdop > profile.hdop_max || nowhere || off_globe
        {
            return Err(flags::FIX_REFUSED);
        }
        if self.is_old(tick_us, gnss.utc_us) {
            return Err(flags::FIX_OLD);
        }
        let last = self.fixes.back().copied();
        if last.is_some_and(|last| tick_us <= last.tick_us) {
            return Err(flags::FIX_REFUSED);
        }
        if let Some(last) = last
            && self.is_jump(&last, tick_us, lat_deg, lon_deg)
        {
            return Err(flags::FIX_JUMP);
        }
        self.jump = None;
        let speed_mps = f64::from(gnss.speed_mmps) / 1000.0;
        let h_acc_m = match gnss.h_acc_mm {
            0 => (hdop * self.profile.uere_m).max(self.profile.h_acc_min_m),
            mm => f64::from(mm) / 1000.0,
        };
        let position = Position {
            lat_deg,
            lon_deg,
            h_acc_m,
            speed_mps,
            heading_deg: (gnss.heading_cdeg < CDEG_NONE).then(|| f64::from(gnss.heading_cdeg) / 100.0),
            odometer_m: last.map_or(0.0, |last| self.travelled(&last, tick_us, lat_deg, lon_deg, speed_mps)),
            flags: if hdop > self.profile.hdop_good { flags::HDOP_WEAK } else { 0 },
        };
        self.fixes.push_back(Fix { tick_us, position });
        while self.fixes.len() > FIXES_MAX {
            self.fixes.pop_front();
        }
        Ok(position)
    }

    /// Whether the receiver gives the same moment again for too long; one that gives none cannot be judged by it.
    fn is_old(&mut self, tick_us: i64, utc_us: i64) -> bool {
        let age_max_us = (self.profile.fix_age_max_s * 1e6) as i64;
        match self.moment {
            Some((moment_us, since_us)) if utc_us != 0 && moment_us == utc_us => {
                tick_us.saturating_sub(since_us) > age_max_us
            }
            _ => {
                self.moment = Some((utc_us, tick_us));
                false
            }
        }
    }

    /// Whether the fix lies too far from the last one. After enough fixes that agree with each other, the last believed one
    /// was the wrong one.
    fn is_jump(&mut self, last: &Fix, tick_us: i64, lat_deg: f64, lon_deg: f64) -> bool {
        let limit = self.profile.jump_speed_max_mps;
        let too_far = |from_tick: i64, lat: f64, lon: f64| {
            // Below one second the noise of the positions alone looks like speed.
            let seconds = (tick_us.saturating_sub(from_tick) as f64 * 1e-6).max(1.0);
            geo::distance_m(lat, lon, lat_deg, lon_deg) > limit * seconds
        };
        if !too_far(last.tick_us, last.position.lat_deg, last.position.lon_deg) {
            return false;
        }
        let count = match self.jump {
            Some((tick, lat, lon, count)) if !too_far(tick, lat, lon) => count.saturating_add(1),
            _ => 1,
        };
        self.jump = Some((tick_us, lat_deg, lon_deg, count));
        count < self.profile.jump_confirmations
    }

    /// Speed integrates better than noisy positions; over a gap only the positions are left.
    fn travelled(&self, last: &Fix, tick_us: i64, lat_deg: f64, lon_deg: f64, speed_mps: f64) -> f64 {
        let seconds = tick_us.saturating_sub(last.tick_us) as f64 * 1e-6;
        let step = if seconds <= self.profile.neighbour_max_s {
            (last.position.speed_mps + speed_mps) / 2.0 * seconds
        } else {
            geo::distance_m(last.position.lat_deg, last.position.lon_deg, lat_deg, lon_deg)
        };
        last.position.odometer_m + step
    }

    /// Why there is no position at a tick, bits of [`flags`]: of the refused fixes around it. 0: there was no fix to refuse.
    #[must_use]
    pub fn why_not(&self, tick_us: i64) -> u32 {
        let near_us = (self.profile.neighbour_max_s * 1e6) as i64;
        let last = self.refused.partition_point(|(tick, _)| *tick <= tick_us.saturating_add(near_us));
        let near = self.refused.iter().take(last).rev();
        near.take_while(|(tick, _)| *tick >= tick_us.saturating_sub(near_us)).fold(0, |bits, (_, why)| bits | why)
    }

    /// Slowest speed of the believed fixes from one tick to another.
    #[must_use]
    pub fn slowest_mps(&self, from_us: i64, to_us: i64) -> Option<f64> {
        let last = self.fixes.partition_point(|fix| fix.tick_us <= to_us);
        let fixes = self.fixes.iter().take(last).rev().take_while(|fix| fix.tick_us >= from_us);
        fixes.map(|fix| fix.position.speed_mps).reduce(f64::min)
    }

    /// Travel since the first believed fix.
    #[must_use]
    pub fn odometer_m(&self) -> f64 {
        self.fixes.back().map_or(0.0, |fix| fix.position.odometer_m)
    }

    /// Speed of the newest believed fix, while it is a neighbour of `tick_us`.
    #[must_use]
    pub fn speed_mps(&self, tick_us: i64) -> Option<f64> {
        let age_max_us = (self.profile.neighbour_max_s * 1e6) as i64;
        let fix = self.fixes.back()?;
        (tick_us.saturating_sub(fix.tick_us) <= age_max_us).then_some(fix.position.speed_mps)
    }

    /// Where it was at `tick_us`, now that the box is at `now_us`.
    #[must_use]
    pub fn locate(&self, tick_us: i64, now_us: i64) -> Place {
        let gap_us = (self.profile.gap_max_s * 1e6) as i64;
        let after = self.fixes.partition_point(|fix| fix.tick_us <= tick_us);
        let next = self.fixes.get(after);
        let previous = after.checked_sub(1).and_then(|index| self.fixes.get(index));
        match (previous, next) {
            (Some(a), Some(b)) if b.tick_us.saturating_sub(a.tick_us) <= gap_us => {
                Place::At(self.between(a, b, tick_us))
            }
            (Some(a), None) if now_us <= a.tick_us.saturating_add(gap_us).saturating_add(OVERTAKE_US) => {
                if a.tick_us == tick_us { Place::At(a.position) } else { Place::Wait }
            }
            (Some(a), _) if tick_us.saturating_sub(a.tick_us) <= gap_us => Place::At(self.reckoned(a, tick_us)),
            (None, None) if now_us <= tick_us.saturating_add(OVERTAKE_US) => Place::Wait,
            _ => Place::Unknown,
        }
    }

    fn between(&self, a: &Fix, b: &Fix, tick_us: i64) -> Position {
        let span_s = (b.tick_us - a.tick_us) as f64 * 1e-6;
        let from_a_s = (tick_us - a.tick_us) as f64 * 1e-6;
        let part = if span_s > 0.0 { from_a_s / span_s } else { 0.0 };
        let mix = |x: f64, y: f64| x + (y - x) * part;
        let (p, q) = (&a.position, &b.position);
        let bridged = span_s > self.profile.neighbour_max_s;
        let growth_m = if bridged { self.profile.gap_growth_mps * from_a_s.min(span_s - from_a_s) } else { 0.0 };
        Position {
            lat_deg: mix(p.lat_deg, q.lat_deg),
            lon_deg: geo::between_lon(p.lon_deg, q.lon_deg, part),
            h_acc_m: mix(p.h_acc_m, q.h_acc_m) + growth_m,
            speed_mps: mix(p.speed_mps, q.speed_mps),
            heading_deg: match (p.heading_deg, q.heading_deg) {
                (Some(x), Some(y)) => Some(geo::between_heading(x, y, part)),
                (x, y) => {
                    if part < 0.5 {
                        x
                    } else {
                        y
                    }
                }
            },
            odometer_m: mix(p.odometer_m, q.odometer_m),
            flags: p.flags | q.flags | if bridged { flags::POSITION_BRIDGED } else { 0 },
        }
    }

    fn reckoned(&self, a: &Fix, tick_us: i64) -> Position {
        let seconds = (tick_us - a.tick_us) as f64 * 1e-6;
        let travel_m = a.position.speed_mps * seconds;
        let (lat_deg, lon_deg) = match a.position.heading_deg {
            Some(heading) => geo::ahead(a.position.lat_deg, a.position.lon_deg, heading, travel_m),
            None => (a.position.lat_deg, a.position.lon_deg),
        };
        let blind_m = if a.position.heading_deg.is_some() { 0.0 } else { travel_m };
        Position {
            lat_deg,
            lon_deg,
            h_acc_m: a.position.h_acc_m + self.profile.gap_growth_mps * seconds + blind_m,
            odometer_m: a.position.odometer_m + travel_m,
            flags: a.position.flags | flags::POSITION_RECKONED,
            ..a.position
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::VehicleProfile;

    fn gnss(lat_deg: f64, lon_deg: f64) -> Gnss {
        Gnss {
            utc_us: 0,
            fix: 3,
            sats: 9,
            hdop_centi: 90,
            lat_e7: (lat_deg * 1e7) as i32,
            lon_e7: (lon_deg * 1e7) as i32,
            h_acc_mm: 2_000,
            speed_mmps: 10_000,
            heading_cdeg: 0,
        }
    }

    fn geotag() -> Geotag {
        Geotag::new(VehicleProfile::default().geotag)
    }

    #[test]
    fn gates() {
        let mut geotag = geotag();
        let refused = |geotag: &mut Geotag, fix: Gnss| geotag.push(1, &fix).unwrap_err();
        for bad in [
            Gnss { fix: 2, ..gnss(47.65, -2.09) },
            Gnss { sats: 5, ..gnss(47.65, -2.09) },
            Gnss { hdop_centi: 401, ..gnss(47.65, -2.09) },
            gnss(0.0, 0.0),
            Gnss { lat_e7: 910_000_000, ..gnss(1.0, 1.0) },
        ] {
            assert_eq!(refused(&mut geotag, bad), flags::FIX_REFUSED);
        }
        let weak = geotag.push(1, &Gnss { hdop_centi: 300, ..gnss(47.65, -2.09) }).unwrap();
        assert_eq!(weak.flags, flags::HDOP_WEAK);
        assert_eq!(geotag.push(1_000_001, &gnss(47.66, -2.09)), Err(flags::FIX_JUMP));
        assert!(geotag.push(2_000_001, &gnss(47.6501, -2.09)).is_ok());
        assert_eq!(geotag.push(2_000_001, &gnss(47.6501, -2.09)), Err(flags::FIX_REFUSED), "same tick twice");
    }

    #[test]
    fn a_wrong_first_fix_is_outvoted() {
        let mut geotag = geotag();
        geotag.push(0, &gnss(10.0, 10.0)).unwrap();
        let verdicts: Vec<bool> =
            (1..8).map(|second| geotag.push(second * 1_000_000, &gnss(47.65, -2.09)).is_ok()).collect();
        assert_eq!(verdicts, [false, false, false, false, true, true, true]);
    }

    #[test]
    fn interpolates_bridges_reckons() {
        let mut geotag = geotag();
        geotag.push(0, &gnss(47.65, -2.09)).unwrap();
        assert_eq!(geotag.locate(500_000, 600_000), Place::Wait);
        geotag.push(1_000_000, &gnss(47.6501, -2.09)).unwrap();
        let Place::At(mid) = geotag.locate(500_000, 1_000_000) else { panic!() };
        assert!((mid.lat_deg - 47.65005).abs() < 1e-9);
        assert_eq!((mid.flags, mid.h_acc_m), (0, 2.0));
        assert!((mid.odometer_m - 5.0).abs() < 1e-9);

        // Nothing for 11 s: reckoned up to 10 s, unknown after.
        let Place::At(reckoned) = geotag.locate(6_000_000, 12_500_000) else { panic!() };
        assert_eq!(reckoned.flags, flags::POSITION_RECKONED);
        assert_eq!(reckoned.h_acc_m, 12.0);
        assert!((geo::distance_m(47.6501, -2.09, reckoned.lat_deg, reckoned.lon_deg) - 50.0).abs() < 0.01);
        assert_eq!(geotag.locate(11_500_000, 12_500_000), Place::Unknown);

        // The same gap, closed after 8 s: bridged.
        geotag.push(9_000_000, &gnss(47.6508, -2.09)).unwrap();
        let Place::At(bridged) = geotag.locate(6_000_000, 9_000_000) else { panic!() };
        assert_eq!(bridged.flags, flags::POSITION_BRIDGED);
        assert_eq!(bridged.h_acc_m, 8.0);
    }

    #[test]
    fn before_the_first_fix_nothing_is_known() {
        let mut geotag = geotag();
        assert_eq!(geotag.locate(5, 6), Place::Wait);
        assert_eq!(geotag.locate(5, 2_000_000), Place::Unknown);
        geotag.push(1_000_000, &gnss(47.65, -2.09)).unwrap();
        assert_eq!(geotag.locate(5, 1_000_000), Place::Unknown);
    }

    #[test]
    fn a_moment_that_is_repeated_grows_old() {
        let mut geotag = geotag();
        let at = |lat_deg: f64, utc_us| Gnss { utc_us, ..gnss(lat_deg, -2.09) };
        geotag.push(0, &at(47.65, 5)).unwrap();
        geotag.push(2_000_000, &at(47.65, 5)).unwrap();
        assert_eq!(geotag.push(2_000_001, &at(47.65, 5)), Err(flags::FIX_OLD));
        geotag.push(3_000_000, &at(47.65, 6)).unwrap();
        // A receiver that knows no time is judged by the rest.
        for second in 4..20 {
            geotag.push(second * 1_000_000, &at(47.65, 0)).unwrap();
        }
    }

    #[test]
    fn a_receiver_without_accuracy_gets_one_by_its_hdop_and_never_below_the_published_spread() {
        let mut geotag = geotag();
        let h_acc = |geotag: &mut Geotag, tick_us, hdop_centi| {
            geotag.push(tick_us, &Gnss { h_acc_mm: 0, hdop_centi, ..gnss(47.65, -2.09) }).unwrap().h_acc_m
        };
        assert_eq!(
            [h_acc(&mut geotag, 1, 90), h_acc(&mut geotag, 2, 200), h_acc(&mut geotag, 3, 400)],
            [4.07, 6.0, 12.0]
        );
    }

    #[test]
    fn without_a_position_the_reason_is_known() {
        let mut geotag = geotag();
        for second in 0..10 {
            let bad = match second {
                0..5 => Gnss { fix: 0, ..gnss(0.0, 0.0) },
                _ => Gnss { hdop_centi: 900, ..gnss(47.65, -2.09) },
            };
            geotag.push(second * 1_000_000, &bad).unwrap_err();
        }
        assert_eq!(geotag.why_not(1_000_000), 0, "no fix");
        assert_eq!(geotag.why_not(7_500_000), flags::FIX_REFUSED);
        assert_eq!(geotag.why_not(60_000_000), 0);
        geotag.push(20_000_000, &gnss(47.65, -2.09)).unwrap();
        geotag.push(21_000_000, &gnss(48.65, -2.09)).unwrap_err();
        assert_eq!(geotag.why_not(21_500_000), flags::FIX_JUMP);
    }

    #[test]
    fn the_slowest_speed_of_a_while() {
        let mut geotag = geotag();
        for (second, speed_mmps) in [(1, 9_000), (2, 500), (3, 7_000), (4, 8_000)] {
            geotag.push(second * 1_000_000, &Gnss { speed_mmps, ..gnss(47.65, -2.09) }).unwrap();
        }
        assert_eq!(geotag.slowest_mps(0, 9_000_000), Some(0.5));
        assert_eq!(geotag.slowest_mps(2_500_000, 3_500_000), Some(7.0));
        assert_eq!(geotag.slowest_mps(5_000_000, 9_000_000), None);
    }

    proptest::proptest! {
        #[test]
        fn in_a_gap_the_error_only_grows_with_the_distance_from_the_fixes(
            gap_s in 4.0_f64..10.0, parts in (0.0_f64..0.5, 0.0_f64..0.5)
        ) {
            let mut geotag = geotag();
            let end_us = (gap_s * 1e6) as i64;
            geotag.push(0, &gnss(47.65, -2.09)).unwrap();
            let (near, far) = if parts.0 < parts.1 { parts } else { (parts.1, parts.0) };
            let h_acc = |geotag: &Geotag, part: f64| match geotag.locate((end_us as f64 * part) as i64, end_us * 3) {
                Place::At(position) => position.h_acc_m,
                place => panic!("{place:?}"),
            };
            let reckoned = (h_acc(&geotag, near), h_acc(&geotag, far));
            proptest::prop_assert!(reckoned.0 >= 2.0 && reckoned.1 >= reckoned.0, "{reckoned:?}");
            geotag.push(end_us, &gnss(47.65 + gap_s * 9e-5, -2.09)).unwrap();
            let bridged = (h_acc(&geotag, near), h_acc(&geotag, far), h_acc(&geotag, 1.0 - near));
            proptest::prop_assert!(bridged.0 >= 2.0 && bridged.1 >= bridged.0, "{bridged:?}");
            proptest::prop_assert!((bridged.0 - bridged.2).abs() < 1e-5, "the same from both ends: {bridged:?}");
        }
    }
}
