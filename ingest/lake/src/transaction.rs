//! The rules by which a commit and its watermark object move together.
//!
//! The unit of exactly-once is one (table, shard). Each has a counter `n`, from 1. To commit, a worker
//!
//! 1. writes its Parquet files (their names are random, nobody reads them yet);
//! 2. writes the new [`crate::WatermarkObject`] as an immutable object under [`object_path`], named by `n` *and* by a
//!    hash of its bytes, so that two workers who race for the same `n` cannot overwrite each other's;
//! 3. commits to the Delta log, from the snapshot that it loaded, the `add` actions together with two application
//!    transactions per touched shard: [`app_id`] → `n`, [`object_app_id`] → the hash.
//!
//! The commit is the only moment that counts: what the log's transactions name is the state, objects that they do not name
//! are leftovers of a crash. Because both ids are in the commit, a second commit with the same ids from an older snapshot
//! conflicts: the loser reloads, reads the winner's object, drops the rows it now knows to be stored, and tries again. The
//! same conflict fences off a second worker that was wrongly given the same shard.
//!
//! Transactions survive Delta checkpoints, and any Delta reader ignores them.

use crate::Table;

/// Directory of the watermark objects under the lake's root.
pub const WATERMARK_DIR: &str = "_watermarks";

/// How many objects of older commits stay beside the current one, for a reader that is a little behind.
pub const KEEP_OBJECTS: i64 = 4;

/// Application id whose version is the commit's number `n`.
#[must_use]
pub fn app_id(table: Table, shard: u8) -> String {
    format!("tournee-ingest/{}/{shard:02}", table.name())
}

/// Application id whose version is the hash that names the watermark object.
#[must_use]
pub fn object_app_id(table: Table, shard: u8) -> String {
    format!("tournee-ingest/{}/{shard:02}/object", table.name())
}

/// Directory of the objects of a (table, shard), relative to the lake's root, `/` between parts.
#[must_use]
pub fn object_dir(table: Table, shard: u8) -> String {
    format!("{WATERMARK_DIR}/{}/{shard:02}", table.name())
}

/// Name of the object of commit `n`, relative to the lake's root. `hash` is [`hash_version`] of its bytes' SHA-256.
#[must_use]
pub fn object_path(table: Table, shard: u8, n: i64, hash: i64) -> String {
    format!("{}/{n:020}-{hash:016x}.json", object_dir(table, shard))
}

/// The `n` in a file name made by [`object_path`]; `None` for other files.
#[must_use]
pub fn object_number(file_name: &str) -> Option<i64> {
    let (number, rest) = file_name.split_once('-')?;
    (rest.ends_with(".json") && number.len() == 20).then(|| number.parse().ok()).flatten()
}

/// The first 63 bits of a digest, as the non-negative version of an application transaction.
#[must_use]
pub fn hash_version(digest: [u8; 8]) -> i64 {
    i64::from_be_bytes(digest) & i64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_frozen() {
        assert_eq!(app_id(Table::RoadEvent, 7), "tournee-ingest/road_event/07");
        assert_eq!(object_app_id(Table::Gap, 63), "tournee-ingest/gap/63/object");
        let path = object_path(Table::Air, 7, 12, hash_version([0xff; 8]));
        assert_eq!(path, "_watermarks/air/07/00000000000000000012-7fffffffffffffff.json");
        assert_eq!(object_number("00000000000000000012-7fffffffffffffff.json"), Some(12));
        assert_eq!(object_number("00000000000000000012-7fffffffffffffff.json#1"), None);
        assert_eq!(object_number("x"), None);
    }
}
