//! The model of the receiver by its data sheet: what it sends, when, and what it obeys. It is read here by the few lines
//! below and not by the driver.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tournee_devices::gnss::{Generation, MotionState, UbloxReceiver};

/// 2026-11-27T12:00:00Z.
const NOON_US: i64 = 1_795_780_800_000_000;
/// The caller's clock at noon: not a whole second.
const NOON_NOW_US: u64 = 5_300_000;

const VAN: MotionState = MotionState {
    utc_us: NOON_US,
    lat_e7: 476_501_234,
    lon_e7: -20_804_321,
    fix: 3,
    sats: 11,
    hdop_centi: 95,
    h_acc_mm: 1_800,
    speed_mmps: 8_333,
    heading_cdeg: 27_150,
};

#[derive(Debug, PartialEq)]
enum Said {
    Nmea(String),
    Ubx(u8, u8, Vec<u8>),
    Edge,
}

fn frame(class: u8, id: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xB5, 0x62, class, id, payload.len() as u8, 0];
    frame.extend(payload);
    let sums = frame[2..].iter().fold((0_u8, 0_u8), |(a, b), byte| {
        let a = a.wrapping_add(*byte);
        (a, b.wrapping_add(a))
    });
    frame.extend([sums.0, sums.1]);
    frame
}

fn read(bytes: &[u8]) -> Said {
    if bytes[0] == b'$' {
        let text = std::str::from_utf8(bytes).unwrap();
        let (body, sum) = text.strip_prefix('$').unwrap().strip_suffix("\r\n").unwrap().rsplit_once('*').unwrap();
        assert_eq!(u8::from_str_radix(sum, 16).unwrap(), body.bytes().fold(0, |sum, byte| sum ^ byte), "{text}");
        Said::Nmea(body.to_owned())
    } else {
        let payload = &bytes[6..bytes.len() - 2];
        assert_eq!(bytes, frame(bytes[2], bytes[3], payload));
        Said::Ubx(bytes[2], bytes[3], payload.to_vec())
    }
}

/// A receiver with a world clock: drives it in steps and notes what it says and when.
struct Bench {
    receiver: UbloxReceiver,
    now_us: u64,
    motion: MotionState,
}

impl Bench {
    fn new(generation: Generation) -> Self {
        Self { receiver: UbloxReceiver::of(generation), now_us: NOON_NOW_US - 300_000, motion: VAN }
    }

    fn utc_us(&self) -> i64 {
        NOON_US + self.now_us as i64 - NOON_NOW_US as i64
    }

    /// Goes on in steps of 10 ms; times are microseconds after noon.
    fn run(&mut self, for_us: u64) -> Vec<(i64, Said)> {
        let mut said = Vec::new();
        let end = self.now_us + for_us;
        while self.now_us < end {
            self.now_us += 10_000;
            let utc_us = self.utc_us();
            self.receiver.set_motion(self.now_us, MotionState { utc_us, ..self.motion });
            let at = utc_us - NOON_US;
            let mut edges = Vec::new();
            self.receiver.poll(
                self.now_us,
                |bytes| said.push((at, read(bytes))),
                |edge_us| edges.push(edge_us as i64 - NOON_NOW_US as i64),
            );
            said.extend(edges.into_iter().map(|edge| (edge, Said::Edge)));
        }
        said
    }

    fn send(&mut self, id: u8, payload: &[u8]) -> Said {
        self.receiver.receive(&frame(0x06, id, payload));
        let mut answers = Vec::new();
        self.receiver.poll(self.now_us, |bytes| answers.push(read(bytes)), |_| {});
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }
}

fn ack(id: u8) -> Said {
    Said::Ubx(0x05, 0x01, vec![0x06, id])
}

fn nak(id: u8) -> Said {
    Said::Ubx(0x05, 0x00, vec![0x06, id])
}

fn u32_at(payload: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(payload[at..at + 4].try_into().unwrap())
}

/// CFG-VALSET to the working memory.
fn valset(values: &[(u32, &[u8])]) -> Vec<u8> {
    let mut payload = vec![0, 1, 0, 0];
    for (key, value) in values {
        payload.extend(key.to_le_bytes());
        payload.extend(*value);
    }
    payload
}

