//! What rules are evaluated on: reference points near each section, and the section's indicators.

use std::collections::BTreeMap;

use geo_types::coord;
use tournee_indicators::Indicator;
use tournee_priority::{InputFrom, InputSpec, Inputs, NearPoint, RuleSet, SectionInputs};
use tournee_territory::graph::SectionIndex;
use tournee_territory::{Layer, Origin, Territory};

/// Name of an origin in tables.
#[must_use]
pub const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Measured => "measured",
        Origin::Simulated => "simulated",
        Origin::Partner => "partner",
    }
}

/// Inputs of every section, in the order of the sections. `as_of` (ISO 8601) ends the windows of dated layers. A layer
/// that was not given leaves its inputs absent; a layer without a point near a section counts as 0 there.
#[must_use]
pub fn gather(
    territory: &Territory,
    index: &SectionIndex,
    layers: &[Layer],
    rules: &RuleSet,
    indicators: &[Indicator],
    as_of: &str,
) -> Inputs {
    let mut of_section: BTreeMap<&str, Vec<&Indicator>> = BTreeMap::new();
    for indicator in indicators {
        of_section.entry(&indicator.section_id).or_default().push(indicator);
    }
    let communes: BTreeMap<&str, &str> =
        territory.communes.iter().map(|commune| (commune.code_insee.as_str(), commune.name.as_str())).collect();
    let mut sections: Vec<SectionInputs> = territory
        .sections
        .iter()
        .map(|section| SectionInputs {
            territory: territory.id.clone(),
            section_id: section.id.clone(),
            code_insee: section.code_insee.clone(),
            commune: communes.get(section.code_insee.as_str()).map_or_else(String::new, |name| (*name).to_owned()),
            street: section.name.clone().unwrap_or_default(),
            length_m: section.length_m,
            values: BTreeMap::new(),
        })
        .collect();
    for (name, spec) in rules.inputs() {
        match spec.from {
            InputFrom::Indicator => {
                for section in &mut sections {
                    let own = of_section.get(section.section_id.as_str()).map_or(&[][..], Vec::as_slice);
                    if let Some(value) = spec.from_indicators(own) {
                        section.values.insert(name.to_owned(), value);
                    }
                }
            }
            InputFrom::Layer => {
                let matching: Vec<&Layer> = layers.iter().filter(|layer| layer.name == spec.key).collect();
                let Some(first) = matching.first() else { continue };
                let near = near_points(index, spec, &matching, sections.len());
                for (section, points) in sections.iter_mut().zip(near) {
                    if let Some(value) = spec.from_points(points, as_of, origin_name(first.origin)) {
                        section.values.insert(name.to_owned(), value);
                    }
                }
            }
            // Facts of the section itself are added by the evaluation.
            InputFrom::Section => {}
        }
    }
    Inputs { sections }
}

/// The points of the layers within reach of each section.
fn near_points<'a>(
    index: &SectionIndex,
    spec: &InputSpec,
    layers: &[&'a Layer],
    sections: usize,
) -> Vec<Vec<NearPoint<'a>>> {
    let mut near: Vec<Vec<NearPoint<'a>>> = vec![Vec::new(); sections];
    let reach_m = spec.search_m.unwrap_or(0.0);
    for point in layers.iter().flat_map(|layer| &layer.points) {
        let place = coord! { x: point.lon_deg, y: point.lat_deg };
        for hit in index.within(place, reach_m, usize::MAX) {
            if let Some(list) = usize::try_from(hit.section.0).ok().and_then(|ix| near.get_mut(ix)) {
                list.push(NearPoint { distance_m: hit.distance_m, date: &point.date, value: point.value });
            }
        }
    }
    near
}

/// The day that windows end on: the latest of the passes and of the layers' observations, never the wall clock, so that
/// the same data gives the same answer on any day.
#[must_use]
pub fn as_of<'a>(dates: impl Iterator<Item = &'a str>, layers: &'a [Layer]) -> String {
    dates
        .chain(layers.iter().flat_map(|layer| &layer.points).map(|point| point.date.as_str()))
        .filter(|date| tournee_query::columns::date_days(date).is_some())
        .max()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use tournee_territory::{Attribution, Commune, LayerPoint, Text};

    use super::*;
    use crate::facts::tests::sections;

    fn layer(name: &str, points: &[(f64, &str, f64)]) -> Layer {
        Layer {
            name: name.into(),
            unit: "1".into(),
            origin: Origin::Simulated,
            attribution: Attribution { credit: String::new(), licence: String::new(), source: String::new() },
            points: points
                .iter()
                .map(|(lon_deg, date, value)| LayerPoint {
                    local_id: String::new(),
                    lon_deg: *lon_deg,
                    lat_deg: 47.65,
                    date: (*date).into(),
                    value: *value,
                })
                .collect(),
        }
    }

    #[test]
    fn windows_end_with_the_data() {
        let layers = [layer("dumping", &[(0.0, "2026-01-30", 1.0), (0.0, "soon", 1.0)])];
        assert_eq!(as_of(["2026-01-20", "2026-01-12"].into_iter(), &layers), "2026-01-30");
        assert_eq!(as_of(["2026-02-01"].into_iter(), &layers), "2026-02-01");
        assert_eq!(as_of([].into_iter(), &[]), "");
    }

    #[test]
    fn layers_reach_the_sections_near_them_and_no_other() {
        let territory = Territory {
            id: "redon".into(),
            name: Text::default(),
            statement: Text::default(),
            communes: vec![Commune {
                code_insee: "35236".into(),
                name: "Redon".into(),
                outline: geo_types::MultiPolygon::new(Vec::new()),
            }],
            sections: sections(400),
            buildings: Vec::new(),
            attributions: Vec::new(),
        };
        let index = SectionIndex::new(&territory.sections);
        let rules = RuleSet::builtin().unwrap();
        let spec = rules.inputs().into_values().find(|spec| spec.from == InputFrom::Layer).unwrap().clone();
        let layers = [layer(&spec.key, &[(-2.1, "2026-01-30", 5.0)])];
        let inputs = gather(&territory, &index, &layers, &rules, &[], "2026-01-30");
        assert_eq!(inputs.sections.len(), 400);
        assert_eq!(inputs.sections[0].commune, "Redon");
        let at_first = inputs.sections[0].values.get(&spec.name).unwrap().value;
        let at_last = inputs.sections[399].values.get(&spec.name).map(|value| value.value);
        assert!(at_first > 0.0 && at_last.is_none_or(|value| value == 0.0), "{at_first} {at_last:?}");
        let none = gather(&territory, &index, &[], &rules, &[], "2026-01-30");
        assert!(none.sections.iter().all(|section| section.values.is_empty()));
    }
}
