//! Each part alone, byte by byte: the transactions of the data sheets, states after power-on, busy times, refusals.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::unusual_byte_groupings, reason = "grouped by the fields of the register")]

use proptest::prelude::*;
use tournee_devices::ads1115::Ads1115;
use tournee_devices::bme280::{Bme280, Climate};
use tournee_devices::bmi323::Bmi323;
use tournee_devices::scd41::{Air, Scd41};
use tournee_devices::sps30::{Particles, Sps30};
use tournee_devices::{I2cDevice, Nack};

const SECOND_US: u64 = 1_000_000;

fn read<const N: usize>(part: &mut impl I2cDevice, now_us: u64) -> Result<[u8; N], Nack> {
    let mut buffer = [0; N];
    part.read(now_us, &mut buffer)?;
    Ok(buffer)
}

fn particles() -> Particles {
    Particles { mass_ugm3: [1.5, 2.5, 4.0, 1000.0], number_pcm3: [10.0, 11.0, 12.0, 13.0, 14.0], typical_um: 0.5 }
}

#[test]
fn sps30_measures_once_a_second_in_floats() {
    let mut part = Sps30::new("ABCD");
    part.set_particles(particles());
    // Idle after power-on: nothing to read, and no error that would show it.
    part.write(0, &[0x02, 0x02]).unwrap();
    assert_eq!(read(&mut part, 0), Ok([0x00, 0x00, 0x81]));
    assert_eq!(part.write(0, &[0x03, 0x00]), Err(Nack::Data));
    assert_eq!(part.write(0, &[0x01, 0x04]), Err(Nack::Data));
    // The sheet's own bytes for a start in float format.
    part.write(0, &[0x00, 0x10, 0x03, 0x00, 0xAC]).unwrap();
    assert_eq!(part.write(19_999, &[0x02, 0x02]), Err(Nack::Address), "it is busy for 20 ms");
    part.write(20_000, &[0x02, 0x02]).unwrap();
    assert_eq!(read(&mut part, 20_000), Ok([0x00, 0x00, 0x81]));
    part.write(SECOND_US, &[0x02, 0x02]).unwrap();
    assert_eq!(read(&mut part, SECOND_US), Ok([0x00, 0x01, 0xB0]));
    part.write(SECOND_US, &[0x03, 0x00]).unwrap();
    let bytes: [u8; 60] = read(&mut part, SECOND_US).unwrap();
    // 1.5 is 0x3FC00000, 1000.0 is 0x447A0000.
    assert_eq!(bytes[0..2], [0x3F, 0xC0]);
    assert_eq!(bytes[3..5], [0x00, 0x00]);
    assert_eq!(bytes[5], 0x81);
    assert_eq!(bytes[18..20], [0x44, 0x7A]);
    part.write(SECOND_US, &[0x02, 0x02]).unwrap();
    assert_eq!(read(&mut part, SECOND_US), Ok([0x00, 0x00, 0x81]), "a read takes the flag down");
    // A restart is idle, and silent about it.
    part.power_cycle(2 * SECOND_US);
    assert_eq!(part.write(2 * SECOND_US, &[0x02, 0x02]), Err(Nack::Address));
    part.write(5 * SECOND_US, &[0x02, 0x02]).unwrap();
    assert_eq!(read(&mut part, 5 * SECOND_US), Ok([0x00, 0x00, 0x81]));
}

