//! Does the lake keep its promise? generated = stored + expired + gaps + refused, duplicates = 0, for every box, stream and epoch,
//! and the watermark objects say the same as the rows.
//!
//! Reads the rows themselves through the Delta log. The watermark objects are on trial: a row that none of them accounts for
//! would be stored again when it is delivered again; a row that one of them names and that is nowhere is lost, for its
//! vehicle has deleted it.
//!
//! It is one half of the proof. `generated` is what the lake has heard of: the largest number of a series, plus one. Samples
//! at the end of a series that never arrived, or a series of which nothing did, are unknown here and cannot be missing. The
//! other half are the vehicles' own counts, of what each numbered per stream and epoch; the end-to-end tests compare the two.
//!
//! Each table is read at one version, but the tables one after another: on a lake that is being written, a number may be missing
//! because it is on its way.
//!
//! Memory: one bit per row of the table at hand, and only in blocks of 4,096 numbers that are not full; beyond
//! [`CheckLimits::memory_bytes`] the table is read in two, four, … parts, each with its share of the boxes. On top of that come the intervals of
//! the watermark objects of one table, which ingest holds of all tables, and one range per gap record.

mod account;
pub(crate) mod identity;
pub(crate) mod seq_set;
mod snapshot;
#[cfg(test)]
mod tests;
mod work;

use tournee_lake::Table;

pub use account::{Account, DayAccount, LakeCheck, SeriesAccount, Violation};

use crate::error::IngestError;
use crate::lake_store::LakeStore;
use crate::lake_url::LakeUrl;
use snapshot::Snapshot;
use work::Work;

/// Bounds of a check.
#[derive(Clone, Copy, Debug)]
pub struct CheckLimits {
    /// Memory for the numbers of one table, bytes, about.
    pub memory_bytes: usize,
}

impl Default for CheckLimits {
    fn default() -> Self {
        Self { memory_bytes: 512 * 1024 * 1024 }
    }
}

/// Checks the lake at this place.
///
/// # Errors
/// When the place, a log or the store cannot be read. What can be read and is wrong is a [`Violation`].
pub async fn check(lake: impl Into<LakeUrl>) -> Result<LakeCheck, IngestError> {
    check_within(lake, CheckLimits::default()).await
}

/// The same within other bounds.
///
/// # Errors
/// As [`check`].
pub async fn check_within(lake: impl Into<LakeUrl>, limits: CheckLimits) -> Result<LakeCheck, IngestError> {
    check_store(&LakeStore::existing(&lake.into())?, limits).await
}

/// The same of a lake that is open already.
///
/// # Errors
/// As [`check`].
pub async fn check_store(store: &LakeStore, limits: CheckLimits) -> Result<LakeCheck, IngestError> {
    let mut work = Work::new(limits);
    // What explains absence first: a stream is then judged against everything that was known before it was read.
    let streams = Table::STREAMS.into_iter().filter(|table| *table != Table::Gap);
    for table in [Table::Quarantine, Table::Gap].into_iter().chain(streams) {
        if let Some(snapshot) = Snapshot::open(store, table).await? {
            work.table(table, snapshot).await?;
        }
    }
    Ok(work.finish())
}
