//! One Delta table: its log, the snapshot that this process knows, files and commits.

use std::collections::{HashMap, HashSet};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::{CommitData, PROTOCOL, TransactionError};
use deltalake::kernel::{Action, Add, StructType, Transaction};
use deltalake::logstore::{CommitOrBytes, LogStoreRef};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::checkpoints::create_checkpoint;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError, ensure_table_uri};
use object_store::path::Path;
use object_store::{DynObjectStore, ObjectStoreExt as _};
use tournee_lake::Table;

use crate::error::IngestError;
use crate::parquet_file;
use crate::store::sync_table;

/// An open table.
pub(crate) struct Delta {
    pub(crate) table: Table,
    lake_root: PathBuf,
    log: LogStoreRef,
    /// The snapshot of the last [`Delta::open`] or [`Delta::reload`]; commits since then are not in it.
    state: DeltaTableState,
    /// The newest version that this process knows.
    version: u64,
    known_at: Instant,
    /// `version` may be ahead of the watermark objects that the caller holds: set before anything moves it, cleared by
    /// [`Delta::settle`]. Committing in that state would find the next version free and store the same rows again.
    must_refresh: bool,
}

impl Delta {
    /// Opens the table under `lake_root`, creating it when absent.
    pub(crate) async fn open(
        lake_root: &FsPath,
        store: Arc<DynObjectStore>,
        table: Table,
    ) -> Result<Self, IngestError> {
        let fail = |source| IngestError::delta(table, source);
        let log = Self::log_store(lake_root, store, table).map_err(fail)?;
        if !log.is_delta_table_location().await.map_err(fail)? {
            let schema: StructType = table.schema().try_into_kernel()?;
            let created = CreateBuilder::new()
                .with_log_store(log.clone())
                .with_table_name(table.name())
                .with_comment(table.comment())
                .with_columns(schema.fields().cloned())
                .with_partition_columns(table.partition_columns().iter().copied())
                .with_save_mode(SaveMode::Ignore)
                .await;
            // Another worker may have created it in between: then it can be loaded all the same.
            if let Err(error) = created
                && !log.is_delta_table_location().await.map_err(fail)?
            {
                return Err(fail(error));
            }
        }
        let state = DeltaTableState::try_new(log.as_ref(), None).await.map_err(fail)?;
        let delta = Self::new(lake_root, table, log, state);
        delta.sync().await?;
        delta.check_schema()?;
        Ok(delta)
    }

    /// Opens an existing table for reading; `None` when it is not there.
    pub(crate) async fn open_existing(
        lake_root: &FsPath,
        store: Arc<DynObjectStore>,
        table: Table,
    ) -> Result<Option<Self>, IngestError> {
        let fail = |source| IngestError::delta(table, source);
        if !table.path(lake_root).join("_delta_log").is_dir() {
            return Ok(None);
        }
        let log = Self::log_store(lake_root, store, table).map_err(fail)?;
        let state = DeltaTableState::try_new(log.as_ref(), None).await.map_err(fail)?;
        Ok(Some(Self::new(lake_root, table, log, state)))
    }

    fn new(lake_root: &FsPath, table: Table, log: LogStoreRef, state: DeltaTableState) -> Self {
        let version = state.version();
        Self {
            table,
            lake_root: lake_root.to_path_buf(),
            log,
            state,
            version,
            known_at: Instant::now(),
            must_refresh: false,
        }
    }

    fn log_store(lake_root: &FsPath, store: Arc<DynObjectStore>, table: Table) -> Result<LogStoreRef, DeltaTableError> {
        let path = table.path(lake_root);
        let url = ensure_table_uri(path.to_string_lossy())?;
        DeltaTableBuilder::from_url(url.clone())?.with_storage_backend(store, url).build_storage()
    }

