//! Golden numbers P1 and P2 of the power of the prediction error, and what makes it worth having: it does not know how
//! the sensor is mounted.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_features::road::ppe::{FRAME, Meter, ORDER, SCORED, levinson_durbin, ppe};

/// Uniform noise of variance 1 from a fixed stream.
fn noise(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 / 9_007_199_254_740_992.0 - 0.5) * 12.0_f64.sqrt()
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn p1_levinson_durbin() {
    // The figures of the test of the SmartRoadSense engine.
    let lags: Vec<f64> = (1..=10).map(f64::from).collect();
    let found = levinson_durbin(&lags).unwrap();
    let golden = [1.0, -1.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.1];
    assert_eq!(found.len(), golden.len());
    for (found, golden) in found.iter().zip(golden) {
        assert!((found - golden).abs() < 1e-12, "{found} is not {golden}");
    }
}

#[test]
fn the_filter_solves_the_normal_equations() {
    let lags = [5.0, 3.1, 0.4, -1.7, -0.9, 0.3, 0.2];
    let filter = levinson_durbin(&lags).unwrap();
    for lag in 1..lags.len() {
        let sum: f64 = filter.iter().enumerate().map(|(n, a)| a * lags[lag.abs_diff(n)]).sum();
        assert!(sum.abs() < 1e-12, "lag {lag}: {sum}");
    }
}

#[test]
fn p2_a_constant_has_no_error() {
    for value in [0.0, 9.80665, -1e6] {
        assert_eq!(ppe(&[value; FRAME]), Some(0.0));
    }
    let mut meter = Meter::new(100.0);
    let scores: Vec<_> = (0..1_000).filter_map(|n| meter.push(n * 10_000, &[0.1, -0.2, 9.8])).collect();
    assert_eq!(scores.len(), (1_000 - FRAME) / SCORED + 1);
    assert!(scores.iter().all(|score| score.ppe_m2ps4 == 0.0));
    // Every sample between the margins is scored once.
    assert!(scores.windows(2).all(|pair| pair[1].start_us - pair[0].end_us == 10_000));
}

#[test]
fn what_can_be_foretold_is_no_error_and_what_cannot_is_all_of_it() {
    let frames = 400;
    let white = noise(FRAME * frames, 3);
    let mean = white.chunks(FRAME).map(|frame| ppe(frame).unwrap()).sum::<f64>() / f64::from(frames as u32);
    // Six coefficients fitted to a frame of which the middle weighs most take about a tenth of white noise with them.
    assert!((0.85..1.0).contains(&mean), "{mean}");
    let sine: Vec<f64> = (0..FRAME).map(|n| (n as f64 * 0.3).sin()).collect();
    assert!(ppe(&sine).unwrap() < 0.02 * 0.5, "{:?}", ppe(&sine));
    let double: Vec<f64> = white.iter().map(|x| 2.0 * x).collect();
    let (one, two) = (ppe(&white).unwrap(), ppe(&double).unwrap());
    assert!((two / one - 4.0).abs() < 1e-9, "it is a power");
}

#[test]
fn any_rate_comes_to_a_hundred_a_second_or_to_nothing() {
    for (rate_hz, expected) in [(10.0, 0), (50.0, 0), (75.0, 58), (100.0, 58), (104.0, 58), (400.0, 58), (833.0, 58)] {
        let mut meter = Meter::new(rate_hz);
        let per_mean = (rate_hz / 100.0).round().max(1.0) as usize;
        let samples = noise(3_000 * per_mean, 5);
        let count = samples.iter().enumerate().filter(|(n, a)| meter.push(*n as i64, &[**a; 3]).is_some()).count();
        assert_eq!((meter.is_on(), count), (expected > 0, expected), "{rate_hz}");
    }
}

#[test]
fn a_turned_sensor_measures_the_same() {
    let samples = noise(30_000, 11);
    // By 50° about one axis, then 35° about another: z ends up in all three.
    let (s1, c1) = 50.0_f64.to_radians().sin_cos();
    let (s2, c2) = 35.0_f64.to_radians().sin_cos();
    let turn = |[x, y, z]: [f64; 3]| {
        let (y, z) = (y * c1 - z * s1, y * s1 + z * c1);
        [x * c2 + z * s2, y, z * c2 - x * s2]
    };
    let run = |turned: bool| {
        let mut meter = Meter::new(100.0);
        let (mut sum, mut count) = (0.0, 0.0);
        for (n, z) in samples.iter().enumerate() {
            let a = [0.2 * samples[(n + 7) % 30_000], 0.0, 9.81 + z];
            let a = if turned { turn(a) } else { a };
            if let Some(score) = meter.push(n as i64 * 10_000, &a) {
                sum += score.ppe_m2ps4;
                count += 1.0;
            }
        }
        sum / count
    };
    let (flat, turned) = (run(false), run(true));
    println!("flat {flat:.4} m²/s⁴, turned {turned:.4} m²/s⁴");
    assert!((turned / flat - 1.0).abs() < 0.01);
    assert!(flat > 0.3, "it measures something");
}

#[test]
fn bad_input_is_no_measure() {
    assert_eq!(levinson_durbin(&[]), None);
    assert_eq!(levinson_durbin(&[0.0, 1.0]), None);
    assert_eq!(levinson_durbin(&[f64::NAN, 1.0]), None);
    assert_eq!(levinson_durbin(&[1.0, 1.0, 1.0]), None, "fully foretold: the next step has nothing to divide by");
    assert_eq!(ppe(&[1.0; FRAME - 1]), None);
    let mut frame = [1.0; FRAME];
    frame[70] = f64::INFINITY;
    assert_eq!(ppe(&frame), None);
    const { assert!(ORDER < (FRAME - SCORED) / 2) }
}
