//! SPS30: what goes over the bus, all of it, and what a failing bus or part comes to.

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::delay::NoopDelay;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use proptest::prelude::*;
use tournee_drivers::blocking::run;
use tournee_drivers::sps30::{ADDRESS, STATUS_FAN, STATUS_LASER, STATUS_SPEED, Sps30, TRIES, crc8, dugm3};
use tournee_drivers::{Error, PmMass};

const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);

// 7.24, 12.96, 15.0 and 16.05 µg/m³, with check bytes from another implementation.
const MASSES: [u8; 24] = [
    0x40, 0xE7, 0x5E, 0xAE, 0x14, 0x94, 0x41, 0x4F, 0xEF, 0x5C, 0x29, 0xDC, 0x41, 0x70, 0x04, 0x00, 0x00, 0x81, 0x41,
    0x80, 0x86, 0x66, 0x66, 0x93,
];
const PRODUCT: [u8; 12] = [0x30, 0x30, 0xF6, 0x30, 0x38, 0x4F, 0x30, 0x30, 0xF6, 0x30, 0x30, 0xF6];
const READY: [u8; 3] = [0x00, 0x01, 0xB0];
const NOT_READY: [u8; 3] = [0x00, 0x00, 0x81];
const STATUS_GOOD: [u8; 6] = [0x00, 0x00, 0x81, 0x00, 0x00, 0x81];

fn write(bytes: &[u8]) -> Transaction {
    Transaction::write(ADDRESS, bytes.to_vec())
}

fn read(bytes: &[u8]) -> Transaction {
    Transaction::read(ADDRESS, bytes.to_vec())
}

fn word(word: u16) -> [u8; 3] {
    let [hi, lo] = word.to_be_bytes();
    [hi, lo, crc8([hi, lo])]
}

fn starting() -> Vec<Transaction> {
    vec![
        write(&[0x11, 0x03]),
        write(&[0x11, 0x03]),
        write(&[0xD0, 0x02]),
        read(&PRODUCT),
        write(&[0x01, 0x04]),
        write(&[0x00, 0x10, 0x03, 0x00, 0xAC]),
    ]
}

fn reading(masses: &[u8], status: &[u8]) -> Vec<Transaction> {
    vec![write(&[0x02, 0x02]), read(&READY), write(&[0x03, 0x00]), read(masses), write(&[0xD2, 0x06]), read(status)]
}

fn start(steps: &[Transaction]) -> Result<(), Error<ErrorKind>> {
    let mut bus = Mock::new(steps);
    let result = run(Sps30::new(&mut bus).start(&mut NoopDelay::new())).expect("the mock never waits");
    bus.done();
    result
}

fn measure(steps: &[Transaction]) -> Result<Option<PmMass>, Error<ErrorKind>> {
    let mut bus = Mock::new(steps);
    let result = run(Sps30::new(&mut bus).read()).expect("the mock never waits");
    bus.done();
    result
}

#[test]
fn starts_a_measurement_in_floats() {
    assert_eq!(start(&starting()), Ok(()));
}

#[test]
fn a_sleeping_or_idle_part_may_refuse_wake_up_and_stop() {
    let mut steps = starting();
    for step in [0, 1, 4] {
        steps[step] = steps[step].clone().with_error(NACK);
    }
    assert_eq!(start(&steps), Ok(()));
}

#[test]
fn no_part_is_a_failure() {
    let absent = [write(&[0x11, 0x03]), write(&[0x11, 0x03]), write(&[0xD0, 0x02])].map(|step| step.with_error(NACK));
    assert_eq!(start(&absent), Err(Error::Bus(NACK)));
}

#[test]
fn a_bus_that_fails_at_any_step_ends_there() {
    let good = starting();
    for step in 0..good.len() {
        let mut steps = good[..=step].to_vec();
        steps[step] = good[step].clone().with_error(ErrorKind::ArbitrationLoss);
        assert_eq!(start(&steps), Err(Error::Bus(ErrorKind::ArbitrationLoss)), "step {step}");
    }
    let good = reading(&MASSES, &STATUS_GOOD);
    for step in 0..good.len() {
        let mut steps = good[..=step].to_vec();
        steps[step] = good[step].clone().with_error(ErrorKind::Bus);
        assert_eq!(measure(&steps), Err(Error::Bus(ErrorKind::Bus)), "step {step}");
    }
}

#[test]
fn a_part_that_falls_silent_is_asked_a_bounded_number_of_times() {
    let good = reading(&MASSES, &STATUS_GOOD);
    for step in 0..good.len() {
        let tries = if step % 2 == 0 { 1 } else { TRIES };
        let mut steps = good[..step].to_vec();
        steps.extend(vec![good[step].clone().with_error(NACK); tries]);
        assert_eq!(measure(&steps), Err(Error::Bus(NACK)), "step {step}");
    }
}

#[test]
fn a_part_at_work_is_asked_again() {
    let mut steps = reading(&MASSES, &STATUS_GOOD);
    for _ in 0..TRIES - 1 {
        steps.insert(3, read(&MASSES).with_error(NACK));
    }
    assert!(matches!(measure(&steps), Ok(Some(_))));
}

