//! What is sent to the receiver, read by the `ublox` crate as a second opinion, and when it is sent.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gnss_common;

use gnss_common::{Pvt, cycle, ubx};
use tournee_drivers::gnss::{Limits, Receiver, ask_for_pvt, change_baud, configure};

/// Class, id and payload of each message, check sums proven.
fn messages(send: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Vec<(u8, u8, Vec<u8>)> {
    let mut messages = Vec::new();
    send(&mut |bytes| {
        let (class, id) = (bytes[2], bytes[3]);
        let payload = bytes[6..bytes.len() - 2].to_vec();
        assert_eq!(bytes, ubx(class, id, &payload));
        messages.push((class, id, payload));
    });
    messages
}

/// Key and value bytes of a CFG-VALSET.
fn values(payload: &[u8]) -> Vec<(u32, Vec<u8>)> {
    assert_eq!(payload[..4], [0, 1, 0, 0], "version 0, RAM");
    let mut rest = &payload[4..];
    let mut values = Vec::new();
    while !rest.is_empty() {
        let key = u32::from_le_bytes(rest[..4].try_into().unwrap());
        // Bits 28 to 30 of a key give the width of its value.
        let width = [0, 1, 1, 2, 4, 8][(key >> 28 & 7) as usize];
        values.push((key, rest[4..4 + width].to_vec()));
        rest = &rest[4 + width..];
    }
    values
}

#[test]
fn both_ways_of_configuration() {
    let sent = messages(|out| configure(200, out));
    let rates: Vec<_> =
        sent.iter().filter(|(class, id, _)| (*class, *id) == (6, 1)).map(|(_, _, p)| p.clone()).collect();
    assert_eq!(rates[0], [0x01, 0x07, 1], "NAV-PVT goes first");
    for on in [[0x01, 0x04, 1], [0x0D, 0x01, 1]] {
        assert!(rates.contains(&on.to_vec()), "{on:?}");
    }
    for off in 0..=5 {
        assert!(rates.contains(&vec![0xF0, off, 0]), "NMEA sentence {off} is off");
    }
    assert!(sent.contains(&(6, 8, vec![200, 0, 1, 0, 0, 0])), "CFG-RATE");
    let keys: Vec<_> = sent.iter().filter(|(_, id, _)| *id == 0x8A).flat_map(|(_, _, p)| values(p)).collect();
    for (key, value) in [
        (0x2091_0007, vec![1]),
        (0x2091_0039, vec![1]),
        (0x2091_017E, vec![1]),
        (0x1074_0001, vec![1]),
        (0x1074_0002, vec![0]),
        (0x2005_000C, vec![0]),
        (0x3021_0001, vec![200, 0]),
        (0x3021_0002, vec![1, 0]),
    ] {
        assert!(keys.contains(&(key, value)), "{key:#x}");
    }
    // A period that no receiver keeps is brought to the least.
    assert!(messages(|out| configure(0, out)).contains(&(6, 8, vec![25, 0, 1, 0, 0, 0])));
}

#[test]
fn the_ublox_crate_would_send_the_same() {
    use ublox::cfg_msg::CfgMsgSinglePortBuilder;
    use ublox::cfg_rate::{AlignmentToReferenceTime, CfgRateBuilder};
    let mut sent = Vec::new();
    configure(200, |bytes| sent.push(bytes.to_vec()));
    let pvt = CfgMsgSinglePortBuilder { msg_class: 0x01, msg_id: 0x07, rate: 1 }.into_packet_bytes();
    assert!(sent.contains(&pvt.to_vec()));
    let rate = CfgRateBuilder { measure_rate_ms: 200, nav_rate: 1, time_ref: AlignmentToReferenceTime::Utc };
    assert!(sent.contains(&rate.into_packet_bytes().to_vec()));
}

#[test]
fn the_first_step_leaves_nmea_alone() {
    let sent = messages(|out| ask_for_pvt(out));
    assert_eq!(sent[0], (6, 1, vec![1, 7, 1]));
    assert_eq!(values(&sent[1].2), [(0x1074_0001, vec![1]), (0x2091_0007, vec![1])]);
    assert_eq!(sent.len(), 2);
}

#[test]
fn another_baud_rate() {
    let sent = messages(|out| change_baud(115_200, out));
    assert_eq!(values(&sent[0].2), [(0x4052_0001, 115_200_u32.to_le_bytes().to_vec())]);
    let (class, id, port) = &sent[1];
    assert_eq!((*class, *id, port.len()), (6, 0, 20));
    assert_eq!(port[8..12], 115_200_u32.to_le_bytes());
}

#[test]
fn configuration_is_needed_until_it_is_seen_to_work() {
    let mut receiver = Receiver::new(Limits::default());
    let count = |receiver: &mut Receiver| messages(|out| receiver.configure(1_000, out)).len();
    assert!(receiver.needs_configuration(), "nothing is known");
    receiver.feed(&cycle("120000.00"), |_| {});
    assert!(receiver.needs_configuration());
    assert_eq!(count(&mut receiver), 2, "first step");
    assert!(receiver.needs_configuration(), "asking is not getting");
    receiver.feed(&Pvt::GOOD.frame(), |_| {});
    assert!(receiver.needs_configuration(), "NMEA is still on");
    assert!(count(&mut receiver) > 10, "everything");
    assert!(!receiver.needs_configuration());
    for n in 1..20 {
        receiver.feed(&Pvt::GOOD.later(n * 1_000).frame(), |_| {});
        assert!(!receiver.needs_configuration());
    }
    // The receiver starts anew: NMEA, no NAV-PVT.
    for n in 20..26 {
        receiver.feed(&cycle(&format!("1200{n}.00")), |_| {});
    }
    assert!(receiver.needs_configuration());
    assert_eq!(count(&mut receiver), 2, "first step again");
}

#[test]
fn nmea_that_does_not_stop_and_a_period_that_is_not_kept() {
    let configured = || {
        let mut receiver = Receiver::new(Limits::default());
        receiver.feed(&Pvt::GOOD.frame(), |_| {});
        receiver.configure(1_000, |_| {});
        assert!(!receiver.needs_configuration());
        receiver
    };
    let mut receiver = configured();
    for n in 1..8 {
        receiver.feed(&Pvt::GOOD.later(n * 1_000).frame(), |_| {});
        receiver.feed(&cycle(&format!("12000{n}.00")), |_| {});
    }
    assert!(receiver.needs_configuration(), "NMEA goes on");

    let mut receiver = configured();
    for n in 1..5 {
        receiver.feed(&Pvt::GOOD.later(n * 200).frame(), |_| {});
    }
    assert!(!receiver.needs_configuration(), "the rate may be changing");
    for n in 5..8 {
        receiver.feed(&Pvt::GOOD.later(n * 200).frame(), |_| {});
    }
    assert!(receiver.needs_configuration(), "five times a second instead of once");

    let mut receiver = configured();
    for n in [1, 2, 4, 5, 7, 8, 9, 13] {
        receiver.feed(&Pvt::GOOD.later(n * 1_000).frame(), |_| {});
    }
    assert!(!receiver.needs_configuration(), "lost frames are not another rate");
}

#[test]
fn answers_are_counted() {
    let mut receiver = Receiver::new(Limits::default());
    receiver.feed(&[ubx(5, 1, &[6, 1]), ubx(5, 0, &[6, 0x8A]), ubx(5, 1, &[6, 8])].concat(), |_| {});
    assert_eq!((receiver.counters().acks, receiver.counters().naks), (2, 1));
}
