//! Decode → rows → Arrow → Parquet → Delta, without a broker, counted in CPU seconds of this process.

use anyhow::{Result, ensure};
use std::time::Instant;
use tournee_ingest::{Lake, LakeOptions, message};

use crate::aims::{Report, thousands};
use crate::fleet::{Fleet, cork, fleet};
use crate::process::{cpu_s, folder_bytes};

const VEHICLES: usize = 200;
/// As a worker commits at the latest.
const ROWS_PER_COMMIT: usize = 200_000;

/// Rows a CPU second, and bytes a row on disk.
pub fn measure(rows: usize, report: &mut Report) -> Result<()> {
    let fleet = fleet(&cork()?, "core", VEHICLES, rows)?;
    let wire: usize = fleet.messages.iter().map(|message| message.payload.len()).sum();
    report.add("bytes a row on the wire (mobile, 60 a batch)", format!("{:.1}", wire as f64 / fleet.rows as f64), "");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let pid = std::process::id();

    let (began, cpu) = (Instant::now(), cpu_s(pid)?);
    let mut decoded = 0;
    for one in &fleet.messages {
        decoded += read(one)?.samples.len();
    }
    ensure!(decoded == fleet.rows);
    let decode_s = cpu_s(pid)? - cpu;
    report.add(
        "decode alone, rows/s per core",
        format!("{} ({:.2} s)", thousands(fleet.rows as f64 / decode_s.max(0.01)), began.elapsed().as_secs_f64()),
        "",
    );

    let (began, cpu) = (Instant::now(), cpu_s(pid)?);
    runtime.block_on(store(&fleet, folder.path()))?;
    let (wall, used) = (began.elapsed().as_secs_f64(), cpu_s(pid)? - cpu);
    report.add(
        "decode to Delta commit, rows/s per core",
        format!("{} ({used:.2} CPU s, {wall:.2} s)", thousands(fleet.rows as f64 / used)),
        "≥ 500,000",
    );
    let bytes = folder_bytes(&folder.path().join("mobile"));
    report.add(
        "bytes a row on disk (mobile, log included)",
        format!("{:.1}", bytes as f64 / fleet.rows as f64),
        "≤ 13",
    );
    Ok(())
}

fn read(one: &crate::fleet::Message) -> Result<tournee_payload::Batch> {
    match message(&one.topic, &one.payload) {
        Ok(decoded) => Ok(decoded.batch),
        Err(refusal) => anyhow::bail!("a batch was refused: {refusal:?}"),
    }
}

async fn store(fleet: &Fleet, root: &std::path::Path) -> Result<()> {
    let mut lake = Lake::open(root, LakeOptions::default()).await?;
    let now = || chrono::Utc::now().timestamp_micros();
    let mut stored = 0;
    for one in &fleet.messages {
        lake.append(read(one)?, now())?;
        if lake.pending_rows() >= ROWS_PER_COMMIT {
            stored += lake.commit(now()).await?.rows.values().sum::<u64>();
        }
    }
    stored += lake.commit(now()).await?.rows.values().sum::<u64>();
    ensure!(stored == fleet.rows as u64, "{stored} of {} rows stored", fleet.rows);
    Ok(())
}
