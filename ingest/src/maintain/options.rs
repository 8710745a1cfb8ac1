//! What maintenance is told, and what it asks on its way.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deltalake::kernel::Remove;
use tokio_util::sync::CancellationToken;
use tournee_lake::Table;
use tournee_lake::retention::{HISTORY_DAYS, Retention};

use super::MaintainError;
use crate::error::IngestError;
use crate::fail::{FailPoint, Hook};

const DAY: Duration = Duration::from_secs(86_400);
const MIB: u64 = 1024 * 1024;
/// The log keeps its entries at least this long. A worker that has not looked at it for an hour looks again before it commits.
const LOG_HISTORY_MIN: Duration = DAY;

/// How to maintain a lake. The defaults fit a fleet; a small lake is served as well by them.
#[derive(Clone)]
pub struct MaintainOptions {
    /// How long rows stay.
    pub retention: Retention,
    /// A date that is this many days past is cold.
    pub cold_after_days: u32,
    /// Files younger than this are left alone, so that an hour is closed before it is written anew.
    pub settle: Duration,
    /// Files of a hot date that make a rewrite worth it.
    pub hot_files: usize,
    /// Size of a new file, bytes, about.
    pub target_bytes: u64,
    /// Bytes that one rewrite reads at the most: its output is sorted as a whole, and split at `target_bytes`.
    pub group_bytes: u64,
    /// Memory for decoded rows, bytes, about; the rest of a sort lies on disk.
    pub memory_bytes: usize,
    /// Where sorted runs lie; none takes the system's folder for temporary files.
    pub temporary: Option<PathBuf>,
    /// Time for one run; what is not done by then is done by the next.
    pub budget: Duration,
    /// How long a file that was replaced can still be read, by whoever reads an older version.
    pub history: Duration,
    /// Age from which a file that nobody names is a leftover. A commit under way is not older: the worker that makes it
    /// has given up long before.
    pub orphan_age: Duration,
    /// Commits after which a checkpoint is due.
    pub checkpoint_every: u64,
    /// Crash here: for tests.
    pub hook: Option<Hook>,
}

impl Default for MaintainOptions {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            cold_after_days: 2,
            settle: Duration::from_secs(15 * 60),
            hot_files: 8,
            target_bytes: 384 * MIB,
            group_bytes: 4 * 384 * MIB,
            memory_bytes: 256 * 1024 * 1024,
            temporary: None,
            budget: Duration::from_secs(30 * 60),
            history: DAY * HISTORY_DAYS,
            orphan_age: DAY * HISTORY_DAYS,
            checkpoint_every: 50,
            hook: None,
        }
    }
}

impl MaintainOptions {
    /// How long an entry of a log stays.
    pub(crate) fn log_history(&self) -> Duration {
        self.history.max(LOG_HISTORY_MIN)
    }
}

/// One run under way.
pub(crate) struct Env<'a> {
    pub(crate) options: &'a MaintainOptions,
    pub(crate) now_us: i64,
    pub(crate) stop: &'a CancellationToken,
    pub(crate) deadline: Instant,
    /// Where sorted runs lie.
    pub(crate) folder: &'a Path,
}

impl Env<'_> {
    /// # Errors
    /// When it is to stop, or its time is over.
    pub(crate) fn go_on(&self) -> Result<(), MaintainError> {
        if self.stop.is_cancelled() {
            return Err(MaintainError::Stopped);
        }
        if Instant::now() >= self.deadline {
            return Err(MaintainError::OutOfTime);
        }
        Ok(())
    }

    /// A place where a test may end it. Derived tables have none.
    pub(crate) fn reach(&self, point: FailPoint, table: &str) -> Result<(), IngestError> {
        match (&self.options.hook, Table::from_name(table)) {
            (Some(hook), Some(table)) if hook(point, table) => Err(IngestError::Injected(point)),
            _ => Ok(()),
        }
    }

    /// A file that leaves now.
    pub(crate) fn removal(&self, remove: &Remove, data_change: bool) -> Remove {
        Remove { data_change, deletion_timestamp: Some(self.now_us.div_euclid(1_000)), ..remove.clone() }
    }
}
