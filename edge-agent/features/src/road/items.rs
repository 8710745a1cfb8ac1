//! What the road stage puts out, and its rows.

use tournee_payload::{Sample, Stream};

use crate::ids;

/// One window of road.
#[derive(Clone, Debug, PartialEq)]
pub struct RoadWindow {
    /// Time of its first sample.
    pub start_us: i64,
    /// Time of its last sample.
    pub end_us: i64,
    /// Time at the middle of its travel, to which position and course belong.
    pub mid_us: i64,
    /// Latitude at the middle, degrees.
    pub lat_deg: f64,
    /// Longitude at the middle, degrees.
    pub lon_deg: f64,
    /// Course at the middle.
    pub heading_deg: Option<f64>,
    /// Mean speed.
    pub speed_mps: f64,
    /// Travel.
    pub length_m: f64,
    /// RMS of vertical acceleration in the band, m/s².
    pub rms_mps2: Option<f64>,
    /// Speed-neutral roughness; empty when a gate is closed.
    pub rough_mps2: Option<f64>,
    /// Largest absolute vertical acceleration.
    pub peak_mps2: Option<f64>,
    /// Power of the prediction error (see [`ppe`](super::ppe)) brought to the same speed: the second measure, which needs
    /// no vertical. Empty when a gate is closed, and below 75 samples a second.
    pub ppe_m2ps4: Option<f64>,
    /// Samples that count.
    pub samples: u64,
    /// Samples left out because the filters had just started.
    pub settling: u64,
    /// Events that begin in the window.
    pub events: u64,
    /// Gates and other bits of [`flags`](crate::flags).
    pub flags: u32,
}

/// A pothole or bump.
#[derive(Clone, Debug, PartialEq)]
pub struct RoadEvent {
    /// Time of the peak.
    pub t_us: i64,
    /// Latitude, degrees.
    pub lat_deg: f64,
    /// Longitude, degrees.
    pub lon_deg: f64,
    /// Course.
    pub heading_deg: Option<f64>,
    /// Speed.
    pub speed_mps: f64,
    /// Largest absolute vertical acceleration.
    pub peak_mps2: f64,
    /// Its robust z.
    pub z: f64,
    /// Bits of [`flags`](crate::flags).
    pub flags: u32,
    /// What the sensor said around the peak, for whoever checks the event: a quarter of a second on both sides, less at
    /// a hole. It is never sent: [`EventWindow`] stays on board.
    pub raw: Vec<RawSample>,
    pub(super) travel_m: f64,
}

/// A sample beside a peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawSample {
    /// Time from the peak.
    pub offset_us: i32,
    /// Acceleration in the sensor's axes, gravity included.
    pub a_mps2: [f32; 3],
}

/// An event whose row was kept, with what the sensor said around its peak; for whoever checks the event on board.
#[derive(Clone, Debug, PartialEq)]
pub struct EventWindow {
    /// The row of the event as it goes to the spool: time, place, peak.
    pub sample: Sample,
    /// See [`RoadEvent::raw`].
    pub raw: Vec<RawSample>,
}

/// What comes out.
#[derive(Clone, Debug, PartialEq)]
pub enum RoadItem {
    /// A window.
    Window(RoadWindow),
    /// An event.
    Event(RoadEvent),
}

/// Where every acceleration sample went that is in no window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoadCounts {
    /// Samples taken.
    pub taken: u64,
    /// Not finite, or not later than the one before by more than a block can overlap.
    pub refused: u64,
    /// Before the first fix.
    pub before_first_fix: u64,
    /// In a hole between fixes.
    pub in_fix_gap: u64,
    /// After the last fix.
    pub after_last_fix: u64,
    /// In windows, counted or settling.
    pub in_windows: u64,
    /// Fixes not later than the one before, or not finite.
    pub fixes_refused: u64,
    /// Peaks in samples that are in no window.
    pub peaks_without_place: u64,
    /// How often the sensor was found to have been moved in its vehicle.
    pub moved: u64,
}

impl RoadWindow {
    /// The row, without time and position.
    #[must_use]
    pub fn row(&self) -> Sample {
        let mut sample = Sample::new(Stream::Road);
        sample.set_scaled(ids::road::LENGTH, self.length_m);
        let values = [
            (ids::road::RMS, self.rms_mps2),
            (ids::road::ROUGH, self.rough_mps2),
            (ids::road::PEAK, self.peak_mps2),
            (ids::road::PPE, self.ppe_m2ps4),
        ];
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
