//! Windows in the distance domain: gates, holes, accounting, and speed of the code.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_features::road::{RoadItem, RoadWindow, WindowBuilder};
use tournee_features::{VehicleProfile, flags};

struct Drive {
    builder: WindowBuilder,
    t_us: i64,
    lat_deg: f64,
    heading_deg: f64,
}

impl Drive {
    fn new() -> Self {
        let mut builder = WindowBuilder::new(VehicleProfile::default().road);
        builder.set_rate_hz(100.0);
        Self { builder, t_us: 0, lat_deg: 47.65, heading_deg: 0.0 }
    }

    /// One second at a speed, 100 Hz of a 5 Hz sine of 1 m/s².
    fn second(&mut self, speed_mps: f64, accel: bool, fix: bool) {
        if fix {
            self.builder.push_motion(self.t_us, self.lat_deg, -2.09, speed_mps, Some(self.heading_deg));
        }
        for n in 0..100 {
            let t_us = self.t_us + n * 10_000;
            let a = (t_us as f64 * 1e-6 * 5.0 * std::f64::consts::TAU).sin();
            if accel {
                self.builder.push_accel(t_us, [0.0, 0.0, 9.81 + a]);
            }
        }
        self.lat_deg += speed_mps / 111_195.0;
        self.t_us += 1_000_000;
    }

    fn end(mut self) -> (Vec<RoadWindow>, WindowBuilder) {
        self.builder.finish();
        let windows = self.builder.drain().filter_map(|item| match item {
            RoadItem::Window(window) => Some(window),
            RoadItem::Event(_) => None,
        });
        (windows.collect(), self.builder)
    }
}

#[test]
fn windows_are_twenty_metres_and_rms_is_that_of_the_sine() {
    let mut drive = Drive::new();
    for _ in 0..60 {
        drive.second(12.5, true, true);
    }
    let (windows, builder) = drive.end();
    let good: Vec<_> = windows.iter().filter(|window| window.flags == 0).collect();
    assert!(good.len() >= 33, "{}", good.len());
    for window in good {
        assert_eq!(window.length_m, 20.0);
        assert!((window.rms_mps2.unwrap() - 0.5_f64.sqrt()).abs() < 0.03, "{window:?}");
        let factor = (50.0 / 3.6 / 12.5_f64).sqrt();
        assert!((window.rough_mps2.unwrap() / window.rms_mps2.unwrap() - factor).abs() < 1e-3);
        assert!((159..=161).contains(&window.samples));
    }
    let counts = builder.counts();
    let in_windows: u64 = windows.iter().map(|window| window.samples + window.settling).sum();
    assert_eq!(counts.in_windows, in_windows);
    assert_eq!(counts.taken, 6_000);
    assert_eq!(
        counts.taken,
        counts.in_windows + counts.refused + counts.before_first_fix + counts.in_fix_gap + counts.after_last_fix
    );
    assert_eq!(counts.after_last_fix, 99, "the last fix is one second before the last sample");
}

#[test]
fn gates_empty_the_roughness_and_keep_the_row() {
    let mut drive = Drive::new();
    for _ in 0..30 {
        drive.second(10.0, true, true);
    }
    for speed in [8.0, 5.0, 2.0, 0.0, 0.0, 0.0, 2.0, 5.0, 8.0] {
        drive.second(speed, true, true);
    }
    for n in 0..30 {
        drive.heading_deg = if n < 5 { f64::from(n) * 18.0 } else { 90.0 };
        drive.second(10.0, true, true);
    }
    let (windows, _) = drive.end();
    let any = |bit: u32| windows.iter().filter(|window| window.flags & bit != 0).count();
    assert!(any(flags::ROAD_SPEED) >= 1);
    assert!(any(flags::ROAD_BRAKING) >= 2);
    assert!(any(flags::ROAD_TURNING) >= 2);
    for window in &windows {
        assert_eq!(window.rough_mps2.is_some(), window.flags == 0, "{window:?}");
        assert!(window.rms_mps2.is_some() || window.flags & flags::ROAD_FEW_SAMPLES != 0);
    }
}

