//! Gap rows, and what to do when they themselves cannot be read back.
//!
//! A broken gap batch is replaced by two things, in one transaction:
//!
//! * under its own sequence numbers, as many gap rows with reason 2 and **no range**. Ingest refuses a row without a range
//!   into its quarantine, where it is counted, and the watermark of the gap stream passes. (If the lake has the real rows
//!   already, these are duplicates of them and change nothing.)
//! * under new sequence numbers, gap rows with reason 2 for every range that is neither stored here nor named by a gap row
//!   that can be read. All that was given up above the watermark is found so, and without it the watermark of the stream
//!   that lost the samples would wait for ever.
//!
//! The ranges are not put into the old rows: whether these have been delivered is not known here, and a row that the lake
//! has already is dropped as a repetition. For the same reason a range may be named twice, by a row that was delivered and
//! by the new one; it is the same range, and counts once in the account of the lake.

use rusqlite::Connection;
use tournee_payload::{Sample, Stream, decode, field};

use crate::books::Books;
use crate::config::SpoolConfig;
use crate::error::SpoolError;
use crate::report::{GapReason, SealedBatch};
use crate::shed::{self, Lost};
use crate::store;

/// Own fields of the gap stream.
const GAP_STREAM: u16 = field::FIRST_OWN;
const FIRST_SEQ: u16 = field::FIRST_OWN + 1;
const LAST_SEQ: u16 = field::FIRST_OWN + 2;
const REASON: u16 = field::FIRST_OWN + 3;

/// Whether the stored bytes are still the batch that they were.
pub(crate) fn readable(config: &SpoolConfig, epoch: u64, stored: &SealedBatch) -> bool {
    decode(&stored.bytes).is_ok_and(|batch| {
        batch.box_id == config.box_id
            && batch.stream == stored.stream
            && batch.epoch == epoch
            && batch.first_seq == stored.first_seq
            && batch.samples.len() as u64 == stored.count
    })
}

/// The row that names a run.
pub(crate) fn gap_sample(run: &Lost, reason: GapReason, t_us: Option<i64>) -> Sample {
    let mut sample = Sample::new(Stream::Gap);
    sample.set(field::T_US, t_us);
    let last_seq = run.end_seq.saturating_sub(1);
    let values = [
        (GAP_STREAM, i64::from(run.stream as u8)),
        (FIRST_SEQ, store::int(run.first_seq)),
        (LAST_SEQ, store::int(last_seq)),
        (REASON, i64::from(reason as u8)),
    ];
    for (id, value) in values {
        sample.set(id, Some(value));
    }
    sample
}

/// Takes the place of rows that cannot be read back.
pub(crate) fn lost_rows(count: u64, t_us: Option<i64>) -> Vec<Sample> {
    let mut row = Sample::new(Stream::Gap);
    row.set(field::T_US, t_us);
    row.set(REASON, Some(i64::from(GapReason::Unreadable as u8)));
    (0..count).map(|_| row.clone()).collect()
}

/// Every range above the watermarks that is neither stored nor named by a gap row that can be read.
pub(crate) fn unnamed(
    connection: &Connection,
    config: &SpoolConfig,
    epoch: u64,
    books: &Books,
) -> Result<Vec<Lost>, SpoolError> {
    let mut known: Vec<Lost> = Vec::new();
    for stored in store::batches(connection, Stream::Gap)? {
        if readable(config, epoch, &stored)
            && let Ok(batch) = decode(&stored.bytes)
        {
            known.extend(batch.samples.iter().filter_map(named));
        }
    }
    let mut lost = Vec::new();
    for stream in shed::ORDER {
        let spans = store::spans(connection, stream)?;
        let mut covered: Vec<_> =
            known.iter().filter(|run| run.stream == stream).map(|r| (r.first_seq, r.end_seq)).collect();
        covered.extend(spans);
        let state = books.state(stream);
        let holes = holes(state.acked_seq, state.next_seq, covered);
        lost.extend(holes.into_iter().map(|(first_seq, end_seq)| Lost { stream, first_seq, end_seq }));
    }
    Ok(lost)
}

/// The run that a gap row names.
fn named(sample: &Sample) -> Option<Lost> {
    let value = |id| u64::try_from(sample.get(id)?).ok();
    let stream = Stream::from_code(u32::try_from(value(GAP_STREAM)?).ok()?)?;
    Some(Lost { stream, first_seq: value(FIRST_SEQ)?, end_seq: value(LAST_SEQ)?.checked_add(1)? })
}

/// What of `from..to` is in none of the half-open ranges.
fn holes(from: u64, to: u64, mut covered: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    covered.sort_unstable();
    covered.push((to, to));
    let mut at = from;
    let mut holes = Vec::new();
    for (first, end) in covered {
        let first = first.min(to);
        if at < first {
            holes.push((at, first));
        }
        at = at.max(end);
    }
    holes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_what_nothing_covers() {
        assert_eq!(holes(5, 20, vec![(8, 10), (0, 6), (9, 12), (30, 40)]), [(6, 8), (12, 20)]);
        assert_eq!(holes(0, 3, vec![]), [(0, 3)]);
        assert_eq!(holes(0, 3, vec![(0, 3)]), []);
        assert_eq!(holes(7, 3, vec![]), []);
    }

    #[test]
    fn a_gap_row_names_what_it_was_made_of() {
        let run = Lost { stream: Stream::Road, first_seq: 7, end_seq: 12 };
        assert_eq!(named(&gap_sample(&run, GapReason::ByteCap, None)), Some(run));
        assert_eq!(named(&lost_rows(1, None)[0]), None, "no range: ingest counts it as refused");
    }
}
