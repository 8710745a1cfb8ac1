//! One commit, exactly once: the recipe of `tournee_lake::transaction`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use arrow::array::RecordBatch;
use deltalake::kernel::Transaction;
use futures::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use tournee_lake::transaction::{
    KEEP_OBJECTS, WATERMARK_DIR, app_id, hash_version, object_app_id, object_dir, object_number, object_path,
};
use tournee_lake::{Table, WatermarkObject};

use crate::delta::{CommitError, Delta};
use crate::error::IngestError;
use crate::fail::{FailPoint, Hook};
use crate::lake_store::LakeStore;

/// The state of each shard of a table, as of the last commit that this process knows.
pub(crate) type Objects = BTreeMap<u8, WatermarkObject>;

/// What this process knows of a table beside the log.
pub(crate) struct Known {
    pub(crate) objects: Objects,
    /// The names of all objects of these shards, leftovers included, as far as this process saw them.
    names: Names,
    /// A commit of ours whose outcome was not learnt yet.
    attempt: Option<Attempt>,
}

/// Names of objects per shard, relative to the lake's root.
type Names = BTreeMap<u8, BTreeSet<String>>;

/// Watermark objects that are read or written at the same time.
const AT_ONCE: usize = 16;

impl Known {
    /// Reads the objects of `shards` that the log names.
    pub(crate) async fn load(
        store: &LakeStore,
        delta: &Delta,
        shards: &RangeInclusive<u8>,
    ) -> Result<Self, IngestError> {
        let names = list_objects(store, delta.table).await?;
        let objects = load_all(store, delta, &names, shards).await?;
        Ok(Self { objects, names, attempt: None })
    }

    /// Removes objects well behind those of the last commit of these shards. Best effort.
    async fn prune(&mut self, store: &LakeStore, shards: &[(u8, i64)]) {
        let mut old = Vec::new();
        for (shard, n) in shards {
            let Some(names) = self.names.get_mut(shard) else { continue };
            let number = |name: &str| name.rsplit('/').next().and_then(object_number);
            old.extend(names.extract_if(.., |name| number(name).is_some_and(|number| number <= n - KEEP_OBJECTS)));
        }
        if !old.is_empty() {
            store.delete(old).await;
        }
    }
}

/// What a commit tried to write.
struct Attempt {
    objects: Objects,
    rows: usize,
    clamped: usize,
}

/// What a look into the log brought.
#[derive(Clone, Copy)]
enum Refreshed {
    /// Nothing new.
    Same,
    /// The last attempt had landed after all.
    Landed { rows: usize, clamped: usize },
    /// Another worker had moved a shard.
    Moved,
}

/// What a commit is to write: made anew after each conflict, from the then known state.
pub(crate) struct Prepared {
    /// Partition day and rows.
    pub(crate) files: Vec<(i32, RecordBatch)>,
    /// The next state of each touched shard, `n` not yet set.
    pub(crate) next: Objects,
    /// Rows in `files`.
    pub(crate) rows: usize,
    /// Of these, rows under another date than that of their event.
    pub(crate) clamped: usize,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Committed {
    /// Rows written by this process.
    pub(crate) rows: usize,
    /// Of these, rows under another date than that of their event.
    pub(crate) clamped: usize,
    /// Another worker had moved the shards in between.
    pub(crate) conflicts: u32,
}

impl Committed {
    fn note(&mut self, found: Refreshed, table: Table) {
        match found {
            Refreshed::Same => {}
            Refreshed::Landed { rows, clamped } => {
                self.rows += rows;
                self.clamped += clamped;
            }
            Refreshed::Moved => {
                self.conflicts += 1;
                tracing::warn!(table = table.name(), "another worker moved shards of this one; checking again");
            }
        }
    }
}

/// Parquet files of one commit that are written at the same time: one for each date.
const FILES_AT_ONCE: usize = 4;

/// A second worker on the same shards is a mistake of the operator; it must not loop for ever.
const ATTEMPTS: u32 = 8;

/// Where objects lie, and what a test wants to break.
pub(crate) struct Context<'a> {
    pub(crate) store: &'a LakeStore,
    /// Shards that this worker owns.
    pub(crate) shards: &'a RangeInclusive<u8>,
    pub(crate) hook: Option<&'a Hook>,
    pub(crate) now_us: i64,
}

