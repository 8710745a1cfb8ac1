//! The spool itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tournee_payload::{Batch, Sample, Stream, decode, encode, field, fields};

use crate::books::Books;
use crate::config::SpoolConfig;
use crate::error::SpoolError;
use crate::file;
use crate::gaps::{self, gap_sample, readable};
use crate::open_rows::OpenRows;
use crate::report::{AckOutcome, GapReason, LinePosition, NewEpoch, OpenReport, Pending, SealedBatch};
use crate::shed::{self, Lost};
use crate::store;

/// Sealed batches that are marked as offered at once, so that catching up does not cost one fsync per batch.
const OFFER_AHEAD: u32 = 8;

/// Free pages that are worth giving back to the file system.
const VACUUM_PAGES: i64 = 1_024;

/// The durable queue of one box. One owner; see the crate's documentation for the promises.
#[derive(Debug)]
pub struct Spool {
    connection: Connection,
    path: PathBuf,
    config: SpoolConfig,
    epoch: u64,
    books: Books,
    tails: BTreeMap<Stream, OpenRows>,
    uncommitted: usize,
    latest_t_us: Option<i64>,
    lost_gap_rows: u64,
    /// As in the file.
    position: Option<LinePosition>,
    /// What the next commit makes of it.
    next_position: Option<LinePosition>,
}

impl Spool {
    /// Opens the file, or makes it with `new_epoch` (random, below 2^63). A damaged file is renamed to
    /// `<path>.damaged-<n>` and a new one begins, with an epoch derived from `new_epoch` and `n`.
    ///
    /// # Errors
    /// When the file is in use, of another box, of a newer layout, or cannot be written.
    pub fn open(path: &Path, config: SpoolConfig, new_epoch: u64) -> Result<(Self, OpenReport), SpoolError> {
        let (connection, report) = file::open(path, &config, new_epoch)?;
        Ok((Self::load(connection, path.to_owned(), config, report.epoch)?, report))
    }

    fn load(connection: Connection, path: PathBuf, config: SpoolConfig, epoch: u64) -> Result<Self, SpoolError> {
        let mut books = Books::default();
        let mut tails = BTreeMap::new();
        for stream in Stream::ALL {
            let state = store::load_state(&connection, stream)?;
            *books.state_mut(stream) = state;
            *books.pending_mut(stream) = store::totals(&connection, stream)?;
            tails.insert(stream, OpenRows::new(stream, state.next_seq));
        }
        let position = store::load_position(&connection)?;
        let mut spool = Self {
            connection,
            path,
            config,
            epoch,
            books,
            tails,
            uncommitted: 0,
            latest_t_us: None,
            lost_gap_rows: 0,
            position,
            next_position: position,
        };
        for stream in Stream::ALL {
            spool.restore_tail(stream)?;
        }
        Ok(spool)
    }

    /// Leaves a file that has turned out to be an old copy (see [`AckOutcome::Beyond`]): renames it, as a damaged one, to
    /// `<path>.damaged-<n>`, and goes on in a new one with an epoch derived from `new_epoch` and `n`. Samples in memory and
    /// the position on the line come along; what is committed stays in the old file, under its old numbers.
    ///
    /// # Errors
    /// When the file cannot be renamed or a new one cannot be made. The spool is of no use then.
    pub fn begin_new_epoch(&mut self, new_epoch: u64) -> Result<NewEpoch, SpoolError> {
        let samples = self.uncommitted_samples();
        let left = self.books.total().samples - self.books.pending(Stream::Gap).samples;
        let old = std::mem::replace(&mut self.connection, Connection::open_in_memory()?);
        // Folds the log into the file; where that fails the log is renamed with it.
        if let Err((old, error)) = old.close() {
            tracing::warn!(%error, "the outdated spool was not closed in order");
            drop(old);
        }
        let (connection, epoch, set_aside) = file::renew(&self.path, &self.config, new_epoch)?;
        let mut fresh = Self::load(connection, self.path.clone(), self.config.clone(), epoch)?;
        fresh.append(&samples)?;
        fresh.latest_t_us = self.latest_t_us;
        fresh.next_position = self.next_position;
        fresh.lost_gap_rows = self.lost_gap_rows;
        *self = fresh;
        Ok(NewEpoch { epoch, set_aside, samples: left })
    }

