//! SCD41: what goes over the bus, all of it, and what a failing bus or part comes to.

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::delay::NoopDelay;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use proptest::prelude::*;
use tournee_drivers::Error;
use tournee_drivers::blocking::run;
use tournee_drivers::scd41::{ADDRESS, Co2Reading, DEFAULT_PRESSURE_HPA, Scd41, pressure_hpa, rh_cpct, temp_cdegc};
use tournee_drivers::sps30::{TRIES, crc8};

const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);

// The examples of the data sheet: serial number; 500 ppm, 25 °C, 37 %; 98 700 Pa.
const SERIAL: [u8; 9] = [0xF8, 0x96, 0x31, 0x9F, 0x07, 0xC2, 0x3B, 0xBE, 0x89];
const MEASUREMENT: [u8; 9] = [0x01, 0xF4, 0x33, 0x66, 0x67, 0xA2, 0x5E, 0xB9, 0x3C];
const SET_98700_PA: [u8; 5] = [0xE0, 0x00, 0x03, 0xDB, 0x42];

const SET_1012_HPA: [u8; 5] = [0xE0, 0x00, 0x03, 0xF4, 0xEA];
const IS_1012_HPA: [u8; 3] = [0x03, 0xF4, 0xEA];
const IS_1013_HPA: [u8; 3] = [0x03, 0xF5, 0xDB];
const READY: [u8; 3] = [0x80, 0x06, 0x04];
const NOT_READY: [u8; 3] = [0x80, 0x00, 0xA2];

fn write(bytes: &[u8]) -> Transaction {
    Transaction::write(ADDRESS, bytes.to_vec())
}

fn read(bytes: &[u8]) -> Transaction {
    Transaction::read(ADDRESS, bytes.to_vec())
}

fn starting(pressure: &[u8]) -> Vec<Transaction> {
    vec![
        write(&[0x36, 0xF6]),
        write(&[0x3F, 0x86]),
        write(&[0x36, 0x46]),
        write(&[0x36, 0x82]),
        read(&SERIAL),
        write(pressure),
        write(&[0x21, 0xB1]),
    ]
}

fn reading(measurement: &[u8]) -> Vec<Transaction> {
    vec![write(&[0xE4, 0xB8]), read(&READY), write(&[0xEC, 0x05]), read(measurement)]
}

fn with<T>(steps: &[Transaction], call: impl AsyncFnOnce(&mut Scd41<&mut Mock>) -> T) -> T {
    let mut bus = Mock::new(steps);
    let result = run(call(&mut Scd41::new(&mut bus))).expect("the mock never waits");
    bus.done();
    result
}

fn start(steps: &[Transaction]) -> Result<(), Error<ErrorKind>> {
    with(steps, async |part| part.start(&mut NoopDelay::new()).await)
}

fn measure(steps: &[Transaction]) -> Result<Option<Co2Reading>, Error<ErrorKind>> {
    with(steps, async |part| part.read().await)
}

#[test]
fn starts_from_any_state() {
    assert_eq!(start(&starting(&SET_1012_HPA)), Ok(()));
    let mut steps = starting(&SET_1012_HPA);
    for step in [0, 1] {
        steps[step] = steps[step].clone().with_error(NACK);
    }
    assert_eq!(start(&steps), Ok(()), "asleep, or idle");
}

#[test]
fn a_bus_that_fails_at_any_step_ends_there() {
    let good = starting(&SET_1012_HPA);
    for step in 0..good.len() {
        let mut steps = good[..=step].to_vec();
        steps[step] = good[step].clone().with_error(ErrorKind::ArbitrationLoss);
        assert_eq!(start(&steps), Err(Error::Bus(ErrorKind::ArbitrationLoss)), "step {step}");
    }
    // A refusal ends it from the third step on; a read is tried again first.
    for step in 2..good.len() {
        let tries = if step == 4 { TRIES } else { 1 };
        let mut steps = good[..step].to_vec();
        steps.extend(vec![good[step].clone().with_error(NACK); tries]);
        assert_eq!(start(&steps), Err(Error::Bus(NACK)), "step {step}");
    }
    let good = reading(&MEASUREMENT);
    for step in 0..good.len() {
        let tries = if step % 2 == 1 { TRIES } else { 1 };
        let mut steps = good[..step].to_vec();
        steps.extend(vec![good[step].clone().with_error(NACK); tries]);
        assert_eq!(measure(&steps), Err(Error::Bus(NACK)), "step {step}");
    }
}

#[test]
fn a_serial_number_of_zero_is_no_part() {
    let mut steps = starting(&SET_1012_HPA)[..5].to_vec();
    steps[4] = read(&[0x00, 0x00, 0x81].repeat(3));
    assert_eq!(start(&steps), Err(Error::Identity(0)));
    // All ones is what nobody drives: its check bytes are wrong.
    steps[4] = read(&[0xFF; 9]);
    assert_eq!(start(&steps), Err(Error::Checksum));
}

#[test]
fn reads_the_measurement_of_the_data_sheet() {
    let expected = Co2Reading { ppm: 500, temp_cdegc: 2500, rh_cpct: 3700 };
    assert_eq!(measure(&reading(&MEASUREMENT)), Ok(Some(expected)));
}

#[test]
fn nothing_new_is_no_value() {
    assert_eq!(measure(&[write(&[0xE4, 0xB8]), read(&NOT_READY)]), Ok(None));
}

