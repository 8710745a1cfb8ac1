//! What is no facade is masked, each kind by its own rule; on pictures whose truth is known.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tournee_features::VehicleProfile;
use tournee_features::profile::ThermalProfile;
use tournee_features::thermal::mask::{OwnVehicle, Shows, read};
use tournee_features::thermal::strip::{COLUMNS, DEAD, PIXELS, ROWS, Strip, reduce};

type Frame = [i16; PIXELS];

const AIR_DEGC: f64 = 3.0;

fn profile() -> ThermalProfile {
    VehicleProfile::default().thermal
}

/// A wall 2.5 K warmer than the air, with some noise.
fn wall() -> Frame {
    std::array::from_fn(|at| 550 + ((at * 7_919) % 61) as i16 - 30)
}

fn fill(frame: &mut Frame, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>, degc: f64) {
    for row in rows {
        for column in columns.clone() {
            frame[row * COLUMNS + column] = (degc * 100.0) as i16;
        }
    }
}

fn strip_of(frame: &Frame) -> Strip {
    reduce(frame, Some(AIR_DEGC), &OwnVehicle::default(), &profile())
}

fn strip_pixels() -> i64 {
    let profile = profile();
    i64::from(profile.row_last - profile.row_first + 1) * COLUMNS as i64
}

#[test]
fn a_wall_alone_is_read_whole() {
    let strip = strip_of(&wall());
    assert_eq!((strip.pixels, strip.masked(), strip.dead), (strip_pixels(), 0, 0));
    assert!((strip.median_degc.unwrap() - 5.5).abs() < 0.02, "{strip:?}");
}

#[test]
fn the_sky_in_the_upper_half_is_masked_with_its_mixed_edge() {
    let mut frame = wall();
    fill(&mut frame, 0..10, 0..COLUMNS, -22.0);
    // Warmer near the horizon, and the row of the eaves half sky: neither is as cold as the rule for cold pixels asks.
    fill(&mut frame, 10..11, 0..COLUMNS, -4.5);
    fill(&mut frame, 11..12, 0..COLUMNS, -0.5);
    let strip = strip_of(&frame);
    let profile = profile();
    let rows = 12 - i64::from(profile.row_first);
    assert_eq!((strip.sky, strip.person, strip.exhaust), (rows * 32, 0, 0));
    assert!((strip.median_degc.unwrap() - 5.5).abs() < 0.02, "{strip:?}");
}

#[test]
fn glass_that_mirrors_the_sky_is_masked_and_a_cool_patch_of_the_wall_is_not() {
    let mut frame = wall();
    fill(&mut frame, 8..11, 4..8, -12.0);
    fill(&mut frame, 8..11, 20..24, -1.0);
    let strip = strip_of(&frame);
    assert_eq!((strip.sky, strip.masked()), (12, 12), "{strip:?}");
}

#[test]
fn overcast_sky_near_air_temperature_is_not_told_from_a_wall() {
    // Stated, not wished for: without contrast nothing can be masked, and the server's geometry has to know the eaves.
    let mut frame = wall();
    fill(&mut frame, 0..10, 0..COLUMNS, AIR_DEGC - 1.0);
    assert_eq!(strip_of(&frame).masked(), 0);
}

#[test]
fn a_person_who_crosses_is_a_person_in_every_picture() {
    // 0.6 m by 1.7 m at 8 m are 3 by 8 pixels; a face warmer than the coat, whose edges are mixed with the wall.
    for left in (0..COLUMNS - 5).step_by(3) {
        let mut frame = wall();
        fill(&mut frame, 9..19, left..left + 5, 12.0);
        fill(&mut frame, 10..18, left + 1..left + 4, 17.0);
        fill(&mut frame, 10..12, left + 2..left + 3, 31.0);
        let strip = strip_of(&frame);
        assert_eq!((strip.person, strip.sky, strip.exhaust), (50, 0, 0), "{left}: {strip:?}");
        assert!((strip.median_degc.unwrap() - 5.5).abs() < 0.05, "{strip:?}");
    }
}

#[test]
fn what_is_too_small_too_big_too_hot_or_too_cool_for_a_person_is_a_hot_spot() {
    let hot = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>, degc: f64| {
        let mut frame = wall();
        fill(&mut frame, rows, columns, degc);
        let strip = strip_of(&frame);
        (strip.person, strip.exhaust)
    };
    assert_eq!(hot(12..13, 10..12, 30.0), (0, 2), "a lamp");
    assert_eq!(hot(4..16, 0..30, 30.0), (0, 360), "the side of a bus");
    assert_eq!(hot(12..16, 10..14, 75.0), (0, 16), "a flue");
    assert_eq!(hot(12..16, 10..14, 17.0), (0, 16), "a warm bonnet");
    assert_eq!(hot(12..16, 10..14, 30.0), (16, 0));
    // A badly insulated wall, or a warm window, is what is looked for.
    assert_eq!(hot(4..16, 0..30, AIR_DEGC + 7.5), (0, 0));
}

