//! The clock under fixes, pulses and stamps of every kind.

use super::*;
use crate::profile::VehicleProfile;

const T0: i64 = 1_767_225_600_000_000; // 2026-01-01

fn clock() -> Clock {
    Clock::new(VehicleProfile::default().clock)
}

#[test]
fn pulses_recover_offset_and_skew() {
    let mut clock = clock();
    // A crystal 40 ppm slow: 1 s of UTC is 999 960 ticks.
    for second in 0..120 {
        clock.observe(5_000_000 + second * 999_960, T0 + second * 1_000_000, Source::Pps);
    }
    let stamp = clock.at(5_000_000 + 119 * 999_960 + 499_980).unwrap();
    assert!((stamp.utc_us - (T0 + 119_500_000)).abs() < 200, "{}", stamp.utc_us - T0);
    assert_eq!(stamp.flags, 0);
    // Ten minutes without a pulse: the fitted skew still holds.
    let stamp = clock.at(5_000_000 + 719 * 999_960).unwrap();
    assert!((stamp.utc_us - (T0 + 719_000_000)).abs() < 3_000, "{}", stamp.utc_us - T0 - 719_000_000);
}

#[test]
fn before_the_first_fix_is_resolved_backwards_and_flagged() {
    let mut clock = clock();
    assert_eq!(clock.at(1_000_000), None);
    clock.observe(10_000_000, 0, Source::Fix);
    assert!(!clock.is_set());
    clock.observe(30_000_000, T0, Source::Fix);
    assert_eq!(clock.at(1_000_000), Some(Stamp { utc_us: T0 - 29_000_000, flags: flags::TIME_BEFORE_FIX }));
}

#[test]
fn a_week_rollover_is_no_time() {
    let mut clock = clock();
    clock.observe(1_000_000, 943_920_000_000_000, Source::Fix); // 1999
    assert!(!clock.is_set());
    assert_eq!(clock.refused(), 1);
}

#[test]
fn one_wild_fix_changes_nothing_and_enough_step_forwards() {
    let mut clock = clock();
    for second in 0..10 {
        clock.observe(second * 1_000_000, T0 + second * 1_000_000, Source::Fix);
    }
    clock.observe(10_000_000, T0 + 3_610_000_000, Source::Fix);
    assert_eq!(clock.at(10_500_000).unwrap().utc_us, T0 + 10_500_000);
    for second in 11..16 {
        clock.observe(second * 1_000_000, T0 + (second + 3_600) * 1_000_000, Source::Fix);
    }
    assert_eq!(clock.at(16_000_000).unwrap(), Stamp { utc_us: T0 + 16_000_000, flags: flags::TIME_DISAGREES });
    for second in 16..41 {
        clock.observe(second * 1_000_000, T0 + (second + 3_600) * 1_000_000, Source::Fix);
    }
    assert_eq!(clock.at(41_000_000).unwrap(), Stamp { utc_us: T0 + 3_641_000_000, flags: 0 });
    assert_eq!(clock.at(9_000_000).unwrap().utc_us, T0 + 9_000_000, "the past keeps its time");
}

#[test]
fn never_backwards_but_said() {
    let mut clock = clock();
    for second in 0..10 {
        clock.observe(second * 1_000_000, T0 + second * 1_000_000, Source::Fix);
    }
    for second in 10..30 {
        clock.observe(second * 1_000_000, T0 + (second - 3_600) * 1_000_000, Source::Fix);
    }
    let stamp = clock.at(30_000_000).unwrap();
    assert_eq!(stamp.utc_us, T0 + 30_000_000);
    assert_eq!(stamp.flags, flags::TIME_DISAGREES);
}

proptest::proptest! {
    #[test]
    fn time_rises_with_ticks(
        jumps in proptest::collection::vec((1_i64..3_000_000, -2_000_000_i64..2_000_000, 0_u8..4, -6_i64..6), 1..200)
    ) {
        let mut clock = clock();
        let mut tick = 0;
        let mut offset = 0;
        for (step, noise, kind, jump) in jumps {
            tick += step;
            // Now and then the receiver's time really moves, and what follows agrees.
            offset += if jump.abs() == 5 { jump * 300_000 } else { 0 };
            let utc = T0 + tick + offset + if kind == 0 { noise } else { noise / 100 };
            match kind {
                3 => clock.observe_host(tick, utc, 1_000),
                2 => clock.observe(tick, utc, Source::Pps),
                _ => clock.observe(tick, utc, Source::Fix),
            }
        }
        let mut last = i64::MIN;
        for at in (0..tick + 5_000_000).step_by(50_000) {
            let Some(utc) = clock.at(at).map(|stamp| stamp.utc_us) else { continue };
            proptest::prop_assert!(utc >= last, "{utc} after {last}");
            last = utc;
        }
    }
}

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

