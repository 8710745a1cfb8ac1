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
mod qeng;
mod registration;

use tournee_payload::Sample;

use crate::profile::MobileProfile;
use dialog::Event;
use parse::{Report, State, Unparseable};
use poll::Poll;

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
        let poll = self.poll.as_ref()?;
        (now_us >= poll.tick_us.saturating_add(POLL_US)).then(|| self.close()).flatten()
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
        Some((poll.tick_us, poll.row()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::VehicleProfile;
    use crate::{flags, ids};

    fn rows(lines: &[(i64, &str)]) -> Vec<Sample> {
        let mut stage = MobileStage::new(VehicleProfile::default().mobile);
        let mut rows: Vec<Sample> =
            lines.iter().filter_map(|(ms, line)| stage.line(ms * 1000, line)).map(|row| row.1).collect();
        rows.extend(stage.close().map(|row| row.1));
        rows
    }

    const NSA: [(i64, &str); 3] = [
        (0, r#"+QENG: "servingcell","NOCONN""#),
        (10, r#"+QENG: "LTE","FDD",222,01,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-"#),
        (20, r#"+QENG: "NR5G-NSA",222,01,920,-96,18,-10,648768,78,10,1"#),
    ];

    #[test]
    fn three_lines_are_one_row() {
        let [row] = &rows(&NSA)[..] else { panic!() };
        assert_eq!(row.get(ids::mobile::RAT), Some(6));
        assert_eq!(row.get(ids::mobile::OPERATOR), Some(22_201));
        assert_eq!(row.get(ids::mobile::RSRP), Some(-960));
        assert_eq!(row.get(ids::mobile::SINR), Some(180));
        assert_eq!(row.get(ids::mobile::RSRQ), Some(-100));
        assert_eq!(row.get(ids::mobile::CELL_ID), Some(0x0328_261F));
        assert_eq!(row.get(ids::mobile::REGISTERED), Some(1));
    }

    #[test]
    fn an_nr_cell_without_values_leaves_its_anchor() {
        let mut lines = NSA;
        lines[2].1 = r#"+QENG:"NR5G-NSA",222,01,562,-32768,-32768,-32768"#;
        let [row] = &rows(&lines)[..] else { panic!() };
        assert_eq!((row.get(ids::mobile::RAT), row.get(ids::mobile::RSRP)), (Some(4), Some(-990)));
        assert_eq!(row.get(ids::FLAGS), Some(i64::from(flags::MOBILE_NR_WITHOUT_VALUES)));
    }

    #[test]
    fn no_service_is_a_row() {
        let [row] = &rows(&[(0, r#"+QENG: "servingcell","SEARCH""#)])[..] else { panic!() };
        assert_eq!((row.get(ids::mobile::REGISTERED), row.get(ids::mobile::RAT)), (Some(0), Some(0)));
        assert_eq!(row.get(ids::mobile::RSRP), None);
        assert_eq!(row.get(ids::FLAGS), Some(i64::from(flags::MOBILE_NO_SERVICE)));
    }

    #[test]
    fn at_most_one_row_a_second_and_the_rest_counted() {
        let mut stage = MobileStage::new(VehicleProfile::default().mobile);
        let line = r#"+QENG: "servingcell","NOCONN","LTE","FDD",208,01,7676A09,188,6300,20,3,3,603,-104,-9,-78,11,23"#;
        let mut rows = 0;
        for poll in 0..20 {
            rows += usize::from(stage.line(poll * 500_000, line).is_some());
        }
        rows += usize::from(stage.close().is_some());
        assert_eq!((rows, stage.thinned()), (10, 10));
        assert_eq!(stage.line(0, "+QENG: nonsense"), None);
        assert_eq!(stage.unparseable(), 1);
    }

    #[test]
    fn levels_without_a_cell() {
        let [row] = &rows(&[(0, "+CSQ: 17,99"), (5, "+CESQ: 99,99,255,255,20,80")])[..] else { panic!() };
        assert_eq!((row.get(ids::mobile::RSSI), row.get(ids::mobile::RSRP)), (Some(-790), Some(-605)));
        assert_eq!((row.get(ids::mobile::RAT), row.get(ids::mobile::REGISTERED)), (Some(4), None));
    }

    #[test]
    fn a_modem_without_a_serving_cell_command() {
        let poll = |ms: i64| {
            [
                (ms, "+CESQ: 99,99,255,255,20,40"),
                (ms + 10, "+CSQ: 17,99"),
                (ms + 20, "+CEREG: 2,1,\"0603\",\"07676A09\",7"),
            ]
        };
        let mut lines = poll(0).to_vec();
        lines.push((30, "+COPS: 0,2,\"20815\",7"));
        lines.extend(poll(1000));
        // By itself, in the middle of a poll: it says what is now.
        lines.push((1025, "+CEREG: 2"));
        lines.push((2000, "+CEREG: 2,2"));
        lines.push((3000, "+CEREG: 2,5,\"0604\",\"07676A10\",7"));
        let rows = rows(&lines);
        let of = |id: u16| rows.iter().map(|row| row.get(id)).collect::<Vec<_>>();
        assert_eq!(of(ids::mobile::REGISTERED), [Some(1), Some(0), Some(0), Some(1)]);
        assert_eq!(of(ids::mobile::RAT), [Some(4), Some(4), Some(0), Some(4)]);
        assert_eq!(of(ids::mobile::RSRP), [Some(-1005), Some(-1005), None, None]);
        assert_eq!(of(ids::mobile::RSSI), [Some(-790), Some(-790), None, None]);
        // The operator of before says nothing about the one after.
        assert_eq!(of(ids::mobile::OPERATOR), [Some(20_815), None, None, None]);
        assert_eq!(of(ids::mobile::CELL_ID), [Some(0x0767_6A09), None, None, Some(0x0767_6A10)]);
        let none = i64::from(flags::MOBILE_NO_SERVICE);
        assert_eq!(of(ids::FLAGS), [Some(0), Some(none), Some(none), Some(0)]);
    }

    #[test]
    fn lines_that_come_by_themselves_make_no_row() {
        assert!(rows(&[(0, "+CEREG: 1"), (10, "+COPS: 0,2,\"20801\",7"), (20, "+CREG: 5,\"1\",\"2\"")]).is_empty());
    }

    #[test]
    fn a_registration_that_comes_by_itself_before_its_answer_does_not_end_the_poll() {
        let lines = [(0, "+CESQ: 99,99,255,255,20,40"), (5, "+CEREG: 2"), (10, "+CEREG: 2,1"), (15, "+CSQ: 17,99")];
        let [row] = &rows(&lines)[..] else { panic!() };
        assert_eq!((row.get(ids::mobile::REGISTERED), row.get(ids::mobile::RSSI)), (Some(1), Some(-790)));
    }

    #[test]
    fn the_cabin_offset_is_added_to_every_power_once() {
        let mut profile = VehicleProfile::default().mobile;
        profile.cabin_offset_db = 8.0;
        let mut stage = MobileStage::new(profile);
        stage.line(0, "+CESQ: 99,99,255,255,20,40");
        stage.line(1, "+CSQ: 17,99");
        let row = stage.close().map(|row| row.1).unwrap();
        assert_eq!((row.get(ids::mobile::RSRP), row.get(ids::mobile::RSRQ)), (Some(-925), Some(-98)));
        assert_eq!(row.get(ids::mobile::RSSI), Some(-710));
    }

    #[test]
    fn what_was_not_understood_is_kept() {
        let mut stage = MobileStage::new(VehicleProfile::default().mobile);
        for line in ["+CPIN: READY", "+QENG: what", "OK", "+CPIN: READY", ""] {
            assert_eq!(stage.line(0, line), None);
        }
        assert_eq!((stage.unparseable(), stage.unknown()), (1, 2));
        assert_eq!(stage.kept().last().collect::<Vec<_>>(), ["+CPIN: READY", "+QENG: what"]);
        stage.event(5, Event::NoService);
        let row = stage.close().map(|row| row.1).unwrap();
        assert_eq!((row.get(ids::mobile::REGISTERED), row.get(ids::mobile::RAT)), (Some(0), Some(0)));
    }
}
