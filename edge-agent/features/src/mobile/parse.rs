//! Modem lines: `+QENG` (Quectel, all variants of the serving cell), `+CESQ`, `+CSQ`.

use super::mapping;
use crate::profile::{MobileProfile, SinrUnit};

/// Access technology, as the `rat` field counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rat {
    /// 2G.
    Gsm = 2,
    /// 3G.
    Umts = 3,
    /// 4G.
    Lte = 4,
    /// 5G standalone.
    NrSa = 5,
    /// 5G beside an LTE anchor.
    NrNsa = 6,
}

/// One cell as the modem printed it. Absent values are `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Technology.
    pub rat: Rat,
    /// MCC and MNC as one number.
    pub operator_mccmnc: Option<i64>,
    /// Cell identity.
    pub cell_id: Option<i64>,
    /// Physical cell identity.
    pub pci: Option<i64>,
    /// EARFCN, NR-ARFCN, UARFCN or ARFCN.
    pub arfcn: Option<i64>,
    /// Band number.
    pub band: Option<i64>,
    /// RSRP, dBm.
    pub rsrp_dbm: Option<f64>,
    /// RSRQ, dB.
    pub rsrq_db: Option<f64>,
    /// SINR, dB.
    pub sinr_db: Option<f64>,
    /// RSSI, dBm.
    pub rssi_dbm: Option<f64>,
}

/// What a line said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Report {
    /// `+QENG: "servingcell",state` with the cell where the line holds one.
    Serving(State, Option<Cell>),
    /// A continuation line of a non-standalone report: the LTE anchor or the NR cell.
    Part(Cell),
    /// `+CSQ`: RSSI in dBm.
    Csq(Option<f64>),
    /// `+CESQ`: LTE or NR levels, interval middles.
    Cesq {
        /// Technology of the levels, where there are any.
        rat: Option<Rat>,
        /// dBm.
        rsrp_dbm: Option<f64>,
        /// dB.
        rsrq_db: Option<f64>,
        /// dB, NR only.
        sinr_db: Option<f64>,
    },
}

/// State of the modem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Looking for a network.
    Search,
    /// Camping without registration, emergency calls only.
    Limited,
    /// Registered, idle.
    Idle,
    /// Registered, in a connection.
    Connected,
}

/// A line of a kind that should have been understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("modem line not understood")]
pub struct Unparseable;

/// Reads a line. `Ok(None)`: nothing about the radio (an echo, OK, another command's answer).
///
/// # Errors
/// A radio line that does not follow any known variant.
pub fn parse(line: &str, profile: &MobileProfile) -> Result<Option<Report>, Unparseable> {
    let line = line.trim();
    let Some((head, rest)) = line.split_once(':') else { return Ok(None) };
    let fields: Vec<&str> = rest.split(',').map(|field| field.trim().trim_matches('"').trim()).collect();
    match head.trim() {
        "+QENG" => qeng(&fields, profile),
        "+CSQ" => {
            let n = number(&fields, 0)?.ok_or(Unparseable)?;
            number(&fields, 1)?;
            if !((0..=31).contains(&n) || (99..=199).contains(&n)) {
                return Err(Unparseable);
            }
            Ok(Some(Report::Csq(mapping::csq_rssi_dbm(n).map(|dbm| dbm + profile.cabin_offset_db))))
        }
        "+CESQ" => cesq(&fields, profile).map(Some),
        _ => Ok(None),
    }
}

