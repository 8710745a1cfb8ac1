//! Whatever comes down the line: no panic, no valid fix without a frame whose check sum is right, the same events however
//! the bytes are cut.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gnss_common;

use gnss_common::{Pvt, cycle, events_of, fixes, sentence, time_pulse, ubx};
use proptest::prelude::*;
use tournee_drivers::gnss::{Event, Limits, Receiver};

/// A piece of a line: whole, cut, damaged, or noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        (0..59_u32).prop_map(|n| Pvt::GOOD.later(n * 1_000).frame()),
        (0..59_u8).prop_map(|n| cycle(&format!("1200{n:02}.00"))),
        (any::<u32>(), any::<u16>(), any::<u8>(), any::<u8>())
            .prop_map(|(tow, week, f, r)| time_pulse(tow, week, f, r)),
        // Right frames with any content: the widths of the messages that are read.
        (prop::sample::select(vec![2_u8, 3, 4, 6, 7, 0x12, 0x21]), prop::collection::vec(any::<u8>(), 0..100))
            .prop_map(|(id, payload)| ubx(1, id, &payload)),
        (prop::sample::select(vec![(7_u8, 92), (7, 84), (6, 52), (2, 28), (3, 16), (0x12, 36), (0x21, 20), (4, 18)]))
            .prop_flat_map(|(id, len)| {
                prop::collection::vec(any::<u8>(), len).prop_map(move |payload| ubx(1, id, &payload))
            }),
        "G[NP](RMC|GGA|GNS|GLL|GSA|VTG|ZDA|GST)(,[0-9.AVNSEWDP-]{0,12}){0,30}".prop_map(|body| sentence(&body)),
        // Anything printable but what ends a sentence.
        "[ -#%-)+-~]{0,90}".prop_map(|body| sentence(&body)),
    ];
    let damaged = (
        whole,
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
        0..6_u8,
        any::<prop::sample::Index>(),
    )
        .prop_map(|(mut bytes, flips, cut, at)| {
            for (index, value) in flips {
                let index = index.index(bytes.len());
                bytes[index] = value;
            }
            match cut {
                1 => bytes.truncate(at.index(bytes.len())),
                2 => drop(bytes.drain(..at.index(bytes.len()))),
                _ => {}
            }
            bytes
        });
    prop_oneof![4 => damaged, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..20).prop_map(|pieces| pieces.concat())
}

/// Frames with a right check sum that begin anywhere: what a reader may see at the most. Written apart from the code under
/// test.
fn frames(bytes: &[u8]) -> usize {
    let nmea = |rest: &[u8]| {
        let Some(star) = rest.iter().position(|byte| *byte == b'*') else { return false };
        let Some(Ok(sum)) = rest.get(star + 1..star + 3).map(std::str::from_utf8) else { return false };
        u8::from_str_radix(sum, 16) == Ok(rest[1..star].iter().fold(0, |sum, byte| sum ^ byte))
    };
    let binary = |rest: &[u8]| {
        let [0xB5, 0x62, _, _, low, high, ..] = rest else { return false };
        let end = 6 + usize::from(*low) + 256 * usize::from(*high);
        let Some(&[a, b]) = rest.get(end..end + 2) else { return false };
        let sums =
            rest[2..end].iter().fold((0_u32, 0_u32), |(a, b), byte| (a + u32::from(*byte), b + a + u32::from(*byte)));
        (sums.0 as u8, sums.1 as u8) == (a, b)
    };
    (0..bytes.len())
        .filter(|at| match bytes[*at] {
            b'$' => nmea(&bytes[*at..]),
            0xB5 => binary(&bytes[*at..]),
            _ => false,
        })
        .count()
}

fn check_events(bytes: &[u8], events: &[Event]) -> Result<(), TestCaseError> {
    let limits = Limits::default();
    let valid: Vec<_> = fixes(events).into_iter().filter(|fix| fix.fix > 0).collect();
    prop_assert!(valid.len() <= frames(bytes), "{} valid fixes of {} frames", valid.len(), frames(bytes));
    for fix in fixes(events) {
        prop_assert!(fix.fix <= 4 && fix.fix != 1);
        prop_assert!(fix.utc_us == 0 || fix.utc_us >= limits.utc_floor_us);
        prop_assert!(fix.utc_us != 0 || fix.fix == 0);
        prop_assert!(fix.lat_e7.unsigned_abs() <= 900_000_000 && fix.lon_e7.unsigned_abs() <= 1_800_000_000);
        prop_assert!(fix.fix == 0 || (fix.lat_e7, fix.lon_e7) != (0, 0));
        prop_assert!(fix.speed_mmps <= limits.speed_max_mmps && fix.heading_cdeg <= 36_000 && fix.hdop_centi <= 9_999);
    }
    for event in events {
        if let Event::TimePulse { utc_us } = event {
            prop_assert!(utc_us % 1_000_000 == 0 && *utc_us >= limits.utc_floor_us);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_line(bytes in line(), cuts in prop::collection::vec(1..70_usize, 1..30)) {
        let mut receiver = Receiver::new(Limits::default());
        let mut whole = events_of(&mut receiver, &bytes);
        let mut cut = Receiver::new(Limits::default());
        let mut parts = Vec::new();
        let mut rest = &bytes[..];
        for size in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            parts.extend(events_of(&mut cut, now));
            rest = later;
        }
        receiver.line_idle(|event| whole.push(event));
        cut.line_idle(|event| parts.push(event));
        prop_assert_eq!(receiver.counters(), cut.counters());
        check_events(&bytes, &whole)?;
        prop_assert_eq!(&whole, &parts);
    }

    #[test]
    fn noise_alone(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
        let mut receiver = Receiver::new(Limits::default());
        let events = events_of(&mut receiver, &bytes);
        check_events(&bytes, &events)?;
    }

    /// After any noise and a silence, a receiver that sends NAV-PVT is believed at once.
    #[test]
    fn good_frames_after_noise(bytes in line()) {
        let mut receiver = Receiver::new(Limits::default());
        receiver.feed(&bytes, |_| {});
        receiver.line_idle(|_| {});
        // A later minute than any in the noise.
        let good = Pvt { date: (2026, 11, 27, 12, 30, 0), ..Pvt::GOOD };
        let events = events_of(&mut receiver, &good.frame());
        let [fix] = fixes(&events)[..] else { panic!("{events:?}") };
        prop_assert_eq!(fix.fix, 3);
    }
}

/// The generator reaches what the properties speak of: without valid fixes in it they would say nothing.
#[test]
fn the_generated_lines_hold_valid_fixes_and_refusals() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut valid, mut refused) = (0, 0);
    for _ in 0..200 {
        let bytes = line().new_tree(&mut runner).unwrap().current();
        let mut receiver = Receiver::new(Limits::default());
        receiver.feed(&bytes, |_| {});
        receiver.line_idle(|_| {});
        valid += receiver.counters().valid_fixes;
        refused += receiver.counters().refused_in_all();
    }
    assert!(valid > 100 && refused > 100, "{valid} valid, {refused} refused");
}