#[test]
fn sps30_integers_identity_status_and_refusals() {
    let mut part = Sps30::new("ABCD");
    part.set_particles(particles());
    assert_eq!(part.write(0, &[0x00, 0x10, 0x05, 0x00, 0xF7]), Err(Nack::Data), "wrong check byte");
    assert_eq!(part.write(0, &[0x00, 0x10, 0x04, 0x00, 0x3B]), Err(Nack::Data), "no such format");
    assert_eq!(part.write(0, &[0x12, 0x34]), Err(Nack::Data), "no such command");
    assert_eq!(part.write(0, &[0xD0]), Err(Nack::Data), "half a command");
    assert!(!part.is_measuring());
    part.write(0, &[0x00, 0x10, 0x05, 0x00, 0xF6]).unwrap();
    part.write(SECOND_US, &[0x03, 0x00]).unwrap();
    let bytes: [u8; 33] = read(&mut part, SECOND_US).unwrap();
    let words: Vec<u16> = bytes.chunks(3).map(|word| u16::from_be_bytes([word[0], word[1]])).collect();
    // The typical size in nm; beyond the ten words the line is released.
    assert_eq!(words, [2, 3, 4, 1000, 10, 11, 12, 13, 14, 500, 0xFFFF]);
    part.write(SECOND_US, &[0xD0, 0x02]).unwrap();
    let product: [u8; 12] = read(&mut part, SECOND_US).unwrap();
    let text: Vec<u8> = product.chunks(3).flat_map(|word| [word[0], word[1]]).collect();
    assert_eq!(text, *b"00080000");
    part.write(SECOND_US, &[0xD0, 0x33]).unwrap();
    let serial: [u8; 48] = read(&mut part, SECOND_US).unwrap();
    assert_eq!([serial[0], serial[1], serial[3], serial[4], serial[6]], *b"ABCD\0");
    part.raise_status(Sps30::STATUS_FAN | Sps30::STATUS_SPEED);
    part.write(SECOND_US, &[0xD2, 0x06]).unwrap();
    let status: [u8; 6] = read(&mut part, SECOND_US).unwrap();
    assert_eq!([status[0], status[1], status[3], status[4]], [0x00, 0x20, 0x00, 0x10]);
    part.write(SECOND_US, &[0xD2, 0x10]).unwrap();
    part.write(SECOND_US + 5_000, &[0xD2, 0x06]).unwrap();
    assert_eq!(read(&mut part, SECOND_US + 5_000), Ok([0, 0, 0x81, 0, 0, 0x81]));
}

#[test]
fn sps30_sleeps_and_needs_two_calls_to_wake() {
    let mut part = Sps30::new("");
    part.write(0, &[0x10, 0x01]).unwrap();
    assert_eq!(part.write(5_000, &[0x02, 0x02]), Err(Nack::Address));
    // That start condition has switched the interface on, but for 100 ms only.
    assert_eq!(part.write(105_000, &[0x11, 0x03]), Err(Nack::Address));
    part.write(106_000, &[0x11, 0x03]).unwrap();
    part.write(111_000, &[0x02, 0x02]).unwrap();
}

#[test]
fn scd41_measures_every_five_seconds() {
    let mut part = Scd41::new(0xF896_9F07_3BBE);
    part.set_air(Air { co2_ppm: 500, temp_cdegc: 2_500, rh_cpct: 3_700 });
    // The sheet's serial number, with its check bytes.
    part.write(0, &[0x36, 0x82]).unwrap();
    assert_eq!(read::<9>(&mut part, 999), Err(Nack::Address), "the command takes a millisecond");
    assert_eq!(read(&mut part, 1_000), Ok([0xF8, 0x96, 0x31, 0x9F, 0x07, 0xC2, 0x3B, 0xBE, 0x89]));
    part.write(2_000, &[0x21, 0xB1]).unwrap();
    let start_us = 2_000;
    for refused in [[0x36, 0x82], [0x21, 0xB1], [0x36, 0x46], [0x23, 0x18], [0x36, 0x15]] {
        assert_eq!(part.write(3_000, &refused), Err(Nack::Data), "{refused:?} while it measures");
    }
    part.write(start_us + 4_990_000, &[0xE4, 0xB8]).unwrap();
    assert_eq!(read(&mut part, start_us + 4_995_000), Ok([0x80, 0x00, 0xA2]));
    part.write(start_us + 4_996_000, &[0xEC, 0x05]).unwrap();
    assert_eq!(read::<9>(&mut part, start_us + 4_998_000), Err(Nack::Address), "nothing to read");
    let mut now_us = start_us + 5_000_000;
    part.write(now_us, &[0xE4, 0xB8]).unwrap();
    assert_eq!(read(&mut part, now_us + 1_000).map(|[high, low, _]: [u8; 3]| (high, low)), Ok((0x80, 0x06)));
    // The sheet's example: 500 ppm is 01 F4 33, 25 °C is 66 67 A2, 37 % is 5E B9 3C (rounded to the nearest here).
    now_us += 2_000;
    part.write(now_us, &[0xEC, 0x05]).unwrap();
    let [c0, c1, c2, t0, t1, t2, h0, h1, _] = read(&mut part, now_us + 1_000).unwrap();
    assert_eq!([c0, c1, c2], [0x01, 0xF4, 0x33]);
    assert_eq!([t0, t1, t2], [0x66, 0x66, 0x93]);
    assert_eq!([h0, h1], [0x5E, 0xB8]);
    // Read once, gone.
    now_us += 2_000;
    part.write(now_us, &[0xEC, 0x05]).unwrap();
    assert_eq!(read::<9>(&mut part, now_us + 1_000), Err(Nack::Address));
    // Stopping takes half a second, in which it does not answer.
    part.write(now_us + 2_000, &[0x3F, 0x86]).unwrap();
    assert_eq!(part.write(now_us + 501_999, &[0x36, 0x82]), Err(Nack::Address));
    part.write(now_us + 502_000, &[0x36, 0x82]).unwrap();
}

