//! Removing files that no version within the history names, and what crashes left behind.

use std::collections::{BTreeMap, HashMap, HashSet};

use deltalake::protocol::checkpoints::cleanup_expired_logs_for;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectMeta;
use object_store::path::Path;
use tournee_lake::transaction::{
    KEEP_OBJECTS, WATERMARK_DIR, app_id, object_app_id, object_dir, object_number, object_path,
};
use tournee_lake::{EXPIRED_DIR, ExpiredObject, Table};

use super::MaintainError;
use super::options::Env;
use super::table::Maintained;
use crate::error::IngestError;
use crate::fail::FailPoint;
use crate::lake_store::LakeStore;
use crate::transactions::transactions;

/// What was removed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Removed {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// How long ago, milliseconds; what lies in the future counts as now.
fn age_ms(now_us: i64, then_ms: i64) -> i64 {
    now_us.div_euclid(1_000).saturating_sub(then_ms).max(0)
}

/// Does this file leave? `tombstone` is when the log removed it.
fn leaves(env: &Env<'_>, name: &str, modified_ms: i64, tombstone: Option<i64>) -> bool {
    let (history_ms, orphan_ms) = (millis(env.options.history), millis(env.options.orphan_age));
    match tombstone {
        Some(removed_ms) => age_ms(env.now_us, removed_ms) >= history_ms,
        // Nobody names it: left behind by a crash, or about to be named by a commit under way. Or the log has forgotten when it was
        // removed, which it does only after a week.
        None => {
            (name.ends_with(".parquet") || name.ends_with(".staging")) && age_ms(env.now_us, modified_ms) >= orphan_ms
        }
    }
}

fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Removes data files of a table.
pub(crate) async fn files(env: &Env<'_>, store: &LakeStore, place: &mut Maintained) -> Result<Removed, MaintainError> {
    let mut sum = Removed::default();
    if let Some(root) = store.local_root() {
        sum.files += unfinished(env, &root.join(place.name));
    }
    let store = place.store();
    // First the list, then the log: what is committed in between is in the log, and stays.
    let listed: Vec<ObjectMeta> = store.list(None).try_collect().await.map_err(IngestError::from)?;
    place.reload().await?;
    let live = place.live_paths();
    let tombstones: HashMap<Path, i64> = place.tombstones().await?.into_iter().collect();
    let mut old = Vec::new();
    for meta in listed {
        let name = meta.location.filename().unwrap_or_default();
        let in_log = meta.location.as_ref().starts_with("_delta_log");
        // The log's own files are not ours to judge; staging files in it are.
        if live.contains(&meta.location) || (in_log && !name.ends_with(".staging")) {
            continue;
        }
        if leaves(env, name, meta.last_modified.timestamp_millis(), tombstones.get(&meta.location).copied()) {
            sum.files += 1;
            sum.bytes += meta.size;
            old.push(meta.location.clone());
        }
    }
    if old.is_empty() {
        return Ok(sum);
    }
    env.reach(FailPoint::BeforeDelete, place.name)?;
    remove(store.as_ref(), old).await?;
    Ok(sum)
}

/// Removes what a killed process left of a large file in parts, which the object store's list hides. Best effort; returns how many.
fn unfinished(env: &Env<'_>, table: &std::path::Path) -> u64 {
    let folders = std::fs::read_dir(table).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut sum = 0;
    for entry in folders.filter(|path| path.is_dir()).flat_map(std::fs::read_dir).flatten().flatten() {
        let name = entry.file_name();
        let hidden = name.to_str().and_then(|name| name.rsplit_once('#')).is_some_and(|(name, part)| {
            name.ends_with(".parquet") && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
        });
        let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let modified_ms = modified
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_millis()).ok());
        let old = modified_ms.is_some_and(|then| age_ms(env.now_us, then) >= millis(env.options.orphan_age));
        if hidden && old && std::fs::remove_file(entry.path()).is_ok() {
            sum += 1;
        }
    }
    sum
}

async fn remove(store: &dyn object_store::ObjectStore, paths: Vec<Path>) -> Result<(), MaintainError> {
    let mut results = store.delete_stream(futures::stream::iter(paths.into_iter().map(Ok)).boxed());
    while let Some(result) = results.next().await {
        match result {
            // Another maintenance was quicker.
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(IngestError::from(error).into()),
        }
    }
    Ok(())
}

/// Removes entries of the log that a checkpoint made unneeded, far behind: a worker that has not looked for an hour looks again
/// before it commits, and must still find what it missed.
pub(crate) async fn log_entries(env: &Env<'_>, place: &Maintained) -> Result<u64, MaintainError> {
    let cutoff_ms = env.now_us.div_euclid(1_000).saturating_sub(millis(env.options.log_history()));
    let removed = cleanup_expired_logs_for(place.version(), place.log().as_ref(), cutoff_ms, None)
        .await
        .map_err(|error| place.fail(error))?;
    Ok(removed as u64)
}

/// Removes watermark and expiry objects of a table that the log does not name and that are old: leftovers of crashes.
pub(crate) async fn objects(
    env: &Env<'_>,
    store: &LakeStore,
    table: Table,
    place: &mut Maintained,
) -> Result<Removed, MaintainError> {
    let mut listed = Vec::new();
    for dir in [format!("{WATERMARK_DIR}/{}", table.name()), format!("{EXPIRED_DIR}/{}", table.name())] {
        listed.extend(store.list(&dir).await.map_err(IngestError::from)?);
    }
    place.reload().await?;
    let named = transactions(place.log(), place.version(), None).await.map_err(|error| place.fail(error))?;
    let number = |id: &str| named.get(id).copied();
    let mut kept: HashSet<Path> = HashSet::new();
    // Number that the log names, by folder.
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    for shard in 0..64 {
        if let Some(n) = number(&app_id(table, shard)) {
            let hash = number(&object_app_id(table, shard)).unwrap_or_default();
            kept.insert(Path::from(object_path(table, shard, n, hash)));
            newest.insert(object_dir(table, shard), n);
        }
    }
    if let Some(n) = number(&ExpiredObject::app_id(table)) {
        let hash = number(&ExpiredObject::object_app_id(table)).unwrap_or_default();
        kept.insert(Path::from(ExpiredObject::path(table, n, hash)));
        newest.insert(ExpiredObject::dir(table), n);
    }
    let orphan_ms = millis(env.options.orphan_age);
    let mut sum = Removed::default();
    let mut old = Vec::new();
    for meta in listed {
        let path = meta.location.as_ref();
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        // Those just behind the newest are for a reader that is a little behind, whatever their age.
        let near = object_number(name)
            .zip(newest.get(dir))
            .is_some_and(|(n, newest)| n < *newest && n > newest - KEEP_OBJECTS);
        let ours = object_number(name).is_some() || name.ends_with(".staging");
        if kept.contains(&meta.location) || near || !ours {
            continue;
        }
        if age_ms(env.now_us, meta.last_modified.timestamp_millis()) >= orphan_ms {
            sum.files += 1;
            sum.bytes += meta.size;
            old.push(path.to_owned());
        }
    }
    if !old.is_empty() {
        env.reach(FailPoint::BeforeDelete, table.name())?;
        store.delete(old).await;
    }
    Ok(sum)
}
