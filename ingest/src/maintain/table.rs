//! A Delta table as maintenance sees it: its live files, and commits that replace some of them.

use std::collections::HashSet;
use std::sync::Arc;

use deltalake::DeltaTableError;
use deltalake::kernel::transaction::{CommitData, PROTOCOL, TransactionError};
use deltalake::kernel::{Action, Add, Remove, Transaction, Version};
use deltalake::logstore::{CommitOrBytes, LogStoreRef};
use deltalake::protocol::DeltaOperation;
use deltalake::table::state::DeltaTableState;
use futures::TryStreamExt as _;
use object_store::ObjectStore;
use object_store::path::Path;

use crate::error::IngestError;

/// How often a commit tries the next version when ingest keeps taking it.
const REBASES: u32 = 1_000;

/// A file that the newest known version names.
#[derive(Clone, Debug)]
pub(crate) struct LiveFile {
    /// Relative to the table.
    pub(crate) path: Path,
    /// Value of the partition column; empty where the log has none.
    pub(crate) partition: String,
    pub(crate) bytes: u64,
    /// Milliseconds since 1970.
    pub(crate) modified_ms: i64,
    /// How to take it out.
    pub(crate) remove: Remove,
}

/// An open table.
pub(crate) struct Maintained {
    pub(crate) name: &'static str,
    partition_column: &'static str,
    log: LogStoreRef,
    state: DeltaTableState,
}

/// Why a commit is not in the log, as far as this process knows.
pub(crate) enum NotCommitted {
    /// Another commit touched what this one builds on; this one is certainly not in the log.
    Moved,
    /// The entry may be in the log all the same.
    Unknown(DeltaTableError),
}

impl Maintained {
    /// Opens a table; `None` when there is none at this place.
    pub(crate) async fn open(
        name: &'static str,
        partition_column: &'static str,
        log: LogStoreRef,
    ) -> Result<Option<Self>, IngestError> {
        let fail = |source| delta_error(name, source);
        if !log.is_delta_table_location().await.map_err(fail)? {
            return Ok(None);
        }
        let state = DeltaTableState::try_new(log.as_ref(), None).await.map_err(fail)?;
        Ok(Some(Self { name, partition_column, log, state }))
    }

    /// Brings the snapshot up to the log.
    pub(crate) async fn reload(&mut self) -> Result<(), IngestError> {
        let log = self.log.clone();
        self.state.update(log.as_ref(), None).await.map_err(|source| delta_error(self.name, source))?;
        self.writable()
    }

    /// # Errors
    /// When the table asks for more than this version can do.
    pub(crate) fn writable(&self) -> Result<(), IngestError> {
        PROTOCOL.can_write_to(&self.state).map_err(|error| self.fail(error.into()))
    }

    pub(crate) fn fail(&self, source: DeltaTableError) -> IngestError {
        delta_error(self.name, source)
    }

    /// The version of the snapshot.
    pub(crate) fn version(&self) -> Version {
        self.state.version()
    }

