//! Reported indices and physical levels: 3GPP TS 36.133 §9.1 (LTE), TS 38.133 §10.1 (NR), TS 27.007 (+CSQ, +CESQ).

fn index(value: f64, most: f64) -> u8 {
    value.floor().clamp(0.0, most) as u8
}

/// LTE RSRP index, 0 to 97.
#[must_use]
pub fn lte_rsrp_index(dbm: f64) -> u8 {
    index(dbm + 141.0, 97.0)
}

/// LTE RSRQ index, 0 to 34.
#[must_use]
pub fn lte_rsrq_index(db: f64) -> u8 {
    index(2.0 * db + 40.0, 34.0)
}

/// NR SS-RSRP index, 0 to 126.
#[must_use]
pub fn nr_rsrp_index(dbm: f64) -> u8 {
    index(dbm + 157.0, 126.0)
}

/// NR SS-RSRQ index, 0 to 127.
#[must_use]
pub fn nr_rsrq_index(db: f64) -> u8 {
    index(2.0 * (db + 43.0) + 1.0, 127.0)
}

/// NR SS-SINR index, 0 to 127.
#[must_use]
pub fn nr_sinr_index(db: f64) -> u8 {
    index(2.0 * (db + 23.0) + 1.0, 127.0)
}

fn known(n: i64, most: i64) -> Option<f64> {
    (0..=most).contains(&n).then_some(n as f64)
}

/// Middle of the interval of an LTE RSRP index; 255 is unknown.
#[must_use]
pub fn lte_rsrp_dbm(n: i64) -> Option<f64> {
    known(n, 97).map(|n| n - 140.5)
}

/// Middle of the interval of an LTE RSRQ index.
#[must_use]
pub fn lte_rsrq_db(n: i64) -> Option<f64> {
    known(n, 34).map(|n| n / 2.0 - 19.75)
}

/// Middle of the interval of an NR SS-RSRP index.
#[must_use]
pub fn nr_rsrp_dbm(n: i64) -> Option<f64> {
    known(n, 126).map(|n| n - 156.5)
}

/// Middle of the interval of an NR SS-RSRQ index.
#[must_use]
pub fn nr_rsrq_db(n: i64) -> Option<f64> {
    known(n, 127).map(|n| (n - 1.0) / 2.0 - 42.75)
}

/// Middle of the interval of an NR SS-SINR index.
#[must_use]
pub fn nr_sinr_db(n: i64) -> Option<f64> {
    known(n, 127).map(|n| (n - 1.0) / 2.0 - 22.75)
}

/// Middle of the interval of a 2G +CESQ `<rxlev>`.
#[must_use]
pub fn gsm_rxlev_dbm(n: i64) -> Option<f64> {
    known(n, 63).map(|n| n - 110.5)
}

/// Middle of the interval of a 3G +CESQ `<rscp>`.
#[must_use]
pub fn umts_rscp_dbm(n: i64) -> Option<f64> {
    known(n, 96).map(|n| n - 120.5)
}

/// Middle of the interval of a 3G +CESQ `<ecno>`.
#[must_use]
pub fn umts_ecno_db(n: i64) -> Option<f64> {
    known(n, 49).map(|n| n / 2.0 - 24.25)
}

/// RSSI of a +CSQ value, dBm; 99 is unknown.
#[must_use]
pub fn csq_rssi_dbm(n: i64) -> Option<f64> {
    known(n, 31).map(|n| -113.0 + 2.0 * n)
}

/// Fifths of a dB above -20 dB, as some Qualcomm modems print LTE SINR.
#[must_use]
pub fn fifth_sinr_db(raw: i64) -> f64 {
    raw as f64 / 5.0 - 20.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_m1() {
        for (dbm, n) in [(-140.5, 0), (-140.0, 1), (-101.3, 39), (-44.0, 97)] {
            assert_eq!(lte_rsrp_index(dbm), n, "{dbm}");
        }
        for (db, n) in [(-19.6, 0), (-19.5, 1), (-10.2, 19), (-3.0, 34)] {
            assert_eq!(lte_rsrq_index(db), n, "{db}");
        }
        for (dbm, n) in [(-156.1, 0), (-156.0, 1), (-101.3, 55)] {
            assert_eq!(nr_rsrp_index(dbm), n, "{dbm}");
        }
        for (db, n) in [(-10.2, 66), (-43.0, 1)] {
            assert_eq!(nr_rsrq_index(db), n, "{db}");
        }
        for (db, n) in [(12.0, 71), (-23.0, 1), (40.0, 127)] {
            assert_eq!(nr_sinr_index(db), n, "{db}");
        }
        assert_eq!(csq_rssi_dbm(17), Some(-79.0));
        assert_eq!(csq_rssi_dbm(99), None);
        for (raw, db) in [(0, -20.0), (100, 0.0), (175, 15.0), (250, 30.0)] {
            assert_eq!(fifth_sinr_db(raw), db);
        }
    }

    #[test]
    fn middles_lie_in_their_intervals() {
        for n in 1..97 {
            assert_eq!(i64::from(lte_rsrp_index(lte_rsrp_dbm(n).unwrap())), n);
        }
        for n in 1..34 {
            assert_eq!(i64::from(lte_rsrq_index(lte_rsrq_db(n).unwrap())), n);
        }
        for n in 1..126 {
            assert_eq!(i64::from(nr_rsrp_index(nr_rsrp_dbm(n).unwrap())), n);
            assert_eq!(i64::from(nr_rsrq_index(nr_rsrq_db(n).unwrap())), n);
            assert_eq!(i64::from(nr_sinr_index(nr_sinr_db(n).unwrap())), n);
        }
        assert_eq!(lte_rsrp_dbm(255), None);
    }
}
