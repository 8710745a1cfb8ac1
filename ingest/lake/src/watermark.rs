//! Which sequence numbers a table accounts for, and the immutable object that says so beside each commit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{IntervalSet, Table};

/// One independent sequence: a box, one of its streams, one life of its spool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The box.
    pub box_id: String,
    /// The table of the stream.
    pub stream: Table,
    /// Random number made with the spool.
    pub epoch: i64,
}

/// Intervals per series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatermarkSet {
    map: BTreeMap<Series, IntervalSet>,
}

impl WatermarkSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { map: BTreeMap::new() }
    }

    /// The intervals of a series; `None` when it was never seen.
    #[must_use]
    pub fn get(&self, series: &Series) -> Option<&IntervalSet> {
        self.map.get(series)
    }

    /// The intervals of a series, made when absent.
    pub fn entry(&mut self, series: &Series) -> &mut IntervalSet {
        if !self.map.contains_key(series) {
            self.map.insert(series.clone(), IntervalSet::new());
        }
        self.map.entry(series.clone()).or_default()
    }

    /// Is this number of this series in the set?
    #[must_use]
    pub fn contains(&self, series: &Series, seq: u64) -> bool {
        self.map.get(series).is_some_and(|set| set.contains(seq))
    }

    /// Adds one number; true when it was not there.
    pub fn insert(&mut self, series: &Series, seq: u64) -> bool {
        match self.map.get_mut(series) {
            Some(set) => set.insert(seq),
            None => self.entry(series).insert(seq),
        }
    }

    /// Adds everything of `other`.
    pub fn union_with(&mut self, other: &Self) {
        for (series, set) in &other.map {
            self.entry(series).union_with(set);
        }
    }

    /// Every series with its intervals, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Series, &IntervalSet)> {
        self.map.iter()
    }

    /// Nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

/// How many hashes of refused messages a shard of `quarantine` remembers. Larger than any broker's window of
/// unacknowledged messages that holds refused ones; beyond it a refused message could be noted twice, never a row.
pub const SEEN_MAX: usize = 4_096;

const VERSION: u32 = 1;

/// The state of one (table, shard) after commit `n`: an immutable object, written before the commit, named by `n` and by
/// a hash of its bytes (see [`crate::transaction`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatermarkObject {
    /// The table whose commit it belongs to.
    pub table: Table,
    /// Shard, 0–63.
    pub shard: u8,
    /// Number of the commit among those of this (table, shard), from 1.
    pub n: i64,
    /// Random number of the attempt to commit: two workers that account for the same rows still write two objects, and
    /// each can tell whether the log names its own.
    pub nonce: u64,
    /// Sequence numbers whose rows are in this table. Empty for `quarantine`.
    pub stored: WatermarkSet,
    /// Sequence numbers of *other* tables' streams for which this table holds the reason of their absence: given up by
    /// the vehicle (`gap`) or refused by ingest (`quarantine`).
    pub covered: WatermarkSet,
    /// Hashes of refused messages, oldest first, at most [`SEEN_MAX`]. Only for `quarantine`.
    pub seen: Vec<String>,
}

impl WatermarkObject {
    /// The state before the first commit.
    #[must_use]
    pub const fn empty(table: Table, shard: u8) -> Self {
        Self {
            table,
            shard,
            n: 0,
            nonce: 0,
            stored: WatermarkSet::new(),
            covered: WatermarkSet::new(),
            seen: Vec::new(),
        }
    }

    /// Remembers the hash of a refused message, forgetting the oldest when full.
    pub fn remember(&mut self, hash: String) {
        if !self.seen.contains(&hash) {
            if self.seen.len() >= SEEN_MAX {
                self.seen.remove(0);
            }
            self.seen.push(hash);
        }
    }

    /// The bytes of the object.
    ///
    /// # Errors
    /// Never for values of this type; the signature follows the serialiser's.
    pub fn to_json(&self) -> Result<Vec<u8>, WatermarkError> {
        let document = Document {
            version: VERSION,
            table: self.table.name().to_owned(),
            shard: self.shard,
            n: self.n,
            nonce: self.nonce,
            stored: to_entries(&self.stored),
            covered: to_entries(&self.covered),
            seen: self.seen.clone(),
        };
        Ok(serde_json::to_vec(&document)?)
    }

    /// Reads the bytes of an object.
    ///
    /// # Errors
    /// [`WatermarkError`] when the bytes are not JSON of a version that this program knows.
    pub fn from_json(bytes: &[u8]) -> Result<Self, WatermarkError> {
        let head: Head = serde_json::from_slice(bytes)?;
        if head.version != VERSION {
            return Err(WatermarkError::Version { found: head.version, known: VERSION });
        }
        let document: Document = serde_json::from_slice(bytes)?;
        Ok(Self {
            table: table(&document.table)?,
            shard: document.shard,
            n: document.n,
            nonce: document.nonce,
            stored: from_entries(document.stored)?,
            covered: from_entries(document.covered)?,
            seen: document.seen,
        })
    }
}

