//! Keeping a lake in order while it is used: few large files instead of many small ones, checkpoints, files that nobody can read any
//! more, and rows that have stayed long enough.
//!
//! Every change is one commit by put-if-absent on the next version, on top of whatever ingest commits meanwhile: ingest
//! rebases over entries that carry none of its transactions, and these carry none. What two maintenances do at once conflicts,
//! and the loser throws its work away. Killed anywhere, what is left behind are files that no version names; a later vacuum removes
//! them. `docs/decisions/0011-maintenance.md` has the reasons.

mod expire;
mod facts;
pub(crate) mod object_file;
mod options;
mod output;
mod plan;
mod report;
mod rewrite;
#[cfg(test)]
mod shape_tests;
mod sort;
mod stats;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod vacuum;

use std::collections::BTreeMap;
use std::time::Instant;

use deltalake::DeltaTable;
use deltalake::protocol::checkpoints::create_checkpoint;
use futures::TryStreamExt as _;
use object_store::path::Path;
use tokio_util::sync::CancellationToken;
use tournee_lake::Table;
use tournee_lake::derived::{DerivedTable, TERRITORY};

pub use options::MaintainOptions;
pub use report::{MaintainError, MaintainReport, TableReport};
pub use tournee_lake::retention::Retention;

use crate::convert::day_of;
use crate::error::IngestError;
use crate::lake_store::LakeStore;
use crate::parquet_file;
use options::Env;
use plan::{Candidate, Layout, Sizes, groups};
use rewrite::{Order, rewrite};
use table::{LiveFile, Maintained};

/// Maintains a lake, and the derived tables where there are some. `now_us` is the time, microseconds since 1970. The errors of
/// single tables are in the report.
///
/// # Errors
/// When there is no folder for temporary files.
pub async fn maintain(
    lake: &LakeStore,
    derived: Option<&LakeStore>,
    options: &MaintainOptions,
    now_us: i64,
    stop: &CancellationToken,
) -> Result<MaintainReport, IngestError> {
    let folder = options.temporary.clone().unwrap_or_else(std::env::temp_dir);
    if !folder.is_dir() {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(IngestError::Root { path: folder, source });
    }
    let started = Instant::now();
    let deadline = started.checked_add(options.budget).unwrap_or(started);
    let env = Env { options, now_us, stop, deadline, folder: &folder };
    let mut report = MaintainReport { complete: true, ..MaintainReport::default() };
    let raw = Table::ALL.into_iter().map(Job::Raw);
    let jobs = raw.chain(derived.iter().flat_map(|_| DerivedTable::ALL).map(Job::Derived));
    for job in jobs {
        let mut done = TableReport { table: job.name(), ..TableReport::default() };
        let begun = Instant::now();
        let outcome = match (job, derived) {
            (Job::Raw(table), _) => raw_table(&env, lake, table, &mut done).await,
            (Job::Derived(table), Some(derived)) => derived_table(&env, derived, table, &mut done).await,
            (Job::Derived(_), None) => Ok(()),
        };
        done.seconds = begun.elapsed().as_secs_f64();
        let over = matches!(outcome, Err(MaintainError::Stopped | MaintainError::OutOfTime));
        if let (Err(error), false) = (&outcome, over) {
            done.error = Some(error.to_string());
        }
        report.tables.push(done);
        if over {
            report.complete = false;
            break;
        }
    }
    let faultless = report.errors().next().is_none();
    report.complete &= faultless;
    Ok(report)
}

#[derive(Clone, Copy)]
enum Job {
    Raw(Table),
    Derived(DerivedTable),
}

impl Job {
    fn name(self) -> String {
        match self {
            Self::Raw(table) => table.name().to_owned(),
            Self::Derived(table) => format!("derived/{}", table.name()),
        }
    }
}

async fn open(
    store: &LakeStore,
    name: &'static str,
    partition_column: &'static str,
) -> Result<Option<Maintained>, IngestError> {
    let log = store.log_of(name).map_err(|source| table::delta_error(name, source))?;
    let Some(place) = Maintained::open(name, partition_column, log).await? else { return Ok(None) };
    place.writable()?;
    Ok(Some(place))
}

async fn raw_table(
    env: &Env<'_>,
    store: &LakeStore,
    table: Table,
    done: &mut TableReport,
) -> Result<(), MaintainError> {
    let Some(mut place) = open(store, table.name(), "date").await? else { return Ok(()) };
    measure(&place, &mut done.files_before, &mut done.bytes_before);
    let outcome = async {
        let today = day_of(env.now_us);
        if let Some(first_kept_day) = env.options.retention.first_kept_day(table, today) {
            done.rows_expired = expire::expire(env, store, table, &mut place, first_kept_day).await?;
        }
        compact(env, table, &mut place, done).await
    };
    let outcome = outcome.await;
    measure(&place, &mut done.files_after, &mut done.bytes_after);
    outcome?;
    housekeeping(env, store, &mut place, done).await?;
    done.objects_removed = vacuum::objects(env, store, table, &mut place).await?.files;
    Ok(())
}

