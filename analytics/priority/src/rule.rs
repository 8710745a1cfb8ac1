//! A rule as data, and a set of rules.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A rule file that cannot be used. The message names the file and the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {key}: {message}")]
pub struct RuleError {
    /// File name, as given by the caller.
    pub file: String,
    /// Key inside the file; `toml` when the file does not follow the schema at all.
    pub key: String,
    /// What is wrong and what is expected.
    pub message: String,
}

/// A text in both languages. Placeholders in braces (`{street}`, `{commune}`, `{length_m}`, or the name of an input)
/// are filled per section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputFrom {
    /// A reference layer: the points within `search_m` of the section.
    Layer,
    /// An indicator of the section.
    Indicator,
    /// A fact of the section itself (`length_m`).
    Section,
}

/// How several points, or several indicators that match a pattern, become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Largest value.
    Max,
    /// Smallest value.
    Min,
    /// Sum of values.
    Sum,
    /// Mean of values.
    Mean,
    /// Value of the nearest point.
    Nearest,
    /// Number of points; 0 when the layer is there and no point is near.
    Count,
    /// Number of distinct dates; 0 when no point is near.
    DistinctDates,
}

impl Aggregate {
    /// True where a point counts for its nearest section only: what is counted or summed must not be counted twice.
    /// The others describe what is around a section, and a point may lie around several.
    #[must_use]
    pub const fn nearest_section_only(self) -> bool {
        matches!(self, Self::Count | Self::DistinctDates | Self::Sum)
    }
}

/// An event may be dated so many days after the last pass; beyond, its date is taken for a mistake.
pub const FUTURE_DAYS: i64 = 366;

/// One input of a rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Name in conditions, terms, placeholders and [`crate::SectionInputs::values`].
    pub name: String,
    /// Where it comes from.
    pub from: InputFrom,
    /// Layer, indicator or section fact; an indicator key may end in `*`.
    pub key: String,
    /// How many become one.
    pub aggregate: Aggregate,
    /// Points farther from the section do not count, metres. Layers only.
    pub search_m: Option<f64>,
    /// Points from this many days before the last pass on count; later ones up to [`FUTURE_DAYS`]. Layers only.
    pub window_days: Option<u32>,
    /// Passes that an indicator needs to be used.
    #[serde(default)]
    pub min_passes: u32,
    /// A section without this input is still judged; its terms are then 0.
    #[serde(default)]
    pub optional: bool,
    /// Unit as printed.
    pub unit: String,
    /// Unit as printed in English, where it is another.
    pub unit_en: Option<String>,
    /// What is said of a value that stands for "nothing received".
    pub floor: Option<Floor>,
    /// Decimals as printed.
    pub decimals: u8,
    /// What the reason says.
    pub label: Words,
}

/// What happens to a value before it is compared or scored.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// The value itself; in a term it is cut to 0..1.
    Raw,
    /// Its mid-rank percentile among the sections of the same commune that have this input, 0 to 100; in a term /100.
    PercentileInCommune,
    /// Straight lines between breakpoints `[value, utility]`, flat beyond the ends; utilities lie in 0..1.
    Utility(Vec<[f64; 2]>),
}

/// Comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Op {
    /// At least.
    #[serde(rename = ">=")]
    AtLeast,
    /// More than.
    #[serde(rename = ">")]
    Above,
    /// At most.
    #[serde(rename = "<=")]
    AtMost,
    /// Less than.
    #[serde(rename = "<")]
    Below,
}

/// The value at or below which an input is not a measurement of its unit but the absence of one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// At or below this.
    pub value: f64,
    /// What a text says in place of the number.
    pub text: Words,
    /// What the reason says in place of the label, so that the number behind it does not read as measured.
    pub label: Words,
}

impl Op {
    /// `left op right`; false when either is not a number.
    #[must_use]
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::AtLeast => left >= right,
            Self::Above => left > right,
            Self::AtMost => left <= right,
            Self::Below => left < right,
        }
    }

    /// As printed.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::AtLeast => "≥",
            Self::Above => ">",
            Self::AtMost => "≤",
            Self::Below => "<",
        }
    }
}

