//! The sensor finds out by itself how it sits in the vehicle: from gravity and from changes of speed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_features::VehicleProfile;
use tournee_features::road::{RoadItem, WindowBuilder};

type Axis = [f64; 3];

fn dot(a: &Axis, b: &Axis) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn degrees_between(a: &Axis, b: &Axis) -> f64 {
    (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).clamp(-1.0, 1.0).acos().to_degrees()
}

/// Rotation by roll, pitch and yaw in degrees.
fn turn(v: Axis, [roll, pitch, yaw]: [f64; 3]) -> Axis {
    let [x, y, z] = v;
    let (s, c) = roll.to_radians().sin_cos();
    let (y, z) = (y * c - z * s, y * s + z * c);
    let (s, c) = pitch.to_radians().sin_cos();
    let (x, z) = (x * c + z * s, z * c - x * s);
    let (s, c) = yaw.to_radians().sin_cos();
    [x * c - y * s, x * s + y * c, z]
}

/// A town drive: speed swings between 15 and 50 km/h, the road bends. Axes forward, left, up.
struct Drive {
    builder: WindowBuilder,
    n: i64,
    noise: u64,
    travel_m: f64,
}

const RATE_HZ: f64 = 200.0;

fn speed_at(t_s: f64) -> f64 {
    9.0 + 4.0 * (t_s * 0.31).sin() + 1.0 * (t_s * 0.83).sin()
}

impl Drive {
    fn new() -> Self {
        let mut builder = WindowBuilder::new(VehicleProfile::default().road);
        builder.set_rate_hz(RATE_HZ);
        Self { builder, n: 0, noise: 1, travel_m: 0.0 }
    }

    fn uniform(&mut self) -> f64 {
        self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.noise >> 40) as f64 / 16_777_216.0 - 0.5
    }

    fn seconds(&mut self, seconds: f64, mounting: [f64; 3], moves: bool) {
        for _ in 0..(seconds * RATE_HZ) as i64 {
            let t_s = self.n as f64 / RATE_HZ;
            let t_us = (t_s * 1e6) as i64;
            let (speed, forward) = if moves {
                (speed_at(t_s), (speed_at(t_s + 0.005) - speed_at(t_s - 0.005)) * 100.0)
            } else {
                (10.0, 0.0)
            };
            let turn_radps = if moves { 0.15 * (t_s * 0.11).sin() } else { 0.0 };
            let heading = if moves { -(0.15 / 0.11) * (1.0 - (t_s * 0.11).cos()) } else { 0.0 };
            let a = [
                forward + 0.8 * self.uniform(),
                speed * turn_radps + 0.8 * self.uniform(),
                9.81 + 4.0 * self.uniform(),
            ];
            if self.n % RATE_HZ as i64 == 0 {
                let measured = speed + 0.1 * self.uniform();
                let heading_deg = heading.to_degrees().rem_euclid(360.0);
                self.builder.push_motion(t_us, 47.0 + self.travel_m / 111_195.0, -2.0, measured, Some(heading_deg));
            }
            self.builder.push_accel(t_us, turn(a, mounting));
            self.travel_m += speed / RATE_HZ;
            self.n += 1;
        }
    }
}

#[test]
fn any_mounting_is_found_within_two_minutes() {
    println!("roll, pitch, yaw °    | spans | up: error °, stated ° | forward: error °, stated °");
    for mounting in [[0.0, 0.0, 0.0], [12.0, -7.0, 33.0], [91.0, 4.0, -120.0], [180.0, 30.0, 77.0], [-45.0, 80.0, 5.0]]
    {
        let mut drive = Drive::new();
        drive.seconds(10.0, mounting, true);
        assert_eq!(drive.builder.mounting(), None, "ten stretches are not enough to say");
        drive.seconds(110.0, mounting, true);
        let found = *drive.builder.mounting().unwrap();
        let up = degrees_between(&found.up, &turn([0.0, 0.0, 1.0], mounting));
        let forward = degrees_between(&found.forward.unwrap(), &turn([1.0, 0.0, 0.0], mounting));
        let left = degrees_between(&found.left().unwrap(), &turn([0.0, 1.0, 0.0], mounting));
        let stated = [found.up_error_rad, found.forward_error_rad].map(f64::to_degrees);
        println!("{mounting:21?} | {:5} | {up:11.3} {:9.3} | {forward:16.2} {:9.2}", found.spans, stated[0], stated[1]);
        // Three standard errors of two directions; the statements themselves are bounded too.
        assert!(up < 3.0 * stated[0] && stated[0] < 1.2, "{up}");
        assert!(forward < 3.0 * stated[1] && stated[1] < 6.0, "{forward}");
        assert!(left < 3.0 * (stated[0] + stated[1]), "{left}");
    }
}

#[test]
fn a_steady_drive_knows_up_and_does_not_claim_to_know_forward() {
    let mut drive = Drive::new();
    drive.seconds(120.0, [12.0, -7.0, 33.0], false);
    let found = drive.builder.mounting().unwrap();
    assert!(degrees_between(&found.up, &turn([0.0, 0.0, 1.0], [12.0, -7.0, 33.0])) < 1.0);
    assert_eq!((found.forward, found.left()), (None, None));
    assert!(found.forward_error_rad.is_infinite());
}

