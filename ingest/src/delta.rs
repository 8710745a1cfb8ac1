//! One Delta table: its log, the snapshot that this process knows, files and commits.

use std::collections::HashMap;
use std::path::Path as FsPath;
use std::sync::Arc;

use arrow::array::RecordBatch;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, StructType, Transaction};
use deltalake::logstore::LogStoreRef;
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaTableBuilder, DeltaTableError, ensure_table_uri};
use object_store::path::Path;
use object_store::{DynObjectStore, ObjectStoreExt as _};
use tournee_lake::Table;

use crate::error::IngestError;
use crate::parquet_file;

/// An open table.
pub(crate) struct Delta {
    pub(crate) table: Table,
    log: LogStoreRef,
    state: DeltaTableState,
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
        let delta = Self { table, log, state };
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
        Ok(Some(Self { table, log, state }))
    }

    fn log_store(lake_root: &FsPath, store: Arc<DynObjectStore>, table: Table) -> Result<LogStoreRef, DeltaTableError> {
        let path = table.path(lake_root);
        let url = ensure_table_uri(path.to_string_lossy())?;
        DeltaTableBuilder::from_url(url.clone())?.with_storage_backend(store, url).build_storage()
    }

    /// Readers find columns by name; a table that lacks one was written by another version.
    fn check_schema(&self) -> Result<(), IngestError> {
        let wanted: StructType = self.table.schema().try_into_kernel()?;
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

    /// Version of the snapshot that this process knows.
    pub(crate) fn version(&self) -> u64 {
        self.state.version()
    }

    /// Brings the snapshot up to the log.
    pub(crate) async fn reload(&mut self) -> Result<(), IngestError> {
        let log = self.log.clone();
        self.state.update(log.as_ref(), None).await.map_err(|source| IngestError::delta(self.table, source))
    }

    /// The version of an application transaction in the snapshot.
    pub(crate) async fn transaction(&self, app_id: &str) -> Result<Option<i64>, IngestError> {
        self.state
            .transaction_version(self.log.as_ref(), app_id)
            .await
            .map_err(|source| IngestError::delta(self.table, source))
    }

    /// Paths of the data files, relative to the table.
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

    /// Commits from the snapshot that this process knows; a transaction id that the log has moved on conflicts.
    pub(crate) async fn commit(
        &mut self,
        adds: Vec<Add>,
        transactions: Vec<Transaction>,
    ) -> Result<(), DeltaTableError> {
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(self.table.partition_columns().iter().map(|name| (*name).to_owned()).collect()),
            predicate: None,
        };
        // Cleaning old log entries is maintenance, not for the hot path.
        let properties = CommitProperties::default()
            .with_application_transactions(transactions)
            .with_cleanup_expired_logs(Some(false));
        let committed = CommitBuilder::from(properties)
            .with_actions(adds.into_iter().map(Action::Add).collect())
            .build(Some(&self.state), self.log.clone(), operation)
            .await?;
        self.state = committed.snapshot();
        Ok(())
    }
}
