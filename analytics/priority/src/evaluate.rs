//! From rules and inputs to ranked recommendations. Order independent: the same sections in any order give the same.

use std::collections::BTreeMap;

use tournee_indicators::{Confidence, format};

use crate::explain::{contributions, score};
use crate::inputs::{InputValue, Inputs, SectionInputs};
use crate::rule::{Condition, Floor, InputSpec, Op, Rule, RuleSet, Term, Transform};
use crate::text::fill;
use crate::{Reason, Recommendation};

/// Scores that differ by less are equal and share a rank.
const SAME_SCORE: f64 = 1e-9;

/// Why a rule said nothing about a section.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// An input that the rule needs is not known there.
    Missing(String),
    /// An input has too few passes or insufficient confidence.
    Thin(String),
    /// A condition does not hold: nothing to recommend.
    NotMet,
}

/// Recommendations, and how often each rule said nothing and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Sorted by territory, rule, rank and section.
    pub recommendations: Vec<Recommendation>,
    /// By rule and reason. Recommendations and skips of a rule add up to the number of sections.
    pub skipped: BTreeMap<(String, Skip), u64>,
}

/// Ranked, explained recommendations, sorted by territory, rule, rank and section.
#[must_use]
pub fn evaluate(rules: &RuleSet, inputs: &Inputs) -> Vec<Recommendation> {
    evaluate_counted(rules, inputs).recommendations
}

/// [`evaluate`], with the counts of what was skipped.
#[must_use]
pub fn evaluate_counted(rules: &RuleSet, inputs: &Inputs) -> Evaluation {
    let mut sections: Vec<SectionInputs> = inputs.sections.clone();
    sections.sort_by(|a, b| (&a.territory, &a.section_id).cmp(&(&b.territory, &b.section_id)));
    for section in &mut sections {
        let length = InputValue {
            value: section.length_m,
            unit: "m".into(),
            n_passes: None,
            n_days: None,
            origin: "reference".into(),
            confidence: None,
        };
        section.values.insert("length_m".into(), length);
        section.values.retain(|_, input| input.value.is_finite());
    }
    let percentiles = Percentiles::new(&sections);
    let mut out = Evaluation::default();
    for rule in rules.rules() {
        let mut spoken = Vec::new();
        for section in &sections {
            match judge(rule, section, &percentiles) {
                Ok(recommendation) => spoken.push(recommendation),
                Err(skip) => *out.skipped.entry((rule.id.clone(), skip)).or_default() += 1,
            }
        }
        rank(&mut spoken);
        out.recommendations.append(&mut spoken);
    }
    out.recommendations.sort_by(|a, b| {
        (&a.territory, &a.rule, a.rank, &a.section_id).cmp(&(&b.territory, &b.rule, b.rank, &b.section_id))
    });
    out
}

/// Values of each input in each commune, sorted, for percentiles.
struct Percentiles<'a>(BTreeMap<(&'a str, &'a str, &'a str), Vec<f64>>);

impl<'a> Percentiles<'a> {
    fn new(sections: &'a [SectionInputs]) -> Self {
        let mut all: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for section in sections {
            for (name, input) in &section.values {
                let key = (section.territory.as_str(), section.code_insee.as_str(), name.as_str());
                all.entry(key).or_default().push(input.value);
            }
        }
        for values in all.values_mut() {
            values.sort_by(f64::total_cmp);
        }
        Self(all)
    }

    /// Mid-rank percentile: the share of sections below, plus half the share of equals, times 100.
    fn of(&self, section: &SectionInputs, name: &str, value: f64) -> f64 {
        let key = (section.territory.as_str(), section.code_insee.as_str(), name);
        let Some(values) = self.0.get(&key).filter(|values| !values.is_empty()) else { return 0.0 };
        let below = values.partition_point(|other| *other < value);
        let upto = values.partition_point(|other| *other <= value);
        100.0 * (below + upto) as f64 / 2.0 / values.len() as f64
    }
}

