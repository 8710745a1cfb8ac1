//! What can go wrong between the data directory and rows in memory.

use std::path::PathBuf;

use datafusion::error::DataFusionError;

/// The data directory could not be read. A wrong query is a [`crate::SqlError`] instead.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// No such directory.
    #[error("no data directory at {}: run `tournee demo` or `tournee serve` first, or pass --data DIR", .0.display())]
    NoDataDir(PathBuf),
    /// A directory could not be listed.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A Delta table could not be opened.
    #[error("cannot open the table at {}: {message}", .path.display())]
    OpenTable {
        /// Folder of the table.
        path: PathBuf,
        /// Why, from the table format.
        message: String,
    },
    /// A table does not have the expected column.
    #[error("table {table} has no column {column}: it was written by another version; nothing was read from it")]
    Column {
        /// Table.
        table: String,
        /// Column.
        column: String,
    },
    /// A value in a table is not what it should be.
    #[error("table {table}, column {column}: {message}")]
    Value {
        /// Table.
        table: String,
        /// Column.
        column: String,
        /// What was found.
        message: String,
    },
    /// The engine failed.
    #[error("the query engine failed: {}", .0.strip_backtrace())]
    Engine(#[from] DataFusionError),
    /// A thread or task of the engine was lost.
    #[error("the query was interrupted: {0}")]
    Interrupted(String),
}
