//! The two infrared cameras: 32 × 24 pixels, 55° × 35°, one to each side.

use crate::air::Sky;
use crate::random::{gauss, hash, mix, unit};
use crate::world::{FacadeTruth, Place, SIGHT_STEP_M, World};

pub(crate) const COLUMNS: usize = 32;
pub(crate) const ROWS: usize = 24;
const FIELD_ROWS_DEG: f64 = 35.0;
const FIELD_COLUMNS_DEG: f64 = 55.0;
/// The cameras look upwards, from 2 m above the ground: the street itself stays out of the middle of the picture.
const PITCH_DEG: f64 = 10.0;
const MOUNT_M: f64 = 2.0;
const SKY_DEGC: f64 = -20.0;
const PERSON_DEGC: f64 = 30.0;
const PIXEL_NOISE_K: f64 = 0.3;
/// Offset of a camera that its calibration left.
const OFFSET_MAX_K: f64 = 0.5;
/// How much colder than the wall a window looks: glass mirrors the sky.
const WINDOW_K: f64 = -2.5;
/// Sights that a picture shows side by side.
const GROUPS: usize = 3;

/// One box's cameras.
#[derive(Debug)]
pub(crate) struct Cameras {
    offset_k: [f64; 2],
    noise: Vec<f32>,
    /// Tangent of each row's elevation.
    rows: [f64; ROWS],
    /// Tangent of each column's azimuth.
    columns: [f64; COLUMNS],
}

/// Where a camera is, and when.
pub(crate) struct Shot<'a> {
    pub(crate) world: &'a World,
    pub(crate) place: &'a Place,
    /// Metres from the street's first node.
    pub(crate) at_m: f64,
    pub(crate) forward: bool,
    pub(crate) sky: &'a Sky,
    /// Fresh random bits.
    pub(crate) bits: u64,
}

impl Cameras {
    pub(crate) fn new(seed: u64) -> Self {
        let angle = |n: usize, count: usize, field: f64| (field * ((n as f64 + 0.5) / count as f64 - 0.5)).to_radians();
        Self {
            offset_k: [1, 2].map(|camera| OFFSET_MAX_K * (2.0 * unit(hash(&[seed, camera])) - 1.0)),
            noise: (0..1_u64 << 12).map(|n| (PIXEL_NOISE_K * 100.0 * gauss(mix(seed ^ n))) as f32).collect(),
            rows: std::array::from_fn(|row| (PITCH_DEG.to_radians() - angle(row, ROWS, FIELD_ROWS_DEG)).tan()),
            columns: std::array::from_fn(|column| angle(column, COLUMNS, FIELD_COLUMNS_DEG).tan()),
        }
    }

    /// What one camera (0 left, 1 right) sees, 0.01 °C, and the temperature of its array: the part warms itself.
    pub(crate) fn shoot(&self, camera: usize, shot: &Shot<'_>) -> ([i16; COLUMNS * ROWS], i16) {
        (self.picture(camera, shot), centi(shot.sky.temp_degc + 6.0))
    }

    fn picture(&self, camera: usize, shot: &Shot<'_>) -> [i16; COLUMNS * ROWS] {
        let air = shot.sky.temp_degc;
        // Going back along a street, its left is the camera's right.
        let side = if shot.forward { camera } else { 1 - camera };
        let middle = (shot.at_m / SIGHT_STEP_M) as i64;
        let mut warmth = [[0.0_f32; ROWS]; GROUPS];
        let mut windows = [[false; ROWS]; GROUPS];
        let mut panes = [false; COLUMNS];
        for (group, (warmth, windows)) in warmth.iter_mut().zip(&mut windows).enumerate() {
            let sight = usize::try_from(middle + group as i64 - 1)
                .ok()
                .and_then(|n| shot.place.sights.get(n))
                .or_else(|| shot.place.sights.get(usize::try_from(middle).unwrap_or(0)))
                .and_then(|sides| sides[side]);
            let facade = sight.map(|sight| (&shot.world.facades[sight.facade], sight.distance_m));
            for (row, tangent) in self.rows.iter().enumerate() {
                warmth[row] = (100.0 * (self.offset_k[camera] + seen(facade, *tangent, air, shot))) as f32;
                windows[row] = facade.is_some_and(|(_, far)| within(MOUNT_M + far * tangent - 0.9, 2.8, 0.45));
            }
            if let Some((facade, far)) = facade {
                for (column, tangent) in self.columns.iter().enumerate().filter(|(n, _)| group_of(*n) == group) {
                    let along = shot.at_m + far * tangent + 3.0 * unit(facade.key);
                    panes[column] = within(along, 3.2, 0.3);
                }
            }
        }
        let mut picture = [0_i16; COLUMNS * ROWS];
        let start = shot.bits as usize;
        let mask = self.noise.len() - 1;
        for (row, line) in picture.chunks_mut(COLUMNS).enumerate() {
            let from = start.wrapping_add(row * 997) & mask & !(COLUMNS - 1);
            let noise = &self.noise[from..from + COLUMNS];
            for (column, pixel) in line.iter_mut().enumerate() {
                let group = group_of(column);
                let glass = if panes[column] && windows[group][row] { (100.0 * WINDOW_K) as f32 } else { 0.0 };
                *pixel = (warmth[group][row] + glass + noise[column]) as i16;
            }
        }
        // Now and then somebody walks by: about 0.6 m wide and 1.7 m high.
        if shot.bits >> 56 < 3 {
            let left = (shot.bits >> 40) as usize % (COLUMNS - 3);
            for line in picture.chunks_mut(COLUMNS).skip(11).take(9) {
                line[left..left + 3].fill(centi(PERSON_DEGC));
            }
        }
        picture
    }
}

/// What one row of a group of columns shows, °C.
fn seen(facade: Option<(&FacadeTruth, f64)>, tangent: f64, air_degc: f64, shot: &Shot<'_>) -> f64 {
    // Without a facade there are low hedges and fields, below the horizon of the camera.
    let (far, top) = facade.map_or((20.0, 1.8), |(facade, far)| (far, facade.height_m));
    let height = MOUNT_M + far * tangent;
    match facade {
        _ if height > top => SKY_DEGC,
        _ if height < 0.0 => air_degc + 0.3 + 0.4 * shot.sky.sun_k,
        Some((facade, _)) => air_degc + facade.delta_k + facade.sun * shot.sky.sun_k,
        None => air_degc - 0.3 + 0.3 * shot.sky.sun_k,
    }
}

fn group_of(column: usize) -> usize {
    column * GROUPS / COLUMNS
}

/// Whether a place lies in the first `share` of its period.
fn within(at: f64, period: f64, share: f64) -> bool {
    at >= 0.0 && (at / period).fract() < share
}

fn centi(degc: f64) -> i16 {
    (degc * 100.0).round() as i16
}
