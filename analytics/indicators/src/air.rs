//! Air corrections: humidity of particles, and the hour of the pass.

use serde::Deserialize;

use crate::DataError;
pub use crate::background::{Adjusted, adjust_series, background};

/// Coefficients of all corrections, data read from `data/corrections.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corrections {
    /// Version of the data file.
    pub version: String,
    /// Linear humidity correction.
    pub barkjohn: Barkjohn,
    /// Physical humidity correction.
    pub kappa_koehler: KappaKoehler,
    /// Hour of the pass.
    pub background: Background,
    /// Facade temperatures.
    pub facade: Facade,
    /// Mobile signal.
    pub mobile: Mobile,
}

impl Corrections {
    /// The coefficients that ship with this version.
    ///
    /// # Errors
    /// Only if the embedded file is broken, which a test rules out.
    pub fn builtin() -> Result<Self, DataError> {
        Self::from_toml("corrections.toml", include_str!("../data/corrections.toml"))
    }

    /// Coefficients from TOML text; `file` is named in errors.
    ///
    /// # Errors
    /// Names the file and the key that is wrong.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, DataError> {
        let read: Self = toml::from_str(text).map_err(|error| DataError::toml(file, &error))?;
        let b = &read.background;
        if b.window_s == 0 || !(0.0..=100.0).contains(&b.percentile) {
            return Err(DataError::new(file, "background", "needs window_s above 0 and percentile from 0 to 100"));
        }
        if !(b.ratio_min > 0.0 && b.ratio_min <= 1.0 && b.ratio_max >= 1.0 && b.ratio_max.is_finite()) {
            return Err(DataError::new(file, "background", "needs 0 < ratio_min <= 1 <= ratio_max"));
        }
        if read.kappa_koehler.density_gcm3.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
            return Err(DataError::new(file, "kappa_koehler.density_gcm3", "must be above 0"));
        }
        if read.facade.alternations == 0 {
            return Err(DataError::new(file, "facade.alternations", "must be at least 1"));
        }
        Ok(read)
    }
}

/// A corrected concentration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corrected {
    /// µg/m³; may be below zero, which is kept and flagged, never clipped.
    pub value_ugm3: f64,
    /// Below zero, or humid enough to doubt.
    pub flagged: bool,
}

/// `PM2.5 = pa × raw + rh × RH + offset` (Barkjohn et al. 2021).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named after the formula")]
pub struct Barkjohn {
    pub pa: f64,
    pub rh: f64,
    pub offset_ugm3: f64,
    pub source: String,
    pub valid_from: String,
}

impl Barkjohn {
    /// Corrects a raw PM2.5 at a relative humidity in percent.
    #[must_use]
    pub fn correct(&self, raw_ugm3: f64, rh_pct: f64) -> Corrected {
        let value_ugm3 = self.pa * raw_ugm3 + self.rh * rh_pct + self.offset_ugm3;
        Corrected { value_ugm3, flagged: value_ugm3.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) }
    }
}

/// κ-Köhler growth (Crilley et al. 2018).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "named after the formula")]
pub struct KappaKoehler {
    pub kappa: f64,
    pub density_gcm3: f64,
    pub flag_above_rh_pct: f64,
    pub refuse_above_rh_pct: f64,
    pub source: String,
    pub valid_from: String,
}

impl KappaKoehler {
    /// How many times heavier the humid particles look: `1 + (κ / density) / (1 / aw − 1)`. `None` outside 0 to the
    /// refusal limit, where the formula runs away.
    #[must_use]
    pub fn growth(&self, rh_pct: f64, kappa: f64) -> Option<f64> {
        if !(0.0..=self.refuse_above_rh_pct.min(99.9)).contains(&rh_pct) {
            return None;
        }
        let aw = rh_pct / 100.0;
        // aw / (1 − aw) is 1 / (1/aw − 1) without the division by zero at a dry 0 %.
        Some(1.0 + kappa / self.density_gcm3 * (aw / (1.0 - aw)))
    }

    /// Dry PM2.5 from a humid one, with the file's κ.
    #[must_use]
    pub fn correct(&self, raw_ugm3: f64, rh_pct: f64) -> Option<Corrected> {
        let value_ugm3 = raw_ugm3 / self.growth(rh_pct, self.kappa)?;
        value_ugm3
            .is_finite()
            .then_some(Corrected { value_ugm3, flagged: rh_pct > self.flag_above_rh_pct || value_ugm3 < 0.0 })
    }
}

