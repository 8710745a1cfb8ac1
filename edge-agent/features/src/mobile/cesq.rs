//! `+CESQ`: levels of 2G, 3G, LTE and NR as the indices of the standard. 3GPP TS 27.007 §8.69.

use super::fields::{Unparseable, number};
use super::mapping;
use super::qeng::Rat;

/// The indices of one line; unknown ones (99 for the first two, 255 for the others) are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cesq {
    /// 2G carrier level, 0 to 63.
    pub rxlev: Option<u8>,
    /// 2G bit error rate class, 0 to 7.
    pub ber: Option<u8>,
    /// 3G received signal code power, 0 to 96.
    pub rscp: Option<u8>,
    /// 3G Ec/N0, 0 to 49.
    pub ecno: Option<u8>,
    /// LTE RSRQ, 0 to 34.
    pub rsrq: Option<u8>,
    /// LTE RSRP, 0 to 97.
    pub rsrp: Option<u8>,
    /// NR SS-RSRQ, 0 to 127.
    pub ss_rsrq: Option<u8>,
    /// NR SS-RSRP, 0 to 126.
    pub ss_rsrp: Option<u8>,
    /// NR SS-SINR, 0 to 127.
    pub ss_sinr: Option<u8>,
}

/// What a row takes from the indices: middles of their intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// Technology of the levels.
    pub rat: Option<Rat>,
    /// dBm.
    pub rsrp_dbm: Option<f64>,
    /// dB.
    pub rsrq_db: Option<f64>,
    /// dB, NR only.
    pub sinr_db: Option<f64>,
    /// 2G only, dBm.
    pub rssi_dbm: Option<f64>,
    /// The LTE anchor beside NR, dBm.
    pub anchor_rsrp_dbm: Option<f64>,
    /// The LTE anchor beside NR, dB.
    pub anchor_rsrq_db: Option<f64>,
}

impl Cesq {
    /// The levels of the best technology that has any: NR (non-standalone where LTE has levels too), LTE, 3G, 2G. 3G gives
    /// no level to a row: RSCP is no RSRP.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let of = |index: Option<u8>, middle: fn(i64) -> Option<f64>| index.and_then(|n| middle(i64::from(n)));
        let lte = self.rsrp.is_some() || self.rsrq.is_some();
        if self.ss_rsrp.is_some() {
            return Levels {
                rat: Some(if lte { Rat::NrNsa } else { Rat::NrSa }),
                rsrp_dbm: of(self.ss_rsrp, mapping::nr_rsrp_dbm),
                rsrq_db: of(self.ss_rsrq, mapping::nr_rsrq_db),
                sinr_db: of(self.ss_sinr, mapping::nr_sinr_db),
                rssi_dbm: None,
                anchor_rsrp_dbm: of(self.rsrp, mapping::lte_rsrp_dbm),
                anchor_rsrq_db: of(self.rsrq, mapping::lte_rsrq_db),
            };
        }
        if lte {
            return Levels {
                rat: Some(Rat::Lte),
                rsrp_dbm: of(self.rsrp, mapping::lte_rsrp_dbm),
                rsrq_db: of(self.rsrq, mapping::lte_rsrq_db),
                ..Levels::default()
            };
        }
        if self.rscp.is_some() || self.ecno.is_some() {
            return Levels { rat: Some(Rat::Umts), ..Levels::default() };
        }
        Levels {
            rat: self.rxlev.map(|_| Rat::Gsm),
            rssi_dbm: of(self.rxlev, mapping::gsm_rxlev_dbm),
            ..Levels::default()
        }
    }
}

/// Reads the fields after the colon: six of them, nine where the modem knows NR.
pub(super) fn read(fields: &[&str]) -> Result<Cesq, Unparseable> {
    if fields.len() < 6 {
        return Err(Unparseable::Broken);
    }
    let at = |index: usize, most: u8| match number(fields, index)? {
        Some(n) if !(0..=255).contains(&n) => Err(Unparseable::Broken),
        Some(n) => Ok(u8::try_from(n).ok().filter(|n| *n <= most)),
        None => Ok(None),
    };
    Ok(Cesq {
        rxlev: at(0, 63)?,
        ber: at(1, 7)?,
        rscp: at(2, 96)?,
        ecno: at(3, 49)?,
        rsrq: at(4, 34)?,
        rsrp: at(5, 97)?,
        ss_rsrq: at(6, 127)?,
        ss_rsrp: at(7, 126)?,
        ss_sinr: at(8, 127)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Levels {
        read(&crate::mobile::fields::split_bare(line)).unwrap().levels()
    }

    #[test]
    fn each_technology() {
        let lte = of("99,99,255,255,20,80");
        assert_eq!((lte.rat, lte.rsrp_dbm, lte.rsrq_db), (Some(Rat::Lte), Some(-60.5), Some(-9.75)));
        let nr = of("99,99,255,255,255,255,66,55,71");
        assert_eq!((nr.rat, nr.rsrp_dbm, nr.rsrq_db), (Some(Rat::NrSa), Some(-101.5), Some(-10.25)));
        assert_eq!(nr.sinr_db, Some(12.25));
        assert_eq!((nr.anchor_rsrp_dbm, nr.anchor_rsrq_db), (None, None));
        let pair = of("99,99,255,255,20,50,66,55,71");
        assert_eq!((pair.rat, pair.rsrp_dbm), (Some(Rat::NrNsa), Some(-101.5)));
        assert_eq!((pair.anchor_rsrp_dbm, pair.anchor_rsrq_db), (Some(-90.5), Some(-9.75)));
        assert_eq!(of("99,99,255,255,20,50,255,255,255").rsrp_dbm, Some(-90.5));
        let umts = of("99,99,95,40,255,255");
        assert_eq!((umts.rat, umts.rsrp_dbm), (Some(Rat::Umts), None));
        let gsm = of("10,6,255,255,255,255");
        assert_eq!((gsm.rat, gsm.rssi_dbm), (Some(Rat::Gsm), Some(-100.5)));
        assert_eq!(of("99,99,255,255,255,255"), Levels::default());
    }
}
