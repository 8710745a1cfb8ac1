//! Air: mean of the samples of a pass (Apte et al. 2017), each brought to the fleet's reference background first.
//! Particles swell in humid air: above one humidity they are refused, above a lower one they are counted.

use std::collections::BTreeMap;

use tournee_indicators::PassFact;
use tournee_indicators::air::{Method, background};
use tournee_indicators::stats::{mean, median};
use tournee_query::read::Air;

use super::{RowCounts, Scene, value};
use crate::config::{Bit, refused};

/// One sample on a pass.
struct Placed {
    t_us: i64,
    value: f64,
    humid: bool,
    drive: usize,
    pass: usize,
}

/// What holds for one of the pollutants.
#[derive(Clone, Copy)]
struct Pollutant<'a> {
    indicator: &'a str,
    column: &'a [f64],
    refuse: &'a [Bit],
    /// Particles: the sample's humidity counts. Gases do not swell.
    swells: bool,
}

/// Facts, rows of PM2.5, and the background level of each pollutant.
pub(super) fn facts(scene: Scene<'_>, air: &Air) -> (Vec<PassFact>, RowCounts, BTreeMap<String, f64>) {
    let pm25 = Pollutant { indicator: "pm25_ugm3", column: &air.pm25_ugm3, refuse: &[], swells: true };
    let no2 = &scene.config.air.refuse_no2;
    let no2 = Pollutant { indicator: "no2_ugm3", column: &air.no2_ugm3, refuse: no2, swells: false };
    let (mut facts, counts, level) = pollutant(scene, air, pm25);
    let (more, _, level_no2) = pollutant(scene, air, no2);
    facts.extend(more);
    let levels = [(pm25.indicator, level), (no2.indicator, level_no2)];
    let levels = levels.into_iter().filter_map(|(name, level)| Some((name.to_owned(), level?))).collect();
    (facts, counts, levels)
}

