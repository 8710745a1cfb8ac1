//! What each indicator is called, how it is classed and how it is drawn: data, read from `data/indicators.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Confidence, DataError, Theme};

/// A text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

/// A class of a legend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
    /// `#RRGGBB`.
    pub colour: String,
}

/// Which end of the scale is the bad one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Concentrations, roughness, heat loss.
    HigherIsWorse,
    /// Signal strength.
    LowerIsWorse,
}

/// What happens to a value before it is classed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Classed as it is.
    #[default]
    None,
    /// Rounded half up to a whole number first, as air scales with integer bands require.
    HalfUpInteger,
}

impl Rounding {
    /// The value that is compared with the class limits.
    #[must_use]
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::None => value,
            Self::HalfUpInteger => (value + 0.5).floor(),
        }
    }
}

/// How many classes a confidence allows a map to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownClasses {
    /// Every class of the legend.
    All,
    /// Two: rather good, rather bad.
    Two,
    /// None: hatched, "to be confirmed".
    None,
}

/// How a confidence is drawn. Low confidence shows fewer distinctions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// For this confidence.
    pub confidence: Confidence,
    /// Line opacity, 0 to 1.
    pub opacity: f64,
    /// Dash pattern in line widths; empty for a solid line.
    pub dash: Vec<f64>,
    /// Classes that may be told apart in a public view.
    pub classes: ShownClasses,
    /// What the legend says.
    pub text: Label,
}

/// One indicator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kind {
    /// Name in tables, e.g. `pm25_ugm3`.
    pub name: String,
    /// Theme.
    pub theme: Theme,
    /// The indicator that its theme's map shows first.
    pub headline: bool,
    /// Unit as printed.
    pub unit: String,
    /// Decimals as printed.
    pub decimals: u8,
    /// Name as printed.
    pub label: Label,
    /// Name of the scale as printed.
    pub scale: Label,
    /// What the value is and is not.
    pub caption: Label,
    /// Which end is bad.
    pub direction: Direction,
    /// Rounding before classing.
    pub rounding: Rounding,
    /// The end of every class but the last, best class first; a value on the limit belongs to the better class.
    pub bounds: Vec<f64>,
    /// Classes, best first; one more than `bounds`.
    pub classes: Vec<Class>,
    /// Colour of "not measured".
    pub no_data_colour: String,
    /// Where the limits come from.
    pub source: String,
    /// Since when they hold, ISO 8601.
    pub valid_from: String,
}

impl Kind {
    /// Class of a value, from 0 (best); `None` for a value that is not finite.
    #[must_use]
    pub fn class(&self, value: f64) -> Option<u8> {
        if !value.is_finite() {
            return None;
        }
        let value = self.rounding.apply(value);
        let beyond = self.bounds.iter().filter(|bound| match self.direction {
            Direction::HigherIsWorse => value > **bound,
            Direction::LowerIsWorse => value < **bound,
        });
        u8::try_from(beyond.count()).ok()
    }

    /// The class of this number.
    #[must_use]
    pub fn class_of(&self, class: u8) -> Option<&Class> {
        self.classes.get(usize::from(class))
    }

    /// The mobile operator's name appended, for a kind of the family `rsrp_dbm_{mccmnc}`.
    fn of_member(&self, name: &str, label: &Label, member: &str) -> Self {
        let mut kind = self.clone();
        kind.name = name.into();
        kind.headline = false;
        kind.label.fr = format!("{} – {member}", label.fr);
        kind.label.en = format!("{} – {member}", label.en);
        kind
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    operators: BTreeMap<String, String>,
    no_data_colour: String,
    palette: BTreeMap<String, Vec<Class>>,
    drawing: Vec<Drawing>,
    kind: Vec<KindEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindEntry {
    name: String,
    theme: Theme,
    #[serde(default)]
    headline: bool,
    /// The kind also stands for `{name}_{operator}`.
    #[serde(default)]
    per_operator: bool,
    /// Label of `{name}_{operator}`, before the operator's name; needed with `per_operator`.
    operator_label: Option<Label>,
    unit: String,
    decimals: u8,
    label: Label,
    scale: Label,
    caption: Label,
    direction: Direction,
    #[serde(default)]
    rounding: Rounding,
    bounds: Vec<f64>,
    palette: String,
    source: String,
    valid_from: String,
}

/// All indicators that are known, and how confidence is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Kinds {
    version: String,
    kinds: Vec<Kind>,
    /// Kinds that also stand for one operator each, and what a member is called before the operator's name.
    families: Vec<(String, Label)>,
    operators: BTreeMap<String, String>,
    drawing: Vec<Drawing>,
}

impl Kinds {
    /// The kinds that ship with this version.
    ///
    /// # Errors
    /// Only if the embedded file is broken, which a test rules out.
    pub fn builtin() -> Result<Self, DataError> {
        Self::from_toml("indicators.toml", include_str!("../data/indicators.toml"))
    }

