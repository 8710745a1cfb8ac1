//! Drivable ways → edges between junctions → sections.

use std::collections::{BTreeMap, HashMap};

use geo_types::{Coord, LineString};
use serde::{Deserialize, Serialize};

use super::xml::{OsmData, OsmWay};
use crate::clip::Bounds;
use crate::communes::CommuneIndex;
use crate::config::NetworkConfig;
use crate::cut::{self, Edge, NewNodes};
use crate::{Commune, NodeId, Section};

/// What became of the ways. `ways_kept` plus all of `ways_refused` is the number of ways with a `highway` tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkReport {
    /// Ways that are (partly) in the network.
    pub ways_kept: usize,
    /// Ways with a `highway` tag that are not, by reason.
    pub ways_refused: BTreeMap<String, usize>,
    /// References to nodes that the file does not hold; the way is cut there.
    pub nodes_missing: usize,
    /// Times a way was cut at the territory's bounds.
    pub cuts_at_bounds: usize,
    /// Edges shorter than the least section, left out.
    pub edges_too_short: usize,
    /// Sections made.
    pub sections: usize,
}

struct Street<'a> {
    way: &'a OsmWay,
    class: &'a str,
    oneway: bool,
}

/// Node of a piece: an OSM node, or a cut at the bounds.
#[derive(Clone, Copy)]
struct At {
    node: NodeId,
    naming: i64,
    point: Coord<f64>,
}

/// Builds the sections of all drivable ways, cut at `bounds` where given. Same file, same ids.
#[must_use]
pub fn build_sections(
    data: &OsmData,
    communes: &[Commune],
    config: &NetworkConfig,
    bounds: Option<&Bounds>,
) -> (Vec<Section>, NetworkReport) {
    let mut report = NetworkReport::default();
    let mut new_nodes = NewNodes::new();
    let mut pieces: Vec<(Street, Vec<At>)> = Vec::new();
    let mut ways: Vec<&OsmWay> = data.ways.iter().collect();
    ways.sort_by_key(|w| w.id);
    for way in ways {
        let Some(class) = way.tags.get("highway") else { continue };
        if let Err(reason) = drivable(way, class, config) {
            *report.ways_refused.entry(reason.to_owned()).or_default() += 1;
            continue;
        }
        let (oneway, reversed) = direction(way, class, config);
        let runs = runs_inside(way, reversed, data, bounds, &mut new_nodes, &mut report);
        if runs.is_empty() {
            *report.ways_refused.entry("outside the territory or the extract".to_owned()).or_default() += 1;
            continue;
        }
        report.ways_kept += 1;
        pieces.extend(runs.into_iter().map(|run| (Street { way, class, oneway }, run)));
    }
    let uses = count_uses(&pieces);
    let edges = pieces.iter().flat_map(|(street, run)| edges_of(street, run, &uses)).collect();
    let (sections, too_short) = cut::sections(edges, &CommuneIndex::new(communes), config, &mut new_nodes);
    report.edges_too_short = too_short;
    report.sections = sections.len();
    (sections, report)
}

fn drivable(way: &OsmWay, class: &str, config: &NetworkConfig) -> Result<(), &'static str> {
    let has = |list: &[String], value: &str| list.iter().any(|v| v == value);
    if way.tags.get("area") == Some("yes") {
        return Err("area");
    }
    if !has(&config.classes, class) {
        if !has(&config.classes_when_named, class) {
            return Err("class not drivable");
        }
        if way.tags.get("name").is_none() {
            return Err("service without name");
        }
    }
    let access = config.access_keys.iter().find_map(|key| way.tags.get(key));
    if access.is_some_and(|value| has(&config.access_refused, value)) {
        return Err("access refused");
    }
    Ok(())
}

/// One-way, and whether the way runs against its nodes.
fn direction(way: &OsmWay, class: &str, config: &NetworkConfig) -> (bool, bool) {
    match way.tags.get("oneway") {
        Some("yes" | "true" | "1") => (true, false),
        Some("-1" | "reverse") => (true, true),
        Some(_) => (false, false),
        None => {
            let junction = way.tags.get("junction");
            let implied = config.oneway_classes.iter().any(|c| c == class)
                || junction.is_some_and(|j| config.oneway_junctions.iter().any(|o| o == j));
            (implied, false)
        }
    }
}

/// The parts of the way inside the bounds, in driving order. A missing node ends a part.
fn runs_inside(
    way: &OsmWay,
    reversed: bool,
    data: &OsmData,
    bounds: Option<&Bounds>,
    new_nodes: &mut NewNodes,
    report: &mut NetworkReport,
) -> Vec<Vec<At>> {
    let mut runs: Vec<Vec<At>> = Vec::new();
    let mut run: Vec<At> = Vec::new();
    let mut previous: Option<At> = None;
    let ordered: Box<dyn Iterator<Item = &i64>> =
        if reversed { Box::new(way.nodes.iter().rev()) } else { Box::new(way.nodes.iter()) };
    for id in ordered {
        let Some(point) = data.nodes.get(id).copied() else {
            report.nodes_missing += 1;
            previous = None;
            flush(&mut runs, &mut run);
            continue;
        };
        let here = At { node: NodeId(*id), naming: *id, point };
        if let Some(last) = previous.filter(|p| p.node != here.node) {
            match bounds.map_or(Some((0.0, 1.0)), |b| b.clip(last.point, point)) {
                Some((enter, leave)) => {
                    let mut cut = |share: f64, naming: i64| {
                        report.cuts_at_bounds += 1;
                        At { node: new_nodes.next(), naming, point: crate::geom::between(last.point, point, share) }
                    };
                    if run.is_empty() {
                        run.push(if enter > 0.0 { cut(enter, last.naming) } else { last });
                    }
                    if leave < 1.0 {
                        run.push(cut(leave, here.naming));
                        flush(&mut runs, &mut run);
                    } else {
                        run.push(here);
                    }
                }
                None => flush(&mut runs, &mut run),
            }
        }
        previous = Some(here);
    }
    flush(&mut runs, &mut run);
    runs
}

fn flush(runs: &mut Vec<Vec<At>>, run: &mut Vec<At>) {
    if run.len() >= 2 {
        runs.push(std::mem::take(run));
    } else {
        run.clear();
    }
}

/// How often a node is used; an end counts twice, so that it is a junction by itself.
fn count_uses(pieces: &[(Street, Vec<At>)]) -> HashMap<NodeId, u32> {
    let mut uses: HashMap<NodeId, u32> = HashMap::new();
    for (_, run) in pieces {
        for at in run {
            *uses.entry(at.node).or_default() += 1;
        }
        for end in [run.first(), run.last()].into_iter().flatten() {
            *uses.entry(end.node).or_default() += 1;
        }
    }
    uses
}

fn edges_of(street: &Street, run: &[At], uses: &HashMap<NodeId, u32>) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut piece: Vec<At> = Vec::new();
    for at in run {
        piece.push(*at);
        if piece.len() < 2 || uses.get(&at.node).is_none_or(|n| *n < 2) {
            continue;
        }
        if let (Some(first), Some(last)) = (piece.first(), piece.last()) {
            edges.push(Edge {
                way_id: street.way.id,
                naming_node: first.naming,
                name: street.way.tags.get("name").map(str::to_owned),
                class: street.class.to_owned(),
                from: first.node,
                to: last.node,
                oneway: street.oneway,
                line: LineString::new(piece.iter().map(|a| a.point).collect()),
            });
        }
        piece = vec![*at];
    }
    edges
}
