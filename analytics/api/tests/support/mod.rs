//! A made-up territory for tests and for work on the page: a grid of streets, nothing of it real.

use std::sync::Arc;

use geo_types::{LineString, MultiPolygon, Polygon};
use tournee_api::{Snapshot, TerritoryView};
use tournee_indicators::{Confidence, Indicator, Kinds, PassFact, Theme, partner_indicator};
use tournee_priority::{Reason, Recommendation};
use tournee_territory::{Attribution, Building, Commune, NodeId, Section, Territory, Text};

const COLUMNS: u32 = 12;
const ROWS: u32 = 9;
const STEP_LON: f64 = 0.0011;
const STEP_LAT: f64 = 0.00075;
const NAMES: [&str; 9] = [
    "Grande Rue",
    "Rue du Port",
    "Quai Duguay-Trouin",
    "Rue de l'Étang",
    "Rue Victor Hugo",
    "Avenue de la Gare",
    "Rue des Douves",
    "Boulevard Bonne Nouvelle",
    "Rue Saint-Michel",
];

/// A snapshot of two made-up territories: one with every theme, one with a partner's air layer.
pub fn snapshot() -> Snapshot {
    let kinds = Kinds::builtin().expect("the embedded kinds are sound");
    Snapshot {
        territories: vec![twin(&kinds), partner(&kinds)],
        kinds,
        generated_at: "2026-01-31T18:00:00Z".to_owned(),
        data_version: "essai-1".to_owned(),
    }
}

fn square(west: f64, south: f64, east: f64, north: f64) -> Polygon<f64> {
    Polygon::new(LineString::from(vec![(west, south), (east, south), (east, north), (west, north)]), Vec::new())
}

fn grid(prefix: &str, west: f64, south: f64, codes: [&str; 2]) -> (Vec<Section>, Vec<Building>) {
    let bend = |x: u32, y: u32| {
        let lon = west + f64::from(x) * STEP_LON + (f64::from(y) * 0.7).sin() * STEP_LON * 0.3;
        let lat = south + f64::from(y) * STEP_LAT + (f64::from(x) * 0.5).cos() * STEP_LAT * 0.3;
        (lon, lat)
    };
    let node = |x: u32, y: u32| NodeId(i64::from(y * 100 + x));
    let mut sections = Vec::new();
    let mut buildings = Vec::new();
    for y in 0..ROWS {
        for x in 0..COLUMNS {
            let name = (y % 4 != 3).then(|| NAMES[usize::try_from(y).unwrap_or(0) % NAMES.len()].to_owned());
            for (dx, dy) in [(1, 0), (0, 1)] {
                if x + dx >= COLUMNS || y + dy >= ROWS {
                    continue;
                }
                sections.push(Section {
                    id: format!("{prefix}{y}{dy}-n{x}-0"),
                    way_id: i64::from(y * 10 + dy),
                    name: if dy == 0 {
                        name.clone()
                    } else {
                        Some(NAMES[usize::try_from(x).unwrap_or(0) % 9].to_owned())
                    },
                    class: "residential".to_owned(),
                    code_insee: codes[usize::from(x * 2 >= COLUMNS)].to_owned(),
                    from: node(x, y),
                    to: node(x + dx, y + dy),
                    oneway: false,
                    line: LineString::from(vec![bend(x, y), bend(x + dx, y + dy)]),
                    length_m: 82.0,
                });
            }
            // Five houses along the north of each street that runs east: enough beside them, too few beside the others.
            let (from, to) = (bend(x, y), bend(x + 1, y));
            for house in 0..5u32 {
                let along = (f64::from(house) + 0.2) / 5.0;
                let (lon, lat) = (from.0 + (to.0 - from.0) * along, from.1 + (to.1 - from.1) * along + STEP_LAT * 0.1);
                buildings.push(Building {
                    osm_id: i64::from((y * 100 + x) * 10 + house),
                    outline: square(lon, lat, lon + STEP_LON * 0.12, lat + STEP_LAT * 0.2),
                    height_m: None,
                });
            }
        }
    }
    (sections, buildings)
}