#[test]
fn a_part_at_work_is_asked_again() {
    let mut steps = reading(&MEASUREMENT);
    steps.insert(3, read(&MEASUREMENT).with_error(NACK));
    steps.insert(1, read(&READY).with_error(NACK));
    assert!(matches!(measure(&steps), Ok(Some(_))));
}

#[test]
fn one_wrong_bit_anywhere_is_no_value() {
    for bit in 0..MEASUREMENT.len() * 8 {
        let mut measurement = MEASUREMENT;
        measurement[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(measure(&reading(&measurement)), Err(Error::Checksum), "bit {bit}");
    }
}

#[test]
fn no_air_has_none_or_more_than_the_part_can_say() {
    // 40 001 ppm.
    for co2 in [[0x00, 0x00, 0x81], [0x9C, 0x41, crc8([0x9C, 0x41])]] {
        let mut measurement = MEASUREMENT;
        measurement[..3].copy_from_slice(&co2);
        assert_eq!(measure(&reading(&measurement)), Err(Error::Range));
    }
}

#[test]
fn sets_the_pressure_of_the_data_sheet_and_keeps_it_over_a_start() {
    let mut steps = vec![write(&SET_98700_PA)];
    steps.extend(starting(&SET_98700_PA));
    let result = with(&steps, async |part| {
        part.set_pressure(98_700).await?;
        part.start(&mut NoopDelay::new()).await
    });
    assert_eq!(result, Ok(()));
}

#[test]
fn refuses_pressures_that_the_part_does_not_take() {
    for pressure_pa in [0, 69_999, 120_001, u32::MAX] {
        assert_eq!(with(&[], async |part| part.set_pressure(pressure_pa).await), Err(Error::Range));
    }
}

#[test]
fn a_lost_pressure_is_a_restart() {
    let ask = write(&[0xE0, 0x00]);
    for (answer, restarted) in [(IS_1012_HPA, false), (IS_1013_HPA, true)] {
        let mut steps = starting(&SET_1012_HPA);
        steps.extend([ask.clone(), read(&answer)]);
        let found = with(&steps, async |part| {
            part.start(&mut NoopDelay::new()).await?;
            part.is_restarted().await
        });
        assert_eq!(found, Ok(restarted));
    }
    assert_eq!(with(&[ask, read(&[0x03, 0xF5, 0xDC])], async |part| part.is_restarted().await), Err(Error::Checksum));
}

#[test]
fn a_part_at_work_on_its_pressure_is_asked_again_but_not_for_ever() {
    let refused = write(&[0xE4, 0xB8]).with_error(NACK);
    let mut steps = vec![write(&SET_98700_PA)];
    steps.extend(vec![refused.clone(); TRIES - 1]);
    steps.extend(reading(&MEASUREMENT));
    let result = with(&steps, async |part| {
        part.set_pressure(98_700).await?;
        part.read().await
    });
    assert!(matches!(result, Ok(Some(_))));
    let mut steps = vec![write(&SET_98700_PA)];
    steps.extend(vec![refused.clone(); TRIES]);
    // It has had its time: from now on one refusal is enough.
    steps.push(refused);
    with(&steps, async |part| {
        part.set_pressure(98_700).await.unwrap();
        assert_eq!(part.read().await, Err(Error::Bus(NACK)));
        assert_eq!(part.read().await, Err(Error::Bus(NACK)));
    });
}

#[test]
fn after_a_write_that_failed_either_pressure_may_hold() {
    let ask = write(&[0xE0, 0x00]);
    let is_98700_pa = [0x03, 0xDB, 0x42];
    let steps = [
        write(&SET_98700_PA).with_error(ErrorKind::Bus),
        ask.clone(),
        read(&IS_1012_HPA),
        ask.clone(),
        read(&is_98700_pa),
        ask.clone(),
        read(&IS_1013_HPA),
        write(&SET_98700_PA),
        ask,
        read(&IS_1012_HPA),
    ];
    with(&steps, async |part| {
        assert_eq!(part.set_pressure(98_700).await, Err(Error::Bus(ErrorKind::Bus)));
        assert_eq!(part.is_restarted().await, Ok(false));
        assert_eq!(part.is_restarted().await, Ok(false));
        assert_eq!(part.is_restarted().await, Ok(true));
        assert_eq!(part.set_pressure(98_700).await, Ok(()));
        assert_eq!(part.is_restarted().await, Ok(true), "the old one is no longer right");
    });
}

#[test]
fn the_pressure_of_power_on_is_never_written() {
    for pressure_pa in 70_000..=120_000 {
        let hpa = pressure_hpa(pressure_pa).expect("within the range");
        assert_ne!(hpa, DEFAULT_PRESSURE_HPA);
        assert!((u32::from(hpa) * 100).abs_diff(pressure_pa) <= 100);
    }
    assert_eq!(pressure_hpa(101_299), Some(1012));
    assert_eq!(pressure_hpa(101_300), Some(1014));
}

proptest! {
    #[test]
    fn temperature_and_humidity_follow_the_formulas_of_the_data_sheet(raw: u16) {
        let part = f64::from(raw) / 65_535.0;
        prop_assert!((f64::from(temp_cdegc(raw)) - 100.0 * (-45.0 + 175.0 * part)).abs() <= 0.5 + 1e-9);
        prop_assert!((f64::from(rh_cpct(raw)) - 10_000.0 * part).abs() <= 0.5 + 1e-9);
        prop_assert!(rh_cpct(raw) <= 10_000);
    }
}