fn judge(rule: &Rule, section: &SectionInputs, percentiles: &Percentiles<'_>) -> Result<Recommendation, Skip> {
    let mut weakest: Option<Confidence> = None;
    for spec in &rule.input {
        match section.values.get(&spec.name) {
            None if spec.optional => {}
            None => return Err(Skip::Missing(spec.name.clone())),
            Some(input) => {
                let thin = input.n_passes.is_some_and(|n| n < spec.min_passes);
                if thin || input.confidence == Some(Confidence::Insufficient) {
                    if spec.optional {
                        continue;
                    }
                    return Err(Skip::Thin(spec.name.clone()));
                }
                weakest = match (weakest, input.confidence) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
    }
    let usable = |name: &str| {
        let spec = rule.input(name)?;
        section.values.get(name).filter(|input| {
            input.confidence != Some(Confidence::Insufficient) && input.n_passes.is_none_or(|n| n >= spec.min_passes)
        })
    };
    for condition in &rule.when {
        let held = usable(&condition.input).is_some_and(|input| {
            condition.op.holds(condition_value(condition, section, percentiles, input), condition.value)
        });
        if !held {
            return Err(Skip::NotMet);
        }
    }
    let terms: Vec<(f64, f64)> = rule
        .score
        .iter()
        .map(|term| (usable(&term.input).map_or(0.0, |input| utility(term, section, percentiles, input)), term.weight))
        .collect();
    let shares = contributions(rule.combine, &terms);
    let reasons = reasons(rule, &shares, usable);
    let words = |text: &str, french: bool| fill(text, |name| placeholder(rule, section, name, french));
    Ok(Recommendation {
        territory: section.territory.clone(),
        rule: rule.id.clone(),
        section_id: section.section_id.clone(),
        code_insee: section.code_insee.clone(),
        street: section.street.clone(),
        rank: 0,
        score: score(rule.combine, &terms),
        confidence: match weakest {
            Some(Confidence::High) => "high".into(),
            Some(Confidence::Medium) => "medium".into(),
            Some(_) => "low".into(),
            None => rule.default_confidence.clone(),
        },
        action_fr: words(&rule.action.fr, true),
        action_en: words(&rule.action.en, false),
        reasons,
    })
}

fn condition_value(
    condition: &Condition,
    section: &SectionInputs,
    percentiles: &Percentiles<'_>,
    input: &InputValue,
) -> f64 {
    match &condition.transform {
        Transform::Raw => input.value,
        Transform::PercentileInCommune => percentiles.of(section, &condition.input, input.value),
        Transform::Utility(points) => interpolate(points, input.value),
    }
}

fn utility(term: &Term, section: &SectionInputs, percentiles: &Percentiles<'_>, input: &InputValue) -> f64 {
    let u = match &term.transform {
        Transform::Raw => input.value,
        Transform::PercentileInCommune => percentiles.of(section, &term.input, input.value) / 100.0,
        Transform::Utility(points) => interpolate(points, input.value),
    };
    u.clamp(0.0, 1.0)
}

/// Straight lines between `[value, utility]`, flat beyond the ends.
fn interpolate(points: &[[f64; 2]], x: f64) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    if x <= first[0] {
        return first[1];
    }
    for pair in points.windows(2) {
        if let [[x0, u0], [x1, u1]] = pair
            && x <= *x1
        {
            return u0 + (u1 - u0) * (x - x0) / (x1 - x0);
        }
    }
    last[1]
}

/// One reason per input that is there: terms first by contribution, then inputs that only had to hold.
fn reasons<'a>(rule: &Rule, shares: &[f64], usable: impl Fn(&str) -> Option<&'a InputValue>) -> Vec<Reason> {
    let mut out: Vec<Reason> = Vec::new();
    for spec in &rule.input {
        let Some(input) = usable(&spec.name) else { continue };
        let contribution =
            rule.score.iter().zip(shares).filter(|(term, _)| term.input == spec.name).map(|pair| pair.1).sum();
        let thresholds = |french: bool| {
            let own = rule.when.iter().filter(|condition| condition.input == spec.name);
            let words: Vec<String> = own.map(|condition| threshold(condition, spec.decimals, french)).collect();
            words.join(if french { " ; " } else { "; " })
        };
        let label = floor(spec, input.value).map_or(&spec.label, |floor| &floor.label);
        out.push(Reason {
            input: spec.name.clone(),
            label_fr: label.fr.clone(),
            label_en: label.en.clone(),
            value: input.value,
            unit: input.unit.clone(),
            unit_en: spec.unit_en.clone().unwrap_or_default(),
            threshold: thresholds(true),
            threshold_en: thresholds(false),
            contribution,
            n_passes: input.n_passes,
            n_days: input.n_days,
            origin: input.origin.clone(),
        });
    }
    out.sort_by(|a, b| b.contribution.total_cmp(&a.contribution).then(a.input.cmp(&b.input)));
    out
}

