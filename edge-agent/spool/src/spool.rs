//! The spool itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};
use tournee_payload::{Sample, Stream, field, fields};

use crate::books::Books;
use crate::config::SpoolConfig;
use crate::disk_room::PageBound;
use crate::error::SpoolError;
use crate::file;
use crate::log::{self, LogSize};
use crate::open_rows::OpenRows;
use crate::report::{GapReason, LinePosition, NewEpoch, OpenReport};
use crate::reserve::Reserve;
use crate::shed::Lost;
use crate::store::{self, StreamState};
use crate::write::{Room, make_room, sealed, write_closed, write_gaps, write_log};

/// What a commit gives up at least when the disk is full, bytes.
const FULL_DISK_STEP_BYTES: u64 = 64 * 1024;
/// What it never goes below.
const FULL_DISK_LEAST_BYTES: u64 = 1 << 20;
/// And for each row that waits.
const FULL_DISK_ROW_BYTES: u64 = 64;

/// The durable queue of one box. One owner; see the crate's documentation for the promises.
#[derive(Debug)]
pub struct Spool {
    pub(crate) connection: Connection,
    path: PathBuf,
    pub(crate) config: SpoolConfig,
    pub(crate) epoch: u64,
    pub(crate) books: Books,
    pub(crate) tails: BTreeMap<Stream, OpenRows>,
    pub(crate) uncommitted: usize,
    pub(crate) latest_t_us: Option<i64>,
    pub(crate) lost_gap_rows: u64,
    /// As in the file.
    position: Option<LinePosition>,
    /// What the next commit makes of it.
    next_position: Option<LinePosition>,
    log: LogSize,
    pub(crate) reserve: Reserve,
    page_bound: PageBound,
    /// What was stored when the disk was full, as a cap; all that there can be while it never was.
    pub(crate) full_disk_bytes: u64,
}

impl Spool {
    /// Opens the file, or makes it with `new_epoch` (random, below 2^63). A damaged file is renamed to
    /// `<path>.damaged-<n>` and a new one begins, with an epoch derived from `new_epoch` and `n`.
    ///
    /// # Errors
    /// When the file is in use, of another box, of a newer layout, or cannot be written.
    pub fn open(path: &Path, config: SpoolConfig, new_epoch: u64) -> Result<(Self, OpenReport), SpoolError> {
        let (connection, report) = file::open(path, &config, new_epoch)?;
        match Self::load(connection, path.to_owned(), config.clone(), report.epoch) {
            Ok(spool) => Ok((spool, report)),
            // Not the page that the check looked at, but one that loading needs.
            Err(error) if error.is_damage() && report.set_aside.is_none() => {
                let damage = error.to_string();
                let (connection, report) = file::renew(path, &config, new_epoch, damage)?;
                Ok((Self::load(connection, path.to_owned(), config, report.epoch)?, report))
            }
            Err(error) => Err(error),
        }
    }