#[test]
fn scd41_pressure_is_volatile_and_settings_are_stored_only_when_told() {
    let mut part = Scd41::new(1);
    part.write(0, &[0xE0, 0x00]).unwrap();
    assert_eq!(read(&mut part, 1_000), Ok([0x03, 0xF5, 0xDB]), "1013 hPa by default");
    // The sheet's example: 987 hPa is 03 DB 42.
    assert_eq!(part.write(1_000, &[0xE0, 0x00, 0x03, 0xDB, 0x43]), Err(Nack::Data), "wrong check byte");
    assert_eq!(part.pressure_hpa(), 1_013);
    part.write(1_000, &[0x21, 0xB1]).unwrap();
    part.write(1_000, &[0xE0, 0x00, 0x03, 0xDB, 0x42]).unwrap();
    assert_eq!(part.pressure_hpa(), 987, "allowed while it measures");
    part.power_cycle(2_000);
    assert_eq!(part.write(31_999, &[0xE0, 0x00]), Err(Nack::Address));
    part.write(32_000, &[0xE0, 0x00]).unwrap();
    assert_eq!(read(&mut part, 33_000), Ok([0x03, 0xF5, 0xDB]));
    assert!(!part.is_measuring());
    // Altitude 1950 m is 07 9E 09 in the sheet; reinit forgets it, persist keeps it.
    let mut now_us = 40_000;
    for (persist, expected) in [(false, [0x00, 0x00, 0x81]), (true, [0x07, 0x9E, 0x09])] {
        part.write(now_us, &[0x24, 0x27, 0x07, 0x9E, 0x09]).unwrap();
        if persist {
            part.write(now_us + 1_000, &[0x36, 0x15]).unwrap();
        }
        part.write(now_us + 900_000, &[0x36, 0x46]).unwrap();
        part.write(now_us + 930_000, &[0x23, 0x22]).unwrap();
        assert_eq!(read(&mut part, now_us + 931_000), Ok(expected));
        now_us += 1_000_000;
    }
    part.write(now_us, &[0x36, 0xE0]).unwrap();
    assert_eq!(part.write(now_us + 2_000, &[0x36, 0x82]), Err(Nack::Address));
    assert_eq!(part.write(now_us + 3_000, &[0x36, 0xF6]), Err(Nack::Address), "never acknowledged");
    part.write(now_us + 33_000, &[0x36, 0x82]).unwrap();
}

/// The raw values of a burst read over all data registers.
fn bme280_raw(part: &mut Bme280, now_us: u64) -> (u32, u32, u32) {
    part.write(now_us, &[0xF7]).unwrap();
    let [p0, p1, p2, t0, t1, t2, h0, h1] = read(part, now_us).unwrap();
    let twenty = |a, b, c| u32::from_be_bytes([0, a, b, c]) >> 4;
    (twenty(p0, p1, p2), twenty(t0, t1, t2), u32::from(u16::from_be_bytes([h0, h1])))
}

