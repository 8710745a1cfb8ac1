//! The file: making it, opening it, setting a damaged one aside.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};

use crate::config::SpoolConfig;
use crate::error::SpoolError;
use crate::report::OpenReport;

/// Layout of the file, `PRAGMA user_version`.
///
/// 1: the first. 2: with the position on the serial line. An older agent must not write to a newer file: it would leave the
/// position behind the samples, and the next newer agent would count frames as lost that are not.
pub(crate) const LAYOUT: i64 = 2;

const CREATE: &str = "
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), box_id TEXT NOT NULL, epoch INTEGER NOT NULL);
-- offered_seq: below it, batches may have left the vehicle. acked_seq: the watermark. acked, shed: samples.
CREATE TABLE stream (
  stream INTEGER PRIMARY KEY, next_seq INTEGER NOT NULL, offered_seq INTEGER NOT NULL DEFAULT 0,
  acked_seq INTEGER NOT NULL DEFAULT 0, acked INTEGER NOT NULL DEFAULT 0, shed INTEGER NOT NULL DEFAULT 0);
-- sealed = 0: rows of the open batch, one chunk per commit, in the same encoding.
CREATE TABLE batch (
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, first_seq INTEGER NOT NULL, count INTEGER NOT NULL,
  sealed INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE UNIQUE INDEX batch_key ON batch (stream, first_seq);
";

/// From layout 1 to 2; a new file goes the same way.
const ADD_LINE: &str = "
-- How far on the serial line the committed samples reach.
CREATE TABLE line (one INTEGER PRIMARY KEY CHECK (one = 1), boot_id INTEGER NOT NULL, next_seq INTEGER NOT NULL);
PRAGMA user_version = 2;
";

/// What is wrong with a file.
enum Trouble {
    /// Broken: set it aside.
    Damaged(String),
    /// Not broken, but not usable: tell.
    Refused(SpoolError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Refused(SpoolError::Database(error)),
        }
    }
}

/// Opens or makes the file. `new_epoch` is used only for a new one.
pub(crate) fn open(path: &Path, config: &SpoolConfig, new_epoch: u64) -> Result<(Connection, OpenReport), SpoolError> {
    if new_epoch > i64::MAX as u64 {
        return Err(SpoolError::Epoch(new_epoch));
    }
    match try_open(path, config, new_epoch) {
        Ok((connection, epoch, created)) => {
            Ok((connection, OpenReport { epoch, created, set_aside: None, damage: None }))
        }
        Err(Trouble::Refused(error)) => Err(named(error, path)),
        Err(Trouble::Damaged(damage)) => {
            let (aside, nth) = set_aside(path)?;
            tracing::error!(file = %aside.display(), damage, "damaged spool set aside, a new epoch begins");
            match try_open(path, config, another_epoch(new_epoch, nth)) {
                Ok((connection, epoch, created)) => {
                    let report = OpenReport { epoch, created, set_aside: Some(aside), damage: Some(damage) };
                    Ok((connection, report))
                }
                Err(Trouble::Refused(error)) => Err(named(error, path)),
                Err(Trouble::Damaged(again)) => {
                    Err(SpoolError::File { path: path.to_owned(), cause: std::io::Error::other(again) })
                }
            }
        }
    }
}

/// Sets a file aside that nobody holds open, and makes a new one with another epoch. Returns where the old one is.
pub(crate) fn renew(
    path: &Path,
    config: &SpoolConfig,
    new_epoch: u64,
) -> Result<(Connection, u64, PathBuf), SpoolError> {
    let (aside, nth) = set_aside(path)?;
    let (connection, report) = open(path, config, another_epoch(new_epoch, nth))?;
    Ok((connection, report.epoch, aside))
}

/// A database that cannot be opened, with its path.
fn named(error: SpoolError, path: &Path) -> SpoolError {
    match error {
        SpoolError::Database(cause) => SpoolError::Open { path: path.to_owned(), cause },
        other => other,
    }
}

fn try_open(path: &Path, config: &SpoolConfig, new_epoch: u64) -> Result<(Connection, u64, bool), Trouble> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    // Exclusive: one owner, no shared-memory file, and a second agent on the same file is refused.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let busy = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Trouble::Refused(SpoolError::InUse(path.to_owned()))
        }
        _ => Trouble::from(error),
    };
    // Only has an effect before the first table; gives pages back after a long offline time.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(busy)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(busy)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 256)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(busy)?;
    let layout: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    let found = match (layout, tables) {
        (0, 0) => {
            transaction.execute_batch(CREATE)?;
            transaction.execute_batch(ADD_LINE)?;
            let epoch = i64::try_from(new_epoch).map_err(|_| Trouble::Refused(SpoolError::Epoch(new_epoch)))?;
            transaction.execute("INSERT INTO meta VALUES (1, ?1, ?2)", (config.box_id.as_str(), epoch))?;
            (config.box_id.to_string(), epoch, true)
        }
        (1..=LAYOUT, _) => {
            let check: String = transaction.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            if check != "ok" {
                return Err(Trouble::Damaged(check));
            }
            let meta = transaction
                .query_row("SELECT box_id, epoch FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((box_id, epoch)) = meta else { return Err(Trouble::Damaged("no epoch in the file".to_owned())) };
            if layout == 1 {
                transaction.execute_batch(ADD_LINE)?;
            }
            (box_id, epoch, false)
        }
        (found, _) if found > LAYOUT => {
            let path = path.to_owned();
            return Err(Trouble::Refused(SpoolError::Newer { path, found, known: LAYOUT }));
        }
        _ => return Err(Trouble::Damaged("a database, but not a spool".to_owned())),
    };
    transaction.commit()?;
    let (box_id, epoch, created) = found;
    if box_id != config.box_id.as_str() {
        return Err(Trouble::Refused(SpoolError::OtherBox { path: path.to_owned(), found: box_id }));
    }
    let epoch = u64::try_from(epoch).map_err(|_| Trouble::Damaged("the epoch is negative".to_owned()))?;
    Ok((connection, epoch, created))
}

/// Renames the file and its log to the first free `.damaged-<n>`.
fn set_aside(path: &Path) -> Result<(PathBuf, u32), SpoolError> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let nth = (1..u32::MAX).find(|n| !with(&format!(".damaged-{n}")).exists()).unwrap_or(u32::MAX);
    let aside = with(&format!(".damaged-{nth}"));
    let failed = |cause| SpoolError::File { path: path.to_owned(), cause };
    std::fs::rename(path, &aside).map_err(failed)?;
    for log in ["-wal", "-shm"] {
        let mut target = aside.as_os_str().to_owned();
        target.push(log);
        match std::fs::rename(with(log), target) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    Ok((aside, nth))
}

/// An epoch for the file after the `nth` damaged one. A caller with a fixed seed (a test, a demo) offers the same epoch
/// at every start; after damage it must not come back, for its sequence numbers are taken. SplitMix64 finaliser.
fn another_epoch(offered: u64, nth: u32) -> u64 {
    let mut z = offered.wrapping_add(u64::from(nth).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) >> 1
}
