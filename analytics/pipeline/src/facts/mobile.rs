//! Mobile network: median RSRP of a pass, of all its samples and of each operator's.
//!
//! A sample without service counts as the configured floor: a hole in the coverage is a measurement. A modem without
//! service names no operator; it still looks for the one it was last on.

use std::collections::BTreeMap;

use tournee_indicators::{PassFact, mobile::thin, stats::median};
use tournee_query::read::Mobile;

use super::{RowCounts, Scene, value};
use crate::config::refused;

struct Sample {
    along_m: f64,
    dbm: f64,
    operator: Option<u32>,
}

pub(super) fn facts(scene: Scene<'_>, mobile: &Mobile) -> (Vec<PassFact>, RowCounts) {
    let mut counts = RowCounts::default();
    let mut facts = Vec::new();
    for drives in scene.drives {
        let mut groups: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
        let mut operator = None;
        for row in mobile.rows_of_box(&drives.box_id) {
            counts.rows += 1;
            operator = operator_of(value(&mobile.operator_mccmnc, row)).or(operator);
            let Some(&t_us) = mobile.t_us.get(row) else { continue };
            if refused(value(&mobile.flags, row), &scene.config.mobile.refuse) {
                counts.refused += 1;
                continue;
            }
            let served = value(&mobile.registered, row) != 0.0 && value(&mobile.rat, row) != 0.0;
            let dbm = if served { value(&mobile.rsrp_dbm, row) } else { scene.config.mobile.no_service_dbm };
            if !dbm.is_finite() {
                counts.empty += 1;
            } else if let Some(place) = drives.place(t_us, scene.config.max_time_off_us()) {
                groups.entry(place.pass).or_default().push(Sample { along_m: place.along_m, dbm, operator });
            } else {
                counts.elsewhere += 1;
            }
        }
        for (pass, samples) in groups {
            let n = samples.len() as u64;
            let Some(counted) = scene.counted(drives, pass) else {
                counts.short += n;
                continue;
            };
            let all: Vec<&Sample> = samples.iter().collect();
            let kept = pooled(scene, &all).map(|(value, kept)| {
                facts.extend(scene.fact(&drives.box_id, counted, "rsrp_dbm", value, kept));
                kept as u64
            });
            counts.used += kept.unwrap_or(0);
            counts.thin += n - kept.unwrap_or(0);
            let mut by_operator: BTreeMap<u32, Vec<&Sample>> = BTreeMap::new();
            for sample in &samples {
                if let Some(operator) = sample.operator {
                    by_operator.entry(operator).or_default().push(sample);
                }
            }
            for (operator, own) in by_operator {
                if let Some((value, kept)) = pooled(scene, &own) {
                    facts.extend(scene.fact(&drives.box_id, counted, &format!("rsrp_dbm_{operator}"), value, kept));
                }
            }
        }
    }
    (facts, counts)
}

/// Median and number of the samples that are left when one is kept per so many metres.
fn pooled(scene: Scene<'_>, samples: &[&Sample]) -> Option<(f64, usize)> {
    let along: Vec<f64> = samples.iter().map(|sample| sample.along_m).collect();
    let kept: Vec<f64> = thin(&along, scene.corrections.mobile.thin_m)
        .into_iter()
        .filter_map(|index| samples.get(index))
        .map(|sample| sample.dbm)
        .collect();
    if (kept.len() as u64) < u64::from(scene.config.mobile.min_samples) {
        return None;
    }
    Some((median(&kept)?, kept.len()))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, checked")]
fn operator_of(mccmnc: f64) -> Option<u32> {
    (1.0..=999_999.0).contains(&mccmnc).then_some(mccmnc as u32)
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_scene;
    use super::*;
    use crate::track::tests::{SECOND, drives};

    #[test]
    fn no_service_counts_and_keeps_its_operator() {
        let all = [drives("a", &[0], 2)];
        // (second, operator, registered, rsrp)
        let rows = [
            (0, 20_801.0, 1.0, -80.0),
            (1, f64::NAN, 0.0, f64::NAN),
            (2, f64::NAN, 0.0, f64::NAN),
            (3, 20_801.0, 1.0, f64::NAN), // served, no value
            (6, 20_810.0, 1.0, -100.0),
            (7, 20_801.0, 1.0, -90.0),
        ];
        let n = rows.len();
        let mobile = Mobile {
            boxes: vec!["a".into()],
            box_ix: vec![0; n],
            t_us: rows.iter().map(|row| row.0 * SECOND).collect(),
            boot_id: vec![1; n],
            operator_mccmnc: rows.iter().map(|row| row.1).collect(),
            rat: rows.iter().map(|row| if row.2 == 1.0 { 4.0 } else { 0.0 }).collect(),
            registered: rows.iter().map(|row| row.2).collect(),
            rsrp_dbm: rows.iter().map(|row| row.3).collect(),
            flags: vec![0.0; n],
            ..Mobile::default()
        };
        let (facts, counts) = with_scene(&all, |scene| facts(scene, &mobile));
        let seen: Vec<(&str, &str, f64, u32)> =
            facts.iter().map(|f| (f.section_id.as_str(), f.indicator.as_str(), f.value, f.n_samples)).collect();
        assert_eq!(
            seen,
            [
                ("s0", "rsrp_dbm", -140.0, 3),
                ("s0", "rsrp_dbm_20801", -140.0, 3),
                ("s1", "rsrp_dbm", -95.0, 2),
                ("s1", "rsrp_dbm_20801", -90.0, 1),
                ("s1", "rsrp_dbm_20810", -100.0, 1),
            ]
        );
        assert_eq!(counts, RowCounts { rows: 6, empty: 1, used: 5, ..RowCounts::default() });
    }
}
