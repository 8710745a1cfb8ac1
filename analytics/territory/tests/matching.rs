//! Matching on the demo's streets: drives made up here, so the truth is known to the metre.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::collections::BTreeSet;

use geo_types::Coord;
use tournee_territory::graph::NetworkGraph;
use tournee_territory::matching::{Fix, MatchReport, MatchedRun, Matcher, match_track};
use tournee_territory::{NodeId, SectionIx, Territory, demo, geom};

/// A small generator, so that the drives are the same everywhere (splitmix64).
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().max(1e-12).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Sections in driving order, and for each second the place: section, offset, position.
struct Drive {
    way: Vec<(SectionIx, bool)>,
    seconds: Vec<(SectionIx, f64, Coord<f64>, f64)>,
}

/// Drives between random nodes of the core until `want_s` seconds are full, at `speed`, standing 20 s now and then.
fn drive(territory: &Territory, noise: &mut Noise, want_s: usize, speed: f64) -> Drive {
    let graph = NetworkGraph::from_sections(&territory.sections);
    let core: Vec<NodeId> = graph.largest_strongly_connected().into_iter().collect();
    let pick = |noise: &mut Noise| core[(noise.uniform() * core.len() as f64) as usize % core.len()];
    let mut at = pick(noise);
    let mut out = Drive { way: Vec::new(), seconds: Vec::new() };
    let mut carry_m = 0.0;
    while out.seconds.len() < want_s {
        let to = pick(noise);
        for (ix, forward) in graph.shortest_path(at, to).unwrap() {
            let s = &territory.sections[ix.0 as usize];
            out.way.push((ix, forward));
            let mut gone_m = carry_m;
            while gone_m < s.length_m {
                let offset_m = if forward { gone_m } else { s.length_m - gone_m };
                let place = geom::point_at(&s.line, offset_m).unwrap();
                let ahead = geom::point_at(&s.line, if forward { offset_m + 1.0 } else { offset_m - 1.0 }).unwrap();
                let course = geom::bearing_deg(place, ahead);
                let stand = if noise.uniform() < 0.01 { 20 } else { 1 };
                out.seconds.extend(std::iter::repeat_n((ix, offset_m, place, course), stand));
                gone_m += speed;
            }
            carry_m = gone_m - s.length_m;
        }
        at = to;
    }
    out
}

fn fixes(drive: &Drive, noise: &mut Noise, sigma_m: f64, speed: f64) -> Vec<Fix> {
    let y = geom::EARTH_RADIUS_M.to_radians();
    // Errors of a receiver last: half of it changes slowly.
    let (mut ex, mut ey) = (0.0, 0.0);
    let mut fix = |(i, (_, _, place, course)): (usize, &(SectionIx, f64, Coord<f64>, f64))| {
        ex = 0.95 * ex + 0.31 * noise.normal();
        ey = 0.95 * ey + 0.31 * noise.normal();
        let (dx, dy) = ((ex * 0.8 + 0.6 * noise.normal()) * sigma_m, (ey * 0.8 + 0.6 * noise.normal()) * sigma_m);
        Fix {
            t_us: 1_767_600_000_000_000 + i as i64 * 1_000_000,
            lon_deg: place.x + dx / (y * place.y.to_radians().cos()),
            lat_deg: place.y + dy / y,
            h_acc_m: Some(sigma_m),
            speed_mps: Some(speed),
            heading_deg: Some((course + 5.0 * noise.normal()).rem_euclid(360.0)),
        }
    };
    drive.seconds.iter().enumerate().map(&mut fix).collect()
}

fn adds_up(r: &MatchReport) {
    let sum = r.matched + r.interpolated + r.not_finite + r.same_time + r.outliers + r.off_road + r.alone;
    assert_eq!(sum, r.fixes, "{r:?}");
}

/// Each fix that is counted as placed has its place.
fn all_placed(runs: &[MatchedRun], r: &MatchReport) {
    assert_eq!(runs.iter().map(|run| run.points.len()).sum::<usize>(), r.matched + r.interpolated, "{r:?}");
}

fn is_continuous(territory: &Territory, run: &MatchedRun) {
    for w in run.points.windows(2) {
        assert!(w[0].t_us < w[1].t_us && w[0].along_m <= w[1].along_m + 1e-6, "{w:?}");
    }
    for w in run.passes.windows(2) {
        assert!(w[0].t_enter_us <= w[0].t_leave_us && w[0].t_leave_us <= w[1].t_leave_us, "{w:?}");
    }
    for p in &run.passes {
        let s = &territory.sections[p.section.0 as usize];
        assert!(p.share > 0.0 && p.share <= 1.0 && (p.forward || !s.oneway), "{p:?}");
    }
    for p in &run.points {
        let s = &territory.sections[p.section.0 as usize];
        assert!(p.offset_m >= -1e-6 && p.offset_m <= s.length_m + 1e-6);
        let (section, offset) = run.locate(p.t_us).unwrap();
        assert!((section, offset) == (p.section, p.offset_m));
    }
}