#[test]
fn bme280_registers_and_forced_mode() {
    let mut part = Bme280::new();
    assert_eq!(bme280_raw(&mut part, 0), (0x80000, 0x80000, 0x8000), "no value after power-on");
    part.write(0, &[0xD0]).unwrap();
    assert_eq!(read(&mut part, 0), Ok([0x60]));
    part.write(0, &[0x88]).unwrap();
    let trimming: [u8; 26] = read(&mut part, 0).unwrap();
    assert_eq!(trimming[0..6], [0x70, 0x6B, 0x43, 0x67, 0x18, 0xFC], "27504, 26435, -1000");
    assert_eq!(trimming[22..26], [0x70, 0x17, 0x00, 75], "6000, reserved, dig_H1");
    part.write(0, &[0xE1]).unwrap();
    assert_eq!(read(&mut part, 0), Ok([0x6A, 0x01, 0, 324_u16.to_be_bytes()[1] >> 4 | 0x10, 0x24, 0x03, 30]));
    // Without a write to ctrl_meas the humidity setting has no effect; forced mode, everything once.
    part.set_climate(Climate { temp_cdegc: 2_508, rh_cpct: 4_500, pressure_pa: 100_653 });
    part.write(0, &[0xF2, 0x01, 0xF4, 0b001_001_01]).unwrap();
    part.write(0, &[0xF3]).unwrap();
    assert_eq!(read(&mut part, 9_299), Ok([0x08]), "it measures for 9.3 ms");
    assert_eq!(bme280_raw(&mut part, 9_299), (0x80000, 0x80000, 0x8000));
    part.write(9_300, &[0xF3]).unwrap();
    assert_eq!(read(&mut part, 9_300), Ok([0x00, 0b001_001_00]), "and sleeps again");
    // The maker's example to one step of the converter at 16 bits.
    let (pressure, temp, _) = bme280_raw(&mut part, 9_300);
    assert!(temp.abs_diff(519_888) <= 16 && temp.is_multiple_of(16), "{temp}");
    assert!(pressure.abs_diff(415_148) <= 32 && pressure.is_multiple_of(16), "{pressure}");
    // A new value only by a new measurement.
    part.set_climate(Climate { temp_cdegc: -1_000, rh_cpct: 4_500, pressure_pa: 100_653 });
    assert_eq!(bme280_raw(&mut part, SECOND_US).1, temp);
    // A soft reset forgets the settings and the values.
    part.write(SECOND_US, &[0xE0, 0xB6]).unwrap();
    part.write(SECOND_US, &[0xF3]).unwrap();
    assert_eq!(read(&mut part, SECOND_US), Ok([0x01]));
    part.write(SECOND_US, &[0xF2]).unwrap();
    assert_eq!(read(&mut part, SECOND_US + 2_000), Ok([0x00, 0x00, 0x00, 0x00]));
    assert_eq!(bme280_raw(&mut part, SECOND_US + 2_000), (0x80000, 0x80000, 0x8000));
    part.power_cycle(2 * SECOND_US);
    assert_eq!(part.write(2 * SECOND_US + 1_999, &[0xD0]), Err(Nack::Address));
}

#[test]
fn bme280_normal_mode_goes_on_and_the_filter_lags() {
    let mut part = Bme280::from_seed(7);
    part.set_climate(Climate { temp_cdegc: 2_000, rh_cpct: 4_500, pressure_pa: 100_000 });
    // Filter 4, standby 62.5 ms.
    part.write(0, &[0xF2, 0x01, 0xF5, 0b001_010_00, 0xF4, 0b001_001_11]).unwrap();
    let before = bme280_raw(&mut part, SECOND_US).1;
    part.set_climate(Climate { temp_cdegc: 3_000, rh_cpct: 4_500, pressure_pa: 100_000 });
    let one = bme280_raw(&mut part, SECOND_US + 71_800).1;
    let end = bme280_raw(&mut part, 20 * SECOND_US).1;
    assert!(before < one && one < end, "{before} {one} {end}");
    assert!((one - before).abs_diff((end - before) / 4) <= 2, "{before} {one} {end}");
    part.write(20 * SECOND_US, &[0xF4, 0]).unwrap();
    part.set_climate(Climate { temp_cdegc: 0, rh_cpct: 4_500, pressure_pa: 100_000 });
    assert_eq!(bme280_raw(&mut part, 40 * SECOND_US).1, end);
}

