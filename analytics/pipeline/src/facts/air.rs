//! Air: mean of the samples of a pass (Apte et al. 2017), each brought to the fleet's reference background first.

use std::collections::BTreeMap;

use tournee_indicators::PassFact;
use tournee_indicators::air::{Method, adjust_series};
use tournee_indicators::stats::mean;
use tournee_query::read::Air;

use super::{RowCounts, Scene, value};
use crate::config::{Bit, refused};

/// One sample on a counted pass: time, value, drive, pass.
type Placed = (i64, f64, usize, usize);

pub(super) fn facts(scene: Scene<'_>, air: &Air) -> (Vec<PassFact>, RowCounts) {
    let (mut facts, counts) = pollutant(scene, air, "pm25_ugm3", &air.pm25_ugm3, &[]);
    facts.extend(pollutant(scene, air, "no2_ugm3", &air.no2_ugm3, &scene.config.air.refuse_no2).0);
    (facts, counts)
}

fn pollutant(
    scene: Scene<'_>,
    air: &Air,
    indicator: &str,
    column: &[f64],
    also_refuse: &[Bit],
) -> (Vec<PassFact>, RowCounts) {
    let mut counts = RowCounts::default();
    let mut placed: Vec<Placed> = Vec::new();
    for (drive, drives) in scene.drives.iter().enumerate() {
        for row in air.rows_of_box(&drives.box_id) {
            counts.rows += 1;
            let flags = value(&air.flags, row);
            let sample = value(column, row);
            let Some(&t_us) = air.t_us.get(row) else { continue };
            if refused(flags, &scene.config.air.refuse) || refused(flags, also_refuse) {
                counts.refused += 1;
            } else if !sample.is_finite() {
                counts.empty += 1;
            } else if let Some(place) = drives.place(t_us, scene.config.max_time_off_us()) {
                placed.push((t_us, sample, drive, place.pass));
            } else {
                counts.elsewhere += 1;
            }
        }
    }
    // The background is the whole fleet's, passes that are too short to count included.
    let series: Vec<(i64, f64)> = placed.iter().map(|sample| (sample.0, sample.1)).collect();
    let adjusted = adjust_series(&series, Method::of(indicator), &scene.corrections.background);
    let mut groups: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
    for ((_, _, drive, pass), adjusted) in placed.iter().zip(adjusted) {
        groups.entry((*drive, *pass)).or_default().push(adjusted.value);
    }
    let mut facts = Vec::with_capacity(groups.len());
    for ((drive, pass), values) in groups {
        let Some(drives) = scene.drives.get(drive) else { continue };
        let n = values.len() as u64;
        let Some(counted) = scene.counted(drives, pass) else {
            counts.short += n;
            continue;
        };
        match mean(&values) {
            Some(value) if n >= u64::from(scene.config.air.min_samples) => {
                counts.used += n;
                facts.extend(scene.fact(&drives.box_id, counted, indicator, value, values.len()));
            }
            _ => counts.thin += n,
        }
    }
    (facts, counts)
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_scene;
    use super::*;
    use crate::track::tests::{SECOND, drives};

    fn air(rows: &[(i64, f64, f64, f64)]) -> Air {
        let n = rows.len();
        Air {
            boxes: vec!["a".into()],
            box_ix: vec![0; n],
            t_us: rows.iter().map(|row| row.0 * SECOND).collect(),
            boot_id: vec![1; n],
            pm25_ugm3: rows.iter().map(|row| row.1).collect(),
            no2_ugm3: rows.iter().map(|row| row.2).collect(),
            flags: rows.iter().map(|row| row.3).collect(),
            ..Air::default()
        }
    }

    /// Fewer values than a background needs: the samples stay as they are and the pass is their mean.
    #[test]
    fn a_pass_is_the_mean_of_its_samples() {
        let all = [drives("a", &[0], 3)];
        let rows = [
            (0, 10.0, 20.0, 0.0),
            (1, 12.0, 30.0, 8192.0), // NO2_TRANSIENT
            (2, 14.0, f64::NAN, 0.0),
            (3, 99.0, 99.0, 2048.0), // SENSOR_FAULT
            (6, 7.0, 1.0, 0.0),      // alone on section 1
            (11, 5.0, 2.0, 0.0),
            (12, 7.0, 4.0, 0.0),
            (60, 7.0, 4.0, 0.0), // after the drive
        ];
        let (facts, counts) = with_scene(&all, |scene| facts(scene, &air(&rows)));
        let seen: Vec<(&str, &str, f64, u32)> =
            facts.iter().map(|f| (f.section_id.as_str(), f.indicator.as_str(), f.value, f.n_samples)).collect();
        assert_eq!(seen, [("s0", "pm25_ugm3", 12.0, 3), ("s2", "pm25_ugm3", 6.0, 2), ("s2", "no2_ugm3", 3.0, 2)]);
        let expected = RowCounts { rows: 8, refused: 1, elsewhere: 1, thin: 1, used: 5, ..RowCounts::default() };
        assert_eq!(counts, expected);
        assert_eq!((facts[0].t_us, facts[0].date.as_str()), (0, "1970-01-01"));
    }

    /// Two boxes on one street at different hours; everything is 20 µg/m³ higher in the second hour.
    #[test]
    fn the_hour_is_taken_out() {
        let all = [drives("a", &[0], 4), drives("b", &[36_000], 4)];
        let street = |s: i64| if s < 10 { 10.0 } else { 16.0 };
        let mut rows = Air { boxes: vec!["a".into(), "b".into()], ..Air::default() };
        for (ix, (start, hour)) in [(0, 0.0), (36_000, 20.0)].into_iter().enumerate() {
            for s in 0..20 {
                // Two samples a second, so that the window has the values a background needs.
                for half in 0..2 {
                    rows.box_ix.push(u32::try_from(ix).unwrap());
                    rows.t_us.push((start + s) * SECOND + half * SECOND / 2);
                    rows.pm25_ugm3.push(street(s) + hour);
                    rows.no2_ugm3.push(f64::NAN);
                    rows.flags.push(0.0);
                }
            }
        }
        let (facts, _) = with_scene(&all, |scene| facts(scene, &rows));
        let of = |box_id: &str| -> Vec<f64> {
            facts.iter().filter(|fact| fact.box_id == box_id).map(|fact| fact.value).collect()
        };
        let (a, b) = (of("a"), of("b"));
        assert_eq!(a.len(), 4);
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
        assert!((a[3] - a[0] - 6.0).abs() < 1e-9);
    }
}
