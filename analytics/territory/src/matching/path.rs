//! From chosen candidates to a continuous way, its passes, and the place at any time.

use super::matcher::{Candidate, Layer, Move};
use super::prepare::place;
use super::{Fix, Matched, MatchedRun, SectionPass, Step};
use crate::geom::{Plane, distance_m, project};
use crate::{Section, SectionIx};

/// Courses of all sections in metres, for putting fixes back on a way.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    plane: Plane,
    sections: Vec<Vec<Piece>>,
    lengths_m: Vec<f64>,
}

#[derive(Clone, Debug)]
struct Piece {
    a: [f64; 2],
    b: [f64; 2],
    start_m: f64,
    length_m: f64,
}

impl Geometry {
    pub fn new(sections: &[Section]) -> Self {
        let plane = Plane::around(sections.iter().flat_map(|s| s.line.0.iter().copied()));
        let pieces = |section: &Section| {
            let mut start_m = 0.0;
            let piece = |l: geo_types::Line<f64>| {
                let length_m = distance_m(l.start, l.end);
                let piece = Piece { a: plane.to_m(l.start), b: plane.to_m(l.end), start_m, length_m };
                start_m += length_m;
                piece
            };
            section.line.lines().map(piece).collect()
        };
        let lengths_m = sections.iter().map(|s| s.length_m).collect();
        Self { plane, sections: sections.iter().map(pieces).collect(), lengths_m }
    }

    pub fn length_m(&self, section: SectionIx) -> f64 {
        self.lengths_m.get(section.0 as usize).copied().unwrap_or(0.0)
    }

    /// The place nearest to a fix on a stretch of the way, not before `least` nor after `most` metres of the run.
    fn nearest_on(&self, stretch: &[Step], fix: &Fix, least: f64, most: f64) -> Option<Matched> {
        let p = self.plane.to_m(place(fix));
        let mut best: Option<(f64, f64, &Step)> = None;
        for step in stretch {
            // Sums of lengths differ in their last digits: a stretch that ends where the range starts still counts.
            let end_m = step.along_m + step.driven_m();
            if end_m < least - LEAST_PASS_M || step.along_m > most + LEAST_PASS_M {
                continue;
            }
            let low_m = least.max(step.along_m).min(end_m);
            let high_m = most.min(end_m).max(low_m);
            for piece in self.sections.get(step.section.0 as usize).into_iter().flatten() {
                let (t, _) = project(piece.a, piece.b, p);
                let offset_m = piece.start_m + t * piece.length_m;
                let gone_m = (offset_m - step.start_m) * if step.forward { 1.0 } else { -1.0 };
                let along_m = (step.along_m + gone_m).max(low_m).min(high_m);
                let offset_m = step.offset_at(along_m);
                // The clamp may have moved the place off this piece: measure where it is now, if it still lies here.
                let t = if piece.length_m > 0.0 { (offset_m - piece.start_m) / piece.length_m } else { 0.0 };
                if t * piece.length_m < -LEAST_PASS_M || (t - 1.0) * piece.length_m > LEAST_PASS_M {
                    continue;
                }
                let [x, y] = [piece.a[0] + (piece.b[0] - piece.a[0]) * t, piece.a[1] + (piece.b[1] - piece.a[1]) * t];
                let distance = (x - p[0]).hypot(y - p[1]);
                if best.is_none_or(|(d, _, _)| distance < d) {
                    best = Some((distance, along_m, step));
                }
            }
        }
        best.map(|(distance_m, along_m, step)| Matched {
            t_us: fix.t_us,
            section: step.section,
            offset_m: step.offset_at(along_m),
            distance_m,
            along_m: along_m.max(least),
        })
    }
}

/// Shorter stretches are rounding, no pass, metres.
const LEAST_PASS_M: f64 = 1e-3;

/// Builds the run. `moves` has one entry per pair of neighbours: how, and the sections between.
pub(super) fn build_run(
    geometry: &Geometry,
    layers: &[Layer],
    chosen: &[Candidate],
    moves: &[(Move, Vec<(SectionIx, bool)>)],
) -> MatchedRun {
    let mut way = Way { geometry, steps: Vec::new(), driven_m: 0.0 };
    let mut places: Vec<(usize, f64)> = Vec::with_capacity(layers.len());
    for (i, candidate) in chosen.iter().enumerate() {
        match i.checked_sub(1).and_then(|k| moves.get(k)) {
            None => way.open(candidate.section, candidate.forward, candidate.offset_m),
            Some((Move::Along, _)) => way.forward_to(candidate.offset_m),
            Some((Move::Turn, _)) => {
                way.forward_to(candidate.offset_m);
                let here = way.steps.last().map_or(candidate.offset_m, |s| s.end_m);
                way.open(candidate.section, candidate.forward, here);
                way.forward_to(candidate.offset_m);
            }
            Some((Move::Route, between)) => {
                way.drive_out();
                for (section, forward) in between {
                    way.open_at_start(*section, *forward);
                    way.drive_out();
                }
                way.open_at_start(candidate.section, candidate.forward);
                way.forward_to(candidate.offset_m);
            }
        }
        places.push((way.steps.len().saturating_sub(1), way.driven_m));
    }
    let path = way.steps;
    let points = points(geometry, layers, chosen, &path, &places);
    let passes = passes(geometry, &path, &points);
    MatchedRun { points, passes, path }
}