/// The level is that of the background to which the facts are brought.
fn pollutant(scene: Scene<'_>, air: &Air, of: Pollutant<'_>) -> (Vec<PassFact>, RowCounts, Option<f64>) {
    let limits = &scene.corrections.kappa_koehler;
    let mut counts = RowCounts::default();
    let mut placed: Vec<Placed> = Vec::new();
    for (drive, drives) in scene.drives.iter().enumerate() {
        for row in air.rows_of_box(&drives.box_id) {
            counts.rows += 1;
            let flags = value(&air.flags, row);
            let sample = value(of.column, row);
            // An unknown humidity refuses nothing: NaN is above no limit.
            let rh_pct = if of.swells { value(&air.rh_pct, row) } else { f64::NAN };
            let Some(&t_us) = air.t_us.get(row) else { continue };
            if refused(flags, &scene.config.air.refuse) || refused(flags, of.refuse) {
                counts.refused += 1;
            } else if !sample.is_finite() {
                counts.empty += 1;
            } else if rh_pct > limits.refuse_above_rh_pct {
                counts.too_humid += 1;
            } else if let Some(place) = drives.place(t_us, scene.config.max_time_off_us()) {
                let humid = rh_pct > limits.flag_above_rh_pct;
                placed.push(Placed { t_us, value: sample, humid, drive, pass: place.pass });
            } else {
                counts.elsewhere += 1;
            }
        }
    }
    // The background is the whole fleet's, passes that are too short to count included.
    let series: Vec<(i64, f64)> = placed.iter().map(|sample| (sample.t_us, sample.value)).collect();
    let rule = &scene.corrections.background;
    let backgrounds = background(&series, rule);
    let given = scene.levels.get(of.indicator).copied();
    let level = given.or_else(|| median(&backgrounds.iter().flatten().copied().collect::<Vec<_>>()));
    let mut groups: BTreeMap<(usize, usize), (Vec<f64>, u64)> = BTreeMap::new();
    for (sample, background) in placed.iter().zip(backgrounds) {
        let (values, humid) = groups.entry((sample.drive, sample.pass)).or_default();
        // Where the window was too thin for a background, the sample stays as it is.
        values.push(match (background, level) {
            (Some(own), Some(level)) => rule.adjust(sample.value, own, level, Method::of(of.indicator)),
            _ => sample.value,
        });
        *humid += u64::from(sample.humid);
    }
    let mut facts = Vec::with_capacity(groups.len());
    for ((drive, pass), (values, humid)) in groups {
        let Some(drives) = scene.drives.get(drive) else { continue };
        let n = values.len() as u64;
        let Some(counted) = scene.counted(drives, pass) else {
            counts.short += n;
            continue;
        };
        match mean(&values) {
            Some(value) if n >= u64::from(scene.config.air.min_samples) => {
                counts.used += n;
                counts.used_humid += humid;
                facts.extend(scene.fact(&drives.box_id, counted, of.indicator, value, values.len()));
            }
            _ => counts.thin += n,
        }
    }
    (facts, counts, level)
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
        let (facts, counts, _) = with_scene(&all, |scene| facts(scene, &air(&rows)));
        let seen: Vec<(&str, &str, f64, u32)> =
            facts.iter().map(|f| (f.section_id.as_str(), f.indicator.as_str(), f.value, f.n_samples)).collect();
        assert_eq!(seen, [("s0", "pm25_ugm3", 12.0, 3), ("s2", "pm25_ugm3", 6.0, 2), ("s2", "no2_ugm3", 3.0, 2)]);
        let expected = RowCounts { rows: 8, refused: 1, elsewhere: 1, thin: 1, used: 5, ..RowCounts::default() };
        assert_eq!(counts, expected);
        assert_eq!((facts[0].t_us, facts[0].date.as_str()), (0, "1970-01-01"));
    }

    #[test]
    fn particles_in_wet_air_are_refused_and_gases_are_not() {
        let all = [drives("a", &[0], 1)];
        let mut rows = air(&[(0, 10.0, 20.0, 0.0), (1, 12.0, 20.0, 0.0), (2, 60.0, 20.0, 0.0), (3, 14.0, 20.0, 0.0)]);
        rows.rh_pct = vec![85.0, 95.0, 95.1, f64::NAN];
        let (facts, counts, _) = with_scene(&all, |scene| facts(scene, &rows));
        let seen: Vec<(&str, f64, u32)> = facts.iter().map(|f| (f.indicator.as_str(), f.value, f.n_samples)).collect();
        assert_eq!(seen, [("pm25_ugm3", 12.0, 3), ("no2_ugm3", 20.0, 4)]);
        // At the limit is not above it.
        assert_eq!(counts, RowCounts { rows: 4, too_humid: 1, used: 3, used_humid: 1, ..RowCounts::default() });
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
        let (facts, _, levels) = with_scene(&all, |scene| facts(scene, &rows));
        let of = |box_id: &str| -> Vec<f64> {
            facts.iter().filter(|fact| fact.box_id == box_id).map(|fact| fact.value).collect()
        };
        let (a, b) = (of("a"), of("b"));
        assert_eq!(a.len(), 4);
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
        assert!((a[3] - a[0] - 6.0).abs() < 1e-9);
        // Half of the samples lie 20 µg/m³ higher.
        assert!((levels["pm25_ugm3"] - 20.0).abs() < 1e-9 && !levels.contains_key("no2_ugm3"), "{levels:?}");
        // The first box's rows have left: with the level of before, the second box's facts are what they were.
        let left = Air {
            boxes: vec!["b".into()],
            box_ix: vec![0; 40],
            t_us: rows.t_us[40..].to_vec(),
            pm25_ugm3: rows.pm25_ugm3[40..].to_vec(),
            no2_ugm3: rows.no2_ugm3[40..].to_vec(),
            flags: rows.flags[40..].to_vec(),
            ..Air::default()
        };
        let alone = |levels: &BTreeMap<String, f64>| -> (Vec<f64>, BTreeMap<String, f64>) {
            let (facts, _, levels) = with_scene(&all[1..], |scene| super::facts(Scene { levels, ..scene }, &left));
            (facts.iter().map(|fact| fact.value).collect(), levels)
        };
        assert_eq!(alone(&levels), (b.clone(), levels.clone()));
        assert!((alone(&BTreeMap::new()).0[0] - b[0] - 10.0).abs() < 1e-9);
    }

    #[test]
    fn rows_of_the_own_exhaust_and_rows_without_values_are_refused() {
        let all = [drives("a", &[0], 1)];
        let own = f64::from(1_u32 << 27);
        let rise = f64::from(3_u32 << 27);
        let refused = f64::from(1_u32 << 31);
        let host = f64::from(3_u32 << 25);
        let rows = [
            (0, 10.0, 20.0, 0.0),
            (1, 90.0, 90.0, own),
            (2, 90.0, 90.0, rise),
            (3, f64::NAN, f64::NAN, refused),
            (4, 12.0, 22.0, host), // TIME_FROM_HOST, TIME_ROLLOVER: set right, and counted
        ];
        let (facts, counts, _) = with_scene(&all, |scene| facts(scene, &air(&rows)));
        let seen: Vec<(&str, f64, u32)> = facts.iter().map(|f| (f.indicator.as_str(), f.value, f.n_samples)).collect();
        assert_eq!(seen, [("pm25_ugm3", 11.0, 2), ("no2_ugm3", 21.0, 2)]);
        assert_eq!(counts, RowCounts { rows: 5, refused: 3, used: 2, ..RowCounts::default() });
    }
}