impl Context<'_> {
    fn reach(&self, point: FailPoint, table: Table) -> Result<(), IngestError> {
        match self.hook {
            Some(hook) if hook(point, table) => Err(IngestError::Injected(point)),
            _ => Ok(()),
        }
    }
}

/// The hash that names an object.
pub(crate) fn object_hash(bytes: &[u8]) -> i64 {
    let digest = Sha256::digest(bytes);
    let mut head = [0_u8; 8];
    for (to, from) in head.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    hash_version(head)
}

/// Commits what `prepare` makes of the known state; nothing when it makes nothing. After an error, or when the future was
/// dropped, calling it again is safe: the log and the objects are then read first.
pub(crate) async fn commit(
    context: &Context<'_>,
    delta: &mut Delta,
    known: &mut Known,
    prepare: &(dyn Fn(&Objects) -> Result<Prepared, IngestError> + Send + Sync),
) -> Result<Committed, IngestError> {
    let table = delta.table;
    let mut done = Committed::default();
    for _ in 0..ATTEMPTS {
        if delta.is_stale() {
            let found = refresh(context, delta, known).await?;
            done.note(found, table);
        }
        let prepared = prepare(&known.objects)?;
        if prepared.next.is_empty() {
            return Ok(done);
        }
        context.reach(FailPoint::BeforeParquet, table)?;
        let mut writes = Vec::with_capacity(prepared.files.len());
        for (day, batch) in &prepared.files {
            writes.push(delta.write(*day, batch, context.now_us));
        }
        let adds: Vec<_> = futures::stream::iter(writes).buffered(FILES_AT_ONCE).try_collect().await?;
        context.reach(FailPoint::BeforeObject, table)?;
        let (next, hashes) = write_objects(context.store, table, known, prepared.next).await?;
        let mut transactions = Vec::with_capacity(2 * next.len());
        for (shard, object) in &next {
            let hash = hashes.get(shard).copied().unwrap_or_default();
            let updated_ms = Some(context.now_us.div_euclid(1_000));
            transactions.push(Transaction::new_with_last_update(app_id(table, *shard), object.n, updated_ms));
            transactions.push(Transaction::new_with_last_update(object_app_id(table, *shard), hash, updated_ms));
        }
        context.reach(FailPoint::BeforeCommit, table)?;
        let owned = context.shards.clone().map(|shard| app_id(table, shard)).collect();
        known.attempt = Some(Attempt { objects: next.clone(), rows: prepared.rows, clamped: prepared.clamped });
        let outcome = delta.commit(adds.clone(), transactions, &owned).await;
        context.reach(FailPoint::AfterCommit, table)?;
        match outcome {
            Ok(()) => {
                known.attempt = None;
                let numbers: Vec<(u8, i64)> = next.iter().map(|(shard, object)| (*shard, object.n)).collect();
                known.objects.extend(next);
                delta.settle();
                known.prune(context.store, &numbers).await;
                done.rows += prepared.rows;
                done.clamped += prepared.clamped;
                return Ok(done);
            }
            Err(CommitError::Moved) => {
                known.attempt = None;
                delta.discard(&adds).await;
                let found = refresh(context, delta, known).await?;
                done.note(found, table);
            }
            // Refused, or landed without our learning it: only the log knows. Its files stay, for it may name them.
            Err(CommitError::Delta(error)) => match refresh(context, delta, known).await? {
                Refreshed::Same => return Err(IngestError::delta(table, error)),
                found => done.note(found, table),
            },
        }
    }
    Err(IngestError::Contended { table: table.name() })
}