#[test]
fn another_part_is_named() {
    let mut steps = starting();
    steps.truncate(4);
    // "00090000", as another of the maker's.
    steps[3] = read(&[word(0x3030), word(0x3039), word(0x3030), word(0x3030)].concat());
    assert_eq!(start(&steps), Err(Error::Identity(0x3030_3039)));
}

#[test]
fn reads_mass_concentrations() {
    let expected = PmMass { pm1_dugm3: 72, pm25_dugm3: 130, pm10_dugm3: 161 };
    // Ten times the float next to 16.05 is 160.5 as a float, and that is rounded up.
    assert_eq!(measure(&reading(&MASSES, &STATUS_GOOD)), Ok(Some(expected)));
}

#[test]
fn nothing_new_is_no_value() {
    assert_eq!(measure(&[write(&[0x02, 0x02]), read(&NOT_READY)]), Ok(None));
}

#[test]
fn one_wrong_bit_anywhere_is_no_value() {
    for bit in 0..MASSES.len() * 8 {
        let mut masses = MASSES;
        masses[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(measure(&reading(&masses, &STATUS_GOOD)[..4]), Err(Error::Checksum), "bit {bit}");
    }
    assert_eq!(measure(&[write(&[0x02, 0x02]), read(&[0x00, 0x01, 0xB1])]), Err(Error::Checksum));
    let mut steps = starting();
    steps.truncate(4);
    steps[3] = read(&[[0x30, 0x30, 0xF7], word(0x3038), word(0x3030), word(0x3030)].concat());
    assert_eq!(start(&steps), Err(Error::Checksum));
}

#[test]
fn a_broken_fan_or_laser_gives_no_value_a_slow_fan_does() {
    let status = |bits: u32| [word((bits >> 16) as u16), word(bits as u16)].concat();
    for bits in [STATUS_FAN, STATUS_LASER, STATUS_FAN | STATUS_SPEED] {
        assert_eq!(measure(&reading(&MASSES, &status(bits))), Err(Error::Internal(bits)));
    }
    assert!(matches!(measure(&reading(&MASSES, &status(STATUS_SPEED))), Ok(Some(_))));
    let mut bus = Mock::new(&[write(&[0xD2, 0x06]), read(&status(STATUS_SPEED | STATUS_LASER))]);
    let found = run(Sps30::new(&mut bus).status());
    bus.done();
    assert_eq!(found, Some(Ok(STATUS_SPEED | STATUS_LASER)));
}

#[test]
fn what_cannot_be_a_concentration_is_out_of_range() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.1, 1000.1, f32::MAX] {
        let [a, b, c, d] = value.to_be_bytes();
        let pair = [word(u16::from_be_bytes([a, b])), word(u16::from_be_bytes([c, d]))].concat();
        for place in [0, 6, 18] {
            let mut masses = MASSES;
            masses[place..place + 6].copy_from_slice(&pair);
            assert_eq!(measure(&reading(&masses, &STATUS_GOOD)), Err(Error::Range), "{value} at {place}");
        }
    }
}

#[test]
fn crc_of_the_data_sheet() {
    assert_eq!(crc8([0xBE, 0xEF]), 0x92);
}

proptest! {
    #[test]
    fn crc_is_the_rest_of_a_long_division(word: u16) {
        // The definition: the word with its first bits inverted by the start value, times x^8, modulo x^8+x^5+x^4+1.
        let mut dividend = u32::from(word ^ 0xFF00) << 8;
        for bit in (8..24).rev() {
            if dividend >> bit & 1 != 0 {
                dividend ^= 0x131 << (bit - 8);
            }
        }
        prop_assert_eq!(u32::from(crc8(word.to_be_bytes())), dividend);
    }

    #[test]
    fn concentrations_are_within_half_a_step(value in 0.0_f32..=1000.0) {
        let dugm3 = dugm3(value).expect("within the range");
        prop_assert!((f64::from(dugm3) / 10.0 - f64::from(value)).abs() <= 0.0501);
    }

    #[test]
    fn no_float_becomes_a_value_out_of_range(bits: u32) {
        let value = f32::from_bits(bits);
        prop_assert_eq!(dugm3(value).is_some(), (0.0..=1000.0).contains(&value));
        prop_assert!(dugm3(value).is_none_or(|dugm3| dugm3 <= 10_000));
    }

    #[test]
    fn any_bytes_end_as_a_value_or_a_failure(masses: [u8; 24], status: [u8; 6], repair: bool) {
        let mut masses = masses;
        let mut status = status;
        if repair {
            for word in masses.chunks_exact_mut(3).chain(status.chunks_exact_mut(3)) {
                word[2] = crc8([word[0], word[1]]);
            }
        }
        let mut steps = reading(&masses, &status);
        if masses.chunks_exact(3).any(|word| crc8([word[0], word[1]]) != word[2]) {
            steps.truncate(4);
        }
        if let Ok(Some(mass)) = measure(&steps) {
            prop_assert!(mass.pm1_dugm3 <= 10_000 && mass.pm25_dugm3 <= 10_000 && mass.pm10_dugm3 <= 10_000);
        }
    }
}
