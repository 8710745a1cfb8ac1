//! Pass facts outlive the raw rows they were made of: raw rows leave after weeks, pass facts after years
//! (docs/decisions/0011). A run makes facts of all raw rows there are; what earlier runs made of rows that have left is carried
//! over from the derived table. Pure.
//!
//! What has left is asked per fact, not per day: a vehicle that comes back after weeks may bring an hour of a day whose other
//! hours have left, and each raw table lets a date go by a commit of its own.

use std::collections::{BTreeMap, BTreeSet};

use tournee_indicators::{Kinds, PassFact, Theme};
use tournee_query::read::Track;
use tournee_territory::Section;

use crate::facts::{Streams, sort};

const DAY_US: i64 = 86_400_000_000;

/// The raw rows that are still in the lake.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Positions.
    pub track: &'a Track,
    /// The streams of the themes.
    pub streams: Streams<'a>,
    /// How near to a pass a position of its vehicle lies at the most, microseconds.
    pub near_us: i64,
}

impl Raw<'_> {
    /// Whether a pass that began at this time can be computed again: a position of the box lies near, and the theme's stream
    /// has a row of the box, both on the same UTC day, for rows leave by UTC days.
    #[must_use]
    pub fn hold(&self, theme: Theme, box_id: &str, t_us: i64) -> bool {
        let day_us = t_us.div_euclid(DAY_US).saturating_mul(DAY_US);
        let day = (day_us, day_us.saturating_add(DAY_US));
        let near = (
            t_us.saturating_sub(self.near_us).max(day.0),
            t_us.saturating_add(self.near_us).saturating_add(1).min(day.1),
        );
        if !any(&self.track.t_us, self.track.rows_of_box(box_id), near) {
            return false;
        }
        let (times, rows) = match theme {
            Theme::Air => (&self.streams.air.t_us, self.streams.air.rows_of_box(box_id)),
            Theme::Road => (&self.streams.road.t_us, self.streams.road.rows_of_box(box_id)),
            Theme::Mobile => (&self.streams.mobile.t_us, self.streams.mobile.rows_of_box(box_id)),
            Theme::Heat => (&self.streams.thermal.t_us, self.streams.thermal.rows_of_box(box_id)),
        };
        any(times, rows, day)
    }
}

/// Whether one of these rows, which rise, lies from the first time up to but without the second.
fn any(t_us: &[i64], rows: std::ops::Range<usize>, (from_us, to_us): (i64, i64)) -> bool {
    let times = t_us.get(rows).unwrap_or_default();
    let first = times.partition_point(|time| *time < from_us);
    times.get(first).is_some_and(|time| *time < to_us)
}

/// A fact by what it is about.
type Key = (String, String, String, i64);

fn key(fact: &PassFact) -> Key {
    (fact.box_id.clone(), fact.section_id.clone(), fact.indicator.clone(), fact.t_us)
}

/// What earlier runs leave to this one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carried {
    /// Facts whose raw rows have left.
    pub facts: Vec<PassFact>,
    /// Facts that cannot be kept, by reason.
    pub left_out: BTreeMap<String, u64>,
    /// Facts whose raw rows are still there: this run makes them anew, or not.
    superseded: BTreeSet<Key>,
}

/// What is to be carried over of the facts of the last run, which are all of one territory.
#[must_use]
pub fn carried(before: Vec<PassFact>, raw: &Raw<'_>, sections: &[Section], kinds: &Kinds) -> Carried {
    let known: BTreeSet<&str> = sections.iter().map(|section| section.id.as_str()).collect();
    let mut themes: BTreeMap<String, Option<Theme>> = BTreeMap::new();
    let mut out = Carried::default();
    for fact in before {
        let theme = match themes.get(&fact.indicator) {
            Some(theme) => *theme,
            None => {
                let theme = kinds.get(&fact.indicator).map(|kind| kind.theme);
                themes.insert(fact.indicator.clone(), theme);
                theme
            }
        };
        let Some(theme) = theme else {
            *out.left_out.entry(format!("unknown indicator {}", fact.indicator)).or_default() += 1;
            continue;
        };
        if raw.hold(theme, &fact.box_id, fact.t_us) {
            out.superseded.insert(key(&fact));
        } else if known.contains(fact.section_id.as_str()) {
            out.facts.push(fact);
        } else {
            *out.left_out.entry("of before, its section is no longer in the territory".to_owned()).or_default() += 1;
        }
    }
    out
}

/// Old and new facts together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Joined {
    /// Sorted as [`crate::facts::Facts::facts`].
    pub facts: Vec<PassFact>,
    /// Facts among them that were carried over.
    pub carried: u64,
    /// New facts that are the rest of a pass which was cut when the raw rows before it left, and whose whole is carried.
    pub rests: u64,
}

