//! The lake as ingest sees it: rows in, commits out, each row once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::path::Path;

use serde::Serialize;
use tournee_lake::{IntervalSet, Series, Table, WatermarkObject, WatermarkSet};
use tournee_payload::{Ack, AckMessage, Batch, BoxId, MAX_ACKS, Sample, Stream, shard};

use crate::budget::{QuarantineBudget, QuarantineLimits};
use crate::commit::{Committed, Context, Known, Objects, commit};
use crate::delta::Delta;
use crate::error::IngestError;
use crate::fail::Hook;
use crate::holes::Holes;
use crate::lake_store::LakeStore;
use crate::lake_url::LakeUrl;
use crate::prepare::{prepare_quarantine, prepare_stream};
use crate::quarantine::{Refusal, RefusedRows, key_only, sum_time};
use crate::validate::{gap_fits, gap_range, row, stream_table};

/// Most intervals of one series. A box that sends in order makes one; one that would make more than this is sending
/// nonsense, and its batches go to quarantine without being accounted for.
const MAX_INTERVALS: usize = 4_096;

/// How to open a lake.
#[derive(Clone)]
pub struct LakeOptions {
    /// Shards that this worker owns.
    pub shards: RangeInclusive<u8>,
    /// Crash here: for tests.
    pub hook: Option<Hook>,
}

impl Default for LakeOptions {
    fn default() -> Self {
        Self { shards: crate::ALL_SHARDS, hook: None }
    }
}

/// What became of the rows of one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Appended {
    /// To be stored with the next commit.
    pub rows: u64,
    /// Already accounted for: stored, pending, given up or refused before.
    pub duplicates: u64,
    /// To quarantine with the next commit.
    pub refused: u64,
}

/// What one [`Lake::commit`] wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CommitReport {
    /// Rows per table, `quarantine` included; tables without new rows are left out.
    pub rows: BTreeMap<&'static str, u64>,
    /// Times that another worker had moved a shard in between.
    pub conflicts: u32,
}

/// Sums since the lake was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Rows stored, `quarantine` not counted.
    pub stored: u64,
    /// Rows that were already accounted for.
    pub duplicates: u64,
    /// Rows refused.
    pub refused_rows: u64,
    /// Messages refused.
    pub refused_messages: u64,
    /// Rows stored under another date than that of their event, which was not believable.
    pub dates_clamped: u64,
    /// Columns of accepted messages whose field this version does not know; they are left out. More than none: run a newer
    /// version.
    pub unknown_fields: u64,
    /// Commits to any table.
    pub commits: u64,
    /// Conflicts with another worker.
    pub conflicts: u64,
}

/// Bounds on what a box may claim. What is within them can be wrong; what is beyond them would harm the others too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Event dates of one commit to one table; rows of further dates go to the ingest date, flagged.
    pub dates_per_commit: usize,
    /// Boxes in the lake, ever; a batch of one more goes to quarantine and is not accounted for.
    pub boxes: usize,
    /// Epochs of one box, ever; a batch of one more goes to quarantine and is not accounted for. A box begins a new one only
    /// when its spool is made anew.
    pub epochs_per_box: usize,
    /// Pieces into which refused rows, or gap records, may break one series. Of vehicles 4,096: a box that refuses a row in every
    /// hour of a year's driving stays below. Refused rows beyond it stand in their own table by their keys; gap records are
    /// refused.
    pub pieces: usize,
    /// Numbers that one gap record may give up, and how far beyond the largest known number it may reach.
    pub gap_seqs: u64,
}

impl Limits {
    /// No bounds: for files that an operator imports.
    pub const NONE: Self = Self {
        dates_per_commit: usize::MAX,
        boxes: usize::MAX,
        epochs_per_box: usize::MAX,
        pieces: usize::MAX,
        gap_seqs: u64::MAX,
    };
    /// For what comes from vehicles: a national fleet has 40,000.
    pub const VEHICLES: Self =
        Self { dates_per_commit: 32, boxes: 100_000, epochs_per_box: 64, pieces: 4_096, gap_seqs: 10_000_000 };
}

/// Rows of one batch that wait for a commit.
pub(crate) struct Chunk {
    pub(crate) shard: u8,
    pub(crate) series: Series,
    pub(crate) rows: Vec<(u64, Sample)>,
    pub(crate) ingested_us: i64,
}

