//! `tournee lake`: proving and maintaining.

use crate::cli::{LakeOptions, LakeWhat, MaintainArguments};
use crate::{check, shutdown};
use anyhow::{Context, Result, bail};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tournee_ingest::maintain::{MaintainOptions, MaintainReport, Retention, maintain};
use tournee_ingest::{FailPlan, LakeStore, LakeUrl};

/// A worker whose commit is older than this has given up.
const ORPHAN_AGE_MIN: Duration = Duration::from_secs(86_400);
/// Below this, a long query may find its files gone.
const HISTORY_MIN: Duration = Duration::from_secs(3_600);
/// Largest group of files of one rewrite, in files of the target size.
const GROUP: u64 = 4;

/// Runs one of the commands.
pub async fn run(options: LakeOptions) -> Result<()> {
    match options.what {
        LakeWhat::Check(options) => check::run(options).await,
        LakeWhat::Maintain(arguments) => maintain_lake(arguments).await,
    }
}

async fn maintain_lake(arguments: MaintainArguments) -> Result<()> {
    if arguments.orphan_age < ORPHAN_AGE_MIN {
        bail!("--orphan-age below 1d could remove the files of a commit under way: give it a day or more");
    }
    if arguments.history < HISTORY_MIN {
        tracing::warn!("--history below 1h: a query that takes longer will miss files");
    }
    let place = arguments.lake.url.clone().unwrap_or_else(|| LakeUrl::from(arguments.data.dir.join("lake")));
    // A lake that is not there is not to be made here.
    LakeStore::existing(&place).with_context(|| format!("there is no lake at {place}"))?;
    let plan = FailPlan::from_environment()?;
    let hook = plan.map(|plan| plan.hook());
    let lake = LakeStore::create(&place, hook.clone()).await?;
    let derived = arguments.data.dir.join("derived");
    let derived = if derived.is_dir() { Some(LakeStore::existing(&derived.into())?) } else { None };
    let target_bytes = arguments.target_mb << 20;
    let options = MaintainOptions {
        retention: Retention {
            raw_days: arguments.raw_days.0,
            quarantine_days: arguments.quarantine_days.0,
            pass_fact_months: arguments.pass_fact_months.0,
        },
        cold_after_days: arguments.cold_after_days,
        settle: arguments.settle,
        hot_files: arguments.hot_files,
        target_bytes,
        group_bytes: target_bytes * GROUP,
        memory_bytes: usize::try_from(arguments.memory_mb << 20).unwrap_or(usize::MAX),
        temporary: arguments.temporary.clone(),
        budget: arguments.budget,
        history: arguments.history,
        orphan_age: arguments.orphan_age,
        hook,
        ..MaintainOptions::default()
    };
    let stop = shutdown::on_signal()?;
    loop {
        let begun = tokio::time::Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let now_us = i64::try_from(now.as_micros()).context("the clock is far in the future")?;
        let report = maintain(&lake, derived.as_ref(), &options, now_us, &stop).await?;
        print(&report, arguments.json)?;
        let Some(every) = arguments.every else {
            let failed: Vec<String> = report.errors().map(|(table, error)| format!("{table}: {error}")).collect();
            if !failed.is_empty() {
                bail!("{} tables could not be maintained: {}", failed.len(), failed.join("; "));
            }
            return Ok(());
        };
        for (table, error) in report.errors() {
            tracing::error!(table, error, "not maintained; the next run tries again");
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(begun + every) => {}
        }
    }
}

fn print(report: &MaintainReport, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
        return Ok(());
    }
    println!(
        "{:<22}  {:>15}  {:>21}  {:>10}  {:>8}  {:>13}  {:>8}",
        "table", "files", "MB", "rewritten", "expired", "removed", "seconds"
    );
    for table in
        report.tables.iter().filter(|table| table.files_before + table.files_removed > 0 || table.error.is_some())
    {
        let mb = |bytes: u64| bytes as f64 / 1e6;
        println!(
            "{:<22}  {:>6} → {:>6}  {:>9.1} → {:>9.1}  {:>10}  {:>8}  {:>13}  {:>8.1}",
            table.table,
            table.files_before,
            table.files_after,
            mb(table.bytes_before),
            mb(table.bytes_after),
            table.rows_rewritten,
            table.rows_expired,
            table.files_removed + table.objects_removed + table.log_entries_removed,
            table.seconds
        );
        if let Some(error) = &table.error {
            println!("{:<22}  {error}", "");
        }
    }
    if !report.complete {
        println!("not everything was done; the next run goes on");
    }
    Ok(())
}
