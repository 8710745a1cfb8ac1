//! A streaming reader of OSM XML (`.osm`, plain or gzip). Only what the product uses is kept in memory.

use std::collections::HashMap;

use geo_types::{Coord, coord};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::TerritoryError;
use crate::bytes::{MAX_UNPACKED_BYTES, unpack};

/// Tags of a way or relation.
#[derive(Clone, Debug, Default)]
pub struct Tags(Vec<(String, String)>);

impl Tags {
    /// Tags from pairs.
    #[must_use]
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

/// A way: its nodes in order, and its tags.
#[derive(Clone, Debug, Default)]
pub struct OsmWay {
    /// OSM id.
    pub id: i64,
    /// Node ids.
    pub nodes: Vec<i64>,
    /// Tags.
    pub tags: Tags,
}

/// A relation: the ways it names with their roles, and its tags.
#[derive(Clone, Debug, Default)]
pub struct OsmRelation {
    /// OSM id.
    pub id: i64,
    /// Way id and role; other members are not kept.
    pub ways: Vec<(i64, String)>,
    /// Tags.
    pub tags: Tags,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct OsmData {
    /// Positions of nodes, (longitude, latitude).
    pub nodes: HashMap<i64, Coord<f64>>,
    /// Ways in the order of the file.
    pub ways: Vec<OsmWay>,
    /// Relations in the order of the file.
    pub relations: Vec<OsmRelation>,
    /// Elements without a usable id or position, left out.
    pub refused: usize,
}

/// How much one file may hold.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Bytes after unpacking.
    pub bytes: usize,
    /// Nodes.
    pub nodes: usize,
    /// Ways.
    pub ways: usize,
    /// Relations.
    pub relations: usize,
    /// Nodes of a way, members of a relation, tags of either.
    pub per_element: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        let (nodes, ways, relations) = (8_000_000, 1_500_000, 200_000);
        // OSM itself allows 2,000 nodes on a way and 32,000 members in a relation.
        Self { bytes: MAX_UNPACKED_BYTES, nodes, ways, relations, per_element: 32_000 }
    }
}

enum Open {
    Way(OsmWay),
    Relation(OsmRelation),
    Nothing,
}

