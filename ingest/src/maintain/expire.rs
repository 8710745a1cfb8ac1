//! Retention: dates of raw tables that have stayed long enough leave, and what left stays provable.

use std::collections::BTreeMap;

use bytes::Bytes;
use deltalake::kernel::Transaction;
use deltalake::protocol::DeltaOperation;
use tournee_lake::transaction::{KEEP_OBJECTS, object_number};
use tournee_lake::{ExpiredObject, Series, Table};

use super::MaintainError;
use super::options::Env;
use super::table::{LiveFile, Maintained, NotCommitted};
use crate::check::identity::{SeriesSets, Unread, read};
use crate::commit::object_hash;
use crate::error::IngestError;
use crate::fail::FailPoint;
use crate::lake_store::LakeStore;

/// Two maintenances at once take each other's dates; one of them is done soon.
const ATTEMPTS: u32 = 16;

/// Days since 1970 of `YYYY-MM-DD`.
pub(crate) fn day_number(date: &str) -> Option<i32> {
    let date = chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let days = date.signed_duration_since(chrono::NaiveDate::from_ymd_opt(1970, 1, 1)?).num_days();
    i32::try_from(days).ok()
}

/// Removes the dates before `first_kept_day`, oldest first, a commit each; returns the rows that left.
pub(crate) async fn expire(
    env: &Env<'_>,
    store: &LakeStore,
    table: Table,
    place: &mut Maintained,
    first_kept_day: i32,
) -> Result<u64, MaintainError> {
    let mut rows = 0;
    let mut attempts = 0;
    while attempts < ATTEMPTS {
        env.go_on()?;
        let mut dates: BTreeMap<i32, Vec<LiveFile>> = BTreeMap::new();
        for file in place.files() {
            if let Some(day) = day_number(&file.partition).filter(|day| *day < first_kept_day) {
                dates.entry(day).or_default().push(file);
            }
        }
        let Some(files) = dates.into_values().next() else { return Ok(rows) };
        match expire_date(env, store, table, place, &files).await? {
            Some(left) => rows += left,
            None => attempts += 1,
        }
        place.reload().await?;
    }
    Err(MaintainError::Contended { table: table.name() })
}

/// Removes the files of one date. `None`: another maintenance was quicker, nothing changed.
async fn expire_date(
    env: &Env<'_>,
    store: &LakeStore,
    table: Table,
    place: &Maintained,
    files: &[LiveFile],
) -> Result<Option<u64>, MaintainError> {
    env.reach(FailPoint::BeforeRewrite, table.name())?;
    let mut object = load(store, table, place).await?;
    let left = add(&mut object, table, place, files).await?;
    object.n += 1;
    object.nonce = rand::random();
    let unreadable = |source| IngestError::Watermark { path: ExpiredObject::dir(table), source };
    let bytes = object.to_json().map_err(unreadable)?;
    let hash = object_hash(&bytes);
    store.put_new(&ExpiredObject::path(table, object.n, hash), Bytes::from(bytes)).await.map_err(IngestError::from)?;
    let updated_ms = Some(env.now_us.div_euclid(1_000));
    let transactions = vec![
        Transaction::new_with_last_update(ExpiredObject::app_id(table), object.n, updated_ms),
        Transaction::new_with_last_update(ExpiredObject::object_app_id(table), hash, updated_ms),
    ];
    let removes = files.iter().map(|file| env.removal(&file.remove, true)).collect();
    let date = files.first().map_or("", |file| file.partition.as_str());
    let operation = DeltaOperation::Delete { predicate: Some(format!("date = '{date}'")) };
    env.reach(FailPoint::BeforeRewriteCommit, table.name())?;
    match place.replace(removes, Vec::new(), transactions, operation).await {
        Ok(_) => {
            env.reach(FailPoint::AfterRewriteCommit, table.name())?;
            prune(store, table, object.n).await;
            Ok(Some(left))
        }
        Err(NotCommitted::Moved) => Ok(None),
        // Only the log knows. If it has the commit, the next look at the files shows it; if not, the next attempt is a new one.
        Err(NotCommitted::Unknown(error)) => {
            tracing::warn!(table = table.name(), %error, "retention: outcome unknown, looking again");
            Ok(None)
        }
    }
}

/// What left so far, as the log names it.
async fn load(store: &LakeStore, table: Table, place: &Maintained) -> Result<ExpiredObject, MaintainError> {
    let Some(n) = place.transaction(&ExpiredObject::app_id(table)).await? else {
        return Ok(ExpiredObject::empty(table));
    };
    let hash = place.transaction(&ExpiredObject::object_app_id(table)).await?.unwrap_or_default();
    let path = ExpiredObject::path(table, n, hash);
    let bytes = store.get(&path).await.map_err(IngestError::from)?.filter(|bytes| object_hash(bytes) == hash);
    let Some(bytes) = bytes else { return Err(MaintainError::Object { path }) };
    Ok(ExpiredObject::from_json(&bytes).map_err(|source| IngestError::Watermark { path, source })?)
}

/// Adds the rows of some files to what left; returns how many.
async fn add(
    object: &mut ExpiredObject,
    table: Table,
    place: &Maintained,
    files: &[LiveFile],
) -> Result<u64, MaintainError> {
    let mut sets = SeriesSets::default();
    let mut sum = 0;
    for file in files {
        let covered = &mut object.covered;
        let rows = read(table, place, file, |identity| {
            let Some(identity) = identity else { return };
            if let Some(seq) = identity.seq {
                sets.insert(identity.box_id, identity.epoch, seq);
            }
            if let Some((stream, first, last)) = identity.lost {
                let series = Series { box_id: identity.box_id.to_owned(), stream, epoch: identity.epoch };
                covered.entry(&series).insert_range(first, last);
            }
        });
        let rows = rows.await.map_err(|unread| match unread {
            Unread::Failed(error) => MaintainError::Ingest(error),
            Unread::Missing => MaintainError::File { path: file.path.to_string(), reason: "it is missing".to_owned() },
            Unread::Broken(reason) => MaintainError::File { path: file.path.to_string(), reason },
        })?;
        object.note_day(&file.partition, rows);
        sum += rows;
    }
    for (series, set, _) in sets.into_series(table) {
        object.stored.entry(&series).union_with(&set);
    }
    Ok(sum)
}

/// Removes objects well behind number `n`. Best effort.
async fn prune(store: &LakeStore, table: Table, n: i64) {
    let dir = ExpiredObject::dir(table);
    let Ok(found) = store.list(&dir).await else { return };
    let old = found.iter().filter(|meta| {
        let number = meta.location.filename().and_then(object_number);
        number.is_some_and(|number| number <= n - KEEP_OBJECTS)
    });
    store.delete(old.map(|meta| meta.location.to_string()).collect()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_the_partition_writes_them() {
        assert_eq!(day_number("1970-01-02"), Some(1));
        assert_eq!(day_number("2026-01-15"), Some(20_468));
        assert_eq!(day_number(""), None);
        assert_eq!(day_number("__HIVE_DEFAULT_PARTITION__"), None);
    }
}
