//! One mobile row per poll of the modem, at most one a second. Around it: reading the modem's lines (`parse`), asking it
//! (`dialog`) and probing what the network is worth (`probe`).

mod cesq;
pub mod dialog;
mod fields;
mod lines;
pub mod mapping;
mod operator;
pub mod parse;
mod poll;
pub mod probe;
mod probed;
mod qeng;
mod registration;

use tournee_payload::Sample;

use crate::ids;
use crate::profile::MobileProfile;
use dialog::Event;
use parse::{Report, State, Unparseable};
use poll::Poll;
use probe::ProbeResult;
use probed::Probed;

pub use cesq::{Cesq, Levels};
pub use lines::{KeptLines, LINE_BYTES_MAX, LineSplitter};
pub use operator::{Network, Operator};
pub use registration::{Domain, Registration, Status, rat_of_act};

/// Lines of one poll follow each other within this time.
const POLL_US: i64 = 1_000_000;
/// Shortest distance of two rows; a little under a second, because polls jitter.
const ROW_MIN_US: i64 = 900_000;
/// The operator is asked for more rarely than the levels; its answer holds for this long.
const OPERATOR_HOLD_US: i64 = 60_000_000;

/// What a row says of the registration holds for this long.
const REGISTERED_HOLD_US: i64 = 10_000_000;

/// Collects modem lines into rows.
#[derive(Debug)]
pub struct MobileStage {
    profile: MobileProfile,
    poll: Option<Poll>,
    last_row_us: Option<i64>,
    operator: Option<(i64, i64)>,
    unparseable: u64,
    unknown: u64,
    kept: KeptLines,
    thinned: u64,
    /// What the last row said of the registration, and its tick.
    registered: Option<(i64, bool)>,
    probed: Probed,
}

impl MobileStage {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(profile: MobileProfile) -> Self {
        Self {
            profile,
            poll: None,
            last_row_us: None,
            operator: None,
            unparseable: 0,
            unknown: 0,
            kept: KeptLines::default(),
            thinned: 0,
            registered: None,
            probed: Probed::default(),
        }
    }

    /// Radio lines that were not understood.
    #[must_use]
    pub fn unparseable(&self) -> u64 {
        self.unparseable
    }

    /// Lines about something else.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// The last lines of both kinds.
    #[must_use]
    pub fn kept(&self) -> &KeptLines {
        &self.kept
    }

    /// Polls that came faster than one a second and were left out.
    #[must_use]
    pub fn thinned(&self) -> u64 {
        self.thinned
    }

    /// Whether the modem is registered, by the last row of the ten seconds before `now_us`; nothing where there is none, or
    /// it did not say.
    #[must_use]
    pub fn registered(&self, now_us: i64) -> Option<bool> {
        self.registered.filter(|(at_us, _)| now_us.saturating_sub(*at_us) <= REGISTERED_HOLD_US).map(|(_, is)| is)
    }

    /// Takes the result of a service probe that ended at `tick_us`: the next row of a poll carries it, or a row of its own
    /// where none comes within five seconds. Returns the row of the result before where that still waited.
    pub fn probe(&mut self, tick_us: i64, result: &ProbeResult) -> Option<(i64, Sample)> {
        self.probed.take(tick_us, result)
    }

    /// Takes a line. Returns the row of the previous poll when this line starts another.
    pub fn line(&mut self, tick_us: i64, text: &str) -> Option<(i64, Sample)> {
        match parse::parse(text, &self.profile) {
            Ok(Some(report)) => return self.report(tick_us, report),
            Ok(None) => return None,
            Err(Unparseable::Broken) => self.unparseable += 1,
            Err(Unparseable::Unknown) => self.unknown += 1,
        }
        self.kept.keep(text);
        None
    }

    /// Takes what a dialog found out. A round of it is a poll, so its end gives the row.
    pub fn event(&mut self, tick_us: i64, event: Event) -> Option<(i64, Sample)> {
        match event {
            Event::Report(report) => self.report(tick_us, report),
            // The modem's word for it: as if it had said that it searches.
            Event::NoService => self.report(tick_us, Report::Serving(State::Search, None)),
            Event::Round { .. } => self.close(),
            // What was asked before is of no worth any more.
            Event::Silent | Event::NoSim | Event::Restarted => {
                self.poll = None;
                self.operator = None;
                self.registered = None;
                None
            }
        }
    }

    /// Takes what a line said. Returns the row of the previous poll when this report starts another.
    pub fn report(&mut self, tick_us: i64, report: Report) -> Option<(i64, Sample)> {
        if let Report::Operator(operator) = &report {
            self.operator = operator.operator_mccmnc.map(|mccmnc| (tick_us, mccmnc));
        }
        let starts = match (&self.poll, &report) {
            // What comes by itself or rarely joins a poll, but is none.
            (_, Report::Operator(_) | Report::Networks(_)) => false,
            (_, Report::Registration(registration)) if registration.mode.is_none() => false,
            (None, _) => true,
            (Some(poll), Report::Serving(..)) => poll.state.is_some(),
            (Some(poll), Report::Csq(_)) => poll.csq.is_some(),
            (Some(poll), Report::Cesq(_)) => poll.cesq.is_some(),
            (Some(poll), Report::Registration(registration)) => {
                poll.answered.get(registration.domain as usize).copied().unwrap_or(false)
            }
            (Some(_), Report::Part(_)) => false,
        };
        let row = if starts { self.close() } else { None };
        if starts {
            self.poll = Some(Poll { tick_us, cabin_offset_db: self.profile.cabin_offset_db, ..Poll::default() });
        }
        if let Some(poll) = &mut self.poll {
            poll.take(report);
        }
        row
    }

    /// The open row once its poll must be over.
    pub fn at(&mut self, now_us: i64) -> Option<(i64, Sample)> {
        let over = self.poll.as_ref().is_some_and(|poll| now_us >= poll.tick_us.saturating_add(POLL_US));
        let row = if over { self.close() } else { None };
        row.or_else(|| self.probed.alone(now_us))
    }

    /// The row of a probe that no poll has carried, at the end of everything.
    pub fn close_probe(&mut self) -> Option<(i64, Sample)> {
        self.probed.alone(i64::MAX)
    }

    /// The open row, whatever the time.
    pub fn close(&mut self) -> Option<(i64, Sample)> {
        let mut poll = self.poll.take()?;
        if self.last_row_us.is_some_and(|last| (last..last.saturating_add(ROW_MIN_US)).contains(&poll.tick_us)) {
            self.thinned += 1;
            return None;
        }
        self.last_row_us = Some(poll.tick_us);
        if poll.without_service() {
            self.operator = None;
        }
        let recent = |at_us: i64| at_us >= poll.tick_us.saturating_sub(OPERATOR_HOLD_US);
        poll.operator_mccmnc = self.operator.filter(|(at_us, _)| recent(*at_us)).map(|(_, mccmnc)| mccmnc);
        let mut row = poll.row();
        self.registered = row.get(ids::mobile::REGISTERED).map(|is| (poll.tick_us, is == 1));
        self.probed.join(&mut row);
        Some((poll.tick_us, row))
    }
}

#[cfg(test)]
mod tests;