#[test]
fn a_round_is_found_again_with_its_times() {
    let territory = demo::redon().unwrap();
    let matcher = Matcher::for_territory(&territory).unwrap();
    for (seed, sigma_m) in [(1, 1.0), (2, 3.0), (3, 5.0)] {
        let noise = &mut Noise(seed);
        let drive = drive(&territory, noise, 3600, 7.0);
        let (runs, report) = matcher.match_track(&fixes(&drive, noise, sigma_m, 7.0));
        adds_up(&report);
        all_placed(&runs, &report);
        let (mut right, mut near) = (0, 0);
        for run in &runs {
            is_continuous(&territory, run);
        }
        for (i, (section, offset_m, place, _)) in drive.seconds.iter().enumerate() {
            let t_us = 1_767_600_000_000_000 + i as i64 * 1_000_000;
            let Some((found, at_m)) = runs.iter().find_map(|r| matcher.locate(r, t_us)) else { continue };
            let there = geom::point_at(&territory.sections[found.0 as usize].line, at_m).unwrap();
            near += usize::from(geom::distance_m(*place, there) <= 3.0 * sigma_m.max(4.0));
            right += usize::from(found == *section || at_m < 3.0 * sigma_m || *offset_m < 3.0 * sigma_m);
        }
        let n = drive.seconds.len() as f64;
        let truth: BTreeSet<_> = drive.way.iter().collect();
        let found: BTreeSet<_> =
            runs.iter().flat_map(|r| &r.passes).filter(|p| p.share > 0.9).map(|p| (p.section, p.forward)).collect();
        let both = truth.iter().filter(|k| found.contains(*k)).count() as f64;
        println!(
            "sigma {sigma_m}: near {:.4}, right {:.4}, sections found {:.4}, precision {:.4}, {report:?}",
            near as f64 / n,
            right as f64 / n,
            both / truth.len() as f64,
            both / found.len() as f64
        );
        assert!(near as f64 / n > 0.97 && right as f64 / n > 0.95);
        assert!(both / truth.len() as f64 > 0.95 && both / found.len() as f64 > 0.93);
    }
}

#[test]
fn bad_fixes_are_counted_and_cuts_are_made() {
    let territory = demo::redon().unwrap();
    let matcher = Matcher::for_territory(&territory).unwrap();
    let noise = &mut Noise(7);
    let drive = drive(&territory, noise, 400, 7.0);
    let mut track = fixes(&drive, noise, 2.0, 7.0);
    track.truncate(400);
    let clean = matcher.match_track(&track);
    assert_eq!((clean.0.len(), clean.1.outliers), (1, 0));
    let mut dirty = track.clone();
    dirty[50].lon_deg = f64::NAN;
    dirty[60].lat_deg = f64::INFINITY;
    (dirty[70].lon_deg, dirty[70].lat_deg) = (0.0, 0.0);
    dirty[80].t_us = dirty[79].t_us;
    dirty[90].lon_deg += 0.004;
    dirty.reverse();
    let (runs, report) = matcher.match_track(&dirty);
    adds_up(&report);
    assert_eq!((report.not_finite, report.same_time, runs.len()), (2, 1, 1));
    assert_eq!(report.off_road + report.outliers, 2, "{report:?}");
    for fix in track.iter_mut().skip(200) {
        fix.t_us += 181_000_000;
    }
    let (runs, report) = matcher.match_track(&track);
    adds_up(&report);
    assert_eq!((runs.len(), report.cuts_gap), (2, 1));
    let between = track[199].t_us + 90_000_000;
    assert!(runs.iter().all(|r| r.locate(between).is_none()), "nothing is known inside a gap");
    assert!(match_track(&matcher, &[]).is_empty());
}

#[test]
fn a_vehicle_that_stands_does_not_drive() {
    let territory = demo::redon().unwrap();
    let matcher = Matcher::for_territory(&territory).unwrap();
    let noise = &mut Noise(11);
    let drive = drive(&territory, noise, 200, 7.0);
    let mut track = fixes(&drive, noise, 2.0, 7.0);
    track.truncate(100);
    let last = *track.last().unwrap();
    let moved = matcher.match_track(&track).0.first().unwrap().points.last().unwrap().along_m;
    track.extend((1..600).map(|i| Fix {
        t_us: last.t_us + i * 1_000_000,
        lat_deg: last.lat_deg + noise.normal() * 1e-5,
        speed_mps: Some(0.0),
        ..last
    }));
    let (runs, report) = matcher.match_track(&track);
    adds_up(&report);
    all_placed(&runs, &report);
    assert_eq!(runs.len(), 1);
    let along = runs[0].points.last().unwrap().along_m;
    assert!(along - moved < 12.0, "drove {} m while standing", along - moved);
    assert!(runs[0].locate(last.t_us + 500_000_000).is_some());
}

/// In release: `cargo test --release -p tournee-territory -- --ignored --nocapture`.
#[test]
#[ignore = "measures time: run in release"]
fn a_month_of_fixes_in_seconds() {
    let territory = demo::redon().unwrap();
    let matcher = Matcher::for_territory(&territory).unwrap();
    let noise = &mut Noise(5);
    let drive = drive(&territory, noise, 75_000, 7.0);
    let track = fixes(&drive, noise, 3.0, 7.0);
    let started = std::time::Instant::now();
    let (_, report) = matcher.match_track(&track);
    let elapsed = started.elapsed();
    println!("{} fixes in {elapsed:.2?}: {report:?}", track.len());
    assert!(elapsed.as_secs_f64() < 5.0, "{elapsed:?}");
}
