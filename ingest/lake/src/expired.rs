//! What left a table because of its age, and the immutable object that says so beside the commit that removed it.
//!
//! The rules are those of [`crate::transaction`]: the object is written first, under a name of its number and a hash of its
//! bytes; the commit that removes the files carries two application transactions, [`ExpiredObject::app_id`] → `n` and
//! [`ExpiredObject::object_app_id`] → the hash. What the log names is the state. An object holds everything that ever left its
//! table, so the newest one is enough: a series that has expired whole is one interval.

use serde::{Deserialize, Serialize};

use crate::watermark::{Entry, WatermarkError, WatermarkSet, from_entries, to_entries};
use crate::{Series, Table};

/// Directory of these objects under the lake's root.
pub const EXPIRED_DIR: &str = "_expired";

const VERSION: u32 = 1;

/// How many rows of one date left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiredDay {
    /// The date of the partition, `YYYY-MM-DD`.
    pub date: String,
    /// Rows that left, refused messages included.
    pub rows: u64,
}

/// Everything that retention ever removed from one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredObject {
    /// The table.
    pub table: Table,
    /// Number of the removal among those of this table, from 1.
    pub n: i64,
    /// Random number of the attempt, as in [`crate::WatermarkObject::nonce`].
    pub nonce: u64,
    /// Sequence numbers whose rows left this table. Empty for `quarantine`.
    pub stored: WatermarkSet,
    /// Sequence numbers of *other* tables' streams for which this table held the reason of their absence, of rows that left.
    pub covered: WatermarkSet,
    /// Rows by date, rising; a date may be there once only.
    pub days: Vec<ExpiredDay>,
}

impl ExpiredObject {
    /// The state before anything left.
    #[must_use]
    pub const fn empty(table: Table) -> Self {
        Self { table, n: 0, nonce: 0, stored: WatermarkSet::new(), covered: WatermarkSet::new(), days: Vec::new() }
    }

    /// Notes that `rows` rows of `date` leave.
    pub fn note_day(&mut self, date: &str, rows: u64) {
        match self.days.binary_search_by(|day| day.date.as_str().cmp(date)) {
            Ok(at) => {
                if let Some(day) = self.days.get_mut(at) {
                    day.rows = day.rows.saturating_add(rows);
                }
            }
            Err(at) => self.days.insert(at, ExpiredDay { date: date.to_owned(), rows }),
        }
    }

    /// Application id whose version is the number `n`.
    #[must_use]
    pub fn app_id(table: Table) -> String {
        format!("tournee-expired/{}", table.name())
    }

    /// Application id whose version is the hash that names the object.
    #[must_use]
    pub fn object_app_id(table: Table) -> String {
        format!("tournee-expired/{}/object", table.name())
    }

    /// Directory of a table's objects, relative to the lake's root, `/` between parts.
    #[must_use]
    pub fn dir(table: Table) -> String {
        format!("{EXPIRED_DIR}/{}", table.name())
    }

    /// Name of object `n`, relative to the lake's root. `hash` is [`crate::transaction::hash_version`] of its bytes' SHA-256.
    #[must_use]
    pub fn path(table: Table, n: i64, hash: i64) -> String {
        format!("{}/{n:020}-{hash:016x}.json", Self::dir(table))
    }

    /// The bytes of the object.
    ///
    /// # Errors
    /// Never for values of this type; the signature follows the serialiser's.
    pub fn to_json(&self) -> Result<Vec<u8>, WatermarkError> {
        let document = Document {
            version: VERSION,
            table: self.table.name().to_owned(),
            n: self.n,
            nonce: self.nonce,
            stored: to_entries(&self.stored),
            covered: to_entries(&self.covered),
            days: self.days.clone(),
        };
        Ok(serde_json::to_vec(&document)?)
    }

    /// Reads an object back.
    ///
    /// # Errors
    /// When the bytes are not such an object, are of a later version, or name a table that is not known here.
    pub fn from_json(bytes: &[u8]) -> Result<Self, WatermarkError> {
        let head: Head = serde_json::from_slice(bytes)?;
        if head.version != VERSION {
            return Err(WatermarkError::Version { found: head.version, known: VERSION });
        }
        let document: Document = serde_json::from_slice(bytes)?;
        let table = Table::from_name(&document.table).ok_or(WatermarkError::Table(document.table))?;
        let mut object = Self {
            n: document.n,
            nonce: document.nonce,
            stored: from_entries(document.stored)?,
            covered: from_entries(document.covered)?,
            ..Self::empty(table)
        };
        for day in document.days {
            object.note_day(&day.date, day.rows);
        }
        Ok(object)
    }

    /// Series with anything in this object.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.stored.iter().chain(self.covered.iter()).map(|(series, _)| series)
    }
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    table: String,
    n: i64,
    nonce: u64,
    stored: Vec<Entry>,
    covered: Vec<Entry>,
    days: Vec<ExpiredDay>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FROZEN: bytes of version 1. If this fails, revert your change rather than edit the text.
    const FROZEN_V1: &str = concat!(
        r#"{"version":1,"table":"gap","n":2,"nonce":18446744073709551615,"#,
        r#""stored":[{"box_id":"a","stream":"gap","epoch":7,"intervals":[[0,4]]}],"#,
        r#""covered":[{"box_id":"a","stream":"air","epoch":7,"intervals":[[10,90]]}],"#,
        r#""days":[{"date":"2026-01-14","rows":2},{"date":"2026-01-15","rows":3}]}"#
    );

    #[test]
    fn object_version_1_stands() {
        let mut object = ExpiredObject { n: 2, nonce: u64::MAX, ..ExpiredObject::empty(Table::Gap) };
        let series = |stream| Series { box_id: "a".to_owned(), stream, epoch: 7 };
        object.stored.entry(&series(Table::Gap)).insert_range(0, 4);
        object.covered.entry(&series(Table::Air)).insert_range(10, 90);
        object.note_day("2026-01-15", 1);
        object.note_day("2026-01-14", 2);
        object.note_day("2026-01-15", 2);
        assert_eq!(String::from_utf8(object.to_json().unwrap()).unwrap(), FROZEN_V1);
        assert_eq!(ExpiredObject::from_json(FROZEN_V1.as_bytes()).unwrap(), object);
        assert_eq!(object.series().count(), 2);
    }

    #[test]
    fn names_are_frozen() {
        assert_eq!(ExpiredObject::app_id(Table::Air), "tournee-expired/air");
        assert_eq!(ExpiredObject::object_app_id(Table::RoadEvent), "tournee-expired/road_event/object");
        assert_eq!(ExpiredObject::path(Table::Air, 3, 255), "_expired/air/00000000000000000003-00000000000000ff.json");
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let newer = br#"{"version":2}"#;
        assert!(matches!(ExpiredObject::from_json(newer), Err(WatermarkError::Version { found: 2, .. })));
        assert!(matches!(ExpiredObject::from_json(b"[]"), Err(WatermarkError::Json(_))));
        let table = br#"{"version":1,"table":"sea","n":1,"nonce":0,"stored":[],"covered":[],"days":[]}"#;
        assert!(matches!(ExpiredObject::from_json(table), Err(WatermarkError::Table(_))));
    }
}