/// Adjustment to a reference hour.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Background {
    /// Width of the window, centred on the sample.
    pub window_s: u32,
    /// Percentile of the fleet's values that stands for the background.
    pub percentile: f64,
    /// Values that a window needs; below, the sample is left as it is.
    pub min_values: usize,
    /// Smallest ratio that is applied.
    pub ratio_min: f64,
    /// Largest ratio.
    pub ratio_max: f64,
    /// Source.
    pub source: String,
    /// Validity, ISO 8601.
    pub valid_from: String,
}

/// How a pollutant follows its background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Local emissions scale with the hour: NO2.
    Ratio,
    /// A regional share lies under everything: PM2.5.
    Additive,
}

impl Method {
    /// The method of an indicator.
    #[must_use]
    pub fn of(indicator: &str) -> Self {
        if indicator.starts_with("pm") { Self::Additive } else { Self::Ratio }
    }
}

impl Background {
    /// Brings `c`, measured under background `b_t`, to background `b_ref` (all in the same unit): `c × b_ref / b_t`
    /// with the ratio capped, or `c − b_t + b_ref`. A background that is not positive gives no ratio: `c` unchanged.
    #[must_use]
    pub fn adjust(&self, c: f64, b_t: f64, b_ref: f64, method: Method) -> f64 {
        match method {
            Method::Additive => c - b_t + b_ref,
            Method::Ratio if b_t > 0.0 && b_ref > 0.0 => c * (b_ref / b_t).clamp(self.ratio_min, self.ratio_max),
            Method::Ratio => c,
        }
    }
}

/// Facade temperatures, see [`crate::heat`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facade {
    /// Alternations of round offset and section level.
    pub alternations: u32,
    /// Frames that a pass needs.
    pub min_frames: u32,
    /// Source.
    pub source: String,
    /// Validity, ISO 8601.
    pub valid_from: String,
}

/// Mobile signal, see [`crate::mobile`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mobile {
    /// One sample is kept per so many metres of travel.
    pub thin_m: f64,
    /// Source.
    pub source: String,
    /// Validity, ISO 8601.
    pub valid_from: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1e-4), "{a} is not {b}");
    }

    #[test]
    fn golden_u1_barkjohn() {
        let formula = Corrections::builtin().unwrap().barkjohn;
        let one = formula.correct(35.0, 50.0);
        close(one.value_ugm3, 19.78);
        assert!(!one.flagged);
        let low = formula.correct(0.0, 90.0);
        close(low.value_ugm3, -2.008);
        assert!(low.flagged, "kept, and flagged");
    }

    #[test]
    fn golden_u2_kappa_koehler() {
        let formula = Corrections::builtin().unwrap().kappa_koehler;
        for (rh, kappa, growth) in
            [(50.0, 0.4, 1.242424), (80.0, 0.4, 1.969697), (90.0, 0.4, 3.181818), (80.0, 0.62, 2.503030)]
        {
            close(formula.growth(rh, kappa).unwrap(), growth);
        }
        let fitted = KappaKoehler { kappa: 0.4, ..formula.clone() };
        close(fitted.correct(30.0, 80.0).unwrap().value_ugm3, 15.2308);
        assert!(!fitted.correct(30.0, 85.0).unwrap().flagged && fitted.correct(30.0, 86.0).unwrap().flagged);
        for rh in [95.1, 100.0, -1.0, f64::NAN] {
            assert_eq!(fitted.correct(30.0, rh), None, "{rh}");
        }
        close(formula.growth(0.0, 0.4).unwrap(), 1.0);
    }

    #[test]
    fn adjustment_is_capped_and_total() {
        let b = Corrections::builtin().unwrap().background;
        close(b.adjust(30.0, 10.0, 15.0, Method::Ratio), 45.0);
        close(b.adjust(30.0, 1.0, 15.0, Method::Ratio), 60.0);
        close(b.adjust(30.0, 100.0, 15.0, Method::Ratio), 15.0);
        close(b.adjust(30.0, 0.0, 15.0, Method::Ratio), 30.0);
        close(b.adjust(30.0, 10.0, 8.0, Method::Additive), 28.0);
        assert_eq!((Method::of("pm25_ugm3"), Method::of("no2_ugm3")), (Method::Additive, Method::Ratio));
    }

    #[test]
    fn broken_corrections_are_named() {
        let text = include_str!("../data/corrections.toml");
        for (from, to, key) in [
            ("window_s = 1800", "window_s = 0", "background"),
            ("ratio_min = 0.5", "ratio_min = 0.0", "background"),
            ("density_gcm3 = 1.65", "density_gcm3 = nan", "kappa_koehler.density_gcm3"),
            ("alternations = 4", "alternations = 0", "facade.alternations"),
            ("pa = 0.524", "", "toml"),
        ] {
            assert_eq!(Corrections::from_toml("c", &text.replacen(from, to, 1)).unwrap_err().key, key);
        }
    }
}
