//! A street graph from CSV with WKT lines: one row per direction (u, v, key), OSM ids as one number or a list. The form
//! that the Python package OSMnx writes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use geo::ConvexHull;
use geo_types::{Coord, LineString, MultiPoint, MultiPolygon, Point, coord};
use serde::{Deserialize, Serialize};

use crate::bytes::{MAX_UNPACKED_BYTES, decode, unpack};
use crate::communes::CommuneIndex;
use crate::config::NetworkConfig;
use crate::cut::{self, Edge, NewNodes};
use crate::{NodeId, Section, TerritoryError};

/// What became of the rows: `edges` + `reverse_twins` + all of `refused` = `rows`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgesReport {
    /// Rows in the file.
    pub rows: usize,
    /// Street pieces kept.
    pub edges: usize,
    /// Rows that are another row driven backwards.
    pub reverse_twins: usize,
    /// Rows left out, by reason.
    pub refused: BTreeMap<String, usize>,
    /// Pieces shorter than the least section (counted in `edges`).
    pub edges_too_short: usize,
    /// Sections made.
    pub sections: usize,
}

/// Report, and the further OSM ways of pieces that run over several: first way → the others.
#[derive(Clone, Debug, Default)]
pub struct Edges {
    /// Counts.
    pub report: EdgesReport,
    /// Further ways of a piece, by section id prefix `w{way}-n{node}`.
    pub other_ways: BTreeMap<String, Vec<i64>>,
}

const COLUMNS: [&str; 7] = ["u", "v", "osmid", "oneway", "name", "highway", "geometry"];

/// Reads the edges and cuts them into sections. A way in `keep_ways` (it has a measurement) is kept whatever its class.
///
/// # Errors
/// Damaged gzip, no CSV, missing columns (named).
pub fn read(
    bytes: &[u8],
    config: &NetworkConfig,
    keep_ways: &BTreeSet<i64>,
) -> Result<(Vec<Section>, Edges), TerritoryError> {
    let unpacked = unpack(bytes, MAX_UNPACKED_BYTES)?;
    let (text, _) = decode(&unpacked);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let bad = |e: csv::Error| TerritoryError::Format { format: "street edge CSV", reason: e.to_string() };
    let headers = reader.headers().map_err(bad)?.clone();
    let at = columns(&headers, COLUMNS)?;
    let mut out = Edges::default();
    let mut seen: HashSet<Vec<u64>> = HashSet::new();
    let mut edges = Vec::new();
    for row in reader.records() {
        out.report.rows += 1;
        let row = match row {
            Ok(row) => row,
            Err(_) => {
                refuse(&mut out.report, "row not readable");
                continue;
            }
        };
        match edge(at.map(|i| row.get(i).unwrap_or("")), config, keep_ways) {
            Err(reason) => refuse(&mut out.report, reason),
            Ok((edge, ways)) => {
                if !seen.insert(undirected_key(&edge)) {
                    out.report.reverse_twins += 1;
                    continue;
                }
                out.report.edges += 1;
                if ways.len() > 1 {
                    let key = format!("w{}-n{}", edge.way_id, edge.naming_node);
                    out.other_ways.entry(key).or_default().extend(ways.into_iter().skip(1));
                }
                edges.push(edge);
            }
        }
    }
    let (sections, too_short) = cut::sections(edges, &CommuneIndex::new(&[]), config, &mut NewNodes::new());
    out.report.edges_too_short = too_short;
    out.report.sections = sections.len();
    if sections.is_empty() {
        return Err(TerritoryError::Empty(
            "no street in the edge file: check its columns `highway` and `geometry`".into(),
        ));
    }
    Ok((sections, out))
}

/// Convex hull of all streets, as the outline of a place that came without one.
#[must_use]
pub fn hull(sections: &[Section]) -> MultiPolygon<f64> {
    let points: Vec<Point<f64>> = sections.iter().flat_map(|s| s.line.0.iter().copied().map(Point::from)).collect();
    MultiPolygon::new(vec![MultiPoint::new(points).convex_hull()])
}

pub(crate) fn columns<const N: usize>(
    headers: &csv::StringRecord,
    wanted: [&str; N],
) -> Result<[usize; N], TerritoryError> {
    let position = |name: &str| headers.iter().position(|h| h.trim() == name);
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| position(name).is_none()).collect();
    if !missing.is_empty() {
        let found = headers.iter().collect::<Vec<_>>().join(", ");
        return Err(TerritoryError::MissingColumns { missing: missing.join(", "), found });
    }
    Ok(wanted.map(|name| position(name).unwrap_or_default()))
}

fn refuse(report: &mut EdgesReport, reason: &'static str) {
    *report.refused.entry(reason.to_owned()).or_default() += 1;
}

