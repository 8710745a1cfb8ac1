//! What is written in the transaction of a commit, each part by its function.

use std::collections::BTreeMap;

use rusqlite::Transaction;
use tournee_payload::{Batch, Sample, Stream, encode};

use crate::books::Books;
use crate::config::SpoolConfig;
use crate::error::SpoolError;
use crate::gaps::gap_sample;
use crate::log::{self, LogSize};
use crate::open_rows::OpenRows;
use crate::report::{GapReason, LinePosition, SealedBatch};
use crate::shed::{self, Lost};
use crate::store;

/// Stores the batches that a stream has closed.
pub(crate) fn write_closed(
    tx: &Transaction<'_>,
    config: &SpoolConfig,
    epoch: u64,
    stream: Stream,
    tail: &OpenRows,
    books: &mut Books,
) -> Result<(), SpoolError> {
    for segment in &tail.closed {
        let batch = sealed(config, epoch, stream, segment.first_seq, segment.samples.clone())?;
        books.sealed_mut(stream).add(store::insert(tx, &batch)?);
    }
    let state = books.state_mut(stream);
    state.open_seq = tail.first_seq;
    state.next_seq = tail.next_seq();
    books.set_open(stream, tail.open());
    Ok(())
}

/// Writes what is new in the open batches, and the position, as one row of the log. A full log is emptied first, and all
/// open rows are written again.
pub(crate) fn write_log(
    tx: &Transaction<'_>,
    config: &SpoolConfig,
    epoch: u64,
    tails: &BTreeMap<Stream, OpenRows>,
    books: &Books,
    position: (Option<LinePosition>, bool),
    mut size: LogSize,
) -> Result<LogSize, SpoolError> {
    let (position, moved) = position;
    let anew = size.is_full();
    if anew {
        log::clear(tx)?;
        size = LogSize::default();
    }
    let mut bytes = Vec::new();
    for (stream, tail) in tails {
        let (first_seq, rows) = if anew { (tail.first_seq, tail.rows.as_slice()) } else { tail.uncommitted() };
        if !rows.is_empty() {
            log::put(&mut bytes, &sealed(config, epoch, *stream, first_seq, rows.to_vec())?.bytes);
        }
    }
    if !bytes.is_empty() || moved || (anew && position.is_some()) {
        log::append(tx, position, books, &bytes)?;
        size.rows += 1;
        size.bytes += bytes.len() as u64;
    }
    Ok(size)
}

/// How much may be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// More than this is too much.
    pub most_bytes: u64,
    /// Then batches go until no more than this is left.
    pub target_bytes: u64,
}

impl Room {
    /// Under the cap of the configuration. Some room more than needed is made, so that a full spool sheds now and then in
    /// long runs and not at every commit in short ones.
    pub const fn under(max_bytes: u64) -> Self {
        Self { most_bytes: max_bytes, target_bytes: max_bytes - max_bytes / 16 }
    }
}

/// Deletes the lowest priority, oldest first, until there is room.
pub(crate) fn make_room(
    tx: &Transaction<'_>,
    room: Room,
    books: &mut Books,
    lost: &mut Vec<Lost>,
) -> Result<(), SpoolError> {
    if books.total().bytes <= room.most_bytes {
        return Ok(());
    }
    for stream in shed::ORDER {
        while books.total().bytes > room.target_bytes {
            // What was offered may be in the lake already.
            let Some((first_seq, count)) = store::oldest(tx, stream, books.state(stream).offered_seq)? else { break };
            let gone = store::delete_batch(tx, stream, first_seq)?;
            books.sealed_mut(stream).remove(gone);
            let end_seq = first_seq.saturating_add(count);
            let state = books.state_mut(stream);
            state.shed += count;
            state.offered_seq = state.offered_seq.max(end_seq);
            shed::extend(lost, Lost { stream, first_seq, end_seq });
        }
    }
    Ok(())
}

/// One gap sample per run, as one sealed batch.
pub(crate) fn write_gaps(
    tx: &Transaction<'_>,
    config: &SpoolConfig,
    epoch: u64,
    lost: &[Lost],
    reason: GapReason,
    t_us: Option<i64>,
    books: &mut Books,
) -> Result<(), SpoolError> {
    if lost.is_empty() {
        return Ok(());
    }
    let samples: Vec<_> = lost.iter().map(|run| gap_sample(run, reason, t_us)).collect();
    let state = books.state_mut(Stream::Gap);
    let first_seq = state.next_seq;
    state.next_seq += samples.len() as u64;
    state.open_seq = state.next_seq;
    let batch = sealed(config, epoch, Stream::Gap, first_seq, samples)?;
    books.sealed_mut(Stream::Gap).add(store::insert(tx, &batch)?);
    Ok(())
}

/// A batch, encoded.
pub(crate) fn sealed(
    config: &SpoolConfig,
    epoch: u64,
    stream: Stream,
    first_seq: u64,
    samples: Vec<Sample>,
) -> Result<SealedBatch, SpoolError> {
    let count = samples.len() as u64;
    let bytes = encode(&Batch { box_id: config.box_id.clone(), stream, epoch, first_seq, samples })?;
    Ok(SealedBatch { stream, first_seq, count, bytes })
}
