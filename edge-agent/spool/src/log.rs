//! The log: what the open batches are made of, one row per commit. See [`layout`](crate::layout) for the reason.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction};
use tournee_payload::{Sample, Stream, decode};

use crate::books::Books;
use crate::config::SpoolConfig;
use crate::report::LinePosition;
use crate::shed::ORDER;
use crate::store::{int, uint};

/// Commits after which the log is written anew with only what is still open.
pub(crate) const LOG_ROWS: u64 = 64;
/// Bytes after which it is, though there were fewer commits.
pub(crate) const LOG_BYTES: u64 = 256 * 1024;

/// How large the log is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogSize {
    pub rows: u64,
    pub bytes: u64,
}

impl LogSize {
    /// The next commit empties it first.
    pub const fn is_full(self) -> bool {
        self.rows >= LOG_ROWS || self.bytes >= LOG_BYTES
    }
}

/// What the log says of one stream.
#[derive(Debug, Default)]
pub(crate) struct Open {
    /// Runs of samples in order, each with the sequence number of its first.
    pub runs: Vec<(u64, Vec<Sample>)>,
    /// The next sequence number; at least the end of the last run.
    pub next_seq: u64,
}

impl Open {
    /// All rows from `first_seq` to the end, none missing.
    pub fn is_whole(&self, first_seq: u64) -> bool {
        let mut at = first_seq;
        let in_order = self.runs.iter().all(|(first, samples)| {
            let follows = *first == at;
            at = first.saturating_add(samples.len() as u64);
            follows
        });
        in_order && at == self.next_seq
    }
}

/// What the log holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub size: LogSize,
    pub position: Option<LinePosition>,
    pub open: BTreeMap<Stream, Open>,
}

/// Puts an encoded batch at the end of a row's bytes.
pub(crate) fn put(row: &mut Vec<u8>, piece: &[u8]) {
    // A batch is far below 4 GiB: the payload crate refuses more than 256 KiB.
    row.extend_from_slice(&u32::try_from(piece.len()).unwrap_or(u32::MAX).to_le_bytes());
    row.extend_from_slice(piece);
}

/// The encoded batches of a row; ends early where the lengths make no sense.
pub(crate) fn pieces(mut row: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = row.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let (piece, rest) = rest.split_at_checked(len)?;
        row = rest;
        Some(piece)
    })
}

/// Writes one row.
pub(crate) fn append(
    tx: &Transaction<'_>,
    position: Option<LinePosition>,
    books: &Books,
    bytes: &[u8],
) -> rusqlite::Result<()> {
    let mut ends = [0; 7];
    for (end, code) in ends.iter_mut().zip(1..) {
        *end = Stream::from_code(code).map_or(0, |stream| int(books.state(stream).next_seq));
    }
    let [a, b, c, d, e, f, g] = ends;
    let (boot_id, line_seq) = (position.map(|at| at.boot_id), position.map(|at| at.next_seq));
    tx.prepare("INSERT INTO log VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
        .execute((boot_id, line_seq, a, b, c, d, e, f, g, bytes))
        .map(drop)
}

/// Empties the log.
pub(crate) fn clear(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM log", []).map(drop)
}

/// Reads the log. Samples that are in sealed batches already are left out; bytes that cannot be read are left out too, and
/// show as a hole or a missing end of [`Open`].
pub(crate) fn load(
    connection: &Connection,
    config: &SpoolConfig,
    epoch: u64,
    books: &Books,
) -> rusqlite::Result<Contents> {
    let mut contents = Contents::default();
    for stream in ORDER {
        contents.open.entry(stream).or_default().next_seq = books.state(stream).open_seq;
    }
    let mut statement = connection.prepare("SELECT * FROM log ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let position: (Option<u32>, Option<u32>) = (row.get(1)?, row.get(2)?);
        if let (Some(boot_id), Some(next_seq)) = position {
            contents.position = Some(LinePosition { boot_id, next_seq });
        }
        for (column, code) in (3..=9).zip(1..) {
            if let Some(open) = Stream::from_code(code).and_then(|stream| contents.open.get_mut(&stream)) {
                open.next_seq = open.next_seq.max(uint(row.get(column)?));
            }
        }
        let bytes = row.get_ref(10)?.as_blob().unwrap_or_default();
        contents.size.rows += 1;
        contents.size.bytes += bytes.len() as u64;
        for piece in pieces(bytes) {
            take(&mut contents, piece, config, epoch, books);
        }
    }
    Ok(contents)
}

fn take(contents: &mut Contents, piece: &[u8], config: &SpoolConfig, epoch: u64, books: &Books) {
    let Ok(batch) = decode(piece) else { return };
    let Some(open) = contents.open.get_mut(&batch.stream) else { return };
    if batch.box_id != config.box_id || batch.epoch != epoch {
        return;
    }
    // Sealed since, or written here twice because the log was written anew.
    let known = open
        .runs
        .last()
        .map_or(books.state(batch.stream).open_seq, |(first, samples)| first.saturating_add(samples.len() as u64));
    let first_seq = batch.first_seq.max(known);
    let skip = usize::try_from(first_seq - batch.first_seq).unwrap_or(usize::MAX);
    let samples: Vec<_> = batch.samples.into_iter().skip(skip).collect();
    if !samples.is_empty() {
        open.next_seq = open.next_seq.max(first_seq.saturating_add(samples.len() as u64));
        open.runs.push((first_seq, samples));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_and_nonsense_ends_early() {
        let mut row = Vec::new();
        put(&mut row, b"one");
        put(&mut row, b"");
        put(&mut row, b"three");
        assert_eq!(pieces(&row).collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
        for cut in 0..row.len() {
            assert!(pieces(&row[..cut]).all(|piece| [&b"one"[..], b"", b"three"].contains(&piece)));
        }
        assert_eq!(pieces(&[0xff; 9]).count(), 0);
    }

    #[test]
    fn a_hole_and_a_missing_end_are_seen() {
        let run = |first, count: usize| (first, vec![Sample::new(Stream::Air); count]);
        let whole = |runs, next_seq| Open { runs, next_seq }.is_whole(5);
        assert!(whole(vec![], 5) && whole(vec![run(5, 2), run(7, 1)], 8));
        assert!(!whole(vec![], 6) && !whole(vec![run(6, 1)], 7));
        assert!(!whole(vec![run(5, 2), run(8, 1)], 9) && !whole(vec![run(5, 2)], 8));
    }
}
