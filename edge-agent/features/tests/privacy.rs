//! Privacy on board, over generated rounds: what is stored is from within working hours, at no configured place, and 300 m of
//! travel away from every start and end; and what is not stored is counted.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tournee_features::privacy::{Place, Places, PrivacyRules, WorkingHours};
use tournee_features::{LineCounters, Pipeline, PipelineCounters, VehicleProfile, geo, ids};
use tournee_link::{Climate, Gnss, Header, HealthV2, Message, Pm};
use tournee_payload::{Sample, Stream};

/// Wednesday 2026-07-01, 06:00 UTC.
const SIX_US: i64 = 1_782_885_600_000_000;
const TRIM_M: f64 = 300.0;

/// One second of a round.
#[derive(Clone, Copy, Debug)]
struct Second {
    speed_mps: f64,
    turn_deg: f64,
    fix: bool,
}

#[derive(Clone, Debug)]
struct Round {
    /// When it begins, seconds before or after 06:00 UTC.
    begin_s: i64,
    seconds: Vec<Second>,
    /// Working hours end so many minutes after 06:00; begin again so many later. None: always.
    hours_min: Option<(u16, u16)>,
    /// Places: at which second of the round, how far beside it, radius.
    places: Vec<(prop::sample::Index, f64, f64)>,
}

fn seconds() -> impl Strategy<Value = Vec<Second>> {
    // Legs of one speed and turn, some without a fix.
    let leg = (0.0..25.0_f64, -3.0..3.0_f64, prop::bool::weighted(0.8), 5..90_usize);
    prop::collection::vec(leg, 3..40).prop_map(|legs| {
        let mut seconds = Vec::new();
        for (speed_mps, turn_deg, fix, count) in legs {
            seconds.extend(std::iter::repeat_n(Second { speed_mps, turn_deg, fix }, count));
        }
        seconds
    })
}

fn round() -> impl Strategy<Value = Round> {
    let place = (any::<prop::sample::Index>(), -400.0..400.0_f64, 20.0..400.0_f64);
    let hours = prop::option::of((1..30_u16, 1..15_u16));
    (-900..600_i64, seconds(), hours, prop::collection::vec(place, 0..4))
        .prop_map(|(begin_s, seconds, hours_min, places)| Round { begin_s, seconds, hours_min, places })
}

/// Where the vehicle truly was at each second: position and travel.
fn truth(round: &Round) -> Vec<(f64, f64, f64)> {
    let (mut lat_deg, mut lon_deg, mut heading_deg, mut travel_m) = (47.65, -2.08, 10.0_f64, 0.0);
    let mut track = Vec::new();
    let mut before_mps = None;
    for second in &round.seconds {
        let step_m = before_mps.map_or(0.0, |before: f64| (before + second.speed_mps) / 2.0);
        (lat_deg, lon_deg) = geo::ahead(lat_deg, lon_deg, heading_deg, step_m);
        heading_deg = (heading_deg + second.turn_deg).rem_euclid(360.0);
        travel_m += step_m;
        before_mps = Some(second.speed_mps);
        track.push((lat_deg, lon_deg, travel_m));
    }
    track
}

fn messages(round: &Round, track: &[(f64, f64, f64)]) -> Vec<(Header, Message)> {
    let mut messages = Vec::new();
    let mut heading_deg = 10.0_f64;
    for (number, (second, (lat_deg, lon_deg, _))) in round.seconds.iter().zip(track).enumerate() {
        heading_deg = (heading_deg + second.turn_deg).rem_euclid(360.0);
        let gnss = Gnss {
            utc_us: SIX_US + (round.begin_s + number as i64) * 1_000_000,
            fix: if second.fix { 3 } else { 0 },
            sats: if second.fix { 11 } else { 0 },
            hdop_centi: 90,
            lat_e7: (lat_deg * 1e7).round() as i32,
            lon_e7: (lon_deg * 1e7).round() as i32,
            h_acc_mm: 3_000,
            speed_mmps: (second.speed_mps * 1e3).round() as u32,
            heading_cdeg: (heading_deg * 100.0) as u16,
        };
        let pm = Pm { status: 0, pm1_dugm3: 50, pm25_dugm3: 80, pm10_dugm3: 120 };
        let climate = Climate { status: 0, temp_cdegc: 500, rh_cpct: 7_000, pressure_pa: 101_300 };
        let health = HealthV2 {
            queue_drops: [0; 4],
            uart_overruns: 0,
            bad_commands: 0,
            sensor_faults: heapless::Vec::new(),
            turn_max_us: 0,
            stack_free_bytes: 900,
            supply_mv: 12_600,
            mcu_ddegc: 300,
        };
        for message in [Message::Gnss(gnss), Message::Pm(pm), Message::Climate(climate), Message::HealthV2(health)] {
            let tick_us = 7_000_000 + number as u64 * 1_000_000;
            let seq = messages.len() as u32;
            messages.push((Header { proto: 1, boot_id: 5, seq, tick_us }, message));
        }
    }
    messages
}