fn cesq(fields: &[&str], profile: &MobileProfile) -> Result<Report, Unparseable> {
    if fields.len() < 6 {
        return Err(Unparseable);
    }
    let values = (0..fields.len().min(9)).map(|at| number(fields, at)).collect::<Result<Vec<_>, _>>()?;
    let value = |at: usize| values.get(at).copied().flatten().unwrap_or(255);
    if values.iter().flatten().any(|n| !(0..=255).contains(n)) {
        return Err(Unparseable);
    }
    let offset = profile.cabin_offset_db;
    if let Some(rsrp) = mapping::nr_rsrp_dbm(value(7)) {
        return Ok(Report::Cesq {
            rat: Some(Rat::NrSa),
            rsrp_dbm: Some(rsrp + offset),
            rsrq_db: mapping::nr_rsrq_db(value(6)),
            sinr_db: mapping::nr_sinr_db(value(8)),
        });
    }
    let rsrp_dbm = mapping::lte_rsrp_dbm(value(5)).map(|dbm| dbm + offset);
    let rsrq_db = mapping::lte_rsrq_db(value(4));
    let rat = (rsrp_dbm.is_some() || rsrq_db.is_some()).then_some(Rat::Lte);
    Ok(Report::Cesq { rat, rsrp_dbm, rsrq_db, sinr_db: None })
}

fn qeng(fields: &[&str], profile: &MobileProfile) -> Result<Option<Report>, Unparseable> {
    let first = *fields.first().ok_or(Unparseable)?;
    if first.starts_with("neighbourcell") {
        return Ok(None);
    }
    if first != "servingcell" {
        return cell(first, fields.get(1..).unwrap_or(&[]), profile).map(|cell| Some(Report::Part(cell)));
    }
    let state = match *fields.get(1).ok_or(Unparseable)? {
        "SEARCH" => State::Search,
        "LIMSRV" => State::Limited,
        "NOCONN" => State::Idle,
        "CONNECT" => State::Connected,
        _ => return Err(Unparseable),
    };
    let cell = match fields.get(2) {
        Some(rat) => Some(cell(rat, fields.get(3..).unwrap_or(&[]), profile)?),
        None => None,
    };
    Ok(Some(Report::Serving(state, cell)))
}

/// The values after the name of the technology. Positions: Quectel AT manuals as seen in real transcripts; the number
/// of fields after the levels varies with the firmware.
fn cell(rat: &str, fields: &[&str], profile: &MobileProfile) -> Result<Cell, Unparseable> {
    let int = |at: usize| number(fields, at);
    let power = |at: usize| level(fields, at).map(|dbm| dbm.map(|dbm| dbm + profile.cabin_offset_db));
    let quality = |at: usize| level(fields, at);
    let enough = |count: usize| if fields.len() < count { Err(Unparseable) } else { Ok(()) };
    let empty = Cell {
        rat: Rat::Lte,
        operator_mccmnc: None,
        cell_id: None,
        pci: None,
        arfcn: None,
        band: None,
        rsrp_dbm: None,
        rsrq_db: None,
        sinr_db: None,
        rssi_dbm: None,
    };
    Ok(match rat {
        // duplex, MCC, MNC, cell, PCI, EARFCN, band, UL, DL, TAC, RSRP, RSRQ, RSSI, SINR
        "LTE" => {
            enough(11)?;
            Cell {
                operator_mccmnc: operator(fields, 1)?,
                cell_id: hex(fields, 3)?,
                pci: int(4)?,
                arfcn: int(5)?,
                band: int(6)?,
                rsrp_dbm: power(10)?,
                rsrq_db: quality(11)?,
                rssi_dbm: power(12)?,
                sinr_db: lte_sinr(int(13)?, profile),
                ..empty
            }
        }
        // duplex, MCC, MNC, cell, PCI, TAC, ARFCN, band, bandwidth, RSRP, RSRQ, SINR
        "NR5G-SA" => {
            enough(10)?;
            Cell {
                rat: Rat::NrSa,
                operator_mccmnc: operator(fields, 1)?,
                cell_id: hex(fields, 3)?,
                pci: int(4)?,
                arfcn: int(6)?,
                band: int(7)?,
                rsrp_dbm: power(9)?,
                rsrq_db: quality(10)?,
                sinr_db: quality(11)?,
                ..empty
            }
        }
        // MCC, MNC, PCI, RSRP, SINR (before RSRQ!), RSRQ, ARFCN, band
        "NR5G-NSA" => {
            enough(4)?;
            Cell {
                rat: Rat::NrNsa,
                operator_mccmnc: operator(fields, 0)?,
                pci: int(2)?,
                rsrp_dbm: power(3)?,
                sinr_db: quality(4)?,
                rsrq_db: quality(5)?,
                arfcn: int(6)?,
                band: int(7)?,
                ..empty
            }
        }
        // MCC, MNC, LAC, cell, UARFCN, PSC, RAC, RSCP, Ec/Io: RSCP is no RSRP and stays out.
        "WCDMA" => {
            enough(5)?;
            Cell {
                rat: Rat::Umts,
                operator_mccmnc: operator(fields, 0)?,
                cell_id: hex(fields, 3)?,
                arfcn: int(4)?,
                ..empty
            }
        }
        // MCC, MNC, LAC, cell, BSIC, ARFCN, band, RXLEV
        "GSM" => {
            enough(6)?;
            Cell {
                rat: Rat::Gsm,
                operator_mccmnc: operator(fields, 0)?,
                cell_id: hex(fields, 3)?,
                arfcn: int(5)?,
                ..empty
            }
        }
        _ => return Err(Unparseable),
    })
}