/// Reads OSM XML.
///
/// # Errors
/// Damaged gzip or XML, no `<osm>` element, or more than the limits.
pub fn read(bytes: &[u8], limits: &ReadLimits) -> Result<OsmData, TerritoryError> {
    let unpacked = unpack(bytes, limits.bytes)?;
    let text: &[u8] = unpacked.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&unpacked);
    let mut reader = Reader::from_reader(text);
    let (mut data, mut open, mut is_osm) = (OsmData::default(), Open::Nothing, false);
    loop {
        match reader.read_event().map_err(bad)? {
            Event::Start(e) => {
                is_osm |= e.name().as_ref() == b"osm";
                element(&e, &mut data, &mut open, limits)?;
            }
            // An empty element has no children: a way without nodes is of no use.
            Event::Empty(e) if !matches!(e.name().as_ref(), b"way" | b"relation") => {
                element(&e, &mut data, &mut open, limits)?;
            }
            Event::End(e) if matches!(e.name().as_ref(), b"way" | b"relation") => {
                close(std::mem::replace(&mut open, Open::Nothing), &mut data, limits)?;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if !is_osm {
        return Err(TerritoryError::Format { format: "OSM XML", reason: "no <osm> element".into() });
    }
    Ok(data)
}

fn close(open: Open, data: &mut OsmData, limits: &ReadLimits) -> Result<(), TerritoryError> {
    match open {
        Open::Way(way) => {
            data.ways.push(way);
            at_most("ways", data.ways.len(), limits.ways)
        }
        Open::Relation(relation) => {
            data.relations.push(relation);
            at_most("relations", data.relations.len(), limits.relations)
        }
        Open::Nothing => Ok(()),
    }
}

fn element(e: &BytesStart, data: &mut OsmData, open: &mut Open, limits: &ReadLimits) -> Result<(), TerritoryError> {
    match e.name().as_ref() {
        b"node" => {
            *open = Open::Nothing;
            let at = (number::<i64>(e, "id")?, number::<f64>(e, "lon")?, number::<f64>(e, "lat")?);
            match at {
                (Some(id), Some(x), Some(y)) if x.abs() <= 180.0 && y.abs() <= 90.0 => {
                    data.nodes.insert(id, coord! { x: x, y: y });
                    at_most("nodes", data.nodes.len(), limits.nodes)?;
                }
                _ => data.refused += 1,
            }
        }
        b"way" => match number::<i64>(e, "id")? {
            Some(id) => *open = Open::Way(OsmWay { id, ..OsmWay::default() }),
            None => data.refused += 1,
        },
        b"relation" => match number::<i64>(e, "id")? {
            Some(id) => *open = Open::Relation(OsmRelation { id, ..OsmRelation::default() }),
            None => data.refused += 1,
        },
        b"nd" => {
            if let (Open::Way(way), Some(id)) = (open, number::<i64>(e, "ref")?) {
                way.nodes.push(id);
                at_most("nodes on one way", way.nodes.len(), limits.per_element)?;
            }
        }
        b"member" => {
            if let Open::Relation(relation) = open
                && attribute(e, "type")?.as_deref() == Some("way")
                && let Some(id) = number::<i64>(e, "ref")?
            {
                relation.ways.push((id, attribute(e, "role")?.unwrap_or_default()));
                at_most("members of one relation", relation.ways.len(), limits.per_element)?;
            }
        }
        b"tag" => {
            let tags = match open {
                Open::Way(way) => &mut way.tags,
                Open::Relation(relation) => &mut relation.tags,
                Open::Nothing => return Ok(()),
            };
            if let (Some(k), Some(v)) = (attribute(e, "k")?, attribute(e, "v")?) {
                tags.0.push((k, v));
                at_most("tags of one element", tags.0.len(), limits.per_element)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn at_most(what: &'static str, n: usize, limit: usize) -> Result<(), TerritoryError> {
    if n > limit { Err(TerritoryError::TooLarge { what, limit }) } else { Ok(()) }
}

fn attribute(e: &BytesStart, name: &str) -> Result<Option<String>, TerritoryError> {
    match e.try_get_attribute(name).map_err(bad)? {
        Some(a) => Ok(Some(a.unescape_value().map_err(bad)?.into_owned())),
        None => Ok(None),
    }
}

fn number<T: std::str::FromStr>(e: &BytesStart, name: &str) -> Result<Option<T>, TerritoryError> {
    Ok(attribute(e, name)?.and_then(|v| v.trim().parse().ok()))
}

fn bad(e: impl std::fmt::Display) -> TerritoryError {
    TerritoryError::Format { format: "OSM XML", reason: e.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_nodes_ways_relations_and_counts_refusals() {
        let xml = br#"<?xml version="1.0"?><osm version="0.6"><node id="1" lat="47" lon="-2"/><node id="2" lat="x" lon="0"/>
            <way id="7"><nd ref="1"/><nd ref="2"/><tag k="name" v="Rue d&apos;&#201;t&#233; &amp; co"/></way>
            <relation id="9"><member type="way" ref="7" role="outer"/><member type="node" ref="1" role=""/></relation></osm>"#;
        let data = read(xml, &ReadLimits::default()).unwrap();
        assert_eq!((data.nodes.len(), data.refused), (1, 1));
        assert_eq!(data.ways[0].nodes, [1, 2]);
        assert_eq!(data.ways[0].tags.get("name"), Some("Rue d'Été & co"));
        assert_eq!(data.relations[0].ways, [(7, "outer".to_owned())]);
    }

    #[test]
    fn refuses_what_is_not_osm_and_what_is_too_much() {
        for bad in [&b"id;lon;lat"[..], b"<html></html>", b"<osm><way id=\"1\"><nd ref=</osm>", b"\x1f\x8bnot gzip"] {
            assert!(read(bad, &ReadLimits::default()).is_err(), "{bad:?}");
        }
        let two = br#"<osm><node id="1" lat="1" lon="1"/><node id="2" lat="1" lon="1"/></osm>"#;
        let error = read(two, &ReadLimits { nodes: 1, ..ReadLimits::default() }).unwrap_err();
        assert!(error.to_string().contains("more than 1 nodes"), "{error}");
    }
}
