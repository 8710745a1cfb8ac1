//! The network as a directed graph, and an index over its sections' geometry.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use geo_types::Coord;
use rstar::{AABB, PointDistance, RTree, RTreeObject};

use crate::geom::{Plane, distance_m, project};
use crate::{NodeId, Section, SectionIx};

/// One way to leave a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arc {
    /// Section that is driven.
    pub section: SectionIx,
    /// From its `from` to its `to`, or against.
    pub forward: bool,
    /// Dense number of the node at the other end.
    pub(crate) to: u32,
    /// Metres.
    pub length_m: f64,
}

/// Who is next to whom, for vehicles: one-way streets are left out against their direction.
#[derive(Clone, Debug, Default)]
pub struct NetworkGraph {
    nodes: Vec<NodeId>,
    dense: HashMap<NodeId, u32>,
    starts: Vec<u32>,
    arcs: Vec<Arc>,
    ends: Vec<(u32, u32)>,
}

impl NetworkGraph {
    /// The graph of these sections; `SectionIx` is the position in the slice.
    #[must_use]
    pub fn from_sections(sections: &[Section]) -> Self {
        let mut graph = Self::default();
        for section in sections {
            let ends = (graph.dense_of(section.from), graph.dense_of(section.to));
            graph.ends.push(ends);
        }
        let mut out: Vec<Vec<Arc>> = vec![Vec::new(); graph.nodes.len()];
        for (i, (section, (a, b))) in sections.iter().zip(&graph.ends).enumerate() {
            let (ix, length_m) = (SectionIx(i as u32), section.length_m);
            if let Some(arcs) = out.get_mut(*a as usize) {
                arcs.push(Arc { section: ix, forward: true, to: *b, length_m });
            }
            if !section.oneway
                && let Some(arcs) = out.get_mut(*b as usize)
            {
                arcs.push(Arc { section: ix, forward: false, to: *a, length_m });
            }
        }
        for arcs in out {
            graph.starts.push(graph.arcs.len() as u32);
            graph.arcs.extend(arcs);
        }
        graph.starts.push(graph.arcs.len() as u32);
        graph
    }

    fn dense_of(&mut self, node: NodeId) -> u32 {
        let next = self.nodes.len() as u32;
        *self.dense.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            next
        })
    }

    /// All nodes, in the order in which sections name them.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// What can be driven from a node: section, whether forward, and the node it leads to.
    pub fn neighbours(&self, node: NodeId) -> impl Iterator<Item = (SectionIx, bool, NodeId)> + '_ {
        let arcs = self.dense.get(&node).map_or(&[][..], |n| self.arcs_from(*n));
        arcs.iter().filter_map(|a| self.nodes.get(a.to as usize).map(|to| (a.section, a.forward, *to)))
    }

    /// Shortest drive between two nodes as sections with their direction; none if there is no way.
    #[must_use]
    pub fn shortest_path(&self, from: NodeId, to: NodeId) -> Option<Vec<(SectionIx, bool)>> {
        let (from, to) = (*self.dense.get(&from)?, *self.dense.get(&to)?);
        self.reach(from, f64::INFINITY, Some(to))
            .path_to(to)
            .map(|p| p.iter().map(|a| (a.section, a.forward)).collect())
    }

    /// The nodes from each of which every other can be driven to: where a round can go on for ever.
    #[must_use]
    pub fn largest_strongly_connected(&self) -> BTreeSet<NodeId> {
        let n = self.nodes.len();
        let mut back: Vec<Vec<u32>> = vec![Vec::new(); n];
        for from in 0..n as u32 {
            for arc in self.arcs_from(from) {
                if let Some(b) = back.get_mut(arc.to as usize) {
                    b.push(from);
                }
            }
        }
        let mut taken = vec![false; n];
        let mut best: Vec<u32> = Vec::new();
        for start in 0..n as u32 {
            if taken.get(start as usize).copied().unwrap_or(true) {
                continue;
            }
            let there = flood(start, n, |v| self.arcs_from(v).iter().map(|a| a.to).collect());
            let here = flood(start, n, |v| back.get(v as usize).cloned().unwrap_or_default());
            let component: Vec<u32> = (0..n as u32)
                .filter(|v| *there.get(*v as usize).unwrap_or(&false) && *here.get(*v as usize).unwrap_or(&false))
                .collect();
            for v in &component {
                if let Some(t) = taken.get_mut(*v as usize) {
                    *t = true;
                }
            }
            if component.len() > best.len() {
                best = component;
            }
        }
        best.into_iter().filter_map(|v| self.nodes.get(v as usize).copied()).collect()
    }

    pub(crate) fn arcs_from(&self, node: u32) -> &[Arc] {
        let range = match (self.starts.get(node as usize), self.starts.get(node as usize + 1)) {
            (Some(a), Some(b)) => *a as usize..*b as usize,
            _ => 0..0,
        };
        self.arcs.get(range).unwrap_or_default()
    }

    /// Dense numbers of a section's ends.
    pub(crate) fn ends(&self, section: SectionIx) -> Option<(u32, u32)> {
        self.ends.get(section.0 as usize).copied()
    }

    /// Everything within `radius_m` of a node (Dijkstra); stops early at `target`. Equal lengths are decided by number, so
    /// that the same network gives the same ways.
    pub(crate) fn reach(&self, from: u32, radius_m: f64, target: Option<u32>) -> Reach {
        let mut reach = Reach { from, radius_m, settled: HashMap::new() };
        let mut best: HashMap<u32, (f64, Option<(u32, Arc)>)> = HashMap::from([(from, (0.0, None))]);
        let mut heap = BinaryHeap::from([Reverse((Metres(0.0), from))]);
        while let Some(Reverse((Metres(d), node))) = heap.pop() {
            if reach.settled.contains_key(&node) {
                continue;
            }
            let via = best.get(&node).and_then(|(_, via)| *via);
            reach.settled.insert(node, (d, via));
            if target == Some(node) {
                break;
            }
            for arc in self.arcs_from(node) {
                let next = d + arc.length_m;
                if next <= radius_m && best.get(&arc.to).is_none_or(|(old, _)| next < *old) {
                    best.insert(arc.to, (next, Some((node, *arc))));
                    heap.push(Reverse((Metres(next), arc.to)));
                }
            }
        }
        reach
    }
}

