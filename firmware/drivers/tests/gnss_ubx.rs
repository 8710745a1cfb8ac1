//! UBX: what becomes a valid fix, a time, a pulse, and what never does.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gnss_common;

use gnss_common::{NOON_US, Pvt, events, events_of, fixes, refusals, time_pulse, ubx};
use tournee_drivers::gnss::{Event, Fix, H_ACC_UNKNOWN_MM, Limits, Receiver, Refusal};

const GOOD: Fix = Fix {
    utc_us: NOON_US,
    fix: 3,
    sats: 11,
    hdop_centi: 180,
    lat_e7: 476_501_234,
    lon_e7: -20_804_321,
    h_acc_mm: 1_234,
    speed_mmps: 8_333,
    heading_cdeg: 27_150,
};

/// GPS week of [`NOON_US`].
const WEEK: u16 = 2_446;

fn one(pvt: Pvt) -> (Fix, Vec<Refusal>) {
    let events = events(&pvt.frame());
    let [fix] = fixes(&events)[..] else { panic!("{events:?}") };
    (fix, refusals(&events))
}

#[test]
fn every_field_of_nav_pvt() {
    assert_eq!(one(Pvt::GOOD), (GOOD, vec![]));
    assert_eq!(one(Pvt { flags: 0x03, ..Pvt::GOOD }).0.fix, 4, "differential");
    assert_eq!(one(Pvt { kind: 2, flags: 0x03, ..Pvt::GOOD }).0.fix, 2);
    assert_eq!(one(Pvt { kind: 4, ..Pvt::GOOD }).0.fix, 3, "with dead reckoning");
    assert_eq!(one(Pvt { kind: 1, ..Pvt::GOOD }).0.fix, 2, "dead reckoning within limits");
    // A fraction before the second: the receiver's clock is read when it is read.
    assert_eq!(one(Pvt { nano: -422_154, ..Pvt::GOOD }).0.utc_us, NOON_US - 422);
    assert_eq!(one(Pvt { nano: 999_999_999, ..Pvt::GOOD }).0.utc_us, NOON_US + 1_000_000);
}

#[test]
fn no_fix_keeps_the_time() {
    for pvt in [
        Pvt { kind: 0, ..Pvt::GOOD },
        Pvt { kind: 5, ..Pvt::GOOD },
        Pvt { kind: 9, ..Pvt::GOOD },
        Pvt { flags: 0, ..Pvt::GOOD },
        Pvt { flags3: 1, ..Pvt::GOOD },
    ] {
        assert_eq!(one(pvt), (Fix::none(NOON_US, 11), vec![]), "{pvt:?}");
    }
}

#[test]
fn a_cold_clock_is_no_time_and_no_fix() {
    // Date, time and full resolution must all be there.
    for valid in 0..7 {
        assert_eq!(one(Pvt { valid, ..Pvt::GOOD }), (Fix::none(0, 11), vec![Refusal::Incomplete]));
        assert_eq!(one(Pvt { valid, kind: 0, ..Pvt::GOOD }), (Fix::none(0, 11), vec![]));
    }
    for date in [(2026, 2, 29, 0, 0, 0), (2026, 11, 27, 24, 0, 0), (0, 0, 0, 0, 0, 0), (2026, 11, 27, 0, 60, 0)] {
        assert_eq!(one(Pvt { date, ..Pvt::GOOD }).0, Fix::none(0, 11), "{date:?}");
    }
    assert_eq!(one(Pvt { nano: i32::MIN, ..Pvt::GOOD }).0, Fix::none(0, 11));
}

#[test]
fn a_week_roll_over_shows_on_both_sides() {
    // 1,024 weeks before 2026-11-27, and after.
    for date in [(2007, 4, 13, 12, 0, 0), (2046, 7, 13, 12, 0, 0)] {
        assert_eq!(one(Pvt { date, ..Pvt::GOOD }), (Fix::none(0, 11), vec![Refusal::Time]), "{date:?}");
    }
    // The window is half open, to the second.
    let first = Pvt { date: (2020, 1, 1, 0, 0, 0), ..Pvt::GOOD };
    assert_eq!(one(first).0.fix, 3);
    assert_eq!(one(Pvt { date: (2019, 12, 31, 23, 59, 59), ..Pvt::GOOD }).0.fix, 0);
    assert_eq!(one(Pvt { date: (2039, 8, 16, 23, 59, 59), ..Pvt::GOOD }).0.fix, 3);
    assert_eq!(one(Pvt { date: (2039, 8, 17, 0, 0, 0), ..Pvt::GOOD }).0.fix, 0);
}

