//! H3 cells, for what is counted by area instead of by street.

use geo_types::Coord;
use h3o::{LatLng, Resolution};

/// The H3 cell (as its 64-bit index) that holds a place, at a resolution of 0 to 15; none for a place that is not on Earth.
/// Resolution 10 has an average area of 0.015 km².
#[must_use]
pub fn h3_cell(place: Coord<f64>, resolution: u8) -> Option<u64> {
    if !(place.x.abs() <= 180.0 && place.y.abs() <= 90.0) {
        return None;
    }
    let at = LatLng::new(place.y, place.x).ok()?;
    Some(at.to_cell(Resolution::try_from(resolution).ok()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo_types::coord;

    #[test]
    fn golden_cell_of_the_reference_implementation() {
        let cell = h3_cell(coord! { x: -122.055_323_8, y: 37.361_559_3 }, 7);
        assert_eq!(cell, Some(0x0872_8347_2bff_ffff));
        assert_eq!(h3_cell(coord! { x: f64::NAN, y: 0.0 }, 7), None);
        assert_eq!(h3_cell(coord! { x: 0.0, y: 91.0 }, 7), None);
        assert_eq!(h3_cell(coord! { x: 0.0, y: 0.0 }, 16), None);
    }
}
