//! BME280: the data sheet's example as registers, all that goes over the bus, what a failing bus or part comes to, and the
//! formulas against the data sheet's other form of them and against another driver.

use std::convert::Infallible;

use embedded_hal::i2c::{ErrorKind, ErrorType, NoAcknowledgeSource, Operation};
use embedded_hal_mock::eh1::delay::NoopDelay;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use proptest::prelude::*;
use tournee_drivers::Error;
use tournee_drivers::blocking::run;
use tournee_drivers::bme280::{ADDRESS, Bme280, ClimateReading, Trimming};

const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);

// Registers 0x88 on. T1 to T3 and P1 to P9 of Bosch's worked example (BMP280 data sheet, section 3.12: the same formulas
// and the same registers); H1 75.
const LOW: [u8; 26] = [
    0x70, 0x6B, 0x43, 0x67, 0x18, 0xFC, 0x7D, 0x8E, 0x43, 0xD6, 0xD0, 0x0B, 0x27, 0x0B, 0x8C, 0x00, 0xF9, 0xFF, 0x8C,
    0x3C, 0xF8, 0xC6, 0x70, 0x17, 0x00, 0x4B,
];
// Registers 0xE1 on. H2 370, H3 0, H4 313, H5 50, H6 30, as such parts have them; the example has no humidity.
const HIGH: [u8; 7] = [0x72, 0x01, 0x00, 0x13, 0x29, 0x03, 0x1E];
// The example's adc_P 415148 and adc_T 519888; adc_H 28000.
const DATA: [u8; 8] = [0x65, 0x5A, 0xC0, 0x7E, 0xED, 0x00, 0x6D, 0x60];
const AFTER_RESET: [u8; 8] = [0x80, 0x00, 0x00, 0x80, 0x00, 0x00, 0x80, 0x00];

/// The example's results, 25.08 °C and 100653.27 Pa; the humidity by the data sheet's floating-point form is 44.822 %.
const EXAMPLE: ClimateReading = ClimateReading { temp_cdegc: 2508, rh_cpct: 4482, pressure_pa: 100_653 };

fn write(register: u8, value: u8) -> Transaction {
    Transaction::write(ADDRESS, vec![register, value])
}

fn read(register: u8, bytes: &[u8]) -> Transaction {
    Transaction::write_read(ADDRESS, vec![register], bytes.to_vec())
}

fn starting() -> Vec<Transaction> {
    vec![
        read(0xD0, &[0x60]),
        write(0xE0, 0xB6),
        read(0xF3, &[0x01]),
        read(0xF3, &[0x00]),
        read(0x88, &LOW),
        read(0xE1, &HIGH),
        write(0xF5, 0x00),
        write(0xF2, 0x01),
    ]
}

fn reading(data: &[u8], ctrl_hum: u8) -> Vec<Transaction> {
    vec![write(0xF4, 0x25), read(0xF3, &[0x08]), read(0xF3, &[0x00]), read(0xF7, data), read(0xF2, &[ctrl_hum])]
}

fn with<T>(steps: &[Transaction], call: impl AsyncFnOnce(&mut Bme280<&mut Mock>, &mut NoopDelay) -> T) -> T {
    let mut bus = Mock::new(steps);
    let result = run(call(&mut Bme280::new(&mut bus), &mut NoopDelay::new())).expect("the mock never waits");
    bus.done();
    result
}

fn start(steps: &[Transaction]) -> Result<(), Error<ErrorKind>> {
    with(steps, async |part, delay| part.start(delay).await)
}

fn started(steps: &[Transaction]) -> Result<ClimateReading, Error<ErrorKind>> {
    let steps = [starting(), steps.to_vec()].concat();
    with(&steps, async |part, delay| {
        part.start(delay).await.expect("these steps are right");
        part.read(delay).await
    })
}

#[test]
fn measures_the_example_of_the_data_sheet() {
    assert_eq!(started(&reading(&DATA, 0x01)), Ok(EXAMPLE));
}

#[test]
fn a_bus_that_fails_at_any_step_ends_there() {
    let good = starting();
    for step in 0..good.len() {
        let mut steps = good[..=step].to_vec();
        steps[step] = good[step].clone().with_error(NACK);
        assert_eq!(start(&steps), Err(Error::Bus(NACK)), "step {step}");
    }
    let good = reading(&DATA, 0x01);
    for step in 0..good.len() {
        let mut steps = good[..=step].to_vec();
        steps[step] = good[step].clone().with_error(NACK);
        assert_eq!(started(&steps), Err(Error::Bus(NACK)), "step {step}");
    }
}

#[test]
fn another_part_is_named_and_left_alone() {
    // The BMP280, which has no humidity.
    assert_eq!(start(&[read(0xD0, &[0x58])]), Err(Error::Identity(0x58)));
}