    /// Kinds from TOML text; `file` is named in errors.
    ///
    /// # Errors
    /// Names the file and the key that is wrong.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, DataError> {
        let read: File = toml::from_str(text).map_err(|error| DataError::toml(file, &error))?;
        let mut kinds: Vec<Kind> = Vec::with_capacity(read.kind.len());
        let mut families = Vec::new();
        for entry in read.kind {
            let wrong =
                |key: &str, message: String| DataError::new(file, format!("kind.{}.{key}", entry.name), message);
            let classes = read
                .palette
                .get(&entry.palette)
                .ok_or_else(|| wrong("palette", format!("no [palette] named `{}`", entry.palette)))?
                .clone();
            if entry.bounds.len() + 1 != classes.len() {
                let need = classes.len().saturating_sub(1);
                return Err(wrong("bounds", format!("{} classes need {need} bounds", classes.len())));
            }
            let rises = entry.direction == Direction::HigherIsWorse;
            let ordered = entry.bounds.windows(2).all(|pair| if rises { pair[0] < pair[1] } else { pair[0] > pair[1] });
            if !ordered || entry.bounds.iter().any(|bound| !bound.is_finite()) {
                return Err(wrong("bounds", "must be finite and go from the best class to the worst".into()));
            }
            if let Some(class) = classes.iter().find(|class| !is_colour(&class.colour)) {
                return Err(wrong("palette", format!("`{}` is not a colour like #1A2B3C", class.colour)));
            }
            if !crate::gates::is_iso_date(&entry.valid_from) {
                return Err(wrong("valid_from", format!("`{}` is not a date like 2026-01-31", entry.valid_from)));
            }
            if kinds.iter().any(|kind| kind.name == entry.name) {
                return Err(wrong("name", "stands twice".into()));
            }
            match (entry.per_operator, entry.operator_label.clone()) {
                (true, Some(label)) => families.push((entry.name.clone(), label)),
                (false, None) => {}
                _ => return Err(wrong("operator_label", "stands with per_operator = true and only there".into())),
            }
            kinds.push(Kind {
                name: entry.name,
                theme: entry.theme,
                headline: entry.headline,
                unit: entry.unit,
                decimals: entry.decimals,
                label: entry.label,
                scale: entry.scale,
                caption: entry.caption,
                direction: entry.direction,
                rounding: entry.rounding,
                bounds: entry.bounds,
                classes,
                no_data_colour: read.no_data_colour.clone(),
                source: entry.source,
                valid_from: entry.valid_from,
            });
        }
        for theme in Theme::ALL {
            let headlines = kinds.iter().filter(|kind| kind.theme == theme && kind.headline).count();
            if headlines != 1 {
                let message = format!("theme `{}` has {headlines} headline kinds, needs one", theme.name());
                return Err(DataError::new(file, "kind", message));
            }
        }
        for confidence in [Confidence::Insufficient, Confidence::Low, Confidence::Medium, Confidence::High] {
            if read.drawing.iter().filter(|rule| rule.confidence == confidence).count() != 1 {
                return Err(DataError::new(file, "drawing", format!("needs one rule for {confidence:?}")));
            }
        }
        Ok(Self { version: read.version, kinds, families, operators: read.operators, drawing: read.drawing })
    }

    /// Version of the data file.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The kind of this name; `rsrp_dbm_20801` takes its scale from `rsrp_dbm` and its label from the operator.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Kind> {
        if let Some(kind) = self.kinds.iter().find(|kind| kind.name == name) {
            return Some(kind.clone());
        }
        let (family, label) = self.families.iter().find(|(family, _)| {
            name.strip_prefix(family.as_str()).and_then(|rest| rest.strip_prefix('_')).is_some_and(is_operator)
        })?;
        let member = &name[family.len() + 1..];
        let shown = self.operators.get(member).map_or(member, String::as_str);
        Some(self.kinds.iter().find(|kind| kind.name == *family)?.of_member(name, label, shown))
    }

    /// The kind that a theme's map shows first.
    #[must_use]
    pub fn headline(&self, theme: Theme) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.theme == theme && kind.headline)
    }

    /// The kinds of a theme in the order of the file, without the members of families.
    pub fn of_theme(&self, theme: Theme) -> impl Iterator<Item = &Kind> {
        self.kinds.iter().filter(move |kind| kind.theme == theme)
    }

    /// Name of a mobile operator by MCC and MNC ("20801").
    #[must_use]
    pub fn operator(&self, mccmnc: &str) -> Option<&str> {
        self.operators.get(mccmnc).map(String::as_str)
    }

    /// How each confidence is drawn.
    #[must_use]
    pub fn drawing(&self) -> &[Drawing] {
        &self.drawing
    }
}

