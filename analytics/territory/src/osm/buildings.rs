//! Buildings: closed ways, and multipolygon relations put together from their member ways.

use std::collections::HashMap;

use geo::Contains;
use geo_types::{Coord, LineString, Point, Polygon};
use serde::{Deserialize, Serialize};

use super::xml::{OsmData, OsmWay, Tags};
use crate::Building;
use crate::clip::Bounds;

/// What became of the buildings of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildingReport {
    /// Outlines made.
    pub kept: usize,
    /// Ways that are not closed or lack nodes.
    pub open_ways: usize,
    /// Outer rings of relations that do not close.
    pub open_rings: usize,
    /// Outside the territory's bounds.
    pub outside: usize,
}

/// Outlines of all buildings whose first corner lies inside the bounds.
#[must_use]
pub fn read_buildings(data: &OsmData, bounds: Option<&Bounds>) -> (Vec<Building>, BuildingReport) {
    let mut report = BuildingReport::default();
    let mut out = Vec::new();
    let ways: HashMap<i64, &OsmWay> = data.ways.iter().map(|w| (w.id, w)).collect();
    let mut keep = |osm_id: i64, outline: Polygon<f64>, tags: &Tags, report: &mut BuildingReport| {
        let inside = outline.exterior().0.first().is_some_and(|p| bounds.is_none_or(|b| b.contains(*p)));
        if inside {
            report.kept += 1;
            out.push(Building { osm_id, outline, height_m: height_m(tags) });
        } else {
            report.outside += 1;
        }
    };
    for way in data.ways.iter().filter(|w| is_building(&w.tags)) {
        match ring(&way.nodes, data) {
            Some(exterior) => keep(way.id, Polygon::new(exterior, Vec::new()), &way.tags, &mut report),
            None => report.open_ways += 1,
        }
    }
    for relation in data.relations.iter().filter(|r| is_building(&r.tags) && r.tags.get("type") == Some("multipolygon"))
    {
        let members = |role: &str| -> Vec<Vec<i64>> {
            let of_role = |r: &str| r == role || (role == "outer" && r.is_empty());
            relation
                .ways
                .iter()
                .filter(|(_, r)| of_role(r))
                .filter_map(|(id, _)| ways.get(id))
                .map(|w| w.nodes.clone())
                .collect()
        };
        let (outers, open) = join_rings(members("outer"));
        report.open_rings += open;
        let (inners, _) = join_rings(members("inner"));
        let holes: Vec<LineString<f64>> = inners.iter().filter_map(|r| ring(r, data)).collect();
        for outer in &outers {
            let Some(exterior) = ring(outer, data) else {
                report.open_rings += 1;
                continue;
            };
            let bare = Polygon::new(exterior.clone(), Vec::new());
            let own = |hole: &&LineString<f64>| hole.0.first().is_some_and(|p| bare.contains(&Point::from(*p)));
            let outline = Polygon::new(exterior, holes.iter().filter(own).cloned().collect());
            keep(relation.id, outline, &relation.tags, &mut report);
        }
    }
    (out, report)
}

fn is_building(tags: &Tags) -> bool {
    tags.get("building").is_some_and(|v| v != "no")
}

/// Metres: "12", "12.5", "12,5 m". Levels are no height.
fn height_m(tags: &Tags) -> Option<f64> {
    let text = tags.get("height")?.trim().trim_end_matches('m').trim().replace(',', ".");
    text.parse::<f64>().ok().filter(|h| h.is_finite() && *h > 0.0 && *h < 1000.0)
}

/// A closed ring of at least three corners, all known.
fn ring(nodes: &[i64], data: &OsmData) -> Option<LineString<f64>> {
    if nodes.len() < 4 || nodes.first() != nodes.last() {
        return None;
    }
    nodes.iter().map(|id| data.nodes.get(id).copied()).collect::<Option<Vec<Coord<f64>>>>().map(LineString::new)
}

/// Joins ways end to end into closed rings. Returns the rings and how many chains stay open.
fn join_rings(mut ways: Vec<Vec<i64>>) -> (Vec<Vec<i64>>, usize) {
    let (mut rings, mut open) = (Vec::new(), 0);
    while let Some(mut chain) = ways.pop() {
        while let (Some(first), Some(last)) = (chain.first().copied(), chain.last().copied()) {
            if first == last && chain.len() >= 4 {
                rings.push(chain);
                break;
            }
            let Some(i) = ways.iter().position(|w| w.first() == Some(&last) || w.last() == Some(&last)) else {
                open += 1;
                break;
            };
            let mut next = ways.swap_remove(i);
            if next.first() != Some(&last) {
                next.reverse();
            }
            chain.extend(next.into_iter().skip(1));
        }
    }
    (rings, open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_join_in_any_direction() {
        let (rings, open) = join_rings(vec![vec![1, 2, 3], vec![1, 5, 3], vec![8, 9]]);
        assert_eq!((rings.len(), open), (1, 1));
        assert_eq!(rings[0].first(), rings[0].last());
    }

    #[test]
    fn heights() {
        let tags = |v: &str| Tags::new(vec![("height".into(), v.into())]);
        assert_eq!(height_m(&tags("12,5 m")), Some(12.5));
        assert_eq!(height_m(&tags("tall")), None);
        assert_eq!(height_m(&tags("-3")), None);
    }
}
