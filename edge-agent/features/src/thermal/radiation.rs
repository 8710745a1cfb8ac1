//! Grey bodies, skies and pixels: the formulas of science, §2.4.

/// Stefan and Boltzmann's constant, W/(m² K⁴) (CODATA 2018, to four digits as the golden numbers have it).
const SIGMA: f64 = 5.670_374e-8;
/// 0 °C in kelvin.
const ZERO_K: f64 = 273.15;

fn fourth(degc: f64) -> f64 {
    (degc + ZERO_K).max(0.0).powi(4)
}

fn root(fourth_k4: f64) -> f64 {
    fourth_k4.max(0.0).powf(0.25) - ZERO_K
}

/// Temperature of an object, °C, from its apparent temperature and the one that it reflects, both °C (grey body):
/// `T_obj = ((T_app⁴ − (1−ε) T_refl⁴) / ε)^¼` in kelvin. The air path under 15 m is ignored. ε = 1 keeps the apparent
/// temperature.
#[must_use]
pub fn object_degc(apparent_degc: f64, reflected_degc: f64, emissivity: f64) -> f64 {
    if emissivity >= 1.0 {
        return apparent_degc;
    }
    root((fourth(apparent_degc) - (1.0 - emissivity) * fourth(reflected_degc)) / emissivity)
}

/// Temperature of a clear sky, °C, from that of the air (Swinbank 1963): `T_sky = 0.0552 T_air^1.5` in kelvin.
#[must_use]
pub fn clear_sky_degc(air_degc: f64) -> f64 {
    0.0552 * (air_degc + ZERO_K).max(0.0).powf(1.5) - ZERO_K
}

/// What a wall reflects, °C: the sky by the share `sky_view`, else things at air temperature, mixed in the fourth power.
/// The sky is between air temperature (overcast, `clearness` 0) and [`clear_sky_degc`] (1).
#[must_use]
pub fn reflected_degc(air_degc: f64, sky_view: f64, clearness: f64) -> f64 {
    let (air, clear) = (fourth(air_degc), fourth(clear_sky_degc(air_degc)));
    let sky = air + clearness * (clear - air);
    root(sky_view * sky + (1.0 - sky_view) * air)
}

/// Heat that a surface exchanges by radiation with what it sees, W/(m² K), where both are near one temperature:
/// `4 ε σ T³`.
#[must_use]
pub fn exchange_wm2k(degc: f64, emissivity: f64) -> f64 {
    4.0 * emissivity * SIGMA * (degc + ZERO_K).max(0.0).powi(3)
}

/// Width and height, metres, that a pixel in the middle of a picture covers at a distance: field of view in degrees and
/// count of pixels, columns first.
#[must_use]
pub fn pixel_m(distance_m: f64, field_deg: [f64; 2], pixels: [usize; 2]) -> [f64; 2] {
    let ([wide, high], [columns, rows]) = (field_deg, pixels);
    let one = |field: f64, count: usize| 2.0 * distance_m * (field / 2.0).to_radians().tan() / count.max(1) as f64;
    [one(wide, columns), one(high, rows)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_t1_object() {
        for (app, refl, eps, golden) in
            [(5.0, -10.0, 0.95, 5.7250), (5.0, -10.0, 0.90, 6.5241), (5.0, -40.0, 0.95, 6.8349), (2.0, 2.0, 0.7, 2.0)]
        {
            assert!((object_degc(app, refl, eps) - golden).abs() < 1e-4, "{app} {refl} {eps}");
        }
        assert_eq!(object_degc(7.25, -30.0, 1.0), 7.25);
    }

    #[test]
    fn golden_t2_swinbank() {
        assert!((clear_sky_degc(0.0) + 273.15 - 249.19).abs() < 0.01, "{}", clear_sky_degc(0.0));
    }

    #[test]
    fn golden_t3_radiative_exchange() {
        assert!((exchange_wm2k(0.0, 0.95) / 4.3914 - 1.0).abs() < 1e-4, "{}", exchange_wm2k(0.0, 0.95));
    }

    #[test]
    fn golden_t4_pixel() {
        let [wide, high] = pixel_m(8.0, [55.0, 35.0], [32, 24]);
        assert!((wide - 0.260).abs() < 5e-4 && (high - 0.210).abs() < 5e-4, "{wide} {high}");
        // The wide lens of the same section: 110° × 75°.
        let [wide, high] = pixel_m(8.0, [110.0, 75.0], [32, 24]);
        assert!((wide - 0.71).abs() < 5e-3 && (high - 0.51).abs() < 5e-3, "{wide} {high}");
    }

    #[test]
    fn a_wall_reflects_between_sky_and_air() {
        let clear = reflected_degc(0.0, 0.5, 1.0);
        let half = ((249.19_f64.powi(4) + 273.15_f64.powi(4)) / 2.0).powf(0.25) - 273.15;
        assert!((clear - half).abs() < 0.01, "{clear}");
        assert!((reflected_degc(3.0, 0.5, 0.0) - 3.0).abs() < 1e-9, "overcast");
        assert!((reflected_degc(3.0, 0.0, 1.0) - 3.0).abs() < 1e-9, "no sky in sight");
        assert!((reflected_degc(3.0, 1.0, 1.0) - clear_sky_degc(3.0)).abs() < 1e-9, "nothing else");
    }
}
