//! Road: root of the length-weighted mean square of the windows whose middle lies in the section. A window's time is that
//! of its middle.

use std::collections::BTreeMap;

use tournee_indicators::PassFact;
use tournee_query::read::Road;

use super::{RowCounts, Scene, value};

pub(super) fn facts(scene: Scene<'_>, road: &Road) -> (Vec<PassFact>, RowCounts) {
    let mut counts = RowCounts::default();
    let mut facts = Vec::new();
    for drives in scene.drives {
        let mut groups: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
        for row in road.rows_of_box(&drives.box_id) {
            counts.rows += 1;
            let (rough, length_m) = (value(&road.rough_mps2, row), value(&road.length_m, row));
            let Some(&t_us) = road.t_us.get(row) else { continue };
            if !(rough.is_finite() && length_m.is_finite()) {
                counts.empty += 1;
            } else if length_m < scene.config.road.min_window_m {
                counts.refused += 1;
            } else if let Some(place) = drives.place(t_us, scene.config.max_time_off_us()) {
                groups.entry(place.pass).or_default().push((length_m, rough));
            } else {
                counts.elsewhere += 1;
            }
        }
        for (pass, windows) in groups {
            let n = windows.len() as u64;
            let Some(counted) = scene.counted(drives, pass) else {
                counts.short += n;
                continue;
            };
            match rms(&windows) {
                Some(value) if n >= u64::from(scene.config.road.min_windows) => {
                    counts.used += n;
                    facts.extend(scene.fact(&drives.box_id, counted, "rough_mps2", value, windows.len()));
                }
                _ => counts.thin += n,
            }
        }
    }
    (facts, counts)
}

/// `sqrt(Σ L r² / Σ L)`: squares of RMS values add up over lengths, RMS values do not.
fn rms(windows: &[(f64, f64)]) -> Option<f64> {
    let length: f64 = windows.iter().map(|(length, _)| length).sum();
    let energy: f64 = windows.iter().map(|(length, rough)| length * rough * rough).sum();
    (length > 0.0).then(|| (energy / length).sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_scene;
    use super::*;
    use crate::track::tests::{SECOND, drives};

    #[test]
    fn windows_are_pooled_by_energy_and_length() {
        assert_eq!(rms(&[(20.0, 3.0), (20.0, 3.0)]), Some(3.0));
        let pooled = rms(&[(10.0, 1.0), (30.0, 3.0)]).unwrap();
        assert!((pooled - 7.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(rms(&[]), None);
    }

    #[test]
    fn a_window_counts_where_its_middle_lies() {
        let all = [drives("a", &[0], 3)];
        let middles = [1.0, 3.0, 4.5, 7.0, 9.0, 11.0];
        let rough = [1.0, 1.0, 2.0, 5.0, f64::NAN, 4.0];
        let n = middles.len();
        let road = Road {
            boxes: vec!["a".into()],
            box_ix: vec![0; n],
            t_us: middles.iter().map(|t| (t * SECOND as f64) as i64).collect(),
            boot_id: vec![1; n],
            length_m: vec![20.0, 20.0, 20.0, 20.0, 20.0, 4.0],
            rough_mps2: rough.to_vec(),
            ..Road::default()
        };
        let (facts, counts) = with_scene(&all, |scene| facts(scene, &road));
        assert_eq!(facts.len(), 2);
        // The third window reaches 5 m into section 1, but its middle is in section 0.
        assert_eq!((facts[0].section_id.as_str(), facts[0].n_samples), ("s0", 3));
        assert!((facts[0].value - 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!((facts[1].section_id.as_str(), facts[1].value), ("s1", 5.0));
        assert_eq!(counts, RowCounts { rows: 6, empty: 1, refused: 1, used: 4, ..RowCounts::default() });
    }
}
