//! `tournee lake check`, and `tournee check`, which is the same.

use crate::cli::CheckOptions;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::fmt;
use std::path::Path;
use tournee_ingest::LakeUrl;
use tournee_ingest::check::{CheckLimits, DayAccount, LakeCheck, Violation, check, check_within};
use tournee_payload::Stream;

/// Exit status of a lake that cannot be read: nothing was proved, and nothing was found wrong.
pub const UNREADABLE: u8 = 2;

/// The lake cannot be read.
#[derive(Debug)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the lake under {}", self.0)
    }
}

/// The lake's totals over all boxes and streams but the gap records themselves.
#[derive(Debug, Default, Serialize)]
pub struct LakeTotals {
    /// Highest sequence numbers plus one, summed.
    pub seen: u64,
    /// Samples stored.
    pub stored: u64,
    /// Samples that were stored and have left because of their age.
    pub expired: u64,
    /// Samples that gap records cover.
    pub gaps: u64,
    /// Samples refused by row, kept in quarantine.
    pub refused: u64,
    /// Keys that are there more than once.
    pub duplicates: u64,
    /// Sequence numbers below the highest that are neither stored nor covered.
    pub missing: u64,
    /// Rows of the quarantine table.
    pub quarantined: u64,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    totals: LakeTotals,
    holds: bool,
    days: &'a [DayAccount],
    violations: &'a [Violation],
}

fn totals(check: &LakeCheck) -> LakeTotals {
    // Gap records are about the samples of the other streams, not samples themselves.
    let samples = check.series.iter().filter(|series| series.stream != Stream::Gap.name());
    let mut totals = LakeTotals { quarantined: check.quarantined, ..LakeTotals::default() };
    for account in samples.map(|series| series.account) {
        totals.seen += account.generated;
        totals.stored += account.stored;
        totals.expired += account.expired;
        totals.gaps += account.gaps;
        totals.refused += account.refused;
        totals.duplicates += account.duplicates;
        totals.missing += account.missing;
    }
    totals
}

/// Reads the whole lake of a data folder.
pub async fn lake(data_dir: &Path) -> Result<LakeTotals> {
    let place = data_dir.join("lake");
    let found = check(&place).await.with_context(|| Unreadable(place.display().to_string()))?;
    Ok(totals(&found))
}

/// Exits with an error unless everything was proved.
pub async fn run(options: CheckOptions) -> Result<()> {
    let place = options.lake.url.clone().unwrap_or_else(|| LakeUrl::from(options.data.dir.join("lake")));
    let memory_bytes = usize::try_from(options.memory_mb << 20).unwrap_or(usize::MAX);
    let found = check_within(&place, CheckLimits { memory_bytes }).await;
    let found = found.with_context(|| Unreadable(place.to_string()))?;
    let sums = totals(&found);
    if options.json {
        let report = Report { totals: sums, holds: found.holds(), days: &found.days, violations: &found.violations };
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&found.days);
        println!(
            "seen {} = stored {} + expired {} + gaps {} + refused {} + missing {}; duplicates {}; quarantined {}",
            sums.seen,
            sums.stored,
            sums.expired,
            sums.gaps,
            sums.refused,
            sums.missing,
            sums.duplicates,
            sums.quarantined
        );
        for violation in &found.violations {
            println!("{}: {}: {}", violation.table, violation.kind, violation.detail);
        }
    }
    if !found.holds() {
        let (missing, duplicates) = (found.total.missing, found.total.duplicates);
        bail!("{} violations: {missing} samples missing, {duplicates} duplicated", found.violations.len());
    }
    Ok(())
}

fn print(days: &[DayAccount]) {
    println!(
        "{:<10}  {:<10}  {:>12}  {:>12}  {:>12}  {:>10}  {:>10}  {:>10}",
        "date", "stream", "generated", "stored", "expired", "gaps", "refused", "duplicates"
    );
    for DayAccount { date, stream, account } in days {
        println!(
            "{date:<10}  {stream:<10}  {:>12}  {:>12}  {:>12}  {:>10}  {:>10}  {:>10}",
            account.generated, account.stored, account.expired, account.gaps, account.refused, account.duplicates
        );
    }
}