    /// The table's own part of the store: paths are relative to the table.
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        self.log.object_store(None)
    }

    pub(crate) const fn log(&self) -> &LogStoreRef {
        &self.log
    }

    /// The version of an application transaction in the snapshot.
    pub(crate) async fn transaction(&self, app_id: &str) -> Result<Option<i64>, IngestError> {
        self.state.transaction_version(self.log.as_ref(), app_id).await.map_err(|error| self.fail(error))
    }

    /// The files of the snapshot. One with a deletion vector was written by somebody else, and is left alone: `None`.
    pub(crate) fn files(&self) -> Vec<LiveFile> {
        let views = self.state.log_data();
        let files = views.iter().filter(|view| view.deletion_vector_descriptor().is_none()).map(|view| {
            let mut values = view.partition_values_map();
            LiveFile {
                path: view.object_store_path(),
                partition: values.remove(self.partition_column).flatten().unwrap_or_default(),
                bytes: u64::try_from(view.size()).unwrap_or(0),
                modified_ms: view.modification_time(),
                remove: view.remove_action(false),
            }
        });
        files.collect()
    }

    /// Paths that the snapshot names, deletion vectors or not.
    pub(crate) fn live_paths(&self) -> HashSet<Path> {
        self.state.log_data().iter().map(|view| view.object_store_path()).collect()
    }

    /// Files that were removed and that the log still remembers: path and milliseconds since 1970.
    pub(crate) async fn tombstones(&self) -> Result<Vec<(Path, i64)>, IngestError> {
        let stream = self.state.all_tombstones(self.log.as_ref());
        let views: Vec<_> = stream.try_collect().await.map_err(|error| self.fail(error))?;
        let path = |text: &str| Path::parse(text).unwrap_or_else(|_| Path::from(text));
        Ok(views.iter().map(|view| (path(&view.path()), view.deletion_timestamp().unwrap_or(i64::MAX))).collect())
    }

    /// Replaces `removes` by `adds`, on top of whatever ingest commits meanwhile.
    ///
    /// Ingest's commits add files and move its own transactions, which this neither reads nor writes; ingest in turn
    /// rebases over entries that carry none of its ids. What conflicts is another maintenance: an entry that removes one
    /// of the same files, carries one of the `owned` ids, or changes the table's schema or protocol.
    pub(crate) async fn replace(
        &self,
        removes: Vec<Remove>,
        adds: Vec<Add>,
        transactions: Vec<Transaction>,
        operation: DeltaOperation,
    ) -> Result<Version, NotCommitted> {
        let removed: HashSet<String> = removes.iter().map(|remove| remove.path.clone()).collect();
        let owned: HashSet<String> = transactions.iter().map(|transaction| transaction.app_id.clone()).collect();
        let actions = removes.into_iter().map(Action::Remove).chain(adds.into_iter().map(Action::Add)).collect();
        let bytes = CommitData::new(actions, operation, Default::default(), transactions)
            .get_bytes()
            .map_err(|error| NotCommitted::Unknown(error.into()))?;
        let mut next = self.version() + 1;
        for _ in 0..REBASES {
            let entry = CommitOrBytes::LogBytes(bytes.clone());
            match self.log.write_commit_entry(next, entry, Default::default()).await {
                Ok(()) => return Ok(next),
                Err(TransactionError::VersionAlreadyExists(_)) => {
                    let taken = self.log.read_commit_entry(next).await.map_err(NotCommitted::Unknown)?;
                    let Some(taken) = taken else {
                        // Refused because of a writer whose entry never came: nobody knows what became of ours.
                        return Err(NotCommitted::Unknown(DeltaTableError::VersionMismatch(next, self.version())));
                    };
                    // The store tried twice, and only the answer to the first try was lost: no other entry has these bytes,
                    // for random names are in them.
                    if taken == bytes {
                        return Ok(next);
                    }
                    if conflicts(&taken, &removed, &owned) {
                        return Err(NotCommitted::Moved);
                    }
                    next += 1;
                }
                Err(error) => return Err(NotCommitted::Unknown(error.into())),
            }
        }
        Err(NotCommitted::Moved)
    }

    /// Removes files of a commit that is known not to have landed. Best effort: vacuum finds what stays.
    pub(crate) async fn discard(&self, adds: &[Add]) {
        let store = self.store();
        for add in adds {
            let path = Path::parse(&add.path).unwrap_or_else(|_| Path::from(add.path.as_str()));
            if let Err(error) = object_store::ObjectStoreExt::delete(store.as_ref(), &path).await {
                tracing::debug!(path = add.path, %error, "orphan file stays until vacuum");
            }
        }
    }
}

pub(crate) fn delta_error(table: &'static str, source: DeltaTableError) -> IngestError {
    IngestError::Delta { table, source: Box::new(source) }
}

/// Does this log entry touch what a rewrite builds on? An entry that cannot be read counts as one that does.
fn conflicts(entry: &[u8], removed: &HashSet<String>, owned: &HashSet<String>) -> bool {
    entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).any(|line| {
        let Ok(mut action) = serde_json::from_slice::<serde_json::Value>(line) else { return true };
        let id = action.get("txn").map(|txn| txn.get("appId").and_then(serde_json::Value::as_str));
        if action.get("protocol").is_some()
            || action.get("metaData").is_some()
            || id.is_some_and(|id| id.is_none_or(|id| owned.contains(id)))
        {
            return true;
        }
        let Some(remove) = action.get_mut("remove").map(serde_json::Value::take) else { return false };
        serde_json::from_value::<Remove>(remove).map_or(true, |remove| removed.contains(&remove.path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_conflicts_with_a_rewrite() {
        let removed =
            HashSet::from(["date=2026-01-15/part-a.parquet".to_owned(), "territory=a b/c.parquet".to_owned()]);
        let owned = HashSet::from(["tournee-expired/air".to_owned()]);
        let entry = |line: &str| format!("{{\"commitInfo\":{{}}}}\n{line}\n");
        let remove = |path: &str| format!(r#"{{"remove":{{"path":"{path}","dataChange":true}}}}"#);
        for (line, expected) in [
            (r#"{"txn":{"appId":"tournee-ingest/air/07","version":3}}"#.to_owned(), false),
            (r#"{"add":{"path":"date=2026-01-15/part-a.parquet"}}"#.to_owned(), false),
            (remove("date=2026-01-15/part-b.parquet"), false),
            (remove("date=2026-01-15/part-a.parquet"), true),
            (remove("territory=a%20b/c.parquet"), true),
            (r#"{"remove":{}}"#.to_owned(), true),
            (r#"{"txn":{"appId":"tournee-expired/air","version":3}}"#.to_owned(), true),
            (r#"{"txn":{}}"#.to_owned(), true),
            (r#"{"metaData":{}}"#.to_owned(), true),
            (r#"{"protocol":{}}"#.to_owned(), true),
            ("{".to_owned(), true),
        ] {
            assert_eq!(conflicts(entry(&line).as_bytes(), &removed, &owned), expected, "{line}");
        }
    }
}
