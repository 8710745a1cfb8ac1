//! The tables of the file, and the way from older layouts.
//!
//! A commit a second must touch as few pages as it can, for every touched page goes to the flash. So what is new in the
//! open batches of all streams becomes **one row at the end of one table**, `log`, together with the position on the line
//! and the next sequence number of each stream. Only when a batch is closed, once a minute, it is written whole to `batch`
//! with its index entry, and `stream` with it. Rows of the log whose samples are in closed batches by then are dead; after
//! [`LOG_ROWS`](crate::log::LOG_ROWS) commits the log is emptied and what is still open is written to it anew.

use rusqlite::{Connection, OptionalExtension};

/// Layout of the file, `PRAGMA user_version`.
///
/// 1: the first. 2: with the position on the serial line. 3: open rows in `log`, no longer as chunks in `batch`. An older
/// agent must not write to a newer file: it would give sequence numbers again that stand in a log which it does not read.
pub(crate) const LAYOUT: i64 = 3;

const CREATE: &str = "
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), box_id TEXT NOT NULL, epoch INTEGER NOT NULL);
-- next_seq: the first number that was never in a sealed batch; what is open stands in the log. offered_seq: below it,
-- batches may have left the vehicle. acked_seq: the watermark. acked, shed: samples.
CREATE TABLE stream (
  stream INTEGER PRIMARY KEY, next_seq INTEGER NOT NULL, offered_seq INTEGER NOT NULL DEFAULT 0,
  acked_seq INTEGER NOT NULL DEFAULT 0, acked INTEGER NOT NULL DEFAULT 0, shed INTEGER NOT NULL DEFAULT 0);
-- sealed: 1. In layouts 1 and 2, 0 was a chunk of an open batch.
CREATE TABLE batch (
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, first_seq INTEGER NOT NULL, count INTEGER NOT NULL,
  sealed INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE UNIQUE INDEX batch_key ON batch (stream, first_seq);
";

const ADD_LOG: &str = "
-- One row per commit. boot_id, line_seq: how far on the serial line the committed samples reach; NULL where that is not
-- known. end_1 to end_7: the next sequence number of each measuring stream, by its code, as of this commit; 0 in a row that
-- was made from an older layout. bytes: encoded batches with the rows that are new, each after its length, four bytes,
-- least first.
CREATE TABLE log (
  id INTEGER PRIMARY KEY, boot_id INTEGER, line_seq INTEGER, end_1 INTEGER NOT NULL, end_2 INTEGER NOT NULL,
  end_3 INTEGER NOT NULL, end_4 INTEGER NOT NULL, end_5 INTEGER NOT NULL, end_6 INTEGER NOT NULL, end_7 INTEGER NOT NULL,
  bytes BLOB NOT NULL);
PRAGMA user_version = 3;
";

/// Makes the tables of a new file.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)?;
    connection.execute_batch(ADD_LOG)
}

/// From layout `from` (1 or 2) to this one. The chunks of the open batches become small batches of their own.
pub(crate) fn migrate(connection: &Connection, from: i64) -> rusqlite::Result<()> {
    let position: Option<(i64, i64)> = match from {
        1 => None,
        _ => connection
            .query_row("SELECT boot_id, next_seq FROM line", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?,
    };
    connection.execute_batch("UPDATE batch SET sealed = 1 WHERE sealed = 0; DROP TABLE IF EXISTS line;")?;
    connection.execute_batch(ADD_LOG)?;
    if let Some(position) = position {
        connection.execute("INSERT INTO log VALUES (NULL, ?1, ?2, 0, 0, 0, 0, 0, 0, 0, x'')", position)?;
    }
    Ok(())
}