    /// The samples in memory that are in no file, in the order of each stream.
    fn uncommitted_samples(&self) -> Vec<Sample> {
        let mut samples = Vec::with_capacity(self.uncommitted);
        for (stream, tail) in &self.tails {
            let committed = self.books.state(*stream).next_seq;
            let closed = tail.closed.iter().map(|segment| (segment.first_seq, &segment.samples));
            for (first_seq, rows) in closed.chain([(tail.first_seq, &tail.rows)]) {
                let new = (first_seq..).zip(rows).filter(|(seq, _)| *seq >= committed);
                samples.extend(new.map(|(_, sample)| sample.clone()));
            }
        }
        samples
    }

    /// The epoch of the file.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Takes samples into memory, in their order. They are durable, and have an identity, after the next
    /// [`commit`](Self::commit). All or none are taken.
    ///
    /// # Errors
    /// When too many wait for a commit, or one does not fit its stream. Gap samples are made by the spool alone.
    pub fn append(&mut self, samples: &[Sample]) -> Result<(), SpoolError> {
        if self.uncommitted + samples.len() > self.config.max_uncommitted {
            return Err(SpoolError::BufferFull(self.uncommitted));
        }
        for sample in samples {
            let stream = sample.stream;
            if stream == Stream::Gap || sample.values.len() != fields(stream).len() {
                return Err(SpoolError::WrongSample(stream.name()));
            }
            if self.tail(stream).next_seq() >= i64::MAX as u64 - self.config.max_uncommitted as u64 {
                return Err(SpoolError::Exhausted(stream.name()));
            }
        }
        for sample in samples {
            self.latest_t_us = sample.get(field::T_US).or(self.latest_t_us);
            let (seconds, bytes) = (self.config.batch_seconds, self.config.batch_bytes);
            self.tail_mut(sample.stream).push(sample.clone(), seconds, bytes);
        }
        self.uncommitted += samples.len();
        Ok(())
    }

    /// Says how far on the serial line the samples appended so far reach. The next [`commit`](Self::commit) stores it in
    /// the transaction of those samples.
    pub const fn reached(&mut self, position: LinePosition) {
        self.next_position = Some(position);
    }

    /// The committed position on the serial line; none in a file that never had one.
    #[must_use]
    pub const fn line_position(&self) -> Option<LinePosition> {
        self.position
    }