fn territory(
    id: &str,
    name: [&str; 2],
    statement: [&str; 2],
    at: (f64, f64),
    communes: [(&str, &str); 2],
) -> Territory {
    let (west, south) = at;
    let middle = west + STEP_LON * f64::from(COLUMNS) / 2.0;
    let (east, north) = (west + STEP_LON * 12.5, south + STEP_LAT * 9.5);
    let halves = [square(west - 0.001, south - 0.001, middle, north), square(middle, south - 0.001, east, north)];
    let (sections, buildings) = grid(if id == "redon" { "w" } else { "d" }, west, south, communes.map(|one| one.0));
    Territory {
        id: id.to_owned(),
        name: Text { fr: name[0].to_owned(), en: name[1].to_owned() },
        statement: Text { fr: statement[0].to_owned(), en: statement[1].to_owned() },
        communes: communes
            .iter()
            .zip(halves)
            .map(|((code, name), outline)| Commune {
                code_insee: (*code).to_owned(),
                name: (*name).to_owned(),
                outline: MultiPolygon(vec![outline]),
            })
            .collect(),
        sections,
        buildings,
        attributions: vec![Attribution {
            credit: "© OpenStreetMap contributors".to_owned(),
            licence: "ODbL 1.0".to_owned(),
            source: "Grille inventée pour l'essai, à la place d'un extrait".to_owned(),
        }],
    }
}

fn twin(kinds: &Kinds) -> TerritoryView {
    let territory = territory(
        "redon",
        ["Redon (simulé)", "Redon (simulated)"],
        ["Page d'essai : rues et valeurs inventées.", "Page for development: streets and values are made up."],
        (-2.094, 47.646),
        [("35236", "Redon"), ("44185", "Saint-Nicolas-de-Redon")],
    );
    let mut indicators = Vec::new();
    let mut pass_facts = Vec::new();
    let named = [
        ("pm25_ugm3", Theme::Air),
        ("no2_ugm3", Theme::Air),
        ("rough_mps2", Theme::Road),
        ("rsrp_dbm", Theme::Mobile),
        ("rsrp_dbm_20801", Theme::Mobile),
        ("facade_delta_k", Theme::Heat),
    ];
    for (ix, section) in territory.sections.iter().enumerate().filter(|(ix, _)| ix % 7 != 3) {
        let wave = (ix as f64 * 0.21).sin() * 0.5 + 0.5;
        for (name, theme) in named {
            let value = match theme {
                Theme::Air => 3.0 + wave * 70.0,
                Theme::Road => 0.2 + wave * 0.9,
                Theme::Mobile => -85.0 - wave * 38.0,
                Theme::Heat => 0.5 + wave * 4.0,
            };
            let n_passes = 1 + u32::try_from((ix * 5) % 17).unwrap_or(0);
            let confidence = match n_passes {
                10.. => Confidence::High,
                5.. => Confidence::Medium,
                _ => Confidence::Low,
            };
            let kind = kinds.get(name).expect("a kind that ships");
            indicators.push(Indicator {
                territory: "redon".to_owned(),
                section_id: section.id.clone(),
                theme,
                indicator: name.to_owned(),
                unit: kind.unit.clone(),
                value,
                lo: (n_passes >= 6).then_some(value * 0.9),
                hi: (n_passes >= 6).then_some(value * 1.1),
                n_passes,
                n_days: n_passes.min(12),
                n_boxes: n_passes.min(3),
                first_date: "2026-01-05".to_owned(),
                last_date: "2026-01-30".to_owned(),
                confidence,
                class: kind.class(value),
                origin: "simulated".to_owned(),
            });
            pass_facts.extend((0..n_passes).map(|pass| PassFact {
                territory: "redon".to_owned(),
                section_id: section.id.clone(),
                indicator: name.to_owned(),
                box_id: format!("secret-box-{}", pass % 3),
                t_us: 1_767_600_000_000_000 + i64::from(pass) * 86_400_000_000,
                date: format!("2026-01-{:02}", 5 + pass),
                value: value * (0.9 + f64::from(pass % 5) * 0.05),
                n_samples: 6,
            }));
        }
    }
    let recommendations = recommendations(&territory, &indicators);
    TerritoryView { territory: Arc::new(territory), indicators, pass_facts, recommendations }
}

