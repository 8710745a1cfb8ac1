//! BMI323: what goes over the bus, all of it and how far apart, and what a failing bus or part comes to.

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::delay::{CheckedDelay, NoopDelay, Transaction as Pause};
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use proptest::prelude::*;
use tournee_drivers::Error;
use tournee_drivers::blocking::run;
use tournee_drivers::bmi323::{ADDRESS, BURST_FRAMES, Bmi323, Drained, FIFO_FRAMES, SCALE_UG, sample};

const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);

fn write(register: u8, value: u16) -> Transaction {
    let [lo, hi] = value.to_le_bytes();
    Transaction::write(ADDRESS, vec![register, lo, hi])
}

/// Two bytes without meaning come first.
fn read(register: u8, value: u16) -> Transaction {
    let [lo, hi] = value.to_le_bytes();
    Transaction::write_read(ADDRESS, vec![register], vec![0xA5, 0x5A, lo, hi])
}

fn burst(frames: &[[i16; 3]]) -> Transaction {
    let words = frames.iter().flatten().flat_map(|axis| axis.to_le_bytes());
    Transaction::write_read(ADDRESS, vec![0x16], [0xA5, 0x5A].into_iter().chain(words).collect())
}

fn starting() -> Vec<Transaction> {
    vec![
        // The high byte is a revision.
        read(0x00, 0x1043),
        write(0x7E, 0xDEAF),
        read(0x01, 0x0000),
        write(0x3B, 0x4000),
        write(0x36, 0x0200),
        write(0x20, 0x701A),
        read(0x01, 0x0000),
        write(0x37, 0x0001),
    ]
}

fn draining(status: u16, words: u16, frames: &[[i16; 3]]) -> Vec<Transaction> {
    let mut steps = vec![read(0x0D, status), read(0x15, words)];
    if !frames.is_empty() {
        steps.push(burst(frames));
    }
    steps
}

fn start(steps: &[Transaction]) -> Result<(), Error<ErrorKind>> {
    let mut bus = Mock::new(steps);
    let result = run(Bmi323::new(&mut bus).start(&mut NoopDelay::new())).expect("the mock never waits");
    bus.done();
    result
}

fn drain(steps: &[Transaction], out: &mut [[i16; 3]]) -> Result<Drained, Error<ErrorKind>> {
    let mut bus = Mock::new(steps);
    let result = run(Bmi323::new(&mut bus).drain(out)).expect("the mock never waits");
    bus.done();
    result
}

#[test]
fn starts_and_keeps_the_pauses_of_the_suspended_part() {
    let mut bus = Mock::new(&starting());
    let idle = Pause::async_delay_us(450);
    let mut pauses = vec![idle.clone(), Pause::async_delay_ms(2)];
    pauses.extend(vec![idle; 5]);
    let mut delay = CheckedDelay::new(&pauses);
    assert_eq!(run(Bmi323::new(&mut bus).start(&mut delay)), Some(Ok(())));
    bus.done();
    delay.done();
}

#[test]
fn a_bus_that_fails_at_any_step_ends_there() {
    let good = starting();
    for step in 0..good.len() {
        let mut steps = good[..=step].to_vec();
        steps[step] = good[step].clone().with_error(NACK);
        assert_eq!(start(&steps), Err(Error::Bus(NACK)), "step {step}");
    }
    let good = draining(0, 6, &[[1, 2, 3], [4, 5, 6]]);
    for step in 0..good.len() {
        let mut steps = good[..=step].to_vec();
        steps[step] = good[step].clone().with_error(NACK);
        let mut out = [[0; 3]; 8];
        assert_eq!(drain(&steps, &mut out), Err(Error::Bus(NACK)), "step {step}");
        assert_eq!(out, [[0; 3]; 8], "a failed burst leaves nothing");
    }
    let mut bus = Mock::new(&[read(0x20, 0x701A).with_error(NACK)]);
    assert_eq!(run(Bmi323::new(&mut bus).is_restarted()), Some(Err(Error::Bus(NACK))));
    bus.done();
}

#[test]
fn another_part_is_named_and_left_alone() {
    // What the BMI270 says.
    assert_eq!(start(&[read(0x00, 0x0024)]), Err(Error::Identity(0x24)));
}

#[test]
fn a_part_that_is_broken_or_refuses_its_setting_is_told() {
    let mut steps = starting()[..3].to_vec();
    steps[2] = read(0x01, 0x0001);
    assert_eq!(start(&steps), Err(Error::Internal(0x0001)));
    let mut steps = starting()[..7].to_vec();
    steps[6] = read(0x01, 0x0020);
    assert_eq!(start(&steps), Err(Error::Internal(0x0020)));
    // The gyroscope's setting, which is not used.
    let mut steps = starting();
    steps[6] = read(0x01, 0x0040);
    assert_eq!(start(&steps), Ok(()));
}