/// Writes the objects of a commit, durable when this returns; gives them their `n` and returns their hashes.
async fn write_objects(
    store: &LakeStore,
    table: Table,
    known: &mut Known,
    mut next: Objects,
) -> Result<(Objects, BTreeMap<u8, i64>), IngestError> {
    let mut hashes = BTreeMap::new();
    let mut writes: Vec<(String, bytes::Bytes)> = Vec::with_capacity(next.len());
    for (shard, object) in &mut next {
        object.n = known.objects.get(shard).map_or(0, |known| known.n) + 1;
        object.nonce = rand::random();
        let unreadable = |source| IngestError::Watermark { path: object_dir(table, *shard), source };
        let bytes = object.to_json().map_err(unreadable)?;
        let hash = object_hash(&bytes);
        hashes.insert(*shard, hash);
        let name = object_path(table, *shard, object.n, hash);
        known.names.entry(*shard).or_default().insert(name.clone());
        writes.push((name, bytes.into()));
    }
    // A name that is taken holds these very bytes: their hash is in it. Then an earlier try's answer was lost.
    let mut puts = Vec::with_capacity(writes.len());
    for (name, bytes) in &writes {
        puts.push(store.put_new(name, bytes.clone()));
    }
    futures::stream::iter(puts).buffered(AT_ONCE).try_collect::<Vec<bool>>().await?;
    Ok((next, hashes))
}

/// Brings the log and the objects of *all* owned shards up to date, and says what was new. All, not only those of this
/// commit: what is skipped here would be behind the version that this process then builds on, and nothing would conflict
/// any more.
async fn refresh(context: &Context<'_>, delta: &mut Delta, known: &mut Known) -> Result<Refreshed, IngestError> {
    delta.reload().await?;
    context.reach(FailPoint::Reload, delta.table)?;
    known.names = list_objects(context.store, delta.table).await?;
    let mut changed = load_all(context.store, delta, &known.names, context.shards).await?;
    changed.retain(|shard, found| known.objects.get(shard) != Some(found));
    // Its nonce tells our object from one that another worker made for the same rows.
    let found = match known.attempt.take() {
        _ if changed.is_empty() => Refreshed::Same,
        Some(attempt) if attempt.objects == changed => {
            Refreshed::Landed { rows: attempt.rows, clamped: attempt.clamped }
        }
        _ => Refreshed::Moved,
    };
    known.objects.extend(changed);
    delta.settle();
    Ok(found)
}

/// The state of every shard of `shards` as the log names it.
async fn load_all(
    store: &LakeStore,
    delta: &Delta,
    names: &Names,
    shards: &RangeInclusive<u8>,
) -> Result<Objects, IngestError> {
    let mut loads = Vec::new();
    for shard in shards.clone() {
        loads.push(load(store, delta, names, shard));
    }
    let found: Vec<Option<WatermarkObject>> = futures::stream::iter(loads).buffered(AT_ONCE).try_collect().await?;
    Ok(shards.clone().zip(found).filter_map(|(shard, object)| Some((shard, object?))).collect())
}

/// The state of a shard as the log names it; `None` before its first commit.
async fn load(
    store: &LakeStore,
    delta: &Delta,
    names: &Names,
    shard: u8,
) -> Result<Option<WatermarkObject>, IngestError> {
    let table = delta.table;
    let Some(hash) = delta.transaction(&object_app_id(table, shard)) else { return Ok(None) };
    let missing = || IngestError::WatermarkMissing { table: table.name(), shard, hash };
    let suffix = format!("-{hash:016x}.json");
    let name = names.get(&shard).and_then(|names| names.iter().find(|name| name.ends_with(&suffix)));
    let name = name.ok_or_else(missing)?;
    let bytes = store.get(name).await?.ok_or_else(missing)?;
    if object_hash(&bytes) != hash {
        return Err(missing());
    }
    let object =
        WatermarkObject::from_json(&bytes).map_err(|source| IngestError::Watermark { path: name.clone(), source })?;
    Ok(Some(object))
}

/// The names of the objects of a table, in one listing.
async fn list_objects(store: &LakeStore, table: Table) -> Result<Names, IngestError> {
    let mut names = Names::new();
    for object in store.list(&format!("{WATERMARK_DIR}/{}", table.name())).await? {
        let name = object.location.as_ref();
        let mut parts = name.rsplit('/');
        let (file, shard) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if let (Some(_), Ok(shard)) = (object_number(file), shard.parse()) {
            names.entry(shard).or_default().insert(name.to_owned());
        }
    }
    Ok(names)
}
