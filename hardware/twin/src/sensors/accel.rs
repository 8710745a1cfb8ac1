//! The accelerometer: mounted askew, with bias and noise.

use crate::random::{gauss, hash, mix, unit};

const GRAVITY_MPS2: f64 = 9.806_65;
/// ±4 g in 16 bits: 8192 units per g.
const UNITS_PER_MPS2: f64 = 8_192.0 / GRAVITY_MPS2;
/// 90 µg/√Hz over 200 Hz, a common MEMS part.
const NOISE_MPS2: f64 = 0.0125;
/// Largest roll and pitch of the mounting.
const TILT_MAX_DEG: f64 = 8.0;

/// One box's accelerometer.
#[derive(Debug)]
pub(crate) struct Accelerometer {
    /// From the vehicle's axes (forward, left, up) to the sensor's.
    turn: [[f64; 3]; 3],
    bias_mps2: [f64; 3],
    noise: Vec<f32>,
    cursor: usize,
}

impl Accelerometer {
    pub(crate) fn new(seed: u64) -> Self {
        let draw = |n: u64| 2.0 * unit(hash(&[seed, n])) - 1.0;
        let (roll, pitch) = ((TILT_MAX_DEG * draw(1)).to_radians(), (TILT_MAX_DEG * draw(2)).to_radians());
        let ((sr, cr), (sp, cp)) = (roll.sin_cos(), pitch.sin_cos());
        Self {
            turn: [[cp, 0.0, -sp], [sr * sp, cr, sr * cp], [cr * sp, -sr, cr * cp]],
            bias_mps2: [0.15 * draw(3), 0.15 * draw(4), 0.2 * draw(5)],
            noise: (0..1_u64 << 14).map(|n| (NOISE_MPS2 * gauss(mix(seed ^ n))) as f32).collect(),
            cursor: 0,
        }
    }

    /// What the part samples of the vehicle's acceleration (forward, left, up; gravity not included).
    pub(crate) fn sample(&mut self, [x, y, z]: [f64; 3]) -> [i16; 3] {
        let z = z + GRAVITY_MPS2;
        let mut raw = [0_i16; 3];
        for (axis, value) in raw.iter_mut().enumerate() {
            let [a, b, c] = self.turn[axis];
            self.cursor = (self.cursor + 1) & (self.noise.len() - 1);
            let felt = a * x + b * y + c * z + self.bias_mps2[axis] + f64::from(self.noise[self.cursor]);
            // A cast saturates, as the sensor does.
            *value = (felt * UNITS_PER_MPS2).round_ties_even() as i16;
        }
        raw
    }

    /// Moves the noise on, so that blocks do not repeat in step with the table.
    pub(crate) fn jump(&mut self, bits: u64) {
        self.cursor = bits as usize & (self.noise.len() - 1);
    }
}
