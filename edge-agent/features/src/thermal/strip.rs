//! Statistics of the facade strip of one frame. Pixels stay in this file: they identify homes and people.

use crate::profile::ThermalProfile;

/// Columns of a frame.
pub const COLUMNS: usize = 32;
/// Pixels of a frame.
pub const PIXELS: usize = 768;
/// What a dead pixel holds.
pub const DEAD: i16 = i16::MIN;

/// What a frame says about the facade.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Strip {
    /// Median, °C.
    pub median_degc: Option<f64>,
    /// 90th percentile, °C.
    pub p90_degc: Option<f64>,
    /// Pixels used.
    pub pixels: i64,
    /// Pixels masked as sky, person or exhaust; dead ones are not counted.
    pub masked: i64,
}

/// Reduces a frame. Without an air temperature nothing can be masked.
#[must_use]
pub fn reduce(frame: &[i16; PIXELS], ambient_degc: Option<f64>, profile: &ThermalProfile) -> Strip {
    let first = usize::from(profile.row_first) * COLUMNS;
    let last = (usize::from(profile.row_last) + 1) * COLUMNS;
    let rows = frame.get(first..last.min(PIXELS)).unwrap_or(&[]);
    let mut used: Vec<i16> = Vec::with_capacity(rows.len());
    let mut masked = 0;
    let (coldest, warmest) = match ambient_degc {
        Some(ambient) => (ambient - profile.sky_below_k, ambient + profile.warm_above_k),
        None => (f64::NEG_INFINITY, f64::INFINITY),
    };
    for &pixel in rows.iter().filter(|pixel| **pixel != DEAD) {
        let degc = f64::from(pixel) / 100.0;
        if degc < coldest || degc > warmest {
            masked += 1;
        } else {
            used.push(pixel);
        }
    }
    used.sort_unstable();
    let correct = |degc: f64| match ambient_degc {
        Some(ambient) => object_degc(degc, ambient - profile.reflected_below_ambient_k, profile.emissivity),
        None => degc,
    };
    Strip {
        median_degc: quantile(&used, 0.5).map(correct),
        p90_degc: quantile(&used, 0.9).map(correct),
        pixels: used.len() as i64,
        masked,
    }
}

/// Quantile of sorted hundredths, linear between neighbours.
fn quantile(sorted: &[i16], part: f64) -> Option<f64> {
    let place = (sorted.len().checked_sub(1)?) as f64 * part;
    let low = f64::from(*sorted.get(place.floor() as usize)?);
    let high = f64::from(*sorted.get(place.ceil() as usize)?);
    Some((low + (high - low) * place.fract()) / 100.0)
}

/// Grey-body correction: `T_obj = ((T_app⁴ − (1−ε) T_refl⁴) / ε)^¼`, kelvin inside, °C outside. The air path under 15 m is
/// ignored. ε = 1 keeps the apparent temperature.
#[must_use]
pub fn object_degc(apparent_degc: f64, reflected_degc: f64, emissivity: f64) -> f64 {
    if emissivity >= 1.0 {
        return apparent_degc;
    }
    let fourth = |degc: f64| (degc + 273.15).max(0.0).powi(4);
    ((fourth(apparent_degc) - (1.0 - emissivity) * fourth(reflected_degc)) / emissivity).max(0.0).powf(0.25) - 273.15
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::VehicleProfile;

    #[test]
    fn golden_t1() {
        for (app, refl, eps, golden) in
            [(5.0, -10.0, 0.95, 5.7250), (5.0, -10.0, 0.90, 6.5241), (5.0, -40.0, 0.95, 6.8349), (2.0, 2.0, 0.7, 2.0)]
        {
            assert!((object_degc(app, refl, eps) - golden).abs() < 1e-4, "{app} {refl} {eps}");
        }
    }

    #[test]
    fn masks_and_quantiles() {
        let profile = VehicleProfile::default().thermal;
        let mut frame = [300_i16; PIXELS];
        let strip = usize::from(profile.row_first) * COLUMNS;
        frame[strip] = DEAD;
        frame[strip + 1] = -2_000; // sky
        frame[strip + 2] = 3_000; // person
        frame[0] = 9_999; // outside of the strip
        for pixel in &mut frame[strip + 3..strip + 103] {
            *pixel = 700;
        }
        let result = reduce(&frame, Some(2.0), &profile);
        let strip_pixels = i64::from(profile.row_last - profile.row_first + 1) * 32;
        assert_eq!((result.pixels, result.masked), (strip_pixels - 3, 2));
        assert_eq!((result.median_degc, result.p90_degc), (Some(3.0), Some(7.0)));
        assert_eq!(reduce(&frame, None, &profile).pixels, strip_pixels - 1);
        assert_eq!(reduce(&[DEAD; PIXELS], Some(2.0), &profile), Strip::default());
    }
}
