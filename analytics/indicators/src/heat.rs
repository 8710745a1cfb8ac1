//! Heat that facades lose: grey-body correction, and pass values in which camera offset and weather cancel.
//!
//! A cheap thermal array is wrong by about ±1 K as a whole, a third of the signal between a well and a badly insulated
//! wall, and no two rounds have the same weather. Both are one number per box and round. So a pass is worth
//! `median frame − offset of its box and round`, counted from the median facade of the territory: only differences
//! between sections are kept, and no value pretends to be a temperature above air.

use std::collections::BTreeMap;

use crate::air::Facade;
use crate::stats;

/// 0 °C in kelvin.
pub const ZERO_C_K: f64 = 273.15;

/// Temperature of a grey body in °C from its apparent temperature and that of what it reflects (Stefan-Boltzmann, air
/// path neglected below 15 m). `None` for an emissivity outside (0, 1] or an impossible temperature.
#[must_use]
pub fn object_degc(apparent_degc: f64, reflected_degc: f64, emissivity: f64) -> Option<f64> {
    if !(emissivity > 0.0 && emissivity <= 1.0) {
        return None;
    }
    let fourth = |degc: f64| (degc + ZERO_C_K).powi(4);
    let t4 = (fourth(apparent_degc) - (1.0 - emissivity) * fourth(reflected_degc)) / emissivity;
    let possible = apparent_degc > -ZERO_C_K && reflected_degc > -ZERO_C_K && t4 > 0.0 && t4.is_finite();
    possible.then(|| t4.powf(0.25) - ZERO_C_K)
}

/// Temperature of a clear sky in kelvin, `0.0552 T^1.5` (Swinbank 1963).
#[must_use]
pub fn clear_sky_k(air_k: f64) -> f64 {
    0.0552 * air_k.powf(1.5)
}

/// What a wall reflects, °C: the sky for a share `sky_view` (0.5 for a vertical wall), the surroundings at air
/// temperature for the rest.
#[must_use]
pub fn reflected_degc(air_degc: f64, sky_k: f64, sky_view: f64) -> f64 {
    let air_k = air_degc + ZERO_C_K;
    (sky_view * sky_k.powi(4) + (1.0 - sky_view) * air_k.powi(4)).powf(0.25) - ZERO_C_K
}

/// One thermal frame that was matched to a section.
#[derive(Clone, Debug, PartialEq)]
pub struct FacadeFrame {
    /// Box.
    pub box_id: String,
    /// Round of that box: anything that is the same for one continuous drive (its date, a trip id).
    pub round: String,
    /// Section.
    pub section_id: String,
    /// Number of the pass over the section inside the round.
    pub pass: u32,
    /// Time, UTC, microseconds since 1970.
    pub t_us: i64,
    /// Facade minus air, K.
    pub delta_k: f64,
    /// True when conditions or pixels forbid a facade reading; the frame is then not used.
    pub gated: bool,
}

/// One pass over one section.
#[derive(Clone, Debug, PartialEq)]
pub struct FacadePass {
    /// Box.
    pub box_id: String,
    /// Round.
    pub round: String,
    /// Section.
    pub section_id: String,
    /// Number of the pass inside the round.
    pub pass: u32,
    /// First frame of the pass, UTC, microseconds since 1970.
    pub t_us: i64,
    /// Difference to the median facade of the territory under the same conditions, K: the value of a pass fact.
    pub value_k: f64,
    /// Frames behind it.
    pub n_frames: u32,
}

/// Pass values, and what was left aside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FacadePasses {
    /// Sorted by box, round, section and pass.
    pub passes: Vec<FacadePass>,
    /// Frames that were gated or not finite.
    pub frames_gated: u64,
    /// Frames of passes with too few of them.
    pub frames_thin: u64,
}

