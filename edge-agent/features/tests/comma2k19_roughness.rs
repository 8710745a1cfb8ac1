//! A real drive of one minute (comma2k19: accelerometer at 104 Hz, receiver at 10 Hz, one road in San Francisco, 28 to
//! 72 km/h). It passes every metre once, so that "the same stretch at another speed" can only be: the slow and the fast
//! windows of that one road. What separates them must not be speed, within the interval that so few windows leave.
//!
//! Two things are settled beforehand, by argument. Windows with an event are left out: a hit is no random road, the root
//! of speed does not hold for it, and it is a row of its own; crossings, where cars slow down, have more of them. And
//! windows beside each other are not independent: the interval comes from blocks of 100 m, the length that is graded.
//! The same over all windows as if they were independent is printed beside it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "iri_common/mod.rs"]
mod common;

use common::{read_gzip, rows};
use tournee_features::VehicleProfile;
use tournee_features::road::{Mounting, RoadItem, RoadWindow, WindowBuilder};

struct Row {
    t_us: i64,
    values: Vec<f64>,
}

fn table(name: &str) -> Option<Vec<Row>> {
    let text = read_gzip(&format!("road_surface/comma2k19_example1_{name}.csv.gz"))?;
    let row = |row: Vec<&str>| {
        let numbers: Vec<f64> = row.iter().map(|text| text.parse().unwrap()).collect();
        Row { t_us: (numbers[0] * 1e6).round() as i64, values: numbers[1..].to_vec() }
    };
    Some(rows(&text).map(row).collect())
}

struct Drive {
    windows: Vec<RoadWindow>,
    events: usize,
    mounting: Option<Mounting>,
}

/// The drive through the stage, as the stream gives it: a fix when its time has come.
fn drive(accel: &[Row], gnss: &[Row], turn: impl Fn([f64; 3]) -> [f64; 3]) -> Drive {
    let mut builder = WindowBuilder::new(VehicleProfile::default().road);
    let mut fixes = gnss.iter().peekable();
    for row in accel {
        while let Some(fix) = fixes.next_if(|fix| fix.t_us <= row.t_us) {
            let [lat, lon, speed, _, _, bearing] = fix.values[..] else { panic!() };
            builder.push_motion(fix.t_us, lat, lon, speed, Some(bearing));
        }
        builder.push_accel(row.t_us, turn([row.values[0], row.values[1], row.values[2]]));
    }
    builder.finish();
    let mounting = builder.mounting().copied();
    let items: Vec<RoadItem> = builder.drain().collect();
    let windows = items.iter().filter_map(|item| match item {
        RoadItem::Window(window) => Some(window.clone()),
        RoadItem::Event(_) => None,
    });
    let windows: Vec<RoadWindow> = windows.collect();
    Drive { events: items.len() - windows.len(), windows, mounting }
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt())
}

/// Slope of y over x.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxx: f64 = points.iter().map(|(x, _)| (x - mx).powi(2)).sum();
    points.iter().map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / sxx
}

/// 95 % interval of the slope: blocks of this many neighbours drawn with replacement, 4 000 times, fixed stream.
fn slope_interval(points: &[(f64, f64)], block: usize) -> (f64, f64) {
    let mut state = 9_u64;
    let mut slopes: Vec<f64> = (0..4_000)
        .map(|_| {
            let mut drawn = Vec::with_capacity(points.len() + block);
            while drawn.len() < points.len() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % (points.len() + 1 - block);
                drawn.extend_from_slice(&points[at..at + block]);
            }
            slope(&drawn[..points.len()])
        })
        .collect();
    slopes.sort_by(f64::total_cmp);
    (slopes[100], slopes[3_899])
}

/// Two-sided 95 % of Student's t for 30 degrees of freedom; more only narrow it.
const T95: f64 = 2.04;

