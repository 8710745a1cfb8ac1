//! The answers of one poll, and the row they make.

use tournee_payload::{Sample, Stream};

use super::cesq::Cesq;
use super::parse::{Cell, Rat, Report, State};
use super::registration::{Domain, Registration};
use crate::{flags, ids};

#[derive(Clone, Debug, Default)]
pub(super) struct Poll {
    pub(super) tick_us: i64,
    pub(super) state: Option<State>,
    pub(super) lte: Option<Cell>,
    pub(super) nr: Option<Cell>,
    pub(super) other: Option<Cell>,
    pub(super) csq: Option<Option<f64>>,
    pub(super) cesq: Option<Cesq>,
    pub(super) registrations: [Option<Registration>; 4],
    /// Which registrations were asked for and answered.
    pub(super) answered: [bool; 4],
    pub(super) operator_mccmnc: Option<i64>,
    pub(super) cabin_offset_db: f64,
}

impl Poll {
    pub(super) fn take(&mut self, report: Report) {
        match report {
            Report::Serving(state, cell) => {
                self.state = Some(state);
                if let Some(cell) = cell {
                    self.put(cell);
                }
            }
            Report::Part(cell) => self.put(cell),
            Report::Csq(dbm) => self.csq = Some(dbm),
            Report::Cesq(levels) => self.cesq = Some(levels),
            Report::Registration(registration) => {
                let at = registration.domain as usize;
                if let (Some(slot), Some(answered)) = (self.registrations.get_mut(at), self.answered.get_mut(at)) {
                    *slot = Some(registration);
                    *answered |= registration.mode.is_some();
                }
            }
            Report::Operator(_) | Report::Networks(_) => {}
        }
    }

    fn put(&mut self, cell: Cell) {
        match cell.rat {
            Rat::Lte => self.lte = Some(cell),
            Rat::NrSa | Rat::NrNsa => self.nr = Some(cell),
            Rat::Gsm | Rat::Umts => self.other = Some(cell),
        }
    }

    /// The registration that counts: one that says yes, the newest technology first; else any answer.
    fn registration(&self) -> Option<&Registration> {
        let newest_first = || self.registrations.iter().rev().flatten();
        newest_first().find(|one| one.status.is_registered()).or_else(|| newest_first().next())
    }

    /// Whether the modem said that no network serves it. The state of the serving cell goes before a registration.
    pub(super) fn without_service(&self) -> bool {
        match self.state {
            Some(state) => matches!(state, State::Search | State::Limited),
            None => self.registration().is_some_and(|one| !one.status.is_registered()),
        }
    }

    pub(super) fn row(&self) -> Sample {
        let mut sample = Sample::new(Stream::Mobile);
        let mut bits = 0;
        // A cell with levels goes before one without; the NR cell of a non-standalone pair before its anchor.
        let with_levels = self.nr.filter(|cell| cell.rat == Rat::NrSa || cell.rsrp_dbm.is_some() || self.lte.is_none());
        if self.nr.is_some() && with_levels.is_none() {
            bits |= flags::MOBILE_NR_WITHOUT_VALUES;
        }
        let serving = with_levels.or(self.lte).or(self.other);
        // Where the anchor is itself what the row tells of, it is not told twice.
        let anchor = self.lte.filter(|_| with_levels.is_some_and(|cell| cell.rat == Rat::NrNsa));
        let without_service = self.without_service();
        if without_service {
            bits |= flags::MOBILE_NO_SERVICE;
        }
        let registered = if self.state.is_some() || self.registration().is_some() {
            Some(i64::from(!without_service))
        } else {
            // Only levels were asked for: a level does not say whether the modem is registered.
            serving.map(|_| 1)
        };
        sample.set(ids::mobile::REGISTERED, registered);
        match &serving {
            Some(cell) => self.put_cell(cell, &mut sample),
            None if self.state == Some(State::Search) => sample.set(ids::mobile::RAT, Some(0)),
            None => self.put_levels(&mut sample),
        }
        if let Some(anchor) = &anchor {
            Self::put_anchor(anchor, &mut sample);
        }
        if sample.get(ids::mobile::OPERATOR).is_none() && !without_service {
            sample.set(ids::mobile::OPERATOR, self.operator_mccmnc);
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
        sample.set(ids::mobile::BAND, cell.band);
        // Nor has it a tracking area. The area of 2G and 3G is a location area, another thing.
        let area = match cell.rat {
            Rat::Lte | Rat::NrSa => cell.area,
            Rat::NrNsa => self.lte.and_then(|anchor| anchor.area),
            Rat::Gsm | Rat::Umts => None,
        };
        sample.set(ids::mobile::TAC, area.filter(|tac| is_tracking_area(*tac, cell.rat)));
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

    fn put_anchor(anchor: &Cell, sample: &mut Sample) {
        sample.set(ids::mobile::ANCHOR_PCI, anchor.pci);
        sample.set(ids::mobile::ANCHOR_ARFCN, anchor.arfcn);
        let levels = [
            (ids::mobile::ANCHOR_RSRP, anchor.rsrp_dbm),
            (ids::mobile::ANCHOR_RSRQ, anchor.rsrq_db),
            (ids::mobile::ANCHOR_SINR, anchor.sinr_db),
        ];
        for (id, level) in levels {
            if let Some(level) = level {
                sample.set_scaled(id, level);
            }
        }
    }

    /// A modem that names no cell: levels by index, technology and cell of the registration.
    fn put_levels(&self, sample: &mut Sample) {
        let levels = self.cesq.as_ref().map(Cesq::levels).unwrap_or_default();
        let registration = self.registration().filter(|one| one.status.is_registered());
        let rat = levels.rat.or_else(|| registration.and_then(Registration::rat));
        let none = self.without_service().then_some(0);
        sample.set(ids::mobile::RAT, rat.map(|rat| rat as i64).or(none));
        sample.set(ids::mobile::CELL_ID, registration.and_then(|one| one.cell_id));
        let tac = registration.and_then(|one| match one.domain {
            Domain::Eps => one.area.filter(|tac| is_tracking_area(*tac, Rat::Lte)),
            Domain::FiveG => one.area.filter(|tac| is_tracking_area(*tac, Rat::NrSa)),
            Domain::Circuit | Domain::Packet => None,
        });
        sample.set(ids::mobile::TAC, tac);
        let offset = self.cabin_offset_db;
        let values = [
            (ids::mobile::RSRP, levels.rsrp_dbm.map(|dbm| dbm + offset)),
            (ids::mobile::RSRQ, levels.rsrq_db),
            (ids::mobile::SINR, levels.sinr_db),
            (ids::mobile::RSSI, levels.rssi_dbm.map(|dbm| dbm + offset)),
            (ids::mobile::ANCHOR_RSRP, levels.anchor_rsrp_dbm.map(|dbm| dbm + offset)),
            (ids::mobile::ANCHOR_RSRQ, levels.anchor_rsrq_db),
        ];
        for (id, level) in values {
            if let Some(level) = level {
                sample.set_scaled(id, level);
            }
        }
    }
}

/// Whether an area code names one: 16 bits on LTE, 24 on NR; all zeros, and the last but one, are reserved for "no valid
/// area". 3GPP TS 23.003 §19.4.2.3 and §28.6.
fn is_tracking_area(tac: i64, rat: Rat) -> bool {
    let reserved = if rat == Rat::NrSa { 0xFF_FFFE } else { 0xFFFE };
    (1..=reserved + 1).contains(&tac) && tac != reserved
}
