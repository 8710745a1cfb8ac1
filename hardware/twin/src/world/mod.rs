//! The town with its truth.

mod course;
mod facades;
mod radio;

use std::f64::consts::PI;

use thiserror::Error;

use crate::air::AirField;
use crate::layers::{TwinLayer, reference_layers};
use crate::random::{SmoothField, gauss, hash, hash_text, unit};
use crate::route::Graph;
use crate::sensors::body;
use crate::town::Town;
pub(crate) use course::{Course, Plane, turn};
pub(crate) use facades::{FacadeTruth, SIGHT_STEP_M, Sight};
pub(crate) use radio::{NO_SERVICE_DBM, Radio};

/// What is true of one section, for tests and for the demo's own check.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionTruth {
    /// The street's id.
    pub section_id: String,
    /// Whether a twin can come here: in the largest part of the network in which every place can be reached from
    /// every other.
    pub drivable: bool,
    /// RMS of the body's vertical acceleration, 0.5–20 Hz, at 50 km/h, m/s², potholes included.
    pub rough_mps2: f64,
    /// PM2.5, mean over time: mean background and the street's own part, µg/m³.
    pub pm25_ugm3: f64,
    /// RSRP, mean over the section, dBm. Below −128 dBm there is no service.
    pub rsrp_dbm: f64,
    /// How much warmer than the air the facades along it are before dawn, mean of both sides, K; none where facades
    /// within 15 m take less than a tenth of both sides.
    pub facade_delta_k: Option<f64>,
    /// Potholes on it.
    pub potholes: u32,
}

/// Why a town cannot be driven.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WorldError {
    /// No loop.
    #[error("the town has no street that can be driven in a loop: give a connected network")]
    NoDrivableStreet,
    /// A street without a course.
    #[error("street {0} has fewer than two points, no length, or a coordinate that is no number: leave it out")]
    BadStreet(String),
}

/// A hole in a street.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hole {
    /// Where its first edge lies, metres from the street's first node.
    pub(crate) at_m: f64,
    pub(crate) depth_m: f64,
}

/// Length of a hole along the road.
pub(crate) const HOLE_LENGTH_M: f64 = 0.5;
/// A wheel goes through a hole on three of four lanes.
pub(crate) const LANES: u64 = 4;
/// Step of the road profile: white slope up to 5 waves per metre, 50 Hz at 10 m/s.
pub(crate) const PROFILE_STEP_M: f64 = 0.1;

/// One street with all that a box needs there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) course: Course,
    /// Standard deviation of the road's slope, per step of the profile.
    pub(crate) slope: f64,
    pub(crate) holes: Vec<Hole>,
    /// Usual speed.
    pub(crate) cruise_mps: f64,
    /// What is seen to the left and to the right, going from the first node to the last, every [`SIGHT_STEP_M`].
    pub(crate) sights: Vec<[Option<Sight>; 2]>,
    /// Key of its road profile.
    pub(crate) key: u64,
}

/// A town and everything that is true in it.
#[derive(Debug)]
pub struct World {
    pub(crate) seed: u64,
    pub(crate) plane: Plane,
    pub(crate) graph: Graph,
    pub(crate) places: Vec<Place>,
    pub(crate) facades: Vec<FacadeTruth>,
    pub(crate) air: AirField,
    pub(crate) radio: Radio,
    truth: Vec<SectionTruth>,
}