fn edge(
    [u, v, osmid, oneway, name, highway, geometry]: [&str; 7],
    config: &NetworkConfig,
    keep_ways: &BTreeSet<i64>,
) -> Result<(Edge, Vec<i64>), &'static str> {
    let (Ok(u), Ok(v)) = (u.trim().parse::<i64>(), v.trim().parse::<i64>()) else { return Err("node id not a number") };
    let ways = ids(osmid).ok_or("osmid neither a number nor a list of numbers")?;
    let way_id = *ways.first().ok_or("osmid empty")?;
    let class = first_of(highway).unwrap_or_default();
    let name = first_of(name);
    let listed = |list: &[String]| list.contains(&class);
    let street = listed(&config.classes) || (name.is_some() && listed(&config.classes_when_named));
    if !street && !ways.iter().any(|w| keep_ways.contains(w)) {
        return Err("class not drivable");
    }
    let line = wkt_line(geometry).ok_or("geometry is not a WKT LINESTRING")?;
    let oneway = oneway.trim().eq_ignore_ascii_case("true");
    Ok((Edge { way_id, naming_node: u, name, class, from: NodeId(u), to: NodeId(v), oneway, line }, ways))
}

/// The same for an edge and its twin in the other direction, different for parallel streets between the same nodes.
fn undirected_key(edge: &Edge) -> Vec<u64> {
    let bits = |c: &Coord<f64>| [c.x.to_bits(), c.y.to_bits()];
    let ahead: Vec<u64> = edge.line.0.iter().flat_map(bits).collect();
    let back: Vec<u64> = edge.line.0.iter().rev().flat_map(bits).collect();
    if edge.oneway { ahead } else { ahead.min(back) }
}

/// `"12"` or `"[12, 34]"`.
fn ids(text: &str) -> Option<Vec<i64>> {
    let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
    inner.split(',').map(|id| id.trim().parse::<i64>().ok()).collect()
}

/// `"A"`, or the first of `"['A', 'B']"`; a name with an apostrophe stands in double quotes there.
fn first_of(text: &str) -> Option<String> {
    let text = text.trim();
    let first = match text.strip_prefix('[') {
        Some(inner) => match inner.chars().next() {
            Some(quote @ ('\'' | '"')) => inner.get(1..)?.split(quote).next()?,
            _ => inner.trim_end_matches(']').split(',').next()?,
        },
        None => text,
    };
    (!first.is_empty()).then(|| first.to_owned())
}

fn wkt_line(text: &str) -> Option<LineString<f64>> {
    let inner = text.trim().strip_prefix("LINESTRING")?.trim().strip_prefix('(')?.strip_suffix(')')?;
    let point = |pair: &str| {
        let mut numbers = pair.split_whitespace().map(|n| n.parse::<f64>().ok());
        let (x, y) = (numbers.next()??, numbers.next()??);
        (x.abs() <= 180.0 && y.abs() <= 90.0).then_some(coord! { x: x, y: y })
    };
    let points: Vec<Coord<f64>> = inner.split(',').map(point).collect::<Option<_>>()?;
    (points.len() >= 2).then(|| LineString::new(points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_quotes() {
        assert_eq!(ids("913681361"), Some(vec![913_681_361]));
        assert_eq!(ids("[1, 2]"), Some(vec![1, 2]));
        assert_eq!(ids("[1, x]"), None);
        assert_eq!(first_of("['Aston Quay', 'Burgh Quay']").as_deref(), Some("Aston Quay"));
        assert_eq!(first_of("[\"Sir John Rogerson's Quay\", 'B']").as_deref(), Some("Sir John Rogerson's Quay"));
        assert_eq!(first_of(""), None);
        assert_eq!(wkt_line("LINESTRING (1 2, 3 4)").map(|l| l.0.len()), Some(2));
        assert!(wkt_line("POINT (1 2)").is_none());
    }

    #[test]
    fn both_directions_are_one_street_and_rows_add_up() {
        let csv = "u,v,key,osmid,oneway,name,highway,length,geometry\n\
            1,2,0,10,False,A,residential,1,\"LINESTRING (0 45, 0.001 45)\"\n\
            2,1,0,10,False,A,residential,1,\"LINESTRING (0.001 45, 0 45)\"\n\
            1,2,0,\"[11, 12]\",True,,secondary,1,\"LINESTRING (0 45, 0 45.001, 0.001 45)\"\n\
            3,4,0,13,False,,service,1,\"LINESTRING (0 45, 0.001 45)\"\n\
            3,4,0,14,False,,service,1,\"LINESTRING (0 46, 0.001 46)\"\n\
            x,4,0,13,False,,service,1,\"LINESTRING (0 45, 0.001 45)\"\n";
        let config = NetworkConfig::embedded().unwrap();
        let (sections, edges) = read(csv.as_bytes(), &config, &BTreeSet::from([14])).unwrap();
        let r = &edges.report;
        assert_eq!((r.rows, r.edges, r.reverse_twins), (6, 3, 1));
        assert_eq!(r.edges + r.reverse_twins + r.refused.values().sum::<usize>(), r.rows);
        assert_eq!(edges.other_ways.values().next(), Some(&vec![12]));
        assert!(sections.iter().any(|s| s.way_id == 14));
        let error = read(b"u,v\n1,2\n", &config, &BTreeSet::new()).unwrap_err().to_string();
        assert!(error.contains("osmid") && error.contains("geometry"), "{error}");
    }
}