#[test]
fn a_hot_exhaust_in_the_lower_rows_is_masked_with_its_plume() {
    let mut frame = wall();
    fill(&mut frame, 17..20, 2..10, AIR_DEGC + 9.0);
    fill(&mut frame, 18..19, 4..6, 95.0);
    let strip = strip_of(&frame);
    assert_eq!((strip.exhaust, strip.person), (24, 0), "{strip:?}");
    // The plume alone: warm enough only down there.
    let mut low = wall();
    fill(&mut low, 17..20, 2..10, AIR_DEGC + 9.0);
    assert_eq!(strip_of(&low).exhaust, 24);
    let mut high = wall();
    fill(&mut high, 8..11, 2..10, AIR_DEGC + 9.0);
    assert_eq!(strip_of(&high).exhaust, 0);
}

#[test]
fn what_stays_in_the_picture_while_the_vehicle_moves_belongs_to_the_vehicle() {
    let profile = profile();
    let picture = |n: usize, mirror: bool| {
        let mut frame = wall();
        // A warm window that passes by, and a part of the vehicle, as warm as it, that does not.
        fill(&mut frame, 8..10, n * 3 % 28..n * 3 % 28 + 3, AIR_DEGC + 9.0);
        if mirror {
            fill(&mut frame, 12..14, 28..32, AIR_DEGC + 9.0);
        }
        frame
    };
    let after = |pictures: usize, moving: bool, last_mirror: bool| {
        let mut own = OwnVehicle::default();
        for n in 0..pictures {
            own.see(&picture(n, true), AIR_DEGC, moving, &profile);
        }
        let last = picture(0, last_mirror);
        own.see(&last, AIR_DEGC, moving, &profile);
        reduce(&last, Some(AIR_DEGC), &own, &profile)
    };
    let enough = usize::from(profile.own_pictures);
    assert_eq!(after(enough, true, true).exhaust, 8);
    assert_eq!(after(enough / 2, true, true).exhaust, 0, "not long enough");
    assert_eq!(after(enough, false, true).exhaust, 0, "standing, everything stays");
    assert_eq!(after(enough, true, false).exhaust, 0, "gone");
}

#[test]
fn all_kinds_at_once_are_told_apart() {
    let mut frame = wall();
    fill(&mut frame, 0..8, 0..COLUMNS, -25.0);
    fill(&mut frame, 10..18, 5..8, 29.0);
    fill(&mut frame, 18..20, 24..28, 80.0);
    frame[9 * COLUMNS + 20] = DEAD;
    let strip = strip_of(&frame);
    assert_eq!((strip.sky, strip.person, strip.exhaust, strip.dead), (4 * 32, 24, 8, 1));
    assert_eq!(strip.pixels, strip_pixels() - 4 * 32 - 24 - 8 - 1);
    assert!((strip.median_degc.unwrap() - 5.5).abs() < 0.05, "{strip:?}");
}

#[test]
fn without_an_air_temperature_nothing_is_masked_or_corrected() {
    let mut frame = wall();
    fill(&mut frame, 0..10, 0..COLUMNS, -22.0);
    let strip = reduce(&frame, None, &OwnVehicle::default(), &ThermalProfile { emissivity: 0.9, ..profile() });
    assert_eq!((strip.pixels, strip.masked(), strip.reflected_degc), (strip_pixels(), 0, None));
    assert_eq!(
        strip_of(&[DEAD; PIXELS]),
        Strip { dead: strip_pixels(), reflected_degc: strip_of(&wall()).reflected_degc, ..Strip::default() }
    );
}

#[test]
fn the_correction_uses_the_reflected_temperature_that_it_states() {
    let profile = ThermalProfile { emissivity: 0.95, ..profile() };
    let frame = [500_i16; PIXELS];
    let strip = reduce(&frame, Some(0.0), &OwnVehicle::default(), &profile);
    let reflected = strip.reflected_degc.unwrap();
    // Half of a clear winter sky after Swinbank and half of things at 0 °C.
    assert!((reflected + 11.2).abs() < 0.2, "{reflected}");
    let kelvin = |degc: f64| degc + 273.15;
    let seen = 0.95 * kelvin(strip.median_degc.unwrap()).powi(4) + 0.05 * kelvin(reflected).powi(4);
    assert!((seen.powf(0.25) - kelvin(5.0)).abs() < 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_picture_is_counted_pixel_by_pixel(
        base in any::<i16>(),
        patches in prop::collection::vec((0..PIXELS, 1_usize..200, any::<i16>()), 0..12),
        ambient in prop_oneof![Just(None), any::<i16>().prop_map(|c| Some(f64::from(c) / 100.0)), Just(Some(f64::NAN))],
        rows in (any::<u8>(), any::<u8>(), any::<u8>()),
        seen in 0_usize..40,
    ) {
        let mut profile = profile();
        (profile.row_first, profile.row_last, profile.exhaust_row_first) = rows;
        let mut frame = [base; PIXELS];
        for (start, length, pixel) in patches {
            frame[start.min(PIXELS)..(start + length).min(PIXELS)].fill(pixel);
        }
        let mut own = OwnVehicle::default();
        for _ in 0..seen {
            own.see(&frame, ambient.unwrap_or(0.0), true, &profile);
        }
        let strip = reduce(&frame, ambient, &own, &profile);
        let rows = (i64::from(rows.1) + 1).min(ROWS as i64) - i64::from(rows.0);
        prop_assert_eq!(strip.pixels + strip.masked() + strip.dead, rows.max(0) * COLUMNS as i64);
        let shows = read(&frame, ambient, &own, &profile);
        for (pixel, shows) in frame.iter().zip(&shows) {
            prop_assert_eq!(*pixel == DEAD, *shows == Shows::Dead);
        }
    }
}