#[test]
fn ads1115_single_shot() {
    let mut part = Ads1115::new();
    let code = |part: &mut Ads1115, now_us| {
        part.write(now_us, &[0x00]).unwrap();
        read(part, now_us).map(i16::from_be_bytes)
    };
    part.write(0, &[0x01]).unwrap();
    assert_eq!(read(&mut part, 0), Ok([0x85, 0x83]), "power-on config");
    part.write(0, &[0x02]).unwrap();
    assert_eq!(read(&mut part, 0), Ok([0x80, 0x00]));
    part.write(0, &[0x03]).unwrap();
    assert_eq!(read(&mut part, 0), Ok([0x7F, 0xFF]));
    part.set_input_uv(0, 1_000_000);
    part.set_input_uv(1, 250_000);
    part.set_input_uv(2, -100);
    part.set_input_uv(3, 9_000_000);
    // AIN0 against ground, ±2.048 V, single shot, 128 per second.
    part.write(0, &[0x01, 0xC5, 0x83]).unwrap();
    part.write(0, &[0x01]).unwrap();
    assert_eq!(read(&mut part, 0), Ok([0x45, 0x83]), "OS is 0 while it converts");
    assert_eq!(code(&mut part, 8_000), Ok(0));
    part.write(8_620, &[0x01]).unwrap();
    assert_eq!(read(&mut part, 8_620), Ok([0xC5, 0x83]));
    assert_eq!(code(&mut part, 8_620), Ok(16_000), "62.5 µV a step");
    // A start during a conversion has no effect on it.
    part.write(20_000, &[0x01, 0xD5, 0x83]).unwrap();
    part.write(20_100, &[0x01, 0xE5, 0x83]).unwrap();
    assert_eq!(code(&mut part, 30_000), Ok(4_000), "AIN1");
    for (config, expected) in [
        ([0xE5, 0x83], -2),      // AIN2, half a step rounds up
        ([0xF1, 0x83], 32_767),  // AIN3 beyond ±6.144 V
        ([0x85, 0x83], 12_000),  // AIN0 - AIN1
        ([0x95, 0x83], -32_768), // AIN0 - AIN3
        ([0xCF, 0x83], 32_767),  // ±0.256 V
    ] {
        part.power_cycle(40_000);
        part.write(40_000, &[0x01, config[0], config[1]]).unwrap();
        assert_eq!(code(&mut part, 60_000), Ok(expected), "{config:02X?}");
    }
    part.power_cycle(60_000);
    assert_eq!(code(&mut part, 60_000), Ok(0));
    // Continuous: 860 per second, goes on by itself.
    part.write(60_000, &[0x01, 0x44, 0xE3]).unwrap();
    assert_eq!(code(&mut part, 70_000), Ok(16_000));
    part.set_input_uv(0, 500_000);
    assert_eq!(code(&mut part, 80_000), Ok(8_000));
}

fn bmi323_word(part: &mut Bmi323, now_us: u64, register: u8) -> u16 {
    part.write(now_us, &[register]).unwrap();
    let [_, _, low, high] = read(part, now_us).unwrap();
    u16::from_le_bytes([low, high])
}

/// 400 Hz, ±4 g, high performance; FIFO with acceleration.
fn bmi323_on(part: &mut Bmi323, now_us: u64) {
    part.write(now_us, &[0x20, 0x1A, 0x70]).unwrap();
    part.write(now_us, &[0x36, 0x00, 0x02]).unwrap();
    part.write(now_us, &[0x3B, 0x00, 0x40]).unwrap();
}

