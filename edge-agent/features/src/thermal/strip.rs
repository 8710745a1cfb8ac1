//! Statistics of the facade strip of one frame. Pixels stay here and in [`mask`](super::mask): they identify homes and
//! people.

use super::mask::{self, OwnVehicle, Shows};
use super::radiation::{object_degc, reflected_degc};
use crate::profile::ThermalProfile;

/// Columns of a frame.
pub const COLUMNS: usize = 32;
/// Rows of a frame, the first at the top.
pub const ROWS: usize = 24;
/// Pixels of a frame.
pub const PIXELS: usize = COLUMNS * ROWS;
/// What a dead pixel holds.
pub const DEAD: i16 = i16::MIN;

/// What a frame says about the facade.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Strip {
    /// Median, °C.
    pub median_degc: Option<f64>,
    /// 90th percentile, °C.
    pub p90_degc: Option<f64>,
    /// Reflected temperature of the correction, °C; none without an air temperature.
    pub reflected_degc: Option<f64>,
    /// Pixels used.
    pub pixels: i64,
    /// Pixels of the sky and of what mirrors it.
    pub sky: i64,
    /// Pixels of people and animals.
    pub person: i64,
    /// Pixels of exhausts, other hot spots, and the vehicle itself.
    pub exhaust: i64,
    /// Dead pixels: `pixels + sky + person + exhaust + dead` is the size of the strip.
    pub dead: i64,
}

impl Strip {
    /// Pixels masked as sky, person or exhaust; dead ones are not counted.
    #[must_use]
    pub fn masked(&self) -> i64 {
        self.sky + self.person + self.exhaust
    }
}

/// Reduces a frame, hundredths of a degree. Without an air temperature nothing can be masked and nothing corrected.
#[must_use]
pub fn reduce(frame: &[i16; PIXELS], ambient_degc: Option<f64>, own: &OwnVehicle, profile: &ThermalProfile) -> Strip {
    let shows = mask::read(frame, ambient_degc, own, profile);
    let first = usize::from(profile.row_first) * COLUMNS;
    let last = (usize::from(profile.row_last) + 1) * COLUMNS;
    let mut strip = Strip::default();
    let mut used: Vec<i16> = Vec::with_capacity(PIXELS);
    for (pixel, shows) in frame.iter().zip(&shows).take(last).skip(first) {
        match shows {
            Shows::Facade => used.push(*pixel),
            Shows::Dead => strip.dead += 1,
            Shows::Sky => strip.sky += 1,
            Shows::Person => strip.person += 1,
            Shows::Exhaust => strip.exhaust += 1,
        }
    }
    used.sort_unstable();
    let reflected = ambient_degc.map(|ambient| reflected_degc(ambient, profile.sky_view, profile.sky_clearness));
    let correct = |degc: f64| reflected.map_or(degc, |reflected| object_degc(degc, reflected, profile.emissivity));
    Strip {
        median_degc: quantile(&used, 0.5).map(correct),
        p90_degc: quantile(&used, 0.9).map(correct),
        reflected_degc: reflected,
        pixels: used.len() as i64,
        ..strip
    }
}

/// Quantile of sorted hundredths, linear between neighbours.
fn quantile(sorted: &[i16], part: f64) -> Option<f64> {
    let place = (sorted.len().checked_sub(1)?) as f64 * part;
    let low = f64::from(*sorted.get(place.floor() as usize)?);
    let high = f64::from(*sorted.get(place.ceil() as usize)?);
    Some((low + (high - low) * place.fract()) / 100.0)
}
