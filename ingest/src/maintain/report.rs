//! What a maintenance did, and why it could not.

use serde::Serialize;
use thiserror::Error;

use crate::error::IngestError;

/// What was done to one table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TableReport {
    /// `air`, …, or `derived/pass_fact`, ….
    pub table: String,
    /// Files that the newest version named before and after.
    pub files_before: u64,
    /// After.
    pub files_after: u64,
    /// Their bytes.
    pub bytes_before: u64,
    /// After.
    pub bytes_after: u64,
    /// Rewrites committed.
    pub rewrites: u64,
    /// Rows that were written anew.
    pub rows_rewritten: u64,
    /// Rewrites given up because another maintenance was quicker.
    pub conflicts: u64,
    /// Rows that left because of their age.
    pub rows_expired: u64,
    /// A checkpoint was made.
    pub checkpoint: bool,
    /// Files removed from the store: replaced, expired, or left behind by a crash.
    pub files_removed: u64,
    /// Their bytes.
    pub bytes_removed: u64,
    /// Watermark and expiry objects that nothing names, removed.
    pub objects_removed: u64,
    /// Entries of the log removed.
    pub log_entries_removed: u64,
    /// Time taken, seconds.
    pub seconds: f64,
    /// What went wrong; the other tables were done all the same.
    pub error: Option<String>,
}

/// What one maintenance did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MaintainReport {
    /// By table.
    pub tables: Vec<TableReport>,
    /// Everything that was due was done; if not, the time was over or it was told to stop, and the next run goes on.
    pub complete: bool,
}

impl MaintainReport {
    /// Tables that could not be maintained.
    pub fn errors(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tables.iter().filter_map(|table| Some((table.table.as_str(), table.error.as_deref()?)))
    }
}

/// Why a table was not maintained. Its content is untouched in every case.
#[derive(Debug, Error)]
pub enum MaintainError {
    /// The store, the log or a file.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// Files of one date disagree.
    #[error(
        "{file} has column `{column}` as {found}, others have it as {wanted}: the file was not written by Tournée; move it away"
    )]
    Type {
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// Its type there.
        found: String,
        /// Its type elsewhere.
        wanted: String,
    },
    /// A rewrite does not add up. Never committed.
    #[error(
        "`{table}`: {read} rows were read and {written} written; the new files were thrown away, please report this"
    )]
    Rows {
        /// The table.
        table: &'static str,
        /// Rows read.
        read: u64,
        /// Rows written or expired.
        written: u64,
    },
    /// A file that the log names.
    #[error("{path}: {reason}; see `tournee lake check`")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The object that proves what left is not as the log says.
    #[error(
        "the log names {path}, which is missing or not what its name says: restore it from a copy; nothing expires until then"
    )]
    Object {
        /// The object.
        path: String,
    },
    /// Others keep winning.
    #[error("`{table}`: another maintenance keeps changing the same files; run only one")]
    Contended {
        /// The table.
        table: &'static str,
    },
    /// Told to stop.
    #[error("stopped on request")]
    Stopped,
    /// The time is over.
    #[error("the time budget is used up")]
    OutOfTime,
}

impl From<parquet::errors::ParquetError> for MaintainError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Ingest(error.into())
    }
}

impl From<arrow::error::ArrowError> for MaintainError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Ingest(error.into())
    }
}