fn run(messages: &[(Header, Message)], trim_m: f64, rules: PrivacyRules) -> (Vec<Sample>, PipelineCounters) {
    let mut profile = VehicleProfile::default();
    (profile.trim.first_m, profile.trim.last_m) = (trim_m, trim_m);
    let mut pipeline = Pipeline::new(profile);
    pipeline.set_privacy(rules);
    let mut out = Vec::new();
    for (header, message) in messages {
        pipeline.feed(header, message, &LineCounters::default(), &mut out);
    }
    pipeline.finish(&mut out);
    (out, pipeline.counters())
}

fn measured(samples: &[Sample]) -> impl Iterator<Item = &Sample> {
    samples.iter().filter(|sample| sample.stream != Stream::Health)
}

/// Seconds of the round at which working hours end and begin again.
fn edges_s(round: &Round) -> Option<(i64, i64)> {
    let (end_min, closed_min) = round.hours_min?;
    let end_s = i64::from(end_min) * 60 - round.begin_s;
    Some((end_s, end_s + i64::from(closed_min) * 60))
}

fn rules(round: &Round, track: &[(f64, f64, f64)]) -> (PrivacyRules, Vec<(f64, f64, f64)>) {
    let hours = round.hours_min.map(|(end_min, closed_min)| {
        let clock = |minute: u16| format!("{:02}:{:02}", 6 + minute / 60, minute % 60);
        let open = [format!("wed 00:00-{}", clock(end_min)), format!("wed {}-24:00", clock(end_min + closed_min))];
        WorkingHours::new("UTC", &open, &[]).unwrap()
    });
    let circles: Vec<(f64, f64, f64)> = round
        .places
        .iter()
        .map(|(at, beside_m, radius_m)| {
            let (lat_deg, lon_deg, _) = at.get(track);
            let (lat_deg, lon_deg) = geo::ahead(*lat_deg, *lon_deg, 90.0, *beside_m);
            (lat_deg, lon_deg, *radius_m)
        })
        .collect();
    let places = circles
        .iter()
        .enumerate()
        .map(|(n, (lat, lon, radius))| Place::new(&n.to_string(), *lat, *lon, *radius).unwrap());
    let places = Places::new(places.collect()).unwrap();
    (PrivacyRules { hours, places }, circles)
}