#[test]
fn holes_end_windows_and_every_sample_is_accounted_for() {
    let mut drive = Drive::new();
    for _ in 0..3 {
        drive.second(10.0, true, false); // before the first fix
    }
    for _ in 0..20 {
        drive.second(10.0, true, true);
    }
    for _ in 0..8 {
        drive.second(10.0, true, false); // tunnel
    }
    for _ in 0..5 {
        drive.second(10.0, true, true);
    }
    for _ in 0..2 {
        drive.second(10.0, false, true); // sensor silent
    }
    for _ in 0..10 {
        drive.second(10.0, true, true);
    }
    let (windows, builder) = drive.end();
    let counts = builder.counts();
    assert_eq!(counts.taken, 4_600);
    assert_eq!(counts.before_first_fix, 300);
    assert_eq!(counts.in_fix_gap, 899, "the sample at the last fix still has a place");
    assert_eq!(
        counts.taken,
        counts.in_windows + counts.refused + counts.before_first_fix + counts.in_fix_gap + counts.after_last_fix
    );
    assert!(windows.iter().any(|window| window.flags & flags::ROAD_PARTIAL != 0));
    assert!(
        windows.iter().any(|window| window.flags & flags::ROAD_FEW_SAMPLES != 0),
        "filters settle after the silence"
    );
}

#[test]
fn a_pothole_is_one_event_at_its_place() {
    let mut builder = WindowBuilder::new(VehicleProfile::default().road);
    let speed = 10.0;
    for n in 0..24_000_i64 {
        let t_us = n * 2_500;
        if n % 400 == 0 {
            let lat = 47.65 + speed * t_us as f64 * 1e-6 / 111_195.0;
            builder.push_motion(t_us, lat, -2.09, speed, Some(0.0));
        }
        // At 300 m, 60 ms long, then the rebound 0.1 s (1 m) later: one event.
        let since_s = t_us as f64 * 1e-6 - 30.0;
        let hit = |at: f64| 8.0 * (-((since_s - at) / 0.015).powi(2)).exp();
        let noise = ((n * 7_919) % 1_000) as f64 / 1_000.0 - 0.5;
        builder.push_accel(t_us, [0.1, 0.0, 9.81 + noise + hit(0.0) - hit(0.1)]);
    }
    builder.finish();
    let events: Vec<_> = builder
        .drain()
        .filter_map(|item| match item {
            RoadItem::Event(event) => Some(event),
            RoadItem::Window(_) => None,
        })
        .collect();
    let [event] = &events[..] else { panic!("{events:?}") };
    assert!((event.t_us - 30_000_000).abs() < 150_000, "{event:?}");
    assert!((event.lat_deg - (47.65 + 300.0 / 111_195.0)).abs() * 111_195.0 < 2.0);
    assert!(event.peak_mps2 > 2.0 && event.z > 6.0 && event.flags == 0);
}

/// Processor time of this thread where the system tells it, else the time of day: the machine may be busy with others.
fn busy_s() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let busy_ns = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    busy_ns.map_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64(), |ns| ns * 1e-9)
}

/// A day of a vehicle, 400 Hz for 75 000 s, in less than 3 s: only where the code is optimised.
#[test]
#[cfg_attr(debug_assertions, ignore = "measures optimised code: cargo test --release")]
fn a_day_at_400_hz_takes_less_than_three_seconds() {
    let mut builder = WindowBuilder::new(VehicleProfile::default().road);
    builder.set_rate_hz(400.0);
    let begin_s = busy_s();
    let mut noise = 1_u64;
    let mut windows = 0;
    for n in 0..30_000_000_i64 {
        let t_us = n * 2_500;
        if n % 400 == 0 {
            builder.push_motion(t_us, 47.0, -2.0 + t_us as f64 * 1e-12, 10.0, Some(0.0));
            windows += builder.drain().count();
        }
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let a = (noise >> 40) as f64 / 16_777_216.0 - 0.5;
        builder.push_accel(t_us, [0.1 * a, 0.05, 9.81 + a]);
    }
    builder.finish();
    windows += builder.drain().count();
    let seconds = busy_s() - begin_s;
    println!("30 000 000 samples, {windows} windows and events in {seconds:.2} s");
    assert!((37_400..37_600).contains(&windows), "{windows}");
    assert!(seconds < 3.0, "{seconds} s");
}
