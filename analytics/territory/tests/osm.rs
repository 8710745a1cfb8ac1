//! From OSM XML to sections and buildings, on streets small enough to check by eye.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use tournee_territory::osm::{ReadLimits, build_sections, read, read_buildings};
use tournee_territory::{Bounds, Commune, NetworkConfig, NodeId, Section};

/// One degree of latitude is 111,195 m: 0.0009 is almost exactly 100 m.
fn xml(ways: &str) -> String {
    let nodes: String = (0..10)
        .flat_map(|x| (0..10).map(move |y| (x, y)))
        .map(|(x, y)| {
            format!("<node id=\"{}{}\" lat=\"{}\" lon=\"{}\"/>", x + 1, y, f64::from(y) * 9e-4, f64::from(x) * 9e-4)
        })
        .collect();
    format!("<osm>{nodes}{ways}</osm>")
}

fn way(id: i64, nodes: &[i64], tags: &[(&str, &str)]) -> String {
    let nodes: String = nodes.iter().map(|n| format!("<nd ref=\"{n}\"/>")).collect();
    let tags: String = tags.iter().map(|(k, v)| format!("<tag k=\"{k}\" v=\"{v}\"/>")).collect();
    format!("<way id=\"{id}\">{nodes}{tags}</way>")
}

fn sections(ways: &str, bounds: Option<&Bounds>) -> Vec<Section> {
    let data = read(xml(ways).as_bytes(), &ReadLimits::default()).unwrap();
    let communes: Vec<Commune> = Vec::new();
    build_sections(&data, &communes, &NetworkConfig::embedded().unwrap(), bounds).0
}

const STREET: (&str, &str) = ("highway", "residential");

#[test]
fn streets_are_split_where_they_meet_and_then_evenly() {
    let two = way(1, &[10, 20, 30], &[STREET]) + &way(2, &[20, 21], &[STREET, ("name", "B")]);
    let all = sections(&two, None);
    assert_eq!(
        all.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(),
        ["w1-n10-0", "w1-n10-1", "w1-n20-0", "w1-n20-1", "w2-n20-0", "w2-n20-1"]
    );
    assert!(all.iter().all(|s| (s.length_m - 50.04).abs() < 0.1));
    assert_eq!((all[1].to, all[2].from, all[4].from), (NodeId(20), NodeId(20), NodeId(20)));
    assert!(all[0].to.0 < 0 && all[0].to == all[1].from, "cuts have nodes of their own");
    // A bend is no junction, and a footway that crosses makes none.
    let bend = way(1, &[10, 20, 21], &[STREET]) + &way(2, &[20, 30], &[("highway", "footway")]);
    assert_eq!(sections(&bend, None).len(), 4);
    assert!(sections(&bend, None).iter().all(|s| s.id.starts_with("w1-n10-")));
}

#[test]
fn one_way_is_understood_in_all_its_forms() {
    let one = |tags: &[(&str, &str)]| sections(&way(1, &[10, 20], tags), None).remove(0);
    for (tags, oneway, from) in [
        (&[STREET][..], false, 10),
        (&[STREET, ("oneway", "yes")], true, 10),
        (&[STREET, ("oneway", "-1")], true, 20),
        (&[STREET, ("oneway", "no"), ("junction", "roundabout")], false, 10),
        (&[STREET, ("junction", "roundabout")], true, 10),
        (&[("highway", "motorway")], true, 10),
    ] {
        let s = one(tags);
        assert_eq!((s.oneway, s.from), (oneway, NodeId(from)), "{tags:?}");
        assert_eq!(s.id, format!("w1-n{from}-0"));
        let first = s.line.0.first().unwrap().x;
        assert_eq!(first > 0.0004, from == 20, "the line runs as the section does");
    }
}

#[test]
fn only_streets_for_vehicles_count() {
    for (tags, kept) in [
        (&[("highway", "service")][..], false),
        (&[("highway", "service"), ("name", "Cour A")], true),
        (&[("highway", "pedestrian")], false),
        (&[STREET, ("access", "private")], false),
        (&[STREET, ("access", "no"), ("motor_vehicle", "yes")], true),
        (&[STREET, ("area", "yes")], false),
        (&[("building", "yes")], false),
    ] {
        assert_eq!(!sections(&way(1, &[10, 20], tags), None).is_empty(), kept, "{tags:?}");
    }
}

#[test]
fn a_loop_gives_unique_ids_and_missing_nodes_cut() {
    let lollipop = sections(&way(1, &[10, 20, 30, 31, 21, 20], &[STREET]), None);
    let mut ids: Vec<&str> = lollipop.iter().map(|s| s.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((lollipop.len(), ids.len()), (10, 10));
    let cut = sections(&way(1, &[10, 20, 999, 30, 40], &[STREET]), None);
    assert_eq!(cut.iter().filter(|s| s.to.0 > 0).map(|s| s.to.0).collect::<Vec<_>>(), [20, 40]);
    // The same figure as eight: an edge that starts twice at the same node of the same way.
    let eight = sections(&way(1, &[20, 30, 31, 20, 21, 11, 20], &[STREET]), None);
    let ids: std::collections::BTreeSet<&str> = eight.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids.len(), eight.len());
}

#[test]
fn streets_end_at_the_bounds() {
    let bounds = Bounds { west_deg: -1.0, south_deg: -1.0, east_deg: 0.00135, north_deg: 1.0 };
    let all = sections(&way(1, &[10, 20, 30, 40, 30], &[STREET]), Some(&bounds));
    let total: f64 = all.iter().map(|s| s.length_m).sum();
    assert!((total - 150.1).abs() < 0.2, "{total}");
    assert!(all.iter().all(|s| s.line.0.iter().all(|p| p.x <= 0.001_350_1)));
    let back = sections(&way(1, &[40, 30, 20, 10], &[STREET]), Some(&bounds));
    assert_eq!(back[0].id, "w1-n30-0", "named by the node outside, so that the id holds when the bounds move a little");
}

#[test]
fn buildings_from_ways_and_relations() {
    let ways = way(1, &[10, 20, 21, 11, 10], &[("building", "yes"), ("height", "7,5 m")])
        + &way(2, &[30, 40, 50], &[])
        + &way(3, &[50, 53, 33, 30], &[])
        + &way(4, &[41, 42, 43, 41], &[])
        + &way(5, &[60, 70], &[("building", "yes")])
        + "<relation id=\"9\"><member type=\"way\" ref=\"2\" role=\"outer\"/><member type=\"way\" ref=\"3\" role=\"outer\"/>\
           <member type=\"way\" ref=\"4\" role=\"inner\"/><tag k=\"type\" v=\"multipolygon\"/><tag k=\"building\" v=\"yes\"/></relation>";
    let data = read(xml(&ways).as_bytes(), &ReadLimits::default()).unwrap();
    let (buildings, report) = read_buildings(&data, None);
    assert_eq!((report.kept, report.open_ways, report.open_rings), (2, 1, 0));
    assert_eq!(buildings[0].height_m, Some(7.5));
    assert_eq!(buildings[1].osm_id, 9);
    assert_eq!(buildings[1].outline.interiors().len(), 1);
}
