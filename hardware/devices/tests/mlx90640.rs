//! The MLX90640's model: registers, rhythm, power, and what its words say. Whether they mean the scene is for the driver's
//! loop test to tell.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_devices::mlx90640::{CONTROL_DEFAULT, EEPROM_WORDS, Mlx90640, PIXELS, synthetic_eeprom};
use tournee_devices::{I2cDevice, Nack};

const STATUS: u16 = 0x8000;
const CONTROL: u16 = 0x800d;

fn read(part: &mut Mlx90640, now_us: u64, address: u16, count: usize) -> Vec<u16> {
    let mut bytes = vec![0; 2 * count];
    part.write(now_us, &address.to_be_bytes()).unwrap();
    part.read(now_us, &mut bytes).unwrap();
    bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

fn status(part: &mut Mlx90640, now_us: u64) -> u16 {
    read(part, now_us, STATUS, 1)[0]
}

fn set(part: &mut Mlx90640, now_us: u64, address: u16, word: u16) {
    part.write(now_us, &[address.to_be_bytes(), word.to_be_bytes()].concat()).unwrap();
}

fn ram(part: &mut Mlx90640, now_us: u64) -> Vec<u16> {
    read(part, now_us, 0x0400, EEPROM_WORDS)
}

#[test]
fn the_address_map() {
    let eeprom = synthetic_eeprom(1);
    let mut part = Mlx90640::new(eeprom);
    assert_eq!(read(&mut part, 0, 0x2400, EEPROM_WORDS), eeprom);
    assert_eq!(read(&mut part, 0, CONTROL, 1), [CONTROL_DEFAULT]);
    assert_eq!(read(&mut part, 0, 0x8010, 1), [0xbe33]);
    // Between the blocks, around the end of the RAM and past the last address.
    assert_eq!(read(&mut part, 0, 0x1000, 2), [0, 0]);
    let all = ram(&mut part, 600_000);
    assert_eq!(read(&mut part, 600_000, 0x073f, 2), [all[831], 0]);
    assert_eq!(read(&mut part, 600_000, 0x03ff, 2), [0, all[0]]);
    assert_eq!(read(&mut part, 600_000, 0xffff, 2), [0, 0]);
    // Reads go on where the last one ended, an odd byte is the upper one.
    part.write(600_000, &[0x24, 0x30]).unwrap();
    let mut bytes = [0; 3];
    part.read(600_000, &mut bytes).unwrap();
    assert_eq!(bytes, [eeprom[0x30].to_be_bytes()[0], eeprom[0x30].to_be_bytes()[1], eeprom[0x31].to_be_bytes()[0]]);
    part.write(600_000, &[0x24, 0x30]).unwrap();
    for word in &eeprom[0x30..0x33] {
        let mut bytes = [0; 2];
        part.read(600_000, &mut bytes).unwrap();
        assert_eq!(bytes, word.to_be_bytes());
    }
    // Neither is the host's to write; less than an address changes nothing.
    for address in [0x0400, 0x2440] {
        let before = read(&mut part, 600_000, address, 1);
        set(&mut part, 600_000, address, !before[0]);
        assert_eq!(read(&mut part, 600_000, address, 1), before);
    }
    part.write(600_000, &[]).unwrap();
    part.write(600_000, &[0x80]).unwrap();
    assert_eq!(read(&mut part, 600_000, CONTROL, 1), [CONTROL_DEFAULT]);
}

#[test]
fn sub_pages_come_in_the_rhythm_of_the_control_register() {
    let mut part = Mlx90640::new(synthetic_eeprom(1));
    // Section 12.2.1: 40 ms, then the first sub-page at the 2 Hz of power-on; always 0 first.
    assert_eq!(status(&mut part, 539_999), 0x0000);
    assert_eq!(status(&mut part, 540_000), 0x0008);
    set(&mut part, 540_000, STATUS, 0x0010);
    assert_eq!(status(&mut part, 1_039_999), 0x0010);
    assert_eq!(status(&mut part, 1_040_000), 0x0019);
    // The mark stays until it is taken off, and cannot be set.
    assert_eq!(status(&mut part, 1_200_000), 0x0019);
    set(&mut part, 1_200_000, STATUS, 0x0018);
    assert_eq!(status(&mut part, 1_200_000), 0x0019);
    set(&mut part, 1_200_000, STATUS, 0x0010);
    set(&mut part, 1_200_000, STATUS, 0x0018);
    assert_eq!(status(&mut part, 1_200_000), 0x0011);
    // 16 Hz from the end of the sub-page under way on.
    set(&mut part, 1_200_000, CONTROL, 0x1a81);
    assert_eq!(status(&mut part, 1_539_999), 0x0011);
    assert_eq!(status(&mut part, 1_540_000), 0x0018);
    for step in 1..20_u64 {
        set(&mut part, 1_540_000 + 62_500 * step - 1, STATUS, 0x0010);
        assert_eq!(status(&mut part, 1_540_000 + 62_500 * step - 1) & 0x0008, 0);
        assert_eq!(u64::from(status(&mut part, 1_540_000 + 62_500 * step)), 0x0018 | (step % 2));
    }
    // A week without a look: the parity still counts every one.
    let week_us = 7 * 86_400_000_000;
    let steps = week_us / 62_500;
    assert_eq!(u64::from(status(&mut part, 1_540_000 + 62_500 * steps + 5)), 0x0018 | (steps % 2));
}

#[test]
fn sub_pages_that_do_not_alternate() {
    for (control, expected) in [(0x1900, 0), (0x1918, 0), (0x1919, 1), (0x1909, 0)] {
        let mut part = Mlx90640::new(synthetic_eeprom(1));
        set(&mut part, 0, CONTROL, control);
        for step in 1..6 {
            assert_eq!(status(&mut part, 40_000 + 500_000 * step), 0x0008 | expected, "{control:#x}");
        }
    }
}

#[test]
fn held_data_stays() {
    let mut part = Mlx90640::new(synthetic_eeprom(1));
    set(&mut part, 0, CONTROL, 0x1905);
    assert_eq!(status(&mut part, 5_000_000), 0x0000);
    set(&mut part, 5_000_000, STATUS, 0x0010);
    assert_eq!(status(&mut part, 5_600_000) & 0x0018, 0x0018);
}

#[test]
fn a_sub_page_brings_its_half_of_the_pixels() {
    let mut part = Mlx90640::new(synthetic_eeprom(2));
    part.set_scene(&[3_000; PIXELS], 2_500);
    let first = ram(&mut part, 540_000);
    part.set_scene(&[5_000; PIXELS], 2_500);
    // Nothing changes before the next one is ready.
    assert_eq!(ram(&mut part, 1_039_999), first);
    let second = ram(&mut part, 1_040_000);
    let third = ram(&mut part, 1_540_000);
    let eeprom = synthetic_eeprom(2);
    for index in 0..PIXELS {
        let of_first = (index / 32 + index) % 2 == 0;
        assert_eq!(second[index] == first[index], of_first || eeprom[0x40 + index] == 0, "pixel {index}");
        if of_first && eeprom[0x40 + index] != 0 {
            assert!(third[index] as i16 > second[index] as i16, "pixel {index}");
        }
    }
    // Seldom looked at, the RAM holds both halves.
    part.set_scene(&[1_000; PIXELS], 2_500);
    let both = ram(&mut part, 9_000_000);
    for index in (0..PIXELS).filter(|index| eeprom[0x40 + index] != 0) {
        assert!((both[index] as i16) < first[index] as i16, "pixel {index}");
    }
}

#[test]
fn interleaved_rows() {
    let mut part = Mlx90640::new(synthetic_eeprom(2));
    set(&mut part, 0, CONTROL, 0x0901);
    part.set_scene(&[3_000; PIXELS], 2_500);
    ram(&mut part, 540_000);
    let before = ram(&mut part, 1_040_000);
    part.set_scene(&[4_000; PIXELS], 2_500);
    let after = ram(&mut part, 1_540_000);
    let eeprom = synthetic_eeprom(2);
    for index in (0..PIXELS).filter(|index| eeprom[0x40 + index] != 0) {
        assert_eq!(after[index] != before[index], index / 32 % 2 == 0, "pixel {index}");
    }
}

#[test]
fn supply_and_ambient_move_their_channels() {
    let mut part = Mlx90640::new(synthetic_eeprom(3));
    let [vbe, gain, ptat, vdd] = [0x300, 0x30a, 0x320, 0x32a];
    part.set_scene(&[2_000; PIXELS], 1_000);
    let cold = ram(&mut part, 540_000);
    part.set_scene(&[2_000; PIXELS], 4_000);
    part.set_supply_mv(3_400);
    let warm = ram(&mut part, 1_040_000);
    // PTAT rises with the temperature, Vbe falls; the supply's slope is negative in every part.
    assert!(warm[ptat] > cold[ptat] && warm[vbe] < cold[vbe]);
    assert!((warm[vdd] as i16) < cold[vdd] as i16);
    assert_eq!(warm[gain], cold[gain]);
    // One bit more doubles what the converter says of pixels, gain and supply.
    set(&mut part, 1_040_000, CONTROL, 0x1d01);
    let fine = ram(&mut part, 1_540_000);
    assert_eq!(fine[gain], 2 * cold[gain]);
    assert!((i32::from(fine[vdd] as i16) - 2 * i32::from(warm[vdd] as i16)).abs() <= 1);
}

#[test]
fn power_lost() {
    let mut part = Mlx90640::new(synthetic_eeprom(4));
    set(&mut part, 0, CONTROL, 0x1981);
    assert_eq!(status(&mut part, 600_000), 0x0008);
    part.power_cycle(600_000);
    assert_eq!(part.write(639_999, &[0x80, 0x00]), Err(Nack::Address));
    assert_eq!(part.read(639_999, &mut [0; 2]), Err(Nack::Address));
    assert_eq!(read(&mut part, 640_000, CONTROL, 1), [CONTROL_DEFAULT]);
    assert_eq!(status(&mut part, 1_139_999), 0x0000);
    assert!(ram(&mut part, 1_139_999).iter().all(|word| *word == 0));
    assert_eq!(status(&mut part, 1_140_000), 0x0008);
}

#[test]
fn the_eeprom_sets_the_registers_at_power_on() {
    let mut eeprom = synthetic_eeprom(5);
    eeprom[0x0c] = 0x1a01;
    let mut part = Mlx90640::new(eeprom);
    assert_eq!(read(&mut part, 40_000, CONTROL, 1), [0x1a01]);
    assert_eq!(status(&mut part, 40_000 + 125_000), 0x0008);
    // An erased one: the maker's setting.
    assert_eq!(read(&mut Mlx90640::new([0; EEPROM_WORDS]), 0, CONTROL, 1), [CONTROL_DEFAULT]);
}

#[test]
fn any_eeprom_and_any_scene_give_words() {
    let scenes = [[i16::MIN; PIXELS], [i16::MAX; PIXELS], std::array::from_fn(|index| (index * 85) as i16)];
    for eeprom in [[0; EEPROM_WORDS], [0xffff; EEPROM_WORDS], [0x8001; EEPROM_WORDS], synthetic_eeprom(6)] {
        let mut part = Mlx90640::new(eeprom);
        for (step, scene) in scenes.iter().enumerate() {
            for ambient_cdegc in [i16::MIN, 0, i16::MAX] {
                part.set_scene(scene, ambient_cdegc);
                part.set_supply_mv(if step == 0 { 0 } else { u16::MAX });
                assert_eq!(ram(&mut part, 10_000_000 * (step as u64 + 1)).len(), EEPROM_WORDS);
            }
        }
    }
}

#[test]
fn synthetic_calibrations() {
    assert_eq!(synthetic_eeprom(7), synthetic_eeprom(7));
    assert_ne!(synthetic_eeprom(7), synthetic_eeprom(8));
    for seed in 0..500 {
        let eeprom = synthetic_eeprom(seed);
        let broken: Vec<_> = (0..PIXELS).filter(|index| eeprom[0x40 + index] == 0).collect();
        let outliers: Vec<_> = (0..PIXELS).filter(|index| eeprom[0x40 + index] & 1 == 1).collect();
        let ([broken], [outlier]) = (broken.as_slice(), outliers.as_slice()) else {
            panic!("seed {seed}: {broken:?} {outliers:?}");
        };
        let away = (broken / 32).abs_diff(outlier / 32).max((broken % 32).abs_diff(outlier % 32));
        assert!(away >= 2, "seed {seed}");
    }
}