#[test]
fn impossible_places_and_speeds() {
    for (lat_e7, lon_e7) in [(0, 0), (999, -999), (900_000_001, 0), (0, 1_800_000_001), (i32::MIN, i32::MIN)] {
        let (fix, refused) = one(Pvt { lat_e7, lon_e7, ..Pvt::GOOD });
        assert_eq!((fix, refused), (Fix::none(NOON_US, 11), vec![Refusal::Position]), "{lat_e7} {lon_e7}");
    }
    // On the equator, and on the meridian of Greenwich, people do live.
    assert_eq!(one(Pvt { lat_e7: 0, ..Pvt::GOOD }).0.fix, 3);
    assert_eq!(one(Pvt { lon_e7: 0, ..Pvt::GOOD }).0.fix, 3);
    assert_eq!(one(Pvt { speed_mmps: 150_000, ..Pvt::GOOD }).0.fix, 3);
    assert_eq!(one(Pvt { speed_mmps: 150_001, ..Pvt::GOOD }).1, [Refusal::Speed]);
    assert_eq!(one(Pvt { speed_mmps: -1, ..Pvt::GOOD }).1, [Refusal::Incomplete]);
}

#[test]
fn nav_dop_gives_the_dilution_while_it_is_fresh() {
    let dop = |itow_ms: u32| {
        let mut p = vec![0; 18];
        p[0..4].copy_from_slice(&itow_ms.to_le_bytes());
        p[12..14].copy_from_slice(&95_u16.to_le_bytes());
        ubx(0x01, 0x04, &p)
    };
    let after = |age_ms: u32| {
        let bytes = [dop(Pvt::GOOD.itow_ms - age_ms), Pvt::GOOD.frame()].concat();
        fixes(&events(&bytes))[0].hdop_centi
    };
    assert_eq!((after(0), after(5_000), after(5_001)), (95, 95, 180));
}

#[test]
fn a_broken_check_sum_gives_nothing_at_any_byte() {
    let frame = Pvt::GOOD.frame();
    for at in 0..frame.len() {
        let mut broken = frame.clone();
        broken[at] ^= 0x10;
        // The next frames are read, whatever the first has become.
        let bytes = [broken, Pvt::GOOD.later(1_000).frame(), vec![0; 620]].concat();
        let fixes = fixes(&events(&bytes));
        assert_eq!(fixes.len(), 1, "byte {at}");
        assert_eq!(fixes[0].utc_us, NOON_US + 1_000_000, "byte {at}");
    }
}

#[test]
fn a_frame_inside_a_false_start_is_found() {
    // A head that claims 500 bytes, then good frames: they come out once the claim is refuted.
    let mut receiver = Receiver::new(Limits::default());
    let head = [0xB5, 0x62, 0x01, 0x07, 0xF4, 0x01];
    assert_eq!(events_of(&mut receiver, &[&head[..], &Pvt::GOOD.frame()].concat()), []);
    let mut got = Vec::new();
    for n in 1..=5 {
        got.extend(events_of(&mut receiver, &Pvt::GOOD.later(n * 1_000).frame()));
    }
    assert_eq!(got[0], Event::Refused(Refusal::UbxCheckSum));
    assert_eq!(fixes(&got).len(), 6);
    // Or at once when the line falls silent.
    let mut receiver = Receiver::new(Limits::default());
    receiver.feed(&[&head[..], &Pvt::GOOD.frame()].concat(), |event| panic!("{event:?}"));
    let mut got = Vec::new();
    receiver.line_idle(|event| got.push(event));
    assert_eq!(got, [Event::Fix(GOOD)]);
    assert_eq!(receiver.counters().garbage_bytes, 6);
}

#[test]
fn too_long_and_of_unknown_length() {
    let mut long = vec![0xB5, 0x62, 0x01, 0x35];
    long.extend(601_u16.to_le_bytes());
    let bytes = [long, ubx(0x01, 0x07, &[0; 90]), Pvt::GOOD.frame()].concat();
    let events = events(&bytes);
    assert_eq!(refusals(&events), [Refusal::UbxTooLong, Refusal::UbxLength]);
    assert_eq!(fixes(&events), [GOOD]);
    for (class, id, len) in
        [(1, 4, 17), (1, 2, 27), (1, 6, 51), (1, 0x12, 35), (1, 0x21, 19), (1, 3, 15), (0x0D, 1, 15)]
    {
        assert_eq!(gnss_common::events(&ubx(class, id, &vec![0; len])), [Event::Refused(Refusal::UbxLength)]);
    }
}

#[test]
fn one_epoch_is_given_once() {
    let mut receiver = Receiver::new(Limits::default());
    let got = events_of(&mut receiver, &[Pvt::GOOD.frame(), Pvt::GOOD.frame()].concat());
    assert_eq!(fixes(&got), [GOOD]);
    assert_eq!((receiver.counters().valid_fixes, receiver.counters().held_back), (1, 1));
}

