//! The Viterbi pass: the most probable row of candidates.

use std::collections::HashMap;

use super::path::{Geometry, build_run};
use super::prepare::{place, seconds, usable};
use super::weights::{beta_m, log_emission, log_transition};
use super::{Fix, MatchReport, MatchedRun};
use crate::config::MatchConfig;
use crate::geom::{angle_between_deg, distance_m};
use crate::graph::{NetworkGraph, Reach, SectionIndex};
use crate::{Section, SectionIx, Territory, TerritoryError};

/// Junctions kept in the cache of one track; beyond that it starts anew.
const CACHE_MAX: usize = 4_000_000;

/// Lays tracks on one network. Make it once per territory, share it between threads.
#[derive(Clone, Debug)]
pub struct Matcher {
    config: MatchConfig,
    pub(super) graph: NetworkGraph,
    index: SectionIndex,
    pub(super) geometry: Geometry,
    oneway: Vec<bool>,
}

/// A place on a section, driven in one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub section: SectionIx,
    pub forward: bool,
    pub offset_m: f64,
    pub distance_m: f64,
    log_emission: f64,
}

/// A fix with its candidates, the best score of a row that ends in each, and where that row came from.
pub(super) struct Layer {
    pub fix: Fix,
    sigma_m: f64,
    candidates: Vec<Candidate>,
    score: Vec<f64>,
    back: Vec<usize>,
    /// Fixes that were too near to this one.
    pub thin: Vec<Fix>,
}

impl Layer {
    fn last_t_us(&self) -> i64 {
        self.thin.last().map_or(self.fix.t_us, |f| f.t_us)
    }
}

/// How one gets from one candidate to the next.
pub(super) enum Move {
    /// Along the same section, same direction; backwards within the noise counts as standing.
    Along,
    /// Turn round on the section.
    Turn,
    /// Through the network.
    Route,
}

type Cache = HashMap<u32, Reach>;

impl Matcher {
    /// A matcher for these sections; `SectionIx` is the position in the slice.
    #[must_use]
    pub fn new(sections: &[Section], config: MatchConfig) -> Self {
        Self {
            config,
            graph: NetworkGraph::from_sections(sections),
            index: SectionIndex::new(sections),
            geometry: Geometry::new(sections),
            oneway: sections.iter().map(|s| s.oneway).collect(),
        }
    }

    /// A matcher for a territory with the embedded weights.
    ///
    /// # Errors
    /// Only if the embedded weights are damaged (a build defect).
    pub fn for_territory(territory: &Territory) -> Result<Self, TerritoryError> {
        Ok(Self::new(&territory.sections, MatchConfig::embedded()?))
    }

    /// The graph that tracks are laid on.
    #[must_use]
    pub const fn graph(&self) -> &NetworkGraph {
        &self.graph
    }

    /// The index over its sections.
    #[must_use]
    pub const fn index(&self) -> &SectionIndex {
        &self.index
    }

    /// Where the vehicle was at `t_us`, as section and metres from its `from`; none outside the run.
    #[must_use]
    pub fn locate(&self, run: &MatchedRun, t_us: i64) -> Option<(SectionIx, f64)> {
        run.locate(t_us)
    }

    /// Matches one vehicle's track and says what became of each fix; their order does not matter.
    #[must_use]
    pub fn match_track(&self, fixes: &[Fix]) -> (Vec<MatchedRun>, MatchReport) {
        let mut report = MatchReport::default();
        let (mut runs, mut layers, mut cache) = (Vec::new(), Vec::<Layer>::new(), Cache::new());
        let mut outliers = 0;
        for fix in usable(fixes, &mut report) {
            if let Some(last) = layers.last_mut() {
                if seconds(last.last_t_us(), fix.t_us) > self.config.gap_max_s {
                    report.cuts_gap += 1;
                    self.finish(&mut layers, &mut cache, &mut runs, &mut report);
                    outliers = 0;
                } else if distance_m(place(&last.fix), place(&fix)) < self.config.thin_sigmas * self.sigma_m(&fix) {
                    last.thin.push(fix);
                    continue;
                }
            }
            let Some(mut layer) = self.layer(fix) else {
                report.off_road += 1;
                continue;
            };
            let Some(last) = layers.last() else {
                layers.push(layer);
                continue;
            };
            let too_fast = distance_m(place(&last.fix), place(&fix)) > self.reach_m(last, &layer);
            if !too_fast && self.connect(last, &mut layer, &mut cache) {
                layers.push(layer);
                outliers = 0;
            } else if outliers < self.config.outliers_max {
                outliers += 1;
                report.outliers += 1;
            } else {
                *(if too_fast { &mut report.cuts_outliers } else { &mut report.cuts_no_way }) += 1;
                self.finish(&mut layers, &mut cache, &mut runs, &mut report);
                layers.push(layer);
                outliers = 0;
            }
        }
        self.finish(&mut layers, &mut cache, &mut runs, &mut report);
        report.runs = runs.len();
        (runs, report)
    }