fn is_operator(text: &str) -> bool {
    (5..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_colour(text: &str) -> bool {
    text.len() == 7 && text.strip_prefix('#').is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../data/indicators.toml");

    fn class(name: &str, value: f64) -> Option<u8> {
        Kinds::builtin().unwrap().get(name).unwrap().class(value)
    }

    #[test]
    fn a_value_on_the_limit_is_in_the_better_class() {
        assert_eq!(class("pm25_ugm3", 5.0), Some(0));
        assert_eq!(class("pm25_ugm3", 5.5), Some(1));
        assert_eq!(class("no2_ugm3", 60.0), Some(2));
        assert_eq!(class("no2_ugm3", 61.0), Some(3));
        assert_eq!(class("rsrp_dbm", -95.0), Some(0));
        assert_eq!(class("rsrp_dbm", -95.1), Some(1));
        assert_eq!(class("rsrp_dbm", -105.0), Some(1));
        assert_eq!(class("rsrp_dbm", -105.1), Some(2));
        assert_eq!(class("rsrp_dbm", -116.0), Some(3));
        assert_eq!(class("rough_mps2", 9.0), Some(4));
        assert_eq!(class("facade_delta_k", -0.6), Some(0));
        assert_eq!(class("facade_delta_k", -0.59), Some(1));
        assert_eq!(class("facade_delta_k", 0.6), Some(1));
        assert_eq!(class("facade_delta_k", 0.61), Some(2));
        assert_eq!(class("facade_delta_k", f64::NAN), None);
    }

    #[test]
    fn operators_share_the_scale_and_have_their_own_name() {
        let kinds = Kinds::builtin().unwrap();
        let kind = kinds.get("rsrp_dbm_20801").unwrap();
        assert!(kind.label.fr.ends_with("Orange") && !kind.headline);
        assert!(!kind.label.fr.contains("tous opérateurs") && !kind.label.en.contains("all operators"));
        assert_eq!(kinds.get("rsrp_dbm").unwrap().label.fr, "Signal mobile reçu, tous opérateurs confondus");
        assert_eq!(kind.bounds, kinds.get("rsrp_dbm").unwrap().bounds);
        assert!(kinds.get("rsrp_dbm_99999").unwrap().label.en.ends_with("99999"));
        for name in ["rsrp_dbm_", "rsrp_dbm_x", "rsrp_dbm20801", "pm25_ugm3_20801", "", "é"] {
            assert_eq!(kinds.get(name), None, "{name}");
        }
    }

    #[test]
    fn what_must_never_be_printed_is_not_printed() {
        let kinds = Kinds::builtin().unwrap();
        for theme in Theme::ALL {
            for kind in kinds.of_theme(theme) {
                let all = format!("{:?} {:?} {:?}", kind.label, kind.scale, kind.classes).to_lowercase();
                assert!(!all.contains("indice atmo") && !all.contains("iri") && !all.contains("dpe"), "{all}");
                assert!(!kind.source.is_empty());
            }
        }
    }

    #[test]
    fn a_broken_file_is_named_with_its_key() {
        for (from, to, key) in [
            ("bounds = [5, 15, 50, 90, 140]", "bounds = [5, 15, 50, 90]", "kind.pm25_ugm3.bounds"),
            ("bounds = [5, 15, 50, 90, 140]", "bounds = [5, 15, 15, 90, 140]", "kind.pm25_ugm3.bounds"),
            ("#50F0E6", "#50F0EG", "kind.pm25_ugm3.palette"),
            ("palette = \"road\"", "palette = \"rode\"", "kind.rough_mps2.palette"),
            ("headline = true", "headline = false", "kind"),
            ("confidence = \"high\"", "confidence = \"low\"", "drawing"),
            ("per_operator = true\n", "", "kind.rsrp_dbm.operator_label"),
            ("version", "verzion", "toml"),
        ] {
            assert!(TEXT.contains(from), "{from}");
            let error = Kinds::from_toml("x.toml", &TEXT.replacen(from, to, 1)).unwrap_err();
            assert_eq!((error.file.as_str(), error.key.as_str()), ("x.toml", key), "{error}");
        }
    }
}
