//! Opening the session: tables, functions and limits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use deltalake::DeltaTable;

use crate::error::QueryError;
use crate::functions;

/// Limits and sizes of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// Most memory that sorts, joins and aggregates may hold together, bytes.
    pub memory_bytes: usize,
    /// Parallel parts of a plan.
    pub target_partitions: usize,
    /// Rows per batch.
    pub batch_size: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, target_partitions: 2, batch_size: 8192 }
    }
}

impl SessionOptions {
    /// The default options with the memory limit from `TOURNEE_QUERY_MEMORY_MIB`, where that holds a number above 0.
    #[must_use]
    pub fn from_env() -> Self {
        let mib = std::env::var("TOURNEE_QUERY_MEMORY_MIB").ok().and_then(|text| text.trim().parse::<usize>().ok());
        let memory_bytes = mib.filter(|mib| *mib > 0).and_then(|mib| mib.checked_mul(1 << 20));
        Self { memory_bytes: memory_bytes.unwrap_or(Self::default().memory_bytes), ..Self::default() }
    }
}

/// A session over every Delta table under `<data_dir>/lake` and `<data_dir>/derived`, as they are now: tables are pinned
/// to their latest version, so that all statements of a session see one state. Open a new one to see later commits.
///
/// # Errors
/// When the data directory is missing or a table in it cannot be opened.
pub async fn session(data_dir: &Path) -> Result<SessionContext, QueryError> {
    session_with(data_dir, SessionOptions::from_env()).await
}

/// [`session`] with options.
///
/// # Errors
/// As [`session`].
pub async fn session_with(data_dir: &Path, options: SessionOptions) -> Result<SessionContext, QueryError> {
    if !data_dir.is_dir() {
        return Err(QueryError::NoDataDir(data_dir.to_owned()));
    }
    let data_dir = data_dir.to_owned();
    // On a worker thread: its stack is deep enough, the caller's may not be.
    let task = tokio::spawn(async move { build(&data_dir, options).await });
    task.await.map_err(|error| QueryError::Interrupted(error.to_string()))?
}

async fn build(data_dir: &Path, options: SessionOptions) -> Result<SessionContext, QueryError> {
    let ctx = empty(options)?;
    for part in ["lake", "derived"] {
        for (name, folder) in tables_under(&data_dir.join(part))? {
            let table = open_table(&folder).await?;
            let provider = table
                .table_provider()
                .await
                .map_err(|error| QueryError::OpenTable { path: folder.clone(), message: error.to_string() })?;
            ctx.register_table(name.as_str(), provider)?;
        }
    }
    Ok(ctx)
}

/// A session without tables: functions and limits only.
pub(crate) fn empty(options: SessionOptions) -> Result<SessionContext, QueryError> {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_target_partitions(options.target_partitions.max(1))
        .with_batch_size(options.batch_size.max(1));
    let settings = config.options_mut();
    settings.sql_parser.collect_spans = true;
    settings.execution.time_zone = Some("+00:00".to_owned());
    let runtime =
        RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes))).build_arc()?;
    let ctx = SessionContext::new_with_config_rt(config, runtime);
    geodatafusion::register(&ctx);
    functions::register(&ctx);
    Ok(ctx)
}

/// Opens the latest version of the Delta table in a local folder.
///
/// # Errors
/// When there is no readable Delta table.
pub async fn open_table(folder: &Path) -> Result<DeltaTable, QueryError> {
    let failed = |message: String| QueryError::OpenTable { path: folder.to_owned(), message };
    let absolute = std::path::absolute(folder).map_err(|error| failed(error.to_string()))?;
    let url = deltalake::ensure_table_uri(absolute.to_string_lossy()).map_err(|error| failed(error.to_string()))?;
    deltalake::open_table(url).await.map_err(|error| failed(error.to_string()))
}

/// Folders that hold a Delta table, by name. A missing parent holds none.
fn tables_under(parent: &Path) -> Result<Vec<(String, PathBuf)>, QueryError> {
    if !parent.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |source| QueryError::Read { path: parent.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.starts_with(['_', '.']) && has_commit(&path) {
            found.push((name.to_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

/// A folder is a table once its log holds a commit: a table that is just being created is not one yet.
fn has_commit(folder: &Path) -> bool {
    std::fs::read_dir(folder.join("_delta_log")).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            entry.path().extension().is_some_and(|extension| extension == "json" || extension == "parquet")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_data_directory_is_named() {
        let runtime = crate::runtime().unwrap();
        let error = runtime.block_on(session(Path::new("/nonexistent/tournee"))).err().unwrap().to_string();
        assert!(error.contains("/nonexistent/tournee") && error.contains("--data DIR"), "{error}");
    }

    #[test]
    fn only_folders_with_a_commit_are_tables() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["air", "_watermarks", "half_made", "notes"] {
            std::fs::create_dir_all(dir.path().join(name).join("_delta_log")).unwrap();
        }
        for name in ["air", "_watermarks"] {
            std::fs::write(dir.path().join(name).join("_delta_log/00000000000000000000.json"), "{}").unwrap();
        }
        let names: Vec<String> = tables_under(dir.path()).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["air"]);
        assert!(tables_under(&dir.path().join("missing")).unwrap().is_empty());
    }
}
