//! How many buildings stand beside a section.

use std::collections::{BTreeSet, HashMap};

use tournee_territory::geom::Plane;
use tournee_territory::{Building, Section};

/// Side of the squares that outlines are filed under, metres: about a building and its garden.
const SQUARE_M: f64 = 50.0;
/// Squares that one outline may be filed under in each direction; a larger one is compared with every section.
const SQUARES_MAX: i64 = 64;

type Point = [f64; 2];

struct Outline {
    ring: Vec<Point>,
    lo: Point,
    hi: Point,
}

/// For each section the buildings whose outline comes within this distance of its course.
pub(crate) fn buildings_near<'a>(
    sections: impl Iterator<Item = &'a Section> + Clone,
    buildings: &[Building],
    within_m: f64,
) -> HashMap<String, u32> {
    let plane = Plane::around(sections.clone().flat_map(|section| section.line.coords().copied()));
    let metres = |points: &geo_types::LineString<f64>| points.coords().map(|at| plane.to_m(*at)).collect::<Vec<_>>();
    let outlines: Vec<Outline> =
        buildings.iter().filter_map(|building| outline(metres(building.outline.exterior()))).collect();
    let mut squares: HashMap<(i64, i64), Vec<usize>> = HashMap::new();
    let mut everywhere = Vec::new();
    for (ix, one) in outlines.iter().enumerate() {
        match squares_of(one.lo, one.hi) {
            Some(covered) => covered.for_each(|square| squares.entry(square).or_default().push(ix)),
            None => everywhere.push(ix),
        }
    }
    let count = |section: &Section| {
        let Some(course) = outline(metres(&section.line)) else { return 0 };
        let lo = course.lo.map(|at| at - within_m);
        let hi = course.hi.map(|at| at + within_m);
        let candidates: BTreeSet<usize> = match squares_of(lo, hi) {
            Some(covered) => {
                covered.filter_map(|square| squares.get(&square)).flatten().chain(&everywhere).copied().collect()
            }
            None => (0..outlines.len()).collect(),
        };
        let near = candidates.into_iter().filter_map(|ix| outlines.get(ix)).filter(|one| {
            let apart = (0..2).any(|axis| one.hi[axis] < lo[axis] || one.lo[axis] > hi[axis]);
            !apart && distance_m(&course.ring, &one.ring) <= within_m
        });
        u32::try_from(near.count()).unwrap_or(u32::MAX)
    };
    sections.map(|section| (section.id.clone(), count(section))).collect()
}

fn outline(ring: Vec<Point>) -> Option<Outline> {
    let first = *ring.first()?;
    let grow = |(lo, hi): (Point, Point), at: &Point| {
        ([lo[0].min(at[0]), lo[1].min(at[1])], [hi[0].max(at[0]), hi[1].max(at[1])])
    };
    let (lo, hi) = ring.iter().fold((first, first), grow);
    [lo, hi].concat().iter().all(|at| at.is_finite()).then_some(Outline { ring, lo, hi })
}

fn squares_of(lo: Point, hi: Point) -> Option<impl Iterator<Item = (i64, i64)>> {
    // Saturates outside the range of i64: such a box covers too many squares and is refused below.
    let square = |at: f64| (at / SQUARE_M).floor() as i64;
    let (x, y) = ((square(lo[0]), square(hi[0])), (square(lo[1]), square(hi[1])));
    let few = |(from, to): (i64, i64)| to.saturating_sub(from) < SQUARES_MAX;
    (few(x) && few(y)).then(|| (x.0..=x.1).flat_map(move |at| (y.0..=y.1).map(move |up| (at, up))))
}

/// Least distance between two polylines.
fn distance_m(a: &[Point], b: &[Point]) -> f64 {
    let mut least = f64::INFINITY;
    for (from, to) in segments(a) {
        for (start, end) in segments(b) {
            if cross(from, to, start, end) {
                return 0.0;
            }
            for (point, (p, q)) in [(from, (start, end)), (to, (start, end)), (start, (from, to)), (end, (from, to))] {
                least = least.min(to_segment_m(point, p, q));
            }
        }
    }
    least
}

/// The segments of a polyline; a single point is a segment without length.
fn segments(line: &[Point]) -> impl Iterator<Item = (Point, Point)> + '_ {
    let single = line.first().filter(|_| line.len() == 1).map(|at| (*at, *at));
    line.iter().zip(line.iter().skip(1)).map(|(from, to)| (*from, *to)).chain(single)
}

fn to_segment_m(at: Point, from: Point, to: Point) -> f64 {
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let (px, py) = (at[0] - from[0], at[1] - from[1]);
    let squared = dx * dx + dy * dy;
    let share = if squared > 0.0 { ((px * dx + py * dy) / squared).clamp(0.0, 1.0) } else { 0.0 };
    (px - share * dx).hypot(py - share * dy)
}

/// Do two segments cross? Touching ends are found by the distances of the ends.
fn cross(a: Point, b: Point, c: Point, d: Point) -> bool {
    let side = |p: Point, q: Point, r: Point| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_lines() {
        let street = [[0.0, 0.0], [100.0, 0.0]];
        assert_eq!(distance_m(&street, &[[40.0, 12.0], [60.0, 30.0]]), 12.0);
        assert_eq!(distance_m(&street, &[[40.0, -5.0], [60.0, 5.0]]), 0.0, "a passage under a house");
        assert_eq!(distance_m(&street, &[[103.0, 4.0], [120.0, 4.0]]), 5.0);
        assert_eq!(distance_m(&street, &[[50.0, 7.0]]), 7.0);
        assert_eq!(distance_m(&street, &[]), f64::INFINITY);
    }

    /// From geometry alone: enough of Redon's sections keep a public value of heat, and the gate does shut some.
    #[test]
    fn most_of_redon_stays_public() {
        let territory = tournee_territory::demo::redon().unwrap();
        let gate = tournee_indicators::PublicationGates::builtin().unwrap().heat;
        let counts = buildings_near(territory.sections.iter(), &territory.buildings, gate.within_m);
        assert_eq!(counts.len(), territory.sections.len());
        let public = counts.values().filter(|n| **n >= gate.min_buildings).count();
        println!("heat may be public on {public} of {} sections of Redon", counts.len());
        assert!(public > 40 && public < counts.len(), "{public} of {}", counts.len());
        // The index and the plain comparison of everything with everything agree.
        let plane = Plane::around(territory.sections.iter().flat_map(|one| one.line.coords().copied()));
        for section in territory.sections.iter().step_by(97) {
            let course: Vec<_> = section.line.coords().map(|at| plane.to_m(*at)).collect();
            let plain = territory.buildings.iter().filter(|building| {
                let ring: Vec<_> = building.outline.exterior().coords().map(|at| plane.to_m(*at)).collect();
                distance_m(&course, &ring) <= gate.within_m
            });
            assert_eq!(counts[&section.id] as usize, plain.count(), "{}", section.id);
        }
    }
}