    fn sigma_m(&self, fix: &Fix) -> f64 {
        let said = fix.h_acc_m.filter(|h| h.is_finite()).unwrap_or(0.0);
        said.clamp(self.config.sigma_min_m, self.config.sigma_max_m)
    }

    fn layer(&self, fix: Fix) -> Option<Layer> {
        let sigma_m = self.sigma_m(&fix);
        let near = self.index.within(place(&fix), self.config.candidate_radius_m, self.config.candidate_max);
        let mut candidates = Vec::with_capacity(near.len() * 2);
        for n in near {
            for forward in [true, false] {
                if !forward && self.oneway.get(n.section.0 as usize).copied().unwrap_or(true) {
                    continue;
                }
                let course = if forward { n.bearing_deg } else { n.bearing_deg + 180.0 };
                let log_emission = log_emission(n.distance_m, sigma_m) - self.heading_cost(&fix, course);
                let (section, offset_m, distance_m) = (n.section, n.offset_m, n.distance_m);
                candidates.push(Candidate { section, forward, offset_m, distance_m, log_emission });
            }
        }
        let score = candidates.iter().map(|c| c.log_emission).collect();
        let back = vec![usize::MAX; candidates.len()];
        (!candidates.is_empty()).then_some(Layer { fix, sigma_m, candidates, score, back, thin: Vec::new() })
    }

    fn heading_cost(&self, fix: &Fix, course_deg: f64) -> f64 {
        match (fix.speed_mps, fix.heading_deg) {
            (Some(v), Some(h)) if v > self.config.heading_min_mps && h.is_finite() => {
                let beyond = (angle_between_deg(h, course_deg) - self.config.heading_gate_deg).max(0.0);
                self.config.heading_penalty * beyond / 30.0
            }
            _ => 0.0,
        }
    }

    /// The farthest that the vehicle can have driven between two layers. It was still near the first when its last thinned
    /// fix was taken.
    fn reach_m(&self, a: &Layer, b: &Layer) -> f64 {
        let free_m = self.config.thin_sigmas * (a.sigma_m + b.sigma_m);
        self.config.speed_max_mps * seconds(a.last_t_us(), b.fix.t_us) + free_m
    }

    /// Fills in scores of `b`; false if nothing leads there.
    fn connect(&self, a: &Layer, b: &mut Layer, cache: &mut Cache) -> bool {
        let straight_m = distance_m(place(&a.fix), place(&b.fix));
        let beta = beta_m(&self.config, seconds(a.fix.t_us, b.fix.t_us));
        let off_m = |l: &Layer| l.candidates.iter().map(|c| c.distance_m).fold(0.0, f64::max);
        let limit_m = (self.reach_m(a, b) + off_m(a) + off_m(b)).min(straight_m + self.config.detour_max_m);
        let noise_m = self.config.thin_sigmas * a.sigma_m.max(b.sigma_m);
        let mut best = vec![(f64::NEG_INFINITY, usize::MAX); b.candidates.len()];
        for (i, (from, score)) in a.candidates.iter().zip(&a.score).enumerate() {
            if *score == f64::NEG_INFINITY {
                continue;
            }
            let reach = self.reach_of(from, limit_m, cache);
            for (to, best) in b.candidates.iter().zip(&mut best) {
                let Some((driven_m, how)) = self.drive(from, to, noise_m, reach) else { continue };
                if driven_m > limit_m {
                    continue;
                }
                let turn = if matches!(how, Move::Turn) { self.config.uturn_penalty } else { 0.0 };
                let total = score + log_transition(straight_m - driven_m, beta) - turn;
                if total > best.0 {
                    *best = (total, i);
                }
            }
        }
        for (k, (score, back)) in best.into_iter().enumerate() {
            let emission = b.candidates.get(k).map_or(0.0, |c| c.log_emission);
            if let (Some(s), Some(p)) = (b.score.get_mut(k), b.back.get_mut(k)) {
                (*s, *p) = (score + emission, back);
            }
        }
        b.score.iter().any(|s| *s > f64::NEG_INFINITY)
    }