/// A condition: every one of a rule must hold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Input.
    pub input: String,
    /// Before comparing.
    #[serde(default = "raw")]
    pub transform: Transform,
    /// Comparison.
    pub op: Op,
    /// Threshold, in the unit of the transformed value.
    pub value: f64,
}

const fn raw() -> Transform {
    Transform::Raw
}

/// A term of the score.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Input.
    pub input: String,
    /// To a utility in 0..1.
    pub transform: Transform,
    /// Weight; only the ratios between weights matter.
    #[serde(default = "one")]
    pub weight: f64,
}

const fn one() -> f64 {
    1.0
}

/// How terms become a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// `Σ w u / Σ w`: each term is its own explanation.
    #[default]
    Additive,
    /// `Π u^(w / max w)`, so that with equal weights it is the plain product: one zero vetoes.
    Product,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Id.
    pub id: String,
    /// Version of the file, raised with every change.
    pub version: u32,
    /// Where the rule and its thresholds come from.
    pub source: String,
    /// Since when it holds, ISO 8601.
    pub valid_from: String,
    /// Short name.
    pub title: Words,
    /// What to do.
    pub action: Words,
    /// How terms become a score.
    #[serde(default)]
    pub combine: Combine,
    /// `high`, `medium` or `low`: confidence of a recommendation whose inputs carry none of their own.
    pub default_confidence: String,
    /// Inputs.
    pub input: Vec<InputSpec>,
    /// Conditions.
    pub when: Vec<Condition>,
    /// Terms.
    pub score: Vec<Term>,
}

impl Rule {
    /// The input of this name.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<&InputSpec> {
        self.input.iter().find(|input| input.name == name)
    }

    fn check(&self, file: &str) -> Result<(), RuleError> {
        let wrong = |key: String, message: &str| Err(RuleError { file: file.into(), key, message: message.into() });
        if self.id.is_empty() || !self.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return wrong("id".into(), "use lower-case letters, digits and _");
        }
        if crate::date::days_since_1970(&self.valid_from).is_none() {
            return wrong("valid_from".into(), "is not a date like 2026-01-31");
        }
        if !["high", "medium", "low"].contains(&self.default_confidence.as_str()) {
            return wrong("default_confidence".into(), "must be high, medium or low");
        }
        for (at, input) in self.input.iter().enumerate() {
            let key = |field: &str| format!("input.{}.{field}", input.name);
            if self.input.iter().take(at).any(|other| other.name == input.name) {
                return wrong(key("name"), "stands twice");
            }
            let positive = input.search_m.is_some_and(|metres| metres.is_finite() && metres > 0.0);
            if (input.from == InputFrom::Layer) != positive {
                return wrong(key("search_m"), "a layer needs it above 0, nothing else may have it");
            }
            if input.from != InputFrom::Layer && input.window_days.is_some() {
                return wrong(key("window_days"), "only a layer has it");
            }
            if input.floor.as_ref().is_some_and(|floor| !floor.value.is_finite()) {
                return wrong(key("floor.value"), "must be a number");
            }
            if input.from == InputFrom::Section && input.key != "length_m" {
                return wrong(key("key"), "a section has only `length_m`");
            }
            let counts = matches!(input.aggregate, Aggregate::Count | Aggregate::DistinctDates | Aggregate::Nearest);
            if input.from == InputFrom::Indicator && counts {
                return wrong(key("aggregate"), "of an indicator: max, min, sum or mean");
            }
        }
        for (at, condition) in self.when.iter().enumerate() {
            let key = |field: &str| format!("when[{at}].{field}");
            if self.input(&condition.input).is_none() {
                return wrong(key("input"), &format!("no input is named `{}`", condition.input));
            }
            if !condition.value.is_finite() {
                return wrong(key("value"), "must be a finite number");
            }
            check_transform(file, &key("transform"), &condition.transform)?;
        }
        if self.score.is_empty() {
            return wrong("score".into(), "needs at least one term");
        }
        for (at, term) in self.score.iter().enumerate() {
            let key = |field: &str| format!("score[{at}].{field}");
            if self.input(&term.input).is_none() {
                return wrong(key("input"), &format!("no input is named `{}`", term.input));
            }
            if !(term.weight.is_finite() && term.weight > 0.0) {
                return wrong(key("weight"), "must be above 0");
            }
            check_transform(file, &key("transform"), &term.transform)?;
        }
        for (key, text) in [
            ("title.fr", &self.title.fr),
            ("title.en", &self.title.en),
            ("action.fr", &self.action.fr),
            ("action.en", &self.action.en),
        ] {
            for name in crate::text::placeholders(text) {
                if !["street", "commune", "length_m"].contains(&name) && self.input(name).is_none() {
                    return wrong(key.into(), &format!("nothing is named `{{{name}}}`"));
                }
            }
        }
        Ok(())
    }
}