fn lte_sinr(raw: Option<i64>, profile: &MobileProfile) -> Option<f64> {
    let raw = raw?;
    Some(match profile.lte_sinr {
        SinrUnit::Fifth => mapping::fifth_sinr_db(raw),
        SinrUnit::Auto if raw > profile.sinr_auto_max => mapping::fifth_sinr_db(raw),
        SinrUnit::Auto | SinrUnit::Db => raw as f64,
    })
}

fn present<'a>(fields: &[&'a str], at: usize) -> Option<&'a str> {
    fields.get(at).copied().filter(|text| !matches!(*text, "" | "-" | "-32768"))
}

fn number(fields: &[&str], at: usize) -> Result<Option<i64>, Unparseable> {
    present(fields, at).map(|text| text.parse().map_err(|_| Unparseable)).transpose()
}

fn level(fields: &[&str], at: usize) -> Result<Option<f64>, Unparseable> {
    let value: Option<f64> = present(fields, at).map(|text| text.parse().map_err(|_| Unparseable)).transpose()?;
    if value.is_some_and(|value| !value.is_finite()) { Err(Unparseable) } else { Ok(value) }
}

fn hex(fields: &[&str], at: usize) -> Result<Option<i64>, Unparseable> {
    present(fields, at).map(|text| i64::from_str_radix(text, 16).map_err(|_| Unparseable)).transpose()
}

/// Some modems drop the leading zero of the MNC, so one digit means two; three stay three.
fn operator(fields: &[&str], at: usize) -> Result<Option<i64>, Unparseable> {
    let (Some(mcc), Some(mnc)) = (present(fields, at), present(fields, at + 1)) else { return Ok(None) };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if mcc.len() != 3 || !(1..=3).contains(&mnc.len()) || !digits(mcc) || !digits(mnc) {
        return Err(Unparseable);
    }
    format!("{mcc}{mnc:0>2}").parse().map(Some).map_err(|_| Unparseable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::VehicleProfile;

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
        let lte = Report::Cesq { rat: Some(Rat::Lte), rsrp_dbm: Some(-60.5), rsrq_db: Some(-9.75), sinr_db: None };
        assert_eq!(read("+CESQ: 99,99,255,255,20,80"), Ok(Some(lte)));
        let nr =
            Report::Cesq { rat: Some(Rat::NrSa), rsrp_dbm: Some(-101.5), rsrq_db: Some(-10.25), sinr_db: Some(12.25) };
        assert_eq!(read("+CESQ: 99,99,255,255,255,255,66,55,71"), Ok(Some(nr)));
    }

    #[test]
    fn what_is_no_radio_line_and_what_is_a_broken_one() {
        for quiet in ["", "OK", "AT+QENG=\"servingcell\"", "+CREG: 0,1", "+QENG: \"neighbourcell intra\",\"LTE\",1"] {
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
        ] {
            assert_eq!(read(broken), Err(Unparseable), "{broken}");
        }
    }
}