#[test]
fn a_start_up_or_a_measurement_that_does_not_end_is_given_up() {
    let mut steps = starting()[..2].to_vec();
    steps.extend(vec![read(0xF3, &[0x01]); 11]);
    assert_eq!(start(&steps), Err(Error::Internal(0x01)));
    let mut steps = reading(&DATA, 0x01)[..1].to_vec();
    steps.extend(vec![read(0xF3, &[0x08]); 11]);
    assert_eq!(started(&steps), Err(Error::Internal(0x08)));
}

#[test]
fn a_part_that_was_reset_gives_no_value() {
    assert_eq!(started(&reading(&AFTER_RESET, 0x00)), Err(Error::Restarted));
    assert_eq!(started(&reading(&DATA, 0x00)), Err(Error::Restarted), "reset after the measurement");
    assert_eq!(started(&reading(&AFTER_RESET, 0x01)), Err(Error::Restarted), "no measurement was made");
}

#[test]
fn a_value_that_only_looks_like_a_reset_is_a_value() {
    // adc_T 0x80000 is 26.49 °C with this trimming.
    let mut data = DATA;
    data[3..6].copy_from_slice(&[0x80, 0x00, 0x00]);
    assert!(matches!(started(&reading(&data, 0x01)), Ok(ClimateReading { temp_cdegc: 2640..=2660, .. })));
    let mut data = DATA;
    data[6..8].copy_from_slice(&[0x80, 0x00]);
    assert!(matches!(started(&reading(&data, 0x01)), Ok(ClimateReading { rh_cpct: 7180..=7200, .. })));
}

#[test]
fn trimming_that_no_part_has_is_refused() {
    for byte in [0x00, 0xFF] {
        let mut steps = starting()[..6].to_vec();
        steps[4] = read(0x88, &[byte; 26]);
        steps[5] = read(0xE1, &[byte; 7]);
        assert_eq!(start(&steps), Err(Error::Range));
    }
}

#[test]
fn a_part_that_was_never_started_gives_no_value() {
    let steps = reading(&DATA, 0x01);
    assert_eq!(with(&steps, async |part, delay| part.read(delay).await), Err(Error::Range));
}

#[test]
fn weather_that_no_part_can_stand_is_no_value() {
    // All ones, all zeros: temperature, then pressure, out of range.
    for data in [[0xFF; 8], [0x00; 8], [0x00, 0x00, 0x00, 0x7E, 0xED, 0x00, 0x6D, 0x60]] {
        assert_eq!(started(&reading(&data, 0x01)), Err(Error::Range));
    }
}

/// The data sheet's floating-point form (section 8.1), °C, % and Pa.
fn in_floating_point(trimming: &Trimming, adc_p: u32, adc_t: u32, adc_h: u16) -> (f64, f64, f64) {
    let of = |word: i16| f64::from(word);
    let (adc_p, adc_t, adc_h) = (f64::from(adc_p), f64::from(adc_t), f64::from(adc_h));
    let t1 = f64::from(trimming.t1);
    let fine = (adc_t / 16_384.0 - t1 / 1024.0) * of(trimming.t2)
        + (adc_t / 131_072.0 - t1 / 8192.0).powi(2) * of(trimming.t3);

    let x = fine / 2.0 - 64_000.0;
    let offset = (x * x * of(trimming.p6) / 32_768.0 + x * of(trimming.p5) * 2.0) / 4.0 + of(trimming.p4) * 65_536.0;
    let gain = (of(trimming.p3) * x * x / 524_288.0 + of(trimming.p2) * x) / 524_288.0;
    let gain = (1.0 + gain / 32_768.0) * f64::from(trimming.p1);
    let p = (1_048_576.0 - adc_p - offset / 4096.0) * 6250.0 / gain;
    let pressure =
        p + (of(trimming.p9) * p * p / 2_147_483_648.0 + p * of(trimming.p8) / 32_768.0 + of(trimming.p7)) / 16.0;

    let y = fine - 76_800.0;
    let (h1, h3, h6) = (f64::from(trimming.h1), f64::from(trimming.h3), f64::from(trimming.h6));
    let curve = 1.0 + h6 / 67_108_864.0 * y * (1.0 + h3 / 67_108_864.0 * y);
    let h = (adc_h - (of(trimming.h4) * 64.0 + of(trimming.h5) / 16_384.0 * y)) * of(trimming.h2) / 65_536.0 * curve;
    (fine / 5120.0, (h * (1.0 - h1 * h / 524_288.0)).clamp(0.0, 100.0), pressure)
}

/// Registers that answer whoever asks; what is written to them is not kept.
struct Registers([u8; 256]);

impl ErrorType for Registers {
    type Error = Infallible;
}

impl embedded_hal_async::i2c::I2c for Registers {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Infallible> {
        assert_eq!(address, ADDRESS);
        let mut from = 0;
        for operation in operations {
            match operation {
                Operation::Write(bytes) => from = usize::from(bytes[0]),
                Operation::Read(buffer) => buffer.copy_from_slice(&self.0[from..from + buffer.len()]),
            }
        }
        Ok(())
    }
}

