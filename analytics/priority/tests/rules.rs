//! The four rules on small towns, and rule files that cannot be used.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tournee_indicators::{Confidence, Indicator, Theme};
use tournee_priority::{InputSpec, InputValue, Inputs, RuleSet, SectionInputs, Skip, evaluate, evaluate_counted};

fn layer(value: f64) -> InputValue {
    InputValue {
        value,
        unit: String::new(),
        n_passes: None,
        n_days: None,
        origin: "simulated".into(),
        confidence: None,
    }
}

fn measured(value: f64, n_passes: u32, confidence: Confidence) -> InputValue {
    InputValue { n_passes: Some(n_passes), n_days: Some(n_passes), confidence: Some(confidence), ..layer(value) }
}

fn section(id: u32, values: &[(&str, InputValue)]) -> SectionInputs {
    SectionInputs {
        territory: "redon".into(),
        section_id: format!("s{id:03}"),
        code_insee: "35236".into(),
        commune: "Redon".into(),
        street: "Rue des Douves".into(),
        length_m: 50.0,
        values: values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    }
}

/// Twenty sections; pedestrians and density rise with the number.
fn town() -> Inputs {
    let sections = (0..20).map(|at| {
        section(
            at,
            &[
                ("pedestrians", layer(f64::from(at) * 100.0)),
                ("density", InputValue { unit: "hab./km²".into(), ..layer(f64::from(at) * 1000.0) }),
                ("signage_defect", layer(if at % 2 == 0 { 0.8 } else { 0.5 })),
                ("new_dwellings", layer(f64::from(at % 4))),
                ("rsrp_dbm", measured(-120.0 + f64::from(at), 6, Confidence::Medium)),
                ("dumping_events", layer(f64::from(at % 6))),
                ("dumping_dates", layer(f64::from(at % 6 / 2))),
                ("rough_mps2", measured(0.1 * f64::from(at), if at == 19 { 5 } else { 10 }, Confidence::High)),
            ],
        )
    });
    Inputs { sections: sections.collect() }
}

fn of<'a>(all: &'a [tournee_priority::Recommendation], rule: &str) -> Vec<&'a tournee_priority::Recommendation> {
    all.iter().filter(|one| one.rule == rule).collect()
}

#[test]
fn each_of_the_four_rules_speaks_where_it_should_and_only_there() {
    let all = evaluate(&RuleSet::builtin().unwrap(), &town());
    let ids = |rule: &str| of(&all, rule).iter().map(|one| one.section_id.clone()).collect::<Vec<_>>();
    // Pedestrian percentile of section at is (at + 0.5) / 20: 75 % from 15 up, and even numbers have the defect.
    assert_eq!(ids("signage_pedestrians"), ["s018", "s016"]);
    // Below -105 dBm is at < 15; at % 4 > 0 has new housing.
    let housing = ids("housing_signal");
    assert_eq!(housing.len(), 11);
    assert!(!housing.contains(&"s004".to_owned()) && !housing.contains(&"s015".to_owned()));
    // Dense and at least three events on two dates: 16 (4 events, 2 dates) and 17 (5 events, 2 dates).
    assert_eq!(ids("dumping_density"), ["s017", "s016"]);
    // Rougher than 0.61 and in the worst quarter is at >= 15; section 19 has only five passes.
    assert_eq!(ids("road_works"), ["s018", "s017", "s016", "s015"]);
}

#[test]
fn a_product_rule_scores_the_product_and_says_why_in_both_languages() {
    let all = evaluate(&RuleSet::builtin().unwrap(), &town());
    let first = of(&all, "signage_pedestrians")[0];
    assert!((first.score - 0.8 * 0.925).abs() < 1e-12, "{}", first.score);
    assert_eq!(
        first.action_fr,
        "Aménager en priorité : Rue des Douves, Redon. Signalisation à reprendre (défaut 0,8) là où passent 1\u{202f}800 piétons par heure."
    );
    assert!(first.action_en.contains("1,800 pedestrians"));
    let reason = first.reasons.iter().find(|reason| reason.input == "pedestrians").unwrap();
    assert_eq!(reason.threshold, "parmi les 25\u{a0}% les plus élevés de la commune");
    assert_eq!(reason.threshold_en, "among the highest 25\u{a0}% of the commune");
    let defect = first.reasons.iter().find(|reason| reason.input == "signage_defect").unwrap();
    assert_eq!((defect.threshold.as_str(), defect.threshold_en.as_str()), ("≥\u{a0}0,6", "≥\u{a0}0.6"));
    assert_eq!(first.confidence, "medium");
}

