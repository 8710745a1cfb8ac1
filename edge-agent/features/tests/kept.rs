//! What outlives a boot, and what stays on board: mounting, last time, raw windows of events, the time of the vehicle's
//! computer; and the reasons on rows that have no place.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_features::road::EventWindow;
use tournee_features::{Kept, LineCounters, Pipeline, VehicleProfile, flags, ids};
use tournee_link::{Accel, Climate, Co2, Gnss, Header, Message};
use tournee_payload::{Sample, Stream};

const NIGHT_US: i64 = 1_767_243_600_000_000; // 2026-01-01 05:00 UTC
const ERA_US: i64 = 1_024 * 7 * 86_400_000_000;
/// A bump at every one of these seconds.
const BUMP_EVERY_S: u64 = 10;

fn profile(more: &str) -> VehicleProfile {
    VehicleProfile::from_toml(&format!("[trim]\nfirst_m = 0.0\nlast_m = 0.0\n{more}")).unwrap()
}

struct Box {
    pipeline: Pipeline,
    out: Vec<Sample>,
    seq: u32,
}

impl Box {
    fn new(more: &str) -> Self {
        Self { pipeline: Pipeline::new(profile(more)), out: Vec::new(), seq: 0 }
    }

    fn say(&mut self, boot_id: u32, tick_us: u64, message: &Message) {
        let header = Header { proto: 1, boot_id, seq: self.seq, tick_us };
        self.seq += 1;
        self.pipeline.feed(&header, message, &LineCounters::default(), &mut self.out);
    }

    /// Seconds of a drive north: fixes as `fix` makes them, 400 Hz of acceleration with bumps, climate, CO2.
    fn drive(&mut self, boot_id: u32, seconds: std::ops::Range<u64>, fix: impl Fn(u64) -> Option<Gnss>) {
        for second in seconds {
            let tick = 1_000_000 * (second + 1);
            if let Some(gnss) = fix(second) {
                self.say(boot_id, tick, &Message::Gnss(gnss));
            }
            let climate = Climate { status: 0, temp_cdegc: 400, rh_cpct: 8_000, pressure_pa: 101_000 };
            self.say(boot_id, tick + 2_000, &Message::Climate(climate));
            self.say(
                boot_id,
                tick + 3_000,
                &Message::Co2(Co2 { status: 0, ppm: if second % 50 < 45 { 430 } else { 700 } }),
            );
            for block in 0..25_u64 {
                let mut samples = heapless::Vec::new();
                for n in 0..16_u64 {
                    let n = block * 16 + n;
                    let noise = ((n * 7_919 + second * 104_729) % 400) as i16 - 200;
                    let hit = if second % BUMP_EVERY_S == 5 && (200..206).contains(&n) { 4_000 } else { 0 };
                    samples.push([0, 0, 4_096 + noise + hit]).unwrap();
                }
                self.say(
                    boot_id,
                    tick + block * 40_000,
                    &Message::Accel(Accel { odr_hz: 400, scale_ug: 244, lost: 0, samples }),
                );
            }
        }
    }

    fn of(&self, stream: Stream) -> Vec<&Sample> {
        self.out.iter().filter(|sample| sample.stream == stream).collect()
    }
}

fn fix_at(second: u64, speed_mps: f64) -> Gnss {
    Gnss {
        utc_us: NIGHT_US + second as i64 * 1_000_000,
        fix: 3,
        sats: 9,
        hdop_centi: 95,
        lat_e7: ((47.65 + speed_mps * second as f64 / 111_195.0) * 1e7) as i32,
        lon_e7: -20_900_000,
        h_acc_mm: 2_500,
        speed_mmps: (speed_mps * 1000.0) as u32,
        heading_cdeg: 0,
    }
}

fn bits(sample: &Sample) -> u32 {
    u32::try_from(sample.get(ids::FLAGS).unwrap()).unwrap()
}

