//! Everything that is known about one section, and nothing about who drove over it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tournee_indicators::{Indicator, Kind, Label, PassFact, Theme};
use tournee_priority::Recommendation;
use tournee_publish::{PublicGate, Published, iso_week};
use tournee_territory::{Section, Text};

use crate::geojson::{Drawn, drawn, public_row};

/// One pass as it may be shown: its ISO week ("2026-W04") and its value. No box, no day, no count of samples.
#[derive(Debug, PartialEq, Serialize)]
pub struct Pass {
    week: String,
    value: f64,
}

/// Weeks that too few vehicles drove for their passes to be listed.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct WeeksWithheld {
    weeks: usize,
    passes: usize,
}

/// One indicator of the section.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum IndicatorView {
    /// Public, with its passes.
    Shown(Box<Shown>),
    /// Below the gates of publication: that there is one, and why it is not said.
    Withheld {
        /// Theme.
        theme: Theme,
        /// Name of the indicator.
        indicator: String,
        /// Its label.
        label: Option<Label>,
        /// `withheld`.
        drawn: Drawn,
        /// Where the value would come from.
        origin: String,
        /// True.
        withheld: bool,
        /// `vehicles` or `buildings`.
        reason: &'static str,
    },
}

/// A public indicator with its passes.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    row: Indicator,
    label: Option<Label>,
    class_label: Option<Label>,
    drawn: Drawn,
    withheld: bool,
    passes: Vec<Pass>,
    weeks_withheld: WeeksWithheld,
}

/// The section itself.
#[derive(Debug, Serialize)]
pub struct SectionView<'a> {
    id: &'a str,
    name: Option<&'a str>,
    class: &'a str,
    code_insee: &'a str,
    commune: &'a str,
    length_m: f64,
    middle: Option<[f64; 2]>,
}

/// The explanation of a section.
#[derive(Debug, Serialize)]
pub struct Explanation<'a> {
    territory: &'a str,
    statement: &'a Text,
    generated_at: &'a str,
    data_version: &'a str,
    section: SectionView<'a>,
    indicators: Vec<IndicatorView>,
    recommendations: Vec<&'a Recommendation>,
    /// Recommendations that rest on a withheld value.
    recommendations_withheld: usize,
}

/// Where an explanation is computed from.
pub(crate) struct Facts<'a> {
    pub published: &'a Published,
    pub gate: &'a PublicGate,
    pub territory: &'a str,
    pub statement: &'a Text,
    pub generated_at: &'a str,
    pub data_version: &'a str,
    pub section: &'a Section,
    pub commune: &'a str,
    pub indicators: Vec<&'a Indicator>,
    pub pass_facts: Vec<&'a PassFact>,
    pub recommendations: Vec<&'a Recommendation>,
    pub recommendations_withheld: usize,
}

/// The vertex in the middle of the course: near enough to bring the map there.
pub(crate) fn middle(section: &Section) -> Option<[f64; 2]> {
    let points = &section.line.0;
    points.get(points.len() / 2).map(|at| [at.x, at.y])
}

/// Explains a section.
pub(crate) fn explain(facts: Facts<'_>) -> Explanation<'_> {
    let Facts { section, ref pass_facts, published, gate, .. } = facts;
    let mut indicators: Vec<_> = facts.indicators.iter().filter(|row| row.value.is_finite()).collect();
    indicators.sort_by(|a, b| a.theme.cmp(&b.theme).then_with(|| a.indicator.cmp(&b.indicator)));
    let indicators = indicators.into_iter().map(|row| view(published, gate, row, pass_facts)).collect();
    let mut recommendations = facts.recommendations;
    recommendations.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.rule.cmp(&b.rule)));
    Explanation {
        territory: facts.territory,
        statement: facts.statement,
        generated_at: facts.generated_at,
        data_version: facts.data_version,
        section: SectionView {
            id: &section.id,
            name: section.name.as_deref(),
            class: &section.class,
            code_insee: &section.code_insee,
            commune: facts.commune,
            length_m: section.length_m,
            middle: middle(section),
        },
        indicators,
        recommendations,
        recommendations_withheld: facts.recommendations_withheld,
    }
}

