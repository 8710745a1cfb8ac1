//! Handing out, and what comes of it: the watermark, and what has to be given up.

use rusqlite::TransactionBehavior;
use tournee_payload::Stream;

use crate::error::SpoolError;
use crate::gaps::{self, readable};
use crate::report::{AckOutcome, GapReason, SealedBatch};
use crate::shed::Lost;
use crate::spool::Spool;
use crate::store;
use crate::write::{sealed, write_gaps};

/// Sealed batches that are marked as offered at once, so that catching up does not cost one fsync per batch.
const OFFER_AHEAD: u32 = 8;

/// Free pages that are worth giving back to the file system.
const VACUUM_PAGES: i64 = 1_024;

impl Spool {
    /// The sealed batch that holds `from_seq`, else the next one after it. Before a batch is handed out for the first
    /// time, the file says so: what may have left the vehicle is never shed, so that no sample is both stored and a gap.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn peek(&mut self, stream: Stream, from_seq: u64) -> Result<Option<SealedBatch>, SpoolError> {
        self.with_room(|spool| spool.offer(stream, from_seq))
    }

    fn offer(&mut self, stream: Stream, from_seq: u64) -> Result<Option<SealedBatch>, SpoolError> {
        loop {
            let Some(batch) = store::sealed_from(&self.connection, stream, from_seq)? else { return Ok(None) };
            if !readable(&self.config, self.epoch, &batch) {
                if stream == Stream::Gap {
                    self.replace_gap(&batch)?;
                } else {
                    self.give_up(stream, batch.first_seq, GapReason::Unreadable)?;
                }
                continue;
            }
            let state = self.books.state(stream);
            if batch.end_seq() > state.offered_seq {
                let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let horizon = store::horizon(&tx, stream, batch.first_seq, OFFER_AHEAD)?;
                let state = store::StreamState { offered_seq: horizon.max(batch.end_seq()), ..state };
                store::save_state(&tx, stream, &state)?;
                tx.commit()?;
                *self.books.state_mut(stream) = state;
            }
            return Ok(Some(batch));
        }
    }

    /// The watermark of the lake: everything below `next_seq` is accounted for. Deletes the batches wholly below it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn acknowledge(&mut self, stream: Stream, epoch: u64, next_seq: u64) -> Result<AckOutcome, SpoolError> {
        self.with_room(|spool| spool.delete_acknowledged(stream, epoch, next_seq))
    }

    fn delete_acknowledged(&mut self, stream: Stream, epoch: u64, next_seq: u64) -> Result<AckOutcome, SpoolError> {
        let mut state = self.books.state(stream);
        if epoch != self.epoch {
            return Ok(AckOutcome::OtherEpoch);
        }
        if next_seq > state.offered_seq {
            return Ok(AckOutcome::Beyond);
        }
        if next_seq <= state.acked_seq {
            return Ok(AckOutcome::Deleted(0));
        }
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let gone = store::delete_below(&tx, stream, next_seq)?;
        state.acked_seq = next_seq;
        state.acked += gone.samples;
        store::save_state(&tx, stream, &state)?;
        tx.commit()?;
        *self.books.state_mut(stream) = state;
        self.books.sealed_mut(stream).remove(gone);
        self.give_pages_back()?;
        // The disk was full, and much has gone since: whether there is room again is seen by taking some.
        if self.books.total().bytes < self.full_disk_bytes / 2 && self.full_disk_bytes < u64::MAX && self.reserve.make()
        {
            self.full_disk_bytes = u64::MAX;
        }
        Ok(AckOutcome::Deleted(gone.samples))
    }

    /// Gives up the sealed batch that starts at `first_seq` and records the gap. Returns the samples given up; 0 when
    /// there is no such batch.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn give_up(&mut self, stream: Stream, first_seq: u64, reason: GapReason) -> Result<u64, SpoolError> {
        self.with_room(|spool| spool.record_gap(stream, first_seq, reason))
    }

    fn record_gap(&mut self, stream: Stream, first_seq: u64, reason: GapReason) -> Result<u64, SpoolError> {
        if stream == Stream::Gap {
            tracing::error!(first_seq, "a gap batch is never given up");
            return Ok(0);
        }
        let mut books = self.books.clone();
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let gone = store::delete_batch(&tx, stream, first_seq)?;
        if gone.samples == 0 {
            return Ok(0);
        }
        let end_seq = first_seq.saturating_add(gone.samples);
        books.sealed_mut(stream).remove(gone);
        let state = books.state_mut(stream);
        state.shed += gone.samples;
        state.offered_seq = state.offered_seq.max(end_seq);
        let lost = [Lost { stream, first_seq, end_seq }];
        write_gaps(&tx, &self.config, self.epoch, &lost, reason, self.latest_t_us, &mut books)?;
        for changed in [stream, Stream::Gap] {
            store::save_state(&tx, changed, &books.state(changed))?;
        }
        tx.commit()?;
        tracing::warn!(
            stream = stream.name(),
            first_seq,
            samples = gone.samples,
            ?reason,
            "batch given up, gap recorded"
        );
        self.tail_mut(Stream::Gap).first_seq = books.state(Stream::Gap).next_seq;
        self.books = books;
        Ok(gone.samples)
    }

    /// For tests: the database refuses every change until told otherwise, as a disk does that has become read-only.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub fn refuse_changes(&self, refuse: bool) -> Result<(), SpoolError> {
        Ok(self.connection.pragma_update(None, "query_only", refuse)?)
    }

    /// A gap batch that cannot be read back is not given up: it is the only trace of other samples, and the watermark of
    /// their stream waits for it. See [`gaps`](crate::gaps) for what takes its place.
    fn replace_gap(&mut self, broken: &SealedBatch) -> Result<(), SpoolError> {
        let mut books = self.books.clone();
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let unnamed = gaps::unnamed(&tx, &self.config, self.epoch, &books)?;
        let gone = store::delete_batch(&tx, Stream::Gap, broken.first_seq)?;
        books.sealed_mut(Stream::Gap).remove(gone);
        // Gap rows are never shed, so the next batch begins where this one ends; a count that is wrong too does no harm.
        let spans = store::spans(&tx, Stream::Gap)?;
        let end_seq = spans.into_iter().map(|(first, _)| first).find(|first| *first > broken.first_seq);
        let end_seq = end_seq.unwrap_or(books.state(Stream::Gap).next_seq);
        let count = broken.count.min(end_seq.saturating_sub(broken.first_seq)).max(1);
        let rows = gaps::lost_rows(count, self.latest_t_us);
        let batch = sealed(&self.config, self.epoch, Stream::Gap, broken.first_seq, rows)?;
        books.sealed_mut(Stream::Gap).add(store::insert(&tx, &batch)?);
        write_gaps(&tx, &self.config, self.epoch, &unnamed, GapReason::Unreadable, self.latest_t_us, &mut books)?;
        store::save_state(&tx, Stream::Gap, &books.state(Stream::Gap))?;
        tx.commit()?;
        tracing::error!(
            first_seq = broken.first_seq,
            rows = count,
            ranges = unnamed.len(),
            "gap rows cannot be read back: what they named is named again"
        );
        self.tail_mut(Stream::Gap).first_seq = books.state(Stream::Gap).next_seq;
        self.books = books;
        self.lost_gap_rows += count;
        Ok(())
    }

    fn give_pages_back(&mut self) -> Result<(), SpoolError> {
        let free: i64 = self.connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
        if free > VACUUM_PAGES {
            self.connection.execute_batch("PRAGMA incremental_vacuum(256)")?;
        }
        Ok(())
    }
}
