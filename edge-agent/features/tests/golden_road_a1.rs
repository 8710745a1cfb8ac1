//! Golden A1 over one and the same road: a golden car drives 20 km of white slopes at 30, 50 and 80 km/h through the
//! vehicle's own windows at 400 Hz. Every speed must give the roughness of the road, and every window nearly its own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_features::VehicleProfile;
use tournee_features::road::iri::{response_m_per_km, slopes_mm_per_m};
use tournee_features::road::quarter_car::{QuarterCar, Step};
use tournee_features::road::{RoadItem, RoadWindow, WindowBuilder};

const RATE_HZ: f64 = 400.0;
/// Metres per sample are 3, 5 and 8 cells of road at the three speeds.
const CELL_M: f64 = 10.0 / 3.6 / RATE_HZ;
const CELLS: usize = 2_880_000;

/// Slopes in m/m whose spectrum is flat at `c` per rad/m: independent cells of the variance c π / cell.
fn road(c_per_radpm: f64) -> Vec<f64> {
    let sigma = (c_per_radpm * std::f64::consts::PI / CELL_M).sqrt();
    let mut state = 0x5eed_u64;
    let mut uniform = move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        ((state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    };
    (0..CELLS).map(|_| sigma * (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()).collect()
}

/// The windows of a drive and the RMS of its whole acceleration, m/s².
fn drive(road: &[f64], cells_per_sample: usize) -> (Vec<RoadWindow>, f64) {
    let speed_mps = cells_per_sample as f64 * CELL_M * RATE_HZ;
    let step = Step::over_s(CELL_M / speed_mps);
    let mut car = QuarterCar::on_slope(0.0);
    let mut builder = WindowBuilder::new(VehicleProfile::default().road);
    builder.set_rate_hz(RATE_HZ);
    let (mut squares, mut count) = (0.0, 0.0);
    for (n, cells) in road.chunks_exact(cells_per_sample).enumerate() {
        let t_us = n as i64 * 2_500;
        if n % RATE_HZ as usize == 0 {
            let lat = 47.0 + speed_mps * t_us as f64 * 1e-6 / 111_195.0;
            builder.push_motion(t_us, lat, -2.0, speed_mps, Some(0.0));
        }
        // The sensor's own filter is a mean over the sample.
        let mut a = 0.0;
        for slope in cells {
            car.advance(&step, *slope);
            a += car.body_rate() * speed_mps / cells_per_sample as f64;
        }
        squares += a * a;
        count += 1.0;
        builder.push_accel(t_us, [0.0, 0.0, 9.81 + a]);
    }
    builder.finish();
    let windows = builder.drain().filter_map(|item| match item {
        RoadItem::Window(window) => Some(window),
        RoadItem::Event(_) => None,
    });
    (windows.collect(), f64::sqrt(squares / count))
}

fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), v| (sum + v * v, count + 1.0));
    f64::sqrt(sum / count)
}

#[test]
fn one_road_at_three_speeds() {
    let profile = VehicleProfile::default().road;
    let to_iri = profile.kappa / (profile.reference_speed_kmh / 3.6).sqrt();
    let road = road(1e-6);
    // The road's own index by the reference, heights in mm; with the envelope theory says 2.167.
    let mut height = 0.0;
    let heights = road.iter().map(|slope| {
        height += slope * CELL_M * 1e3;
        height
    });
    let heights: Vec<f64> = heights.collect();
    let response = response_m_per_km(&slopes_mm_per_m(&heights, CELL_M).unwrap(), CELL_M, 0.0).unwrap();
    let exact = response.iter().sum::<f64>() / response.len() as f64;
    println!("exact index of this road, with the envelope: {exact:.3} m/km (theory 2.167)");
    assert!((exact / 2.167 - 1.0).abs() < 0.02);

    println!(
        "km/h | windows | sigma_a m/s² (golden) | estimate m/km | one window against 50 km/h | prediction error m²/s⁴"
    );
    let at = |cells| drive(&road, cells);
    let base = at(5);
    let by_number = |windows: &[RoadWindow]| -> Vec<Option<f64>> {
        let mut out = vec![None; 1_001];
        for window in windows {
            let number = (window.start_us as f64 * 1e-6 * window.speed_mps / 20.0).round() as usize;
            if let Some(slot) = out.get_mut(number) {
                *slot = window.rough_mps2;
            }
        }
        out
    };
    let base_by_number = by_number(&base.0);
    let mut found = Vec::new();
    for (kmh, golden, (windows, sigma)) in [(30, 0.2477, at(3)), (50, 0.3197, base), (80, 0.4044, at(8))] {
        let estimate = to_iri * rms(windows.iter().filter_map(|window| window.rough_mps2));
        let ppe = windows.iter().filter_map(|window| window.ppe_m2ps4);
        let (sum, count) = ppe.fold((0.0, 0.0), |(sum, count), ppe| (sum + ppe, count + 1.0));
        let pairs = by_number(&windows).into_iter().zip(&base_by_number);
        let logs: Vec<f64> = pairs.filter_map(|(a, b)| Some((a? / (*b)?).ln())).collect();
        let spread = rms(logs.iter().copied());
        println!(
            "{kmh:4} | {:7} | {sigma:.4} ({golden})       | {estimate:13.3} | ± {:4.1} % ({} pairs)      | {:.3e}",
            windows.len(),
            spread * 100.0,
            logs.len(),
            sum / count
        );
        assert!(logs.len() > 950, "{}", logs.len());
        assert!((sigma / golden - 1.0).abs() < 0.02, "{sigma} is not {golden} at {kmh} km/h");
        // The band holds 7192 of 7361 s⁻³, so that 1.2 % are missing; the rest is chance of 20 km.
        assert!((estimate / 2.213 - 1.0).abs() < 0.03, "{estimate} at {kmh} km/h");
        found.push((estimate, sum / count));
    }
    for (estimate, ppe) in &found {
        assert!((estimate / found[1].0 - 1.0).abs() < 0.015, "{found:?}");
        assert!((ppe / found[1].1 - 1.0).abs() < 0.10, "{found:?}");
    }
}
