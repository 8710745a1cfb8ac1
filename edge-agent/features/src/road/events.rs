//! Events by robust z: `|a − median| > z × 1.4826 × MAD` over two seconds. Scored in blocks of half that window, each
//! against itself and the block before, so that the cost stays a few nanoseconds per sample at any rate.

use crate::profile::RoadProfile;

/// MAD to standard deviation for a normal distribution.
pub const MAD_TO_SIGMA: f64 = 1.4826;
/// A road smoother than this has no events by z alone, m/s².
const SIGMA_MIN_MPS2: f64 = 0.02;
/// Samples that a median is taken over at the most; more are thinned evenly.
const MEDIAN_SAMPLES: usize = 256;
/// Exceeding samples closer than this belong to one peak.
const PEAK_GAP_US: i64 = 50_000;

/// Median and MAD of some values; both 0 for none. Sorts in place.
#[must_use]
pub fn median_and_mad(values: &mut [f64]) -> (f64, f64) {
    let median = median_of(values);
    for value in values.iter_mut() {
        *value = (*value - median).abs();
    }
    (median, median_of(values))
}

fn median_of(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    let even = values.len().is_multiple_of(2);
    let (below, high, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let high = *high;
    if !even {
        return high;
    }
    let low = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low + high) / 2.0
}

/// A peak in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Time of the largest sample.
    pub t_us: i64,
    /// Its absolute value, m/s².
    pub peak_mps2: f64,
    /// Its robust z.
    pub z: f64,
}

/// Scores blocks of filtered samples.
#[derive(Debug)]
pub struct Scorer {
    limit_z: f64,
    min_peak_mps2: f64,
    before: Vec<f64>,
    scratch: Vec<f64>,
    open: Option<(Peak, i64)>,
}

impl Scorer {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(profile: &RoadProfile) -> Self {
        Self {
            limit_z: profile.event_z,
            min_peak_mps2: profile.event_min_peak_mps2,
            before: Vec::new(),
            scratch: Vec::new(),
            open: None,
        }
    }

    /// Scores a block of (time, acceleration); finished peaks are appended. A peak at the very end stays open until the
    /// next block or [`Self::close`].
    pub fn block<'a>(&mut self, block: impl Iterator<Item = (i64, f64)> + Clone + 'a, peaks: &mut Vec<Peak>) {
        let count = block.clone().count();
        let stride = count.div_ceil(MEDIAN_SAMPLES / 2).max(1);
        let thinned: Vec<f64> = block.clone().step_by(stride).map(|(_, a)| a).collect();
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.before);
        self.scratch.extend_from_slice(&thinned);
        let (median, mad) = median_and_mad(&mut self.scratch);
        let sigma = (MAD_TO_SIGMA * mad).max(SIGMA_MIN_MPS2);
        let limit = (self.limit_z * sigma).max(self.min_peak_mps2);
        for (t_us, a) in block {
            let away = (a - median).abs();
            if away <= limit {
                continue;
            }
            let here = Peak { t_us, peak_mps2: a.abs(), z: away / sigma };
            match &mut self.open {
                Some((peak, last_us)) if t_us.saturating_sub(*last_us) <= PEAK_GAP_US => {
                    *last_us = t_us;
                    if here.peak_mps2 > peak.peak_mps2 {
                        *peak = here;
                    }
                }
                _ => {
                    self.close(peaks);
                    self.open = Some((here, t_us));
                }
            }
        }
        self.before = thinned;
    }

    /// Time of the largest sample so far of a peak that is still open. Samples from there on have to wait: what they are
    /// is not known yet.
    #[must_use]
    pub fn open_us(&self) -> Option<i64> {
        self.open.map(|(peak, _)| peak.t_us)
    }

    /// Ends an open peak.
    pub fn close(&mut self, peaks: &mut Vec<Peak>) {
        peaks.extend(self.open.take().map(|(peak, _)| peak));
    }

    /// Ends an open peak whose last sample lies before `t_us`.
    pub fn close_before(&mut self, t_us: i64, peaks: &mut Vec<Peak>) {
        if self.open.is_some_and(|(_, last_us)| t_us.saturating_sub(last_us) > PEAK_GAP_US) {
            self.close(peaks);
        }
    }

    /// Forgets the past after a hole.
    pub fn restart(&mut self, peaks: &mut Vec<Peak>) {
        self.close(peaks);
        self.before.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::VehicleProfile;

    #[test]
    fn golden_p4() {
        let mut values = [10.0, 11.0, 12.0, 13.0, 100.0];
        let (median, mad) = median_and_mad(&mut values);
        assert_eq!((median, mad, MAD_TO_SIGMA * mad), (12.0, 1.0, 1.4826));
        assert_eq!(median_and_mad(&mut [1.0, 2.0, 3.0, 4.0]).0, 2.5);
        assert_eq!(median_and_mad(&mut []), (0.0, 0.0));
    }

    #[test]
    fn a_pothole_is_one_peak_and_noise_is_none() {
        let mut scorer = Scorer::new(&VehicleProfile::default().road);
        let mut peaks = Vec::new();
        let noise = |n: i64| ((n * 7_919) % 1_000) as f64 / 1_000.0 - 0.5;
        for block in 0..10_i64 {
            let samples = (0..400).map(move |n| {
                let n = block * 400 + n;
                let hit = if (2_000..2_010).contains(&n) { 6.0 - (n - 2_005).abs() as f64 * 0.5 } else { 0.0 };
                (n * 2_500, noise(n) + hit)
            });
            scorer.block(samples, &mut peaks);
        }
        scorer.close(&mut peaks);
        let [peak] = &peaks[..] else { panic!("{peaks:?}") };
        assert!((peak.t_us - 2_005 * 2_500).abs() <= 5_000 && peak.peak_mps2 > 5.0 && peak.z > 6.0, "{peak:?}");
    }
}