#[test]
fn no_service_is_not_printed_as_a_signal() {
    let rules = RuleSet::builtin().unwrap();
    let of_signal = |rsrp: f64| {
        let signal = InputValue { unit: "dBm".into(), ..measured(rsrp, 10, Confidence::High) };
        let values = [("rsrp_dbm", signal), ("new_dwellings", layer(5.0))];
        evaluate(&rules, &Inputs { sections: vec![section(1, &values)] }).remove(0)
    };
    let (none, weak) = (of_signal(-140.0), of_signal(-139.0));
    assert!(none.action_fr.contains("sans service") && none.action_en.contains("no service"), "{}", none.action_fr);
    assert!(!none.action_fr.contains("140") && !none.action_en.contains("140"), "{}", none.action_fr);
    assert!(weak.action_fr.contains("-139\u{a0}dBm"), "{}", weak.action_fr);
    let label = |one: &tournee_priority::Recommendation| {
        one.reasons.iter().find(|reason| reason.input == "rsrp_dbm").unwrap().label_fr.clone()
    };
    assert!(label(&none).starts_with("Sans service") && label(&weak).starts_with("Signal mobile reçu"));
}

#[test]
fn units_follow_the_language_and_old_reasons_are_read() {
    let all = evaluate(&RuleSet::builtin().unwrap(), &town());
    let first = of(&all, "dumping_density")[0];
    assert!(first.action_fr.contains("17\u{202f}000\u{a0}hab./km²"), "{}", first.action_fr);
    assert!(first.action_en.contains("17,000\u{a0}inhabitants/km²"), "{}", first.action_en);
    let old = r#"{"input":"x","label_fr":"x","label_en":"x","value":1.0,"unit":"","threshold":"≥ 1","contribution":0.5,"n_passes":null,"n_days":null,"origin":"simulated"}"#;
    let read: tournee_priority::Reason = serde_json::from_str(old).unwrap();
    assert_eq!((read.threshold.as_str(), read.threshold_en.as_str(), read.unit_en.as_str()), ("≥ 1", "", ""));
}

#[test]
fn reasons_are_ordered_and_add_up_to_the_score() {
    let all = evaluate(&RuleSet::builtin().unwrap(), &town());
    assert!(all.len() > 15);
    for one in &all {
        let sum: f64 = one.reasons.iter().map(|reason| reason.contribution).sum();
        assert!((sum - one.score).abs() < 1e-12, "{} {}", one.rule, one.section_id);
        assert!(one.reasons.windows(2).all(|pair| pair[0].contribution >= pair[1].contribution));
        assert!((0.0..=1.0).contains(&one.score));
    }
}

#[test]
fn silence_is_counted_and_confidence_is_that_of_the_weakest_input() {
    let rules = RuleSet::builtin().unwrap();
    let mut inputs = town();
    inputs.sections[15].values.insert("rough_mps2".into(), measured(2.0, 12, Confidence::Insufficient));
    inputs.sections[16].values.insert("rough_mps2".into(), measured(2.0, 12, Confidence::Low));
    inputs.sections[9].values.remove("rough_mps2");
    inputs.sections[10].values.insert("rough_mps2".into(), measured(f64::NAN, 12, Confidence::High));
    inputs.sections[17].values.remove("pedestrians");
    let all = evaluate_counted(&rules, &inputs);
    for rule in rules.rules() {
        let spoken = of(&all.recommendations, &rule.id).len() as u64;
        let silent: u64 = all.skipped.iter().filter(|(key, _)| key.0 == rule.id).map(|(_, n)| n).sum();
        assert_eq!(spoken + silent, 20, "{}", rule.id);
    }
    let skips = |skip: Skip| all.skipped.get(&("road_works".to_owned(), skip)).copied();
    assert_eq!(skips(Skip::Thin("rough_mps2".into())), Some(2));
    assert_eq!(skips(Skip::Missing("rough_mps2".into())), Some(2));
    let by_id: BTreeMap<_, _> =
        of(&all.recommendations, "road_works").into_iter().map(|one| (one.section_id.as_str(), one)).collect();
    assert_eq!((by_id["s016"].confidence.as_str(), by_id["s018"].confidence.as_str()), ("low", "high"));
    assert!(by_id.contains_key("s017"), "an optional input may be missing");
    assert!(!by_id["s017"].reasons.iter().any(|reason| reason.input == "pedestrians"));
}