    /// May this program write the table? Readers find columns by name; a table that lacks one was written by another version.
    fn check_schema(&self) -> Result<(), IngestError> {
        let wanted: StructType = self.table.schema().try_into_kernel()?;
        PROTOCOL.can_write_to(&self.state).map_err(|error| IngestError::delta(self.table, error.into()))?;
        let found = self.state.schema();
        for column in self.table.columns() {
            let same = match (wanted.field(column.name), found.field(column.name)) {
                (Some(wanted), Some(found)) => wanted.data_type() == found.data_type(),
                _ => false,
            };
            if !same {
                return Err(IngestError::Schema { table: self.table.name(), column: column.name });
            }
        }
        Ok(())
    }

    /// The newest version that this process knows.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Brings the snapshot up to the log, and checks again that the table can be written. Afterwards the table is stale
    /// until [`Delta::settle`].
    pub(crate) async fn reload(&mut self) -> Result<(), IngestError> {
        self.must_refresh = true;
        let log = self.log.clone();
        self.state.update(log.as_ref(), None).await.map_err(|source| IngestError::delta(self.table, source))?;
        self.version = self.state.version();
        self.known_at = Instant::now();
        self.sync().await?;
        self.check_schema()
    }

    /// Makes what was read of the log last, before anything is built on it or acknowledged.
    async fn sync(&self) -> Result<(), IngestError> {
        let path = self.table.path(&self.lake_root);
        sync_table(&self.lake_root, &path).await.map_err(|source| IngestError::Root { path, source })
    }

    /// The version of an application transaction as of the last reload.
    pub(crate) async fn transaction(&self, app_id: &str) -> Result<Option<i64>, IngestError> {
        self.state
            .transaction_version(self.log.as_ref(), app_id)
            .await
            .map_err(|source| IngestError::delta(self.table, source))
    }

    /// Paths of the data files as of the last reload, relative to the table.
    pub(crate) fn files(&self) -> Vec<Path> {
        self.state.log_data().iter().map(|file| file.object_store_path()).collect()
    }

