//! The account of a seed: what the vehicles numbered, as their spools say, against what the lake's own rows say.

use super::{VEHICLES, box_id};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use tournee_ingest::check::LakeCheck;

/// The sums, samples of every stream and gap records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Numbered by the vehicles.
    pub generated: u64,
    /// In the lake.
    pub stored: u64,
    /// Given up by the vehicles, with a record of it in the lake.
    pub gaps: u64,
    /// Refused, and kept in quarantine.
    pub refused: u64,
    /// Numbered by a vehicle, and nowhere.
    pub lost: u64,
    /// In the lake more than once, or without a vehicle that numbered it.
    pub duplicated: u64,
    /// Messages in quarantine.
    pub quarantined: u64,
}

impl Account {
    /// Compares the vehicles' reports in `folder` with the lake, per box and stream.
    ///
    /// # Errors
    /// A report that is missing, or that tells of a damaged spool.
    pub fn new(folder: &Path, lake: &LakeCheck) -> Result<Self> {
        let mut account = Self { quarantined: lake.quarantined, ..Self::default() };
        let mut found = BTreeMap::new();
        for series in &lake.series {
            let epoch = u64::try_from(series.epoch)?;
            found.insert((series.box_id.clone(), series.stream.to_owned(), epoch), series.account);
        }
        let mut gaps = 0;
        for vehicle in 0..VEHICLES {
            let report = report(folder, vehicle)?;
            let box_id = box_id(vehicle);
            let epoch = report["epoch"].as_u64().with_context(|| format!("epoch in {report}"))?;
            gaps += report["gaps"].as_u64().with_context(|| format!("gaps in {report}"))?;
            for (stream, count) in report["generated"].as_object().with_context(|| format!("generated in {report}"))? {
                let generated = count.as_u64().with_context(|| format!("{stream} in {report}"))?;
                let in_lake = found.remove(&(box_id.clone(), stream.clone(), epoch)).unwrap_or_default();
                let there = in_lake.stored + in_lake.gaps + in_lake.refused + in_lake.expired;
                account.generated += generated;
                account.stored += in_lake.stored;
                account.gaps += in_lake.gaps;
                account.refused += in_lake.refused;
                account.lost += generated.saturating_sub(there);
                account.duplicated += in_lake.duplicates + there.saturating_sub(generated);
            }
        }
        for (_, stray) in found {
            account.duplicated += stray.stored + stray.duplicates;
        }
        ensure!(gaps >= account.gaps, "the lake has {} gaps, the vehicles gave up {gaps}", account.gaps);
        Ok(account)
    }

    /// Is every sample there exactly once?
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.lost == 0
            && self.duplicated == 0
            && self.refused == 0
            && self.quarantined == 0
            && self.generated == self.stored + self.gaps
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generated, stored, gaps, lost, duplicated, .. } = self;
        write!(f, "generated {generated} = stored {stored} + gaps {gaps}; lost {lost}, duplicated {duplicated}")?;
        if self.refused + self.quarantined > 0 {
            write!(f, "; refused {}, quarantined {}", self.refused, self.quarantined)?;
        }
        Ok(())
    }
}

/// The report of a vehicle's last run: its counts are those of its spool, from the first sample on.
fn report(folder: &Path, vehicle: usize) -> Result<Value> {
    let path = folder.join(format!("report-{vehicle}.json"));
    let text = fs::read(&path).with_context(|| format!("no report {}", path.display()))?;
    let report: Value = serde_json::from_slice(&text)?;
    let is_zero = |key: &str| report[key].as_u64() == Some(0);
    ensure!(is_zero("pending") && is_zero("old_copies"), "vehicle {vehicle} is not done: {report}");
    ensure!(report["set_aside"].is_null(), "a kill does not damage a spool: {report}");
    Ok(report)
}
