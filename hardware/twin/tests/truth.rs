//! The truth can be found in the raw bytes with a ruler and a median, before any of the pipeline's cleverness.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use tournee_link::{Decoder, Event, Gnss, Message};
use tournee_twin::{LineNoise, Plan, SectionTruth, Town, TwinBox, World, demo_plan};

/// Second-wise means of one box, put on the sections by the fix alone.
#[derive(Default)]
struct Found {
    /// By section: roughness at 50 km/h, PM2.5 over the hour's lowest, RSRP, facade over air.
    values: BTreeMap<usize, [Vec<f64>; 4]>,
}

struct Second {
    fix: Option<Gnss>,
    norms: Vec<f64>,
    values: [Option<f64>; 4],
    air_degc: f64,
    pixels: Vec<f64>,
}

impl Second {
    fn new() -> Self {
        Self { fix: None, norms: Vec::new(), values: [None; 4], air_degc: 0.0, pixels: Vec::new() }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Middles of the sections in metres around a point, with direction.
fn nearest(town: &Town, fix: &Gnss) -> Option<usize> {
    let k = 111_195.08;
    let (lat, lon) = (f64::from(fix.lat_e7) / 1e7, f64::from(fix.lon_e7) / 1e7);
    let metres = |(x, y): (f64, f64)| ((x - lon) * k * lat.to_radians().cos(), (y - lat) * k);
    let mut best = (f64::INFINITY, 0);
    for (number, street) in town.streets.iter().enumerate() {
        let (a, b) = (metres(street.line[0]), metres(street.line[1]));
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let along = -(a.0 * dx + a.1 * dy) / (dx * dx + dy * dy);
        // Well inside the section, so that the fix's error cannot choose a neighbour.
        if (0.15..0.85).contains(&along) {
            let off = (a.0 + along * dx).hypot(a.1 + along * dy);
            if off < best.0 {
                best = (off, number);
            }
        }
    }
    (best.0 < 12.0).then_some(best.1)
}

fn drive(town: &Town, world: &Arc<World>, box_ix: u32, plan: Plan, found: &mut Found) {
    let mut twin = TwinBox::new(Arc::clone(world), 3, box_ix, plan, LineNoise::CLEAN);
    let mut decoder = Decoder::new();
    let mut bytes = Vec::new();
    let mut before: Option<Second> = None;
    while let Some(instant) = {
        bytes.clear();
        twin.next_second(&mut bytes)
    } {
        let dawn = instant.utc_us.rem_euclid(86_400_000_000) < 7 * 3_600_000_000;
        let mut second = Second::new();
        decoder.feed(&bytes, |event| {
            let Event::Frame { message, .. } = event else { panic!("{event:?}") };
            match message {
                Message::Gnss(fix) => second.fix = (fix.fix == 3).then_some(fix),
                Message::Accel(block) => {
                    let unit = f64::from(block.scale_ug) * 1e-6 * 9.806_65;
                    second.norms.extend(
                        block
                            .samples
                            .iter()
                            .map(|xyz| xyz.iter().map(|axis| (f64::from(*axis) * unit).powi(2)).sum::<f64>().sqrt()),
                    );
                }
                Message::Pm(pm) => second.values[1] = Some(f64::from(pm.pm25_dugm3) / 10.0),
                Message::ModemLine(line) => {
                    second.values[2] = line.text.split(',').nth(13).map(|rsrp| rsrp.parse().unwrap()).or(Some(-135.0));
                }
                Message::Climate(climate) => second.air_degc = f64::from(climate.temp_cdegc) / 100.0,
                Message::Thermal(part) if dawn && (1..5).contains(&part.chunk) => {
                    second.pixels.extend(part.pixels_cdegc.iter().map(|pixel| f64::from(*pixel) / 100.0));
                }
                _ => {}
            }
        });
        if let Some(mut last) = before.take() {
            finish(town, &mut last, &second, found);
        }
        before = Some(second);
    }
}

/// Books one second, once the next fix is known.
fn finish(town: &Town, second: &mut Second, next: &Second, found: &mut Found) {
    let (Some(fix), Some(then)) = (second.fix, next.fix) else { return };
    let (Some(section), Some(after)) = (nearest(town, &fix), nearest(town, &then)) else { return };
    if section != after {
        return;
    }
    let speed = f64::from(fix.speed_mmps) / 1e3;
    if speed > 5.5 && (f64::from(then.speed_mmps) / 1e3 - speed).abs() < 0.8 {
        // The norm is the vertical axis to first order, whatever the mounting.
        let mean = second.norms.iter().sum::<f64>() / second.norms.len() as f64;
        let power = second.norms.iter().map(|norm| (norm - mean).powi(2)).sum::<f64>() / second.norms.len() as f64;
        second.values[0] = Some(power.sqrt() * (50.0 / 3.6 / speed).sqrt());
    }
    let air = second.air_degc;
    let mut walls: Vec<f64> = second.pixels.iter().copied().filter(|t| (air - 8.0..air + 12.0).contains(t)).collect();
    if walls.len() > 200 {
        second.values[3] = Some(median(&mut walls) - air);
    }
    let place = found.values.entry(section).or_default();
    for (list, value) in place.iter_mut().zip(second.values) {
        list.extend(value);
    }
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for (rank, number) in order.into_iter().enumerate() {
        ranks[number] = rank as f64;
    }
    ranks
}

fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (a, b) = (ranks(&a), ranks(&b));
    let mean = (a.len() - 1) as f64 / 2.0;
    let cov = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    cov(&a, &b) / (cov(&a, &a) * cov(&b, &b)).sqrt()
}

#[test]
fn medians_over_the_raw_stream_follow_the_truth() {
    let town = Town::grid(6, 6, 100.0);
    let world = Arc::new(World::new(3, town.clone()).unwrap());
    let mut found = Found::default();
    for box_ix in 0..2 {
        drive(&town, &world, box_ix, demo_plan(box_ix, 4), &mut found);
    }
    let compare = |theme: usize, truth: fn(&SectionTruth) -> Option<f64>| -> Vec<(f64, f64)> {
        found
            .values
            .iter()
            .filter(|(_, lists)| lists[theme].len() >= 6)
            .filter_map(|(section, lists)| Some((median(&mut lists[theme].clone()), truth(&world.truth()[*section])?)))
            .collect()
    };
    let rough = compare(0, |truth| Some(truth.rough_mps2));
    let pm = compare(1, |truth| Some(truth.pm25_ugm3));
    let rsrp = compare(2, |truth| Some(truth.rsrp_dbm.max(-135.0)));
    let heat = compare(3, |truth| truth.facade_delta_k);
    for (name, pairs) in [("rough", &rough), ("pm25", &pm), ("rsrp", &rsrp), ("heat", &heat)] {
        let rho = spearman(pairs);
        let mut ratio: Vec<f64> = pairs.iter().map(|(found, truth)| found / truth).collect();
        println!("{name}: {} sections, rho {rho:.3}, median ratio {:.3}", pairs.len(), median(&mut ratio));
        assert!(pairs.len() > 80, "{name}: {}", pairs.len());
        assert!(rho > 0.85, "{name}: {rho}");
    }
    let mut ratio: Vec<f64> = rough.iter().map(|(found, truth)| found / truth).collect();
    assert!((0.85..1.1).contains(&median(&mut ratio)), "a median, and a second cuts off what is below 1 Hz");
    let mut off: Vec<f64> = rsrp.iter().map(|(found, truth)| found - truth).collect();
    assert!(median(&mut off).abs() < 1.5);
    let mut off: Vec<f64> = heat.iter().map(|(found, truth)| found - truth).collect();
    assert!(median(&mut off).abs() < 0.6, "two boxes' offsets");
}

#[test]
fn the_town_has_what_the_demo_shows() {
    let world = World::new(3, Town::grid(8, 8, 100.0)).unwrap();
    let truth = world.truth();
    let of = |value: fn(&SectionTruth) -> f64| {
        let mut values: Vec<f64> = truth.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        (values[0], values[values.len() / 2], values[values.len() - 1])
    };
    assert!(truth.iter().all(|section| section.drivable));
    let (low, middle, high) = of(|section| section.rough_mps2);
    assert!(
        (0.12..0.35).contains(&low) && (0.3..0.8).contains(&middle) && (0.8..3.5).contains(&high),
        "{low} {middle} {high}"
    );
    let (low, _, high) = of(|section| section.pm25_ugm3);
    assert!((8.0..13.0).contains(&low) && high > low + 8.0, "{low} {high}");
    let (low, middle, high) = of(|section| section.rsrp_dbm);
    assert!(low < -128.0 && (-110.0..-75.0).contains(&middle) && high < -50.0, "{low} {middle} {high}");
    let hole = truth.iter().filter(|section| section.rsrp_dbm < -118.0).count();
    assert!((2..truth.len() / 5).contains(&hole), "{hole} sections in the hole");
    let holes: u32 = truth.iter().map(|section| section.potholes).sum();
    assert!((4..60).contains(&holes), "{holes} potholes");
    let facades: Vec<f64> = truth.iter().filter_map(|section| section.facade_delta_k).collect();
    assert!(facades.len() > truth.len() / 2 && facades.len() < truth.len(), "{}", facades.len());
    assert!(facades.iter().all(|delta| (0.2..=6.0).contains(delta)));
}
