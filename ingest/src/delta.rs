//! One Delta table: its log, the snapshot that this process knows, files and commits.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::{CommitData, PROTOCOL, TransactionError};
use deltalake::kernel::{Action, Add, MetadataExt as _, StructField, StructType, Transaction};
use deltalake::logstore::{CommitOrBytes, LogStoreRef};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::checkpoints::create_checkpoint;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaTable, DeltaTableError};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use tournee_lake::Table;

use crate::error::IngestError;
use crate::evolve::missing_columns;
use crate::lake_store::LakeStore;
use crate::parquet_file;
use crate::transactions::{Transactions, transactions};

/// An open table.
pub(crate) struct Delta {
    pub(crate) table: Table,
    store: LakeStore,
    log: LogStoreRef,
    /// The snapshot of the last [`Delta::open`] or [`Delta::reload`]; commits since then are not in it.
    state: DeltaTableState,
    /// The application transactions as of `state`.
    transactions: Transactions,
    /// The newest version that this process knows.
    version: u64,
    known_at: Instant,
    /// `version` may be ahead of the watermark objects that the caller holds: set before anything moves it, cleared by
    /// [`Delta::settle`]. Committing in that state would find the next version free and store the same rows again.
    must_refresh: bool,
}

impl Delta {
    /// Opens the table, creating it when absent, and adding columns that it lacks.
    pub(crate) async fn open(store: &LakeStore, table: Table) -> Result<Self, IngestError> {
        let fail = |source| IngestError::delta(table, source);
        let log = store.log(table).map_err(fail)?;
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
            // Another worker may have created it in between, or the answer was lost: then it can be loaded all the same.
            if let Err(error) = created
                && !log.is_delta_table_location().await.map_err(fail)?
            {
                return Err(fail(error));
            }
        }
        let mut delta = Self::load(store, table, log).await?;
        for _ in 0..REBASES {
            store.sync(table).await?;
            let missing = delta.missing()?;
            if missing.is_empty() {
                return Ok(delta);
            }
            delta.add_columns(missing).await?;
        }
        Err(IngestError::Contended { table: table.name() })
    }

    async fn load(store: &LakeStore, table: Table, log: LogStoreRef) -> Result<Self, IngestError> {
        let fail = |source| IngestError::delta(table, source);
        let state = DeltaTableState::try_new(log.as_ref(), None).await.map_err(fail)?;
        let version = state.version();
        let transactions = transactions(&log, version, None).await.map_err(fail)?;
        Ok(Self {
            table,
            store: store.clone(),
            log,
            state,
            transactions,
            version,
            known_at: Instant::now(),
            must_refresh: false,
        })
    }

    /// May this program write the table, and which columns are missing? Readers find columns by name.
    fn missing(&self) -> Result<Vec<StructField>, IngestError> {
        let wanted: StructType = self.table.schema().try_into_kernel()?;
        PROTOCOL.can_write_to(&self.state).map_err(|error| IngestError::delta(self.table, error.into()))?;
        let partitions = self.state.metadata().partition_columns();
        missing_columns(self.table, &wanted, self.state.schema().as_ref(), partitions)
    }

    /// Adds columns in one commit of the metadata, on top of the snapshot; then loads what the log says, whoever wrote it.
    async fn add_columns(&mut self, missing: Vec<StructField>) -> Result<(), IngestError> {
        let table = self.table;
        let fail = |source| IngestError::delta(table, source);
        let names: Vec<&str> = missing.iter().map(|field| field.name().as_str()).collect();
        tracing::info!(table = table.name(), columns = names.join(", "), "the table gets the columns of this version");
        let before = self.state.schema();
        let schema = StructType::try_new(before.fields().cloned().chain(missing.iter().cloned()))
            .map_err(|error| fail(DeltaTableError::Generic(error.to_string())))?;
        let metadata = self.state.metadata().clone().with_schema(&schema).map_err(|error| fail(error.into()))?;
        let operation = DeltaOperation::AddColumn { fields: missing };
        let bytes = CommitData::new(vec![Action::Metadata(metadata)], operation, HashMap::new(), Vec::new())
            .get_bytes()
            .map_err(|error| fail(error.into()))?;
        let next = self.version + 1;
        match self.log.write_commit_entry(next, CommitOrBytes::LogBytes(bytes), Default::default()).await {
            // Where the outcome is unknown, the log is asked like after a conflict; it may have them by now.
            Ok(()) | Err(TransactionError::VersionAlreadyExists(_)) => {}
            Err(error) => tracing::warn!(table = table.name(), %error, "columns: outcome unknown, looking again"),
        }
        self.look().await
    }

    /// The newest version that this process knows.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Brings the snapshot up to the log, and checks again that the table can be written. Afterwards the table is stale
    /// until [`Delta::settle`].
    pub(crate) async fn reload(&mut self) -> Result<(), IngestError> {
        self.must_refresh = true;
        self.look().await?;
        self.store.sync(self.table).await?;
        match self.missing()?.first() {
            None => Ok(()),
            // Somebody took a column away while this worker ran.
            Some(field) => Err(IngestError::Schema {
                table: self.table.name(),
                column: field.name().clone(),
                reason: "it is not there any more; start again to add it".to_owned(),
            }),
        }
    }

    async fn look(&mut self) -> Result<(), IngestError> {
        let fail = |table| move |source| IngestError::delta(table, source);
        let log = self.log.clone();
        let before = self.state.version();
        self.state.update(log.as_ref(), None).await.map_err(fail(self.table))?;
        self.version = self.state.version();
        self.known_at = Instant::now();
        self.transactions =
            transactions(&log, self.version, Some((before, &self.transactions))).await.map_err(fail(self.table))?;
        Ok(())
    }

    /// The version of an application transaction as of the last reload.
    pub(crate) fn transaction(&self, app_id: &str) -> Option<i64> {
        self.transactions.get(app_id).copied()
    }

    /// Writes one Parquet file per partition, durable when this returns. `day` is days since 1970.
    pub(crate) async fn write(&self, day: i32, batch: &RecordBatch, now_us: i64) -> Result<Add, IngestError> {
        let date = arrow::temporal_conversions::date32_to_datetime(day)
            .map_or_else(|| "1970-01-01".to_owned(), |date| date.format("%Y-%m-%d").to_string());
        // Encoding is the dearest part of a commit: on a thread of its own, beside those of the other tables.
        let (table, batch) = (self.table, batch.clone());
        let work = move || Ok((parquet_file::to_bytes(table, &batch)?, parquet_file::statistics(table, &batch)));
        let joined = tokio::task::spawn_blocking(work).await;
        let (bytes, stats) = joined.unwrap_or_else(|error| {
            Err(IngestError::delta(table, DeltaTableError::Generic(format!("a file was not encoded: {error}"))))
        })?;
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let name = format!("date={date}/part-{:032x}.zstd.parquet", rand::random::<u128>());
        self.log.object_store(None).put(&Path::from(name.as_str()), bytes.into()).await?;
        Ok(Add {
            path: name,
            partition_values: HashMap::from([("date".to_owned(), Some(date))]),
            size,
            modification_time: now_us.div_euclid(1_000),
            data_change: true,
            stats: Some(stats),
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
                    // Refused because of a writer whose entry never came: nobody knows what became of ours.
                    let Some(taken) = taken else {
                        return Err(CommitError::Delta(DeltaTableError::VersionMismatch(next, self.version)));
                    };
                    if taken == bytes {
                        // The store tried twice, and only the answer to the first try was lost. No other entry has these bytes: a
                        // watermark object's hash, made with a random number, is in them.
                        self.version = next;
                        self.known_at = Instant::now();
                        self.checkpoint_if_due().await;
                        return Ok(());
                    }
                    if moves(&taken, owned) {
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