fn recommendations(territory: &Territory, indicators: &[Indicator]) -> Vec<Recommendation> {
    let rules = [
        (
            "signage_pedestrians",
            "Équiper en priorité : passage piéton à matérialiser",
            "Fit out first: mark the crossing",
        ),
        ("housing_signal", "Demander une couverture mobile pour les logements neufs", "Ask for mobile coverage"),
        ("dumping_density", "Revoir la fréquence de collecte", "Change the collection rounds"),
        ("road_works", "Programmer la réfection de la chaussée", "Plan resurfacing"),
    ];
    let rough = |id: &str| indicators.iter().find(|row| row.section_id == id && row.indicator == "rough_mps2");
    let sections = territory.sections.iter().step_by(5);
    sections
        .filter_map(|section| Some((section, rough(&section.id)?)))
        .enumerate()
        .map(|(ix, (section, rough))| {
            let (rule, action_fr, action_en) = rules[ix % rules.len()];
            let score = 0.95 - ix as f64 * 0.02;
            Recommendation {
                territory: territory.id.clone(),
                rule: rule.to_owned(),
                section_id: section.id.clone(),
                code_insee: section.code_insee.clone(),
                street: section.name.clone().unwrap_or_default(),
                rank: u32::try_from(ix / rules.len() + 1).unwrap_or(1),
                score,
                confidence: "medium".to_owned(),
                action_fr: action_fr.to_owned(),
                action_en: action_en.to_owned(),
                reasons: [
                    ("rough_mps2", "Uni de la chaussée", "Ride quality", "m/s²", 0.6),
                    ("pedestrians", "Piétons", "Pedestrians", "/ jour", 0.4),
                ]
                .map(|(input, label_fr, label_en, unit, share)| Reason {
                    input: input.to_owned(),
                    label_fr: label_fr.to_owned(),
                    label_en: label_en.to_owned(),
                    value: if share > 0.5 { rough.value } else { 120.0 },
                    unit: unit.to_owned(),
                    unit_en: String::new(),
                    threshold: "≥ 0,6".to_owned(),
                    threshold_en: "≥ 0.6".to_owned(),
                    contribution: score * share,
                    n_passes: (share > 0.5).then_some(rough.n_passes),
                    n_days: (share > 0.5).then_some(rough.n_days),
                    origin: "simulated".to_owned(),
                })
                .to_vec(),
            }
        })
        .collect()
}

fn partner(kinds: &Kinds) -> TerritoryView {
    let territory = territory(
        "dublin",
        ["Dublin (partenaire)", "Dublin (partner)"],
        ["Page d'essai : rien ici n'a été mesuré.", "Page for development: nothing here was measured."],
        (-6.27, 53.343),
        [("IE-D", "Dublin City"), ("IE-DS", "South Dublin")],
    );
    let values = territory.sections.iter().enumerate().flat_map(|(ix, section)| {
        let value = 6.0 + (ix as f64 * 0.4).cos() * 4.0;
        ["pm25_ugm3", "no2_ugm3"].map(|name| (section, name, if name == "no2_ugm3" { value * 4.0 } else { value }))
    });
    let indicators = values
        .filter_map(|(section, name, value)| {
            partner_indicator(kinds, "dublin", &section.id, name, value, Confidence::Medium)
        })
        .collect();
    TerritoryView { territory: Arc::new(territory), indicators, pass_facts: Vec::new(), recommendations: Vec::new() }
}
