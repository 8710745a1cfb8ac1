//! Small-scale geometry on the sphere.

/// Mean radius of the earth (IUGG), metres.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Great-circle distance (haversine), metres.
#[must_use]
pub fn distance_m(lat1_deg: f64, lon1_deg: f64, lat2_deg: f64, lon2_deg: f64) -> f64 {
    let (lat1, lat2) = (lat1_deg.to_radians(), lat2_deg.to_radians());
    let a = ((lat2 - lat1) / 2.0).sin().powi(2)
        + lat1.cos() * lat2.cos() * ((lon2_deg - lon1_deg).to_radians() / 2.0).sin().powi(2);
    2.0 * EARTH_RADIUS_M * a.sqrt().min(1.0).asin()
}

/// The point `distance_m` away on a course, good for some kilometres.
#[must_use]
pub fn ahead(lat_deg: f64, lon_deg: f64, heading_deg: f64, distance_m: f64) -> (f64, f64) {
    let heading = heading_deg.to_radians();
    let lat = lat_deg + (distance_m * heading.cos() / EARTH_RADIUS_M).to_degrees();
    let shrink = lat_deg.to_radians().cos().abs().max(1e-6);
    let lon = lon_deg + (distance_m * heading.sin() / (EARTH_RADIUS_M * shrink)).to_degrees();
    (lat.clamp(-90.0, 90.0), wrap_lon(lon))
}

/// Longitude between two, the short way round.
#[must_use]
pub fn between_lon(lon1_deg: f64, lon2_deg: f64, part: f64) -> f64 {
    wrap_lon(lon1_deg + turn_deg(lon1_deg, lon2_deg) * part)
}

fn wrap_lon(lon_deg: f64) -> f64 {
    if (-180.0..=180.0).contains(&lon_deg) { lon_deg } else { (lon_deg + 180.0).rem_euclid(360.0) - 180.0 }
}

/// Signed difference of two courses, -180 to 180.
#[must_use]
pub fn turn_deg(from_deg: f64, to_deg: f64) -> f64 {
    (to_deg - from_deg + 180.0).rem_euclid(360.0) - 180.0
}

/// Course between two, the short way round, 0 to 360.
#[must_use]
pub fn between_heading(from_deg: f64, to_deg: f64, part: f64) -> f64 {
    (from_deg + turn_deg(from_deg, to_deg) * part).rem_euclid(360.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        // One minute of latitude on this sphere.
        assert!((distance_m(47.0, -2.0, 47.0 + 1.0 / 60.0, -2.0) - 1853.25).abs() < 0.1);
        let (lat, lon) = ahead(47.65, -2.09, 90.0, 100.0);
        assert!((distance_m(47.65, -2.09, lat, lon) - 100.0).abs() < 0.01);
        assert_eq!(distance_m(0.0, 0.0, 0.0, 0.0), 0.0);
    }

    #[test]
    fn around_the_circle() {
        assert_eq!(between_heading(350.0, 10.0, 0.5), 0.0);
        assert_eq!(turn_deg(10.0, 350.0), -20.0);
        assert_eq!(between_lon(179.0, -179.0, 0.5).abs(), 180.0);
    }
}
