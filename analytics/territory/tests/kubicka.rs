//! Matching of real car tracks whose route is known: "Dataset for testing and training of map-matching algorithms"
//! (Kubicka and others, 2015). The data does not ship: the test reads the shared data folder and says so when it is absent.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use geo_types::{LineString, coord};
use tournee_territory::bytes::unpack;
use tournee_territory::matching::{Fix, Matcher};
use tournee_territory::{MatchConfig, NodeId, Section, SectionIx, geom};

fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("TOURNEE_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = shared.join("map_matching/kubicka_fr");
    folder.is_dir().then_some(folder)
}

fn rows(folder: &std::path::Path, file: &str) -> Vec<Vec<f64>> {
    let bytes = std::fs::read(folder.join(file)).unwrap();
    let text = String::from_utf8(unpack(&bytes, 1 << 28).unwrap().into_owned()).unwrap();
    text.lines().map(|l| l.split_whitespace().map(|n| n.parse().unwrap()).collect()).collect()
}

struct Case {
    sections: Vec<Section>,
    /// Section and direction of each arc.
    arcs: Vec<(SectionIx, bool)>,
    route: Vec<usize>,
    track: Vec<Fix>,
}

fn load(folder: &std::path::Path, number: u32) -> Case {
    let read = |kind: &str| rows(folder, &format!("{number:08}.{kind}.gz"));
    let nodes = read("nodes");
    let (mut sections, mut arcs): (Vec<Section>, Vec<(SectionIx, bool)>) = (Vec::new(), Vec::new());
    let mut known: HashMap<(usize, usize), SectionIx> = HashMap::new();
    for (i, arc) in read("arcs").iter().enumerate() {
        let (a, b) = (arc[0] as usize, arc[1] as usize);
        if let Some(ix) = known.get(&(b, a)) {
            sections[ix.0 as usize].oneway = false;
            arcs.push((*ix, false));
            continue;
        }
        let at = |n: usize| coord! { x: nodes[n][0], y: nodes[n][1] };
        let line = LineString::new(vec![at(a), at(b)]);
        let length_m = geom::length_m(&line);
        let (from, to) = (NodeId(a as i64), NodeId(b as i64));
        let (id, class, code_insee) = (format!("arc-{i}"), String::new(), String::new());
        sections.push(Section { id, way_id: 0, name: None, class, code_insee, from, to, oneway: true, line, length_m });
        let ix = SectionIx(sections.len() as u32 - 1);
        known.insert((a, b), ix);
        arcs.push((ix, true));
    }
    let fix = |r: &Vec<f64>| Fix { t_us: (r[2] * 1e6) as i64, lon_deg: r[0], lat_deg: r[1], ..Fix::default() };
    let track = read("track").iter().map(fix).collect();
    Case { sections, arcs, route: read("route").iter().map(|r| r[0] as usize).collect(), track }
}

#[test]
fn known_routes_are_found_again() {
    let Some(folder) = folder() else {
        println!("SKIPPED: no shared data; set TOURNEE_SHARED_DATA to the folder that holds map_matching/");
        return;
    };
    for number in [58, 91, 87] {
        let case = load(&folder, number);
        let matcher = Matcher::new(&case.sections, MatchConfig::embedded().unwrap());
        let started = std::time::Instant::now();
        let (runs, report) = matcher.match_track(&case.track);
        let elapsed = started.elapsed();
        // Share of each directed arc that was driven, by the matcher.
        let mut driven: BTreeMap<(SectionIx, bool), f64> = BTreeMap::new();
        for pass in runs.iter().flat_map(|r| &r.passes) {
            *driven.entry((pass.section, pass.forward)).or_default() += pass.share;
        }
        let length = |ix: SectionIx| case.sections[ix.0 as usize].length_m;
        let mut truth: BTreeMap<(SectionIx, bool), f64> = BTreeMap::new();
        for arc in &case.route {
            *truth.entry(case.arcs[*arc]).or_default() += 1.0;
        }
        let total: f64 = truth.iter().map(|((ix, _), n)| n * length(*ix)).sum();
        let found: f64 =
            truth.iter().map(|(k, n)| driven.get(k).copied().unwrap_or(0.0).min(*n) * length(k.0)).sum::<f64>() / total;
        let wrong: f64 =
            driven.iter().map(|(k, n)| (n - truth.get(k).copied().unwrap_or(0.0)).max(0.0) * length(k.0)).sum::<f64>()
                / total;
        if std::env::var_os("SHOW_FALSE").is_some() {
            for run in &runs {
                for p in &run.passes {
                    if !truth.contains_key(&(p.section, p.forward)) {
                        let c = case.sections[p.section.0 as usize].line.0[0];
                        println!(
                            "  {:.1}..{:.1}s {} {:?} {:.5},{:.5} {:.1} m",
                            p.t_enter_us as f64 / 1e6,
                            p.t_leave_us as f64 / 1e6,
                            p.share,
                            (p.section, p.forward),
                            c.x,
                            c.y,
                            length(p.section)
                        );
                    }
                }
            }
        }
        println!("{number:03}: route {total:.0} m, found {found:.4}, false {wrong:.4}, {elapsed:.2?}, {report:?}");
        let r = &report;
        let sum = r.matched + r.interpolated + r.not_finite + r.same_time + r.outliers + r.off_road + r.alone;
        assert_eq!(sum, r.fixes, "every fix is accounted for");
        assert!(found >= 0.95, "{number}: only {found:.3} of the route found");
        assert!(wrong <= 0.03, "{number}: {wrong:.3} of the route's length is false");
    }
}
