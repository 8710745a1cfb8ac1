//! The time of a commit over many of them, with maintenance running beside.

use anyhow::{Result, ensure};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tournee_ingest::{Lake, LakeOptions, message};

use crate::aims::Report;
use crate::fleet::{BATCH_ROWS, cork, fleet};
use crate::process::binary;

const VEHICLES: usize = 40;
/// Commits between two starts of maintenance, as an hour is at one commit every 30 s.
const MAINTAIN_EVERY: usize = 120;

/// Median and 99th percentile of the first and the last tenth.
pub fn measure(commits: usize, report: &mut Report) -> Result<()> {
    let fleet = fleet(&cork()?, "commits", VEHICLES, commits * VEHICLES * BATCH_ROWS)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let mut took = Vec::with_capacity(commits);
    let mut rounds = 0;
    runtime.block_on(async {
        let mut lake = Lake::open(folder.path().join("lake"), LakeOptions::default()).await?;
        let now = || chrono::Utc::now().timestamp_micros();
        let mut maintenance: Option<Child> = None;
        for (number, part) in fleet.messages.chunks(VEHICLES).enumerate() {
            for one in part {
                match message(&one.topic, &one.payload) {
                    Ok(decoded) => lake.append(decoded.batch, now())?,
                    Err(refusal) => anyhow::bail!("refused: {refusal:?}"),
                };
            }
            if number % MAINTAIN_EVERY == MAINTAIN_EVERY - 1 {
                if let Some(mut running) = maintenance.take() {
                    ensure!(running.wait()?.success(), "maintenance failed");
                    rounds += 1;
                }
                let command = ["lake", "maintain", "--once", "--data"];
                let mut run = Command::new(binary("tournee")?);
                maintenance = Some(run.args(command).arg(folder.path()).stdout(Stdio::null()).spawn()?);
            }
            let began = Instant::now();
            lake.commit(now()).await?;
            took.push(began.elapsed());
        }
        if let Some(mut running) = maintenance.take() {
            ensure!(running.wait()?.success(), "maintenance failed");
            rounds += 1;
        }
        anyhow::Ok(())
    })?;
    let tenth = (took.len() / 10).max(1);
    let figures = |part: &[Duration]| {
        let mut sorted = part.to_vec();
        sorted.sort_unstable();
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
        format!("{:.0} / {:.0}", at(0.5), at(0.99))
    };
    report.add(
        &format!("commit of 2,400 rows, ms, median / p99: first, middle and last tenth of {}", took.len()),
        format!(
            "{}, {}, {} ({rounds} rounds of maintenance beside it)",
            figures(&took[..tenth]),
            figures(&took[took.len() / 2..took.len() / 2 + tenth]),
            figures(&took[took.len() - tenth..])
        ),
        "flat",
    );
    Ok(())
}