#[test]
fn time_pulses_name_a_whole_second_of_utc() {
    let pulse = |before: &[u8], frame: Vec<u8>| {
        let events = events(&[before, &frame].concat());
        *events.last().unwrap()
    };
    let noon = (5 * 86_400 + 43_200) * 1_000;
    let at_noon = Event::TimePulse { utc_us: NOON_US };
    let refused = Event::Refused(Refusal::TimePulse);
    assert_eq!(pulse(&[], time_pulse(noon, WEEK, 0x03, 0)), at_noon, "the grid of UTC");
    assert_eq!(pulse(&[], time_pulse(noon, WEEK, 0x01, 0)), refused, "UTC not yet known");
    // The grid of GPS: 18 s ahead, once a NAV-PVT has shown that.
    let gps = noon + 18_000;
    assert_eq!(pulse(&[], time_pulse(gps, WEEK, 0x02, 0)), refused);
    let pvt = Pvt::GOOD.frame();
    assert_eq!(pulse(&pvt, time_pulse(gps, WEEK, 0x02, 0)), at_noon);
    assert_eq!(pulse(&pvt, time_pulse(gps, WEEK, 0x00, 0)), refused, "the receiver does not say that UTC is known");
    assert_eq!(pulse(&pvt, time_pulse(gps, WEEK, 0x02, 1)), refused, "time of another system");
    assert_eq!(pulse(&[], time_pulse(noon + 200, WEEK, 0x03, 0)), refused, "a pulse between seconds");
    assert_eq!(pulse(&[], time_pulse(noon, WEEK - 1_024, 0x03, 0)), refused, "rolled over");
    // A rounding before the second: 999 ms and all but one of the fractions.
    let mut p = vec![0; 16];
    p[0..4].copy_from_slice(&(noon - 1_u32).to_le_bytes());
    p[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    p[12..14].copy_from_slice(&WEEK.to_le_bytes());
    p[14] = 0x03;
    assert_eq!(pulse(&[], ubx(0x0D, 0x01, &p)), at_noon);
}

/// The messages of a generation 5 receiver at one time of week.
fn old_epoch(itow_ms: u32, second: u8) -> [Vec<u8>; 4] {
    let head = |len: usize| {
        let mut p = vec![0; len];
        p[0..4].copy_from_slice(&itow_ms.to_le_bytes());
        p
    };
    let mut sol = head(52);
    (sol[10], sol[11], sol[47]) = (3, 0x0D, 8);
    sol[44..46].copy_from_slice(&210_u16.to_le_bytes());
    let mut posllh = head(28);
    posllh[4..8].copy_from_slice(&(-20_804_321_i32).to_le_bytes());
    posllh[8..12].copy_from_slice(&476_501_234_i32.to_le_bytes());
    posllh[20..24].copy_from_slice(&2_500_u32.to_le_bytes());
    let mut velned = head(36);
    velned[20..24].copy_from_slice(&833_u32.to_le_bytes());
    velned[24..28].copy_from_slice(&27_150_000_i32.to_le_bytes());
    let mut utc = head(20);
    utc[12..14].copy_from_slice(&2026_u16.to_le_bytes());
    utc[14..20].copy_from_slice(&[11, 27, 12, 0, second, 0x07]);
    [ubx(1, 2, &posllh), ubx(1, 6, &sol), ubx(1, 0x12, &velned), ubx(1, 0x21, &utc)]
}

#[test]
fn old_receivers_are_put_together_by_time_of_week() {
    let mut receiver = Receiver::new(Limits::default());
    let messages = old_epoch(1_000, 0);
    let (last, first) = messages.split_last().unwrap();
    assert_eq!(events_of(&mut receiver, &first.concat()), [], "not yet");
    let expected = Fix { sats: 8, hdop_centi: 210, h_acc_mm: 2_500, speed_mmps: 8_330, ..GOOD };
    assert_eq!(events_of(&mut receiver, last), [Event::Fix(expected)], "with its last message");
    // Without velocity and without earth-centred coordinates that could stand in: incomplete, at the next epoch.
    let [position, sol, _, utc] = old_epoch(2_000, 1);
    let next = old_epoch(3_000, 2).concat();
    let got = events_of(&mut receiver, &[position, sol, utc, next].concat());
    assert_eq!(refusals(&got), [Refusal::Incomplete]);
    let fixes = fixes(&got);
    assert_eq!((fixes.len(), fixes[0].fix, fixes[1].fix), (2, 0, 3));
    assert_eq!(fixes[0].h_acc_mm, H_ACC_UNKNOWN_MM);
}

#[test]
fn old_messages_beside_nav_pvt_are_held_back() {
    let mut receiver = Receiver::new(Limits::default());
    let mut got = Vec::new();
    for n in 0..10 {
        got.extend(events_of(&mut receiver, &Pvt::GOOD.later(n * 1_000).frame()));
        got.extend(events_of(&mut receiver, &old_epoch(Pvt::GOOD.itow_ms + n * 1_000, n as u8).concat()));
    }
    assert_eq!(fixes(&got).len(), 10);
    assert!(fixes(&got).iter().all(|fix| fix.h_acc_mm == 1_234), "all of NAV-PVT");
}
