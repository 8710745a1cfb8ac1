//! Places where a test may end a commit as a crash would.

use std::sync::Arc;

use tournee_lake::Table;

/// A step of a commit, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailPoint {
    /// Parquet files are written, the watermark object is not.
    BeforeObject,
    /// The watermark object is written, the commit is not.
    BeforeCommit,
    /// The commit is in the log, this process has not learnt it yet.
    AfterCommit,
}

/// Asked at every [`FailPoint`]; true means "the process ends here".
pub type Hook = Arc<dyn Fn(FailPoint, Table) -> bool + Send + Sync>;