    /// Stores everything that was appended, in one transaction: identity, sealed batches, open rows, the position on the
    /// line, and, at the cap, what is given up with its gap samples. On an error nothing is lost: call again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn commit(&mut self) -> Result<(), SpoolError> {
        for tail in self.tails.values_mut().filter(|tail| tail.flushes_early()) {
            tail.close();
        }
        let position = self.next_position.filter(|next| self.position != Some(*next));
        let no_rows = self.tails.values().all(|tail| tail.closed.is_empty() && tail.uncommitted().1.is_empty());
        if no_rows && position.is_none() {
            return Ok(());
        }
        let mut books = self.books.clone();
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (stream, tail) in &self.tails {
            write_tail(&tx, &self.config, self.epoch, *stream, tail, &mut books)?;
        }
        let lost = make_room(&tx, &self.config, &mut books)?;
        write_gaps(&tx, &self.config, self.epoch, &lost, GapReason::ByteCap, self.latest_t_us, &mut books)?;
        for stream in Stream::ALL {
            if books.state(stream) != self.books.state(stream) {
                store::save_state(&tx, stream, &books.state(stream))?;
            }
        }
        if let Some(position) = position {
            store::save_position(&tx, position)?;
        }
        tx.commit()?;
        self.position = self.next_position;
        for (stream, tail) in &mut self.tails {
            tail.closed.clear();
            tail.persisted = tail.rows.len();
            if *stream == Stream::Gap {
                tail.first_seq = books.state(Stream::Gap).next_seq;
            }
        }
        self.books = books;
        self.uncommitted = 0;
        if !lost.is_empty() {
            let samples: u64 = lost.iter().map(|run| run.end_seq - run.first_seq).sum();
            tracing::warn!(samples, runs = lost.len(), "spool at its cap: samples given up, gap recorded");
        }
        Ok(())
    }

    /// Seals the open batch of every stream and commits: nothing waits for company any longer.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn seal_all(&mut self) -> Result<(), SpoolError> {
        self.tails.values_mut().for_each(OpenRows::close);
        self.commit()
    }

    /// The sealed batch that holds `from_seq`, else the next one after it. Before a batch is handed out for the first
    /// time, the file says so: what may have left the vehicle is never shed, so that no sample is both stored and a gap.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn peek(&mut self, stream: Stream, from_seq: u64) -> Result<Option<SealedBatch>, SpoolError> {
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
        self.books.pending_mut(stream).remove(gone);
        self.give_pages_back()?;
        Ok(AckOutcome::Deleted(gone.samples))
    }

    /// Gives up the sealed batch that starts at `first_seq` and records the gap. Returns the samples given up; 0 when
    /// there is no such batch.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn give_up(&mut self, stream: Stream, first_seq: u64, reason: GapReason) -> Result<u64, SpoolError> {
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
        books.pending_mut(stream).remove(gone);
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
        books.pending_mut(Stream::Gap).remove(gone);
        // Gap rows are never shed, so the next batch begins where this one ends; a count that is wrong too does no harm.
        let spans = store::spans(&tx, Stream::Gap)?;
        let end_seq = spans.into_iter().map(|(first, _)| first).find(|first| *first > broken.first_seq);
        let end_seq = end_seq.unwrap_or(books.state(Stream::Gap).next_seq);
        let count = broken.count.min(end_seq.saturating_sub(broken.first_seq)).max(1);
        let rows = gaps::lost_rows(count, self.latest_t_us);
        let batch = sealed(&self.config, self.epoch, Stream::Gap, broken.first_seq, rows)?;
        books.pending_mut(Stream::Gap).add(store::insert(&tx, &batch, true)?);
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

    /// Gap rows that could not be read back since the file was opened; what they named is named again.
    #[must_use]
    pub const fn lost_gap_rows(&self) -> u64 {
        self.lost_gap_rows
    }

    /// Samples that were ever committed, per stream: the next sequence number.
    #[must_use]
    pub fn generated(&self) -> BTreeMap<Stream, u64> {
        Stream::ALL.into_iter().map(|stream| (stream, self.books.state(stream).next_seq)).collect()
    }

    /// The watermark of a stream: everything below it is accounted for in the lake.
    #[must_use]
    pub fn acknowledged_seq(&self, stream: Stream) -> u64 {
        self.books.state(stream).acked_seq
    }

    /// Samples that were deleted by the watermark.
    #[must_use]
    pub fn acknowledged(&self, stream: Stream) -> u64 {
        self.books.state(stream).acked
    }

    /// Samples that were given up.
    #[must_use]
    pub fn given_up(&self, stream: Stream) -> u64 {
        self.books.state(stream).shed
    }

    /// What is stored of a stream.
    #[must_use]
    pub fn pending(&self, stream: Stream) -> Pending {
        self.books.pending(stream)
    }

    /// What is stored of all streams.
    #[must_use]
    pub fn pending_total(&self) -> Pending {
        self.books.total()
    }

    /// Samples in memory that the next commit will store.
    #[must_use]
    pub const fn uncommitted(&self) -> usize {
        self.uncommitted
    }

    fn tail(&self, stream: Stream) -> std::borrow::Cow<'_, OpenRows> {
        match self.tails.get(&stream) {
            Some(tail) => std::borrow::Cow::Borrowed(tail),
            None => std::borrow::Cow::Owned(OpenRows::new(stream, self.books.state(stream).next_seq)),
        }
    }

    fn tail_mut(&mut self, stream: Stream) -> &mut OpenRows {
        let next_seq = self.books.state(stream).next_seq;
        self.tails.entry(stream).or_insert_with(|| OpenRows::new(stream, next_seq))
    }

    /// Reads the open batch back. A chunk that cannot be read is given up.
    fn restore_tail(&mut self, stream: Stream) -> Result<(), SpoolError> {
        let chunks = store::open_chunks(&self.connection, stream)?;
        let whole = chunks.iter().all(|chunk| readable(&self.config, self.epoch, chunk));
        if !whole {
            // Sealed one by one, the readable ones are sent and `peek` gives the others up.
            self.connection
                .execute("UPDATE batch SET sealed = 1 WHERE stream = ?1 AND sealed = 0", [i64::from(stream as u8)])?;
            return Ok(());
        }
        let Some(first) = chunks.first() else { return Ok(()) };
        let first_seq = first.first_seq;
        let tail = self.tail_mut(stream);
        tail.first_seq = first_seq;
        for chunk in chunks {
            if let Ok(batch) = decode(&chunk.bytes) {
                batch.samples.into_iter().for_each(|sample| tail.restore(sample));
            }
        }
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

/// Stores what a stream has new: closed batches replace their chunks, open rows become one more chunk.
fn write_tail(
    tx: &Transaction<'_>,
    config: &SpoolConfig,
    epoch: u64,
    stream: Stream,
    tail: &OpenRows,
    books: &mut Books,
) -> Result<(), SpoolError> {
    for segment in &tail.closed {
        let end_seq = segment.first_seq.saturating_add(segment.samples.len() as u64);
        let gone = store::delete_chunks(tx, stream, segment.first_seq, end_seq)?;
        books.pending_mut(stream).remove(gone);
        let batch = sealed(config, epoch, stream, segment.first_seq, segment.samples.clone())?;
        books.pending_mut(stream).add(store::insert(tx, &batch, true)?);
    }
    let (first_seq, rows) = tail.uncommitted();
    if !rows.is_empty() {
        let chunk = sealed(config, epoch, stream, first_seq, rows.to_vec())?;
        books.pending_mut(stream).add(store::insert(tx, &chunk, false)?);
    }
    books.state_mut(stream).next_seq = tail.next_seq();
    Ok(())
}

/// Deletes the lowest priority, oldest first, until the spool is well below its cap: some room more than needed, so
/// that a full spool sheds now and then in long runs and not at every commit in short ones.
fn make_room(tx: &Transaction<'_>, config: &SpoolConfig, books: &mut Books) -> Result<Vec<Lost>, SpoolError> {
    let mut lost = Vec::new();
    if books.total().bytes <= config.max_bytes {
        return Ok(lost);
    }
    let target = config.max_bytes - config.max_bytes / 16;
    for stream in shed::ORDER {
        while books.total().bytes > target {
            // What was offered may be in the lake already.
            let Some((first_seq, count)) = store::oldest(tx, stream, books.state(stream).offered_seq)? else { break };
            let gone = store::delete_batch(tx, stream, first_seq)?;
            books.pending_mut(stream).remove(gone);
            let end_seq = first_seq.saturating_add(count);
            let state = books.state_mut(stream);
            state.shed += count;
            state.offered_seq = state.offered_seq.max(end_seq);
            shed::extend(&mut lost, Lost { stream, first_seq, end_seq });
        }
    }
    Ok(lost)
}

/// One gap sample per run, as one sealed batch.
fn write_gaps(
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
    let batch = sealed(config, epoch, Stream::Gap, first_seq, samples)?;
    books.pending_mut(Stream::Gap).add(store::insert(tx, &batch, true)?);
    Ok(())
}

fn sealed(
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