struct StreamTable {
    delta: Delta,
    known: Known,
    pending: Vec<Chunk>,
    pending_bytes: usize,
}

struct QuarantineTable {
    delta: Delta,
    known: Known,
    pending: Vec<(Box<Refusal>, i64)>,
    /// Hashes of the messages in `pending`.
    hashes: HashSet<String>,
    pending_lines: usize,
    pending_bytes: usize,
}

impl QuarantineTable {
    fn push(&mut self, refusal: Box<Refusal>, now_us: i64) {
        self.pending_lines = self.pending_lines.saturating_add(refusal.lines());
        self.pending_bytes = self.pending_bytes.saturating_add(refusal.footprint());
        if !refusal.hash.is_empty() {
            self.hashes.insert(refusal.hash.clone());
        }
        self.pending.push((refusal, now_us));
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.hashes.clear();
        self.pending_lines = 0;
        self.pending_bytes = 0;
    }
}

/// An open lake. One process per shard; a second one is fenced off by the commit itself.
pub struct Lake {
    store: LakeStore,
    options: LakeOptions,
    streams: BTreeMap<Table, StreamTable>,
    quarantine: QuarantineTable,
    /// Everything stored, pending, given up or refused: what a redelivered row is compared with.
    accounted: WatermarkSet,
    /// The epochs of each box in `accounted`.
    epochs: HashMap<String, BTreeSet<i64>>,
    /// When each series last sent, in arrival order: a box's newest epochs come first in its acknowledgement.
    touched: HashMap<Series, u64>,
    arrivals: u64,
    pending_rows: usize,
    totals: Totals,
    limits: Limits,
    /// How much may go to quarantine in a day; no bound without.
    budget: Option<QuarantineBudget>,
    /// What breaks the series into pieces.
    holes: Holes,
    /// Rows and messages refused, by reason.
    refused: BTreeMap<&'static str, u64>,
}

impl Lake {
    /// Opens the lake at a path or [`LakeUrl`], creating what is absent, adding columns of this version to tables that lack
    /// them, and reads the watermark objects back.
    ///
    /// # Errors
    /// When the place is not writable, a table cannot be written by this version, or a watermark object is missing.
    pub async fn open(location: impl Into<LakeUrl>, options: LakeOptions) -> Result<Self, IngestError> {
        let store = LakeStore::create(&location.into(), options.hook.clone()).await?;
        Self::open_in(store, options).await
    }