fn check_transform(file: &str, key: &str, transform: &Transform) -> Result<(), RuleError> {
    let Transform::Utility(points) = transform else { return Ok(()) };
    let rises = points.windows(2).all(|pair| pair[0][0] < pair[1][0]);
    let inside = points.iter().all(|point| point[0].is_finite() && (0.0..=1.0).contains(&point[1]));
    if points.len() < 2 || !rises || !inside {
        let message = "needs two or more [value, utility] with rising values and utilities from 0 to 1".into();
        return Err(RuleError { file: file.into(), key: key.into(), message });
    }
    Ok(())
}

/// A set of rules whose inputs fit together.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSet {
    rules: Vec<Rule>,
}

impl RuleSet {
    /// Rules from `(file name, TOML text)`, in any order; they are kept sorted by id.
    ///
    /// # Errors
    /// Names the file and the key: not the schema, an unknown input, a rule that stands twice, or an input name that two
    /// rules use for different things.
    pub fn load(files: &[(&str, &str)]) -> Result<Self, RuleError> {
        let mut rules: Vec<(&str, Rule)> = Vec::with_capacity(files.len());
        for (file, text) in files {
            let rule: Rule = toml::from_str(text).map_err(|error| RuleError {
                file: (*file).into(),
                key: "toml".into(),
                message: error.to_string().trim().replace('\n', " "),
            })?;
            rule.check(file)?;
            rules.push((file, rule));
        }
        rules.sort_by(|a, b| a.1.id.cmp(&b.1.id));
        let mut seen: BTreeMap<&str, (&str, &InputSpec)> = BTreeMap::new();
        for (at, (file, rule)) in rules.iter().enumerate() {
            let wrong = |key: String, message: String| Err(RuleError { file: (*file).into(), key, message });
            if let Some((other, _)) = rules.get(at + 1).filter(|next| next.1.id == rule.id) {
                return wrong("id".into(), format!("`{}` is also the id of {other}", rule.id));
            }
            for input in &rule.input {
                match seen.get(input.name.as_str()) {
                    Some((other, first)) if !first.same_measure(input) => {
                        let message = format!("means something else in {other}: give it another name");
                        return wrong(format!("input.{}", input.name), message);
                    }
                    _ => {
                        seen.insert(&input.name, (file, input));
                    }
                }
            }
        }
        Ok(Self { rules: rules.into_iter().map(|(_, rule)| rule).collect() })
    }

    /// The four rules that ship with this version.
    ///
    /// # Errors
    /// Only if an embedded file is broken, which a test rules out.
    pub fn builtin() -> Result<Self, RuleError> {
        Self::load(&[
            ("signage_pedestrians.toml", include_str!("../rules/signage_pedestrians.toml")),
            ("housing_signal.toml", include_str!("../rules/housing_signal.toml")),
            ("dumping_density.toml", include_str!("../rules/dumping_density.toml")),
            ("road_works.toml", include_str!("../rules/road_works.toml")),
        ])
    }

    /// The rules, sorted by id.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// Every distinct input of all rules by name: what the caller has to gather per section.
    #[must_use]
    pub fn inputs(&self) -> BTreeMap<&str, &InputSpec> {
        let mut all = BTreeMap::new();
        for input in self.rules.iter().flat_map(|rule| &rule.input) {
            all.entry(input.name.as_str()).or_insert(input);
        }
        all
    }
}

impl InputSpec {
    /// True when both describe the same number; labels and optionality may differ between rules.
    fn same_measure(&self, other: &Self) -> bool {
        (self.from, &self.key, self.aggregate, self.search_m, self.window_days, self.min_passes, &self.unit)
            == (
                other.from,
                &other.key,
                other.aggregate,
                other.search_m,
                other.window_days,
                other.min_passes,
                &other.unit,
            )
    }
}
