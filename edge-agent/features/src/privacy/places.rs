//! Places where nothing is kept: depots, homes of drivers, clinics.

use crate::geo;

/// Doubt about a position that does not state any, metres: its accuracy was so bad that it was emptied.
pub(super) const DOUBT_UNKNOWN_M: f64 = 1_000.0;
/// Smallest and largest radius, metres: below, a receiver's error is as large; above, it is not a place any more.
const RADIUS_M: std::ops::RangeInclusive<f64> = 20.0..=2_000.0;
/// Most places of one box.
const PLACES_MAX: usize = 64;
/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 64;
/// A degree of latitude is at least so long, metres, on the sphere of [`geo`]; rounded down.
const DEGREE_M: f64 = 111_000.0;

/// Why a place is none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlaceError {
    /// No name, or a long one.
    #[error("a place needs a name of 1 to {NAME_BYTES_MAX} bytes")]
    Name,
    /// The name is taken.
    #[error("two places have the name {0:?}")]
    Twice(String),
    /// Not on the globe.
    #[error("{name}: lat_deg = {lat_deg}, lon_deg = {lon_deg} is no position: -90 to 90, -180 to 180")]
    Position {
        /// The place.
        name: String,
        /// Degrees north.
        lat_deg: f64,
        /// Degrees east.
        lon_deg: f64,
    },
    /// Too small or too large.
    #[error("{name}: radius_m = {radius_m} is not accepted: {} to {}", RADIUS_M.start(), RADIUS_M.end())]
    Radius {
        /// The place.
        name: String,
        /// Metres.
        radius_m: f64,
    },
    /// Too many.
    #[error("{0} places: at most {PLACES_MAX}")]
    Count(usize),
}

/// A circle on the ground.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    name: String,
    lat_deg: f64,
    lon_deg: f64,
    radius_m: f64,
}

impl Place {
    /// A circle of `radius_m` (20 to 2000 m) around a position in WGS 84.
    ///
    /// # Errors
    /// [`PlaceError`]: a name, position or radius that cannot be.
    pub fn new(name: &str, lat_deg: f64, lon_deg: f64, radius_m: f64) -> Result<Self, PlaceError> {
        if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(PlaceError::Name);
        }
        let name = name.to_owned();
        if !((-90.0..=90.0).contains(&lat_deg) && (-180.0..=180.0).contains(&lon_deg)) {
            return Err(PlaceError::Position { name, lat_deg, lon_deg });
        }
        if !RADIUS_M.contains(&radius_m) {
            return Err(PlaceError::Radius { name, radius_m });
        }
        Ok(Self { name, lat_deg, lon_deg, radius_m })
    }

    fn may_hold(&self, lat_deg: f64, lon_deg: f64, doubt_m: f64) -> bool {
        let reach_m = self.radius_m + doubt_m;
        // Most places are another town's: the latitude alone says so.
        (lat_deg - self.lat_deg).abs() * DEGREE_M <= reach_m
            && geo::distance_m(self.lat_deg, self.lon_deg, lat_deg, lon_deg) <= reach_m
    }
}

/// All places of a box.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places(Vec<Place>);

impl Places {
    /// At most 64, each with a name of its own.
    ///
    /// # Errors
    /// [`PlaceError::Count`] and [`PlaceError::Twice`].
    pub fn new(places: Vec<Place>) -> Result<Self, PlaceError> {
        if places.len() > PLACES_MAX {
            return Err(PlaceError::Count(places.len()));
        }
        for (at, place) in places.iter().enumerate() {
            if places.iter().take(at).any(|other| other.name == place.name) {
                return Err(PlaceError::Twice(place.name.clone()));
            }
        }
        Ok(Self(places))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether something at this position, known to `doubt_m`, may be within one of them.
    #[must_use]
    pub fn may_hold(&self, lat_deg: f64, lon_deg: f64, doubt_m: f64) -> bool {
        self.0.iter().any(|place| place.may_hold(lat_deg, lon_deg, doubt_m))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_circle_also_across_the_date_line() {
        let place = Place::new("Taveuni", -16.8, 179.9999, 500.0).unwrap();
        let east = |metres: f64| {
            let (lat_deg, lon_deg) = geo::ahead(-16.8, 179.9999, 90.0, metres);
            place.may_hold(lat_deg, lon_deg, 10.0)
        };
        assert!(east(0.0) && east(509.0) && !east(511.0));
        let north = |metres: f64| place.may_hold(-16.8 + metres / 111_195.08, 179.9999, 0.0);
        assert!(north(499.0) && !north(501.0));
        let far_north = Place::new("Longyearbyen", 78.22, 15.65, 100.0).unwrap();
        let (lat_deg, lon_deg) = geo::ahead(78.22, 15.65, 270.0, 99.0);
        assert!(far_north.may_hold(lat_deg, lon_deg, 0.0));
    }

    #[test]
    fn what_is_no_place_is_refused_with_the_range() {
        let text = |place: Result<Place, PlaceError>| place.unwrap_err().to_string();
        assert!(text(Place::new("home", 47.0, -2.0, 19.0)).contains("radius_m = 19 is not accepted: 20 to 2000"));
        assert!(text(Place::new("home", 47.0, -2.0, f64::NAN)).contains("radius_m"));
        assert!(text(Place::new("home", f64::NAN, -2.0, 50.0)).contains("-90 to 90"));
        assert!(text(Place::new("home", 47.0, 181.0, 50.0)).contains("lon_deg = 181"));
        assert!(text(Place::new("  ", 47.0, -2.0, 50.0)).contains("a name"));
        let place = |number: usize| Place::new(&format!("p{number}"), 47.0, -2.0, 50.0).unwrap();
        assert_eq!(Places::new((0..64).map(place).collect()).unwrap().count(), 64);
        assert_eq!(Places::new((0..65).map(place).collect()), Err(PlaceError::Count(65)));
        assert_eq!(Places::new(vec![place(1), place(1)]), Err(PlaceError::Twice("p1".to_owned())));
    }
}