    /// Writes one Parquet file per partition, durable when this returns. `day` is days since 1970.
    pub(crate) async fn write(&self, day: i32, batch: &RecordBatch, now_us: i64) -> Result<Add, IngestError> {
        let date = arrow::temporal_conversions::date32_to_datetime(day)
            .map_or_else(|| "1970-01-01".to_owned(), |date| date.format("%Y-%m-%d").to_string());
        let bytes = parquet_file::to_bytes(self.table, batch)?;
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let name = format!("date={date}/part-{:032x}.zstd.parquet", rand::random::<u128>());
        self.log.object_store(None).put(&Path::from(name.as_str()), bytes.into()).await?;
        Ok(Add {
            path: name,
            partition_values: HashMap::from([("date".to_owned(), Some(date))]),
            size,
            modification_time: now_us.div_euclid(1_000),
            data_change: true,
            stats: Some(parquet_file::statistics(batch)),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    }

    /// Removes files of a commit that is known not to have landed. Best effort: an orphan costs space, nothing else.
    pub(crate) async fn discard(&self, adds: &[Add]) {
        let store = self.log.object_store(None);
        for add in adds {
            if let Err(error) = store.delete(&Path::from(add.path.as_str())).await {
                tracing::debug!(path = add.path, %error, "orphan file stays");
            }
        }
    }

    /// Commits on top of the version that this process knows.
    ///
    /// Written by hand instead of with `CommitBuilder`, which replays the log into a snapshot of every live file before
    /// and after each commit (40 ms of CPU with our build profile and growing with the files; this takes the time of two
    /// flushes). The log store's put-if-absent is what makes a commit atomic; who finds the version taken reads what took it.
    ///
    /// `owned` are the transaction ids that nobody else should use, whether or not this commit does.
    ///
    /// Whatever the outcome, and also when the future is dropped, the table is stale until [`Delta::settle`].
    ///
    /// # Errors
    /// [`CommitError::Moved`] when another commit used one of them, or changed the table itself: nothing of this one is in
    /// the log. [`CommitError::Delta`] when the outcome is unknown.
    pub(crate) async fn commit(
        &mut self,
        adds: Vec<Add>,
        transactions: Vec<Transaction>,
        owned: &HashSet<String>,
    ) -> Result<(), CommitError> {
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(self.table.partition_columns().iter().map(|name| (*name).to_owned()).collect()),
            predicate: None,
        };
        let actions = adds.into_iter().map(Action::Add).collect();
        let bytes = CommitData::new(actions, operation, HashMap::new(), transactions)
            .get_bytes()
            .map_err(|error| CommitError::Delta(error.into()))?;
        self.must_refresh = true;
        for _ in 0..REBASES {
            let next = self.version + 1;
            let entry = CommitOrBytes::LogBytes(bytes.clone());
            match self.log.write_commit_entry(next, entry, Default::default()).await {
                Ok(()) => {
                    self.version = next;
                    self.known_at = Instant::now();
                    self.checkpoint_if_due().await;
                    return Ok(());
                }
                Err(TransactionError::VersionAlreadyExists(_)) => {
                    let taken = self.log.read_commit_entry(next).await.map_err(CommitError::Delta)?;
                    if taken.is_none_or(|taken| moves(&taken, owned)) {
                        return Err(CommitError::Moved);
                    }
                    self.version = next;
                }
                Err(error) => return Err(CommitError::Delta(error.into())),
            }
        }
        Err(CommitError::Moved)
    }

    /// The caller's watermark objects are those of the version that is known here.
    pub(crate) const fn settle(&mut self) {
        self.must_refresh = false;
    }

    /// Must the log and the watermark objects be read again before a commit? Either the last attempt ended between the
    /// two, or this process has not looked at the log for so long that entries may have been cleaned away above the version
    /// it knows: then "the next version is free" would not mean that nobody committed.
    pub(crate) fn is_stale(&self) -> bool {
        self.must_refresh || self.known_at.elapsed() > STALE_AFTER
    }

    /// A checkpoint every so many commits keeps opening the table quick. One that fails is made up by the next.
    async fn checkpoint_if_due(&self) {
        if !(self.version + 1).is_multiple_of(CHECKPOINT_EVERY) {
            return;
        }
        let mut table = DeltaTable::new(self.log.clone());
        let made = async {
            table.load().await?;
            create_checkpoint(&table, None).await
        };
        if let Err(error) = made.await {
            tracing::warn!(table = self.table.name(), %error, "no checkpoint; opening the table takes longer");
        }
    }
}

/// How often a commit tries the next version when workers of other shards keep taking it.
const REBASES: u32 = 100;
const CHECKPOINT_EVERY: u64 = 100;
/// Far below the days that a log entry lives.
const STALE_AFTER: Duration = Duration::from_secs(3_600);

/// Why a commit is not in the log, as far as this process knows.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// Another commit touched what this one builds on; this one is certainly not in the log.
    Moved,
    /// The store or the log said no, or nothing: the entry may be in the log all the same.
    Delta(DeltaTableError),
}

/// Does this log entry touch one of these transaction ids, or the table's schema or protocol? An entry that cannot be read
/// counts as one that does.
fn moves(entry: &[u8], ids: &HashSet<String>) -> bool {
    entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).any(|line| {
        let Ok(action) = serde_json::from_slice::<serde_json::Value>(line) else { return true };
        action.get("protocol").is_some()
            || action.get("metaData").is_some()
            || action.get("txn").is_some_and(|txn| {
                txn.get("appId").and_then(serde_json::Value::as_str).is_none_or(|app_id| ids.contains(app_id))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_table() {
        let ids = HashSet::from(["tournee-ingest/air/07".to_owned()]);
        let entry = |line: &str| format!("{{\"commitInfo\":{{}}}}\n{line}\n");
        for (line, expected) in [
            (r#"{"txn":{"appId":"tournee-ingest/air/08","version":3}}"#, false),
            (r#"{"add":{"path":"tournee-ingest/air/07"}}"#, false),
            (r#"{"txn":{"appId":"tournee-ingest/air/07","version":3}}"#, true),
            (r#"{"metaData":{}}"#, true),
            (r#"{"protocol":{}}"#, true),
            ("{", true),
        ] {
            assert_eq!(moves(entry(line).as_bytes(), &ids), expected, "{line}");
        }
    }
}