/// Feeds a fix a second, `offset_us` from the truth, and asserts that the clock does not go back.
fn drive(clock: &mut Clock, seconds: std::ops::Range<i64>, offset_us: i64) {
    for second in seconds {
        let before = clock.at(second * SECOND_US - 1).map(|stamp| stamp.utc_us);
        clock.observe(second * SECOND_US, T0 + second * SECOND_US + offset_us, Source::Fix);
        let after = clock.at(second * SECOND_US).map(|stamp| stamp.utc_us);
        assert!(before <= after, "second {second}: {before:?}, {after:?}");
    }
}

fn error_of(clock: &Clock, second: i64, offset_us: i64) -> i64 {
    clock.at(second * SECOND_US).unwrap().utc_us - (T0 + second * SECOND_US + offset_us)
}

#[test]
fn a_leap_second_slows_the_clock_down_and_never_turns_it_back() {
    let mut clock = clock();
    drive(&mut clock, 0..60, 0);
    // 23:59:60 comes as 00:00:00, and 00:00:00 comes again: from now on UTC is a second behind.
    drive(&mut clock, 60..64, -SECOND_US);
    assert_eq!(clock.at(63_500_000).unwrap().flags, 0, "not yet believed");
    drive(&mut clock, 64..66, -SECOND_US);
    assert_eq!(clock.at(65_500_000).unwrap().flags, flags::TIME_DISAGREES | flags::TIME_COARSE);
    drive(&mut clock, 66..140, -SECOND_US);
    assert!(error_of(&clock, 140, -SECOND_US).abs() <= 250_000, "{}", error_of(&clock, 140, -SECOND_US));
    assert_eq!(clock.at(140 * SECOND_US).unwrap().flags, 0);
    drive(&mut clock, 140..900, -SECOND_US);
    assert!(error_of(&clock, 900, -SECOND_US).abs() < 10_000, "{}", error_of(&clock, 900, -SECOND_US));
}

#[test]
fn a_receiver_that_learns_its_leap_seconds_under_way_is_followed_both_ways() {
    // It began with 16 instead of 18: two seconds ahead. It began with 20: two behind.
    for learnt_us in [-2 * SECOND_US, 2 * SECOND_US] {
        let mut clock = clock();
        drive(&mut clock, 0..100, -learnt_us);
        drive(&mut clock, 100..140, 0);
        assert!(error_of(&clock, 140, 0).abs() <= 250_000, "{learnt_us}: {}", error_of(&clock, 140, 0));
        assert_eq!(clock.at(140 * SECOND_US).unwrap().flags, 0, "{learnt_us}");
    }
}

#[test]
fn the_clock_stops_running_slow_when_no_more_fixes_come() {
    let mut clock = clock();
    drive(&mut clock, 0..60, 0);
    drive(&mut clock, 60..66, -SECOND_US);
    // Nothing for a quarter of an hour.
    assert!(error_of(&clock, 960, -SECOND_US).abs() < 20_000, "{}", error_of(&clock, 960, -SECOND_US));
    assert_eq!(clock.at(960 * SECOND_US).unwrap().flags, 0);
}

#[test]
fn a_date_one_era_off_is_put_right_and_flagged() {
    let mut clock = clock();
    drive(&mut clock, 0..10, -era::ERA_US);
    assert_eq!(clock.at(10 * SECOND_US).unwrap(), Stamp { utc_us: T0 + 10 * SECOND_US, flags: flags::TIME_ROLLOVER });
    // It rolls over, forwards or back, in the middle of a drive: no step, only the flag comes.
    drive(&mut clock, 10..20, 0);
    assert_eq!(clock.at(20 * SECOND_US).unwrap(), Stamp { utc_us: T0 + 20 * SECOND_US, flags: 0 });
    drive(&mut clock, 20..30, era::ERA_US);
    assert_eq!(clock.at(30 * SECOND_US).unwrap(), Stamp { utc_us: T0 + 30 * SECOND_US, flags: flags::TIME_ROLLOVER });
    assert_eq!(clock.refused(), 0);
}

#[test]
fn what_lies_before_the_last_known_time_is_refused() {
    let mut clock = clock();
    clock.raise_floor(T0 + DAY_US);
    drive(&mut clock, 0..10, 0);
    assert_eq!((clock.at(0), clock.refused()), (None, 10));
    drive(&mut clock, 10..20, 2 * DAY_US);
    assert_eq!(clock.at(20 * SECOND_US).unwrap().utc_us, T0 + 2 * DAY_US + 20 * SECOND_US);
}

