//! Butterworth filters as second-order sections (bilinear transform; coefficients after Bristow-Johnson, "Audio EQ
//! cookbook", with the Butterworth quality factors of fourth order).

use std::f64::consts::PI;

/// Quality factors of a fourth-order Butterworth filter.
const Q4: [f64; 2] = [0.541_196_100_146_197, 1.306_562_964_876_376];

/// One second-order section, transposed direct form II.
#[derive(Clone, Copy, Debug)]
struct Section {
    b0: f64,
    b1: f64,
    b2: f64,
    a1: f64,
    a2: f64,
    s1: f64,
    s2: f64,
}

impl Section {
    fn new(cutoff_hz: f64, rate_hz: f64, q: f64, high: bool) -> Self {
        let w = 2.0 * PI * cutoff_hz / rate_hz;
        let (sin, cos) = w.sin_cos();
        let alpha = sin / (2.0 * q);
        let a0 = 1.0 + alpha;
        let (b0, b1) = if high { ((1.0 + cos) / 2.0, -(1.0 + cos)) } else { ((1.0 - cos) / 2.0, 1.0 - cos) };
        Self { b0: b0 / a0, b1: b1 / a0, b2: b0 / a0, a1: -2.0 * cos / a0, a2: (1.0 - alpha) / a0, s1: 0.0, s2: 0.0 }
    }

    #[inline]
    fn step(&mut self, x: f64) -> f64 {
        let y = self.b0 * x + self.s1;
        self.s1 = self.b1 * x - self.a1 * y + self.s2;
        self.s2 = self.b2 * x - self.a2 * y;
        y
    }
}

/// Fourth-order high-pass, then fourth-order low-pass where the rate allows one.
#[derive(Clone, Debug)]
pub struct Band {
    high: [Section; 2],
    low: Option<[Section; 2]>,
}

impl Band {
    /// A band from `high_pass_hz` to `low_pass_hz` at `rate_hz` samples a second. Above 45 % of the rate the low-pass is
    /// left out: the sensor's own filter has done it.
    #[must_use]
    pub fn new(high_pass_hz: f64, low_pass_hz: f64, rate_hz: f64) -> Self {
        let pair = |cutoff: f64, high: bool| Q4.map(|q| Section::new(cutoff.min(rate_hz * 0.45), rate_hz, q, high));
        Self { high: pair(high_pass_hz, true), low: (low_pass_hz < 0.45 * rate_hz).then(|| pair(low_pass_hz, false)) }
    }

    /// The next sample.
    #[inline]
    pub fn step(&mut self, x: f64) -> f64 {
        let mut y = x;
        for section in &mut self.high {
            y = section.step(y);
        }
        if let Some(low) = &mut self.low {
            for section in low {
                y = section.step(y);
            }
        }
        y
    }
}

/// Vertical part of acceleration in any mounting: the projection on "up" once that is known, until then on the slowly
/// followed gravity vector.
#[derive(Clone, Debug)]
pub struct Vertical {
    gravity: [f64; 3],
    unit: [f64; 3],
    fixed: bool,
    rest: f64,
    part: f64,
    count: u32,
}

/// Samples between two updates of the unit vector; it turns over seconds.
const TURN_EVERY: u32 = 16;

impl Vertical {
    /// Starts from a first guess of gravity, such as the mean of some samples.
    #[must_use]
    pub fn new(gravity: [f64; 3], cutoff_hz: f64, rate_hz: f64) -> Self {
        let mut vertical = Self {
            gravity,
            unit: [0.0, 0.0, 1.0],
            fixed: false,
            rest: 0.0,
            part: 1.0 - (-2.0 * PI * cutoff_hz / rate_hz).exp(),
            count: 0,
        };
        vertical.turn();
        vertical.rest = dot(&gravity, &vertical.unit);
        vertical
    }

    fn turn(&mut self) {
        let length = dot(&self.gravity, &self.gravity).sqrt();
        if length > 1e-6 {
            self.unit = self.gravity.map(|g| g / length);
        }
    }

    /// Slowly followed gravity, m/s² in the sensor's axes.
    #[must_use]
    pub fn gravity(&self) -> &[f64; 3] {
        &self.gravity
    }

