//! Facade rows: frames from chunks, statistics per side, condition gates.

pub mod mask;
pub mod radiation;
pub mod strip;
pub mod sun;

use tournee_link::Thermal;
use tournee_payload::{Sample, Stream};

use crate::flags::{self, gate};
use crate::ids;
use crate::profile::ThermalProfile;
use mask::OwnVehicle;
use strip::{DEAD, PIXELS};

const CHUNK: usize = tournee_link::THERMAL_CHUNK_MAX;
const CHUNKS: usize = PIXELS / CHUNK;
const ALL_CHUNKS: u8 = (1 << CHUNKS) - 1;
const CAMERAS: usize = 2;

#[derive(Debug)]
struct Frame {
    number: u16,
    tick_us: i64,
    have: u8,
    pixels: Box<[i16; PIXELS]>,
}

/// Puts frames together and reduces them.
#[derive(Debug)]
pub struct ThermalStage {
    profile: ThermalProfile,
    frames: [Option<Frame>; CAMERAS],
    own: [OwnVehicle; CAMERAS],
    dropped_frames: u64,
    bad_chunks: u64,
}

impl ThermalStage {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(profile: ThermalProfile) -> Self {
        Self { profile, frames: [None, None], own: Default::default(), dropped_frames: 0, bad_chunks: 0 }
    }

    /// Frames that lacked a chunk.
    #[must_use]
    pub fn dropped_frames(&self) -> u64 {
        self.dropped_frames
    }

    /// Chunks of an unknown camera, number or length.
    #[must_use]
    pub fn bad_chunks(&self) -> u64 {
        self.bad_chunks
    }

    /// Takes a chunk; a complete frame becomes a row. Its gate still lacks what depends on time and place. `speed_mps`: of
    /// the vehicle now, none where it is not known.
    pub fn chunk(
        &mut self,
        tick_us: i64,
        chunk: &Thermal,
        ambient_degc: Option<f64>,
        speed_mps: Option<f64>,
    ) -> Option<(i64, Sample)> {
        let number = usize::from(chunk.chunk);
        let Some(slot) = self.frames.get_mut(usize::from(chunk.camera)) else {
            self.bad_chunks += 1;
            return None;
        };
        if number >= CHUNKS || chunk.pixels_cdegc.len() != CHUNK {
            self.bad_chunks += 1;
            return None;
        }
        let bit = 1_u8 << number;
        let fits = slot.as_ref().is_some_and(|frame| frame.number == chunk.frame && frame.have & bit == 0);
        if !fits && slot.take().is_some() {
            self.dropped_frames += 1;
        }
        let frame = slot.get_or_insert_with(|| Frame {
            number: chunk.frame,
            tick_us,
            have: 0,
            pixels: Box::new([DEAD; PIXELS]),
        });
        if let Some(part) = frame.pixels.get_mut(number * CHUNK..(number + 1) * CHUNK) {
            part.copy_from_slice(&chunk.pixels_cdegc);
        }
        frame.have |= bit;
        if frame.have != ALL_CHUNKS {
            return None;
        }
        let frame = slot.take()?;
        let own = self.own.get_mut(usize::from(chunk.camera))?;
        if let Some(ambient) = ambient_degc {
            let is_moving = speed_mps.is_some_and(|speed| speed * 3.6 >= self.profile.speed_min_kmh);
            own.see(&frame.pixels, ambient, is_moving, &self.profile);
        }
        Some((frame.tick_us, row(chunk.camera, &frame.pixels, ambient_degc, own, &self.profile)))
    }

    /// Forgets open frames at the end of a boot.
    pub fn close(&mut self) {
        for slot in &mut self.frames {
            self.dropped_frames += u64::from(slot.take().is_some());
        }
    }
}

fn row(
    camera: u8,
    pixels: &[i16; PIXELS],
    ambient_degc: Option<f64>,
    own: &OwnVehicle,
    profile: &ThermalProfile,
) -> Sample {
    let result = strip::reduce(pixels, ambient_degc, own, profile);
    let mut sample = Sample::new(Stream::Thermal);
    let mut bits = 0;
    let mut gates = 0;
    let counts = [
        (ids::thermal::SIDE, i64::from(camera)),
        (ids::thermal::PIXELS, result.pixels),
        (ids::thermal::MASKED, result.masked()),
        (ids::thermal::MASKED_SKY, result.sky),
        (ids::thermal::MASKED_PERSON, result.person),
        (ids::thermal::MASKED_EXHAUST, result.exhaust),
    ];
    for (id, count) in counts {
        sample.set(id, Some(count));
    }
    let temperatures = [
        (ids::thermal::FACADE, result.median_degc),
        (ids::thermal::FACADE_P90, result.p90_degc),
        (ids::thermal::REFLECTED, result.reflected_degc),
        (ids::thermal::AMBIENT, ambient_degc),
        (ids::thermal::DELTA, result.median_degc.zip(ambient_degc).map(|(median, ambient)| median - ambient)),
    ];
    for (id, value) in temperatures {
        if let Some(value) = value {
            sample.set_scaled(id, value);
        }
    }
    match ambient_degc {
        Some(ambient) if ambient > profile.ambient_max_degc => {
            gates |= gate::AMBIENT_WARM;
            if ambient <= profile.ambient_marginal_degc {
                gates |= gate::AMBIENT_MARGINAL;
            }
        }
        Some(_) => {}
        None => {
            bits |= flags::THERMAL_NO_AMBIENT;
            gates |= gate::NO_AMBIENT;
        }
    }
    if result.pixels < profile.pixels_min {
        gates |= gate::FEW_PIXELS;
    }
    sample.set(ids::thermal::GATE, Some(i64::from(gates)));
    sample.set(ids::FLAGS, Some(i64::from(bits)));
    sample
}

