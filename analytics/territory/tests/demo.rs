//! The territories that ship.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::collections::BTreeSet;

use tournee_territory::graph::NetworkGraph;
use tournee_territory::{demo, export, geom};

#[test]
fn redon_is_two_communes_with_streets_and_buildings() {
    let (territory, report) = demo::redon_with_report().unwrap();
    println!("{report:?}");
    let per_commune = |code: &str| territory.sections.iter().filter(|s| s.code_insee == code).count();
    println!("35236: {}, 44185: {}", per_commune("35236"), per_commune("44185"));
    assert_eq!(per_commune("35236") + per_commune("44185"), territory.sections.len());
    assert!(per_commune("35236") > 100 && per_commune("44185") >= 10);
    assert_eq!(report.network.sections, territory.sections.len());
    assert!(territory.buildings.len() > 1000);
    assert!(territory.statement.fr.contains("jumeau numérique") && territory.statement.en.contains("digital twin"));
    assert!(territory.attributions.iter().any(|a| a.licence == "ODbL-1.0" && a.credit.contains("OpenStreetMap")));
    let ids: BTreeSet<&str> = territory.sections.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids.len(), territory.sections.len(), "section ids are unique");
    for s in &territory.sections {
        assert!(s.length_m > 0.0 && s.length_m < 76.0, "{} is {} m", s.id, s.length_m);
        assert!((geom::length_m(&s.line) - s.length_m).abs() < 1e-6);
        for p in &s.line.0 {
            assert!((-2.0941..=-2.0794).contains(&p.x) && (47.6459..=47.6531).contains(&p.y), "{} reaches {p:?}", s.id);
        }
    }
}

#[test]
fn redon_can_be_driven_round() {
    let territory = demo::redon().unwrap();
    let graph = NetworkGraph::from_sections(&territory.sections);
    let core = graph.largest_strongly_connected();
    println!("{} of {} nodes in the drivable core", core.len(), graph.nodes().len());
    assert!(core.len() * 2 > graph.nodes().len());
    let (first, last) = (*core.first().unwrap(), *core.last().unwrap());
    for (a, b) in [(first, last), (last, first)] {
        let path = graph.shortest_path(a, b).unwrap();
        let mut at = a;
        for (ix, forward) in path {
            let s = &territory.sections[ix.0 as usize];
            assert!(forward || !s.oneway);
            let (from, to) = if forward { (s.from, s.to) } else { (s.to, s.from) };
            assert_eq!(from, at);
            at = to;
        }
        assert_eq!(at, b);
    }
}

#[test]
fn redon_is_the_same_each_time_and_names_come_from_the_list() {
    let (a, b) = (demo::redon().unwrap(), demo::redon().unwrap());
    assert_eq!(a.sections, b.sections);
    let official = demo::redon_official().unwrap();
    assert_eq!(official.len(), 2);
    assert!(official.iter().all(|c| c.siren_epci.as_deref() == Some("243500741")));
    assert_eq!(a.communes.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["Redon", "Saint-Nicolas-de-Redon"]);
}

#[test]
fn dublin_carries_the_airview_means() {
    let (territory, layer, edges) = demo::dublin_with_report().unwrap();
    println!("{edges:?}\n{:?}", layer.report);
    let r = &layer.report;
    assert_eq!(edges.edges + edges.reverse_twins + edges.refused.values().sum::<usize>(), edges.rows);
    assert_eq!(edges.rows, 13_697);
    assert_eq!(r.rows, 9_466);
    assert_eq!(r.values_read + r.values_refused.values().sum::<usize>(), r.rows * 2);
    assert_eq!(r.values_joined + r.values_unjoined, r.values_read);
    assert!(r.ways_joined > 2_500, "{r:?}");
    assert!(territory.sections.iter().all(|s| s.code_insee == "IE-D"));
    for v in &layer.values {
        assert_eq!(territory.sections[v.section.0 as usize].id, v.section_id);
        assert!(v.indicator == "no2_ugm3" || v.indicator == "pm25_ugm3");
    }
    assert!(layer.meta.statement.en.contains("AirView") && layer.meta.confidence_reason.fr.contains("non communiqué"));
    // One value by hand: way 151364 is not in the street graph's box or is with the file's own number.
    for v in layer.values.iter().filter(|v| v.way_id == 151_364 && v.indicator == "no2_ugm3") {
        assert_eq!(v.value, 21.254);
    }
}

#[test]
fn what_ships_is_small_and_the_base_map_is_geojson() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let total: u64 = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!(total < 3_000_000, "{total}");
    let territory = demo::redon().unwrap();
    let count = |text: &str| text.parse::<geojson::FeatureCollection>().unwrap().features.len();
    assert_eq!(count(&export::streets(&territory)), territory.sections.len());
    assert_eq!(count(&export::buildings(&territory)), territory.buildings.len());
    assert_eq!(count(&export::communes(&territory)), 2);
    let text = export::streets(&territory);
    let digits =
        text.split(['[', ',', ']']).filter_map(|n| n.split_once('.')).filter(|(i, _)| i.contains("-2") || *i == "47");
    assert!(digits.map(|(_, d)| d.len()).max().unwrap() <= 6);
}
