//! Modem lines: `+QENG` (Quectel, all variants of the serving cell), `+CESQ`, `+CSQ`, `+COPS` and the registrations.

use super::cesq::{self, Cesq};
use super::fields::{self, number};
use super::operator::{self, Cops, Network, Operator};
use super::registration::{self, Domain, Registration};
use super::{mapping, qeng};
use crate::profile::MobileProfile;

pub use super::fields::Unparseable;
pub use super::qeng::{Cell, Rat, State};

/// What a line said.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// `+QENG: "servingcell",state` with the cell where the line holds one.
    Serving(State, Option<Cell>),
    /// A continuation line of a non-standalone report: the LTE anchor or the NR cell.
    Part(Cell),
    /// `+CSQ`: RSSI in dBm.
    Csq(Option<f64>),
    /// `+CESQ`: levels as indices.
    Cesq(Cesq),
    /// `+CREG`, `+CGREG`, `+CEREG` or `+C5GREG`.
    Registration(Registration),
    /// `+COPS`: the operator in use.
    Operator(Operator),
    /// `+COPS`: networks that a search found, at most 32.
    Networks(Vec<Network>),
}

/// Reads a line. `Ok(None)`: it says nothing about the radio (an echo, a final result, a neighbour cell).
///
/// # Errors
/// A radio line that does not follow any known variant, or a line about something else.
pub fn parse(line: &str, profile: &MobileProfile) -> Result<Option<Report>, Unparseable> {
    let line = line.trim();
    if is_quiet(line) {
        return Ok(None);
    }
    if line.starts_with('(') {
        // A list of networks that the modem broke over two lines.
        let networks = operator::networks(line);
        return if networks.is_empty() { Err(Unparseable::Unknown) } else { Ok(Some(Report::Networks(networks))) };
    }
    let Some((head, rest)) = line.split_once(':') else { return Err(Unparseable::Unknown) };
    let registration = |domain| registration::read(domain, rest).map(|read| Some(Report::Registration(read)));
    match head.trim() {
        "+QENG" => qeng::read(&fields::split_bare(rest), profile),
        "+CSQ" => csq(&fields::split_bare(rest), profile).map(Some),
        "+CESQ" => cesq::read(&fields::split_bare(rest)).map(|levels| Some(Report::Cesq(levels))),
        "+CREG" => registration(Domain::Circuit),
        "+CGREG" => registration(Domain::Packet),
        "+CEREG" => registration(Domain::Eps),
        "+C5GREG" => registration(Domain::FiveG),
        "+COPS" => operator::read(rest).map(|read| {
            Some(match read {
                Cops::InUse(operator) => Report::Operator(operator),
                Cops::Networks(networks) => Report::Networks(networks),
            })
        }),
        _ => Err(Unparseable::Unknown),
    }
}

/// Nothing, an echo, or the end of an answer (V.250 §5.7, TS 27.007 §9).
fn is_quiet(line: &str) -> bool {
    let echo = line.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("AT"));
    let error = line.starts_with("+CME ERROR:") || line.starts_with("+CMS ERROR:");
    line.is_empty() || echo || error || matches!(line, "OK" | "ERROR")
}

