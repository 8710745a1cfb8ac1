//! The application transactions of a table, all of them in one pass over its log.
//!
//! The kernel answers for one id at a time, by reading the log back to its last checkpoint: for 64 shards that is 64 times the
//! same files, from an object store thousands of requests at every start.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use deltalake::DeltaTableError;
use deltalake::logstore::LogStoreRef;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Version of each application id.
pub(crate) type Transactions = BTreeMap<String, i64>;

/// Log entries that are read at the same time.
const AT_ONCE: usize = 16;
/// More entries than this between two looks: from the last checkpoint it is less to read.
const CATCH_UP: u64 = 200;

/// The transactions as of `version`. `known` are those of an earlier version, if any: then only the entries since are read.
///
/// # Errors
/// When the log cannot be read, or is not whole.
pub(crate) async fn transactions(
    log: &LogStoreRef,
    version: u64,
    known: Option<(u64, &Transactions)>,
) -> Result<Transactions, DeltaTableError> {
    if let Some((since, known)) = known
        && since <= version
        && version - since <= CATCH_UP
    {
        let mut found = known.clone();
        // Entries may have been cleaned away in the meantime; then there is a checkpoint above them.
        if read_entries(log, since + 1, version, &mut found).await? {
            return Ok(found);
        }
    }
    let mut found = Transactions::new();
    let first = match newest_checkpoint(log, version).await? {
        Some(checkpoint) => {
            read_checkpoint(log, checkpoint, &mut found).await?;
            checkpoint + 1
        }
        None => 0,
    };
    if read_entries(log, first, version, &mut found).await? {
        return Ok(found);
    }
    Err(DeltaTableError::Generic(format!(
        "the log is not whole between version {first} and {version}: restore `_delta_log` from a copy of the lake"
    )))
}

/// Adds what the entries from `first` to `last` say; false when one is not there.
async fn read_entries(
    log: &LogStoreRef,
    first: u64,
    last: u64,
    found: &mut Transactions,
) -> Result<bool, DeltaTableError> {
    let mut entries = futures::stream::iter(first..=last)
        .map(|version| async move { log.read_commit_entry(version).await })
        .buffered(AT_ONCE);
    while let Some(entry) = entries.try_next().await? {
        let Some(entry) = entry else { return Ok(false) };
        for line in entry.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"txn\"")) {
            let action: serde_json::Value = serde_json::from_slice(line)?;
            let txn = action.get("txn");
            let id = txn.and_then(|txn| txn.get("appId")).and_then(serde_json::Value::as_str);
            let version = txn.and_then(|txn| txn.get("version")).and_then(serde_json::Value::as_i64);
            if let (Some(id), Some(version)) = (id, version) {
                found.insert(id.to_owned(), version);
            }
        }
    }
    Ok(true)
}

/// The newest checkpoint of one file at or below `version`. Those of several parts, which others may write, are passed over: the
/// entries since an earlier one say the same.
async fn newest_checkpoint(log: &LogStoreRef, version: u64) -> Result<Option<u64>, DeltaTableError> {
    let store = log.object_store(None);
    let folder = Path::from("_delta_log");
    let hint = match store.get(&folder.clone().join("_last_checkpoint")).await {
        Ok(found) => serde_json::from_slice::<serde_json::Value>(&found.bytes().await?)
            .ok()
            .filter(|hint| hint.get("parts").is_none_or(serde_json::Value::is_null))
            .and_then(|hint| hint.get("version")?.as_u64()),
        Err(object_store::Error::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(hint) = hint.filter(|hint| *hint <= version)
        && store.head(&checkpoint_path(hint)).await.is_ok()
    {
        return Ok(Some(hint));
    }
    let mut newest = None;
    let mut listed = store.list(Some(&folder));
    while let Some(entry) = listed.try_next().await? {
        let found = entry.location.filename().and_then(|name| name.strip_suffix(".checkpoint.parquet")?.parse().ok());
        if let Some(found) = found.filter(|found| *found <= version) {
            newest = newest.max(Some(found));
        }
    }
    Ok(newest)
}

fn checkpoint_path(version: u64) -> Path {
    Path::from("_delta_log").join(format!("{version:020}.checkpoint.parquet"))
}

async fn read_checkpoint(log: &LogStoreRef, version: u64, found: &mut Transactions) -> Result<(), DeltaTableError> {
    let bytes = log.object_store(None).get(&checkpoint_path(version)).await?.bytes().await?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["txn"]);
    for batch in builder.with_projection(mask).build()? {
        note_batch(&batch?, found);
    }
    Ok(())
}

fn note_batch(batch: &RecordBatch, found: &mut Transactions) {
    let Some(txns) = batch.column_by_name("txn").and_then(|column| column.as_struct_opt()) else { return };
    let ids = txns.column_by_name("appId").and_then(|column| column.as_string_opt::<i32>());
    let versions = txns.column_by_name("version").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(ids), Some(versions)) = (ids, versions) else { return };
    for (at, (id, version)) in ids.iter().zip(versions).enumerate() {
        if let (Some(id), Some(version), true) = (id, version, txns.is_valid(at)) {
            found.insert(id.to_owned(), version);
        }
    }
}