#[test]
fn bmi323_identity_reset_and_configuration() {
    let mut part = Bmi323::new();
    part.write(0, &[0x00]).unwrap();
    let bytes: [u8; 8] = read(&mut part, 0).unwrap();
    assert_eq!(bytes[2..], [0x43, 0x00, 0x00, 0x00, 0x01, 0x00], "identity, no error, power-on detected");
    assert_eq!(bmi323_word(&mut part, 0, 0x02), 0, "cleared by the read");
    assert_eq!(bmi323_word(&mut part, 0, 0x03), 0x8000, "no value yet");
    assert_eq!(bmi323_word(&mut part, 0, 0x20), 0x0028);
    bmi323_on(&mut part, 0);
    assert_eq!(bmi323_word(&mut part, 0, 0x20), 0x701A);
    assert_eq!(bmi323_word(&mut part, 0, 0x01), 0);
    assert!(part.is_sampling());
    // Low power above 400 Hz and a reserved mode are not possible; the flag goes when it is corrected.
    for (conf, error) in [([0x1B, 0x30], 0x20), ([0x1A, 0x50], 0x20), ([0x1A, 0x70], 0)] {
        part.write(0, &[0x20, conf[0], conf[1]]).unwrap();
        assert_eq!(bmi323_word(&mut part, 0, 0x01), error);
    }
    part.write(0, &[0x7E, 0xAF, 0xDE]).unwrap();
    assert_eq!(part.write(1_499, &[0x00]), Err(Nack::Address));
    assert_eq!(bmi323_word(&mut part, 1_500, 0x20), 0x0028);
    assert_eq!(bmi323_word(&mut part, 1_500, 0x02), 1);
}

#[test]
fn bmi323_fifo_gives_whole_frames_in_order() {
    let mut part = Bmi323::new();
    part.push(0, [9, 9, 9]);
    bmi323_on(&mut part, 0);
    part.push(1_999, [9, 9, 9]);
    assert_eq!(bmi323_word(&mut part, 1_999, 0x15), 0, "off, then starting up");
    for sample in 0..4_i16 {
        part.push(10_000, [sample, -sample, 8_192]);
    }
    assert_eq!(bmi323_word(&mut part, 10_000, 0x15), 12);
    // A frame that was read in part comes again.
    part.write(10_000, &[0x16]).unwrap();
    assert_eq!(read::<12>(&mut part, 10_000).unwrap()[2..], [0, 0, 0, 0, 0, 0x20, 1, 0, 0xFF, 0xFF]);
    part.write(10_000, &[0x16]).unwrap();
    assert_eq!(
        read::<26>(&mut part, 10_000).unwrap()[2..],
        [1, 0, 0xFF, 0xFF, 0, 0x20, 2, 0, 0xFE, 0xFF, 0, 0x20, 3, 0, 0xFD, 0xFF, 0, 0x20, 1, 0x7F, 0, 0, 0, 0],
        "and beyond the fill the dummy code"
    );
    assert_eq!(bmi323_word(&mut part, 10_000, 0x15), 0);
    // Another range rescales, another rate drops.
    part.write(20_000, &[0x20, 0x29, 0x70]).unwrap();
    for _ in 0..4 {
        part.push(30_000, [4_000, 2, -2]);
    }
    assert_eq!(bmi323_word(&mut part, 30_000, 0x15), 6);
    assert_eq!(bmi323_word(&mut part, 30_000, 0x03), 2_000);
    part.write(30_000, &[0x20, 0x1B, 0x70]).unwrap();
    part.push(40_000, [1, 1, 1]);
    assert_eq!(bmi323_word(&mut part, 40_000, 0x15), 6, "800 Hz has no true samples here");
    part.write(40_000, &[0x37, 0x01, 0x00]).unwrap();
    assert_eq!(bmi323_word(&mut part, 40_000, 0x15), 0);
}

#[test]
fn bmi323_fifo_loses_the_oldest_and_says_so() {
    let mut part = Bmi323::new();
    bmi323_on(&mut part, 0);
    for sample in 0..340 {
        part.push(10_000, [sample, 0, 0]);
    }
    assert_eq!(bmi323_word(&mut part, 10_000, 0x0D) & 0x8000, 0);
    part.push(10_000, [340, 0, 0]);
    assert_eq!(bmi323_word(&mut part, 10_000, 0x15), 1_023, "341 frames in 1024 words");
    assert_eq!(bmi323_word(&mut part, 10_000, 0x0D), 0x8000, "full, on the output that it is mapped to");
    assert_eq!(bmi323_word(&mut part, 10_000, 0x0D), 0, "cleared by the read");
    assert_eq!(part.lost_frames(), 0);
    for sample in 341..400 {
        part.push(10_000, [sample, 0, 0]);
    }
    assert_eq!((part.lost_frames(), bmi323_word(&mut part, 10_000, 0x15)), (59, 1_023));
    assert_eq!(bmi323_word(&mut part, 10_000, 0x0D), 0x8000);
    part.write(10_000, &[0x16]).unwrap();
    assert_eq!(read::<8>(&mut part, 10_000).unwrap()[2..4], [59, 0], "the oldest that is left");
    // Stop on full keeps the oldest instead.
    part.write(10_000, &[0x37, 0x01, 0x00, 0x00, 0x00]).unwrap();
    part.write(10_000, &[0x36, 0x01, 0x02]).unwrap();
    for sample in 0..345 {
        part.push(10_000, [sample, 0, 0]);
    }
    assert_eq!(part.lost_frames(), 59 + 4);
    part.write(10_000, &[0x16]).unwrap();
    assert_eq!(read::<8>(&mut part, 10_000).unwrap()[2..4], [0, 0]);
}