/// Difference of every pass to the median facade of the territory under the same conditions: `x − a − c`.
///
/// `x` is the median `delta_k` of the pass's ungated frames. `a` is the offset of its box and round: with
/// `alternations = 1` the median of the round's own passes, so that a round's median is zero. That alone would also
/// erase a true difference between two rounds of different streets, so further alternations first subtract the level
/// of each section as seen by all rounds (median polish); on streets that several rounds share the two are told
/// apart. `c` centres the result: the median over the sections of their median pass, so that half of the sections lie
/// below 0 however often each was driven.
#[must_use]
pub fn facade_passes(frames: &[FacadeFrame], rule: &Facade) -> FacadePasses {
    type PassKey<'a> = (&'a str, &'a str, &'a str, u32);
    let mut out = FacadePasses::default();
    let mut groups: BTreeMap<PassKey<'_>, (i64, Vec<f64>)> = BTreeMap::new();
    for frame in frames {
        if frame.gated || !frame.delta_k.is_finite() {
            out.frames_gated += 1;
            continue;
        }
        let key = (frame.box_id.as_str(), frame.round.as_str(), frame.section_id.as_str(), frame.pass);
        let (t_us, values) = groups.entry(key).or_insert((frame.t_us, Vec::new()));
        *t_us = (*t_us).min(frame.t_us);
        values.push(frame.delta_k);
    }
    for ((box_id, round, section_id, pass), (t_us, values)) in groups {
        let n_frames = u32::try_from(values.len()).unwrap_or(u32::MAX);
        match stats::median(&values) {
            Some(value_k) if n_frames >= rule.min_frames => out.passes.push(FacadePass {
                box_id: box_id.into(),
                round: round.into(),
                section_id: section_id.into(),
                pass,
                t_us,
                value_k,
                n_frames,
            }),
            _ => out.frames_thin += u64::from(n_frames),
        }
    }
    remove_offsets(&mut out.passes, rule.alternations);
    out
}

fn remove_offsets(passes: &mut [FacadePass], alternations: u32) {
    let mut section_level: BTreeMap<&str, f64> = BTreeMap::new();
    let mut offset: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for _ in 0..alternations.max(1) {
        offset = medians(passes.iter().map(|pass| {
            let above = section_level.get(pass.section_id.as_str()).copied().unwrap_or(0.0);
            ((pass.box_id.as_str(), pass.round.as_str()), pass.value_k - above)
        }));
        section_level = medians(passes.iter().map(|pass| {
            let own = offset.get(&(pass.box_id.as_str(), pass.round.as_str())).copied().unwrap_or(0.0);
            (pass.section_id.as_str(), pass.value_k - own)
        }));
    }
    let values: Vec<f64> = passes
        .iter()
        .map(|pass| {
            let own = offset.get(&(pass.box_id.as_str(), pass.round.as_str())).copied().unwrap_or(0.0);
            pass.value_k - own
        })
        .collect();
    let of_sections = medians(passes.iter().zip(&values).map(|(pass, value_k)| (pass.section_id.as_str(), *value_k)));
    let Some(centre) = stats::median(&of_sections.into_values().collect::<Vec<f64>>()) else { return };
    for (pass, value_k) in passes.iter_mut().zip(values) {
        pass.value_k = value_k - centre;
    }
}

