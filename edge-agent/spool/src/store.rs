//! The statements, each in the transaction of its caller. Sequence numbers fit 63 bits, by construction.

use rusqlite::{Connection, OptionalExtension, Transaction};
use tournee_payload::Stream;

use crate::report::{Pending, SealedBatch};

/// Counted against the cap beside the bytes of a batch: its row and index.
pub(crate) const ROW_BYTES: u64 = 64;

/// The state of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamState {
    /// The next number to give. Not in the table: the log knows it.
    pub next_seq: u64,
    /// The first number that was never in a sealed batch.
    pub open_seq: u64,
    pub offered_seq: u64,
    pub acked_seq: u64,
    pub acked: u64,
    pub shed: u64,
}

pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn code(stream: Stream) -> i64 {
    i64::from(stream as u8)
}

pub(crate) fn load_state(connection: &Connection, stream: Stream) -> rusqlite::Result<StreamState> {
    connection
        .prepare("SELECT next_seq, offered_seq, acked_seq, acked, shed FROM stream WHERE stream = ?1")?
        .query_row([code(stream)], |row| {
            let open_seq = uint(row.get(0)?);
            Ok(StreamState {
                next_seq: open_seq,
                open_seq,
                offered_seq: uint(row.get(1)?),
                acked_seq: uint(row.get(2)?),
                acked: uint(row.get(3)?),
                shed: uint(row.get(4)?),
            })
        })
        .optional()
        .map(Option::unwrap_or_default)
}

pub(crate) fn save_state(tx: &Transaction<'_>, stream: Stream, state: &StreamState) -> rusqlite::Result<()> {
    tx.prepare("INSERT OR REPLACE INTO stream VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute((
            code(stream),
            int(state.open_seq),
            int(state.offered_seq),
            int(state.acked_seq),
            int(state.acked),
            int(state.shed),
        ))
        .map(drop)
}

/// Samples, batches and bytes that are stored.
pub(crate) fn totals(connection: &Connection, stream: Stream) -> rusqlite::Result<Pending> {
    connection
        .prepare(
            "SELECT COALESCE(SUM(count), 0), COUNT(*), COALESCE(SUM(length(bytes)), 0) FROM batch WHERE stream = ?1",
        )?
        .query_row([code(stream)], |row| {
            let batches = uint(row.get(1)?);
            Ok(Pending { samples: uint(row.get(0)?), batches, bytes: uint(row.get(2)?) + batches * ROW_BYTES })
        })
}

/// The first sealed batch that holds `from_seq` or what comes after it.
pub(crate) fn sealed_from(
    connection: &Connection,
    stream: Stream,
    from_seq: u64,
) -> rusqlite::Result<Option<SealedBatch>> {
    let mut statement = connection.prepare(
        "SELECT first_seq, count, bytes FROM batch
         WHERE stream = ?1
           AND first_seq >= COALESCE((SELECT MAX(first_seq) FROM batch WHERE stream = ?1 AND first_seq <= ?2), 0)
           AND first_seq + count > ?2 AND count > 0
         ORDER BY first_seq LIMIT 1",
    )?;
    statement.query_row((code(stream), int(from_seq)), |row| batch(stream, row)).optional()
}

/// First seq and end of each sealed batch of a stream, in order.
pub(crate) fn spans(connection: &Connection, stream: Stream) -> rusqlite::Result<Vec<(u64, u64)>> {
    connection
        .prepare("SELECT first_seq, first_seq + count FROM batch WHERE stream = ?1 ORDER BY first_seq")?
        .query_map([code(stream)], |row| Ok((uint(row.get(0)?), uint(row.get(1)?))))?
        .collect()
}

/// All batches of a stream, in order.
pub(crate) fn batches(connection: &Connection, stream: Stream) -> rusqlite::Result<Vec<SealedBatch>> {
    connection
        .prepare("SELECT first_seq, count, bytes FROM batch WHERE stream = ?1 ORDER BY first_seq")?
        .query_map([code(stream)], |row| batch(stream, row))?
        .collect()
}

/// The end of the `ahead`-th sealed batch from `first_seq` on: how far an offer is written down in advance.
pub(crate) fn horizon(connection: &Connection, stream: Stream, first_seq: u64, ahead: u32) -> rusqlite::Result<u64> {
    connection
        .prepare(
            "SELECT COALESCE(MAX(first_seq + count), 0) FROM (SELECT first_seq, count FROM batch
             WHERE stream = ?1 AND first_seq >= ?2 ORDER BY first_seq LIMIT ?3)",
        )?
        .query_row((code(stream), int(first_seq), ahead), |row| row.get(0))
        .map(uint)
}

/// The oldest sealed batch from `from_seq` on, without its bytes: first seq and count.
pub(crate) fn oldest(connection: &Connection, stream: Stream, from_seq: u64) -> rusqlite::Result<Option<(u64, u64)>> {
    connection
        .prepare(
            "SELECT first_seq, count FROM batch
             WHERE stream = ?1 AND first_seq >= ?2 ORDER BY first_seq LIMIT 1",
        )?
        .query_row((code(stream), int(from_seq)), |row| Ok((uint(row.get(0)?), uint(row.get(1)?))))
        .optional()
}

fn batch(stream: Stream, row: &rusqlite::Row<'_>) -> rusqlite::Result<SealedBatch> {
    Ok(SealedBatch { stream, first_seq: uint(row.get(0)?), count: uint(row.get(1)?), bytes: row.get(2)? })
}

pub(crate) fn insert(tx: &Transaction<'_>, batch: &SealedBatch) -> rusqlite::Result<Pending> {
    tx.prepare("INSERT INTO batch (stream, first_seq, count, sealed, bytes) VALUES (?1, ?2, ?3, 1, ?4)")?
        .execute((code(batch.stream), int(batch.first_seq), int(batch.count), &batch.bytes))
        .map(|_| Pending { samples: batch.count, batches: 1, bytes: batch.bytes.len() as u64 + ROW_BYTES })
}

/// Deletes the sealed batch that starts at `first_seq`.
pub(crate) fn delete_batch(tx: &Transaction<'_>, stream: Stream, first_seq: u64) -> rusqlite::Result<Pending> {
    delete(
        tx,
        "DELETE FROM batch WHERE stream = ?1 AND first_seq = ?2 RETURNING count, length(bytes)",
        (code(stream), int(first_seq)),
    )
}

/// Deletes the sealed batches wholly below `next_seq`.
pub(crate) fn delete_below(tx: &Transaction<'_>, stream: Stream, next_seq: u64) -> rusqlite::Result<Pending> {
    delete(
        tx,
        "DELETE FROM batch WHERE stream = ?1 AND first_seq < ?2 AND first_seq + count <= ?2
                RETURNING count, length(bytes)",
        (code(stream), int(next_seq)),
    )
}

/// Runs a DELETE that returns counts and lengths, and says what is gone.
fn delete(tx: &Transaction<'_>, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<Pending> {
    let mut statement = tx.prepare(sql)?;
    let rows = statement.query_map(values, |row| Ok((uint(row.get(0)?), uint(row.get(1)?))))?;
    let mut gone = Pending::default();
    for row in rows {
        let (samples, bytes) = row?;
        gone.add(Pending { samples, batches: 1, bytes: bytes + ROW_BYTES });
    }
    Ok(gone)
}