    /// The same in a place that is open already; the hook is then that of the store for its part.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn open_in(store: LakeStore, options: LakeOptions) -> Result<Self, IngestError> {
        let shards = &options.shards;
        // The tables do not depend on each other, and what takes time is the way to the store.
        let open = |table| {
            let store = &store;
            async move {
                let delta = Delta::open(store, table).await?;
                let known = Known::load(store, &delta, shards).await?;
                Ok::<_, IngestError>((delta, known))
            }
        };
        let opened = futures::future::try_join_all(Table::STREAMS.map(open)).await?;
        let (delta, known) = open(Table::Quarantine).await?;
        let streams = opened
            .into_iter()
            .map(|(delta, known)| (delta.table, StreamTable { delta, known, pending: Vec::new(), pending_bytes: 0 }))
            .collect();
        let quarantine = QuarantineTable {
            delta,
            known,
            pending: Vec::new(),
            hashes: HashSet::new(),
            pending_lines: 0,
            pending_bytes: 0,
        };
        let mut lake = Self {
            store,
            options,
            streams,
            quarantine,
            accounted: WatermarkSet::new(),
            epochs: HashMap::new(),
            touched: HashMap::new(),
            arrivals: 0,
            pending_rows: 0,
            totals: Totals::default(),
            limits: Limits::NONE,
            budget: None,
            holes: Holes::default(),
            refused: BTreeMap::new(),
        };
        lake.learn();
        Ok(lake)
    }

    /// The same with bounds on what is appended from here on; [`Limits::NONE`] otherwise.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with bounds on what goes to quarantine in a day. `stored`: what [`Self::take_budget`] gave to be stored, if
    /// anything; one that cannot be read is as none, and the second value says why.
    #[must_use]
    pub fn with_quarantine(mut self, limits: QuarantineLimits, stored: Option<&[u8]>) -> (Self, Option<String>) {
        let resumed = stored.map(|bytes| QuarantineBudget::resume(limits, bytes));
        let (budget, trouble) = match resumed {
            Some(Ok(budget)) => (budget, None),
            Some(Err(trouble)) => (QuarantineBudget::new(limits), Some(trouble)),
            None => (QuarantineBudget::new(limits), None),
        };
        self.budget = Some(budget);
        (self, trouble)
    }

    /// The account of the day as an object to store after a commit; `None` while it did not change.
    pub fn take_budget(&mut self) -> Option<Vec<u8>> {
        self.budget.as_mut().and_then(QuarantineBudget::take_json)
    }

    /// Puts the sums of what was left out of quarantine into it, of days that are over; with `all` of today as well, for an end.
    pub fn add_sums(&mut self, now_us: i64, all: bool) {
        let shard = *self.options.shards.start();
        let Some(budget) = &mut self.budget else { return };
        let (serial, sums) = budget.sums(crate::convert::day_of(now_us), all);
        for left_out in sums {
            let at_us = sum_time(left_out.day, now_us);
            self.quarantine.push(Refusal::sum(left_out, shard, serial), at_us);
        }
    }

    /// Takes room for a refused row or message; false when there is none, and it was counted.
    fn has_room(&mut self, box_id: Option<&str>, reason: &str, bytes: usize, now_us: i64) -> bool {
        let Some(budget) = &mut self.budget else { return true };
        budget.take(crate::convert::day_of(now_us), box_id, reason, 1, bytes as u64)
    }

    /// Rows and messages refused since the lake was opened, by reason.
    #[must_use]
    pub const fn refused_by_reason(&self) -> &BTreeMap<&'static str, u64> {
        &self.refused
    }

    /// Rows and messages refused and left out of quarantine, of which no sum is written yet.
    #[must_use]
    pub fn left_out_rows(&self) -> u64 {
        self.budget.as_ref().map_or(0, QuarantineBudget::left_out_rows)
    }

    /// Boxes that the lake knows.
    #[must_use]
    pub fn known_boxes(&self) -> usize {
        self.epochs.len()
    }

    /// Adds what the committed objects say to what is accounted for.
    fn learn(&mut self) {
        let all = self.streams.values().map(|table| &table.known.objects).chain([&self.quarantine.known.objects]);
        for object in all.flat_map(BTreeMap::values) {
            self.accounted.union_with(&object.stored);
            self.accounted.union_with(&object.covered);
        }
        for (series, _) in self.accounted.iter() {
            match self.epochs.get_mut(&series.box_id) {
                Some(epochs) => {
                    epochs.insert(series.epoch);
                }
                None => {
                    self.epochs.insert(series.box_id.clone(), BTreeSet::from([series.epoch]));
                }
            }
        }
    }

    /// Takes a batch: rows that are new wait for the next [`Lake::commit`], refused ones go to quarantine, others are
    /// counted and dropped. `now_us` is the time of ingestion, microseconds since 1970.
    ///
    /// # Errors
    /// When the box belongs to a shard that this worker does not own.
    pub fn append(&mut self, batch: Batch, now_us: i64) -> Result<Appended, IngestError> {
        let shard = shard(&batch.box_id);
        if !self.options.shards.contains(&shard) {
            return Err(IngestError::ForeignShard { box_id: batch.box_id.to_string(), shard });
        }
        let mut done = Appended::default();
        let table = stream_table(batch.stream);
        let epoch = i64::try_from(batch.epoch).ok();
        let end = batch.first_seq.checked_add(batch.samples.len() as u64).filter(|end| i64::try_from(*end).is_ok());
        let (Some(epoch), Some(_)) = (epoch, end) else {
            self.refuse_batch(&batch, "identity", "epoch or sequence number does not fit 63 bits", now_us);
            done.refused = batch.samples.len() as u64;
            return Ok(done);
        };
        let series = Series { box_id: batch.box_id.to_string(), stream: table, epoch };
        if self.epochs.len() >= self.limits.boxes && !self.epochs.contains_key(&series.box_id) {
            let detail = format!("the lake has {} boxes already; remove those that are none", self.epochs.len());
            self.refuse_batch(&batch, "too_many_boxes", &detail, now_us);
            done.refused = batch.samples.len() as u64;
            return Ok(done);
        }
        let epochs = self.epochs.entry(series.box_id.clone()).or_default();
        if !epochs.contains(&epoch) && epochs.len() >= self.limits.epochs_per_box {
            let detail = format!("the box has {} epochs already; give it another id, or find out why", epochs.len());
            self.refuse_batch(&batch, "too_many_epochs", &detail, now_us);
            done.refused = batch.samples.len() as u64;
            return Ok(done);
        }
        epochs.insert(epoch);
        self.arrivals += 1;
        self.touched.insert(series.clone(), self.arrivals);
        let known = self.accounted.entry(&series);
        if known.intervals().len() >= MAX_INTERVALS && batch.first_seq != known.watermark() {
            self.refuse_batch(
                &batch,
                "too_many_holes",
                "the series has too many holes; send from the watermark",
                now_us,
            );
            done.refused = batch.samples.len() as u64;
            return Ok(done);
        }
        // A few bytes on the wire can claim a hundred thousand rows that say nothing.
        let empty = batch.samples.iter().all(|sample| sample.values.iter().all(Option::is_none));
        let mut refused = RefusedRows::new(&series, shard);
        let mut rows = Vec::new();
        // Taken out for the time of the loop: a gap record changes the sets of other series.
        let mut known = std::mem::take(self.accounted.entry(&series));
        for (seq, sample) in (batch.first_seq..).zip(batch.samples) {
            if !known.insert(seq) {
                done.duplicates += 1;
                continue;
            }
            let checked = if sample.stream != batch.stream {
                Err(("wrong_stream", format!("a {} row in a {} batch", sample.stream.name(), batch.stream.name())))
            } else if empty {
                Err(("no_columns", "the batch has rows but no value in any of them".to_owned()))
            } else {
                row(&sample)
            };
            let gap = if batch.stream == Stream::Gap { gap_range(&sample) } else { None };
            let lost = gap
                .map(|(stream, first, last)| (Series { stream: stream_table(stream), ..series.clone() }, first, last));
            let checked = checked.and_then(|()| match &lost {
                Some((lost, first, last)) => {
                    let end =
                        self.accounted.get(lost).and_then(IntervalSet::last).map_or(0, |seq| seq.saturating_add(1));
                    gap_fits(*first, *last, end, self.limits.gap_seqs)?;
                    let before = self.committed_pieces(Table::Gap, lost, shard);
                    if self.holes.admit(Table::Gap, lost, (*first, *last), before, self.limits.pieces) {
                        return Ok(());
                    }
                    Err(("too_many_holes", "the series has too many gaps; give the box a new spool".to_owned()))
                }
                None => Ok(()),
            });
            match checked {
                Ok(()) => {
                    if let Some((lost, first, last)) = lost {
                        self.accounted.entry(&lost).insert_range(first, last);
                    }
                    rows.push((seq, sample));
                    done.rows += 1;
                }
                Err((reason, detail)) => {
                    done.refused += 1;
                    *self.refused.entry(reason).or_default() += 1;
                    let before = self.committed_pieces(Table::Quarantine, &series, shard);
                    let whole = self.holes.admit(Table::Quarantine, &series, (seq, seq), before, self.limits.pieces);
                    let bytes = size_of::<Option<i64>>() * sample.values.len();
                    if self.has_room(Some(&series.box_id), reason, bytes, now_us) && whole {
                        refused.add(seq, &sample, reason, detail);
                    } else {
                        rows.push((seq, key_only(&sample, batch.stream)));
                    }
                }
            }
        }
        *self.accounted.entry(&series) = known;
        for refusal in refused.finish() {
            self.quarantine.push(Box::new(refusal), now_us);
        }
        self.pending_rows += rows.len();
        if !rows.is_empty()
            && let Some(target) = self.streams.get_mut(&table)
        {
            target.pending_bytes += rows.iter().map(|(_, sample)| row_bytes(sample)).sum::<usize>();
            target.pending.push(Chunk { shard, series, rows, ingested_us: now_us });
        }
        self.totals.duplicates += done.duplicates;
        self.totals.refused_rows += done.refused;
        Ok(done)
    }

    /// Refuses a whole batch that was readable; it is not accounted for, so the vehicle keeps it.
    fn refuse_batch(&mut self, batch: &Batch, reason: &'static str, detail: &str, now_us: i64) {
        let topic = tournee_payload::Topic::up(&batch.box_id, batch.stream).to_string();
        let bytes = tournee_payload::encode(batch).unwrap_or_default();
        let mut refusal = Refusal::message(&topic, &bytes, reason, detail);
        refusal.box_id = Some(batch.box_id.to_string());
        refusal.stream = Some(batch.stream);
        self.refuse(refusal, now_us);
    }

    /// Takes a refused message; one that is already in quarantine is counted and dropped.
    pub fn refuse(&mut self, mut refusal: Box<Refusal>, now_us: i64) {
        // A message may name any shard, or none: it is kept under one that this worker owns.
        if !self.options.shards.contains(&refusal.shard) {
            refusal.shard = *self.options.shards.start();
        }
        let committed =
            self.quarantine.known.objects.get(&refusal.shard).is_some_and(|o| o.seen.contains(&refusal.hash));
        if committed || self.quarantine.hashes.contains(&refusal.hash) {
            self.totals.duplicates += 1;
            return;
        }
        self.totals.refused_messages += 1;
        if let Cow::Borrowed(reason) = refusal.reason {
            *self.refused.entry(reason).or_default() += 1;
        }
        if self.has_room(refusal.box_id.as_deref(), &refusal.reason, refusal.bytes.len() + refusal.topic.len(), now_us)
        {
            self.quarantine.push(refusal, now_us);
        }
    }

    /// Intervals of a series that a table's last commit accounts for.
    fn committed_pieces(&self, table: Table, series: &Series, shard: u8) -> usize {
        self.object(table, shard).and_then(|object| object.covered.get(series)).map_or(0, |set| set.intervals().len())
    }

    /// Counts columns that were left out of a message, see [`Totals::unknown_fields`].
    pub fn note_unknown_fields(&mut self, columns: u32) {
        self.totals.unknown_fields = self.totals.unknown_fields.saturating_add(u64::from(columns));
    }

    /// Commits everything that waits, table by table: quarantine and gaps first, because they account for rows that the
    /// streams' tables will then not hold. On an error nothing is lost: what was not committed still waits.
    ///
    /// # Errors
    /// When files cannot be written, or the log refuses.
    pub async fn commit(&mut self, now_us: i64) -> Result<CommitReport, IngestError> {
        let mut report = CommitReport::default();
        let LakeOptions { shards, hook } = &self.options;
        let context = Context { store: &self.store, shards, hook: hook.as_ref(), now_us };
        let table = &mut self.quarantine;
        if !table.pending.is_empty() {
            let pending = &table.pending;
            let prepare = |objects: &Objects| prepare_quarantine(objects, pending);
            let done = commit(&context, &mut table.delta, &mut table.known, &prepare).await?;
            table.clear();
            report.conflicts += done.conflicts;
            self.totals.commits += 1;
            if done.rows > 0 {
                report.rows.insert(Table::Quarantine.name(), done.rows as u64);
            }
        }
        let dates = self.limits.dates_per_commit;
        // The streams' tables do not depend on each other, and what takes time is the disk: all of them at once.
        for first in [true, false] {
            let tables = self
                .streams
                .iter_mut()
                .filter(|(name, table)| (**name == Table::Gap) == first && !table.pending.is_empty());
            let work = tables.map(|(name, table)| commit_stream(&context, *name, table, dates));
            let mut failed = None;
            for result in futures::future::join_all(work).await {
                match result {
                    Ok((name, offered, done)) => {
                        self.pending_rows = self.pending_rows.saturating_sub(offered);
                        report.conflicts += done.conflicts;
                        self.totals.commits += 1;
                        self.totals.stored += done.rows as u64;
                        self.totals.dates_clamped += done.clamped as u64;
                        self.totals.duplicates += offered.saturating_sub(done.rows) as u64;
                        if done.rows > 0 {
                            report.rows.insert(name.name(), done.rows as u64);
                        }
                    }
                    Err(error) => failed = Some(error),
                }
            }
            if let Some(error) = failed {
                self.note_conflicts(report.conflicts);
                return Err(error);
            }
        }
        self.note_conflicts(report.conflicts);
        Ok(report)
    }

    /// After a conflict the objects hold rows of another worker, which must not be taken again.
    fn note_conflicts(&mut self, conflicts: u32) {
        if conflicts > 0 {
            self.totals.conflicts += u64::from(conflicts);
            self.learn();
        }
    }

    /// The committed watermark of a series: the first number that is not accounted for.
    fn watermark(&self, series: &Series, shard: u8) -> u64 {
        let mut all = IntervalSet::new();
        if let Some(set) = self.object(series.stream, shard).and_then(|object| object.stored.get(series)) {
            all.union_with(set);
        }
        for table in [Table::Gap, Table::Quarantine] {
            if let Some(set) = self.object(table, shard).and_then(|object| object.covered.get(series)) {
                all.union_with(set);
            }
        }
        all.watermark()
    }

    fn object(&self, table: Table, shard: u8) -> Option<&WatermarkObject> {
        match table {
            Table::Quarantine => self.quarantine.known.objects.get(&shard),
            _ => self.streams.get(&table)?.known.objects.get(&shard),
        }
    }

    /// The committed watermarks of a box, as published on its `down/ack`. Never ahead of the last commit.
    #[must_use]
    pub fn acks(&self, box_id: &BoxId) -> AckMessage {
        let shard = shard(box_id);
        let name = box_id.as_str();
        let tables = Table::ALL.into_iter().filter_map(|table| self.object(table, shard));
        let mut series: Vec<&Series> = tables
            .flat_map(|object| object.stored.iter().chain(object.covered.iter()))
            .map(|(series, _)| series)
            .filter(|series| series.box_id == name)
            .collect();
        series.sort();
        series.dedup();
        series.sort_by_key(|series| std::cmp::Reverse(self.touched.get(*series).copied().unwrap_or(0)));
        series.truncate(MAX_ACKS);
        let acks = series.into_iter().filter_map(|series| {
            Some(Ack {
                stream: Stream::from_name(series.stream.name())?,
                epoch: u64::try_from(series.epoch).ok()?,
                next_seq: self.watermark(series, shard),
                table_version: self.streams.get(&series.stream)?.delta.version(),
            })
        });
        AckMessage { box_id: box_id.clone(), acks: acks.collect() }
    }

    /// Every box that has a committed watermark.
    #[must_use]
    pub fn boxes(&self) -> Vec<BoxId> {
        let all = self.streams.values().map(|table| &table.known.objects).chain([&self.quarantine.known.objects]);
        let mut names: Vec<&str> = all
            .flat_map(BTreeMap::values)
            .flat_map(|object| object.stored.iter().chain(object.covered.iter()))
            .map(|(series, _)| series.box_id.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| BoxId::new(name).ok()).collect()
    }

    /// Rows that wait for a commit, refused rows and messages included.
    #[must_use]
    pub const fn pending_rows(&self) -> usize {
        self.pending_rows.saturating_add(self.quarantine.pending_lines)
    }

    /// Memory that these rows take, decoded, about, bytes.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.streams
            .values()
            .map(|table| table.pending_bytes)
            .sum::<usize>()
            .saturating_add(self.quarantine.pending_bytes)
    }

    /// Sums since the lake was opened.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// The lake's objects, beside its tables.
    #[must_use]
    pub const fn store(&self) -> &LakeStore {
        &self.store
    }

    /// The lake's directory; none when it lies in an object store.
    #[must_use]
    pub fn root(&self) -> Option<&Path> {
        self.store.local_root()
    }
}

/// What a decoded row costs in memory, about, bytes: its values, and what the list and the allocator add.
const fn row_bytes(sample: &Sample) -> usize {
    size_of::<(u64, Sample)>() + sample.values.len() * size_of::<Option<i64>>() + 16
}

/// Commits what waits for one stream's table; returns how many rows were offered, and what was done.
async fn commit_stream(
    context: &Context<'_>,
    name: Table,
    table: &mut StreamTable,
    dates: usize,
) -> Result<(Table, usize, Committed), IngestError> {
    let pending = &table.pending;
    let offered = pending.iter().map(|chunk| chunk.rows.len()).sum();
    let prepare = |objects: &Objects| prepare_stream(name, objects, pending, dates);
    let done = commit(context, &mut table.delta, &mut table.known, &prepare).await?;
    table.pending.clear();
    table.pending_bytes = 0;
    Ok((name, offered, done))
}