    fn reach_of<'c>(&self, from: &Candidate, limit_m: f64, cache: &'c mut Cache) -> Option<&'c Reach> {
        let end = self.end_node(from)?;
        if cache.get(&end).is_none_or(|r| r.radius_m < limit_m) {
            if cache.values().map(Reach::size).sum::<usize>() > CACHE_MAX {
                cache.clear();
            }
            // A little farther than asked: the next fix asks for a little more.
            cache.insert(end, self.graph.reach(end, (limit_m * 1.5).max(200.0), None));
        }
        cache.get(&end)
    }

    fn end_node(&self, c: &Candidate) -> Option<u32> {
        self.graph.ends(c.section).map(|(a, b)| if c.forward { b } else { a })
    }

    fn start_node(&self, c: &Candidate) -> Option<u32> {
        self.graph.ends(c.section).map(|(a, b)| if c.forward { a } else { b })
    }

    /// Metres driven from one candidate to the next, and how; none if there is no way.
    fn drive(&self, a: &Candidate, b: &Candidate, noise_m: f64, reach: Option<&Reach>) -> Option<(f64, Move)> {
        if a.section == b.section {
            let ahead_m = (b.offset_m - a.offset_m) * if a.forward { 1.0 } else { -1.0 };
            if a.forward != b.forward {
                return Some((ahead_m.abs(), Move::Turn));
            }
            if ahead_m >= -noise_m {
                return Some((ahead_m.abs(), Move::Along));
            }
        }
        let between_m = reach?.distance_to(self.start_node(b)?)?;
        Some((self.left_m(a) + between_m + self.gone_m(b), Move::Route))
    }

    /// Metres from a candidate to the end of its section.
    fn left_m(&self, c: &Candidate) -> f64 {
        if c.forward { (self.geometry.length_m(c.section) - c.offset_m).max(0.0) } else { c.offset_m }
    }

    /// Metres from the start of its section to a candidate.
    fn gone_m(&self, c: &Candidate) -> f64 {
        if c.forward { c.offset_m } else { (self.geometry.length_m(c.section) - c.offset_m).max(0.0) }
    }

    fn finish(&self, layers: &mut Vec<Layer>, cache: &mut Cache, runs: &mut Vec<MatchedRun>, report: &mut MatchReport) {
        let layers = std::mem::take(layers);
        let thin: usize = layers.iter().map(|l| l.thin.len()).sum();
        if layers.len() < 2 {
            report.alone += layers.len() + thin;
            return;
        }
        let Some(chosen) = backtrack(&layers) else {
            report.alone += layers.len() + thin;
            return;
        };
        let mut moves = Vec::with_capacity(chosen.len());
        for pair in layers.iter().zip(&chosen).collect::<Vec<_>>().windows(2) {
            let [(la, a), (lb, b)] = pair else { continue };
            let noise_m = self.config.thin_sigmas * la.sigma_m.max(lb.sigma_m);
            let reach = self.reach_of(a, self.config.candidate_radius_m, cache);
            let how = self.drive(a, b, noise_m, reach).map_or(Move::Route, |(_, how)| how);
            let route = match how {
                Move::Route => self.route(a, b, cache),
                _ => Vec::new(),
            };
            moves.push((how, route));
        }
        report.matched += layers.len();
        report.interpolated += thin;
        runs.push(build_run(&self.geometry, &layers, &chosen, &moves));
    }

    /// Sections between two candidates. The cache may have been emptied since they were joined.
    fn route(&self, a: &Candidate, b: &Candidate, cache: &mut Cache) -> Vec<(SectionIx, bool)> {
        let (Some(end), Some(start)) = (self.end_node(a), self.start_node(b)) else { return Vec::new() };
        let known = cache.get(&end).and_then(|r| r.distance_to(start)).is_some();
        if !known {
            cache.insert(end, self.graph.reach(end, f64::INFINITY, Some(start)));
            // Its radius is not what it says beyond the target: do not keep it for others.
            let path = cache.remove(&end).and_then(|r| r.path_to(start)).unwrap_or_default();
            return path.iter().map(|arc| (arc.section, arc.forward)).collect();
        }
        let path = cache.get(&end).and_then(|r| r.path_to(start)).unwrap_or_default();
        path.iter().map(|arc| (arc.section, arc.forward)).collect()
    }
}

/// The best row of candidates, first to last.
fn backtrack(layers: &[Layer]) -> Option<Vec<Candidate>> {
    let last = layers.last()?;
    let mut at = (0..last.score.len()).reduce(|a, b| if last.score.get(b) > last.score.get(a) { b } else { a })?;
    let mut chosen = Vec::with_capacity(layers.len());
    for layer in layers.iter().rev() {
        chosen.push(*layer.candidates.get(at)?);
        at = *layer.back.get(at)?;
    }
    chosen.reverse();
    Some(chosen)
}
