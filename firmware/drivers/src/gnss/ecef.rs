//! Earth-centred coordinates to latitude, longitude and motion over ground: the one place with floating point, for old
//! receivers that send NAV-SOL without NAV-POSLLH.
//!
//! Latitude after B. R. Bowring, "Transformation from spatial to geographical coordinates", Survey Review 23 (1976), one
//! step, on WGS 84 (NIMA TR8350.2): better than 1e-9 degrees at any height where vehicles drive.

/// Semi-major axis, metres.
const A_M: f64 = 6_378_137.0;
/// Flattening.
const F: f64 = 1.0 / 298.257_223_563;
const B_M: f64 = A_M * (1.0 - F);
const E2: f64 = F * (2.0 - F);
const EP2: f64 = E2 / ((1.0 - F) * (1.0 - F));
/// Nearer to the axis than this there is no longitude; no vehicle goes there.
const AXIS_M: f64 = 1.0;

/// Where and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ground {
    pub(super) lat_e7: i32,
    pub(super) lon_e7: i32,
    pub(super) speed_mmps: u32,
    pub(super) heading_cdeg: u16,
}

/// From centimetres and centimetres per second. Nothing for a point that is not near the ellipsoid.
pub(super) fn ground(position_cm: [i32; 3], velocity_cmps: [i32; 3]) -> Option<Ground> {
    let [x, y, z] = position_cm.map(|cm| f64::from(cm) / 100.0);
    let p = libm::sqrt(x * x + y * y);
    let radius = libm::sqrt(p * p + z * z);
    // From 100 km below to 100 km above: the centre of the earth is what a receiver without a fix gives.
    if p < AXIS_M || !(6_250_000.0..6_480_000.0).contains(&radius) {
        return None;
    }
    let tan_u = z * A_M / (p * B_M);
    let cos_u = 1.0 / libm::sqrt(1.0 + tan_u * tan_u);
    let sin_u = tan_u * cos_u;
    let (up, out) = (z + EP2 * B_M * sin_u * sin_u * sin_u, p - E2 * A_M * cos_u * cos_u * cos_u);
    let norm = libm::sqrt(up * up + out * out);
    let (sin_lat, cos_lat, sin_lon, cos_lon) = (up / norm, out / norm, y / p, x / p);
    let [vx, vy, vz] = velocity_cmps.map(|cmps| f64::from(cmps) * 10.0);
    let east = vy * cos_lon - vx * sin_lon;
    let north = vz * cos_lat - (vx * cos_lon + vy * sin_lon) * sin_lat;
    let course_deg = libm::atan2(east, north).to_degrees();
    let course_deg = if course_deg < 0.0 { course_deg + 360.0 } else { course_deg };
    Some(Ground {
        lat_e7: libm::round(libm::atan2(up, out).to_degrees() * 1e7) as i32,
        lon_e7: libm::round(libm::atan2(y, x).to_degrees() * 1e7) as i32,
        speed_mmps: libm::round(libm::sqrt(east * east + north * north)) as u32,
        heading_cdeg: (libm::round(course_deg * 100.0) as u16) % 36_000,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forward: geodetic to earth-centred, the textbook formula.
    fn forward(lat_deg: f64, lon_deg: f64, height_m: f64) -> [i32; 3] {
        let (lat, lon) = (lat_deg.to_radians(), lon_deg.to_radians());
        let n = A_M / libm::sqrt(1.0 - E2 * libm::sin(lat) * libm::sin(lat));
        let p = (n + height_m) * libm::cos(lat);
        let z = (n * (1.0 - E2) + height_m) * libm::sin(lat);
        [p * libm::cos(lon), p * libm::sin(lon), z].map(|m| libm::round(m * 100.0) as i32)
    }

    #[test]
    fn there_and_back() {
        for lat in -89..=89 {
            for lon in (-180..=180).step_by(7) {
                let at = (f64::from(lat) + 0.123_456, f64::from(lon).clamp(-179.9, 179.9));
                let got = ground(forward(at.0, at.1, 300.0), [0; 3]).unwrap();
                // Centimetres in, so 1e-7 degrees out, and more of longitude towards the poles.
                assert!((f64::from(got.lat_e7) * 1e-7 - at.0).abs() < 2e-7, "{at:?} {got:?}");
                let stretch = 1.0 / libm::cos(at.0.to_radians());
                assert!((f64::from(got.lon_e7) * 1e-7 - at.1).abs() < 2e-7 * stretch.max(1.0), "{at:?} {got:?}");
            }
        }
    }

    #[test]
    fn motion_is_over_ground() {
        let at = forward(0.0, 0.0, 0.0);
        // At 0°, 0° x is up, y east, z north.
        let east = ground(at, [50, 100, 0]).unwrap();
        assert_eq!((east.speed_mmps, east.heading_cdeg), (1_000, 9_000));
        let south_west = ground(at, [0, -300, -400]).unwrap();
        assert_eq!((south_west.speed_mmps, south_west.heading_cdeg), (5_000, 21_687));
    }

    #[test]
    fn not_on_earth() {
        assert_eq!(ground([0; 3], [0; 3]), None);
        assert_eq!(ground([0, 0, 635_675_231], [0; 3]), None, "the pole");
        assert_eq!(ground([i32::MAX; 3], [i32::MAX; 3]), None);
        assert_eq!(ground([i32::MIN; 3], [i32::MIN; 3]), None);
    }
}
