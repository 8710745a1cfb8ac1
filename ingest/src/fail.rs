//! Places where a test may end a commit as a crash would.

use std::sync::Arc;

use tournee_lake::Table;

/// A step of a commit, in order; [`FailPoint::Reload`] comes where one of them failed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailPoint {
    /// Parquet files are written, the watermark object is not.
    BeforeObject,
    /// The watermark object is written, the commit is not.
    BeforeCommit,
    /// The log entry has its name, but the store reports an error: the outcome is unknown.
    AfterLink,
    /// The commit is in the log, this process has not learnt it yet.
    AfterCommit,
    /// The log was read again, the watermark objects were not.
    Reload,
}

/// Asked at every [`FailPoint`]; true means "it ends here with an error".
pub type Hook = Arc<dyn Fn(FailPoint, Table) -> bool + Send + Sync>;
