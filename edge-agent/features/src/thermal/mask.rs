//! What in a picture is no facade: sky, people, exhausts, each by its own rule. Pixels stay on this side of the module.

use super::radiation::pixel_m;
use super::strip::{COLUMNS, DEAD, PIXELS, ROWS};
use crate::profile::ThermalProfile;

/// What a pixel shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shows {
    /// A facade, or what cannot be told from one.
    #[default]
    Facade,
    /// Nothing: the pixel is dead.
    Dead,
    /// The sky, or glass that mirrors it.
    Sky,
    /// A person or an animal.
    Person,
    /// An exhaust, an engine, a flue: anything hot that is no person; and what belongs to the vehicle itself.
    Exhaust,
}

/// Pixels that were warm in every picture while the vehicle moved: they belong to the vehicle. No picture is kept, only for
/// how many pictures on end a pixel was warm.
#[derive(Clone, Debug)]
pub struct OwnVehicle {
    pictures: Box<[u8; PIXELS]>,
}

impl Default for OwnVehicle {
    fn default() -> Self {
        Self { pictures: Box::new([0; PIXELS]) }
    }
}

impl OwnVehicle {
    /// Takes the next picture of a camera. One that was taken standing, or of which that is not known, shows nothing new of
    /// what stays.
    pub fn see(&mut self, frame: &[i16; PIXELS], ambient_degc: f64, is_moving: bool, profile: &ThermalProfile) {
        for (count, pixel) in self.pictures.iter_mut().zip(frame) {
            if *pixel == DEAD || degc(*pixel) <= ambient_degc + profile.warm_edge_k {
                *count = 0;
            } else if is_moving {
                *count = count.saturating_add(1);
            }
        }
    }

    fn is_own(&self, at: usize, profile: &ThermalProfile) -> bool {
        self.pictures.get(at).is_some_and(|count| *count >= profile.own_pictures.max(1))
    }
}

fn degc(pixel: i16) -> f64 {
    f64::from(pixel) / 100.0
}

/// What every pixel of a picture shows; in hundredths of a degree, row by row from the top. Without an air temperature only
/// dead pixels are known.
#[must_use]
pub fn read(
    frame: &[i16; PIXELS],
    ambient_degc: Option<f64>,
    own: &OwnVehicle,
    profile: &ThermalProfile,
) -> [Shows; PIXELS] {
    let mut shows = frame.map(|pixel| if pixel == DEAD { Shows::Dead } else { Shows::Facade });
    if let Some(ambient) = ambient_degc.filter(|ambient| ambient.is_finite()) {
        let frame = frame.map(|pixel| degc(pixel) - ambient);
        sky(&frame, &mut shows, profile);
        warm(&frame, ambient, own, &mut shows, profile);
    }
    shows
}

/// `frame`: K above air, here and below.
fn sky(frame: &[f64; PIXELS], shows: &mut [Shows; PIXELS], profile: &ThermalProfile) {
    let below = -profile.sky_below_k;
    let edge = -profile.sky_edge_k.min(profile.sky_below_k);
    let cold: [bool; PIXELS] = std::array::from_fn(|at| is_facade(shows, at) && above(frame, at) < edge);
    patches(&cold, |patch| {
        let is_whole = patch.iter().any(|at| *at < COLUMNS) && patch.iter().any(|at| above(frame, *at) < below);
        for at in patch {
            // Away from the top edge only what is as cold as the sky mirrors it.
            if (is_whole || above(frame, *at) < below)
                && let Some(shows) = shows.get_mut(*at)
            {
                *shows = Shows::Sky;
            }
        }
    });
}

fn warm(
    frame: &[f64; PIXELS],
    ambient_degc: f64,
    own: &OwnVehicle,
    shows: &mut [Shows; PIXELS],
    profile: &ThermalProfile,
) {
    for (at, shows) in shows.iter_mut().enumerate() {
        if *shows == Shows::Facade && above(frame, at) > profile.warm_edge_k && own.is_own(at, profile) {
            *shows = Shows::Exhaust;
        }
    }
    let low = usize::from(profile.exhaust_row_first) * COLUMNS;
    let edge = |at: usize| {
        let edge = profile.warm_edge_k.min(profile.warm_above_k);
        if at >= low { edge.min(profile.exhaust_above_k) } else { edge }
    };
    let is_warm: [bool; PIXELS] = std::array::from_fn(|at| is_facade(shows, at) && above(frame, at) > edge(at));
    let [fewest, most] = person_pixels(profile);
    patches(&is_warm, |patch| {
        let hottest_k = patch.iter().map(|at| above(frame, *at)).fold(f64::MIN, f64::max);
        let is_hot_below = patch.iter().any(|at| *at >= low && above(frame, *at) > profile.exhaust_above_k);
        let is_hot = hottest_k > profile.warm_above_k;
        if !is_hot && !is_hot_below {
            return;
        }
        let body = profile.person_min_degc..=profile.person_max_degc;
        let is_person =
            is_hot && body.contains(&(hottest_k + ambient_degc)) && (fewest..=most).contains(&(patch.len() as f64));
        for at in patch {
            if let Some(shows) = shows.get_mut(*at) {
                *shows = if is_person { Shows::Person } else { Shows::Exhaust };
            }
        }
    });
}

/// How many pixels people cover, at the least (far off) and at the most (near by).
fn person_pixels(profile: &ThermalProfile) -> [f64; 2] {
    let [near_m, far_m] = profile.range_m;
    let [least_m2, most_m2] = profile.person_area_m2;
    let area_m2 = |distance_m| pixel_m(distance_m, profile.field_deg, [COLUMNS, ROWS]).iter().product::<f64>();
    [(least_m2 / area_m2(far_m)).floor(), (most_m2 / area_m2(near_m)).ceil()]
}

fn is_facade(shows: &[Shows; PIXELS], at: usize) -> bool {
    shows.get(at) == Some(&Shows::Facade)
}

fn above(frame: &[f64; PIXELS], at: usize) -> f64 {
    frame.get(at).copied().unwrap_or(0.0)
}

/// Gives out every set of chosen pixels that touch each other, by edge or corner.
fn patches(chosen: &[bool; PIXELS], mut give: impl FnMut(&[usize])) {
    let mut left = *chosen;
    let mut take = move |at: usize| left.get_mut(at).is_some_and(std::mem::take);
    let mut patch = Vec::new();
    for start in 0..PIXELS {
        if !take(start) {
            continue;
        }
        patch.clear();
        patch.push(start);
        let mut next = 0;
        while let Some(at) = patch.get(next).copied() {
            next += 1;
            let (row, column) = (at / COLUMNS, at % COLUMNS);
            for row in row.saturating_sub(1)..=(row + 1).min(ROWS - 1) {
                for column in column.saturating_sub(1)..=(column + 1).min(COLUMNS - 1) {
                    if take(row * COLUMNS + column) {
                        patch.push(row * COLUMNS + column);
                    }
                }
            }
        }
        give(&patch);
    }
}
