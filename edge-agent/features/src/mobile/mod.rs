//! One mobile row per poll of the modem, at most one a second.

pub mod mapping;
pub mod parse;

use tournee_payload::{Sample, Stream};

use crate::profile::MobileProfile;
use crate::{flags, ids};
use parse::{Cell, Rat, Report, State};

/// Lines of one poll follow each other within this time.
const POLL_US: i64 = 1_000_000;
/// Shortest distance of two rows; a little under a second, because polls jitter.
const ROW_MIN_US: i64 = 900_000;

#[derive(Clone, Debug, Default)]
struct Poll {
    tick_us: i64,
    state: Option<State>,
    lte: Option<Cell>,
    nr: Option<Cell>,
    other: Option<Cell>,
    csq: Option<Option<f64>>,
    cesq: Option<Report>,
}

/// Collects modem lines into rows.
#[derive(Debug)]
pub struct MobileStage {
    profile: MobileProfile,
    poll: Option<Poll>,
    last_row_us: Option<i64>,
    unparseable: u64,
    thinned: u64,
}

impl MobileStage {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(profile: MobileProfile) -> Self {
        Self { profile, poll: None, last_row_us: None, unparseable: 0, thinned: 0 }
    }

    /// Radio lines that were not understood.
    #[must_use]
    pub fn unparseable(&self) -> u64 {
        self.unparseable
    }

    /// Polls that came faster than one a second and were left out.
    #[must_use]
    pub fn thinned(&self) -> u64 {
        self.thinned
    }

    /// Takes a line. Returns the row of the previous poll when this line starts another.
    pub fn line(&mut self, tick_us: i64, text: &str) -> Option<(i64, Sample)> {
        let report = match parse::parse(text, &self.profile) {
            Ok(Some(report)) => report,
            Ok(None) => return None,
            Err(_) => {
                self.unparseable += 1;
                return None;
            }
        };
        let starts = match (&self.poll, &report) {
            (None, _) => true,
            (Some(poll), Report::Serving(..)) => poll.state.is_some(),
            (Some(poll), Report::Csq(_)) => poll.csq.is_some(),
            (Some(poll), Report::Cesq { .. }) => poll.cesq.is_some(),
            (Some(_), Report::Part(_)) => false,
        };
        let row = if starts { self.close() } else { None };
        let poll = self.poll.get_or_insert_with(|| Poll { tick_us, ..Poll::default() });
        match report {
            Report::Serving(state, cell) => {
                poll.state = Some(state);
                if let Some(cell) = cell {
                    poll.put(cell);
                }
            }
            Report::Part(cell) => poll.put(cell),
            Report::Csq(dbm) => poll.csq = Some(dbm),
            cesq @ Report::Cesq { .. } => poll.cesq = Some(cesq),
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
        let poll = self.poll.take()?;
        if self.last_row_us.is_some_and(|last| (last..last.saturating_add(ROW_MIN_US)).contains(&poll.tick_us)) {
            self.thinned += 1;
            return None;
        }
        self.last_row_us = Some(poll.tick_us);
        Some((poll.tick_us, poll.row()))
    }
}

impl Poll {
    fn put(&mut self, cell: Cell) {
        match cell.rat {
            Rat::Lte => self.lte = Some(cell),
            Rat::NrSa | Rat::NrNsa => self.nr = Some(cell),
            Rat::Gsm | Rat::Umts => self.other = Some(cell),
        }
    }

    fn row(&self) -> Sample {
        let mut sample = Sample::new(Stream::Mobile);
        let mut bits = 0;
        // A cell with levels goes before one without; the NR cell of a non-standalone pair before its anchor.
        let with_levels = self.nr.filter(|cell| cell.rat == Rat::NrSa || cell.rsrp_dbm.is_some() || self.lte.is_none());
        if self.nr.is_some() && with_levels.is_none() {
            bits |= flags::MOBILE_NR_WITHOUT_VALUES;
        }
        let serving = with_levels.or(self.lte).or(self.other);
        let without_service = matches!(self.state, Some(State::Search | State::Limited));
        if without_service {
            bits |= flags::MOBILE_NO_SERVICE;
        }
        let registered = match self.state {
            Some(_) => Some(i64::from(!without_service)),
            // Only levels were asked for: a level does not say whether the modem is registered.
            None => serving.map(|_| 1),
        };
        sample.set(ids::mobile::REGISTERED, registered);
        match &serving {
            Some(cell) => self.put_cell(cell, &mut sample),
            None if self.state == Some(State::Search) => sample.set(ids::mobile::RAT, Some(0)),
            None => self.put_cesq(&mut sample),
        }
        if sample.get(ids::mobile::RSSI).is_none()
            && let Some(Some(dbm)) = self.csq
        {
            sample.set_scaled(ids::mobile::RSSI, dbm);
        }
        sample.set(ids::FLAGS, Some(i64::from(bits)));
        sample
    }

    fn put_cell(&self, cell: &Cell, sample: &mut Sample) {
        sample.set(ids::mobile::RAT, Some(cell.rat as i64));
        sample.set(ids::mobile::OPERATOR, cell.operator_mccmnc);
        // The NR cell of a non-standalone pair has no identity of its own; its anchor has.
        sample.set(ids::mobile::CELL_ID, cell.cell_id.or(self.lte.and_then(|anchor| anchor.cell_id)));
        sample.set(ids::mobile::PCI, cell.pci);
        sample.set(ids::mobile::ARFCN, cell.arfcn);
        let levels = [
            (ids::mobile::RSRP, cell.rsrp_dbm),
            (ids::mobile::RSRQ, cell.rsrq_db),
            (ids::mobile::SINR, cell.sinr_db),
            (ids::mobile::RSSI, cell.rssi_dbm),
        ];
        for (id, level) in levels {
            if let Some(level) = level {
                sample.set_scaled(id, level);
            }
        }
    }

    fn put_cesq(&self, sample: &mut Sample) {
        let Some(Report::Cesq { rat, rsrp_dbm, rsrq_db, sinr_db }) = self.cesq else { return };
        sample.set(ids::mobile::RAT, rat.map(|rat| rat as i64));
        for (id, level) in [(ids::mobile::RSRP, rsrp_dbm), (ids::mobile::RSRQ, rsrq_db), (ids::mobile::SINR, sinr_db)] {
            if let Some(level) = level {
                sample.set_scaled(id, level);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::VehicleProfile;

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
}
