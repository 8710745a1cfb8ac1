//! Elevation of the sun: the low-accuracy equations of the NOAA solar calculator (Meeus, "Astronomical Algorithms",
//! ch. 25), good to a few hundredths of a degree between 1950 and 2050. Refraction is left out.

/// Elevation of the sun's centre above the horizon, degrees.
#[must_use]
pub fn elevation_deg(utc_us: i64, lat_deg: f64, lon_deg: f64) -> f64 {
    let days = utc_us as f64 / 86_400e6;
    // Julian centuries since J2000; 1970-01-01 0 h is Julian day 2440587.5.
    let t = (days + 2_440_587.5 - 2_451_545.0) / 36_525.0;
    let mean_longitude = (280.466_46 + t * (36_000.769_83 + t * 0.000_303_2)).rem_euclid(360.0);
    let anomaly = (357.529_11 + t * (35_999.050_29 - 0.000_153_7 * t)).to_radians();
    let eccentricity = 0.016_708_634 - t * (0.000_042_037 + 0.000_000_126_7 * t);
    let centre = anomaly.sin() * (1.914_602 - t * (0.004_817 + 0.000_014 * t))
        + (2.0 * anomaly).sin() * (0.019_993 - 0.000_101 * t)
        + (3.0 * anomaly).sin() * 0.000_289;
    let node = (125.04 - 1_934.136 * t).to_radians();
    let longitude = (mean_longitude + centre - 0.005_69 - 0.004_78 * node.sin()).to_radians();
    let obliquity = (23.439_291 - 0.013_004_2 * t + 0.002_56 * node.cos()).to_radians();
    let declination = (obliquity.sin() * longitude.sin()).asin();

    let y = (obliquity / 2.0).tan().powi(2);
    let l0 = mean_longitude.to_radians();
    let equation_of_time_deg = (y * (2.0 * l0).sin() - 2.0 * eccentricity * anomaly.sin()
        + 4.0 * eccentricity * y * anomaly.sin() * (2.0 * l0).cos()
        - 0.5 * y * y * (4.0 * l0).sin()
        - 1.25 * eccentricity * eccentricity * (2.0 * anomaly).sin())
    .to_degrees();

    let hour_angle = (days.rem_euclid(1.0) * 360.0 + equation_of_time_deg + lon_deg - 180.0).to_radians();
    let lat = lat_deg.to_radians();
    (lat.sin() * declination.sin() + lat.cos() * declination.cos() * hour_angle.cos())
        .clamp(-1.0, 1.0)
        .asin()
        .to_degrees()
}

/// Whether the sun stood below `elevation_max_deg` now and during the `rest_s` before.
#[must_use]
pub fn was_down(utc_us: i64, lat_deg: f64, lon_deg: f64, elevation_max_deg: f64, rest_s: i64) -> bool {
    // Half an hour is 7.5° of hour angle: a culmination between two looks adds 0.1° at the most.
    let looks = rest_s / 1_800 + 1;
    (0..=looks).all(|look| {
        let back_s = (look * 1_800).min(rest_s);
        elevation_deg(utc_us.saturating_sub(back_s.saturating_mul(1_000_000)), lat_deg, lon_deg) <= elevation_max_deg
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;
    const NEW_YEAR_2026: i64 = 1_767_225_600_000_000;

    #[test]
    fn known_sunrise_and_noon() {
        // Paris, 2026-01-01: the almanac prints sunrise 8:44 and sunset 17:04 local time (UTC+1); elevation then -0.833°.
        for minutes in [7 * 60 + 44, 16 * 60 + 4] {
            let elevation = elevation_deg(NEW_YEAR_2026 + minutes * 60_000_000, 48.8534, 2.3488);
            assert!((elevation + 0.833).abs() < 0.15, "{elevation}");
        }
        // Greenwich, June solstice 2026, around true noon: 90 - 51.4779 + 23.44.
        let highest = (0..60)
            .map(|minute| elevation_deg(1_782_039_600_000_000 + minute * 60_000_000, 51.4779, 0.0))
            .fold(f64::MIN, f64::max);
        assert!((highest - 61.96).abs() < 0.02, "{highest}");
    }

    #[test]
    fn two_hours_of_rest() {
        let down = |hour: i64| was_down(NEW_YEAR_2026 + hour * HOUR_US, 47.65, -2.09, -6.0, 7_200);
        assert!(down(5) && down(21) && down(3));
        assert!(!down(12) && !down(18) && !down(8));
    }
}