impl Carried {
    /// Adds what this run made. A new fact wins over a carried one of the same box, section, indicator and time. Rows leave at
    /// midnight, through the middle of a round: what is left of a pass there looks like a pass of its own. It is one that no
    /// earlier run knew, within `merge_window_s` after a carried one of the same vehicle, which would count as one pass
    /// with it; the whole one stays.
    #[must_use]
    pub fn join(self, fresh: Vec<PassFact>, merge_window_s: u32) -> Joined {
        let window_us = i64::from(merge_window_s) * 1_000_000;
        let mut old: BTreeMap<Key, PassFact> = self.facts.into_iter().map(|fact| (key(&fact), fact)).collect();
        let mut out = Joined { facts: Vec::with_capacity(old.len() + fresh.len()), ..Joined::default() };
        for fact in fresh {
            let own = key(&fact);
            let before = (own.0.clone(), own.1.clone(), own.2.clone(), fact.t_us.saturating_sub(window_us));
            if !self.superseded.contains(&own)
                && !old.contains_key(&own)
                && old.range(before..own.clone()).next().is_some()
            {
                out.rests += 1;
                continue;
            }
            old.remove(&own);
            out.facts.push(fact);
        }
        out.carried = old.len() as u64;
        out.facts.extend(old.into_values());
        sort(&mut out.facts);
        out
    }
}

#[cfg(test)]
mod tests {
    use tournee_query::read::{Air, Mobile, Road, Thermal};

    use super::*;
    use crate::facts::tests::sections;

    const S: i64 = 1_000_000;
    /// 2026-01-12, a UTC midnight.
    const MIDNIGHT: i64 = 1_768_176_000 * S;

    fn fact(section: &str, indicator: &str, t_us: i64, value: f64) -> PassFact {
        PassFact {
            territory: "redon".into(),
            section_id: section.into(),
            indicator: indicator.into(),
            box_id: "a".into(),
            t_us,
            date: "2026-01-12".into(),
            value,
            n_samples: 5,
        }
    }

    #[derive(Default)]
    struct Lake {
        track: Track,
        air: Air,
        road: Road,
        mobile: Mobile,
        thermal: Thermal,
    }

    impl Lake {
        /// Positions and air samples of one box.
        fn new(track_us: &[i64], air_us: &[i64]) -> Self {
            let mut lake = Self::default();
            lake.track.boxes = vec!["a".into()];
            lake.track.box_ix = vec![0; track_us.len()];
            lake.track.t_us = track_us.to_vec();
            lake.air.boxes = vec!["a".into()];
            lake.air.box_ix = vec![0; air_us.len()];
            lake.air.t_us = air_us.to_vec();
            lake
        }

        fn carried(&self, before: &[PassFact]) -> Carried {
            let streams = Streams { air: &self.air, road: &self.road, mobile: &self.mobile, thermal: &self.thermal };
            let raw = Raw { track: &self.track, streams, near_us: 90 * S };
            carried(before.to_vec(), &raw, &sections(4), &Kinds::builtin().unwrap())
        }
    }

    #[test]
    fn what_has_no_raw_rows_any_more_is_carried_and_nothing_else() {
        let old = fact("s0", "pm25_ugm3", MIDNIGHT - 3_600 * S, 10.0);
        let young = fact("s0", "pm25_ugm3", MIDNIGHT + 3_600 * S, 20.0);
        let lake = Lake::new(&[young.t_us - 89 * S], &[young.t_us + 7_200 * S]);
        let found = lake.carried(&[old.clone(), young.clone()]);
        assert_eq!((found.facts.as_slice(), found.left_out.len()), (&[old.clone()][..], 0));
        // The run made the young one anew, with another value; and one more.
        let (anew, more) = (PassFact { value: 21.0, ..young.clone() }, fact("s1", "no2_ugm3", young.t_us, 1.0));
        let joined = found.join(vec![more.clone(), anew.clone()], 600);
        assert_eq!(joined, Joined { facts: vec![old, anew, more], carried: 1, rests: 0 });
        // Nothing was there before: the first run, and a lake that starts anew.
        let none = lake.carried(&[]);
        assert_eq!(none, Carried::default());
        assert_eq!(none.join(vec![young.clone()], 600), Joined { facts: vec![young], carried: 0, rests: 0 });
    }

    #[test]
    fn a_new_fact_wins_over_a_carried_one() {
        let old = fact("s0", "pm25_ugm3", MIDNIGHT, 10.0);
        let found = Lake::default().carried(std::slice::from_ref(&old));
        let joined = found.join(vec![PassFact { value: 11.0, ..old.clone() }], 600);
        assert_eq!(joined, Joined { facts: vec![PassFact { value: 11.0, ..old }], carried: 0, rests: 0 });
    }