#[test]
fn raw_windows_stay_for_the_events_that_were_kept_and_for_no_other() {
    let mut all = Box::new("");
    all.drive(1, 0..100, |second| Some(fix_at(second, 10.0)));
    let mut windows = all.pipeline.take_windows();
    all.pipeline.finish(&mut all.out);
    windows.extend(all.pipeline.take_windows());
    let events = all.of(Stream::RoadEvent);
    assert_eq!((events.len(), windows.len()), (10, 10));
    for (event, window) in events.iter().zip(&windows) {
        assert_eq!(**event, window.sample);
        assert!(window.sample.get(ids::T_US).is_some() && window.sample.get(ids::LAT_DEG).is_some());
        // A quarter of a second on both sides at 400 Hz, gravity included, with the bump in it.
        assert!((195..=203).contains(&window.raw.len()), "{}", window.raw.len());
        let highest = window.raw.iter().map(|sample| sample.a_mps2[2]).fold(f32::MIN, f32::max);
        assert!((18.0..21.0).contains(&highest), "{highest}");
    }

    // The first and the last 300 m stay on board: of their events not even that.
    let mut trimmed = Box { pipeline: Pipeline::new(VehicleProfile::default()), out: Vec::new(), seq: 0 };
    trimmed.drive(1, 0..100, |second| Some(fix_at(second, 10.0)));
    trimmed.pipeline.finish(&mut trimmed.out);
    let windows: Vec<EventWindow> = trimmed.pipeline.take_windows();
    let kept: Vec<Sample> = windows.iter().map(|window| window.sample.clone()).collect();
    assert_eq!(kept, trimmed.of(Stream::RoadEvent).into_iter().cloned().collect::<Vec<_>>());
    assert_eq!(kept.len(), 4, "of the metres 300 to 700");
    assert_eq!(trimmed.pipeline.counters().unused.event_windows, 6);
}

#[test]
fn road_rows_carry_the_second_measure() {
    let mut here = Box::new("");
    here.drive(1, 0..60, |second| Some(fix_at(second, 10.0)));
    here.pipeline.finish(&mut here.out);
    let rows = here.of(Stream::Road);
    let full: Vec<_> = rows.iter().filter(|row| bits(row) == 0).collect();
    assert!(full.len() > 20, "{}", full.len());
    for row in full {
        let ppe = row.get_scaled(ids::road::PPE).unwrap();
        assert!(ppe > 0.0 && ppe < 100.0, "{ppe}");
    }
    assert!(rows.iter().filter(|row| bits(row) != 0).all(|row| row.get(ids::road::PPE).is_none()));
}

#[test]
fn a_boot_begins_with_what_the_one_before_found() {
    let swing = |second: u64| Some(Gnss { speed_mmps: 9_000 + (second % 7) as u32 * 800, ..fix_at(second, 10.0) });
    let mut here = Box::new("");
    here.drive(1, 0..150, swing);
    let kept = here.pipeline.kept();
    assert!(kept.mounting.is_some_and(|mounting| mounting.up[2] > 0.99), "{kept:?}");
    assert!((kept.utc_us.unwrap() - NIGHT_US - 149_000_000).abs() < 1_100_000, "{kept:?}");
    here.drive(2, 0..5, swing);
    assert_eq!(here.pipeline.kept().mounting, kept.mounting, "another boot, the same seat");
    // And so does another agent.
    let mut other = Box::new("");
    other.pipeline.remember(kept);
    other.drive(3, 0..5, swing);
    assert_eq!(other.pipeline.kept().mounting, kept.mounting);
    // Unless the box was turned meanwhile.
    let mut turned = kept.mounting.unwrap();
    (turned.up, turned.forward) = ([0.0, 1.0, 0.0], None);
    let mut other = Box::new("");
    other.pipeline.remember(Kept { mounting: Some(turned), ..kept });
    other.drive(3, 0..40, swing);
    assert_eq!(other.pipeline.kept().mounting.filter(|mounting| mounting.up[1] > 0.5), None);
    assert_eq!(other.pipeline.counters().unused.sensor_moved, 1);
}

