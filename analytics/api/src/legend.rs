//! The legend of a territory: for each theme the indicators that it has, with classes, colours, words and the rules that
//! say how confidence is reached and drawn. All of it is data of `tournee-indicators`; nothing is decided here.

use serde::Serialize;
use tournee_indicators::{Confidence, Kinds, Legend, MinCounts, PublicationGates, ShownClasses, Theme};

/// Counts that a confidence asks for.
#[derive(Debug, PartialEq, Serialize)]
struct Gate {
    confidence: Confidence,
    passes: u32,
    days: u32,
}

/// One theme of the legend.
#[derive(Debug, Serialize)]
pub(crate) struct ThemeLegend {
    theme: Theme,
    gates: Vec<Gate>,
    indicators: Vec<Legend>,
}

/// Name of the indicator that a theme shows first.
pub(crate) fn headline(kinds: &Kinds, theme: Theme) -> Option<&str> {
    kinds.headline(theme).map(|kind| kind.name.as_str())
}

/// The legend for these indicators. One that has no kind is left out: there is nothing to say about it.
pub(crate) fn legend<'a>(
    kinds: &Kinds,
    gates: &PublicationGates,
    names: impl Iterator<Item = &'a (Theme, String)>,
) -> Vec<ThemeLegend> {
    let mut themes: Vec<ThemeLegend> = Vec::new();
    for (theme, name) in names {
        let Some(kind) = kinds.get(name) else { continue };
        let legend = Legend::of(kinds, &kind);
        match themes.last_mut().filter(|last| last.theme == *theme) {
            Some(last) => last.indicators.push(legend),
            None => {
                let gates = gates_of(gates, *theme);
                themes.push(ThemeLegend { theme: *theme, gates, indicators: vec![legend] });
            }
        }
    }
    for theme in &mut themes {
        theme.indicators.sort_by_key(|legend| !legend.headline);
    }
    themes
}

fn gates_of(gates: &PublicationGates, theme: Theme) -> Vec<Gate> {
    let Some(rule) = gates.confidence.get(&theme) else { return Vec::new() };
    let gate = |confidence, counts: Option<MinCounts>| {
        counts.map(|MinCounts { passes, days }| Gate { confidence, passes, days })
    };
    [gate(Confidence::High, rule.high), gate(Confidence::Medium, rule.medium), gate(Confidence::Low, rule.low)]
        .into_iter()
        .flatten()
        .collect()
}

/// How many classes a confidence lets a map tell apart; none where the data has no rule.
pub(crate) fn shown_classes(kinds: &Kinds, confidence: Confidence) -> ShownClasses {
    let rule = kinds.drawing().iter().find(|rule| rule.confidence == confidence);
    rule.map_or(ShownClasses::None, |rule| rule.classes)
}
