//! The line between box and host: now and then a byte is flipped or lost.

/// How bad the line is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineNoise {
    /// Probability that one bit of a frame is flipped.
    pub flip_per_frame: f64,
    /// Probability that one byte of a frame is lost.
    pub drop_per_frame: f64,
}

impl LineNoise {
    /// A line without faults.
    pub const CLEAN: Self = Self { flip_per_frame: 0.0, drop_per_frame: 0.0 };
}

impl Default for LineNoise {
    /// A few dozen faults in the whole demo.
    fn default() -> Self {
        Self { flip_per_frame: 2e-5, drop_per_frame: 1e-5 }
    }
}
