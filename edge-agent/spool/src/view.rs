//! What waits in the spool of an agent that does not run, read without changing anything. A file of a newer layout is refused
//! by its number.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use tournee_payload::{Batch, Sample, Stream, field};

use crate::layout::LAYOUT;
use crate::log::pieces;

/// The layouts that are read here, `PRAGMA user_version`.
const LAYOUTS: std::ops::RangeInclusive<i64> = 1..=LAYOUT;
/// From this layout on, what is not in a closed batch stands in the table `log`.
const FIRST_WITH_LOG: i64 = 3;

/// Why a spool cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub enum SpoolViewError {
    /// No file.
    #[error("there is no spool at {0}: the agent has not run yet, or spool.path is another")]
    Absent(PathBuf),
    /// An agent has it.
    #[error(
        "an agent holds the spool {0}, and does not answer on its status socket; who may ask: its own user and root"
    )]
    InUse(PathBuf),
    /// Another layout.
    #[error("the spool {path} has layout {found}; this program reads {} to {}", LAYOUTS.start(), LAYOUTS.end())]
    Layout {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
    },
    /// No access, damage, IO.
    #[error("cannot read the spool {path}: {cause}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: rusqlite::Error,
    },
}

/// One stream of a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredStream {
    /// Samples stored since the spool was made.
    pub generated: u64,
    /// Samples that the lake has.
    pub acknowledged: u64,
    /// Samples given up.
    pub given_up: u64,
    /// Samples that wait.
    pub pending: u64,
    /// Closed batches.
    pub batches: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Event time of the oldest sample that waits, UTC, microseconds since 1970; none while its clock is unknown.
    pub oldest_us: Option<i64>,
}

/// A spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolView {
    /// The box.
    pub box_id: String,
    /// The epoch.
    pub epoch: u64,
    /// Per stream.
    pub streams: BTreeMap<Stream, StoredStream>,
    /// The newest health row that still waits.
    pub last_health: Option<Sample>,
}

impl SpoolView {
    /// Reads a spool that nobody holds.
    ///
    /// # Errors
    /// [`SpoolViewError`].
    pub fn read(path: &Path) -> Result<Self, SpoolViewError> {
        if !path.exists() {
            return Err(SpoolViewError::Absent(path.to_owned()));
        }
        let told = |cause: rusqlite::Error| match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SpoolViewError::InUse(path.to_owned()),
            _ => SpoolViewError::Database { path: path.to_owned(), cause },
        };
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(told)?;
        connection.busy_timeout(std::time::Duration::from_millis(500)).map_err(told)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(told)?;
        if !LAYOUTS.contains(&found) {
            return Err(SpoolViewError::Layout { path: path.to_owned(), found });
        }
        Self::query(&connection, found).map_err(told)
    }

    fn query(connection: &Connection, layout: i64) -> rusqlite::Result<Self> {
        // One moment for all that is read.
        let snapshot = connection.unchecked_transaction()?;
        let (box_id, epoch): (String, i64) =
            snapshot.query_row("SELECT box_id, epoch FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let open = if layout >= FIRST_WITH_LOG { Open::read(&snapshot)? } else { Open::default() };
        let mut streams = BTreeMap::new();
        let mut last_health = None;
        for stream in Stream::ALL {
            let code = i64::from(stream as u8);
            let mut stored = StoredStream::default();
            let books: Option<(i64, i64, i64)> = snapshot
                .query_row("SELECT next_seq, acked, shed FROM stream WHERE stream = ?1", [code], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()?;
            let (sealed_seq, acked, shed) = books.unwrap_or_default();
            (stored.acknowledged, stored.given_up) = (count(acked), count(shed));
            stored.generated = count(sealed_seq).max(open.ends.get(&stream).copied().unwrap_or(0));
            stored.pending = stored.generated.saturating_sub(stored.acknowledged).saturating_sub(stored.given_up);
            let sums = "SELECT COUNT(*), COALESCE(SUM(length(bytes)), 0) FROM batch WHERE stream = ?1";
            let (batches, bytes): (i64, i64) =
                snapshot.query_row(sums, [code], |row| Ok((row.get(0)?, row.get(1)?)))?;
            (stored.batches, stored.bytes) = (count(batches), count(bytes));
            let one = |order: &str| -> rusqlite::Result<Option<Batch>> {
                let sql = format!("SELECT bytes FROM batch WHERE stream = ?1 ORDER BY first_seq {order} LIMIT 1");
                let bytes: Option<Vec<u8>> = snapshot.query_row(&sql, [code], |row| row.get(0)).optional()?;
                // A batch that cannot be decoded has no age; the agent itself tells of damage.
                Ok(bytes.and_then(|bytes| tournee_payload::decode(&bytes).ok()))
            };
            let unsealed = open.batches.iter().filter(|batch| batch.stream == stream);
            let in_log = unsealed.clone().flat_map(|batch| {
                let numbered = (batch.first_seq..).zip(&batch.samples);
                numbered.filter(|(seq, _)| *seq >= count(sealed_seq)).map(|(_, sample)| sample)
            });
            let time = |sample: &Sample| sample.get(field::T_US);
            stored.oldest_us = one("ASC")?.iter().flat_map(|batch| &batch.samples).chain(in_log).find_map(time);
            if stream == Stream::Health {
                let newest = one("DESC")?;
                last_health = newest.iter().chain(unsealed).flat_map(|batch| &batch.samples).last().cloned();
            }
            streams.insert(stream, stored);
        }
        Ok(Self { box_id, epoch: count(epoch), streams, last_health })
    }
}

/// What stands in the log: rows of batches that are not closed yet.
#[derive(Default)]
struct Open {
    /// The next sequence number of each measuring stream as of the last commit.
    ends: BTreeMap<Stream, u64>,
    /// Pieces in the order in which they were committed; some may be in closed batches already.
    batches: Vec<Batch>,
}

impl Open {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut open = Self::default();
        let mut statement =
            connection.prepare("SELECT end_1, end_2, end_3, end_4, end_5, end_6, end_7, bytes FROM log ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for (column, code) in (0..7_usize).zip(1..) {
                let Some(stream) = Stream::from_code(code) else { continue };
                let end = open.ends.entry(stream).or_default();
                *end = count(row.get(column)?).max(*end);
            }
            let bytes: Vec<u8> = row.get(7)?;
            open.batches.extend(pieces(&bytes).filter_map(|piece| tournee_payload::decode(piece).ok()));
        }
        Ok(open)
    }
}

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