#[test]
fn the_last_known_time_tells_the_eras_of_the_gps_week_apart() {
    // 2045: with the floor of the profile, 2020, it is 19.6 years off as it stands.
    let late =
        |second: u64| Some(Gnss { utc_us: NIGHT_US + second as i64 * 1_000_000 + ERA_US, ..fix_at(second, 10.0) });
    for (known_us, moved) in [(None, true), (Some(NIGHT_US - 86_400_000_000), true), (Some(NIGHT_US + ERA_US), false)] {
        let mut here = Box::new("");
        here.pipeline.remember(Kept { mounting: None, utc_us: known_us });
        here.drive(1, 0..20, late);
        here.pipeline.finish(&mut here.out);
        let track = here.of(Stream::Track);
        let time = NIGHT_US + 10_000_000 + if moved { 0 } else { ERA_US };
        assert_eq!(track[10].get(ids::T_US), Some(time), "{known_us:?}");
        assert_eq!(bits(track[10]), if moved { flags::TIME_ROLLOVER } else { 0 }, "{known_us:?}");
    }
}

#[test]
fn without_a_sky_the_time_of_the_computer_is_used_and_said() {
    let mut here = Box::new("");
    for second in 0..120 {
        here.drive(7, second..second + 1, |_| None);
        if second % 10 == 3 {
            let tick_us = 1_000_000 * (second + 1) + 999_000;
            here.pipeline.observe_host(7, tick_us, NIGHT_US + tick_us as i64, 5_000);
            here.pipeline.observe_host(8, tick_us, 1, 0);
        }
    }
    here.pipeline.finish(&mut here.out);
    let air = here.of(Stream::Air);
    assert_eq!(air.len(), 120);
    let early = flags::TIME_FROM_HOST | flags::TIME_BEFORE_FIX | flags::NO_POSITION;
    assert_eq!(bits(air[10]), early);
    assert_eq!(bits(air[100]), flags::TIME_FROM_HOST | flags::NO_POSITION);
    for row in air {
        assert_eq!(row.get(ids::T_US), row.get(ids::TICK_US).map(|tick_us| NIGHT_US + tick_us));
    }
    assert_eq!(here.pipeline.counters().unused.clock_anchors, 0, "another boot's stamp was not even looked at");
}

#[test]
fn a_row_without_a_place_says_why() {
    let mut here = Box::new("");
    here.drive(1, 0..60, |second| match second {
        0..20 => Some(Gnss { hdop_centi: 900, ..fix_at(second, 10.0) }),
        20..40 => Some(fix_at(second, 10.0)),
        _ => None,
    });
    here.pipeline.finish(&mut here.out);
    let air = here.of(Stream::Air);
    assert_eq!(bits(air[10]), flags::NO_POSITION | flags::FIX_REFUSED);
    assert_eq!(bits(air[30]), 0);
    assert_eq!(bits(air[58]), flags::NO_POSITION, "there was none to refuse");
    let reckoned = air[45];
    assert_eq!(bits(reckoned), flags::POSITION_RECKONED);
    assert!(air.iter().all(|row| row.get(ids::LAT_DEG).is_some() == row.get(ids::H_ACC_M).is_some()));
}

#[test]
fn idle_and_drive_tell_the_own_exhaust_apart_from_the_street_s() {
    let stop_and_go = |second: u64| Some(fix_at(second, if second < 40 { 0.0 } else { 10.0 }));
    let flagged = |more: &str| {
        let mut here = Box::new(more);
        here.drive(1, 0..150, stop_and_go);
        here.pipeline.finish(&mut here.out);
        let air = here.of(Stream::Air);
        assert_eq!(air.len(), 150);
        let own = flags::OWN_EXHAUST | flags::OWN_EXHAUST_RISE;
        [20, 47, 70, 97, 120, 147].map(|second: usize| bits(air[second]) & own)
    };
    // CO2 rises in the last five of every fifty seconds; the stop ends at 40 s and its minute at 100 s.
    let both = flags::OWN_EXHAUST | flags::OWN_EXHAUST_RISE;
    assert_eq!(flagged(""), [flags::OWN_EXHAUST, both, flags::OWN_EXHAUST, both, 0, 0]);
    assert_eq!(flagged("[air]\npowertrain = \"electric\""), [0; 6]);
}