    /// Projects on this direction of length 1 from now on; on gravity where it is none.
    pub fn set_up(&mut self, up: Option<[f64; 3]>) {
        self.fixed = up.is_some();
        self.unit = up.unwrap_or(self.unit);
    }

    /// Vertical acceleration less gravity at the start, m/s².
    #[inline]
    pub fn step(&mut self, a: &[f64; 3]) -> f64 {
        for (g, a) in self.gravity.iter_mut().zip(a) {
            *g += (a - *g) * self.part;
        }
        self.count += 1;
        if self.count >= TURN_EVERY {
            self.count = 0;
            if !self.fixed {
                self.turn();
            }
        }
        dot(a, &self.unit) - self.rest
    }
}

#[inline]
fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gain of the band at a frequency, by feeding a sine.
    fn gain(hz: f64, rate_hz: f64) -> f64 {
        let mut band = Band::new(0.5, 20.0, rate_hz);
        let samples = (60.0 * rate_hz) as usize;
        let mut sum = 0.0;
        let mut count = 0.0;
        for n in 0..samples {
            let y = band.step((2.0 * PI * hz * n as f64 / rate_hz).sin());
            if n > samples / 2 {
                sum += y * y;
                count += 1.0;
            }
        }
        (2.0_f64 * sum / count).sqrt()
    }

    #[test]
    fn the_band_is_half_a_hertz_to_twenty_at_any_rate() {
        for rate in [100.0, 104.0, 400.0, 833.0] {
            assert!((gain(5.0, rate) - 1.0).abs() < 0.01, "{rate}");
            assert!((gain(0.5, rate) - 0.5_f64.sqrt()).abs() < 0.01, "{rate}");
            assert!((gain(20.0, rate) - 0.5_f64.sqrt()).abs() < 0.01, "{rate}");
            assert!(gain(0.1, rate) < 0.002 && gain(0.1, rate) > 0.0, "{rate}");
        }
        assert!(gain(80.0, 400.0) < 0.005);
        assert!((gain(12.0, 40.0) - 1.0).abs() < 0.05, "no low-pass below its rate");
    }

    #[test]
    fn any_mounting_gives_the_same_vertical() {
        let turned = [0.6_f64, 0.0, 0.8];
        let mut flat = Vertical::new([0.0, 0.0, 9.81], 0.05, 400.0);
        let mut tilted = Vertical::new(turned.map(|u| u * 9.81), 0.05, 400.0);
        for n in 0..4_000 {
            let a = 9.81 + (n as f64 * 0.1).sin();
            let x = flat.step(&[0.3, 0.0, a]);
            let y = tilted.step(&turned.map(|u| u * a));
            assert!((x - y).abs() < 0.02, "{x} {y}");
        }
    }

    /// Five times 3 s of braking at 1.4 m/s², on an engine that shakes the sensor lengthwise at 12 Hz: gravity leans over,
    /// a known "up" does not.
    #[test]
    fn braking_does_not_reach_a_known_vertical() {
        let leak = |up: Option<[f64; 3]>| {
            let mut vertical = Vertical::new([0.0, 0.0, 9.81], 0.05, 400.0);
            vertical.set_up(up);
            let mut band = Band::new(0.5, 20.0, 400.0);
            let mut sum = 0.0;
            for n in 0..400 * 30 {
                let t_s = f64::from(n) / 400.0;
                let braking = if t_s % 6.0 < 3.0 { -1.4 } else { 0.0 };
                let shake = (2.0 * PI * 12.0 * t_s).sin();
                sum += band.step(vertical.step(&[braking + shake, 0.0, 9.81])).powi(2);
            }
            (sum / f64::from(400 * 30)).sqrt() / 0.5_f64.sqrt()
        };
        let (followed, known) = (leak(None), leak(Some([0.0, 0.0, 1.0])));
        println!("of the lengthwise shaking {:.1} % by gravity, {:.1} % with a known up", followed * 1e2, known * 1e2);
        assert!(followed > 0.04 && known < 1e-9, "{followed} {known}");
    }
}
