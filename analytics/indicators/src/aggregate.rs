//! From pass facts to indicators. Order independent: the same facts in any order give the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Confidence, Indicator, Kinds, PassFact, PublicationGates, stats};

/// Indicators and what was left aside on the way. Nothing disappears without a number here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aggregated {
    /// Sorted by territory, section and indicator.
    pub indicators: Vec<Indicator>,
    /// Facts whose value is not a finite number.
    pub refused_not_finite: u64,
    /// Facts of an indicator that no kind describes, by name.
    pub refused_unknown: BTreeMap<String, u64>,
    /// Facts that were merged into another pass of the same vehicle.
    pub merged: u64,
}

/// One indicator per territory, section and indicator name, sorted: the median over passes (Apte et al. 2017), its
/// order-statistic interval, the counts, the confidence and the class. Passes of one vehicle within the merge window of
/// the first of them count as one, with their mean. `origin` is `measured`, `simulated` or `partner`.
#[must_use]
pub fn aggregate(facts: &[PassFact], kinds: &Kinds, gates: &PublicationGates, origin: &str) -> Vec<Indicator> {
    aggregate_counted(facts, kinds, gates, origin).indicators
}

/// [`aggregate`], with the counts of what was left aside.
#[must_use]
pub fn aggregate_counted(facts: &[PassFact], kinds: &Kinds, gates: &PublicationGates, origin: &str) -> Aggregated {
    let mut out = Aggregated::default();
    let mut groups: BTreeMap<(&str, &str, &str), Vec<&PassFact>> = BTreeMap::new();
    for fact in facts {
        if fact.value.is_finite() {
            groups.entry((&fact.territory, &fact.section_id, &fact.indicator)).or_default().push(fact);
        } else {
            out.refused_not_finite += 1;
        }
    }
    let names: BTreeSet<&str> = groups.keys().map(|key| key.2).collect();
    let known: BTreeMap<&str, crate::Kind> =
        names.into_iter().filter_map(|name| Some((name, kinds.get(name)?))).collect();
    for ((territory, section_id, name), mut group) in groups {
        let Some(kind) = known.get(name) else {
            *out.refused_unknown.entry(name.into()).or_default() += group.len() as u64;
            continue;
        };
        let passes = merge(&mut group, gates.merge_window_s);
        out.merged += (group.len() - passes.len()) as u64;
        let Some(value) = stats::median(&passes) else { continue };
        let interval = stats::median_ci(&passes);
        let days: BTreeSet<&str> = group.iter().map(|fact| fact.date.as_str()).collect();
        let boxes: BTreeSet<&str> = group.iter().map(|fact| fact.box_id.as_str()).collect();
        let (n_passes, n_days) = (count(passes.len()), count(days.len()));
        let confidence = gates.confidence_of(kind.theme, n_passes, n_days);
        out.indicators.push(Indicator {
            territory: territory.into(),
            section_id: section_id.into(),
            theme: kind.theme,
            indicator: name.into(),
            unit: kind.unit.clone(),
            value,
            lo: interval.map(|ends| ends.0),
            hi: interval.map(|ends| ends.1),
            n_passes,
            n_days,
            n_boxes: count(boxes.len()),
            first_date: days.first().map_or_else(String::new, |date| (*date).into()),
            last_date: days.last().map_or_else(String::new, |date| (*date).into()),
            confidence,
            class: if confidence == Confidence::Insufficient { None } else { kind.class(value) },
            origin: origin.into(),
        });
    }
    out
}

