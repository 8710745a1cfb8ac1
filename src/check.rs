//! `tournee check`

use crate::cli::CheckOptions;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::path::Path;
use tournee_payload::Stream;

/// The lake's totals over all boxes and streams but the gap records themselves.
#[derive(Debug, Default, Serialize)]
pub struct LakeTotals {
    /// Highest sequence numbers plus one, summed.
    pub seen: u64,
    /// Samples stored.
    pub stored: u64,
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

/// Reads the whole lake.
pub async fn lake(data_dir: &Path) -> Result<LakeTotals> {
    let check = tournee_ingest::check::check(&data_dir.join("lake"))
        .await
        .with_context(|| format!("cannot read the lake under {}", data_dir.display()))?;
    // Gap records are about the samples of the other streams, not samples themselves.
    let samples = check.series.iter().filter(|series| series.stream != Stream::Gap.name());
    let mut totals = LakeTotals { quarantined: check.quarantined, ..LakeTotals::default() };
    for account in samples.map(|series| series.account) {
        totals.seen += account.generated;
        totals.stored += account.stored;
        totals.gaps += account.gaps;
        totals.refused += account.refused;
        totals.duplicates += account.duplicates;
        totals.missing += account.missing;
    }
    Ok(totals)
}

/// Exits with an error unless everything adds up.
pub async fn run(options: CheckOptions) -> Result<()> {
    let totals = lake(&options.data.dir).await?;
    if options.json {
        println!("{}", serde_json::to_string(&totals)?);
    } else {
        println!(
            "seen {} = stored {} + gaps {} + refused {} + missing {}; duplicates {}; quarantined {}",
            totals.seen,
            totals.stored,
            totals.gaps,
            totals.refused,
            totals.missing,
            totals.duplicates,
            totals.quarantined
        );
    }
    if totals.missing > 0 || totals.duplicates > 0 {
        bail!("{} samples missing, {} duplicated", totals.missing, totals.duplicates);
    }
    Ok(())
}