#[test]
fn it_comes_up_with_nmea_once_a_second_and_pulses() {
    let mut bench = Bench::new(Generation::Eight);
    let said = bench.run(2_400_000);
    let sentences = [
        "GNRMC,120000.00,A,4739.00740,N,00204.82593,W,16.198,271.50,271126,,,A,V",
        "GNGGA,120000.00,4739.00740,N,00204.82593,W,1,11,0.95,40.0,M,49.0,M,,",
        "GNGSA,A,3,01,02,03,04,05,06,07,08,09,10,11,,0.95,0.95,0.95,1",
    ];
    // The first poll finds the receiver at noon less 290 ms.
    let expected: Vec<(i64, Said)> = (0..3)
        .flat_map(|second| {
            let clock = format!("12000{second}.00");
            let lines = sentences.map(|line| Said::Nmea(line.replace("120000.00", &clock)));
            std::iter::once((second * 1_000_000, Said::Edge))
                .chain(lines.into_iter().map(move |line| (second * 1_000_000 + 80_000, line)))
        })
        .collect();
    assert_eq!(said, expected);
}

#[test]
fn it_obeys_and_then_sends_what_was_asked_for() {
    let mut bench = Bench::new(Generation::Eight);
    bench.run(100_000);
    assert_eq!(bench.send(0x01, &[0x01, 0x07, 1]), ack(0x01));
    assert_eq!(bench.send(0x01, &[0x01, 0x04, 1]), ack(0x01));
    assert_eq!(bench.send(0x01, &[0x0D, 0x01, 1]), ack(0x01));
    for id in 0..=0x0D {
        assert_eq!(bench.send(0x01, &[0xF0, id, 0]), ack(0x01), "{id}");
    }
    let said = bench.run(2_400_000);
    let mut edges = Vec::new();
    let mut named = Vec::new();
    let mut fixes = Vec::new();
    for (at, what) in said {
        match what {
            Said::Edge => edges.push(at),
            Said::Ubx(0x0D, 0x01, p) => {
                assert_eq!(p[14] & 3, 3, "UTC, and available");
                let week = i64::from(u16::from_le_bytes([p[12], p[13]]));
                let edge = 315_964_800_000_000 + week * 604_800_000_000 + i64::from(u32_at(&p, 0)) * 1_000 - NOON_US;
                assert_eq!(edge - at, 700_000, "named before it comes");
                named.push(edge);
            }
            Said::Ubx(0x01, 0x07, p) => {
                assert_eq!(p.len(), 92);
                assert_eq!((u32_at(&p, 28) as i32, u32_at(&p, 24) as i32), (VAN.lat_e7, VAN.lon_e7));
                assert_eq!((p[20], p[21], p[23], u32_at(&p, 60)), (3, 1, 11, 8_333));
                assert_eq!(p[4..12], [0xEA, 0x07, 11, 27, 12, 0, fixes.len() as u8, 7]);
                // GPS time of the week: Friday noon and 18 leap seconds.
                assert_eq!(u32_at(&p, 0), (5 * 86_400 + 43_200 + 18 + fixes.len() as u32) * 1_000);
                fixes.push(at);
            }
            Said::Ubx(0x01, 0x04, p) => assert_eq!(u16::from_le_bytes([p[12], p[13]]), 95),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(edges, [0, 1_000_000, 2_000_000]);
    assert_eq!(fixes, [80_000, 1_080_000, 2_080_000]);
    assert_eq!(named, [1_000_000, 2_000_000], "the first edge is too near when the run begins");
}

#[test]
fn rates_and_periods() {
    let mut bench = Bench::new(Generation::Nine);
    bench.run(100_000);
    // Every second epoch, at five a second: GGA alone.
    assert_eq!(bench.send(0x8A, &valset(&[(0x3021_0001, &[200, 0]), (0x2091_00BB, &[2])])), ack(0x8A));
    assert_eq!(bench.send(0x8A, &valset(&[(0x2091_00AC, &[0]), (0x2091_00C0, &[0])])), ack(0x8A));
    let said = bench.run(4_000_000);
    let gga: Vec<i64> = said.iter().filter(|(_, said)| matches!(said, Said::Nmea(_))).map(|(at, _)| *at).collect();
    assert!((9..=10).contains(&gga.len()), "nineteen epochs");
    assert!(gga.windows(2).all(|pair| pair[1] - pair[0] == 400_000), "{gga:?}");
    assert!(gga.iter().all(|at| (at - 80_000) % 200_000 == 0), "epochs lie on the grid of UTC");
    // NMEA off by the port.
    assert_eq!(bench.send(0x8A, &valset(&[(0x1074_0002, &[0])])), ack(0x8A));
    assert!(bench.run(1_000_000).iter().all(|(_, said)| *said == Said::Edge));
}

#[test]
fn a_generation_refuses_what_it_does_not_know() {
    let set_pvt = valset(&[(0x2091_0007, &[1])]);
    for (generation, old, new) in
        [(Generation::Eight, true, false), (Generation::Nine, true, true), (Generation::Ten, false, true)]
    {
        let mut bench = Bench::new(generation);
        bench.run(20_000);
        let answer = |yes: bool, id: u8| if yes { ack(id) } else { nak(id) };
        assert_eq!(bench.send(0x01, &[1, 7, 1]), answer(old, 0x01));
        assert_eq!(bench.send(0x08, &[0xE8, 3, 1, 0, 0, 0]), answer(old, 0x08));
        assert_eq!(bench.send(0x8A, &set_pvt), answer(new, 0x8A));
    }
    let mut bench = Bench::new(Generation::Nine);
    bench.run(20_000);
    // Not modelled, not there, malformed.
    assert_eq!(bench.send(0x01, &[1, 0x35, 1]), nak(0x01));
    assert_eq!(bench.send(0x01, &[0xF0, 0x03, 1]), nak(0x01));
    assert_eq!(bench.send(0x01, &[1, 7]), nak(0x01));
    assert_eq!(bench.send(0x08, &[10, 0, 1, 0, 0, 0]), nak(0x08));
    assert_eq!(bench.send(0x3E, &[]), nak(0x3E));
    // One unknown key: nothing of the message is done.
    assert_eq!(bench.send(0x8A, &valset(&[(0x1074_0002, &[0]), (0x2091_FFFF, &[1])])), nak(0x8A));
    assert_eq!(bench.send(0x8A, &valset(&[(0x1074_0002, &[0])])[..8]), nak(0x8A));
    let said = bench.run(1_400_000);
    assert!(said.iter().any(|(_, said)| matches!(said, Said::Nmea(_))), "NMEA is still on");
}

#[test]
fn baud_rate_by_both_ways() {
    let mut bench = Bench::new(Generation::Nine);
    bench.run(20_000);
    assert_eq!(bench.receiver.baud(), 38_400);
    assert_eq!(bench.send(0x8A, &valset(&[(0x4052_0001, &115_200_u32.to_le_bytes())])), ack(0x8A));
    assert_eq!(bench.receiver.baud(), 115_200);
    let mut port = [1, 0, 0, 0, 0xD0, 0x08, 0, 0, 0, 0x84, 3, 0, 7, 0, 3, 0, 0, 0, 0, 0];
    assert_eq!(bench.send(0x00, &port), ack(0x00));
    assert_eq!(bench.receiver.baud(), 230_400);
    port[8] = 1;
    assert_eq!(bench.send(0x00, &port), nak(0x00));
}

#[test]
fn without_a_fix_there_is_no_time_at_first_and_no_pulse() {
    let mut bench = Bench::new(Generation::Eight);
    bench.motion.fix = 0;
    bench.run(10_000);
    bench.send(0x01, &[1, 7, 1]);
    bench.send(0x01, &[0x0D, 1, 1]);
    let said = bench.run(1_200_000);
    assert!(said.iter().all(|(_, said)| !matches!(said, Said::Edge | Said::Ubx(0x0D, ..))));
    let pvt = said.iter().find_map(|(_, said)| if let Said::Ubx(1, 7, p) = said { Some(p) } else { None }).unwrap();
    assert_eq!((pvt[11], pvt[20], pvt[21], pvt[78]), (0, 0, 0, 1));
    assert!(said.contains(&(80_000, Said::Nmea("GNRMC,,V,,,,,,,,,,N,V".to_owned()))), "{said:?}");
    // A fix, and a tunnel: the time stays.
    bench.motion.fix = 3;
    bench.run(1_000_000);
    bench.motion.fix = 0;
    let said = bench.run(1_000_000);
    let pvt = said.iter().find_map(|(_, said)| if let Said::Ubx(1, 7, p) = said { Some(p) } else { None }).unwrap();
    assert_eq!((pvt[11], pvt[20]), (7, 0));
}

#[test]
fn a_power_cycle_forgets_everything() {
    let mut bench = Bench::new(Generation::Nine);
    bench.run(10_000);
    bench.send(0x8A, &valset(&[(0x2091_0007, &[1]), (0x1074_0002, &[0])]));
    bench.run(1_200_000);
    bench.receiver.power_cycle(bench.now_us);
    bench.receiver.receive(&frame(0x06, 0x01, &[1, 7, 1]));
    let after = bench.run(390_000);
    assert_eq!(after, [], "it boots, silent and deaf");
    let said = bench.run(2_000_000);
    assert!(said.iter().any(|(_, said)| matches!(said, Said::Nmea(_))));
    assert!(!said.iter().any(|(_, said)| matches!(said, Said::Ubx(..))));
}

#[test]
fn an_epoch_between_two_motions_lies_between_them() {
    let mut receiver = UbloxReceiver::of(Generation::Eight);
    let mut fixes = Vec::new();
    // The world is told every 700 ms, 7,000 units of 1e-7 degrees each.
    for step in 0..10_u64 {
        let now_us = 1_000_000 + step * 700_000;
        let utc_us = NOON_US + step as i64 * 700_000;
        let lat_e7 = 476_500_000 + step as i32 * 7_000;
        receiver.set_motion(now_us, MotionState { utc_us, lat_e7, ..VAN });
        receiver.poll(now_us, |bytes| fixes.push(read(bytes)), |_| {});
        if step == 0 {
            receiver.receive(&frame(0x06, 0x01, &[1, 7, 1]));
        }
    }
    let lats = fixes.iter().filter_map(|said| match said {
        Said::Ubx(1, 7, p) => Some((p[10], u32_at(p, 28) as i32)),
        _ => None,
    });
    let expected: Vec<_> = (1..=6).map(|second| (second, 476_500_000 + i32::from(second) * 10_000)).collect();
    assert_eq!(lats.collect::<Vec<_>>(), expected);
}

#[test]
fn a_late_poll_finds_a_bounded_backlog() {
    let mut receiver = UbloxReceiver::new();
    receiver.set_motion(1_000_000, VAN);
    receiver.poll(1_000_000, |_| {}, |_| {});
    let (mut messages, mut edges) = (0, Vec::new());
    receiver.poll(3_600_000_000, |_| messages += 1, |edge| edges.push(edge));
    // The epoch of the last edge is not yet computed.
    assert_eq!((messages, edges.len()), (27, 10));
    assert_eq!(edges.last(), Some(&3_600_000_000));
}

proptest! {
    /// Any bytes, any clock: no panic, and edges stay on the grid of UTC.
    #[test]
    fn anything_may_be_sent_to_it(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        payload in prop::collection::vec(any::<u8>(), 0..60),
        id in prop::sample::select(vec![0_u8, 1, 8, 0x8A, 0x24]),
        steps in prop::collection::vec(0..3_000_000_u64, 1..20),
        fix in 0..6_u8, lat_e7: i32, lon_e7: i32, speed_mmps: u32, heading_cdeg: u16, hdop_centi: u16, h_acc_mm: u32,
    ) {
        let mut receiver = UbloxReceiver::new();
        let mut now_us = 500_000;
        for step in steps {
            now_us += step;
            let utc_us = NOON_US + now_us as i64 - NOON_NOW_US as i64;
            let motion = MotionState { utc_us, lat_e7, lon_e7, fix, sats: 255, hdop_centi, h_acc_mm, speed_mmps, heading_cdeg };
            receiver.set_motion(now_us, motion);
            receiver.poll(now_us, |bytes| drop(read(bytes)), |edge_us| {
                assert_eq!((edge_us as i64 - NOON_NOW_US as i64) % 1_000_000, 0);
            });
            receiver.receive(&bytes);
            receiver.receive(&frame(0x06, id, &payload));
        }
    }
}
