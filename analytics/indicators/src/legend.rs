//! A theme's legend, ready for a page: one JSON for the web map, the downloads and the styles.

use serde::Serialize;

use crate::{Direction, Drawing, Kind, Kinds, Label, Theme};

/// One class of a legend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LegendClass {
    /// Class, from 0 (best).
    pub class: u8,
    /// Words.
    pub label: Label,
    /// `#RRGGBB`.
    pub colour: String,
    /// Lower end in the kind's unit; none at the open end.
    pub from: Option<f64>,
    /// Upper end; none at the open end.
    pub to: Option<f64>,
}

/// The legend of one indicator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Legend {
    /// Indicator name.
    pub indicator: String,
    /// Theme.
    pub theme: Theme,
    /// The indicator that the theme's map shows first.
    pub headline: bool,
    /// Name as printed.
    pub label: Label,
    /// Name of the scale as printed.
    pub scale: Label,
    /// What the value is and is not.
    pub caption: Label,
    /// Unit as printed.
    pub unit: String,
    /// Decimals as printed.
    pub decimals: u8,
    /// True when a higher value is worse.
    pub higher_is_worse: bool,
    /// Classes, best first.
    pub classes: Vec<LegendClass>,
    /// Colour of "not measured".
    pub no_data_colour: String,
    /// How each confidence is drawn.
    pub drawing: Vec<Drawing>,
    /// Where the class limits come from.
    pub source: String,
    /// Since when they hold, ISO 8601.
    pub valid_from: String,
}

/// The legends of a theme, headline first. Members of a family (`rsrp_dbm_20801`) share the legend of their family
/// (`rsrp_dbm`); [`Legend::of`] makes one for a single kind.
#[must_use]
pub fn legend(kinds: &Kinds, theme: Theme) -> Vec<Legend> {
    let mut legends: Vec<Legend> = kinds.of_theme(theme).map(|kind| Legend::of(kinds, kind)).collect();
    legends.sort_by_key(|legend| !legend.headline);
    legends
}

impl Legend {
    /// The legend of one kind.
    #[must_use]
    pub fn of(kinds: &Kinds, kind: &Kind) -> Self {
        let ends = |index: usize| {
            let near = index.checked_sub(1).and_then(|before| kind.bounds.get(before)).copied();
            let far = kind.bounds.get(index).copied();
            match kind.direction {
                Direction::HigherIsWorse => (near, far),
                Direction::LowerIsWorse => (far, near),
            }
        };
        let classes = kind.classes.iter().zip(0u8..).map(|(class, number)| {
            let (from, to) = ends(usize::from(number));
            let label = Label { fr: class.fr.clone(), en: class.en.clone() };
            LegendClass { class: number, label, colour: class.colour.clone(), from, to }
        });
        Self {
            indicator: kind.name.clone(),
            theme: kind.theme,
            headline: kind.headline,
            label: kind.label.clone(),
            scale: kind.scale.clone(),
            caption: kind.caption.clone(),
            unit: kind.unit.clone(),
            decimals: kind.decimals,
            higher_is_worse: kind.direction == Direction::HigherIsWorse,
            classes: classes.collect(),
            no_data_colour: kind.no_data_colour.clone(),
            drawing: kinds.drawing().to_vec(),
            source: kind.source.clone(),
            valid_from: kind.valid_from.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_classes_follow_the_direction() {
        let kinds = Kinds::builtin().unwrap();
        let air = &legend(&kinds, Theme::Air)[0];
        assert_eq!(air.indicator, "pm25_ugm3");
        assert_eq!((air.classes[0].from, air.classes[0].to), (None, Some(5.0)));
        assert_eq!((air.classes[5].from, air.classes[5].to), (Some(140.0), None));
        let mobile = &legend(&kinds, Theme::Mobile)[0];
        assert_eq!((mobile.classes[0].from, mobile.classes[0].to), (Some(-95.0), None));
        assert_eq!((mobile.classes[3].from, mobile.classes[3].to), (None, Some(-115.0)));
    }

    #[test]
    fn every_theme_begins_with_its_headline_and_serialises() {
        let kinds = Kinds::builtin().unwrap();
        for theme in Theme::ALL {
            let legends = legend(&kinds, theme);
            assert!(legends[0].headline && legends[1..].iter().all(|other| !other.headline));
            let json = serde_json::to_value(&legends).unwrap();
            assert_eq!(json[0]["theme"], theme.name());
            assert_eq!(json[0]["drawing"].as_array().unwrap().len(), 4);
        }
    }
}