fn holds(round: &Round) -> Result<PipelineCounters, TestCaseError> {
    let track = truth(round);
    let messages = messages(round, &track);
    let (rules, circles) = rules(round, &track);
    let (kept, counters) = run(&messages, TRIM_M, rules.clone());
    let truly_at = |second: f64| {
        let (at, part) = (second.floor().max(0.0) as usize, second.fract().max(0.0));
        let of = |at: usize| track[at.min(track.len() - 1)];
        let (a, b) = (of(at), of(at + 1));
        let mix = |a: f64, b: f64| a + (b - a) * part;
        (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
    };
    let travel_at = |second: f64| truly_at(second).2;
    // The round begins where its first fix is; before it nobody knows where it was.
    let begin_m = round.seconds.iter().position(|second| second.fix).map(|at| travel_at(at as f64));
    let last_fix_m = round.seconds.iter().rposition(|second| second.fix).map(|at| travel_at(at as f64));
    for sample in measured(&kept) {
        let t_us = sample.get(ids::T_US);
        if rules.hours.is_some() {
            prop_assert!(
                t_us.is_some(),
                "without a time nobody knows whether it is from within working hours: {sample:?}"
            );
        }
        let Some(t_us) = t_us else { continue };
        let second = (t_us - SIX_US) as f64 / 1e6 - round.begin_s as f64;
        if let Some((end_s, again_s)) = edges_s(round) {
            prop_assert!(second < end_s as f64 || second >= again_s as f64, "outside of hours: second {second}");
        }
        let position = sample.get_scaled(ids::LAT_DEG).zip(sample.get_scaled(ids::LON_DEG));
        let Some((lat_deg, lon_deg)) = position else { continue };
        let h_acc_m = sample.get_scaled(ids::H_ACC_M).unwrap();
        for (place_lat, place_lon, radius_m) in &circles {
            let away_m = geo::distance_m(*place_lat, *place_lon, lat_deg, lon_deg);
            prop_assert!(away_m > radius_m + h_acc_m - 0.001, "{away_m} m from a place of {radius_m} m");
        }
        let (true_lat, true_lon, travel_m) = truly_at(second);
        // What a row shows is its own position: over a gap between fixes that is off, and its travel with it. Beside that,
        // rounding of positions, speeds and times.
        let least_m = TRIM_M - 1.0 - geo::distance_m(true_lat, true_lon, lat_deg, lon_deg);
        prop_assert!(travel_m - begin_m.unwrap() >= least_m, "{travel_m} m after the start");
        prop_assert!(last_fix_m.unwrap() - travel_m >= least_m, "{travel_m} m, before the end at {last_fix_m:?}");
        if let Some((end_s, again_s)) = edges_s(round) {
            let (end_m, again_m) = (travel_at(end_s as f64), travel_at(again_s as f64));
            let end = round.seconds.len() as i64;
            if second < end_s as f64 && end_s < end {
                prop_assert!(end_m - travel_m >= least_m, "{travel_m} m, before hours end at {end_m} m");
            }
            if second >= again_s as f64 && end_s > 0 {
                prop_assert!(travel_m - again_m >= least_m, "{travel_m} m, after hours begin at {again_m} m");
            }
        }
    }
    let (all, none) = run(&messages, 0.0, PrivacyRules::default());
    prop_assert_eq!((none.trimmed_samples, none.hours_samples, none.places_samples), (0, 0, 0));
    let counted = counters.trimmed_samples + counters.hours_samples + counters.places_samples;
    prop_assert_eq!(measured(&all).count() as u64, measured(&kept).count() as u64 + counted);
    Ok(counters)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_stored_that_must_not_be_and_everything_else_is_counted(round in round()) {
        holds(&round)?;
    }
}

/// One round of which it is known that every rule bites.
fn straight(hours_min: Option<(u16, u16)>, places: Vec<(prop::sample::Index, f64, f64)>) -> Round {
    let second = Second { speed_mps: 10.0, turn_deg: 0.0, fix: true };
    Round { begin_s: 0, seconds: vec![second; 1_800], hours_min, places }
}

#[test]
fn each_rule_bites() {
    let counters = holds(&straight(Some((10, 5)), Vec::new())).unwrap();
    // Two rows a second, five minutes; 30 s at each of the four ends.
    assert!((590..=610).contains(&counters.hours_samples), "{counters:?}");
    assert!((230..=260).contains(&counters.trimmed_samples), "{counters:?}");
    let counters = holds(&straight(None, vec![])).unwrap();
    assert_eq!((counters.hours_samples, counters.places_samples), (0, 0));
    assert!((115..=130).contains(&counters.trimmed_samples), "{counters:?}");
}

#[test]
fn a_place_on_the_way_is_left_out() {
    let round = straight(None, Vec::new());
    let track = truth(&round);
    let messages = messages(&round, &track);
    let (lat_deg, lon_deg, _) = track[900];
    let places = Places::new(vec![Place::new("dépôt", lat_deg, lon_deg, 200.0).unwrap()]).unwrap();
    let (_, counters) = run(&messages, TRIM_M, PrivacyRules { hours: None, places });
    // 2 × 203 m at 10 m/s, two rows a second.
    assert!((78..=84).contains(&counters.places_samples), "{counters:?}");
}

/// Rows of a boot wait for its first fix also beyond the usual time when there are working hours; without one they are not
/// kept.
#[test]
fn what_never_gets_a_time_is_not_kept_and_counted() {
    let mut round = straight(Some((600, 5)), Vec::new());
    round.seconds[..600].iter_mut().for_each(|second| second.fix = false);
    let track = truth(&round);
    let blind = messages(&round, &track);
    let (rules, _) = rules(&round, &track);
    let (kept, counters) = run(&blind, 0.0, rules.clone());
    assert_eq!(counters.hours_samples, 0, "ten minutes after the start they got their time");
    assert!(measured(&kept).all(|sample| sample.get(ids::T_US).is_some()) && measured(&kept).count() > 3_590);
    let (kept, counters) = run(&blind[..600 * 4], 0.0, rules);
    assert_eq!(measured(&kept).count(), 0);
    assert!(counters.hours_samples >= 1_190, "{counters:?}");
    let health: Vec<_> = kept.iter().filter(|sample| sample.stream == Stream::Health).collect();
    assert!(!health.is_empty());
    for row in &health {
        assert_eq!((row.get(ids::health::SUPPLY), row.get(ids::health::MCU)), (None, None), "nothing of the vehicle");
    }
    let last = health.last().unwrap().get(ids::health::HOURS);
    assert_eq!(last, Some(counters.hours_samples as i64), "the last row of the round tells it all");
}
