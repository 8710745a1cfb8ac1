//! From samples to pass facts: what one pass of one vehicle says about one section. Pure; one file per theme.

mod air;
mod heat;
mod mobile;
mod road;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeZone};
use serde::Serialize;
use tournee_indicators::air::Corrections;
use tournee_indicators::{PassFact, Theme};
use tournee_query::read::{Air, Mobile, Road, Thermal};
use tournee_territory::Section;

use crate::config::Config;
use crate::track::{Drives, Pass};

/// What pass facts are made with.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Territory id.
    pub territory: &'a str,
    /// Its sections.
    pub sections: &'a [Section],
    /// What every box drove, sorted by box.
    pub drives: &'a [Drives],
    /// Thresholds.
    pub config: &'a Config,
    /// Corrections of values.
    pub corrections: &'a Corrections,
    /// Background levels, by indicator of air, that are given because facts of earlier runs stand on them; without, the level is
    /// the median of the backgrounds of all samples.
    pub levels: &'a BTreeMap<String, f64>,
}

/// The streams of the lake that facts come from.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "named after the tables")]
pub struct Streams<'a> {
    pub air: &'a Air,
    pub road: &'a Road,
    pub mobile: &'a Mobile,
    pub thermal: &'a Thermal,
}

/// What became of the rows of one stream: `rows = refused + too_humid + empty + elsewhere + short + thin + used` for air,
/// road and heat, where each row counts once; a mobile row thinned out beside another is `thin`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowCounts {
    /// Rows of boxes that drove in the territory.
    pub rows: u64,
    /// Refused by a quality bit, or by the gate of the facade camera.
    pub refused: u64,
    /// Particles in air so humid that their mass is mostly water.
    pub too_humid: u64,
    /// Without a value: gated on the vehicle, or not answered by the sensor.
    pub empty: u64,
    /// Not on a matched drive of this territory.
    pub elsewhere: u64,
    /// On a pass that drove too little of its section.
    pub short: u64,
    /// On a pass with too few samples, or nearer to another sample than one is wanted.
    pub thin: u64,
    /// Behind a pass fact.
    pub used: u64,
    /// Of those used: particles in humid air, to be read with care. Not a fate of its own.
    pub used_humid: u64,
}

/// Facts and counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Sorted by section, indicator, box and time.
    pub facts: Vec<PassFact>,
    /// Rows of each theme's headline indicator.
    pub counts: BTreeMap<Theme, RowCounts>,
    /// Background levels that the facts of air stand on, by indicator, in its unit.
    pub levels: BTreeMap<String, f64>,
}

/// All pass facts of a territory.
#[must_use]
pub fn all(scene: Scene<'_>, streams: Streams<'_>) -> Facts {
    let (air, counts, levels) = air::facts(scene, streams.air);
    let parts = [
        (Theme::Air, (air, counts)),
        (Theme::Road, road::facts(scene, streams.road)),
        (Theme::Mobile, mobile::facts(scene, streams.mobile)),
        (Theme::Heat, heat::facts(scene, streams.thermal)),
    ];
    let mut out = Facts { levels, ..Facts::default() };
    for (theme, (facts, counts)) in parts {
        out.facts.extend(facts);
        out.counts.insert(theme, counts);
    }
    sort(&mut out.facts);
    out
}

/// Sorts by section, indicator, box and time.
pub(crate) fn sort(facts: &mut [PassFact]) {
    facts.sort_by(|a, b| {
        (&a.section_id, &a.indicator, &a.box_id, a.t_us)
            .cmp(&(&b.section_id, &b.indicator, &b.box_id, b.t_us))
            .then(a.value.total_cmp(&b.value))
    });
}

impl<'a> Scene<'a> {
    /// The pass, where it drove enough of its section to count.
    fn counted(&self, drives: &'a Drives, pass: usize) -> Option<&'a Pass> {
        drives.passes.get(pass).filter(|pass| pass.share >= self.config.pass.min_share)
    }

    fn fact(&self, box_id: &str, pass: &Pass, indicator: &str, value: f64, n_samples: usize) -> Option<PassFact> {
        let section = self.sections.get(usize::try_from(pass.section.0).ok()?)?;
        Some(PassFact {
            territory: self.territory.to_owned(),
            section_id: section.id.clone(),
            indicator: indicator.to_owned(),
            box_id: box_id.to_owned(),
            t_us: pass.t_enter_us,
            date: self.local_date(pass.t_enter_us),
            value,
            n_samples: u32::try_from(n_samples).unwrap_or(u32::MAX),
        })
    }

    /// The date on the wall of the territory, ISO 8601; empty outside of the calendar.
    fn local_date(&self, t_us: i64) -> String {
        DateTime::from_timestamp_micros(t_us)
            .map(|utc| self.config.zone.from_utc_datetime(&utc.naive_utc()).format("%Y-%m-%d").to_string())
            .unwrap_or_default()
    }
}

fn value(column: &[f64], row: usize) -> f64 {
    column.get(row).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
pub(crate) mod tests {
    use geo_types::{LineString, coord};
    use tournee_territory::NodeId;

    use super::*;
    use crate::track::tests::drives;

    pub fn sections(n: u32) -> Vec<Section> {
        (0..n)
            .map(|k| Section {
                id: format!("s{k}"),
                way_id: i64::from(k),
                name: None,
                class: "residential".into(),
                code_insee: "35236".into(),
                from: NodeId(i64::from(k)),
                to: NodeId(i64::from(k) + 1),
                oneway: false,
                line: LineString::new(vec![
                    coord! { x: -2.1 + f64::from(k) * 0.000_67, y: 47.65 },
                    coord! { x: -2.1 + f64::from(k + 1) * 0.000_67, y: 47.65 },
                ]),
                length_m: 50.0,
            })
            .collect()
    }

    pub fn with_scene<T>(drives: &[Drives], check: impl FnOnce(Scene<'_>) -> T) -> T {
        let (config, corrections) = (Config::builtin().unwrap(), Corrections::builtin().unwrap());
        let sections = sections(4);
        check(Scene {
            territory: "redon",
            sections: &sections,
            drives,
            config: &config,
            corrections: &corrections,
            levels: &BTreeMap::new(),
        })
    }

    #[test]
    fn the_date_is_local() {
        with_scene(&[], |scene| {
            // 2026-01-20T23:30Z is already the 21st in Paris.
            assert_eq!(scene.local_date(1_768_951_800_000_000), "2026-01-21");
            assert_eq!(scene.local_date(i64::MAX), "");
        });
    }

    #[test]
    fn a_pass_that_drove_too_little_does_not_count() {
        let mut driven = drives("a", &[0], 2);
        driven.passes[0].share = 0.59;
        let all = [driven];
        with_scene(&all, |scene| {
            assert_eq!(scene.counted(&all[0], 0), None);
            assert!(scene.counted(&all[0], 1).is_some());
            assert_eq!(scene.counted(&all[0], 9), None);
        });
    }
}
