//! ADS1115: what goes over the bus, all of it, and what a failing bus or part comes to.

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::delay::NoopDelay;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use proptest::prelude::*;
use tournee_drivers::Error;
use tournee_drivers::ads1115::{ADDRESS, Ads1115, FullScale, Input, microvolts};
use tournee_drivers::blocking::run;

const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);

/// AIN0 against ground, ±2.048 V, single shot, 128 SPS, no comparator: the part's power-on setting but for the input.
const AIN0_2V048: u16 = 0xC583;
const POWER_ON: u16 = 0x8583;

fn converting(config: u16, states: &[u16]) -> Vec<Transaction> {
    let [hi, lo] = config.to_be_bytes();
    let mut steps = vec![Transaction::write(ADDRESS, vec![0x01, hi, lo])];
    steps.extend(states.iter().map(|state| Transaction::write_read(ADDRESS, vec![0x01], state.to_be_bytes().to_vec())));
    steps
}

fn result(raw: i16) -> Transaction {
    Transaction::write_read(ADDRESS, vec![0x00], raw.to_be_bytes().to_vec())
}

fn whole(config: u16, raw: i16) -> Vec<Transaction> {
    let mut steps = converting(config, &[config & 0x7FFF, config]);
    steps.push(result(raw));
    steps
}

fn convert(steps: &[Transaction], input: Input, full_scale: Option<FullScale>) -> Result<i32, Error<ErrorKind>> {
    let mut bus = Mock::new(steps);
    let mut part = Ads1115::new(&mut bus);
    if let Some(full_scale) = full_scale {
        part.set_full_scale(input, full_scale);
    }
    let result = run(part.read_uv(input, &mut NoopDelay::new())).expect("the mock never waits");
    bus.done();
    result
}

#[test]
fn converts_each_input_at_its_own_range() {
    // Data sheet, "Config Register": MUX 100b on, PGA 000b on.
    let inputs = [(Input::Ain0, 0x4000), (Input::Ain1, 0x5000), (Input::Ain2, 0x6000), (Input::Ain3, 0x7000)];
    let scales = [
        (FullScale::V6144, 0x0000, 1_500_000),
        (FullScale::V4096, 0x0200, 1_000_000),
        (FullScale::V2048, 0x0400, 500_000),
        (FullScale::V1024, 0x0600, 250_000),
        (FullScale::V0512, 0x0800, 125_000),
        (FullScale::V0256, 0x0A00, 62_500),
    ];
    for (input, mux) in inputs {
        for (full_scale, pga, uv) in scales {
            let config = 0x8183 | mux | pga;
            assert_eq!(convert(&whole(config, 8000), input, Some(full_scale)), Ok(uv), "{input:?} {full_scale:?}");
        }
    }
    assert_eq!(convert(&whole(AIN0_2V048, -16), Input::Ain0, None), Ok(-1000));
}

#[test]
fn a_range_holds_for_one_input_only() {
    let mut steps = whole(0x8183 | 0x4000, 1000);
    steps.extend(whole(0x8583 | 0x5000, 1000));
    let mut bus = Mock::new(&steps);
    let mut part = Ads1115::new(&mut bus);
    part.set_full_scale(Input::Ain0, FullScale::V6144);
    let mut delay = NoopDelay::new();
    assert_eq!(run(part.read_uv(Input::Ain0, &mut delay)), Some(Ok(187_500)));
    assert_eq!(run(part.read_uv(Input::Ain1, &mut delay)), Some(Ok(62_500)));
    bus.done();
}

#[test]
fn a_bus_that_fails_at_any_step_ends_there() {
    let good = whole(AIN0_2V048, 1000);
    for step in 0..good.len() {
        let mut steps = good[..=step].to_vec();
        steps[step] = good[step].clone().with_error(NACK);
        assert_eq!(convert(&steps, Input::Ain0, None), Err(Error::Bus(NACK)), "step {step}");
    }
}

#[test]
fn a_conversion_that_does_not_end_is_given_up() {
    let steps = converting(AIN0_2V048, &[AIN0_2V048 & 0x7FFF; 5]);
    assert_eq!(convert(&steps, Input::Ain0, None), Err(Error::Internal(0x4583)));
}

#[test]
fn a_part_that_was_reset_gives_no_value() {
    assert_eq!(convert(&converting(AIN0_2V048, &[POWER_ON]), Input::Ain0, None), Err(Error::Restarted));
    assert_eq!(convert(&converting(AIN0_2V048, &[0xFFFF]), Input::Ain0, None), Err(Error::Restarted));
}

#[test]
fn the_ends_of_the_range_are_no_values() {
    for raw in [i16::MAX, i16::MIN] {
        assert_eq!(convert(&whole(AIN0_2V048, raw), Input::Ain0, None), Err(Error::Range));
    }
    assert_eq!(convert(&whole(AIN0_2V048, i16::MAX - 1), Input::Ain0, None), Ok(2_047_875));
}

proptest! {
    #[test]
    fn microvolts_are_exact_to_half_of_one(raw: i16, scale in 0..6_usize) {
        // Steps in nV, of the data sheet's table of full-scale ranges.
        let (full_scale, step_nv) = [
            (FullScale::V6144, 187_500.0),
            (FullScale::V4096, 125_000.0),
            (FullScale::V2048, 62_500.0),
            (FullScale::V1024, 31_250.0),
            (FullScale::V0512, 15_625.0),
            (FullScale::V0256, 7_812.5),
        ][scale];
        let exact_uv: f64 = f64::from(raw) * step_nv / 1000.0;
        prop_assert_eq!(f64::from(microvolts(raw, full_scale)), exact_uv.round());
    }
}
