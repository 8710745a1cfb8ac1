//! Golden A1: a golden quarter car over a white-slope road gives the stated accelerations, and the same roughness at
//! every speed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_features::VehicleProfile;
use tournee_features::road::{RoadItem, WindowBuilder};

/// Normal numbers from a fixed stream (xorshift64* and Box-Muller); a test has no need of more.
struct Normal(u64);

impl Normal {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    fn next(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Body acceleration of the golden car (ASTM E1926: k1 = 653, k2 = 63.3, c = 6, mu = 0.15 per sprung mass) at 100 Hz,
/// with a road whose slope spectrum is flat at `c` per rad/m.
fn drive(speed_mps: f64, c: f64, seconds: usize, seed: u64) -> Vec<f64> {
    let (k1, k2, damper, mu) = (653.0, 63.3, 6.0, 0.15);
    let steps = 20;
    let dt = 0.01 / steps as f64;
    // One-sided slope spectrum c up to the Nyquist frequency pi / dx has the variance c pi / dx.
    let sigma = (c * std::f64::consts::PI / (speed_mps * dt)).sqrt();
    let mut normal = Normal(seed);
    let (mut zs, mut vs, mut zu, mut vu, mut y) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    let mut out = Vec::with_capacity(seconds * 100);
    for _ in 0..seconds * 100 {
        let mut mean = 0.0;
        for _ in 0..steps {
            y += normal.next() * sigma * speed_mps * dt;
            let a_s = k2 * (zu - zs) + damper * (vu - vs);
            let a_u = (k1 * (y - zu) - a_s) / mu;
            vs += a_s * dt;
            vu += a_u * dt;
            zs += vs * dt;
            zu += vu * dt;
            mean += a_s / steps as f64;
        }
        out.push(mean);
    }
    out
}

/// Mean square of band acceleration, and mean square of roughness, over all windows.
fn measure(kmh: f64, c: f64) -> (f64, f64) {
    let speed = kmh / 3.6;
    let seconds = 1_200;
    let mut builder = WindowBuilder::new(VehicleProfile::default().road);
    for (n, a) in drive(speed, c, seconds, 7).into_iter().enumerate() {
        let t_us = n as i64 * 10_000;
        if n % 100 == 0 {
            builder.push_motion(t_us, 47.0 + speed * t_us as f64 * 1e-6 / 111_195.0, -2.0, speed, Some(0.0));
        }
        builder.push_accel(t_us, [0.0, 0.0, 9.81 + a]);
    }
    builder.finish();
    let (mut rms2, mut rough2, mut count) = (0.0, 0.0, 0.0);
    for item in builder.drain() {
        if let RoadItem::Window(window) = item
            && let (Some(rms), Some(rough)) = (window.rms_mps2, window.rough_mps2)
        {
            rms2 += rms * rms;
            rough2 += rough * rough;
            count += 1.0;
        }
    }
    assert!(count > 200.0, "{count} windows at {kmh} km/h");
    ((rms2 / count).sqrt(), (rough2 / count).sqrt())
}

#[test]
fn roughness_does_not_depend_on_speed() {
    let mut roughs = Vec::new();
    for (kmh, sigma) in [(30.0, 0.2477), (50.0, 0.3197), (80.0, 0.4044)] {
        let (rms, rough) = measure(kmh, 1e-6);
        // The band 0.5-20 Hz holds 7192 of 7361 s⁻³: 1.2 % less than the whole. The rest is chance of a finite drive.
        assert!((rms / sigma - 1.0).abs() < 0.06, "{rms} at {kmh} km/h is not {sigma}");
        roughs.push(rough);
    }
    let reference = roughs[1];
    for rough in &roughs {
        assert!((rough / reference - 1.0).abs() < 0.05, "{roughs:?}");
    }
    // IRI = kappa RMS / sqrt(v): 2.213 m/km for this road.
    let iri = 25.794 * reference / (50.0_f64 / 3.6).sqrt();
    assert!((iri / 2.213 - 1.0).abs() < 0.06, "{iri}");
}

#[test]
fn four_times_the_spectrum_is_twice_the_roughness() {
    let (_, one) = measure(50.0, 1e-6);
    let (_, four) = measure(50.0, 4e-6);
    assert!((four / one - 2.0).abs() < 1e-3, "{one} {four}");
}
