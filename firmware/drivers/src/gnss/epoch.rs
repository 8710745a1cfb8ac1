//! Sentences of one epoch, put together.
//!
//! A new epoch begins with another time, or, where sentences carry none, when a sentence comes again. It is given out
//! with the last sentence of the cycle once that is known: the same sentence was the last one twice in a row.

use super::judge::Claim;
use super::nmea::{Kind, Report};

/// Two positions of one epoch may differ by so much, 11 m: the eight-bit check sum lets one broken sentence in 256 pass,
/// and this is the second look.
const CONFLICT_E7: u32 = 1_000;
/// Satellites that a 3D fix takes, where no GSA says which kind it is.
const SATS_3D: u8 = 4;

/// A sentence of the cycle: its kind and the how many-th of this kind.
type Place = (Kind, u8);

/// An epoch is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Over {
    pub(super) claim: Claim,
    /// Two of its sentences disagree on the position.
    pub(super) conflict: bool,
}

#[derive(Clone, Copy, Debug)]
struct Epoch {
    time_us: Option<i64>,
    date_days: Option<i64>,
    fixed: Option<bool>,
    differential: bool,
    position: Option<((i32, i32), u8)>,
    conflict: bool,
    speed_mmps: Option<u32>,
    /// The speed is of RMC: that of VTG has no time.
    timed_speed: bool,
    heading_cdeg: Option<u16>,
    sats: Option<u8>,
    hdop_centi: Option<u16>,
    has_altitude: bool,
    dimension: Option<u8>,
    h_acc_mm: Option<u32>,
    /// By kind: how many came, and from which talker last.
    seen: [(u8, [u8; 2]); Kind::COUNT],
    last: Option<Place>,
    /// Has been given out.
    done: bool,
}

impl Epoch {
    const EMPTY: Self = Self {
        time_us: None,
        date_days: None,
        fixed: None,
        differential: false,
        position: None,
        conflict: false,
        speed_mmps: None,
        timed_speed: false,
        heading_cdeg: None,
        sats: None,
        hdop_centi: None,
        has_altitude: false,
        dimension: None,
        h_acc_mm: None,
        seen: [(0, [0; 2]); Kind::COUNT],
        last: None,
        done: false,
    };

    fn count(&self, kind: Kind) -> (u8, [u8; 2]) {
        self.seen.get(kind as usize).copied().unwrap_or_default()
    }

    /// Whether this sentence belongs to the next epoch.
    fn is_before(&self, report: &Report) -> bool {
        let (count, talker) = self.count(report.kind);
        match (self.time_us, report.time_us) {
            _ if !report.kind.is_timed() => false,
            (Some(ours), Some(theirs)) if ours != theirs => true,
            // Two talkers may say the same; one talker says it once, unless its clock stands still.
            (Some(_), Some(_)) => count > 0 && talker == report.talker,
            _ => count > 0,
        }
    }

    fn merge(&mut self, report: &Report) {
        if let Some(seen) = self.seen.get_mut(report.kind as usize) {
            seen.0 = seen.0.saturating_add(1);
            seen.1 = report.talker;
            self.last = Some((report.kind, seen.0));
        }
        self.time_us = self.time_us.or(report.time_us);
        self.date_days = self.date_days.or(report.date_days);
        // One denial stands against any number of claims.
        self.fixed = match (self.fixed, report.fixed) {
            (Some(ours), Some(theirs)) => Some(ours && theirs),
            (ours, theirs) => ours.or(theirs),
        };
        self.differential |= report.differential;
        if let Some(position_e7) = report.position_e7 {
            self.merge_position(position_e7, report.kind as u8);
        }
        self.merge_motion(report);
        // GGA of some receivers counts one system only; GNS counts all.
        self.sats = self.sats.max(report.sats);
        self.hdop_centi = if report.kind == Kind::Gsa {
            self.hdop_centi.or(report.hdop_centi)
        } else {
            report.hdop_centi.or(self.hdop_centi)
        };
        self.has_altitude |= report.has_altitude;
        self.dimension = self.dimension.max(report.dimension);
        self.h_acc_mm = report.h_acc_mm.or(self.h_acc_mm);
    }

