//! Road roughness and events from acceleration.

pub mod events;
pub mod filter;
pub mod mednis;
pub mod motion;
mod window;

pub use window::{RoadCounts, RoadEvent, RoadItem, RoadWindow, WindowBuilder};

use tournee_payload::{Sample, Stream};

use crate::ids;

/// Metres per second squared per standard gravity.
pub const STANDARD_GRAVITY_MPS2: f64 = 9.806_65;

impl RoadWindow {
    /// The row, without time and position.
    #[must_use]
    pub fn row(&self) -> Sample {
        let mut sample = Sample::new(Stream::Road);
        sample.set_scaled(ids::road::LENGTH, self.length_m);
        let values =
            [(ids::road::RMS, self.rms_mps2), (ids::road::ROUGH, self.rough_mps2), (ids::road::PEAK, self.peak_mps2)];
        for (id, value) in values {
            if let Some(value) = value {
                sample.set_scaled(id, value);
            }
        }
        sample.set(ids::road::SAMPLES, i64::try_from(self.samples).ok());
        sample.set(ids::road::EVENTS, i64::try_from(self.events).ok());
        sample.set_scaled(ids::SPEED_MPS, self.speed_mps);
        sample.set(ids::FLAGS, Some(i64::from(self.flags)));
        sample
    }
}

impl RoadEvent {
    /// The row, without time and position. The kind is 1: telling one wheel from both needs a lateral threshold that is
    /// fitted per mounting.
    #[must_use]
    pub fn row(&self) -> Sample {
        let mut sample = Sample::new(Stream::RoadEvent);
        sample.set(ids::road_event::KIND, Some(1));
        sample.set_scaled(ids::road_event::PEAK, self.peak_mps2);
        sample.set_scaled(ids::road_event::Z, self.z);
        sample.set_scaled(ids::SPEED_MPS, self.speed_mps);
        sample.set(ids::FLAGS, Some(i64::from(self.flags)));
        sample
    }
}