/// Why a watermark object could not be read.
#[derive(Debug, Error)]
pub enum WatermarkError {
    /// Not JSON of this shape.
    #[error("watermark object is not readable: {0}; restore it from a copy of the lake, do not delete it")]
    Json(#[from] serde_json::Error),
    /// Written by a newer program.
    #[error("watermark object has version {found}, this program knows {known}: run the newer `tournee`")]
    Version {
        /// Version in the object.
        found: u32,
        /// Version known here.
        known: u32,
    },
    /// Names a table that does not exist.
    #[error("watermark object names the unknown table `{0}`: run the newer `tournee`")]
    Table(String),
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    table: String,
    shard: u8,
    n: i64,
    nonce: u64,
    stored: Vec<Entry>,
    covered: Vec<Entry>,
    seen: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Entry {
    box_id: String,
    stream: String,
    epoch: i64,
    intervals: IntervalSet,
}

fn table(name: &str) -> Result<Table, WatermarkError> {
    Table::from_name(name).ok_or_else(|| WatermarkError::Table(name.to_owned()))
}

pub(crate) fn to_entries(set: &WatermarkSet) -> Vec<Entry> {
    set.iter()
        .map(|(series, intervals)| Entry {
            box_id: series.box_id.clone(),
            stream: series.stream.name().to_owned(),
            epoch: series.epoch,
            intervals: intervals.clone(),
        })
        .collect()
}

pub(crate) fn from_entries(entries: Vec<Entry>) -> Result<WatermarkSet, WatermarkError> {
    let mut set = WatermarkSet::new();
    for entry in entries {
        let series = Series { box_id: entry.box_id, stream: table(&entry.stream)?, epoch: entry.epoch };
        set.entry(&series).union_with(&entry.intervals);
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_a_bounded_number_of_hashes() {
        let mut object = WatermarkObject::empty(Table::Quarantine, 0);
        for number in 0..SEEN_MAX + 10 {
            object.remember(number.to_string());
            object.remember(number.to_string());
        }
        assert_eq!(object.seen.len(), SEEN_MAX);
        assert_eq!(object.seen.first().map(String::as_str), Some("10"));
    }

    /// FROZEN: bytes of version 1. If this fails, revert your change rather than edit the text.
    const FROZEN_V1: &str = concat!(
        r#"{"version":1,"table":"gap","shard":12,"n":3,"nonce":18446744073709551615,"#,
        r#""stored":[{"box_id":"a","stream":"gap","epoch":9223372036854775807,"intervals":[[0,1],[3,3]]}],"#,
        r#""covered":[{"box_id":"a","stream":"road_event","epoch":9223372036854775807,"intervals":[[10,90]]}],"#,
        r#""seen":["00ff"]}"#
    );

    #[test]
    fn object_version_1_stands() {
        let mut object = WatermarkObject::empty(Table::Gap, 12);
        object.n = 3;
        object.nonce = u64::MAX;
        let series = |stream| Series { box_id: "a".to_owned(), stream, epoch: i64::MAX };
        for seq in [0, 1, 3] {
            assert!(object.stored.insert(&series(Table::Gap), seq));
        }
        object.covered.entry(&series(Table::RoadEvent)).insert_range(10, 90);
        object.remember("00ff".to_owned());
        assert_eq!(String::from_utf8(object.to_json().unwrap()).unwrap(), FROZEN_V1);
        assert_eq!(WatermarkObject::from_json(FROZEN_V1.as_bytes()).unwrap(), object);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let newer = br#"{"version":2,"something":"else"}"#;
        assert!(matches!(WatermarkObject::from_json(newer), Err(WatermarkError::Version { found: 2, .. })));
        assert!(matches!(WatermarkObject::from_json(b"{"), Err(WatermarkError::Json(_))));
        let table = br#"{"version":1,"table":"sea","shard":0,"n":1,"nonce":0,"stored":[],"covered":[],"seen":[]}"#;
        assert!(matches!(WatermarkObject::from_json(table), Err(WatermarkError::Table(_))));
        let backwards = br#"{"version":1,"table":"air","shard":0,"n":1,"nonce":0,"stored":[{"box_id":"b","stream":"air","epoch":1,"intervals":[[3,2]]}],"covered":[],"seen":[]}"#;
        assert!(matches!(WatermarkObject::from_json(backwards), Err(WatermarkError::Json(_))));
    }
}