#[test]
fn roughness_does_not_depend_on_speed_within_its_interval() {
    let (Some(accel), Some(gnss)) = (table("accelerometer"), table("gnss_ublox")) else { return };
    assert_eq!((accel.len(), gnss.len()), (6_256, 579));
    let drive = drive(&accel, &gnss, |a| a);
    let all: Vec<&RoadWindow> = drive.windows.iter().filter(|window| window.rough_mps2.is_some()).collect();
    let good: Vec<&RoadWindow> = all.iter().copied().filter(|window| window.events == 0).collect();
    println!(
        "{} windows, {} with roughness, {} of these without an event; {} events",
        drive.windows.len(),
        all.len(),
        good.len(),
        drive.events
    );
    assert!(good.len() >= 36, "{}", good.len());
    let mut by_speed = good.clone();
    by_speed.sort_by(|a, b| a.speed_mps.total_cmp(&b.speed_mps));

    println!("windows by speed | km/h (mean) | RMS m/s²           | roughness m/s² (95 %)   | prediction error m²/s⁴");
    let third = by_speed.len() / 3;
    let mut intervals = Vec::new();
    for (name, class) in [
        ("slowest third", &by_speed[..third]),
        ("middle", &by_speed[third..2 * third]),
        ("fastest third", &by_speed[2 * third..]),
    ] {
        let logs = |of: &dyn Fn(&RoadWindow) -> Option<f64>| -> (f64, f64, f64) {
            let values: Vec<f64> = class.iter().filter_map(|window| of(window)).map(f64::ln).collect();
            let (mean, error) = mean_and_error(&values);
            (mean.exp(), (mean - T95 * error).exp(), (mean + T95 * error).exp())
        };
        let (rms, _, _) = logs(&|window| window.rms_mps2);
        let (rough, low, high) = logs(&|window| window.rough_mps2);
        let (ppe, ppe_low, ppe_high) = logs(&|window| window.ppe_m2ps4.filter(|ppe| *ppe > 0.0));
        let kmh = class.iter().map(|window| window.speed_mps * 3.6).sum::<f64>() / class.len() as f64;
        println!(
            "{name:16} | {kmh:11.1} | {rms:18.3} | {rough:.3} ({low:.3} to {high:.3}) | {ppe:.4} ({ppe_low:.4} to {ppe_high:.4})"
        );
        intervals.push((low, high));
    }
    println!("exponent of speed that is left            | value | 95 % interval");
    let exponent = |what: &str, of: &[&RoadWindow], value: &dyn Fn(&RoadWindow) -> Option<f64>, block: usize| {
        let points: Vec<(f64, f64)> =
            of.iter().filter_map(|window| Some((window.speed_mps.ln(), value(window)?.ln()))).collect();
        let (low, high) = slope_interval(&points, block);
        println!("{what:41} | {:5.2} | {low:.2} to {high:.2}", slope(&points));
        (low, high)
    };
    let (low, high) = exponent("roughness, no events, blocks of 100 m", &good, &|window| window.rough_mps2, 5);
    exponent("RMS, no events, blocks of 100 m", &good, &|window| window.rms_mps2, 5);
    exponent("prediction error, no events, 100 m", &good, &|window| window.ppe_m2ps4.filter(|ppe| *ppe > 0.0), 5);
    exponent("roughness, all windows, as if independent", &all, &|window| window.rough_mps2, 1);
    // No class contradicts another, and no trend is left that the interval does not allow for.
    let highest_low = intervals.iter().map(|(low, _)| *low).fold(0.0, f64::max);
    let lowest_high = intervals.iter().map(|(_, high)| *high).fold(f64::INFINITY, f64::min);
    assert!(highest_low <= lowest_high, "the intervals of the classes do not meet: {intervals:?}");
    assert!((low..=high).contains(&0.0), "{low} to {high}");
}

/// Turns a vector by an angle, given as sine and cosine.
type Turn = fn([f64; 3], f64, f64) -> [f64; 3];

/// The recording names its axes: forward, right, down. The stage is not told, and the sensor is turned at will besides.
#[test]
fn the_mounting_of_a_real_car_is_found() {
    let (Some(accel), Some(gnss)) = (table("accelerometer"), table("gnss_ublox")) else { return };
    let (s, c) = 40.0_f64.to_radians().sin_cos();
    let turns: [(&str, Turn); 3] = [
        ("as recorded", |a, _, _| a),
        ("rolled by 40°", |[x, y, z], s, c| [x, y * c - z * s, y * s + z * c]),
        ("pitched by 40°", |[x, y, z], s, c| [x * c + z * s, y, z * c - x * s]),
    ];
    let degrees = |a: &[f64; 3], b: &[f64; 3]| {
        let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        dot.clamp(-1.0, 1.0).acos().to_degrees()
    };
    println!("sensor         | up is off by ° | forward is off by ° | stated errors ° | windows' mean roughness m/s²");
    let mut roughs = Vec::new();
    for (name, turn) in turns {
        let drive = drive(&accel, &gnss, |a| turn(a, s, c));
        let found = drive.mounting.unwrap();
        let up = degrees(&found.up, &turn([0.0, 0.0, -1.0], s, c));
        let forward = found.forward.map(|forward| degrees(&forward, &turn([1.0, 0.0, 0.0], s, c)));
        let rough: Vec<f64> = drive.windows.iter().filter_map(|window| window.rough_mps2).collect();
        let (rough, _) = mean_and_error(&rough);
        println!(
            "{name:14} | {up:14.2} | {forward:19.2?} | {:.2} and {:.2} | {rough:.4}",
            found.up_error_rad.to_degrees(),
            found.forward_error_rad.to_degrees()
        );
        // The recording's axes are those of the device behind the windscreen, which need not be the car's: 5°.
        assert!(up < 5.0 && forward.unwrap() < 5.0 + 3.0 * found.forward_error_rad.to_degrees());
        roughs.push(rough);
    }
    for rough in &roughs {
        assert!((rough / roughs[0] - 1.0).abs() < 0.01, "{roughs:?}");
    }
}
