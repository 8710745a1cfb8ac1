//! Golden numbers P3 and P4, and events in the distance domain: merged within 1.5 m of travel, with raw samples kept.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_features::VehicleProfile;
use tournee_features::road::events::{MAD_TO_SIGMA, median_and_mad};
use tournee_features::road::mednis::{g_zero, z_diff, z_thresh};
use tournee_features::road::{RoadEvent, RoadItem, WindowBuilder};

#[test]
fn p3_one_sample_of_one_and_a_half_g() {
    let mut az_g = vec![1.0; 300];
    az_g[150] = 1.5;
    assert_eq!(z_thresh(&az_g, 0.4, 10), 1, "Z-THRESH");
    assert_eq!(az_g.windows(2).filter(|pair| (pair[1] - pair[0]).abs() > 0.2).count(), 2, "two crossings");
    assert_eq!(z_diff(&az_g, 0.2, 10), 1, "Z-DIFF merges them");
    let axes: Vec<[f64; 3]> = az_g.iter().map(|z| [0.0, 0.0, *z]).collect();
    assert_eq!(g_zero(&axes, 0.8, 10), 0, "G-ZERO");
}

#[test]
fn p4_median_and_mad() {
    let (median, mad) = median_and_mad(&mut [10.0, 11.0, 12.0, 13.0, 100.0]);
    assert_eq!((median, mad, MAD_TO_SIGMA * mad), (12.0, 1.0, 1.4826));
}

/// A drive at a speed with hits at given metres; the noise of the road is uniform, ±0.5 m/s².
fn drive(speed_mps: f64, hits_m: &[f64], rate_hz: f64, fix_delay_s: f64) -> Vec<RoadEvent> {
    let mut builder = WindowBuilder::new(VehicleProfile::default().road);
    builder.set_rate_hz(rate_hz);
    let seconds = 40.0;
    let mut next_fix_s = 0.0;
    for n in 0..(seconds * rate_hz) as i64 {
        let t_s = n as f64 / rate_hz;
        while next_fix_s + fix_delay_s <= t_s {
            let lat = 47.65 + speed_mps * next_fix_s / 111_195.0;
            builder.push_motion((next_fix_s * 1e6) as i64, lat, -2.09, speed_mps, Some(0.0));
            next_fix_s += 1.0;
        }
        let hit: f64 = hits_m.iter().map(|at| 8.0 * (-((t_s - at / speed_mps) / 0.012).powi(2)).exp()).sum();
        let noise = ((n * 7_919) % 1_000) as f64 / 1_000.0 - 0.5;
        builder.push_accel((t_s * 1e6) as i64, [0.1, -0.2, 9.81 + noise + hit]);
    }
    builder.finish();
    builder
        .drain()
        .filter_map(|item| match item {
            RoadItem::Event(event) => Some(event),
            RoadItem::Window(_) => None,
        })
        .collect()
}

#[test]
fn peaks_are_merged_by_travel_and_not_by_time() {
    // At 20 m/s the body still swings from the first hit when the second comes 3 m later: that is one event, and right.
    println!("km/h | apart m | events");
    for (speed_mps, apart_m, expected) in
        [(6.0, 1.0, 1), (6.0, 2.5, 2), (12.0, 1.2, 1), (12.0, 2.5, 2), (20.0, 1.2, 1), (20.0, 6.0, 2)]
    {
        let events = drive(speed_mps, &[100.0, 100.0 + apart_m], 400.0, 0.0);
        let places: Vec<String> = events
            .iter()
            .map(|event| format!("{:.2} m: {:.1} m/s²", event.t_us as f64 * 1e-6 * speed_mps, event.peak_mps2))
            .collect();
        println!("{:4.0} | {apart_m:7.1} | {places:?}", speed_mps * 3.6);
        assert_eq!(events.len(), expected, "{speed_mps} m/s, {apart_m} m apart");
    }
}

#[test]
fn a_smooth_road_has_no_event() {
    assert_eq!(drive(12.0, &[], 400.0, 0.0), vec![]);
}

#[test]
fn raw_samples_are_those_around_the_peak() {
    for (rate_hz, fix_delay_s) in [(400.0, 0.0), (400.0, 1.7), (104.0, 0.3)] {
        let events = drive(12.0, &[150.0], rate_hz, fix_delay_s);
        let [event] = &events[..] else { panic!("{events:?}") };
        let expected = 0.5 * rate_hz;
        assert!((event.raw.len() as f64 - expected).abs() <= 3.0, "{} samples at {rate_hz} Hz", event.raw.len());
        assert!(event.raw.windows(2).all(|pair| pair[0].offset_us < pair[1].offset_us));
        assert!(event.raw[0].offset_us <= -240_000 && event.raw.last().unwrap().offset_us >= 240_000);
        // Raw means raw: the hit stands in the sensor's own axes, gravity and all.
        let top = event.raw.iter().max_by(|a, b| a.a_mps2[2].total_cmp(&b.a_mps2[2])).unwrap();
        assert!((17.0..18.5).contains(&top.a_mps2[2]), "{top:?}");
        assert!(top.offset_us.abs() < 60_000, "the filter is late by less: {top:?}");
        assert!(event.raw.iter().all(|sample| sample.a_mps2[0] == 0.1 && sample.a_mps2[1] == -0.2));
    }
}

#[test]
fn raw_samples_are_bounded_at_any_rate() {
    let events = drive(12.0, &[150.0], 4_000.0, 0.0);
    assert!(!events.is_empty());
    assert!(events.iter().all(|event| event.raw.len() <= 2 * 256), "{}", events[0].raw.len());
}

/// What happens while nobody knows where is no event of the place where the fixes begin.
#[test]
fn peaks_before_the_first_fix_are_counted_and_not_placed() {
    let mut builder = WindowBuilder::new(VehicleProfile::default().road);
    builder.set_rate_hz(400.0);
    let lateness_s = 20.0;
    for n in 0..24_000_i64 {
        let t_s = n as f64 / 400.0;
        if n % 400 == 0 && t_s >= lateness_s {
            builder.push_motion(n * 2_500, 47.65 + 10.0 * t_s / 111_195.0, -2.09, 10.0, Some(0.0));
        }
        let hit = if [5.0, 8.0, 11.0].iter().any(|at| (t_s - at).abs() < 0.01) { 9.0 } else { 0.0 };
        let noise = ((n * 7_919) % 1_000) as f64 / 1_000.0 - 0.5;
        builder.push_accel(n * 2_500, [0.0, 0.0, 9.81 + noise + hit]);
    }
    builder.finish();
    let events = builder.drain().filter(|item| matches!(item, RoadItem::Event(_))).count();
    assert_eq!((events, builder.counts().peaks_without_place >= 3), (0, true), "{:?}", builder.counts());
}
