//! The file: making it, opening it, setting a damaged one aside.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use crate::aside;
use crate::check;
use crate::config::SpoolConfig;
use crate::disk_room;
use crate::error::{SpoolError, is_damage};
use crate::layout::{self, LAYOUT};
use crate::report::OpenReport;

/// Frames of 4 KiB in the write-ahead log after which it is folded into the file: the more, the less often a page that
/// changes all the time is written there, but also the more room it takes (see [`reserve`](crate::reserve)).
const CHECKPOINT_FRAMES: u32 = 256;
/// What the write-ahead log may keep on the disk between two long transactions, bytes.
pub(crate) const JOURNAL_BYTES: i64 = 2 << 20;

/// What is wrong with a file.
enum Trouble {
    /// Broken: set it aside.
    Damaged(String),
    /// Not broken, but not usable: tell.
    Refused(SpoolError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Damaged(error.to_string()) } else { Self::Refused(SpoolError::Database(error)) }
    }
}

/// Opens or makes the file. `new_epoch` is used only for a new one.
pub(crate) fn open(path: &Path, config: &SpoolConfig, new_epoch: u64) -> Result<(Connection, OpenReport), SpoolError> {
    if new_epoch > i64::MAX as u64 {
        return Err(SpoolError::Epoch(new_epoch));
    }
    disk_room::enough(path)?;
    match try_open(path, config, new_epoch) {
        Ok((connection, epoch, created)) => {
            let aside = aside::bound(path, config.max_bytes);
            Ok((connection, OpenReport { epoch, created, set_aside: None, damage: None, nth_set_aside: 0, aside }))
        }
        Err(Trouble::Refused(error)) => Err(named(error, path)),
        Err(Trouble::Damaged(damage)) => renew(path, config, new_epoch, damage),
    }
}

/// Sets a file aside that nobody holds open, for the reason `damage`, and makes a new one with another epoch.
pub(crate) fn renew(
    path: &Path,
    config: &SpoolConfig,
    new_epoch: u64,
    damage: String,
) -> Result<(Connection, OpenReport), SpoolError> {
    let (set_aside, nth) = set_aside(path)?;
    tracing::error!(file = %set_aside.display(), damage, "spool set aside, a new epoch begins");
    let aside = aside::bound(path, config.max_bytes);
    match try_open(path, config, another_epoch(new_epoch, nth)) {
        Ok((connection, epoch, created)) => {
            let report = OpenReport {
                epoch,
                created,
                set_aside: Some(set_aside),
                damage: Some(damage),
                nth_set_aside: nth,
                aside,
            };
            Ok((connection, report))
        }
        Err(Trouble::Refused(error)) => Err(named(error, path)),
        Err(Trouble::Damaged(again)) => {
            Err(SpoolError::File { path: path.to_owned(), cause: std::io::Error::other(again) })
        }
    }
}

/// A database that cannot be opened, with its path.
fn named(error: SpoolError, path: &Path) -> SpoolError {
    match error {
        SpoolError::Database(cause) => SpoolError::Open { path: path.to_owned(), cause },
        other => other,
    }
}

/// The path as SQLite wants it for a parameter. `psow=0`: do not trust that a power cut in the middle of a write leaves the
/// bytes beside it alone. SQLite then fills the last 4 KiB block of a commit, so that no later commit writes to a block
/// that holds an earlier one; as the kernel writes whole blocks anyway, this costs nothing (SQLite, "URI filenames" and
/// "powersafe overwrite").
fn uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    // An absolute path after an empty authority, so that two leading slashes are not taken for one.
    let mut uri = if path.is_absolute() { "file://".to_owned() } else { "file:".to_owned() };
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri + "?psow=0"
}

fn try_open(path: &Path, config: &SpoolConfig, new_epoch: u64) -> Result<(Connection, u64, bool), Trouble> {
    let mut connection = Connection::open_with_flags(uri(path), OpenFlags::default())?;
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
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_FRAMES)?;
    // After a long transaction (a full spool that sheds) the log file shrinks again.
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(busy)?;
    let layout: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    let found = match (layout, tables) {
        (0, 0) => {
            layout::create(&transaction)?;
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
            if layout < LAYOUT {
                layout::migrate(&transaction, layout)?;
            }
            if let Some(wrong) = check::wrong(&transaction)? {
                return Err(Trouble::Damaged(wrong));
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

/// Renames the file and its log to the next `.damaged-<n>`.
fn set_aside(path: &Path) -> Result<(PathBuf, u32), SpoolError> {
    let nth = aside::next_number(path);
    let aside = aside::name(path, nth);
    let failed = |cause| SpoolError::File { path: path.to_owned(), cause };
    std::fs::rename(path, &aside).map_err(failed)?;
    for log in ["-wal", "-shm"] {
        match std::fs::rename(aside::with(path, log), aside::with(&aside, log)) {
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