fn view(published: &Published, gate: &PublicGate, row: &Indicator, pass_facts: &[&PassFact]) -> IndicatorView {
    let kinds = &published.kinds;
    let kind = kinds.get(&row.indicator);
    if let Some(why) = gate.withheld(row) {
        return IndicatorView::Withheld {
            theme: row.theme,
            indicator: row.indicator.clone(),
            label: kind.map(|kind| kind.label),
            drawn: Drawn::Withheld,
            origin: row.origin.clone(),
            withheld: true,
            reason: why.name(),
        };
    }
    let drawn = drawn(kinds, row);
    // What the map does not tell apart, the words beside it must not either.
    let class = row.class.filter(|_| drawn != Drawn::Grey);
    let class_label = kind.as_ref().zip(class).and_then(|(kind, class)| kind.class_of(class));
    let class_label = class_label.map(|class| Label { fr: class.fr.clone(), en: class.en.clone() });
    let min_vehicles = usize::try_from(published.gates.passes.min_vehicles_per_week).unwrap_or(usize::MAX);
    let own = pass_facts.iter().copied().filter(|pass| pass.indicator == row.indicator);
    let (passes, weeks_withheld) = passes(own, min_vehicles, kind.as_ref());
    let label = kind.map(|kind| kind.label);
    let row = public_row(row);
    IndicatorView::Shown(Box::new(Shown { row, label, class_label, drawn, withheld: false, passes, weeks_withheld }))
}

/// The passes by week; a week that fewer vehicles drove is counted, not listed.
fn passes<'a>(
    facts: impl Iterator<Item = &'a PassFact>,
    min_vehicles: usize,
    kind: Option<&Kind>,
) -> (Vec<Pass>, WeeksWithheld) {
    let step = 10_f64.powi(kind.map_or(2, |kind| i32::from(kind.decimals)));
    let mut weeks: BTreeMap<String, (BTreeSet<&str>, Vec<f64>)> = BTreeMap::new();
    for fact in facts {
        // A date that is none has no week: its pass stands in a week of its own name, which is never listed.
        let (boxes, values) = weeks.entry(iso_week(&fact.date).unwrap_or_default()).or_default();
        boxes.insert(&fact.box_id);
        values.push((fact.value * step).round() / step);
    }
    let (mut listed, mut withheld) = (Vec::new(), WeeksWithheld::default());
    for (week, (boxes, mut values)) in weeks {
        if week.is_empty() || boxes.len() < min_vehicles {
            withheld.weeks += 1;
            withheld.passes += values.len();
            continue;
        }
        // By value: the order inside a week must not give the order of the passes away.
        values.sort_by(f64::total_cmp);
        listed.extend(values.into_iter().map(|value| Pass { week: week.clone(), value }));
    }
    (listed, withheld)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(box_id: &str, date: &str, value: f64) -> PassFact {
        PassFact {
            territory: "redon".into(),
            section_id: "w1-n1-0".into(),
            indicator: "pm25_ugm3".into(),
            box_id: box_id.into(),
            t_us: 0,
            date: date.into(),
            value,
            n_samples: 6,
        }
    }

    #[test]
    fn a_week_of_one_vehicle_is_counted_and_not_listed() {
        let facts = [
            fact("a", "2026-01-09", 9.126),
            fact("b", "2026-01-05", 8.0),
            fact("a", "2026-01-12", 7.0),
            fact("a", "2026-01-13", 7.5),
            fact("a", "", 1.0),
            fact("b", "", 1.0),
        ];
        let (listed, withheld) = passes(facts.iter(), 2, None);
        let listed: Vec<_> = listed.iter().map(|pass| (pass.week.as_str(), pass.value)).collect();
        assert_eq!(listed, [("2026-W02", 8.0), ("2026-W02", 9.13)]);
        assert_eq!(withheld, WeeksWithheld { weeks: 2, passes: 4 });
    }
}