    fn load(connection: Connection, path: PathBuf, config: SpoolConfig, epoch: u64) -> Result<Self, SpoolError> {
        let mut books = Books::default();
        let mut tails = BTreeMap::new();
        for stream in Stream::ALL {
            let state = store::load_state(&connection, stream)?;
            *books.state_mut(stream) = state;
            *books.sealed_mut(stream) = store::totals(&connection, stream)?;
            tails.insert(stream, OpenRows::new(stream, state.open_seq));
        }
        let reserve = Reserve::beside(&path);
        let contents = log::load(&connection, &config, epoch, &books)?;
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
            position: contents.position,
            next_position: contents.position,
            log: contents.size,
            reserve,
            page_bound: PageBound::default(),
            full_disk_bytes: u64::MAX,
        };
        spool.restore(contents)?;
        Ok(spool)
    }

    /// Leaves a file that has turned out to be an old copy (see [`AckOutcome::Beyond`](crate::AckOutcome::Beyond)): renames it, as a damaged one, to
    /// `<path>.damaged-<n>`, and goes on in a new one with an epoch derived from `new_epoch` and `n`. Samples in memory and
    /// the position on the line come along; what is committed stays in the old file, under its old numbers.
    ///
    /// # Errors
    /// When the file cannot be renamed or a new one cannot be made. The spool is of no use then.
    pub fn begin_new_epoch(&mut self, new_epoch: u64) -> Result<NewEpoch, SpoolError> {
        let samples = self.uncommitted_samples();
        let left = self.pending_total().samples.saturating_sub(self.pending(Stream::Gap).samples);
        let old = std::mem::replace(&mut self.connection, Connection::open_in_memory()?);
        // Folds the log into the file; where that fails the log is renamed with it.
        if let Err((old, error)) = old.close() {
            tracing::warn!(%error, "the outdated spool was not closed in order");
            drop(old);
        }
        let (connection, report) = file::renew(&self.path, &self.config, new_epoch, "an old copy".to_owned())?;
        let epoch = report.epoch;
        let (set_aside, aside) = (report.set_aside.unwrap_or_default(), report.aside);
        let mut fresh = Self::load(connection, self.path.clone(), self.config.clone(), epoch)?;
        fresh.append(&samples)?;
        fresh.latest_t_us = self.latest_t_us;
        fresh.next_position = self.next_position;
        fresh.lost_gap_rows = self.lost_gap_rows;
        *self = fresh;
        Ok(NewEpoch { epoch, set_aside, samples: left, aside })
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
    /// line, and, at the cap, what is given up with its gap samples. A disk that is full is a cap too: then the oldest of
    /// the lowest priority makes room inside the file. On an error nothing is lost: call again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn commit(&mut self) -> Result<(), SpoolError> {
        for tail in self.tails.values_mut().filter(|tail| tail.flushes_early()) {
            tail.close();
        }
        self.bound_file()?;
        let Err(full) = self.commit_within(self.room()) else { return Ok(()) };
        if !full.is_full_disk() {
            return Err(full);
        }
        self.find_room();
        self.bound_file()?;
        // What is given up leaves its pages to the new rows. Little at a time: the transaction must fit into the log. A
        // spool that holds little is not what fills the disk, and giving it up would not help.
        let new = FULL_DISK_STEP_BYTES + self.uncommitted as u64 * FULL_DISK_ROW_BYTES;
        let stored = self.books.total().bytes.min(self.full_disk_bytes);
        let cap = stored.saturating_sub(new).max(FULL_DISK_LEAST_BYTES).min(self.full_disk_bytes);
        let before = std::mem::replace(&mut self.full_disk_bytes, cap);
        self.commit_within(self.room()).inspect_err(|_| self.full_disk_bytes = before)
    }

    /// On a full disk: gives the reserve back, and folds the write-ahead log into the file, so that it is written from its
    /// start again and need not grow.
    fn find_room(&mut self) {
        if self.reserve.release() {
            tracing::error!("the disk of the spool is full: soon the lowest priority is given up");
        }
        let folded = self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0));
        if let Err(error) = folded {
            tracing::debug!(%error, "the write-ahead log cannot be folded into the file");
        }
    }

    /// Runs a small transaction, and again with what room can be found when the disk is full.
    pub(crate) fn with_room<T>(
        &mut self,
        mut small: impl FnMut(&mut Self) -> Result<T, SpoolError>,
    ) -> Result<T, SpoolError> {
        match small(self) {
            Err(error) if error.is_full_disk() => {
                self.find_room();
                small(self)
            }
            done => done,
        }
    }

    /// Keeps the file from growing beyond what the disk can hold beside the write-ahead log: see `disk_room.rs`.
    fn bound_file(&mut self) -> Result<(), SpoolError> {
        self.page_bound.hold(&self.connection, &self.path, self.reserve.bytes())
    }

    /// The cap of the configuration, or what the disk has turned out to hold.
    fn room(&self) -> Room {
        if self.full_disk_bytes < self.config.max_bytes {
            Room { most_bytes: self.full_disk_bytes, target_bytes: self.full_disk_bytes - self.full_disk_bytes / 64 }
        } else {
            Room::under(self.config.max_bytes)
        }
    }

    fn commit_within(&mut self, room: Room) -> Result<(), SpoolError> {
        let position = self.next_position.filter(|next| self.position != Some(*next));
        let no_rows = self.tails.values().all(|tail| tail.closed.is_empty() && tail.uncommitted().1.is_empty());
        if no_rows && position.is_none() {
            return Ok(());
        }
        let mut books = self.books.clone();
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut lost = Vec::new();
        // Before the new rows too, so that these find the pages of what went.
        make_room(&tx, room, &mut books, &mut lost)?;
        for (stream, tail) in &self.tails {
            write_closed(&tx, &self.config, self.epoch, *stream, tail, &mut books)?;
        }
        make_room(&tx, room, &mut books, &mut lost)?;
        write_gaps(&tx, &self.config, self.epoch, &lost, GapReason::ByteCap, self.latest_t_us, &mut books)?;
        for stream in Stream::ALL {
            // The next sequence number is in the log.
            let stored = |books: &Books| StreamState { next_seq: 0, ..books.state(stream) };
            if stored(&books) != stored(&self.books) {
                store::save_state(&tx, stream, &books.state(stream))?;
            }
        }
        let position = (self.next_position, position.is_some());
        let log = write_log(&tx, &self.config, self.epoch, &self.tails, &books, position, self.log)?;
        tx.commit()?;
        self.log = log;
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
            tracing::warn!(
                samples,
                runs = lost.len(),
                "spool at its cap, or its disk is full: samples given up, gap recorded"
            );
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

    fn tail(&self, stream: Stream) -> std::borrow::Cow<'_, OpenRows> {
        match self.tails.get(&stream) {
            Some(tail) => std::borrow::Cow::Borrowed(tail),
            None => std::borrow::Cow::Owned(OpenRows::new(stream, self.books.state(stream).next_seq)),
        }
    }

    pub(crate) fn tail_mut(&mut self, stream: Stream) -> &mut OpenRows {
        let next_seq = self.books.state(stream).next_seq;
        self.tails.entry(stream).or_insert_with(|| OpenRows::new(stream, next_seq))
    }

    /// Takes the open rows back from the log. Where some cannot be read, what can be is sealed, and the rest is given up.
    fn restore(&mut self, contents: log::Contents) -> Result<(), SpoolError> {
        let contents = contents.open.into_iter();
        let (whole, broken): (Vec<_>, Vec<_>) =
            contents.partition(|(stream, open)| open.is_whole(self.books.state(*stream).open_seq));
        for (stream, open) in whole {
            self.books.state_mut(stream).next_seq = open.next_seq;
            let tail = self.tail_mut(stream);
            open.runs.into_iter().flat_map(|(_, samples)| samples).for_each(|sample| tail.restore(sample));
            let committed = tail.open();
            self.books.set_open(stream, committed);
        }
        if broken.is_empty() {
            return Ok(());
        }
        // A commit stores a bounded number of rows. An end beyond that is not one that was written here.
        let most = self.log.rows.saturating_mul(self.config.max_uncommitted as u64);
        for (stream, open) in &broken {
            if open.next_seq.saturating_sub(self.books.state(*stream).open_seq) > most {
                return Err(rusqlite::Error::IntegralValueOutOfRange(0, store::int(open.next_seq)).into());
            }
        }
        let mut books = self.books.clone();
        let mut lost = Vec::new();
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (stream, open) in broken {
            let mut at = books.state(stream).open_seq;
            let end = (open.next_seq, Vec::new());
            for (first_seq, samples) in open.runs.into_iter().chain([end]) {
                if first_seq > at {
                    lost.push(Lost { stream, first_seq: at, end_seq: first_seq });
                    books.state_mut(stream).shed += first_seq - at;
                }
                at = first_seq.saturating_add(samples.len() as u64);
                if !samples.is_empty() {
                    let batch = sealed(&self.config, self.epoch, stream, first_seq, samples)?;
                    books.sealed_mut(stream).add(store::insert(&tx, &batch)?);
                }
            }
            let state = books.state_mut(stream);
            (state.open_seq, state.next_seq) = (at, at);
            store::save_state(&tx, stream, state)?;
        }
        write_gaps(&tx, &self.config, self.epoch, &lost, GapReason::Unreadable, None, &mut books)?;
        store::save_state(&tx, Stream::Gap, &books.state(Stream::Gap))?;
        tx.commit()?;
        let samples: u64 = lost.iter().map(|run| run.end_seq - run.first_seq).sum();
        tracing::error!(samples, "open rows cannot be read back: given up, gap recorded");
        for (stream, tail) in &mut self.tails {
            if tail.rows.is_empty() {
                tail.first_seq = books.state(*stream).next_seq;
            }
        }
        self.books = books;
        Ok(())
    }
}
