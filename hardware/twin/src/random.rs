//! Randomness without state: hashes of (seed, what, where), so that a place has the same value whoever asks and when.

use std::f64::consts::TAU;

/// Mixes 64 bits well (the finaliser of SplitMix64, Steele et al. 2014).
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One hash of several numbers.
pub(crate) fn hash(parts: &[u64]) -> u64 {
    parts.iter().fold(0x51_7c_c1_b7_27_22_0a_95, |sum, part| mix(sum ^ *part))
}

/// One hash of a text (FNV-1a, then mixed).
pub(crate) fn hash_text(text: &str) -> u64 {
    mix(text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// Uniform in 0..1.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Nearly normal, mean 0, deviation 1, within ±3.5: the sum of four uniform numbers of 16 bits (Irwin–Hall).
pub(crate) fn gauss(bits: u64) -> f64 {
    const MASK: u64 = 0xffff;
    let sum = (bits & MASK) + (bits >> 16 & MASK) + (bits >> 32 & MASK) + (bits >> 48);
    // Variance of one: (2^32 - 1) / 12.
    (sum as f64 - 131_070.0) * (1.0 / 37_837.227_2)
}

/// A smooth random function of the plane, mean 0, deviation about 1: a sum of plane waves.
#[derive(Clone, Debug)]
pub(crate) struct SmoothField {
    waves: Vec<[f64; 3]>,
}

impl SmoothField {
    /// Wavelengths in metres, spread evenly on a logarithmic scale.
    pub(crate) fn new(seed: u64, shortest_m: f64, longest_m: f64) -> Self {
        const WAVES: u32 = 16;
        let waves = (0..u64::from(WAVES))
            .map(|n| {
                let length = shortest_m * (longest_m / shortest_m).powf((n as f64 + 0.5) / f64::from(WAVES));
                let angle = TAU * unit(hash(&[seed, n, 1]));
                let k = TAU / length;
                [k * angle.cos(), k * angle.sin(), TAU * unit(hash(&[seed, n, 2]))]
            })
            .collect();
        Self { waves }
    }

    pub(crate) fn at(&self, (x, y): (f64, f64)) -> f64 {
        let sum: f64 = self.waves.iter().map(|[kx, ky, phase]| (kx * x + ky * y + phase).cos()).sum();
        sum * (2.0 / self.waves.len() as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauss_has_mean_zero_and_deviation_one() {
        let n = 200_000_u64;
        let (mut sum, mut squares) = (0.0, 0.0);
        for i in 0..n {
            let value = gauss(mix(i));
            sum += value;
            squares += value * value;
        }
        assert!((sum / n as f64).abs() < 0.01, "{sum}");
        assert!((squares / n as f64 - 1.0).abs() < 0.01, "{squares}");
    }
}