#[test]
fn a_sensor_that_was_moved_is_noticed_and_found_again() {
    let mut drive = Drive::new();
    drive.seconds(120.0, [0.0, 0.0, 0.0], true);
    assert_eq!(drive.builder.counts().moved, 0, "braking and bends do not count");
    let now = [70.0, 0.0, 20.0];
    drive.seconds(60.0, now, true);
    assert_eq!(drive.builder.counts().moved, 1);
    drive.seconds(120.0, now, true);
    let found = *drive.builder.mounting().unwrap();
    assert!(degrees_between(&found.up, &turn([0.0, 0.0, 1.0], now)) < 1.5);
    assert!(degrees_between(&found.forward.unwrap(), &turn([1.0, 0.0, 0.0], now)) < 6.0);
    assert_eq!(drive.builder.counts().moved, 1);
}

/// A foreign recording may hold anything that is a number.
#[test]
fn an_absurd_sample_does_not_spoil_the_rest() {
    let mut drive = Drive::new();
    drive.seconds(30.0, [0.0; 3], true);
    drive.builder.push_accel((drive.n as f64 / RATE_HZ * 1e6) as i64 - 2_500, [1e300, -1e300, 1e300]);
    drive.seconds(300.0, [0.0; 3], true);
    let found = drive.builder.mounting().unwrap();
    assert!(degrees_between(&found.up, &[0.0, 0.0, 1.0]) < 1.0, "{found:?}");
}

/// Roughness must not depend on the mounting: only the vertical part of the same drive counts.
#[test]
fn roughness_is_the_same_in_any_mounting() {
    let rough = |mounting: [f64; 3]| {
        let mut drive = Drive::new();
        drive.seconds(240.0, mounting, true);
        drive.builder.finish();
        let windows: Vec<f64> = drive
            .builder
            .drain()
            .filter_map(|item| match item {
                RoadItem::Window(window) => window.rough_mps2,
                RoadItem::Event(_) => None,
            })
            .collect();
        assert!(windows.len() > 30, "{}", windows.len());
        (windows.iter().map(|rough| rough * rough).sum::<f64>() / windows.len() as f64).sqrt()
    };
    let flat = rough([0.0, 0.0, 0.0]);
    for mounting in [[12.0, -7.0, 33.0], [91.0, 4.0, -120.0], [180.0, 30.0, 77.0]] {
        let turned = rough(mounting);
        println!("{mounting:?}: {turned:.4} m/s², flat {flat:.4} m/s²");
        assert!((turned / flat - 1.0).abs() < 0.002);
    }
}

/// A drive that begins with what an earlier one found.
fn next_drive(mounting: tournee_features::road::Mounting) -> Drive {
    let mut drive = Drive::new();
    drive.builder.remember(mounting);
    drive
}

fn mounting_after(seconds: f64, mounting: [f64; 3]) -> tournee_features::road::Mounting {
    let mut drive = Drive::new();
    drive.seconds(seconds, mounting, true);
    *drive.builder.mounting().unwrap()
}

#[test]
fn what_an_earlier_boot_found_is_used_from_the_start_and_improved_later() {
    let seat = [12.0, -7.0, 40.0];
    let found = mounting_after(600.0, seat);
    let mut drive = next_drive(found);
    drive.seconds(5.0, seat, true);
    assert_eq!(drive.builder.mounting(), Some(&found));
    drive.seconds(395.0, seat, true);
    let later = *drive.builder.mounting().unwrap();
    assert!(later.spans > 300 && later.spans < found.spans, "this boot's own by now: {later:?}");
    assert!(degrees_between(&later.up, &turn([0.0, 0.0, 1.0], seat)) < 1.5);
    assert!(degrees_between(&later.forward.unwrap(), &turn([1.0, 0.0, 0.0], seat)) < 5.0);
    assert_eq!(drive.builder.counts().moved, 0);
}

#[test]
fn a_box_that_was_turned_while_it_was_off_is_noticed_and_learns_anew() {
    let found = mounting_after(600.0, [0.0, 0.0, 0.0]);
    // By gravity within half a minute; by what the drive tells where gravity alone would not.
    for (seat, within_s) in [([90.0, 0.0, 0.0], 30.0), ([16.0, 0.0, 0.0], 120.0)] {
        let mut drive = next_drive(found);
        drive.seconds(within_s, seat, true);
        assert_eq!(drive.builder.counts().moved, 1, "{seat:?}");
        drive.seconds(300.0, seat, true);
        assert!(degrees_between(&drive.builder.mounting().unwrap().up, &turn([0.0, 0.0, 1.0], seat)) < 1.5, "{seat:?}");
        assert_eq!(drive.builder.counts().moved, 1, "{seat:?}");
    }
}

#[test]
fn a_mounting_that_cannot_be_one_is_not_taken() {
    let found = mounting_after(600.0, [0.0, 0.0, 0.0]);
    let bad = [
        tournee_features::road::Mounting { up: [0.0, 0.0, 0.5], ..found },
        tournee_features::road::Mounting { up: [f64::NAN, 0.0, 1.0], ..found },
        tournee_features::road::Mounting { forward: Some(found.up), ..found },
        tournee_features::road::Mounting { up_error_rad: -1.0, ..found },
    ];
    for mounting in bad {
        assert!(!mounting.is_possible());
        assert_eq!(next_drive(mounting).builder.mounting(), None, "{mounting:?}");
    }
}
