//! One commit, exactly once: the recipe of `tournee_lake::transaction`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use deltalake::kernel::Transaction;
use sha2::{Digest as _, Sha256};
use tournee_lake::transaction::{
    KEEP_OBJECTS, app_id, hash_version, object_app_id, object_dir, object_number, object_path,
};
use tournee_lake::{Table, WatermarkObject};

use crate::delta::{CommitError, Delta};
use crate::error::IngestError;
use crate::fail::{FailPoint, Hook};
use crate::store::put_file;

/// The state of each shard of a table, as of the last commit that this process knows.
pub(crate) type Objects = BTreeMap<u8, WatermarkObject>;

/// What this process knows of a table beside the log.
pub(crate) struct Known {
    pub(crate) objects: Objects,
    /// A commit of ours whose outcome was not learnt yet.
    attempt: Option<Attempt>,
}

impl Known {
    pub(crate) const fn new(objects: Objects) -> Self {
        Self { objects, attempt: None }
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

/// A second worker on the same shards is a mistake of the operator; it must not loop for ever.
const ATTEMPTS: u32 = 8;

/// Where objects lie, and what a test wants to break.
pub(crate) struct Context<'a> {
    pub(crate) root: &'a Path,
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
fn object_hash(bytes: &[u8]) -> i64 {
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
        let mut adds = Vec::with_capacity(prepared.files.len());
        for (day, batch) in &prepared.files {
            adds.push(delta.write(*day, batch, context.now_us).await?);
        }
        context.reach(FailPoint::BeforeObject, table)?;
        let (next, hashes) = write_objects(context.root, table, &known.objects, prepared.next).await?;
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
                for (shard, n) in numbers {
                    prune(context.root, table, shard, n).await;
                }
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
    root: &Path,
    table: Table,
    objects: &Objects,
    mut next: Objects,
) -> Result<(Objects, BTreeMap<u8, i64>), IngestError> {
    let mut hashes = BTreeMap::new();
    let mut writes: Vec<(PathBuf, Vec<u8>)> = Vec::with_capacity(next.len());
    for (shard, object) in &mut next {
        object.n = objects.get(shard).map_or(0, |known| known.n) + 1;
        object.nonce = rand::random();
        let unreadable = |source| IngestError::Watermark { path: object_dir(table, *shard), source };
        let bytes = object.to_json().map_err(unreadable)?;
        let hash = object_hash(&bytes);
        hashes.insert(*shard, hash);
        writes.push((root.join(object_path(table, *shard, object.n, hash)), bytes));
    }
    let root = root.to_path_buf();
    let written = tokio::task::spawn_blocking(move || {
        for (path, bytes) in writes {
            put_file(&path, &[bytes.into()], true)?;
        }
        Ok(())
    });
    match written.await {
        Ok(Ok(())) => Ok((next, hashes)),
        Ok(Err(source)) => Err(IngestError::Root { path: root, source }),
        Err(error) => Err(IngestError::Root { path: root, source: std::io::Error::other(error) }),
    }
}

/// Brings the log and the objects of *all* owned shards up to date, and says what was new. All, not only those of this
/// commit: what is skipped here would be behind the version that this process then builds on, and nothing would conflict
/// any more.
async fn refresh(context: &Context<'_>, delta: &mut Delta, known: &mut Known) -> Result<Refreshed, IngestError> {
    delta.reload().await?;
    context.reach(FailPoint::Reload, delta.table)?;
    let mut changed = Objects::new();
    for shard in shards_with_objects(context.root, delta.table) {
        if !context.shards.contains(&shard) {
            continue;
        }
        let Some(found) = load(context.root, delta, shard).await? else { continue };
        if known.objects.get(&shard) != Some(&found) {
            changed.insert(shard, found);
        }
    }
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

/// The state of a shard as the log names it; `None` before its first commit.
pub(crate) async fn load(root: &Path, delta: &Delta, shard: u8) -> Result<Option<WatermarkObject>, IngestError> {
    let table = delta.table;
    let Some(hash) = delta.transaction(&object_app_id(table, shard)).await? else { return Ok(None) };
    let missing = IngestError::WatermarkMissing { table: table.name(), shard, hash };
    let suffix = format!("-{hash:016x}.json");
    let dir = root.join(object_dir(table, shard));
    let Some(name) = object_names(&dir).into_iter().find(|name| name.ends_with(&suffix)) else { return Err(missing) };
    let path = dir.join(&name);
    let Ok(bytes) = tokio::fs::read(&path).await else { return Err(missing) };
    if object_hash(&bytes) != hash {
        return Err(missing);
    }
    let object = WatermarkObject::from_json(&bytes)
        .map_err(|source| IngestError::Watermark { path: path.display().to_string(), source })?;
    Ok(Some(object))
}

/// The shards of `table` that have ever had an object: all others need no look into the log.
pub(crate) fn shards_with_objects(root: &Path, table: Table) -> Vec<u8> {
    (0..64).filter(|shard| root.join(object_dir(table, *shard)).is_dir()).collect()
}

fn object_names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| object_number(name).is_some())
        .collect()
}

/// Removes objects well behind commit `n`. Best effort.
async fn prune(root: &Path, table: Table, shard: u8, n: i64) {
    let dir = root.join(object_dir(table, shard));
    let work = move || {
        for name in object_names(&dir) {
            if object_number(&name).is_some_and(|number| number <= n - KEEP_OBJECTS) {
                let _ = std::fs::remove_file(dir.join(name));
            }
        }
    };
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::debug!(%error, "pruning of watermark objects did not run");
    }
}