/// The gate bits that time, place and speed decide.
#[must_use]
pub fn conditions(
    utc_us: Option<i64>,
    place_deg: Option<(f64, f64)>,
    speed_mps: Option<f64>,
    profile: &ThermalProfile,
) -> u32 {
    let mut gates = match (utc_us, place_deg) {
        (Some(utc_us), Some((lat, lon))) => {
            let dark = sun::was_down(utc_us, lat, lon, profile.sun_elevation_max_deg, profile.sun_rest_s);
            if dark { 0 } else { gate::DAYLIGHT }
        }
        _ => gate::SUN_UNKNOWN,
    };
    match speed_mps.map(|speed| speed * 3.6) {
        Some(kmh) if kmh > profile.speed_max_kmh => gates |= gate::SPEED_HIGH,
        Some(kmh) if kmh < profile.speed_min_kmh => gates |= gate::SPEED_LOW,
        Some(_) => {}
        None => gates |= gate::SPEED_UNKNOWN,
    }
    gates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::VehicleProfile;

    fn chunk(camera: u8, frame: u16, chunk: u8) -> Thermal {
        let mut pixels_cdegc = heapless::Vec::new();
        pixels_cdegc.resize(CHUNK, 400).unwrap();
        Thermal { camera, frame, chunk, ambient_cdegc: 1_500, pixels_cdegc }
    }

    #[test]
    fn six_chunks_are_a_row() {
        let mut stage = ThermalStage::new(VehicleProfile::default().thermal);
        for number in 0..5 {
            assert_eq!(stage.chunk(100 + i64::from(number), &chunk(1, 7, number), Some(1.0), Some(5.0)), None);
        }
        let (tick, row) = stage.chunk(105, &chunk(1, 7, 5), Some(1.0), Some(5.0)).unwrap();
        assert_eq!(tick, 100);
        assert_eq!(row.get(ids::thermal::SIDE), Some(1));
        assert_eq!(row.get(ids::thermal::FACADE), Some(400));
        assert_eq!(row.get(ids::thermal::DELTA), Some(300));
        assert_eq!(row.get(ids::thermal::GATE), Some(0));
    }

    #[test]
    fn a_missing_chunk_drops_the_frame() {
        let mut stage = ThermalStage::new(VehicleProfile::default().thermal);
        for number in [0, 1, 3, 4, 5] {
            assert_eq!(stage.chunk(0, &chunk(0, 1, number), Some(1.0), Some(5.0)), None);
        }
        for number in 0..5 {
            assert_eq!(stage.chunk(0, &chunk(0, 2, number), Some(1.0), Some(5.0)), None);
        }
        assert!(stage.chunk(0, &chunk(0, 2, 5), Some(1.0), Some(5.0)).is_some());
        assert_eq!(stage.dropped_frames(), 1);
        stage.chunk(0, &chunk(2, 1, 0), None, None);
        stage.chunk(0, &chunk(0, 1, 6), None, None);
        assert_eq!(stage.bad_chunks(), 2);
    }

    #[test]
    fn conditions_are_bits() {
        let profile = VehicleProfile::default().thermal;
        let night = 1_767_225_600_000_000 + 5 * 3_600_000_000_i64;
        let here = Some((47.65, -2.09));
        assert_eq!(conditions(Some(night), here, Some(5.0), &profile), 0);
        assert_eq!(conditions(Some(night), here, Some(15.0), &profile), gate::SPEED_HIGH);
        assert_eq!(conditions(Some(night), here, Some(0.0), &profile), gate::SPEED_LOW);
        let noon = night + 7 * 3_600_000_000;
        assert_eq!(conditions(Some(noon), here, Some(5.0), &profile), gate::DAYLIGHT);
        assert_eq!(conditions(None, here, None, &profile), gate::SUN_UNKNOWN | gate::SPEED_UNKNOWN);
    }
}