#[test]
fn equal_scores_share_a_rank() {
    let rules = RuleSet::builtin().unwrap();
    let new = |id: u32, rsrp: f64| {
        section(id, &[("rsrp_dbm", measured(rsrp, 10, Confidence::High)), ("new_dwellings", layer(5.0))])
    };
    let mut other_town = new(9, -130.0);
    other_town.territory = "autre".into();
    let inputs = Inputs { sections: vec![new(3, -110.0), other_town, new(2, -110.0), new(1, -120.0), new(4, -108.0)] };
    let ranks: Vec<_> = evaluate(&rules, &inputs).into_iter().map(|one| (one.section_id, one.rank)).collect();
    let want = [("s009", 1), ("s001", 1), ("s002", 2), ("s003", 2), ("s004", 4)];
    assert_eq!(ranks, want.map(|(id, rank)| (id.to_owned(), rank)));
}

fn indicator(name: &str, value: f64, n_passes: u32) -> Indicator {
    Indicator {
        territory: "redon".into(),
        section_id: "s".into(),
        theme: Theme::Mobile,
        indicator: name.into(),
        unit: "dBm".into(),
        value,
        lo: None,
        hi: None,
        n_passes,
        n_days: n_passes,
        n_boxes: 1,
        first_date: String::new(),
        last_date: String::new(),
        confidence: Confidence::Medium,
        class: Some(2),
        origin: "simulated".into(),
    }
}

#[test]
fn the_worst_operator_with_enough_passes_decides() {
    let rules = RuleSet::builtin().unwrap();
    let spec: &InputSpec = rules.inputs()["rsrp_dbm"];
    let (pooled, orange, free) = (
        indicator("rsrp_dbm", -100.0, 9),
        indicator("rsrp_dbm_20801", -112.0, 4),
        indicator("rsrp_dbm_20815", -130.0, 1),
    );
    let other = indicator("pm25_ugm3", -500.0, 50);
    let value = spec.from_indicators(&[&pooled, &orange, &free, &other]).unwrap();
    assert_eq!((value.value, value.n_passes), (-112.0, Some(4)));
    assert_eq!(spec.from_indicators(&[&free, &other]), None);
}

#[test]
fn a_rule_file_that_cannot_be_used_is_named_with_its_key() {
    let good = include_str!("../rules/road_works.toml");
    for (from, to, key) in [
        ("id = \"road_works\"", "id = \"Road works\"", "id"),
        ("valid_from = \"2026-01-01\"", "valid_from = \"soon\"", "valid_from"),
        ("default_confidence = \"low\"", "default_confidence = \"sure\"", "default_confidence"),
        ("search_m = 50.0\n", "", "input.pedestrians.search_m"),
        ("key = \"length_m\"", "key = \"width_m\"", "input.length_m.key"),
        ("op = \">\"", "op = \"=\"", "toml"),
        ("[[when]]\ninput = \"rough_mps2\"", "[[when]]\ninput = \"rough\"", "when[0].input"),
        ("value = 0.61", "value = nan", "when[0].value"),
        ("[[0.61, 0.3], [2.0, 1.0]]", "[[2.61, 0.3], [2.0, 1.0]]", "score[0].transform"),
        ("[[0.61, 0.3], [2.0, 1.0]]", "[[0.61, 0.3], [2.0, 1.1]]", "score[0].transform"),
        ("weight = 0.25", "weight = -1", "score[1].weight"),
        ("{length_m}", "{lenght_m}", "action.fr"),
        ("source =", "sauce =", "toml"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = RuleSet::load(&[("mine.toml", &good.replacen(from, to, 1))]).unwrap_err();
        assert_eq!((error.file.as_str(), error.key.as_str()), ("mine.toml", key), "{error}");
    }
    assert_eq!(RuleSet::load(&[("a", good), ("b", good)]).unwrap_err().key, "id");
    let other = good.replacen("id = \"road_works\"", "id = \"other\"", 1);
    assert_eq!(RuleSet::load(&[("a", good), ("b", &other)]).unwrap().rules().len(), 2);
    let clash = other.replacen("search_m = 50.0", "search_m = 60.0", 1);
    let error = RuleSet::load(&[("a", good), ("b", &clash)]).unwrap_err();
    assert_eq!(error.key, "input.pedestrians");
}

proptest! {
    #[test]
    fn golden_s4_same_input_in_any_order_gives_the_same_bytes(order in Just((0..20usize).collect::<Vec<_>>()).prop_shuffle()) {
        let rules = RuleSet::builtin().unwrap();
        let inputs = town();
        let mixed = Inputs { sections: order.iter().map(|at| inputs.sections[*at].clone()).collect() };
        let (a, b) = (evaluate(&rules, &inputs), evaluate(&rules, &mixed));
        prop_assert_eq!(serde_json::to_vec(&a).unwrap(), serde_json::to_vec(&b).unwrap());
    }
}