    fn merge_position(&mut self, position_e7: (i32, i32), kind: u8) {
        match self.position {
            Some((ours, of)) => {
                let apart = |a: i32, b: i32| a.abs_diff(b) > CONFLICT_E7;
                self.conflict |= apart(ours.0, position_e7.0) || apart(ours.1, position_e7.1);
                // GGA and GNS before the shorter ones.
                if is_preferred(kind) && !is_preferred(of) {
                    self.position = Some((position_e7, kind));
                }
            }
            None => self.position = Some((position_e7, kind)),
        }
    }

    fn merge_motion(&mut self, report: &Report) {
        let timed = report.kind == Kind::Rmc;
        if report.speed_mmps.is_some() && (timed || !self.timed_speed) {
            self.speed_mmps = report.speed_mmps;
            self.timed_speed = timed;
            self.heading_cdeg = report.heading_cdeg.or(self.heading_cdeg);
        }
    }

    /// Nothing where no sentence says whether there is a fix at all.
    fn over(&self) -> Option<Over> {
        let stated = [Kind::Rmc, Kind::Gga, Kind::Gns, Kind::Gll].iter().any(|kind| self.count(*kind).0 > 0);
        if !stated {
            return None;
        }
        let fixed = self.fixed == Some(true) && self.dimension != Some(1);
        let sats = self.sats.unwrap_or(0);
        let three_d = match self.dimension {
            Some(dimension) => dimension == 3,
            None => self.has_altitude && sats >= SATS_3D,
        };
        let utc_us = self
            .date_days
            .zip(self.time_us)
            .map(|(days, time_us)| days.saturating_mul(super::civil::DAY_US).saturating_add(time_us));
        let claim = Claim {
            fixed,
            three_d,
            differential: self.differential,
            // Without a fix the time is that of a clock that nobody vouches for: receivers start with invented dates.
            utc_us: utc_us.filter(|_| fixed),
            position_e7: self.position.map(|(position_e7, _)| position_e7),
            speed_mmps: self.speed_mmps,
            heading_cdeg: self.heading_cdeg,
            sats,
            hdop_centi: self.hdop_centi,
            h_acc_mm: self.h_acc_mm,
        };
        Some(Over { claim, conflict: self.conflict })
    }
}

fn is_preferred(kind: u8) -> bool {
    kind == Kind::Gga as u8 || kind == Kind::Gns as u8
}

#[derive(Debug)]
pub(super) struct Assembler {
    epoch: Epoch,
    /// What was last in the epoch before, and whether it was so twice.
    candidate: Option<Place>,
    learnt: bool,
}

impl Assembler {
    pub(super) const fn new() -> Self {
        Self { epoch: Epoch::EMPTY, candidate: None, learnt: false }
    }

    /// Takes a sentence; what is over comes back, the older first.
    pub(super) fn push(&mut self, report: &Report) -> [Option<Over>; 2] {
        let mut over = [None; 2];
        if self.epoch.is_before(report) {
            over[0] = self.flush();
            self.epoch = Epoch::EMPTY;
        }
        // A velocity that nobody needs says nothing on where the cycle ends: it may be the first of the next.
        if report.kind == Kind::Vtg && self.epoch.timed_speed {
            return over;
        }
        if self.epoch.done {
            // The cycle is longer than learnt.
            self.candidate = None;
            self.learnt = false;
            return over;
        }
        self.epoch.merge(report);
        if self.learnt && self.epoch.last == self.candidate {
            over[1] = self.epoch.over();
            self.epoch.done = over[1].is_some();
        }
        over
    }

    /// The line is silent: what there is of the epoch is all of it. Teaches nothing on the cycle.
    pub(super) fn idle(&mut self) -> Option<Over> {
        let over = if self.epoch.done { None } else { self.epoch.over() };
        self.epoch = Epoch::EMPTY;
        over
    }

    fn flush(&mut self) -> Option<Over> {
        if self.epoch.done {
            return None;
        }
        self.learnt = self.candidate.is_some() && self.candidate == self.epoch.last;
        self.candidate = self.epoch.last;
        self.epoch.over()
    }
}
