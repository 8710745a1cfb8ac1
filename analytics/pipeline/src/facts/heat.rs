//! Heat: median over the ungated frames of both sides, with the offset of camera and weather taken out per round, as
//! difference to the median facade of the territory.

use tournee_indicators::PassFact;
use tournee_indicators::heat::{FacadeFrame, facade_passes};
use tournee_query::read::Thermal;

use super::{RowCounts, Scene, value};
use crate::config::refused;

pub(super) fn facts(scene: Scene<'_>, thermal: &Thermal) -> (Vec<PassFact>, RowCounts) {
    let mut counts = RowCounts::default();
    let mut frames = Vec::new();
    for drives in scene.drives {
        for row in thermal.rows_of_box(&drives.box_id) {
            counts.rows += 1;
            let delta_k = value(&thermal.delta_k, row);
            let Some(&t_us) = thermal.t_us.get(row) else { continue };
            // A gate that is empty was never judged.
            if value(&thermal.gate, row) != 0.0 || refused(value(&thermal.flags, row), &scene.config.heat.refuse) {
                counts.refused += 1;
                continue;
            }
            if !delta_k.is_finite() {
                counts.empty += 1;
                continue;
            }
            let Some(place) = drives.place(t_us, scene.config.max_time_off_us()) else {
                counts.elsewhere += 1;
                continue;
            };
            let Some(pass) = scene.counted(drives, place.pass) else {
                counts.short += 1;
                continue;
            };
            let Some(section) = usize::try_from(pass.section.0).ok().and_then(|ix| scene.sections.get(ix)) else {
                counts.elsewhere += 1;
                continue;
            };
            frames.push(FacadeFrame {
                box_id: drives.box_id.clone(),
                round: pass.round.to_string(),
                section_id: section.id.clone(),
                pass: u32::try_from(place.pass).unwrap_or(u32::MAX),
                t_us,
                delta_k,
                gated: false,
            });
        }
    }
    let found = facade_passes(&frames, &scene.corrections.facade);
    counts.thin += found.frames_thin;
    let mut facts = Vec::with_capacity(found.passes.len());
    for one in found.passes {
        counts.used += u64::from(one.n_frames);
        let of_box = scene.drives.iter().find(|drives| drives.box_id == one.box_id);
        let pass = of_box.and_then(|drives| drives.passes.get(usize::try_from(one.pass).ok()?));
        let n = usize::try_from(one.n_frames).unwrap_or(usize::MAX);
        facts.extend(pass.and_then(|pass| scene.fact(&one.box_id, pass, "facade_delta_k", one.value_k, n)));
    }
    (facts, counts)
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_scene;
    use super::*;
    use crate::track::tests::{SECOND, drives};

    #[test]
    fn the_offset_of_a_round_is_taken_out() {
        let all = [drives("a", &[0, 10_000], 3)];
        let mut thermal = Thermal { boxes: vec!["a".into()], ..Thermal::default() };
        let mut push = |t_us: i64, delta_k: f64, gate: f64| {
            thermal.box_ix.push(0);
            thermal.t_us.push(t_us);
            thermal.delta_k.push(delta_k);
            thermal.gate.push(gate);
            thermal.flags.push(0.0);
        };
        for (start, offset) in [(0, -2.0), (10_000, 3.0)] {
            for section in 0..3_i64 {
                for frame in 0..4_i64 {
                    push((start + section * 5 + frame) * SECOND, section as f64 + offset, 0.0);
                }
                push((start + section * 5 + 4) * SECOND, 99.0, 2.0);
            }
        }
        let (facts, counts) = with_scene(&all, |scene| facts(scene, &thermal));
        assert_eq!(facts.len(), 6);
        for section in ["s0", "s1", "s2"] {
            let values: Vec<f64> = facts.iter().filter(|f| f.section_id == section).map(|f| f.value).collect();
            assert_eq!(values.len(), 2);
            assert!((values[0] - values[1]).abs() < 1e-9, "{section} {values:?}");
        }
        assert_eq!(counts, RowCounts { rows: 30, refused: 6, used: 24, ..RowCounts::default() });
    }
}