struct Way<'a> {
    geometry: &'a Geometry,
    steps: Vec<Step>,
    driven_m: f64,
}

impl Way<'_> {
    fn open(&mut self, section: SectionIx, forward: bool, at_m: f64) {
        self.steps.push(Step { section, forward, start_m: at_m, end_m: at_m, along_m: self.driven_m });
    }

    fn open_at_start(&mut self, section: SectionIx, forward: bool) {
        let at_m = if forward { 0.0 } else { self.geometry.length_m(section) };
        self.open(section, forward, at_m);
    }

    /// Drives on to an offset; never backwards.
    fn forward_to(&mut self, offset_m: f64) {
        if let Some(step) = self.steps.last_mut() {
            let ahead_m = (offset_m - step.end_m) * if step.forward { 1.0 } else { -1.0 };
            if ahead_m > 0.0 {
                step.end_m = offset_m;
                self.driven_m += ahead_m;
            }
        }
    }

    fn drive_out(&mut self) {
        if let Some(step) = self.steps.last() {
            let end = if step.forward { self.geometry.length_m(step.section) } else { 0.0 };
            self.forward_to(end);
        }
    }
}

impl Step {
    fn driven_m(&self) -> f64 {
        (self.end_m - self.start_m).abs()
    }

    /// Offset after `along_m` metres of the run; clamped to the step.
    fn offset_at(&self, along_m: f64) -> f64 {
        let gone = (along_m - self.along_m).clamp(0.0, self.driven_m());
        if self.forward { self.start_m + gone } else { self.start_m - gone }
    }
}

/// All fixes with their places: the chosen ones, and the thinned ones put back between them.
fn points(
    geometry: &Geometry,
    layers: &[Layer],
    chosen: &[Candidate],
    path: &[Step],
    places: &[(usize, f64)],
) -> Vec<Matched> {
    let mut out = Vec::new();
    for (i, ((layer, candidate), (step, along_m))) in layers.iter().zip(chosen).zip(places).enumerate() {
        let (section, offset_m) =
            path.get(*step).map_or((candidate.section, candidate.offset_m), |s| (s.section, s.offset_at(*along_m)));
        let (t_us, distance_m) = (layer.fix.t_us, candidate.distance_m);
        out.push(Matched { t_us, section, offset_m, distance_m, along_m: *along_m });
        let (last_step, last_along) = places.get(i + 1).copied().unwrap_or((*step, *along_m));
        let stretch = path.get(*step..=last_step).unwrap_or_default();
        let mut least = *along_m;
        for fix in &layer.thin {
            if let Some(matched) = geometry.nearest_on(stretch, fix, least, last_along) {
                least = matched.along_m;
                out.push(matched);
            }
        }
    }
    out
}

fn passes(geometry: &Geometry, path: &[Step], points: &[Matched]) -> Vec<SectionPass> {
    let mut out = Vec::new();
    for step in path {
        let driven_m = step.driven_m();
        let length_m = geometry.length_m(step.section);
        if driven_m < LEAST_PASS_M || length_m <= 0.0 {
            continue;
        }
        out.push(SectionPass {
            section: step.section,
            t_enter_us: time_at(points, step.along_m, false),
            t_leave_us: time_at(points, step.along_m + driven_m, true),
            forward: step.forward,
            share: (driven_m / length_m).min(1.0),
        });
    }
    out
}

/// When the run had driven `along_m`. A vehicle that stands there arrives and leaves at different times: `leaving` tells
/// which is meant. The first metre's entry is the first fix, the last metre's exit the last.
fn time_at(points: &[Matched], along_m: f64, leaving: bool) -> i64 {
    let next = points.partition_point(|p| if leaving { p.along_m <= along_m } else { p.along_m < along_m });
    let before = next.checked_sub(1).and_then(|i| points.get(i));
    match (before, points.get(next)) {
        (Some(a), Some(b)) => {
            let span = b.along_m - a.along_m;
            let share = if span > 0.0 { ((along_m - a.along_m) / span).clamp(0.0, 1.0) } else { 0.0 };
            a.t_us + ((b.t_us - a.t_us) as f64 * share).round() as i64
        }
        (Some(p), None) | (None, Some(p)) => p.t_us,
        (None, None) => 0,
    }
}

impl MatchedRun {
    /// Where the vehicle was at `t_us`, as section and metres from its `from`; none outside the run. Between two fixes it
    /// is taken to drive evenly.
    #[must_use]
    pub fn locate(&self, t_us: i64) -> Option<(SectionIx, f64)> {
        let next = self.points.partition_point(|p| p.t_us < t_us);
        let b = self.points.get(next)?;
        if b.t_us == t_us {
            return Some((b.section, b.offset_m));
        }
        let a = self.points.get(next.checked_sub(1)?)?;
        let share = (t_us - a.t_us) as f64 / (b.t_us - a.t_us) as f64;
        let along_m = a.along_m + share * (b.along_m - a.along_m);
        let after = self.path.partition_point(|s| s.along_m <= along_m);
        let step = self.path.get(after.checked_sub(1)?)?;
        Some((step.section, step.offset_at(along_m)))
    }
}
