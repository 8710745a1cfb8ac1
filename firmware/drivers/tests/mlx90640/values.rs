//! The maker's example (an EEPROM and two sub-pages with what they mean) and the worked example of the data sheet.

use std::path::PathBuf;

use serde_json::Value;
use tournee_drivers::mlx90640::{Calibration, EEPROM_WORDS, FRAME_WORDS, Frame, FrameSettings, PIXELS, Scalars};

fn example(name: &str) -> Option<Value> {
    let root = std::env::var_os("TOURNEE_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if !root.is_dir() {
        println!("skipped: no shared data");
        return None;
    }
    let text = std::fs::read_to_string(root.join("thermal").join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn words<const N: usize>(value: &Value) -> [u16; N] {
    let words: Vec<_> = value.as_array().unwrap().iter().map(|word| word.as_u64().unwrap() as u16).collect();
    words.try_into().unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Equal to the digits that the example prints.
#[track_caller]
fn near(found: f32, expected: f64, tolerance: f64) {
    assert!((f64::from(found) - expected).abs() <= tolerance, "{found} for {expected}");
}

#[test]
fn scalars_of_the_makers_example() {
    let Some(example) = example("mlx90640_melexis_example.json") else { return };
    let calibration = Calibration::from_eeprom(&words(&example["eeprom_words"])).unwrap();
    let scalars = calibration.scalars();
    let expected = &example["expected"]["scalars"];
    let number = |name: &str| expected[name].as_f64().unwrap();
    near(scalars.k_vdd, number("K_V_DD"), 0.0);
    near(scalars.vdd_25, number("V_DD_25"), 0.0);
    near(scalars.kv_ptat, number("K_V_PTAT"), 5e-7);
    near(scalars.kt_ptat, number("K_T_PTAT"), 0.0);
    near(scalars.v_ptat_25, number("V_PTAT_25"), 0.0);
    near(scalars.alpha_ptat, number("ALPHA_PTAT"), 0.0);
    near(scalars.gain, number("GAIN_EE"), 0.0);
    near(scalars.cp_kv, number("K_V_CP"), 0.0);
    near(scalars.cp_kta, number("K_TA_CP"), 5e-7);
    near(f32::from(scalars.resolution), number("RESOLUTION_EE"), 0.0);
    near(scalars.ks_ta, number("K_S_TA"), 5e-7);
    for page in 0..2 {
        near(scalars.cp_alpha[page], floats(&expected["ALPHA_CP"])[page], 1e-18);
        near(scalars.cp_offset[page], floats(&expected["OFFSET_CP"])[page], 0.0);
    }
    for (corner, expected) in scalars.corner_degc.iter().zip(floats(&expected["CORNER_TEMPERATURES"])) {
        near(*corner, expected, 0.0);
    }
}

#[test]
fn pixels_of_the_makers_example() {
    let Some(example) = example("mlx90640_melexis_example.json") else { return };
    let calibration = Calibration::from_eeprom(&words(&example["eeprom_words"])).unwrap();
    let expected = |name: &str| floats(&example["expected"][name]);
    let (alpha, offset) = (expected("alpha_pixels"), expected("offset_reference_pixels"));
    let (kta, kv) = (expected("k_ta_pixels"), expected("k_v_pixels"));
    assert_eq!([alpha.len(), offset.len(), kta.len(), kv.len()], [PIXELS; 4]);
    for index in 0..PIXELS {
        let pixel = calibration.pixel(index).unwrap();
        near(pixel.alpha, alpha[index], 1e-17);
        near(f32::from(pixel.offset), offset[index], 0.0);
        near(pixel.kta, kta[index], 1e-8);
        near(pixel.kv, kv[index], 0.0);
    }
    assert_eq!(calibration.pixel(PIXELS), None);
}

fn example_frame(example: &Value, index: usize) -> Frame {
    let mut frame = [0; FRAME_WORDS];
    let part = &example["frames"][index];
    frame[..EEPROM_WORDS].copy_from_slice(&words::<EEPROM_WORDS>(&part["ram_words"]));
    frame[832] = example["control_register"].as_u64().unwrap() as u16;
    frame[833] = part["status_register"].as_u64().unwrap() as u16;
    frame
}

#[test]
fn temperatures_of_the_makers_example() {
    let Some(example) = example("mlx90640_melexis_example.json") else { return };
    let calibration = Calibration::from_eeprom(&words(&example["eeprom_words"])).unwrap();
    let expected = &example["expected"];
    let mut temperatures = [f32::NAN; PIXELS];
    let mut picture = [i16::MIN; PIXELS];
    for page in 0..2 {
        let frame = example_frame(&example, page);
        let conditions = calibration.temperatures(&frame, FrameSettings::APPARENT, &mut temperatures).unwrap();
        assert_eq!(usize::from(conditions.sub_page), page);
        near(conditions.ambient_degc, floats(&expected["ambient_c_per_subpage"])[page], 1e-4);
        near(conditions.supply_v, floats(&expected["vdd_v_per_subpage"])[page], 1e-4);
        assert_eq!(calibration.apparent(&frame, &mut picture), Ok(conditions));
        let done = temperatures.iter().filter(|temp_degc| temp_degc.is_finite()).count();
        assert_eq!(done, (page + 1) * PIXELS / 2);
    }
    let expected = floats(&expected["object_temperatures_c_after_both_subpages"]);
    let mut worst = 0.0_f64;
    for index in 0..PIXELS {
        worst = worst.max((f64::from(temperatures[index]) - expected[index]).abs());
        near(f32::from(picture[index]) / 100.0, expected[index], 0.02);
    }
    println!("worst of {PIXELS} pixels: {worst:.5} K");
    assert!(worst <= 0.02, "{worst} K");
}

/// The last formulas of the worked example (11.2.2.9 and 11.2.2.9.1.3), as the sheet writes them, with its figures.
fn sheet_degc(steps: f64) -> [f64; 2] {
    let (alpha, ambient_k4, slope) = (1.187_648_736_049_6e-7_f64, 9_516_495_632.56_f64, -105.0 / 131_072.0);
    let sx = slope * (alpha.powi(3) * steps + alpha.powi(4) * ambient_k4).powf(0.25);
    let basic = (steps / (alpha * (1.0 - slope * 273.15) + sx) + ambient_k4).powf(0.25) - 273.15;
    [basic, (steps / (alpha * (1.0 + slope * basic)) + ambient_k4).powf(0.25) - 273.15]
}

/// Section 11.2: pixel (12, 16), an object at 80 °C; with the compensation pixel, which the maker's example lacks.
#[test]
fn worked_example_of_the_data_sheet() {
    let Some(example) = example("mlx90640_datasheet_eeprom_header.json") else { return };
    let mut eeprom = [0x08a0; EEPROM_WORDS];
    eeprom[..64].copy_from_slice(&words::<64>(&example["eeprom_header_words"]));
    let calibration = Calibration::from_eeprom(&eeprom).unwrap();
    let unit = 1.0 / 131_072.0;
    let slope = -105.0 * unit;
    assert_eq!(
        *calibration.scalars(),
        Scalars {
            k_vdd: -3168.0,
            vdd_25: -13056.0,
            kv_ptat: 22.0 / 4096.0,
            kt_ptat: 42.25,
            v_ptat_25: 12273.0,
            alpha_ptat: 9.0,
            gain: 6383.0,
            tgc: 1.0,
            ks_ta: -16.0 / 8192.0,
            ks_to: [slope; 4],
            corner_degc: [-40.0, 0.0, 160.0, 320.0],
            alpha_corner: calibration.scalars().alpha_corner,
            resolution: 2,
            cp_alpha: [4.074_536_3e-9, 4.074_536_3e-9 * (1.0 - 7.0 / 128.0)],
            cp_offset: [-75.0, -77.0],
            cp_kv: 0.5,
            cp_kta: 75.0 / 16384.0,
            pattern_correction: [1.25, 3.0, 0.125],
            calibrated_in_chess: true,
            kv: [[0.625, 0.625], [0.5, 0.5]],
        }
    );
    // Section 11.2.2.9.1.2 names the slopes and the ranges; this is their product.
    let corners = [1.0 / (1.0 + 40.0 * slope), 1.0, 1.0 + 160.0 * slope, (1.0 + 160.0 * slope).powi(2)];
    for (found, expected) in calibration.scalars().alpha_corner.iter().zip(corners) {
        near(*found, f64::from(expected), 1e-6);
    }
    let index = 11 * 32 + 15;
    let mut frame = [0; FRAME_WORDS];
    frame[index] = 609;
    frame[0x300] = 19442;
    frame[0x308] = -54_i16 as u16;
    frame[0x328] = -56_i16 as u16;
    frame[0x30a] = 6273;
    frame[0x320] = 1711;
    frame[0x32a] = -13115_i16 as u16;
    // The sheet says 0x0901, but goes on to calculate for the chess pattern, which is 0x1901.
    frame[832] = 0x1901;
    let mut temperatures = [f32::NAN; PIXELS];
    let conditions = calibration.temperatures(&frame, FrameSettings::APPARENT, &mut temperatures).unwrap();
    near(conditions.supply_v, 3.319, 5e-4);
    near(conditions.ambient_degc, 39.184, 5e-4);
    // The sheet's figures: 700.882 steps of the pixel and 25.667 of the compensation pixel in its sub-page, sensitivity
    // 1.18765e-7. It then goes on with 679.251 steps, for which it takes off 21.632, a figure of the other sub-page.
    near(sheet_degc(679.250_909_123_826)[0] as f32, 80.36331, 1e-4);
    near(temperatures[index], sheet_degc(700.882_495_690_877 - 25.666_657_505_996)[1], 0.002);
    // The reflected temperature counts only under emissivity 1.
    let reflecting = FrameSettings { emissivity: 1.0, reflected_degc: 31.0 };
    let mut same = [f32::NAN; PIXELS];
    calibration.temperatures(&frame, reflecting, &mut same).unwrap();
    assert_eq!(same[index], temperatures[index]);
    // At twice the resolution only the supply's word is read otherwise (section 11.2.2.1).
    frame[832] = 0x1d01;
    frame[0x32a] = (-13115_i16 * 2) as u16;
    near(calibration.supply_v(&frame), 3.319, 5e-4);
}

/// Grey bodies: the radiation that reaches the part is the same, so the object has to be warmer (section 11.2.2.9).
#[test]
fn emissivity() {
    let Some(example) = example("mlx90640_melexis_example.json") else { return };
    let calibration = Calibration::from_eeprom(&words(&example["eeprom_words"])).unwrap();
    let frame = example_frame(&example, 0);
    let mut apparent = [f32::NAN; PIXELS];
    let mut grey = [f32::NAN; PIXELS];
    calibration.temperatures(&frame, FrameSettings::APPARENT, &mut apparent).unwrap();
    let (emissivity, reflected_degc) = (0.93_f32, 12.0_f32);
    calibration.temperatures(&frame, FrameSettings { emissivity, reflected_degc }, &mut grey).unwrap();
    for (apparent, grey) in apparent.iter().zip(grey).filter(|(apparent, _)| apparent.is_finite()) {
        let fourth = |temp_degc: f32| (f64::from(temp_degc) + 273.15).powi(4);
        let emissivity = f64::from(emissivity);
        let expected = (fourth(*apparent) - (1.0 - emissivity) * fourth(reflected_degc)) / emissivity;
        // The sensitivity follows the object's temperature a little (KsTo), so not to the last digit.
        near(grey, expected.powf(0.25) - 273.15, 0.05);
    }
}
