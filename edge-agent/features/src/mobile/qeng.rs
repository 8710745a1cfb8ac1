//! `+QENG: "servingcell"` of Quectel modems: LTE in one line, 5G non-standalone in three, standalone in one; 2G and 3G.

use super::fields::{Unparseable, hex, level, number, operator};
use super::mapping;
use super::parse::Report;
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
    /// Tracking area code (location area code on 2G and 3G).
    pub area: Option<i64>,
    /// Downlink bandwidth, MHz; LTE only.
    pub dl_bandwidth_mhz: Option<f64>,
    /// RSRP, dBm.
    pub rsrp_dbm: Option<f64>,
    /// RSRQ, dB.
    pub rsrq_db: Option<f64>,
    /// SINR, dB.
    pub sinr_db: Option<f64>,
    /// RSSI, dBm.
    pub rssi_dbm: Option<f64>,
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

/// Reads the fields after the colon. `Ok(None)`: about neighbours.
pub(super) fn read(fields: &[&str], profile: &MobileProfile) -> Result<Option<Report>, Unparseable> {
    let first = *fields.first().ok_or(Unparseable::Broken)?;
    if first.starts_with("neighbourcell") {
        return Ok(None);
    }
    if first != "servingcell" {
        return cell(first, fields.get(1..).unwrap_or(&[]), profile).map(|cell| Some(Report::Part(cell)));
    }
    let state = match *fields.get(1).ok_or(Unparseable::Broken)? {
        "SEARCH" => State::Search,
        "LIMSRV" => State::Limited,
        "NOCONN" => State::Idle,
        "CONNECT" => State::Connected,
        _ => return Err(Unparseable::Broken),
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
    let enough = |count: usize| if fields.len() < count { Err(Unparseable::Broken) } else { Ok(()) };
    let empty = Cell {
        rat: Rat::Lte,
        operator_mccmnc: None,
        cell_id: None,
        pci: None,
        arfcn: None,
        band: None,
        area: None,
        dl_bandwidth_mhz: None,
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
                area: hex(fields, 9)?,
                dl_bandwidth_mhz: int(8)?.and_then(lte_bandwidth_mhz),
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
                area: hex(fields, 5)?,
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
                area: hex(fields, 2)?,
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
                area: hex(fields, 2)?,
                cell_id: hex(fields, 3)?,
                arfcn: int(5)?,
                ..empty
            }
        }
        _ => return Err(Unparseable::Broken),
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

/// Channel bandwidth of the index that Quectel prints for LTE.
fn lte_bandwidth_mhz(index: i64) -> Option<f64> {
    let at = usize::try_from(index).ok()?;
    [1.4, 3.0, 5.0, 10.0, 15.0, 20.0].get(at).copied()
}