fn flood(start: u32, n: usize, next: impl Fn(u32) -> Vec<u32>) -> Vec<bool> {
    let mut seen = vec![false; n];
    let mut stack = vec![start];
    while let Some(v) = stack.pop() {
        match seen.get_mut(v as usize) {
            Some(s) if !*s => *s = true,
            _ => continue,
        }
        stack.extend(next(v));
    }
    seen
}

/// Metres with an order; never NaN here, since lengths are finite.
#[derive(Clone, Copy, PartialEq)]
struct Metres(f64);

impl Eq for Metres {}

impl Ord for Metres {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Metres {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What can be reached from a node, and how.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    from: u32,
    pub radius_m: f64,
    settled: HashMap<u32, (f64, Option<(u32, Arc)>)>,
}

impl Reach {
    pub fn distance_to(&self, node: u32) -> Option<f64> {
        self.settled.get(&node).map(|(d, _)| *d)
    }

    pub fn path_to(&self, node: u32) -> Option<Vec<Arc>> {
        let mut path = Vec::new();
        let mut at = node;
        while at != self.from || path.is_empty() {
            match self.settled.get(&at)? {
                (_, Some((previous, arc))) => {
                    path.push(*arc);
                    at = *previous;
                }
                (_, None) => break,
            }
        }
        path.reverse();
        Some(path)
    }

    pub fn size(&self) -> usize {
        self.settled.len()
    }
}

/// Where a place falls on a section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Section.
    pub section: SectionIx,
    /// Metres along the section from its `from`.
    pub offset_m: f64,
    /// Metres from the place to the section.
    pub distance_m: f64,
    /// Compass course of the section there, driven forward, degrees.
    pub bearing_deg: f64,
}

#[derive(Clone, Debug)]
struct Segment {
    a: [f64; 2],
    b: [f64; 2],
    section: SectionIx,
    start_m: f64,
    length_m: f64,
}

impl RTreeObject for Segment {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        AABB::from_corners(self.a, self.b)
    }
}

impl PointDistance for Segment {
    fn distance_2(&self, point: &[f64; 2]) -> f64 {
        project(self.a, self.b, *point).1
    }
}

/// Finds the sections near a place.
#[derive(Clone, Debug)]
pub struct SectionIndex {
    plane: Plane,
    tree: RTree<Segment>,
}

impl SectionIndex {
    /// Over these sections; `SectionIx` is the position in the slice.
    #[must_use]
    pub fn new(sections: &[Section]) -> Self {
        let plane = Plane::around(sections.iter().flat_map(|s| s.line.0.iter().copied()));
        let mut segments = Vec::new();
        for (i, section) in sections.iter().enumerate() {
            let mut start_m = 0.0;
            for l in section.line.lines() {
                let length_m = distance_m(l.start, l.end);
                let (a, b) = (plane.to_m(l.start), plane.to_m(l.end));
                segments.push(Segment { a, b, section: SectionIx(i as u32), start_m, length_m });
                start_m += length_m;
            }
        }
        Self { plane, tree: RTree::bulk_load(segments) }
    }

    /// The nearest section within `max_m` metres.
    #[must_use]
    pub fn nearest(&self, place: Coord<f64>, max_m: f64) -> Option<Nearest> {
        self.within(place, max_m, 1).into_iter().next()
    }

    /// The nearest `k` sections within `max_m` metres, nearest first, each once at its nearest point.
    #[must_use]
    pub fn within(&self, place: Coord<f64>, max_m: f64, k: usize) -> Vec<Nearest> {
        let p = self.plane.to_m(place);
        if !p.iter().all(|v| v.is_finite()) {
            return Vec::new();
        }
        let mut found: Vec<Nearest> = Vec::new();
        for s in self.tree.locate_within_distance(p, max_m * max_m) {
            let (t, d2) = project(s.a, s.b, p);
            let hit = Nearest {
                section: s.section,
                offset_m: s.start_m + t * s.length_m,
                distance_m: d2.sqrt(),
                bearing_deg: (s.b[0] - s.a[0]).atan2(s.b[1] - s.a[1]).to_degrees().rem_euclid(360.0),
            };
            match found.iter_mut().find(|n| n.section == s.section) {
                // A corner belongs to two segments: the lower offset decides, whatever the order of the tree.
                Some(n) if (hit.distance_m, hit.offset_m) < (n.distance_m, n.offset_m) => *n = hit,
                Some(_) => {}
                None => found.push(hit),
            }
        }
        found.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m).then(a.section.cmp(&b.section)));
        found.truncate(k);
        found
    }
}