/// Values of passes after merging; sorts the group so that the result does not depend on the order of arrival.
fn merge(group: &mut [&PassFact], window_s: u32) -> Vec<f64> {
    group.sort_by(|a, b| {
        (&a.box_id, a.t_us).cmp(&(&b.box_id, b.t_us)).then(a.value.total_cmp(&b.value)).then(a.date.cmp(&b.date))
    });
    let window_us = i64::from(window_s) * 1_000_000;
    let mut passes = Vec::with_capacity(group.len());
    let mut open: Option<(&str, i64)> = None;
    let mut values: Vec<f64> = Vec::new();
    for fact in group.iter() {
        let same =
            open.is_some_and(|(box_id, t_us)| box_id == fact.box_id && fact.t_us.saturating_sub(t_us) <= window_us);
        if !same {
            passes.extend(stats::mean(&values));
            values.clear();
            open = Some((&fact.box_id, fact.t_us));
        }
        values.push(fact.value);
    }
    passes.extend(stats::mean(&values));
    passes
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A partner's published value as an indicator: its passes, days and interval are unknown, so they stay empty, and the
/// confidence is what the importer may claim for the source. `None` for an unknown indicator or a value that is not
/// finite.
#[must_use]
pub fn partner_indicator(
    kinds: &Kinds,
    territory: &str,
    section_id: &str,
    indicator: &str,
    value: f64,
    confidence: Confidence,
) -> Option<Indicator> {
    let kind = kinds.get(indicator)?;
    let class = kind.class(value)?;
    Some(Indicator {
        territory: territory.into(),
        section_id: section_id.into(),
        theme: kind.theme,
        indicator: kind.name,
        unit: kind.unit,
        value,
        lo: None,
        hi: None,
        n_passes: 0,
        n_days: 0,
        n_boxes: 0,
        first_date: String::new(),
        last_date: String::new(),
        confidence,
        class: (confidence != Confidence::Insufficient).then_some(class),
        origin: "partner".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fact(box_id: &str, day: u32, minute: i64, value: f64) -> PassFact {
        PassFact {
            territory: "redon".into(),
            section_id: "w1-n1-0".into(),
            indicator: "pm25_ugm3".into(),
            box_id: box_id.into(),
            t_us: (i64::from(day) * 1440 + minute) * 60_000_000,
            date: format!("2026-01-{day:02}"),
            value,
            n_samples: 5,
        }
    }

    fn run(facts: &[PassFact]) -> Vec<Indicator> {
        aggregate(facts, &Kinds::builtin().unwrap(), &PublicationGates::builtin().unwrap(), "simulated")
    }

    #[test]
    fn golden_u5_median_of_passes_not_pooled_mean() {
        let facts = [
            fact("a", 1, 0, 10.0),
            fact("a", 1, 4, 12.0),
            fact("a", 1, 8, 11.0),
            fact("a", 2, 0, 40.0),
            fact("a", 3, 0, 12.0),
        ];
        let all = run(&facts);
        let one = &all[0];
        assert_eq!((one.value, one.n_passes, one.n_days, one.n_boxes), (12.0, 3, 3, 1));
        assert_eq!((one.confidence, one.class, one.lo), (Confidence::Insufficient, None, None));
        assert_eq!((one.first_date.as_str(), one.last_date.as_str()), ("2026-01-01", "2026-01-03"));
    }

    #[test]
    fn merging_needs_the_same_vehicle_and_stops_after_the_window() {
        let facts = [fact("a", 1, 0, 1.0), fact("a", 1, 10, 3.0), fact("a", 1, 11, 9.0), fact("b", 1, 0, 5.0)];
        let kinds = Kinds::builtin().unwrap();
        let all = aggregate_counted(&facts, &kinds, &PublicationGates::builtin().unwrap(), "measured");
        assert_eq!((all.merged, all.indicators[0].n_passes, all.indicators[0].value), (1, 3, 5.0));
    }

    #[test]
    fn refusals_are_counted() {
        let mut facts = vec![fact("a", 1, 0, f64::NAN), fact("a", 1, 0, f64::INFINITY), fact("a", 1, 0, 1.0)];
        facts.push(PassFact { indicator: "nonsense".into(), ..fact("a", 1, 0, 1.0) });
        let kinds = Kinds::builtin().unwrap();
        let all = aggregate_counted(&facts, &kinds, &PublicationGates::builtin().unwrap(), "measured");
        assert_eq!((all.indicators.len(), all.refused_not_finite), (1, 2));
        assert_eq!(all.refused_unknown, BTreeMap::from([("nonsense".to_owned(), 1)]));
    }

    #[test]
    fn interval_class_and_public_gate_of_a_full_row() {
        let facts: Vec<PassFact> =
            (1..=10).map(|day| fact(if day % 2 == 0 { "a" } else { "b" }, day, 0, f64::from(day))).collect();
        let all = run(&facts);
        let one = &all[0];
        assert_eq!((one.value, one.lo, one.hi), (5.5, Some(2.0), Some(9.0)));
        assert_eq!((one.confidence, one.class), (Confidence::High, Some(1)));
        let gates = PublicationGates::builtin().unwrap();
        assert!(gates.is_public(one));
        assert!(!gates.is_public(&run(&facts[..1])[0]));
        let solo: Vec<PassFact> = facts.iter().map(|fact| PassFact { box_id: "a".into(), ..fact.clone() }).collect();
        assert!(!gates.is_public(&run(&solo)[0]), "one vehicle alone is never public");
    }

    #[test]
    fn partner_rows_say_what_is_unknown() {
        let kinds = Kinds::builtin().unwrap();
        let row = partner_indicator(&kinds, "dublin", "s", "no2_ugm3", 30.0, Confidence::Medium).unwrap();
        assert_eq!((row.class, row.n_passes, row.lo, row.origin.as_str()), (Some(2), 0, None, "partner"));
        assert!(PublicationGates::builtin().unwrap().is_public(&row));
        assert_eq!(partner_indicator(&kinds, "dublin", "s", "no2_ugm3", f64::NAN, Confidence::Medium), None);
    }

    proptest! {
        #[test]
        fn golden_s4_order_does_not_matter(
            rows in proptest::collection::vec((0u8..3, 1u32..5, 0i64..60, 0u32..400), 1..60),
            seed in any::<u64>(),
        ) {
            let facts: Vec<PassFact> = rows
                .iter()
                .map(|(b, day, minute, value)| fact(&format!("box-{b}"), *day, *minute, f64::from(*value) / 7.0))
                .collect();
            let mut shuffled = facts.clone();
            let mut state = seed | 1;
            for at in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffled.swap(at, (state >> 33) as usize % (at + 1));
            }
            let (a, b) = (serde_json::to_vec(&run(&facts)).unwrap(), serde_json::to_vec(&run(&shuffled)).unwrap());
            prop_assert_eq!(a, b);
        }
    }
}
