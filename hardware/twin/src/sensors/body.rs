//! The vehicle's body on the road: the quarter car of ASTM E1926 ("golden car"), driven at any speed.

use std::sync::LazyLock;

use crate::world::{HOLE_LENGTH_M, PROFILE_STEP_M};

/// Acceleration samples per second.
pub(crate) const ODR_HZ: u32 = 400;
/// Speed that roughness is stated at: 50 km/h.
pub(crate) const REFERENCE_MPS: f64 = 50.0 / 3.6;
/// Variance of the body's acceleration in 0.5–20 Hz per unit of C·v, s⁻³: the integral of the squared response of the
/// equations below to white slope of density C (one-sided, per rad/m).
pub(crate) const BAND_GAIN_J: f64 = 7_192.0;

/// Per sprung mass: tyre and spring stiffness (s⁻²), damping (s⁻¹), ratio of unsprung to sprung mass.
const TYRE: f64 = 653.0;
const SPRING: f64 = 63.3;
const DAMPER: f64 = 6.0;
const MASS_RATIO: f64 = 0.15;

/// Velocities and accelerations of body and wheel: with the road's vertical velocity as input, the equations hold for
/// the derivatives too, and no height has to be integrated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    state: [f64; 4],
}

struct Step {
    keep: [[f64; 4]; 4],
    take: [f64; 4],
}

static STEP: LazyLock<Step> = LazyLock::new(step_matrices);

impl Body {
    /// One sample on: the road moves up at `road_mps`; gives the body's vertical acceleration.
    pub(crate) fn step(&mut self, road_mps: f64) -> f64 {
        let Step { keep, take } = &*STEP;
        let old = self.state;
        for ((new, row), input) in self.state.iter_mut().zip(keep).zip(take) {
            *new = row[0] * old[0] + row[1] * old[1] + row[2] * old[2] + row[3] * old[3] + input * road_mps;
        }
        self.state[1]
    }
}

/// Exact step for an input that is constant between samples: the exponential of the equations with the input as a
/// fifth state, by scaling and squaring.
fn step_matrices() -> Step {
    const HALVINGS: i32 = 10;
    let a = [
        [0.0, 1.0, 0.0, 0.0, 0.0],
        [-SPRING, -DAMPER, SPRING, DAMPER, 0.0],
        [0.0, 0.0, 0.0, 1.0, 0.0],
        [
            SPRING / MASS_RATIO,
            DAMPER / MASS_RATIO,
            -(TYRE + SPRING) / MASS_RATIO,
            -DAMPER / MASS_RATIO,
            TYRE / MASS_RATIO,
        ],
        [0.0; 5],
    ];
    let small = 1.0 / f64::from(ODR_HZ) / 2.0_f64.powi(HALVINGS);
    let scaled = a.map(|row| row.map(|value| value * small));
    let mut sum = identity();
    let mut term = identity();
    for n in 1..=8 {
        term = times(&term, &scaled).map(|row| row.map(|value| value / f64::from(n)));
        for (to, from) in sum.iter_mut().flatten().zip(term.iter().flatten()) {
            *to += from;
        }
    }
    for _ in 0..HALVINGS {
        sum = times(&sum, &sum);
    }
    let keep = [0, 1, 2, 3].map(|row: usize| [sum[row][0], sum[row][1], sum[row][2], sum[row][3]]);
    Step { keep, take: [sum[0][4], sum[1][4], sum[2][4], sum[3][4]] }
}

fn identity() -> [[f64; 5]; 5] {
    let mut one = [[0.0; 5]; 5];
    for (n, row) in one.iter_mut().enumerate() {
        row[n] = 1.0;
    }
    one
}

fn times(a: &[[f64; 5]; 5], b: &[[f64; 5]; 5]) -> [[f64; 5]; 5] {
    let mut product = [[0.0; 5]; 5];
    for (row, from) in product.iter_mut().zip(a) {
        for (column, cell) in row.iter_mut().enumerate() {
            *cell = (0..5).map(|k| from[k] * b[k][column]).sum();
        }
    }
    product
}

/// Slope of a hole of this depth, `from_edge_m` after its first edge: down, flat, up.
pub(crate) fn hole_slope(from_edge_m: f64, depth_m: f64) -> f64 {
    let ramp = 2.0 * PROFILE_STEP_M;
    if !(0.0..HOLE_LENGTH_M).contains(&from_edge_m) {
        0.0
    } else if from_edge_m < ramp {
        -depth_m / ramp
    } else if from_edge_m < HOLE_LENGTH_M - ramp {
        0.0
    } else {
        depth_m / ramp
    }
}

/// Integral of the squared acceleration that a hole one metre deep causes at the reference speed, m²/s³.
pub(crate) fn hole_energy() -> f64 {
    static ENERGY: LazyLock<f64> = LazyLock::new(|| {
        let mut body = Body::default();
        let dt = 1.0 / f64::from(ODR_HZ);
        (0..5 * ODR_HZ)
            .map(|n| {
                let at = f64::from(n) * dt * REFERENCE_MPS;
                body.step(REFERENCE_MPS * hole_slope(at, 1.0)).powi(2) * dt
            })
            .sum()
    });
    *ENERGY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{gauss, mix};

    /// RMS of the whole band for white slope of C = 1e-6, sampled at every step.
    fn rms(speed_mps: f64) -> f64 {
        let dt = 1.0 / f64::from(ODR_HZ);
        let deviation = (std::f64::consts::PI * 1e-6 / (speed_mps * dt)).sqrt();
        let mut body = Body::default();
        let n = 2_000_000_u64;
        let sum: f64 = (0..n).map(|i| body.step(speed_mps * deviation * gauss(mix(i))).powi(2)).sum();
        (sum / n as f64).sqrt()
    }

    #[test]
    fn white_slope_gives_the_golden_cars_accelerations() {
        // Golden numbers for C = 1e-6: 0.2477 at 30 km/h, 0.3197 at 50, 0.4044 at 80.
        for (kmh, want) in [(30.0, 0.2477), (50.0, 0.3197), (80.0, 0.4044)] {
            let got = rms(kmh / 3.6);
            assert!((got / want - 1.0).abs() < 0.015, "{kmh} km/h: {got} for {want}");
        }
    }

    #[test]
    fn a_hole_is_felt() {
        let mut body = Body::default();
        let speed = 8.0;
        let peak = (0..400)
            .map(|n| body.step(speed * hole_slope(f64::from(n) * speed / f64::from(ODR_HZ), 0.04)).abs())
            .fold(0.0, f64::max);
        assert!((2.0..15.0).contains(&peak), "{peak}");
    }
}
