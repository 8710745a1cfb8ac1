//! What can go wrong, and what to do then.

use std::path::PathBuf;

/// Why the spool did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process holds the file.
    #[error("spool {0} is in use by another process: stop it, or give this agent its own spool.path")]
    InUse(PathBuf),
    /// The file belongs to another box.
    #[error("spool {path} holds samples of box {found}: set box_id back, or give this agent its own spool.path")]
    OtherBox {
        /// The file.
        path: PathBuf,
        /// The box that it belongs to.
        found: String,
    },
    /// The file was written by a newer version.
    #[error("spool {path} has layout {found}, this version knows {known}: install the newer agent again")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The newest layout that this version knows.
        known: i64,
    },
    /// The epoch does not fit 63 bits.
    #[error("epoch {0} does not fit 63 bits")]
    Epoch(u64),
    /// Too many samples wait for a commit.
    #[error("{0} samples wait for a commit already: commit first")]
    BufferFull(usize),
    /// A sample whose number of values is not that of its stream.
    #[error("a sample of stream {0} has the wrong number of values")]
    WrongSample(&'static str),
    /// Sequence numbers are used up.
    #[error("stream {0} has no sequence numbers left")]
    Exhausted(&'static str),
    /// Batches cannot be written.
    #[error("cannot encode a batch")]
    Encode(#[from] tournee_payload::EncodeError),
    /// The database.
    #[error("the spool database failed")]
    Database(#[from] rusqlite::Error),
    /// The file system under it is too small for any spool.
    #[error(
        "the disk of the spool {path} has {found_bytes} bytes in all, and a spool needs {needed_bytes}: point spool.path to a \
         larger disk"
    )]
    SmallDisk {
        /// The file.
        path: PathBuf,
        /// Size of the file system.
        found_bytes: u64,
        /// What it must have.
        needed_bytes: u64,
    },
    /// The file system.
    #[error("spool file {path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file cannot be opened or made.
    #[error("cannot open the spool {path}: {cause}; check spool.path, that its directory exists, and the rights on it")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: rusqlite::Error,
    },
}

impl SpoolError {
    /// There is no room on the disk.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        matches!(self, Self::Database(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }

    /// The file is broken: opening it again sets it aside.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Database(error) if is_damage(error))
    }
}

/// Whether the file is to blame: pages that make no sense, a value of a kind that was never written there, or a sector
/// that the disk cannot read any more.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) => true,
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, DatabaseCorrupt | NotADatabase)
                || [rusqlite::ffi::SQLITE_IOERR_READ, rusqlite::ffi::SQLITE_IOERR_CORRUPTFS]
                    .contains(&failure.extended_code)
        }
        _ => false,
    }
}