impl World {
    /// Makes the truth of a town from a seed.
    ///
    /// # Errors
    /// [`WorldError`] when the town cannot be driven.
    pub fn new(seed: u64, town: Town) -> Result<Self, WorldError> {
        let plane = Plane::around(&town).ok_or(WorldError::NoDrivableStreet)?;
        let courses = town
            .streets
            .iter()
            .map(|street| Course::new(&plane, &street.line).ok_or_else(|| WorldError::BadStreet(street.id.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        let graph = Graph::new(&town.streets, courses.iter().map(Course::length_m).collect());
        let drivable: Vec<usize> = (0..courses.len()).filter(|street| graph.drivable(*street)).collect();
        if drivable.is_empty() {
            return Err(WorldError::NoDrivableStreet);
        }
        let facades = facades::facades(hash(&[seed, 31]), &plane, &town.facades);
        let finder = facades::Finder::new(&plane, &town.facades);
        let air = AirField::new(hash(&[seed, 32]), &junctions(&graph, &courses));
        let middles: Vec<(f64, f64)> = drivable.iter().map(|street| courses[*street].middle()).collect();
        let radio = Radio::new(hash(&[seed, 33]), &middles);
        let roughness = Roughness::new(hash(&[seed, 34]));

        let mut places = Vec::with_capacity(courses.len());
        let mut truth = Vec::with_capacity(courses.len());
        for (number, (street, course)) in town.streets.iter().zip(courses).enumerate() {
            let key = hash(&[seed, hash_text(&street.id)]);
            let way = hash(&[seed, hash_text(street.id.split('-').next().unwrap_or_default())]);
            let rough = roughness.at(way, course.middle());
            let holes = roughness.holes(key, rough, course.length_m());
            let sights = finder.sights(&course);
            truth.push(SectionTruth {
                section_id: street.id.clone(),
                drivable: graph.drivable(number),
                rough_mps2: with_holes(rough, &holes, course.length_m()),
                pm25_ugm3: course.mean(|at| air.mean_ugm3(at)),
                rsrp_dbm: course.mean(|at| radio.serving(at).rsrp_dbm),
                facade_delta_k: mean_delta(&sights, &facades),
                potholes: holes.len() as u32,
            });
            places.push(Place {
                slope: slope_deviation(rough),
                holes,
                cruise_mps: 7.5 + 3.5 * unit(hash(&[way, 41])),
                sights,
                key,
                course,
            });
        }
        Ok(Self { seed, plane, graph, places, facades, air, radio, truth })
    }

    /// The truth of each street, in the order of the town.
    #[must_use]
    pub fn truth(&self) -> &[SectionTruth] {
        &self.truth
    }

    /// Reference layers that fit the town: where people walk, where it is dense, what was built and dumped. They are
    /// simulated, and whoever shows them has to say so.
    #[must_use]
    pub fn reference_layers(&self, seed: u64) -> Vec<TwinLayer> {
        reference_layers(self, seed)
    }
}

/// Ends of drivable streets where at least three ways go on.
fn junctions(graph: &Graph, courses: &[Course]) -> Vec<(f64, f64)> {
    let mut seen = std::collections::BTreeMap::new();
    for (street, course) in courses.iter().enumerate().filter(|(street, _)| graph.drivable(*street)) {
        for forward in [true, false] {
            let node = graph.target(crate::route::Way { street, forward });
            if graph.degree(node) >= 3 {
                seen.insert(node, course.point(if forward { course.length_m() } else { 0.0 }));
            }
        }
    }
    seen.into_values().collect()
}

fn mean_delta(sights: &[[Option<Sight>; 2]], facades: &[FacadeTruth]) -> Option<f64> {
    let seen: Vec<f64> = sights.iter().flatten().flatten().map(|sight| facades[sight.facade].delta_k).collect();
    (seen.len() * 5 > sights.len()).then(|| seen.iter().sum::<f64>() / seen.len() as f64)
}

/// The slope of a road on which a car's body feels `rough` at 50 km/h.
///
/// For a road of ISO 8608 with w = 2 the slope is white, one-sided density C per rad/m, so that sampled every d metres
/// its variance is πC/d; the golden car's body then has an RMS of sqrt(J·C·v) in the band (J from its equations).
fn slope_deviation(rough_mps2: f64) -> f64 {
    let c = rough_mps2 * rough_mps2 / (body::BAND_GAIN_J * body::REFERENCE_MPS);
    (PI * c / PROFILE_STEP_M).sqrt()
}

/// Energy adds up: that of the road over the section, and that of each hole, for the share of lanes that meet it.
fn with_holes(rough_mps2: f64, holes: &[Hole], length_m: f64) -> f64 {
    let energy: f64 = holes.iter().map(|hole| hole.depth_m.powi(2) * body::hole_energy()).sum();
    let share = (LANES - 1) as f64 / LANES as f64;
    (rough_mps2.powi(2) + share * energy * body::REFERENCE_MPS / length_m.max(20.0)).sqrt()
}

/// How rough the town's streets are.
struct Roughness {
    seed: u64,
    smooth: SmoothField,
}

impl Roughness {
    fn new(seed: u64) -> Self {
        Self { seed, smooth: SmoothField::new(hash(&[seed, 1]), 200.0, 1_200.0) }
    }

    /// Log-normal around 0.45 m/s², 0.15 to 2.5: between a class A road and a worn one of class C (ISO 8608), by way
    /// (when it was surfaced) and slowly changing along it.
    fn at(&self, way: u64, middle: (f64, f64)) -> f64 {
        let level = 0.75 * gauss(hash(&[self.seed, way])) + 0.65 * self.smooth.at(middle);
        (0.45 * (0.5 * level).exp()).clamp(0.15, 2.5)
    }

    /// Rough streets have more holes.
    fn holes(&self, key: u64, rough_mps2: f64, length_m: f64) -> Vec<Hole> {
        let expected = 0.2 * rough_mps2.powi(2) * length_m / 50.0;
        let draw = unit(hash(&[self.seed, key, 50]));
        let count = if draw < expected * 0.3 { 2 } else { u64::from(draw < expected) };
        let free = (length_m - HOLE_LENGTH_M).max(0.0);
        (0..count)
            .map(|n| Hole {
                at_m: free * unit(hash(&[self.seed, key, 51 + 2 * n])),
                depth_m: 0.03 + 0.03 * unit(hash(&[self.seed, key, 52 + 2 * n])),
            })
            .collect()
    }
}