fn medians<K: Ord>(pairs: impl Iterator<Item = (K, f64)>) -> BTreeMap<K, f64> {
    let mut groups: BTreeMap<K, Vec<f64>> = BTreeMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups.into_iter().filter_map(|(key, values)| Some((key, stats::median(&values)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::air::Corrections;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    #[test]
    fn golden_t1_grey_body() {
        close(object_degc(5.0, -10.0, 0.95).unwrap(), 5.7250, 1e-4);
        close(object_degc(5.0, -10.0, 0.90).unwrap(), 6.5241, 1e-4);
        close(object_degc(5.0, -40.0, 0.95).unwrap(), 6.8349, 1e-4);
        for emissivity in [0.3, 0.9, 1.0] {
            close(object_degc(2.0, 2.0, emissivity).unwrap(), 2.0, 1e-9);
        }
        for (apparent, emissivity) in [(5.0, 0.0), (5.0, 1.1), (5.0, f64::NAN), (-300.0, 0.9), (f64::NAN, 0.9)] {
            assert_eq!(object_degc(apparent, -10.0, emissivity), None);
        }
    }

    #[test]
    fn golden_t2_swinbank() {
        close(clear_sky_k(273.15), 249.19, 249.19e-4);
        close(reflected_degc(0.0, 273.15, 0.5), 0.0, 1e-9);
        assert!(reflected_degc(0.0, clear_sky_k(273.15), 0.5) < -10.0);
    }

    /// True facade levels 0..9 K on ten sections; each round has its own camera and weather offset.
    fn frames(rounds: &[(&str, &str, f64, std::ops::Range<u32>)]) -> Vec<FacadeFrame> {
        let mut out = Vec::new();
        for (box_id, round, offset, sections) in rounds {
            for section in sections.clone() {
                for frame in 0..5 {
                    out.push(FacadeFrame {
                        box_id: (*box_id).into(),
                        round: (*round).into(),
                        section_id: format!("s{section}"),
                        pass: 0,
                        t_us: frame,
                        delta_k: f64::from(section) + offset + 0.01 * (frame - 2) as f64,
                        gated: false,
                    });
                }
            }
        }
        out
    }

    fn levels(passes: &FacadePasses) -> Vec<f64> {
        let mut by_section = medians(passes.passes.iter().map(|pass| (pass.section_id.clone(), pass.value_k)));
        (0..10).map(|section| by_section.remove(&format!("s{section}")).unwrap()).collect()
    }

    #[test]
    fn offset_of_camera_and_weather_cancels() {
        let rule = Corrections::builtin().unwrap().facade;
        let plain = facade_passes(&frames(&[("a", "1", 0.0, 0..10), ("a", "2", 0.0, 0..10)]), &rule);
        let shifted = facade_passes(&frames(&[("a", "1", -3.0, 0..10), ("a", "2", 3.0, 0..10)]), &rule);
        let (a, b) = (levels(&plain), levels(&shifted));
        // Levels 0..9 around their median 4.5, whatever camera and weather add.
        for (section, (a, b)) in a.iter().zip(&b).enumerate() {
            close(*a, section as f64 - 4.5, 1e-9);
            close(*b, *a, 1e-9);
        }
        for pair in a.windows(2).zip(b.windows(2)) {
            close(pair.0[1] - pair.0[0], 1.0, 1e-9);
            close(pair.1[1] - pair.1[0], 1.0, 1e-9);
        }
        assert_eq!(plain.passes[0].t_us, 0);
    }

    #[test]
    fn a_street_that_is_driven_often_does_not_move_the_centre() {
        let rule = Corrections::builtin().unwrap().facade;
        let mut rounds = vec![("a", "0", 40.0, 0..10)];
        rounds.extend(["1", "2", "3", "4", "5", "6"].map(|round| ("a", round, -7.0, 0..10)));
        let once = frames(&rounds);
        let mut often = once.clone();
        // Section 9 six more times in every round.
        for pass in 1..=6 {
            often.extend(
                once.iter().filter(|frame| frame.section_id == "s9").map(|frame| FacadeFrame { pass, ..frame.clone() }),
            );
        }
        for got in [levels(&facade_passes(&once, &rule)), levels(&facade_passes(&often, &rule))] {
            for (section, value) in got.iter().enumerate() {
                close(*value, section as f64 - 4.5, 1e-9);
            }
        }
    }

    #[test]
    fn rounds_of_different_streets_keep_their_difference_where_they_overlap() {
        let rule = Facade { alternations: 20, ..Corrections::builtin().unwrap().facade };
        let rounds = [("a", "1", 2.0, 0..7), ("b", "1", -2.0, 3..10), ("a", "2", 0.5, 0..10)];
        let got = levels(&facade_passes(&frames(&rounds), &rule));
        let truth: Vec<f64> = (0..10).map(f64::from).collect();
        assert!(stats::spearman(&got, &truth).unwrap() > 0.99, "{got:?}");
    }

    #[test]
    fn gated_and_thin_frames_are_counted() {
        let rule = Corrections::builtin().unwrap().facade;
        let mut all = frames(&[("a", "1", 0.0, 0..1)]);
        all[0].gated = true;
        all[1].delta_k = f64::NAN;
        let kept = facade_passes(&all, &rule);
        assert_eq!((kept.passes.len(), kept.frames_gated, kept.frames_thin), (1, 2, 0));
        all[2].gated = true;
        let none = facade_passes(&all, &rule);
        assert_eq!((none.passes.len(), none.frames_gated, none.frames_thin), (0, 3, 2));
    }
}