fn registers(low: &[u8; 26], high: &[u8; 7], data: &[u8; 8]) -> Registers {
    let mut registers = [0; 256];
    registers[0xD0] = 0x60;
    registers[0xF2] = 0x01;
    registers[0x88..0x88 + 26].copy_from_slice(low);
    registers[0xE1..0xE1 + 7].copy_from_slice(high);
    registers[0xF7..0xF7 + 8].copy_from_slice(data);
    Registers(registers)
}

proptest! {
    #[test]
    fn the_formulas_agree_with_their_floating_point_form_and_with_another_driver(
        // Trimming around the example's, as parts differ from each other.
        parts in proptest::array::uniform16(-0.03_f64..0.03),
        adc_t in 400_000_u32..640_000,
        adc_p in 370_000_u32..700_000,
        adc_h in 15_000_u16..45_000,
    ) {
        let example = Trimming::from_registers(&LOW, &HIGH);
        let words = [
            f64::from(example.t1), f64::from(example.t2), f64::from(example.t3), f64::from(example.p1),
            f64::from(example.p2), f64::from(example.p3), f64::from(example.p4), f64::from(example.p5),
            f64::from(example.p6), f64::from(example.p7), f64::from(example.p8), f64::from(example.p9),
        ];
        let mut low = LOW;
        for ((to, word), part) in low.chunks_exact_mut(2).zip(words).zip(parts) {
            // The low half of the integer: the same for the signed and the unsigned words.
            to.copy_from_slice(&((word * (1.0 + part)) as i32 as u16).to_le_bytes());
        }
        let mut high = HIGH;
        high[3] = (f64::from(HIGH[3]) * (1.0 + 3.0 * parts[12])) as u8;
        high[5] = (f64::from(HIGH[5]) * (1.0 + 10.0 * parts[13])) as u8;
        high[2] = (parts[14].abs() * 100.0) as u8;
        let data = {
            let [_, p2, p1, p0] = (adc_p << 4).to_be_bytes();
            let [_, t2, t1, t0] = (adc_t << 4).to_be_bytes();
            let [h1, h0] = adc_h.to_be_bytes();
            [p2, p1, p0, t2, t1, t0, h1, h0]
        };
        let trimming = Trimming::from_registers(&low, &high);
        let (temp_degc, rh_pct, pressure_pa) = in_floating_point(&trimming, adc_p, adc_t, adc_h);

        let mut part = Bme280::new(registers(&low, &high, &data));
        let mut delay = NoopDelay::new();
        let found = run(async {
            part.start(&mut delay).await.expect("a part that answers");
            part.read(&mut delay).await
        }).expect("the registers never wait");
        let Ok(reading) = found else {
            prop_assert_eq!(found, Err(Error::Range));
            let inside = (-39.98..=84.98).contains(&temp_degc) && (30_002.0..=109_998.0).contains(&pressure_pa);
            prop_assert!(!inside, "{temp_degc} °C, {pressure_pa} Pa");
            return Ok(());
        };
        prop_assert!((f64::from(reading.temp_cdegc) - 100.0 * temp_degc).abs() < 1.1, "{reading:?} {temp_degc}");
        prop_assert!((f64::from(reading.pressure_pa) - pressure_pa).abs() < 1.6, "{reading:?} {pressure_pa}");
        prop_assert!((f64::from(reading.rh_cpct) - 100.0 * rh_pct).abs() < 8.0, "{reading:?} {rh_pct}");

        let mut other = bme280_rs::AsyncBme280::new(part.release(), NoopDelay::new());
        let sample = run(async {
            other.init().await?;
            other.read_sample().await
        }).expect("the registers never wait").expect("and never fail");
        // It takes a raw value of 0x80000 or 0x8000 for none.
        for (ours, theirs, least) in [
            (f64::from(reading.temp_cdegc), sample.temperature.map(|degc| f64::from(degc) * 100.0), 0.01),
            (f64::from(reading.pressure_pa), sample.pressure.map(f64::from), 0.51),
            (f64::from(reading.rh_cpct), sample.humidity.map(|pct| f64::from(pct) * 100.0), 0.51),
        ] {
            prop_assert!(theirs.is_none_or(|theirs| (ours - theirs).abs() <= least), "{ours} {theirs:?}");
        }
    }

    #[test]
    fn any_trimming_and_any_data_end_as_a_reading_in_range_or_none(
        low: [u8; 26], high: [u8; 7], adc_p in 0_u32..1 << 20, adc_t in 0_u32..1 << 20, adc_h: u16,
    ) {
        if let Some(reading) = Trimming::from_registers(&low, &high).reading(adc_p, adc_t, adc_h) {
            prop_assert!((-4000..=8500).contains(&reading.temp_cdegc));
            prop_assert!((30_000..=110_000).contains(&reading.pressure_pa));
            prop_assert!(reading.rh_cpct <= 10_000);
        }
    }
}
