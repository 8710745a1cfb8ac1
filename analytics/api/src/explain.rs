//! Everything that is known about one section, and nothing about who drove over it.

use serde::Serialize;
use tournee_indicators::{Indicator, Label, PassFact};
use tournee_priority::Recommendation;
use tournee_publish::Published;
use tournee_territory::{Section, Text};

use crate::geojson::{Drawn, drawn};

/// One pass as it may be shown: a day and a value. No box, no time of day.
#[derive(Debug, PartialEq, Serialize)]
pub struct Pass<'a> {
    date: &'a str,
    value: f64,
    n_samples: u32,
}

/// One indicator of the section with its passes.
#[derive(Debug, Serialize)]
pub struct IndicatorView<'a> {
    #[serde(flatten)]
    row: Indicator,
    label: Option<Label>,
    class_label: Option<Label>,
    drawn: Drawn,
    /// True where so few vehicles stand behind the value that the list of passes would retrace one of them.
    passes_withheld: bool,
    passes: Vec<Pass<'a>>,
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
    indicators: Vec<IndicatorView<'a>>,
    recommendations: Vec<&'a Recommendation>,
}

/// Where an explanation is computed from.
pub(crate) struct Facts<'a> {
    pub published: &'a Published,
    pub territory: &'a str,
    pub statement: &'a Text,
    pub generated_at: &'a str,
    pub data_version: &'a str,
    pub section: &'a Section,
    pub commune: &'a str,
    pub indicators: Vec<&'a Indicator>,
    pub pass_facts: Vec<&'a PassFact>,
    pub recommendations: Vec<&'a Recommendation>,
}

/// The vertex in the middle of the course: near enough to bring the map there.
pub(crate) fn middle(section: &Section) -> Option<[f64; 2]> {
    let points = &section.line.0;
    points.get(points.len() / 2).map(|at| [at.x, at.y])
}

/// Explains a section.
pub(crate) fn explain(facts: Facts<'_>) -> Explanation<'_> {
    let Facts { section, pass_facts, published, .. } = facts;
    let Published { kinds, gates, .. } = published;
    let mut indicators: Vec<_> = facts.indicators.into_iter().filter(|row| row.value.is_finite()).collect();
    indicators.sort_by(|a, b| a.theme.cmp(&b.theme).then_with(|| a.indicator.cmp(&b.indicator)));
    let indicators = indicators
        .into_iter()
        .map(|row| {
            let mut row = row.clone();
            let kind = kinds.get(&row.indicator);
            let drawn = drawn(kinds, &row);
            // What the map does not tell apart, the words beside it must not either.
            let class = row.class.filter(|_| drawn != Drawn::Grey);
            let class_label = kind.as_ref().zip(class).and_then(|(kind, class)| kind.class_of(class));
            let class_label = class_label.map(|class| Label { fr: class.fr.clone(), en: class.en.clone() });
            let passes_withheld = !gates.is_public(&row);
            let mut passes: Vec<_> = pass_facts
                .iter()
                .filter(|pass| !passes_withheld && pass.indicator == row.indicator)
                .map(|pass| Pass { date: &pass.date, value: pass.value, n_samples: pass.n_samples })
                .collect();
            // By day, then by value: the order inside a day must not give the order of the passes away.
            passes.sort_by(|a, b| a.date.cmp(b.date).then_with(|| a.value.total_cmp(&b.value)));
            if passes_withheld {
                row.first_date.clear();
                row.last_date.clear();
            }
            IndicatorView { row, label: kind.map(|kind| kind.label), class_label, drawn, passes_withheld, passes }
        })
        .collect();
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
    }
}
