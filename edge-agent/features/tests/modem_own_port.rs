//! Answers of a modem with its own port, beside the line of the box: they get time and place like everything else, wait for
//! the fixes that a slow line still holds, and do not wait for ever for a box that says nothing any more.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_features::mobile::dialog::Event;
use tournee_features::mobile::parse::{Report, State};
use tournee_features::mobile::probe::{Failure, ProbeResult};
use tournee_features::{LineCounters, Pipeline, VehicleProfile, flags, ids};
use tournee_link::{Gnss, Header, Message, PROTO, Pps};
use tournee_payload::{Sample, Stream};

const S: i64 = 1_000_000;
const UTC_US: i64 = 1_768_000_000_000_000;

fn pipeline() -> Pipeline {
    let mut profile = VehicleProfile::default();
    (profile.trim.first_m, profile.trim.last_m) = (0.0, 0.0);
    Pipeline::new(profile)
}

/// A fix a second, northwards at 8 m/s.
fn fix(pipeline: &mut Pipeline, second: i64, out: &mut Vec<Sample>) {
    let gnss = Gnss {
        utc_us: UTC_US + second * S,
        fix: 3,
        sats: 12,
        hdop_centi: 90,
        lat_e7: 476_500_000 + i32::try_from(second).unwrap() * 719,
        lon_e7: -20_800_000,
        h_acc_mm: 2_000,
        speed_mmps: 8_000,
        heading_cdeg: 0,
    };
    let header = Header { proto: PROTO, boot_id: 9, seq: second as u32, tick_us: (second * S) as u64 };
    pipeline.feed(&header, &Message::Gnss(gnss), &LineCounters::default(), out);
}

/// A round without service at a tick.
fn round(pipeline: &mut Pipeline, tick_us: i64, out: &mut Vec<Sample>) -> bool {
    pipeline.modem_event(tick_us, Event::Report(Report::Serving(State::Search, None)), out)
        && pipeline.modem_event(tick_us + 1, Event::Round { reports: 1 }, out)
}

fn mobile(out: &[Sample]) -> Vec<&Sample> {
    out.iter().filter(|sample| sample.stream == Stream::Mobile).collect()
}

#[test]
fn a_row_waits_for_the_fixes_of_a_line_that_is_behind() {
    let (mut pipeline, mut out) = (pipeline(), Vec::new());
    assert!(!round(&mut pipeline, 0, &mut out), "no box");
    // The line is ten seconds behind the modem.
    for second in 0..30 {
        fix(&mut pipeline, second, &mut out);
        assert!(round(&mut pipeline, (second + 10) * S + S / 2, &mut out));
    }
    for row in mobile(&out) {
        let (tick_us, t_us) = (row.get(ids::TICK_US).unwrap(), row.get(ids::T_US).unwrap());
        assert!((t_us - UTC_US - tick_us).abs() < 1_000, "{t_us}");
        let lat = row.get(ids::LAT_DEG).unwrap();
        assert!((lat - 476_500_000 - tick_us * 719 / S).abs() < 20, "interpolated, not reckoned: {lat}");
        assert_eq!(row.get(ids::FLAGS).unwrap() & i64::from(flags::POSITION_RECKONED), 0);
    }
    assert_eq!(mobile(&out).len(), 19, "rows up to the last fix");
    assert_eq!((pipeline.drive().keeps_rows, pipeline.drive().registered), (true, Some(false)));
    assert!((pipeline.drive().travelled_m - 29.0 * 8.0).abs() < 1.0);
    assert_eq!(pipeline.drive().utc_us, Some(UTC_US + 29 * S));
    pipeline.finish(&mut out);
    assert_eq!(mobile(&out).len(), 30, "nothing is lost at the end");
    assert!(!pipeline.drive().keeps_rows);
}

#[test]
fn a_box_that_says_nothing_any_more_holds_no_row_for_long() {
    let (mut pipeline, mut out) = (pipeline(), Vec::new());
    // It knows the time and no place.
    for second in 0..5 {
        let header = Header { proto: PROTO, boot_id: 9, seq: second, tick_us: u64::from(second) * 1_000_000 };
        let pulse = Message::Pps(Pps { utc_us: UTC_US + i64::from(second) * S });
        pipeline.feed(&header, &pulse, &LineCounters::default(), &mut out);
    }
    for second in 5..3_605 {
        assert!(round(&mut pipeline, second * S, &mut out));
    }
    let rows = mobile(&out);
    assert!((3_560..3_580).contains(&rows.len()), "all but those of half a minute: {}", rows.len());
    for row in rows {
        assert_ne!(row.get(ids::FLAGS).unwrap() & i64::from(flags::NO_POSITION), 0);
        let late_us = row.get(ids::T_US).unwrap() - UTC_US - row.get(ids::TICK_US).unwrap();
        assert!((row.get(ids::LAT_DEG).is_none()) && late_us.abs() < 1_000, "{late_us}");
    }
}

#[test]
fn a_box_that_comes_back_in_the_same_boot_gives_places_again_and_nothing_is_lost() {
    let (mut pipeline, mut out) = (pipeline(), Vec::new());
    for second in 0..5 {
        fix(&mut pipeline, second, &mut out);
    }
    for second in 5..600 {
        assert!(round(&mut pipeline, second * S, &mut out));
    }
    for second in 600..620 {
        fix(&mut pipeline, second, &mut out);
        assert!(round(&mut pipeline, second * S + 1, &mut out));
    }
    pipeline.finish(&mut out);
    let rows = mobile(&out);
    assert_eq!(rows.len(), 615);
    assert!(rows.last().unwrap().get(ids::LAT_DEG).is_some());
    let without = rows.iter().filter(|row| row.get(ids::LAT_DEG).is_none()).count();
    assert!((560..600).contains(&without), "{without}");
}

#[test]
fn a_probe_is_a_row_of_its_own_without_a_poll_and_ticks_that_are_none_are_refused() {
    let (mut pipeline, mut out) = (pipeline(), Vec::new());
    for second in 0..3 {
        fix(&mut pipeline, second, &mut out);
    }
    let result = ProbeResult {
        started_us: 0,
        outcome: Err(Failure::NoService),
        dns_us: None,
        connect_us: None,
        response_us: None,
        bytes: 0,
    };
    for tick_us in [-1, i64::MAX] {
        assert!(!pipeline.probe_result(tick_us, &result, &mut out));
        assert!(!round(&mut pipeline, tick_us, &mut out));
    }
    assert!(pipeline.probe_result(2 * S + 100_000, &result, &mut out));
    for second in 3..10 {
        fix(&mut pipeline, second, &mut out);
    }
    let [row] = &mobile(&out)[..] else { panic!() };
    assert_eq!((row.get(ids::mobile::PROBE), row.get(ids::mobile::REGISTERED)), (Some(2), Some(0)));
    assert_eq!((row.get(ids::TICK_US), row.get(ids::LAT_DEG).is_some()), (Some(2 * S + 100_000), true));
}