async fn derived_table(
    env: &Env<'_>,
    store: &LakeStore,
    table: DerivedTable,
    done: &mut TableReport,
) -> Result<(), MaintainError> {
    let Some(mut place) = open(store, table.name(), TERRITORY).await? else { return Ok(()) };
    measure(&place, &mut done.files_before, &mut done.bytes_before);
    let months = env.options.retention.pass_fact_months.filter(|_| table == DerivedTable::PassFact);
    if let Some(first) = months.and_then(|months| facts::first_kept_day(day_of(env.now_us), months)) {
        done.rows_expired = facts::expire(env, &mut place, first).await?;
    }
    measure(&place, &mut done.files_after, &mut done.bytes_after);
    housekeeping(env, store, &mut place, done).await
}

fn measure(place: &Maintained, files: &mut u64, bytes: &mut u64) {
    let live = place.files();
    *files = live.len() as u64;
    *bytes = live.iter().map(|file| file.bytes).sum();
}

/// Makes few files of many, date by date, oldest first.
async fn compact(
    env: &Env<'_>,
    table: Table,
    place: &mut Maintained,
    done: &mut TableReport,
) -> Result<(), MaintainError> {
    let options = env.options;
    let settled_ms =
        env.now_us.div_euclid(1_000).saturating_sub(i64::try_from(options.settle.as_millis()).unwrap_or(i64::MAX));
    let first_hot_day = day_of(env.now_us).saturating_sub(i32::try_from(options.cold_after_days).unwrap_or(i32::MAX));
    let sizes = Sizes { target: options.target_bytes, group: options.group_bytes, hot_files: options.hot_files };
    let mut dates: BTreeMap<i32, Vec<LiveFile>> = BTreeMap::new();
    for file in place.files().into_iter().filter(|file| file.modified_ms <= settled_ms) {
        if let Some(day) = expire::day_number(&file.partition) {
            dates.entry(day).or_default().push(file);
        }
    }
    for (day, files) in dates {
        let layout = if day < first_hot_day { Layout::Cold } else { Layout::Hot };
        let candidate =
            |(at, file): (usize, &LiveFile)| Candidate { at, layout: Layout::of(&file.path), bytes: file.bytes };
        let candidates: Vec<Candidate> = files.iter().enumerate().map(candidate).collect();
        for group in groups(&candidates, layout, &sizes) {
            env.go_on()?;
            let group: Vec<LiveFile> = group.into_iter().filter_map(|at| files.get(at).cloned()).collect();
            let order = Order {
                own: Some(table.file_schema()),
                keys: Some(keys(table, layout)),
                filter: None,
                folder: env.folder,
                prefix: layout.prefix(),
                properties: parquet_file::properties(table)?,
                statistics: Box::new(move |batch| parquet_file::statistics(table, batch)),
                partition_column: "date",
            };
            match rewrite(env, place, &group, order).await? {
                Some(sum) => {
                    tracing::info!(
                        table = table.name(),
                        day,
                        ?layout,
                        files_in = sum.files_in,
                        files_out = sum.files_out,
                        bytes_in = sum.bytes_in,
                        bytes_out = sum.bytes_out,
                        rows = sum.rows,
                        "compacted"
                    );
                    done.rewrites += 1;
                    done.rows_rewritten += sum.rows;
                }
                None => done.conflicts += 1,
            }
        }
    }
    Ok(())
}

/// The columns by which a file is sorted; those that a table has not are passed over.
const fn keys(table: Table, layout: Layout) -> &'static [&'static str] {
    match (table, layout) {
        (Table::Quarantine, _) => &["received_at", "box_id"],
        (_, Layout::Cold) => &["h3_r10", "t", "box_id", "epoch", "seq"],
        _ => &["box_id", "t", "epoch", "seq"],
    }
}

/// Checkpoint, files, log: in this order, for the log is cleaned up to a checkpoint only.
async fn housekeeping(
    env: &Env<'_>,
    store: &LakeStore,
    place: &mut Maintained,
    done: &mut TableReport,
) -> Result<(), MaintainError> {
    env.go_on()?;
    place.reload().await?;
    if place.version().saturating_sub(newest_checkpoint(place).await?.unwrap_or(0)) >= env.options.checkpoint_every {
        let mut table = DeltaTable::new(place.log().clone());
        table.load().await.map_err(|error| place.fail(error))?;
        create_checkpoint(&table, None).await.map_err(|error| place.fail(error))?;
        done.checkpoint = true;
    }
    let removed = vacuum::files(env, store, place).await?;
    done.files_removed = removed.files;
    done.bytes_removed = removed.bytes;
    done.log_entries_removed = vacuum::log_entries(env, place).await?;
    Ok(())
}

/// The version of the newest checkpoint.
async fn newest_checkpoint(place: &Maintained) -> Result<Option<u64>, IngestError> {
    let listed: Vec<_> = place.store().list(Some(&Path::from("_delta_log"))).try_collect().await?;
    let version = |name: &str| name.split_once(".checkpoint").and_then(|(version, _)| version.parse().ok());
    Ok(listed.iter().filter_map(|meta| version(meta.location.filename()?)).max())
}
