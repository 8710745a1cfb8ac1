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

/// Inputs of every section, in the order of the sections. The windows of dated layers go back from `as_of` (ISO 8601). A
/// layer that was not given leaves its inputs absent; where it was given, a section without a point counts as 0 for
/// `count` and `distinct_dates` and is absent for every other aggregate.
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

/// The points of the layers within reach that count for each section: for every section they reach, or for the nearest
/// one alone where counting twice would make one event two.
fn near_points<'a>(
    index: &SectionIndex,
    spec: &InputSpec,
    layers: &[&'a Layer],
    sections: usize,
) -> Vec<Vec<NearPoint<'a>>> {
    let mut near: Vec<Vec<NearPoint<'a>>> = vec![Vec::new(); sections];
    let reach_m = spec.search_m.unwrap_or(0.0);
    let sections_of_a_point = if spec.aggregate.nearest_section_only() { 1 } else { usize::MAX };
    for point in layers.iter().flat_map(|layer| &layer.points) {
        let place = coord! { x: point.lon_deg, y: point.lat_deg };
        for hit in index.within(place, reach_m, sections_of_a_point) {
            if let Some(list) = usize::try_from(hit.section.0).ok().and_then(|ix| near.get_mut(ix)) {
                list.push(NearPoint { distance_m: hit.distance_m, date: &point.date, value: point.value });
            }
        }
    }
    near
}

/// The day that windows go back from: that of the latest pass, never the wall clock, so that the same data gives the same
/// answer on any day, and never a layer's, where one mistyped year would move every window. Without a pass it is the
/// latest date of the layers.
#[must_use]
pub fn as_of<'a>(passes: impl Iterator<Item = &'a str>, layers: &'a [Layer]) -> String {
    fn latest<'a>(dates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        dates.filter(|date| tournee_query::columns::date_days(date).is_some()).max()
    }
    latest(passes)
        .or_else(|| latest(layers.iter().flat_map(|layer| &layer.points).map(|point| point.date.as_str())))
        .unwrap_or_default()
        .to_owned()
}

/// Points that a windowed input refuses because their date lies too far after `as_of`, by layer.
#[must_use]
pub fn dated_in_the_future(layers: &[Layer], rules: &RuleSet, as_of: &str) -> BTreeMap<String, u64> {
    let inputs = rules.inputs();
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for layer in layers {
        let own = || inputs.values().filter(|spec| spec.from == InputFrom::Layer && spec.key == layer.name);
        let points = layer.points.iter().filter(|point| own().any(|spec| spec.in_the_future(&point.date, as_of)));
        let n = points.count() as u64;
        if n > 0 {
            *refused.entry(layer.name.clone()).or_default() += n;
        }
    }
    refused
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
    fn windows_go_back_from_the_last_pass() {
        let layers = [layer("dumping", &[(0.0, "2026-01-30", 1.0), (0.0, "soon", 1.0)])];
        assert_eq!(as_of(["2026-01-20", "2026-01-12", ""].into_iter(), &layers), "2026-01-20");
        assert_eq!(as_of([].into_iter(), &layers), "2026-01-30");
        assert_eq!(as_of([].into_iter(), &[]), "");
    }

    fn town(layers: &[Layer], passes: &[&str]) -> (Inputs, BTreeMap<String, u64>) {
        let territory = redon();
        let index = SectionIndex::new(&territory.sections);
        let rules = RuleSet::builtin().unwrap();
        let as_of = as_of(passes.iter().copied(), layers);
        let refused = dated_in_the_future(layers, &rules, &as_of);
        (gather(&territory, &index, layers, &rules, &[], &as_of), refused)
    }

    #[test]
    fn a_permit_of_2062_changes_nothing_for_dumping() {
        let dumping = layer(
            "dumping",
            &[
                (-2.1, "2025-12-01", 1.0),
                (-2.1, "2026-01-10", 1.0),
                (-2.1, "2026-02-10", 1.0),
                (-2.1, "2025-09-01", 1.0),
            ],
        );
        let sane = layer("new_housing", &[(-2.1, "2024-03-01", 5.0)]);
        let mistyped = layer("new_housing", &[(-2.1, "2062-03-01", 5.0)]);
        let (right, none) = town(&[dumping.clone(), sane], &["2026-01-20"]);
        let (wrong, kept) = town(&[dumping.clone(), mistyped], &["2026-01-20"]);
        assert_eq!(right, wrong);
        assert!(none.is_empty() && kept.is_empty(), "a permit needs no date: {kept:?}");
        let values = &right.sections[0].values;
        assert_eq!((values["dumping_events"].value, values["dumping_dates"].value), (3.0, 3.0));
        // The same mistake in the layer with the window is refused and counted.
        let mut more = dumping.clone();
        more.points.extend(layer("dumping", &[(-2.1, "2062-01-10", 1.0)]).points);
        let (kept, refused) = town(&[more], &["2026-01-20"]);
        assert_eq!(kept.sections[0].values["dumping_events"].value, 3.0);
        assert_eq!(refused, BTreeMap::from([("dumping".to_owned(), 1)]));
    }

    #[test]
    fn what_is_counted_or_summed_belongs_to_the_nearest_section_alone() {
        // Seven metres from the joint of the first two sections, on the first.
        let at = -2.1 + 0.000_67 - 0.000_093;
        let (inputs, _) = town(
            &[
                layer("dumping", &[(at, "2026-01-10", 1.0), (at, "2026-01-11", 1.0)]),
                layer("new_housing", &[(at, "2025-01-10", 12.0)]),
                layer("pedestrians", &[(at, "2025-01-10", 80.0)]),
                layer("density", &[(at, "2025-01-10", 900.0)]),
            ],
            &["2026-01-20"],
        );
        let total = |name: &str| -> f64 {
            inputs.sections.iter().filter_map(|section| section.values.get(name)).map(|input| input.value).sum()
        };
        assert_eq!((total("dumping_events"), total("dumping_dates"), total("new_dwellings")), (2.0, 2.0, 12.0));
        assert_eq!(inputs.sections[0].values["new_dwellings"].value, 12.0);
        assert_eq!(inputs.sections[1].values.get("new_dwellings"), None);
        // What is around a section is around its neighbour too.
        for name in ["pedestrians", "density"] {
            assert!(inputs.sections[1].values.contains_key(name), "{name}");
        }
    }

    #[test]
    fn no_service_is_the_floor_of_the_rule() {
        let (config, rules) = (crate::config::Config::builtin().unwrap(), RuleSet::builtin().unwrap());
        let floor = rules.get("housing_signal").unwrap().input("rsrp_dbm").unwrap().floor.clone().unwrap();
        assert_eq!(floor.value, config.mobile.no_service_dbm);
    }

    fn redon() -> Territory {
        Territory {
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
        }
    }

    #[test]
    fn layers_reach_the_sections_near_them_and_no_other() {
        let territory = redon();
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
