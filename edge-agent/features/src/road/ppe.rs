//! Power of the prediction error, the measure of SmartRoadSense: what a linear predictor cannot foretell of the
//! acceleration. A mean over the three axes, it needs no vertical and no mounting: the second opinion beside the
//! roughness. Alessandroni and others, "A study on the influence of speed on road roughness sensing", Sensors 17 (2017)
//! 305; frame, window and order as in their published engine. It is a power (m²/s⁴), so that on a road with white slopes
//! it grows with speed itself, not with its root.
//!
//! Theirs scores 50 of every 100 samples; here the frames move by 50, so that every sample is scored once and a window
//! of 20 m has its share at any speed.

use std::f64::consts::TAU;
use std::sync::LazyLock;

/// Samples a second that the figures of this measure belong to.
pub const RATE_HZ: f64 = 100.0;
/// Samples of a frame.
pub const FRAME: usize = 150;
/// Samples in the middle of a frame that are scored, and by which frames move on.
pub const SCORED: usize = 50;
/// Coefficients of the predictor.
pub const ORDER: usize = 6;
/// A rate below this share of [`RATE_HZ`] gives another measure, and therefore none.
const RATE_SHARE_MIN: f64 = 0.75;

/// Coefficients of the prediction error filter, the first is 1, from the autocorrelation at lags 0, 1, 2 … (Levinson and
/// Durbin). `None` where there is nothing to predict from: no lags, or no power.
#[must_use]
pub fn levinson_durbin(autocorrelation: &[f64]) -> Option<Vec<f64>> {
    let mut error = *autocorrelation.first()?;
    if !(error.is_finite() && error > 0.0) {
        return None;
    }
    let mut filter = vec![1.0];
    for order in 1..autocorrelation.len() {
        let lags = autocorrelation.get(1..=order)?;
        let sum: f64 = filter.iter().zip(lags.iter().rev()).map(|(a, r)| a * r).sum();
        let reflection = -sum / error;
        if !reflection.is_finite() {
            return None;
        }
        filter.push(0.0);
        let backward: Vec<f64> = filter.iter().rev().copied().collect();
        for (a, b) in filter.iter_mut().zip(backward) {
            *a += reflection * b;
        }
        error *= 1.0 - reflection * reflection;
    }
    Some(filter)
}

/// Power of the prediction error of one axis over the middle of a frame, in the square of the unit of the samples. 0 for
/// a constant; `None` for a frame that is shorter than [`FRAME`] or holds what is no number.
#[must_use]
pub fn ppe(frame: &[f64]) -> Option<f64> {
    let frame = frame.get(..FRAME)?;
    let mean = frame.iter().sum::<f64>() / FRAME as f64;
    let flat: Vec<f64> = frame.iter().map(|x| x - mean).collect();
    if !flat.iter().all(|x| x.is_finite()) {
        return None;
    }
    // Rounding leaves a constant a little above nothing, relative to what it was.
    let power = flat.iter().map(|x| x * x).sum::<f64>();
    if power <= FRAME as f64 * (mean * 1e-12).powi(2) {
        return Some(0.0);
    }
    let filter = levinson_durbin(&autocorrelation(&flat))?;
    let first = (FRAME - SCORED) / 2;
    let scored = flat.windows(ORDER + 1).skip(first - ORDER).take(SCORED);
    let squares: f64 = scored
        .map(|past| past.iter().rev().zip(&filter).map(|(x, a)| x * a).sum::<f64>())
        .map(|error| error * error)
        .sum();
    Some(squares / SCORED as f64)
}

/// Autocorrelation at the lags 0 to [`ORDER`] of a frame under a Hamming window.
fn autocorrelation(flat: &[f64]) -> [f64; ORDER + 1] {
    // Nothing before the first sample: all lags come out of one pass.
    let mut windowed = [0.0; ORDER + FRAME];
    for ((out, x), weight) in windowed.iter_mut().skip(ORDER).zip(flat).zip(HAMMING.iter()) {
        *out = x * weight;
    }
    let mut sums = [0.0; ORDER + 1];
    for past in windowed.array_windows::<{ ORDER + 1 }>() {
        let [.., now] = past;
        for (sum, x) in sums.iter_mut().zip(past.iter().rev()) {
            *sum += now * x;
        }
    }
    sums
}

static HAMMING: LazyLock<[f64; FRAME]> =
    LazyLock::new(|| std::array::from_fn(|n| 0.54 - 0.46 * (TAU * n as f64 / (FRAME - 1) as f64).cos()));

/// A scored stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Time of its first sample, µs.
    pub start_us: i64,
    /// Time of its last sample, µs.
    pub end_us: i64,
    /// Mean of the three axes, m²/s⁴.
    pub ppe_m2ps4: f64,
}

impl Score {
    /// Its middle, by which it belongs to a window.
    #[must_use]
    pub fn mid_us(&self) -> i64 {
        self.start_us.midpoint(self.end_us)
    }
}

/// Takes samples of any rate, brings them to about [`RATE_HZ`] by means of neighbours, and scores them in frames.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Samples per mean; 0 where the rate is too low for this measure.
    per_mean: u32,
    sum: [f64; 3],
    summed: u32,
    times_us: Vec<i64>,
    axes: [Vec<f64>; 3],
}

impl Meter {
    /// A meter for samples of a rate.
    #[must_use]
    pub fn new(rate_hz: f64) -> Self {
        let per_mean =
            if rate_hz >= RATE_HZ * RATE_SHARE_MIN { (rate_hz / RATE_HZ).round().max(1.0) as u32 } else { 0 };
        Self { per_mean, sum: [0.0; 3], summed: 0, times_us: Vec::new(), axes: Default::default() }
    }

    /// Whether the rate is high enough for this measure.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.per_mean > 0
    }

    /// Takes a sample, m/s² in the sensor's axes; now and then a stretch is scored.
    #[inline]
    pub fn push(&mut self, t_us: i64, a_mps2: &[f64; 3]) -> Option<Score> {
        if self.per_mean == 0 {
            return None;
        }
        for (sum, a) in self.sum.iter_mut().zip(a_mps2) {
            *sum += a;
        }
        self.summed += 1;
        if self.summed < self.per_mean { None } else { self.mean(t_us) }
    }

    fn mean(&mut self, t_us: i64) -> Option<Score> {
        let count = f64::from(self.summed);
        for (axis, sum) in self.axes.iter_mut().zip(&mut self.sum) {
            axis.push(*sum / count);
            *sum = 0.0;
        }
        self.summed = 0;
        self.times_us.push(t_us);
        if self.times_us.len() < FRAME {
            return None;
        }
        let first = (FRAME - SCORED) / 2;
        let parts: Option<Vec<f64>> = self.axes.iter().map(|axis| ppe(axis)).collect();
        let score = parts.zip(self.times_us.get(first)).zip(self.times_us.get(first + SCORED - 1));
        let score = score.map(|((parts, start_us), end_us)| Score {
            start_us: *start_us,
            end_us: *end_us,
            ppe_m2ps4: parts.iter().sum::<f64>() / 3.0,
        });
        self.times_us.drain(..SCORED);
        for axis in &mut self.axes {
            axis.drain(..SCORED);
        }
        score
    }
}
