//! The bus: who answers, what unplugging and restarting do, and that no bytes at any time bring a part down.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tournee_devices::{Nack, Op, Part, Sensors};

#[test]
fn each_part_answers_at_its_address_and_nobody_else_does() {
    let mut sensors = Sensors::new(1);
    for address in 0..=0x7F {
        let result = sensors.transaction(0, address, &mut [Op::Write(&[])]);
        assert_eq!(result.is_ok(), Part::at(address).is_some(), "{address:#04x}");
    }
    let counters = sensors.counters();
    assert_eq!((counters.transactions, counters.nack_address, counters.nack_data), (128, 121, 0));
}

#[test]
fn adjacent_operations_of_a_kind_are_one_transfer() {
    let mut sensors = Sensors::new(1);
    // SPS30: the command and its argument in two pieces; the answer in three.
    let mut ops = [Op::Write(&[0x00, 0x10]), Op::Write(&[0x03, 0x00, 0xAC])];
    sensors.transaction(0, 0x69, &mut ops).unwrap();
    assert!(sensors.sps30.is_measuring());
    let (mut first, mut second, mut third) = ([0; 1], [0; 0], [0; 2]);
    let mut ops = [Op::Write(&[0x02, 0x02]), Op::Read(&mut first), Op::Read(&mut second), Op::Read(&mut third)];
    sensors.transaction(1_000_000, 0x69, &mut ops).unwrap();
    assert_eq!((first, third), ([0x00], [0x01, 0xB0]));
}

#[test]
fn unplugged_parts_are_silent_and_come_back_without_their_settings() {
    let mut sensors = Sensors::new(1);
    sensors.transaction(0, 0x62, &mut [Op::Write(&[0x21, 0xB1])]).unwrap();
    sensors.transaction(0, 0x68, &mut [Op::Write(&[0x20, 0x1A, 0x70])]).unwrap();
    assert!(sensors.scd41.is_measuring() && sensors.bmi323.is_sampling());
    sensors.unplug(Part::Scd41);
    assert!(!sensors.is_plugged(Part::Scd41));
    assert_eq!(sensors.transaction(1_000, 0x62, &mut [Op::Write(&[0xE4, 0xB8])]), Err(Nack::Address));
    assert_eq!(sensors.part_counters(Part::Scd41).nack_address, 1);
    sensors.plug(2_000, Part::Scd41);
    assert!(!sensors.scd41.is_measuring());
    assert_eq!(sensors.transaction(31_000, 0x62, &mut [Op::Write(&[0x36, 0x82])]), Err(Nack::Address), "starting");
    sensors.transaction(32_000, 0x62, &mut [Op::Write(&[0x36, 0x82])]).unwrap();
    // Plugging what is plugged does nothing; a dip of the supply does.
    sensors.plug(32_000, Part::Bmi323);
    assert!(sensors.bmi323.is_sampling());
    sensors.restart(32_000, Part::Bmi323);
    assert!(!sensors.bmi323.is_sampling());
}

#[test]
fn a_refused_operation_ends_the_transaction() {
    let mut sensors = Sensors::new(1);
    let mut buffer = [0x77; 3];
    let mut ops = [Op::Write(&[0x12, 0x34]), Op::Read(&mut buffer)];
    assert_eq!(sensors.transaction(0, 0x69, &mut ops), Err(Nack::Data));
    assert_eq!(buffer, [0x77; 3]);
    assert_eq!(sensors.part_counters(Part::Sps30).nack_data, 1);
}

/// Bytes that reach deeper than chance: known commands and registers with any tail.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let heads: Vec<Vec<u8>> = vec![
        vec![],
        vec![0x00, 0x10, 0x03, 0x00, 0xAC],
        vec![0x00, 0x10, 0x05, 0x00, 0xF6],
        vec![0x03, 0x00],
        vec![0x80, 0x04],
        vec![0x10, 0x01],
        vec![0x21, 0xB1],
        vec![0xEC, 0x05],
        vec![0x24, 0x1D],
        vec![0x21, 0x96],
        vec![0xF2, 0x05, 0xF5, 0x10, 0xF4, 0xFF],
        vec![0xF4, 0x25],
        vec![0xF7],
        vec![0x01, 0x44],
        vec![0x01, 0xC5, 0x83],
        vec![0x20, 0x1A, 0x70],
        vec![0x36, 0x00, 0x0F],
        vec![0x16],
        vec![0x7E, 0xAF, 0xDE],
        vec![0x80, 0x0D],
        vec![0x24, 0x00],
        vec![0x04, 0x00],
    ];
    (proptest::sample::select(heads), proptest::collection::vec(any::<u8>(), 0..8)).prop_map(|(mut head, tail)| {
        head.extend(tail);
        head
    })
}

proptest! {
    // Times up to some two thousand years.
    #[test]
    fn no_bytes_at_any_time_bring_a_part_down(
        seed: u64,
        steps in proptest::collection::vec(
            (0_usize..7, bytes(), 0_usize..40, prop_oneof![0_u64..10_000_000, 0_u64..1 << 50], any::<[i16; 3]>(), 0_u8..12),
            1..60,
        ),
    ) {
        let mut sensors = Sensors::new(seed);
        let mut now_us = 0_u64;
        for (index, written, to_read, pause_us, raw, what) in steps {
            let part = Part::ALL[index];
            now_us += pause_us;
            let mut buffer = vec![0; to_read];
            let result = match what {
                0 => { sensors.restart(now_us, part); Ok(()) }
                1 => { sensors.unplug(part); Ok(()) }
                2 => { sensors.plug(now_us, part); Ok(()) }
                3 => sensors.transaction(now_us, part.address(), &mut [Op::Read(&mut buffer)]),
                4..=7 => sensors.transaction(now_us, part.address(), &mut [Op::Write(&written)]),
                _ => sensors.transaction(now_us, part.address(), &mut [Op::Write(&written), Op::Read(&mut buffer)]),
            };
            prop_assert!(matches!(result, Ok(()) | Err(Nack::Address | Nack::Data)));
            for _ in 0..raw[0].unsigned_abs() % 512 {
                sensors.bmi323.push(now_us, raw);
            }
            sensors.ads1115.set_input_uv(index, i32::from(raw[0]) * i32::from(raw[1]));
        }
        let counters = sensors.counters();
        let sum = Part::ALL.iter().map(|part| sensors.part_counters(*part).transactions).sum::<u64>();
        prop_assert_eq!(counters.transactions, sum);
        prop_assert!(counters.nack_address + counters.nack_data <= counters.transactions);
    }
}