fn csq(fields: &[&str], profile: &MobileProfile) -> Result<Report, Unparseable> {
    let n = number(fields, 0)?.ok_or(Unparseable::Broken)?;
    number(fields, 1)?;
    if !((0..=31).contains(&n) || (99..=199).contains(&n)) {
        return Err(Unparseable::Broken);
    }
    Ok(Report::Csq(mapping::csq_rssi_dbm(n).map(|dbm| dbm + profile.cabin_offset_db)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{SinrUnit, VehicleProfile};

    fn read(line: &str) -> Result<Option<Report>, Unparseable> {
        parse(line, &VehicleProfile::default().mobile)
    }

    fn cell_of(line: &str) -> Cell {
        match read(line).unwrap().unwrap() {
            Report::Serving(_, Some(cell)) | Report::Part(cell) => cell,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn golden_m2_lte() {
        let line = r#"+QENG: "servingcell","NOCONN","LTE","FDD",214,01,7676A09,188,6300,20,3,3,603,-104,-9,-78,11,23"#;
        let cell = cell_of(line);
        assert_eq!(cell.rat, Rat::Lte);
        assert_eq!(cell.operator_mccmnc, Some(21_401));
        assert_eq!(cell.cell_id, Some(0x0767_6A09));
        assert_eq!((cell.pci, cell.arfcn, cell.band), (Some(188), Some(6300), Some(20)));
        assert_eq!((cell.rsrp_dbm, cell.rsrq_db), (Some(-104.0), Some(-9.0)));
        assert_eq!((cell.rssi_dbm, cell.sinr_db), (Some(-78.0), Some(11.0)));
        assert_eq!((cell.dl_bandwidth_mhz, cell.area), (Some(10.0), Some(0x603)));
    }

    #[test]
    fn golden_m2_standalone() {
        let line =
            r#"+QENG: "servingcell","NOCONN","NR5G-SA","TDD",240,68,FAD5383F2,310,64,634080,78,12,-88,-10,23,1,-"#;
        let cell = cell_of(line);
        assert_eq!((cell.rat, cell.band), (Rat::NrSa, Some(78)));
        assert_eq!((cell.rsrp_dbm, cell.rsrq_db, cell.sinr_db), (Some(-88.0), Some(-10.0), Some(23.0)));
        assert_eq!((cell.cell_id, cell.arfcn), (Some(0xF_AD53_83F2), Some(634_080)));
    }

    #[test]
    fn golden_m2_non_standalone() {
        let anchor = cell_of(r#"+QENG: "LTE","FDD",222,01,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-"#);
        assert_eq!((anchor.rat, anchor.rsrp_dbm, anchor.sinr_db), (Rat::Lte, Some(-99.0), Some(7.0)));
        let nr = cell_of(r#"+QENG: "NR5G-NSA",222,01,920,-96,18,-10,648768,78,10,1"#);
        assert_eq!((nr.rsrp_dbm, nr.sinr_db, nr.rsrq_db), (Some(-96.0), Some(18.0), Some(-10.0)));
        assert_eq!((nr.rat, nr.pci, nr.arfcn), (Rat::NrNsa, Some(920), Some(648_768)));
        let empty = cell_of(r#"+QENG:"NR5G-NSA",460,11,562,-32768,-32768,-32768"#);
        assert_eq!((empty.pci, empty.rsrp_dbm, empty.sinr_db, empty.rsrq_db), (Some(562), None, None, None));
    }

    #[test]
    fn the_unit_of_sinr_belongs_to_the_modem() {
        let with = |raw: i64, unit: SinrUnit| {
            let profile = MobileProfile { lte_sinr: unit, ..VehicleProfile::default().mobile };
            let line = format!(r#"+QENG: "servingcell","NOCONN","LTE","FDD",208,01,A,1,2,3,4,4,B,-90,-9,-60,{raw}"#);
            match parse(&line, &profile) {
                Ok(Some(Report::Serving(_, Some(cell)))) => cell.sinr_db,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            (with(11, SinrUnit::Db), with(11, SinrUnit::Auto), with(11, SinrUnit::Fifth)),
            (Some(11.0), Some(11.0), Some(-17.8))
        );
        // 40 is the most that dB can be; above, it must be the raw number, unless the profile knows better.
        assert_eq!((with(40, SinrUnit::Auto), with(41, SinrUnit::Auto)), (Some(40.0), Some(-11.8)));
        assert_eq!((with(250, SinrUnit::Auto), with(-20, SinrUnit::Auto)), (Some(30.0), Some(-20.0)));
    }

    #[test]
    fn spaces_absent_values_and_units() {
        let line = r#"+QENG: "servingcell","CONNECT","LTE","TDD", 202,01, 1A,1,38000,38,5,5,1,-,-,-,175"#;
        let cell = cell_of(line);
        assert_eq!((cell.operator_mccmnc, cell.rsrp_dbm, cell.sinr_db), (Some(20_201), None, Some(15.0)));
        assert_eq!(cell_of(r#"+QENG: "LTE","FDD",208,1,A,1,2,3,4,4,B,-90"#).operator_mccmnc, Some(20_801));
        assert_eq!(cell_of(r#"+QENG: "LTE","FDD",310,410,A,1,2,3,4,4,B,-90"#).operator_mccmnc, Some(310_410));
    }

    #[test]
    fn states_and_old_technologies() {
        assert_eq!(read(r#"+QENG: "servingcell","SEARCH""#), Ok(Some(Report::Serving(State::Search, None))));
        assert_eq!(read(r#"+QENG: "servingcell","NOCONN""#), Ok(Some(Report::Serving(State::Idle, None))));
        let umts = cell_of(r#"+QENG: "servingcell","LIMSRV","WCDMA",208,20,7D1,C8A3F1,10737,303,96,-82,-3,-,-,-,-,-"#);
        assert_eq!((umts.rat, umts.rsrp_dbm, umts.arfcn), (Rat::Umts, None, Some(10_737)));
        let gsm =
            cell_of(r#"+QENG: "servingcell","NOCONN","GSM",208,10,1C1,A2B,33,65,0,-73,0,32,32,0,0,0,0,-,-,-,-,-"#);
        assert_eq!((gsm.rat, gsm.arfcn), (Rat::Gsm, Some(65)));
    }

    #[test]
    fn levels_by_index() {
        assert_eq!(read("+CSQ: 17,99"), Ok(Some(Report::Csq(Some(-79.0)))));
        assert_eq!(read("+CSQ: 99,99"), Ok(Some(Report::Csq(None))));
        let Ok(Some(Report::Cesq(lte))) = read("+CESQ: 99,99,255,255,20,80") else { panic!() };
        assert_eq!((lte.rsrq, lte.rsrp, lte.rxlev, lte.ss_rsrp), (Some(20), Some(80), None, None));
        let Ok(Some(Report::Cesq(nr))) = read("+CESQ: 99,99,255,255,255,255,66,55,71") else { panic!() };
        assert_eq!((nr.ss_rsrq, nr.ss_rsrp, nr.ss_sinr, nr.rsrp), (Some(66), Some(55), Some(71), None));
    }

    #[test]
    fn what_is_no_radio_line_and_what_is_a_broken_one() {
        for quiet in ["", "OK", "AT+QENG=\"servingcell\"", "+CME ERROR: 30", "+QENG: \"neighbourcell intra\",\"LTE\",1"]
        {
            assert_eq!(read(quiet), Ok(None), "{quiet}");
        }
        for broken in [
            "+QENG:",
            "+QENG: \"servingcell\"",
            "+QENG: \"servingcell\",\"WHAT\"",
            "+QENG: \"servingcell\",\"NOCONN\",\"LTE\",\"FDD\",214,01",
            "+QENG: \"LTE\",\"FDD\",208,01,XYZ,1,2,3,4,4,B,-90",
            "+QENG: \"LTE\",\"FDD\",208,01,A,1,2,3,4,4,B,NaN",
            "+CSQ: 17.5",
            "+CSQ: 44,99",
            "+CESQ: 1,2",
            "+CESQ: 99,99,255,255,20,-80",
            "+CREG: home",
            "+COPS:",
        ] {
            assert_eq!(read(broken), Err(Unparseable::Broken), "{broken}");
        }
        for other in ["RDY", "+CGDCONT: 1,\"IP\"", "+QIND: SMS DONE", "(1-3)", "garbage"] {
            assert_eq!(read(other), Err(Unparseable::Unknown), "{other}");
        }
    }
}