#[test]
fn drains_what_is_there() {
    let frames = [[0, -1, 8192], [i16::MIN, i16::MAX, -8192], [100, 200, 300]];
    let mut out = [[7; 3]; 5];
    assert_eq!(drain(&draining(0, 9, &frames), &mut out), Ok(Drained { count: 3, left: 0, overrun: false }));
    assert_eq!(out, [frames[0], frames[1], frames[2], [7; 3], [7; 3]]);
}

#[test]
fn nothing_new_reads_nothing() {
    // One or two words are a frame that is not whole yet.
    for words in [0, 1, 2] {
        assert_eq!(drain(&draining(0, words, &[]), &mut [[0; 3]; 4]), Ok(Drained::default()));
    }
    let left = Drained { count: 0, left: 5, overrun: false };
    assert_eq!(drain(&draining(0, 15, &[]), &mut []), Ok(left), "no room");
}

#[test]
fn what_has_no_room_is_left() {
    let frames = [[1; 3], [2; 3]];
    let mut out = [[0; 3]; 2];
    assert_eq!(drain(&draining(0, 20, &frames), &mut out), Ok(Drained { count: 2, left: 4, overrun: false }));
    let frames = [[3; 3]; BURST_FRAMES];
    let mut out = [[0; 3]; 400];
    let expected = Drained { count: BURST_FRAMES, left: 36, overrun: false };
    assert_eq!(drain(&draining(0, 300, &frames), &mut out), Ok(expected));
}

#[test]
fn a_frame_without_sample_is_left_out() {
    let frames = [[0x7F01, 0, 0], [1, 2, 3], [0x7F01, 5, 6], [7, 8, 9]];
    let mut out = [[0; 3]; 4];
    assert_eq!(drain(&draining(0, 12, &frames), &mut out), Ok(Drained { count: 2, left: 0, overrun: false }));
    assert_eq!(out[..2], [[1, 2, 3], [7, 8, 9]]);
}

#[test]
fn a_full_fifo_is_an_overrun() {
    let mut out = [[0; 3]; 1];
    let drained = drain(&draining(0x8000, 30, &[[1; 3]]), &mut out).expect("a good bus");
    assert!(drained.overrun, "by the flag");
    let full = 3 * FIFO_FRAMES as u16;
    let drained = drain(&draining(0x6000, full, &[[1; 3]]), &mut out).expect("a good bus");
    assert!(drained.overrun, "by the fill");
    assert_eq!(drained.left, FIFO_FRAMES - 1);
    let drained = drain(&draining(0x6000, full - 3, &[[1; 3]]), &mut out).expect("a good bus");
    assert!(!drained.overrun);
    // The line released, as by a part that lost its supply.
    assert_eq!(drain(&draining(0xFFFF, 0xFFFF, &[]), &mut out), Err(Error::Range));
}

#[test]
fn a_lost_setting_is_a_restart() {
    for (conf, restarted) in [(0x701A, false), (0x0028, true), (0xFFFF, true), (0x0000, true)] {
        let mut bus = Mock::new(&[read(0x20, conf)]);
        assert_eq!(run(Bmi323::new(&mut bus).is_restarted()), Some(Ok(restarted)));
        bus.done();
    }
}

#[test]
fn the_scale_is_that_of_the_data_sheet_but_for_its_rounding() {
    let true_ug: f64 = 1000.0 / 8.192;
    assert_eq!(f64::from(SCALE_UG), true_ug.round());
    assert!((f64::from(SCALE_UG) / true_ug - 1.0).abs() < 0.0006);
}

proptest! {
    #[test]
    fn a_frame_is_three_words_low_byte_first(axes: [i16; 3]) {
        let [x, y, z] = axes.map(|axis| u32::from(axis as u16));
        let frame = [x, x >> 8, y, y >> 8, z, z >> 8].map(|byte| (byte & 0xFF) as u8);
        prop_assert_eq!(sample(&frame), axes);
    }

    #[test]
    fn no_answer_breaks_a_drain(status: u16, words: u16, room in 0..100_usize, bytes in any::<[i16; 3]>()) {
        let frames = usize::from(words & 0x07FF) / 3;
        let whole = words & 0x07FF <= 1024;
        let burst = if whole { frames.min(room).min(BURST_FRAMES) } else { 0 };
        let mut out = vec![[0; 3]; room];
        let drained = drain(&draining(status, words, &vec![bytes; burst]), &mut out);
        if whole {
            let drained = drained.expect("a good bus");
            prop_assert!(drained.count == burst || bytes[0] == 0x7F01);
            prop_assert_eq!(drained.left, frames - burst);
        } else {
            prop_assert_eq!(drained, Err(Error::Range));
        }
    }
}
