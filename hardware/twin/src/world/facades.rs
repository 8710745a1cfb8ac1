//! Facades: how warm they are, and which one is seen from where.

use std::collections::HashMap;

use super::course::{Course, Plane};
use crate::random::{SmoothField, gauss, hash, unit};
use crate::town::Facade;

/// Facades farther from the middle of the street are not read.
const REACH_M: f64 = 15.0;
/// Sights are worked out this often along a street.
pub(crate) const SIGHT_STEP_M: f64 = 4.0;
/// Cell of the index of walls.
const CELL_M: f64 = 16.0;

/// What is true of a building.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FacadeTruth {
    /// Warmer than the air before dawn, K.
    pub(crate) delta_k: f64,
    /// Height of its eaves, m.
    pub(crate) height_m: f64,
    /// How much of the sun it gets, 0..1.
    pub(crate) sun: f64,
    /// Key of its windows.
    pub(crate) key: u64,
}

/// Which facade is seen, and how far off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sight {
    pub(crate) facade: usize,
    pub(crate) distance_m: f64,
}

/// A surface is U·ΔT/h warmer than the air: 0.6 K for a good wall and 3.9 K for a bad one at 20 K and 10.4 W/m²K. Quarters
/// were built together, so that most of it is the quarter's.
pub(crate) fn facades(seed: u64, plane: &Plane, facades: &[Facade]) -> Vec<FacadeTruth> {
    let quarter = SmoothField::new(hash(&[seed, 1]), 200.0, 900.0);
    facades
        .iter()
        .map(|facade| {
            let key = hash(&[seed, facade.id as u64]);
            let at = facade.ring.first().map_or((0.0, 0.0), |point| plane.to_metres(*point));
            let level = if at.0.is_finite() && at.1.is_finite() { quarter.at(at) } else { 0.0 };
            FacadeTruth {
                delta_k: (2.7 + 1.4 * level + 0.5 * gauss(hash(&[key, 2]))).clamp(0.2, 6.0),
                height_m: 5.0 + 4.0 * unit(hash(&[key, 3])),
                sun: 0.25 + 0.75 * unit(hash(&[key, 4])),
                key,
            }
        })
        .collect()
}

/// Walls by cell.
pub(crate) struct Finder {
    walls: Vec<([f64; 4], usize)>,
    cells: HashMap<(i32, i32), Vec<usize>>,
}

impl Finder {
    pub(crate) fn new(plane: &Plane, facades: &[Facade]) -> Self {
        let mut finder = Self { walls: Vec::new(), cells: HashMap::new() };
        for (number, facade) in facades.iter().enumerate() {
            let ring: Vec<(f64, f64)> = facade.ring.iter().map(|point| plane.to_metres(*point)).collect();
            let next = ring.iter().cycle().skip(1);
            for (a, b) in ring.iter().zip(next) {
                let length = (b.0 - a.0).hypot(b.1 - a.1);
                // A wall longer than any building is a mistake of the map, and would fill the index.
                if length > 0.01 && length < 1_000.0 {
                    finder.add([a.0, a.1, b.0, b.1], number);
                }
            }
        }
        finder
    }

    fn add(&mut self, wall: [f64; 4], facade: usize) {
        let number = self.walls.len();
        self.walls.push((wall, facade));
        for cell in cells([wall[0], wall[1]], [wall[2], wall[3]]) {
            self.cells.entry(cell).or_default().push(number);
        }
    }

    /// What is seen along a street, to the left and to the right of its course.
    pub(crate) fn sights(&self, course: &Course) -> Vec<[Option<Sight>; 2]> {
        let count = (course.length_m() / SIGHT_STEP_M).ceil().max(1.0) as usize;
        (0..count)
            .map(|n| {
                let at_m = ((n as f64 + 0.5) * SIGHT_STEP_M).min(course.length_m());
                let (point, angle) = (course.point(at_m), course.angle(at_m));
                [1.0, -1.0].map(|side| {
                    let look = angle + side * std::f64::consts::FRAC_PI_2;
                    self.look(point, (look.cos(), look.sin()))
                })
            })
            .collect()
    }

    /// The nearest wall in a direction.
    fn look(&self, from: (f64, f64), dir: (f64, f64)) -> Option<Sight> {
        let to = [from.0 + REACH_M * dir.0, from.1 + REACH_M * dir.1];
        cells([from.0, from.1], to)
            .filter_map(|cell| self.cells.get(&cell))
            .flatten()
            .filter_map(|number| {
                let ([ax, ay, bx, by], facade) = self.walls[*number];
                let (ex, ey) = (bx - ax, by - ay);
                let across = dir.0 * ey - dir.1 * ex;
                if across.abs() < 1e-9 {
                    return None;
                }
                let (px, py) = (ax - from.0, ay - from.1);
                let distance_m = (px * ey - py * ex) / across;
                let part = (px * dir.1 - py * dir.0) / across;
                let hit = (0.5..=REACH_M).contains(&distance_m) && (0.0..=1.0).contains(&part);
                hit.then_some(Sight { facade, distance_m })
            })
            .min_by(|a, b| a.distance_m.total_cmp(&b.distance_m).then(a.facade.cmp(&b.facade)))
    }
}

/// Cells of the box around two points.
fn cells(a: [f64; 2], b: [f64; 2]) -> impl Iterator<Item = (i32, i32)> {
    let range = |n: usize| {
        let cell = |value: f64| (value / CELL_M).floor() as i32;
        cell(a[n].min(b[n]))..=cell(a[n].max(b[n]))
    };
    let ys = range(1);
    range(0).flat_map(move |x| ys.clone().map(move |y| (x, y)))
}
