//! From edges (street pieces between junctions) to sections: equal parts, stable ids, commune.

use std::collections::HashMap;

use geo_types::LineString;

use crate::communes::CommuneIndex;
use crate::config::NetworkConfig;
use crate::geom::{equal_parts, length_m, point_at};
use crate::{NodeId, Section};

/// A street piece between two junctions, before it is cut.
pub(crate) struct Edge {
    pub way_id: i64,
    /// Node that gives the sections their name.
    pub naming_node: i64,
    pub name: Option<String>,
    pub class: String,
    pub from: NodeId,
    pub to: NodeId,
    pub oneway: bool,
    pub line: LineString<f64>,
}

/// Gives out ids below zero, for cuts that are no OSM node. They are unique inside one network only.
pub(crate) struct NewNodes(i64);

impl NewNodes {
    pub fn new() -> Self {
        Self(0)
    }

    pub fn next(&mut self) -> NodeId {
        self.0 -= 1;
        NodeId(self.0)
    }
}

/// Cuts edges into sections. Edges must come in a fixed order: ids of cuts follow it. Returns sections and how many edges
/// were too short.
pub(crate) fn sections(
    edges: Vec<Edge>,
    communes: &CommuneIndex,
    config: &NetworkConfig,
    new_nodes: &mut NewNodes,
) -> (Vec<Section>, usize) {
    let (mut out, mut too_short) = (Vec::with_capacity(edges.len() * 2), 0);
    // A way that meets one of its own nodes twice would name two edges alike: parts go on counting instead.
    let mut parts_of: HashMap<(i64, i64), usize> = HashMap::new();
    for edge in edges {
        let total_m = length_m(&edge.line);
        if total_m.is_nan() || total_m <= 0.0 || total_m < config.min_section_m {
            too_short += 1;
            continue;
        }
        let n = ((total_m / config.section_target_m).round() as usize).max(1);
        let first_part = parts_of.entry((edge.way_id, edge.naming_node)).or_insert(0);
        let mut from = edge.from;
        for (i, line) in equal_parts(&edge.line, n).into_iter().enumerate() {
            let to = if i + 1 == n { edge.to } else { new_nodes.next() };
            let section_m = length_m(&line);
            let code_insee = point_at(&line, section_m / 2.0).and_then(|p| communes.code_at(p)).unwrap_or_default();
            out.push(Section {
                id: format!("w{}-n{}-{}", edge.way_id, edge.naming_node, *first_part + i),
                way_id: edge.way_id,
                name: edge.name.clone(),
                class: edge.class.clone(),
                code_insee,
                from,
                to,
                oneway: edge.oneway,
                line,
                length_m: section_m,
            });
            from = to;
        }
        *first_part += n;
    }
    (out, too_short)
}