#[test]
fn a_receiver_that_jumps_a_day_back_is_refused_until_it_is_right_again() {
    let mut clock = clock();
    drive(&mut clock, 0..60, 0);
    drive(&mut clock, 60..120, -DAY_US);
    assert_eq!(
        clock.at(120 * SECOND_US).unwrap(),
        Stamp { utc_us: T0 + 120 * SECOND_US, flags: flags::TIME_DISAGREES }
    );
    assert_eq!(clock.refused(), 60);
    drive(&mut clock, 120..130, 0);
    assert_eq!(clock.at(130 * SECOND_US).unwrap(), Stamp { utc_us: T0 + 130 * SECOND_US, flags: 0 });
}

#[test]
fn a_receiver_that_jumps_a_day_ahead_for_some_seconds_dates_nothing() {
    let mut clock = clock();
    drive(&mut clock, 0..60, 0);
    drive(&mut clock, 60..85, DAY_US);
    assert_eq!(clock.at(85 * SECOND_US).unwrap().utc_us, T0 + 85 * SECOND_US);
    drive(&mut clock, 85..100, 0);
    assert_eq!(clock.at(100 * SECOND_US).unwrap(), Stamp { utc_us: T0 + 100 * SECOND_US, flags: 0 });
    // One that stays there is believed: the first fixes of a boot may be the wrong ones.
    drive(&mut clock, 100..140, DAY_US);
    assert_eq!(clock.at(140 * SECOND_US).unwrap(), Stamp { utc_us: T0 + DAY_US + 140 * SECOND_US, flags: 0 });
}

#[test]
fn a_computer_that_knows_better_is_a_witness_against_a_jump() {
    let mut clock = clock();
    for second in 0..200 {
        let offset_us = if second < 60 { 0 } else { DAY_US };
        drive(&mut clock, second..second + 1, offset_us);
        if second % 10 == 5 {
            clock.observe_host(second * SECOND_US + 500_000, T0 + second * SECOND_US + 510_000, 2_000);
        }
    }
    let stamp = clock.at(200 * SECOND_US).unwrap();
    assert!((stamp.utc_us - (T0 + 200 * SECOND_US)).abs() < 100_000, "{}", stamp.utc_us - T0);
    assert!(stamp.flags & flags::TIME_DISAGREES != 0);
}

#[test]
fn without_a_receiver_the_computer_sets_the_clock_after_a_while_and_the_rows_say_so() {
    let mut clock = clock();
    for second in (5..65).step_by(10) {
        clock.observe_host(second * SECOND_US, T0 + second * SECOND_US, 3_000);
    }
    assert_eq!(clock.at(60 * SECOND_US), None, "a receiver may still come");
    clock.observe_host(65 * SECOND_US, T0 + 65 * SECOND_US, 3_000);
    let stamp = clock.at(70 * SECOND_US).unwrap();
    assert_eq!(stamp, Stamp { utc_us: T0 + 70 * SECOND_US, flags: flags::TIME_FROM_HOST });
    assert!((clock.error_us(65 * SECOND_US) - 103_000.0).abs() < 1.0, "half the round trip and its own error");
    assert_eq!(clock.at(SECOND_US).unwrap().flags, flags::TIME_FROM_HOST | flags::TIME_BEFORE_FIX);
    // The receiver finds the sky: it leads, and what the computer says is only kept.
    drive(&mut clock, 80..140, 40_000);
    clock.observe_host(140 * SECOND_US + 1, T0 + 140 * SECOND_US, 3_000);
    assert_eq!(clock.at(141 * SECOND_US).unwrap().flags, 0);
    assert!(error_of(&clock, 141, 40_000).abs() < 20_000);
    assert_eq!(clock.refused(), 0);
}

#[test]
fn a_receiver_lost_for_a_while_is_replaced_within_its_stated_error_only() {
    let mut clock = clock();
    drive(&mut clock, 0..60, 0);
    for second in (65..800).step_by(10) {
        clock.observe_host(second * SECOND_US, T0 + second * SECOND_US + 50_000, 3_000);
    }
    let stamp = clock.at(800 * SECOND_US).unwrap();
    assert_eq!(stamp.flags, flags::TIME_FROM_HOST);
    assert!(error_of(&clock, 800, 50_000).abs() < 20_000, "{}", error_of(&clock, 800, 50_000));
    // A computer that is an hour off changes nothing.
    let refused = clock.refused();
    for second in (805..900).step_by(10) {
        clock.observe_host(second * SECOND_US, T0 + (second + 3_600) * SECOND_US, 3_000);
    }
    assert_eq!(clock.refused() - refused, 10);
    assert!(error_of(&clock, 900, 50_000).abs() < 20_000);
}

#[test]
fn a_computer_before_the_floor_is_no_witness() {
    let mut clock = clock();
    for second in 0..200 {
        clock.observe_host(second * SECOND_US, second * SECOND_US, 1_000);
    }
    assert_eq!((clock.at(0), clock.refused()), (None, 200));
}