    /// The tables let a date go one after the other, and a run may come in between.
    #[test]
    fn a_day_that_has_left_one_of_its_two_tables_is_carried() {
        let old = fact("s0", "pm25_ugm3", MIDNIGHT + 10 * S, 10.0);
        let rough = fact("s0", "rough_mps2", MIDNIGHT + 10 * S, 1.0);
        let before = [old.clone(), rough.clone()];
        let of = |lake: Lake| lake.carried(&before).facts;
        assert_eq!(of(Lake::new(&[MIDNIGHT], &[])), before);
        assert_eq!(of(Lake::new(&[], &[MIDNIGHT])), before);
        assert_eq!(of(Lake::new(&[MIDNIGHT], &[MIDNIGHT])), [rough]);
        // Another box's rows are none of its own.
        let mut other = Lake::new(&[MIDNIGHT], &[MIDNIGHT]);
        other.track.boxes = vec!["b".into()];
        assert_eq!(of(other), before);
    }

    /// A vehicle comes back and brings an hour of a day that has left: the day's other hours stay.
    #[test]
    fn a_straggler_does_not_take_the_rest_of_its_day() {
        let (morning, noon) = (MIDNIGHT + 8 * 3_600 * S, MIDNIGHT + 12 * 3_600 * S);
        let before = [fact("s0", "pm25_ugm3", morning, 10.0), fact("s0", "pm25_ugm3", noon + 60 * S, 12.0)];
        let rows: Vec<i64> = (0..3_600).map(|s| noon + s * S).collect();
        let found = Lake::new(&rows, &rows).carried(&before);
        assert_eq!(found.facts, before[..1]);
        let joined = found.join(vec![fact("s0", "pm25_ugm3", noon + 61 * S, 12.5)], 600);
        let values: Vec<f64> = joined.facts.iter().map(|fact| fact.value).collect();
        assert_eq!((values, joined.carried), (vec![10.0, 12.5], 1));
    }

    #[test]
    fn a_round_across_midnight_keeps_its_cut_pass_once() {
        // Entered two seconds before midnight; the section after it was entered six seconds past midnight, and a third section
        // just before midnight and again, known to the run before, minutes later.
        let whole = fact("s0", "pm25_ugm3", MIDNIGHT - 2 * S, 10.0);
        let next = fact("s1", "pm25_ugm3", MIDNIGHT + 6 * S, 20.0);
        let (once, again) =
            (fact("s2", "pm25_ugm3", MIDNIGHT - 60 * S, 1.0), fact("s2", "pm25_ugm3", MIDNIGHT + 300 * S, 3.0));
        let rows: Vec<i64> = (0..600).map(|s| MIDNIGHT + s * S).collect();
        let found = Lake::new(&rows, &rows).carried(&[whole.clone(), next.clone(), once.clone(), again.clone()]);
        assert_eq!(found.facts, [whole.clone(), once.clone()]);
        // What is left of the first pass begins with the first row of the day.
        let rest = fact("s0", "pm25_ugm3", MIDNIGHT, 13.0);
        let fresh = vec![rest.clone(), next.clone(), again.clone()];
        let joined = found.join(fresh.clone(), 600);
        assert_eq!(joined, Joined { facts: vec![whole.clone(), next, once, again], carried: 2, rests: 1 });
        // The next run decides alike.
        let found = Lake::new(&rows, &rows).carried(&joined.facts);
        assert_eq!(found.join(fresh, 600), joined);
        // A pass long after is one of its own.
        let late = fact("s0", "pm25_ugm3", MIDNIGHT + 599 * S, 14.0);
        let joined = Lake::new(&rows, &rows).carried(std::slice::from_ref(&whole)).join(vec![late.clone()], 600);
        assert_eq!(joined, Joined { facts: vec![whole, late], carried: 1, rests: 0 });
    }

    #[test]
    fn what_cannot_be_kept_is_counted_with_its_reason() {
        let gone = [fact("s99", "pm25_ugm3", MIDNIGHT, 1.0), fact("s0", "radon_bqm3", MIDNIGHT, 1.0)];
        let found = Lake::default().carried(&gone);
        assert!(found.facts.is_empty());
        let reasons: Vec<(&str, u64)> = found.left_out.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
        assert_eq!(
            reasons,
            [("of before, its section is no longer in the territory", 1), ("unknown indicator radon_bqm3", 1)]
        );
    }

    #[test]
    fn times_at_the_ends_of_the_calendar_are_asked_without_harm() {
        let found = Lake::new(&[0], &[0])
            .carried(&[fact("s0", "pm25_ugm3", i64::MIN, 1.0), fact("s0", "pm25_ugm3", i64::MAX, 1.0)]);
        assert_eq!(found.facts.len(), 2);
    }
}