/// What to say of a value that stands for "nothing received".
fn floor(spec: &InputSpec, value: f64) -> Option<&Floor> {
    spec.floor.as_ref().filter(|floor| value <= floor.value)
}

/// "≥ 0,6", or "parmi les 25 % les plus élevés de la commune" for a percentile.
fn threshold(condition: &Condition, decimals: u8, french: bool) -> String {
    let number = |value: f64, decimals: u8| {
        if french { format::number_fr(value, decimals) } else { format::number_en(value, decimals) }
    };
    let compared =
        |decimals: u8| format!("{}{}{}", condition.op.sign(), format::NBSP, number(condition.value, decimals));
    match condition.transform {
        Transform::Raw => compared(decimals),
        Transform::Utility(_) => compared(2),
        Transform::PercentileInCommune => {
            let (share, fr, en) = match condition.op {
                Op::AtLeast | Op::Above => (100.0 - condition.value, "élevés", "highest"),
                Op::AtMost | Op::Below => (condition.value, "faibles", "lowest"),
            };
            let share = number(share, u8::from(share.fract() != 0.0));
            let nbsp = format::NBSP;
            if french {
                format!("parmi les {share}{nbsp}% les plus {fr} de la commune")
            } else {
                format!("among the {en} {share}{nbsp}% of the commune")
            }
        }
    }
}

fn placeholder(rule: &Rule, section: &SectionInputs, name: &str, french: bool) -> Option<String> {
    let or_else = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let quantity = |value: f64, decimals: u8, unit: &str| {
        if french { format::quantity_fr(value, decimals, unit) } else { format::quantity_en(value, decimals, unit) }
    };
    match name {
        "street" => Some(or_else(&section.street, if french { "voie sans nom" } else { "unnamed street" })),
        "commune" => Some(or_else(&section.commune, &section.code_insee)),
        "length_m" => Some(quantity(section.length_m, 0, "m")),
        _ => {
            let spec = rule.input(name)?;
            Some(match section.values.get(name) {
                Some(input) => match floor(spec, input.value) {
                    Some(floor) if french => floor.text.fr.clone(),
                    Some(floor) => floor.text.en.clone(),
                    None => {
                        let unit = spec.unit_en.as_ref().filter(|_| !french).unwrap_or(&input.unit);
                        quantity(input.value, spec.decimals, unit)
                    }
                },
                None if french => "non connu".into(),
                None => "not known".into(),
            })
        }
    }
}

/// Ranks inside each territory, from 1: 1, 2, 2, 4. Sections of equal score stand in the order of their ids.
fn rank(recommendations: &mut [Recommendation]) {
    // Scores are compared on a grid, so that equality is transitive and sorting is sound.
    let grid = |score: f64| (score / SAME_SCORE).round();
    recommendations.sort_by(|a, b| {
        a.territory
            .cmp(&b.territory)
            .then(grid(b.score).total_cmp(&grid(a.score)))
            .then_with(|| a.section_id.cmp(&b.section_id))
    });
    let mut above: Option<(String, f64, u32)> = None;
    let mut place = 0;
    for one in recommendations.iter_mut() {
        let here = grid(one.score);
        place = if above.as_ref().is_some_and(|last| last.0 == one.territory) { place + 1 } else { 1 };
        one.rank = match &above {
            Some((territory, score, rank)) if *territory == one.territory && *score == here => *rank,
            _ => place,
        };
        above = Some((one.territory.clone(), here, one.rank));
    }
}