proptest! {
    #[test]
    fn bme280_gives_back_any_climate(seed: u64, temp_cdegc in -4_000_i16..8_500, rh_cpct in 0_u16..=10_000,
        pressure_pa in 30_000_u32..110_000) {
        let mut part = Bme280::from_seed(seed);
        part.set_climate(Climate { temp_cdegc, rh_cpct, pressure_pa });
        // Everything sixteen times: 20 bits.
        part.write(0, &[0xF2, 5, 0xF4, 0b101_101_01]).unwrap();
        let (pressure, temp, humidity) = bme280_raw(&mut part, SECOND_US);
        part.write(SECOND_US, &[0x88]).unwrap();
        let low: [u8; 26] = read(&mut part, SECOND_US).unwrap();
        part.write(SECOND_US, &[0xE1]).unwrap();
        let high: [u8; 7] = read(&mut part, SECOND_US).unwrap();
        // The integer formulas of the sheet (section 4.2.3), from the registers: another route than the model's.
        let word = |at: usize| i64::from(i16::from_le_bytes([low[at], low[at + 1]]));
        let unsigned = |at: usize| word(at) & 0xFFFF;
        let (temp, pressure, humidity) = (i64::from(temp), i64::from(pressure), i64::from(humidity));
        let linear = (((temp >> 3) - (unsigned(0) << 1)) * word(2)) >> 11;
        let bow = (((((temp >> 4) - unsigned(0)) * ((temp >> 4) - unsigned(0))) >> 12) * word(4)) >> 14;
        let fine = linear + bow;
        prop_assert!(((fine * 5 + 128) >> 8).abs_diff(temp_cdegc.into()) <= 1);
        let mut var1 = fine - 128_000;
        let mut var2 = var1 * var1 * word(16) + ((var1 * word(14)) << 17) + (word(12) << 35);
        var1 = ((var1 * var1 * word(10)) >> 8) + ((var1 * word(8)) << 12);
        var1 = (((1_i64 << 47) + var1) * unsigned(6)) >> 33;
        let mut p = (((1_048_576 - pressure) << 31) - var2) * 3_125 / var1;
        var1 = (word(22) * (p >> 13) * (p >> 13)) >> 25;
        var2 = (word(20) * p) >> 19;
        p = ((p + var1 + var2) >> 8) + (word(18) << 4);
        prop_assert!(p.abs_diff(i64::from(pressure_pa) * 256) <= 256, "{} {}", p / 256, pressure_pa);
        let h2 = i64::from(i16::from_le_bytes([high[0], high[1]]));
        let h4 = i64::from(high[3].cast_signed()) << 4 | i64::from(high[4] & 0xF);
        let h5 = i64::from(high[5].cast_signed()) << 4 | i64::from(high[4] >> 4);
        let h6 = i64::from(high[6].cast_signed());
        let x = fine - 76_800;
        let mut v = (((humidity << 14) - (h4 << 20) - h5 * x + 16_384) >> 15)
            * (((((((x * h6) >> 10) * (((x * i64::from(high[2])) >> 11) + 32_768)) >> 10) + 2_097_152) * h2 + 8_192) >> 14);
        v -= ((((v >> 15) * (v >> 15)) >> 7) * i64::from(low[25])) >> 4;
        let pct_1024 = v.clamp(0, 419_430_400) >> 12;
        prop_assert!(pct_1024.abs_diff(i64::from(rh_cpct) * 1_024 / 100) <= 25, "{} {}", pct_1024, rh_cpct);
    }
}
