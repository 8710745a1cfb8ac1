//! Writing derived tables: one commit replaces the rows of one territory and keeps all others.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, StructType};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableError, ensure_table_uri};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tournee_lake::derived::{DerivedTable, TERRITORY};

use crate::PipelineError;

/// Times a commit is tried again when another run wrote the same table in between.
const TRIES: u32 = 5;

/// Replaces the rows of `territory` in a derived table by those of `batch`, which must all be of that territory. Readers
/// see the old rows or the new ones, never a mixture. Runs on a worker thread: plans of logs need deep stacks.
pub(crate) async fn replace(
    data_dir: &Path,
    table: DerivedTable,
    territory: &str,
    batch: RecordBatch,
) -> Result<(), PipelineError> {
    let path = data_dir.join("derived").join(table.name());
    let path = std::path::absolute(&path)
        .map_err(|error| PipelineError::Write { path: path.clone(), message: error.to_string() })?;
    let territory = territory.to_owned();
    let task = tokio::spawn(async move {
        let writer = Writer { path, table, territory };
        writer.replace(&batch).await
    });
    task.await.map_err(|error| PipelineError::Worker(error.to_string()))?
}

struct Writer {
    path: PathBuf,
    table: DerivedTable,
    territory: String,
}

impl Writer {
    fn failed(&self, error: impl std::fmt::Display) -> PipelineError {
        PipelineError::Write { path: self.path.clone(), message: error.to_string() }
    }

    async fn replace(&self, batch: &RecordBatch) -> Result<(), PipelineError> {
        let mut table = self.open().await?;
        let add = if batch.num_rows() > 0 { Some(self.write_file(batch)?) } else { None };
        for tried in 1.. {
            match self.commit(&table, add.clone()).await {
                Ok(()) => break,
                // Another run committed in between: its files are the ones to remove now.
                Err(error @ DeltaTableError::Transaction { .. }) if tried < TRIES => {
                    tracing::debug!(%error, table = self.table.name(), "another run wrote this table; trying again");
                    table = self.load().await?;
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
        sync_dir(&self.path.join("_delta_log")).map_err(|error| self.failed(error))
    }

    async fn load(&self) -> Result<DeltaTable, PipelineError> {
        Ok(tournee_query::open_table(&self.path).await?)
    }

    /// The table, made where it is not there yet.
    async fn open(&self) -> Result<DeltaTable, PipelineError> {
        let wanted: StructType = self.table.schema().as_ref().try_into_kernel().map_err(|error| self.failed(error))?;
        if !self.path.join("_delta_log").is_dir() {
            std::fs::create_dir_all(&self.path).map_err(|error| self.failed(error))?;
            let url = ensure_table_uri(self.path.to_string_lossy()).map_err(|error| self.failed(error))?;
            let created = CreateBuilder::new()
                .with_location(url.as_str())
                .with_table_name(self.table.name())
                .with_comment(self.table.comment())
                .with_columns(wanted.fields().cloned())
                .with_partition_columns([TERRITORY])
                .with_save_mode(SaveMode::Ignore)
                .await;
            // Another run may have made it in between: then it can be loaded all the same.
            if let Err(error) = created
                && !self.path.join("_delta_log").is_dir()
            {
                return Err(self.failed(error));
            }
        }
        let table = self.load().await?;
        let snapshot = table.snapshot().map_err(|error| self.failed(error))?;
        let found = snapshot.schema();
        let same = wanted
            .fields()
            .all(|column| found.field(column.name()).is_some_and(|there| there.data_type() == column.data_type()));
        if !same {
            return Err(PipelineError::OtherVersion { path: self.path.clone() });
        }
        drop(found);
        Ok(table)
    }

    /// Writes the rows as one Parquet file, durable when this returns.
    fn write_file(&self, batch: &RecordBatch) -> Result<Add, PipelineError> {
        let columns: Vec<usize> =
            (0..batch.num_columns()).filter(|&column| batch.schema_ref().field(column).name() != TERRITORY).collect();
        let batch = batch.project(&columns).map_err(|error| self.failed(error))?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).build();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).map_err(|error| self.failed(error))?;
        writer.write(&batch).map_err(|error| self.failed(error))?;
        let bytes = writer.into_inner().map_err(|error| self.failed(error))?;
        let folder = format!("{TERRITORY}={}", self.territory);
        let name = format!("{folder}/part-{}.zstd.parquet", self.unique());
        let path = self.path.join(&name);
        let written = || -> std::io::Result<()> {
            std::fs::create_dir_all(self.path.join(&folder))?;
            let mut file = File::create_new(&path)?;
            std::io::Write::write_all(&mut file, &bytes)?;
            file.sync_all()?;
            sync_dir(&self.path.join(&folder))?;
            sync_dir(&self.path)
        };
        written().map_err(|error| self.failed(error))?;
        let modified = std::fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        let modified_ms = modified
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .unwrap_or(0);
        Ok(Add {
            path: name,
            partition_values: HashMap::from([(TERRITORY.to_owned(), Some(self.territory.clone()))]),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            modification_time: modified_ms,
            data_change: true,
            stats: Some(serde_json::json!({ "numRecords": batch.num_rows() }).to_string()),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    }

    /// A file name that no other run uses; the rows themselves do not depend on it.
    fn unique(&self) -> String {
        use std::hash::{BuildHasher, Hasher};
        // Randomly keyed by the standard library, once per call.
        let random = || std::hash::RandomState::new().build_hasher().finish();
        format!("{:016x}{:016x}", random(), random())
    }

    async fn commit(&self, table: &DeltaTable, add: Option<Add>) -> Result<(), DeltaTableError> {
        let snapshot = table.snapshot()?;
        let files = snapshot.log_data();
        let old = files.iter().filter(|file| {
            let values = file.partition_values_map();
            values.get(TERRITORY).and_then(Option::as_deref) == Some(self.territory.as_str())
        });
        let mut actions: Vec<Action> = old.map(|file| Action::Remove(file.remove_action(true))).collect();
        actions.extend(add.map(Action::Add));
        if actions.is_empty() {
            return Ok(());
        }
        let operation = DeltaOperation::Write {
            mode: SaveMode::Overwrite,
            partition_by: Some(vec![TERRITORY.to_owned()]),
            predicate: Some(format!("{TERRITORY} = '{}'", self.territory.replace('\'', "''"))),
        };
        let properties = CommitProperties::default().with_cleanup_expired_logs(Some(false)).with_max_retries(0);
        CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(snapshot), table.log_store(), operation)
            .await?;
        Ok(())
    }
}

/// Makes the names in a folder durable.
fn sync_dir(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
