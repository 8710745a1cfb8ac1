//! Words that no part has: an error or no value, never a number out of nothing, never a panic.

use proptest::collection::vec;
use proptest::prelude::*;
use tournee_devices::mlx90640::{Mlx90640, synthetic_eeprom};
use tournee_drivers::mlx90640::{
    Calibration, CalibrationError, EEPROM_WORDS, FRAME_WORDS, FrameError, FrameSettings, PIXELS,
};

use super::frame_of;

#[test]
fn blank_eeproms() {
    assert_eq!(Calibration::from_eeprom(&[0; EEPROM_WORDS]), Err(CalibrationError::Supply));
    assert_eq!(Calibration::from_eeprom(&[0xffff; EEPROM_WORDS]), Err(CalibrationError::OtherPart(0xffff)));
}

#[test]
fn each_refusal_of_a_calibration() {
    let good = synthetic_eeprom(1);
    assert!(Calibration::from_eeprom(&good).is_ok());
    for (index, word, error) in [
        (0x0a, 0x0040, CalibrationError::OtherPart(0x0040)),
        (0x33, 0x0068, CalibrationError::Supply),
        (0x32, 0x5000, CalibrationError::Ambient),
        (0x32, 0x53ff, CalibrationError::Ambient),
        (0x30, 0x0000, CalibrationError::Gain),
        (0x30, 0xffff, CalibrationError::Gain),
        (0x3f, 0x0889, CalibrationError::Ranges),
    ] {
        let mut eeprom = good;
        eeprom[index] = word;
        assert_eq!(Calibration::from_eeprom(&eeprom), Err(error), "word {index:#x}");
    }
    // Two pixels deviate already; up to four may.
    let mut eeprom = good;
    let sound: Vec<_> = (0x40..EEPROM_WORDS).filter(|index| good[*index] & 1 == 0 && good[*index] != 0).collect();
    for index in &sound[..2] {
        eeprom[*index] = 0;
    }
    let calibration = Calibration::from_eeprom(&eeprom).unwrap();
    assert_eq!((0..PIXELS).filter(|index| calibration.pixel(*index).is_none()).count(), 4);
    eeprom[sound[2]] |= 1;
    assert_eq!(Calibration::from_eeprom(&eeprom), Err(CalibrationError::Deviating(5)));
}

#[test]
fn a_refused_calibration_leaves_no_pixel() {
    let mut calibration = Calibration::from_eeprom(&synthetic_eeprom(1)).unwrap();
    assert!(calibration.load(&[0; EEPROM_WORDS]).is_err());
    assert!((0..PIXELS).all(|index| calibration.pixel(index).is_none()));
}

#[test]
fn each_refusal_of_a_frame() {
    let eeprom = synthetic_eeprom(2);
    let calibration = Calibration::from_eeprom(&eeprom).unwrap();
    let good = frame_of(&mut Mlx90640::new(eeprom), 2_000_000);
    let mut untouched = [7.0; PIXELS];
    for (index, word, error) in [
        (833, 2, FrameError::SubPage(2)),
        (833, 15, FrameError::SubPage(7)),
        (0x30a, 0, FrameError::Gain),
        (0x30a, 0x8000, FrameError::Gain),
        (0x32a, 0, FrameError::Supply),
        (0x32a, 0x8000, FrameError::Supply),
        (0x320, 0, FrameError::Ambient),
        (0x300, 0x2000, FrameError::Ambient),
        (0x300, 0x8000, FrameError::Ambient),
    ] {
        let mut frame = good;
        frame[index] = word;
        let refused = calibration.temperatures(&frame, FrameSettings::APPARENT, &mut untouched);
        assert_eq!(refused, Err(error), "word {index:#x}");
    }
    for (emissivity, reflected_degc) in [(0.0, 20.0), (-1.0, 20.0), (1.1, 20.0), (f32::NAN, 20.0), (0.9, f32::NAN)] {
        let refused = calibration.temperatures(&good, FrameSettings { emissivity, reflected_degc }, &mut untouched);
        assert_eq!(refused, Err(FrameError::Settings));
    }
    assert_eq!(untouched, [7.0; PIXELS]);
}

#[test]
fn values_saturate_and_stay_apart_from_none() {
    let eeprom = synthetic_eeprom(2);
    let calibration = Calibration::from_eeprom(&eeprom).unwrap();
    let mut frame = frame_of(&mut Mlx90640::new(eeprom), 2_000_000);
    let usable: Vec<_> = (0..PIXELS).filter(|index| calibration.pixel(*index).is_some()).collect();
    for (word, expected) in [(0x7fff, i16::MAX), (0x8000, i16::MIN)] {
        frame[..PIXELS].fill(word);
        let mut picture = [0; PIXELS];
        for page in 0..2 {
            frame[833] = page;
            calibration.apparent(&frame, &mut picture).unwrap();
        }
        // The upper end is beyond 327.67 °C, the lower below the radiation of 0 K.
        assert!(usable.iter().all(|index| picture[*index] == expected));
    }
}

proptest! {
    #[test]
    fn any_words(
        mut eeprom in vec(any::<u16>(), EEPROM_WORDS),
        frame in vec(any::<u16>(), FRAME_WORDS),
        pass_for_a_part in any::<bool>(),
        plausible_frame in any::<bool>(),
        emissivity in 0.01_f32..=1.0,
    ) {
        if pass_for_a_part {
            eeprom[0x0a] &= !0x0040;
            eeprom[0x3f] |= 0x1010;
            eeprom[0x30] = eeprom[0x30] & 0x7fff | 1;
            eeprom[0x32] = eeprom[0x32] & !0x0200 | 1;
            eeprom[0x33] |= 0x0100;
            for word in &mut eeprom[0x40..] {
                *word = *word & !1 | 2;
            }
        }
        if plausible_frame {
            // Supply, ambient and gain of a part, so that the pixels get their turn.
            let sound = synthetic_eeprom(1);
            for index in [0x10, 0x30, 0x31, 0x32, 0x33, 0x38] {
                eeprom[index] = sound[index];
            }
        }
        let eeprom: [u16; EEPROM_WORDS] = eeprom.try_into().unwrap();
        let Ok(calibration) = Calibration::from_eeprom(&eeprom) else {
            prop_assert!(!pass_for_a_part);
            return Ok(());
        };
        let mut frame: [u16; FRAME_WORDS] = frame.try_into().unwrap();
        if plausible_frame {
            let mut honest = frame_of(&mut Mlx90640::new(eeprom), 2_000_000);
            honest[..PIXELS].copy_from_slice(&frame[..PIXELS]);
            frame = honest;
        }
        let mut temperatures = [f32::NAN; PIXELS];
        let mut picture = [i16::MIN; PIXELS];
        let settings = FrameSettings { emissivity, reflected_degc: 20.0 };
        let _unused = calibration.temperatures(&frame, settings, &mut temperatures);
        prop_assert!(temperatures.iter().all(|temp_degc| !temp_degc.is_infinite()));
        temperatures.fill(f32::NAN);
        let with_floats = calibration.temperatures(&frame, FrameSettings::APPARENT, &mut temperatures);
        prop_assert_eq!(calibration.apparent(&frame, &mut picture), with_floats);
        for (index, (temp_degc, temp_cdegc)) in temperatures.iter().zip(picture).enumerate() {
            prop_assert_eq!(temp_degc.is_nan(), temp_cdegc == i16::MIN);
            prop_assert!(calibration.pixel(index).is_some() || temp_degc.is_nan());
            prop_assert!(temp_degc.is_nan() || *temp_degc >= -273.2);
        }
    }
}
