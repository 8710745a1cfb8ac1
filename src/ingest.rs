//! `tournee ingest`

use crate::cli::IngestOptions;
use crate::{data_dir, shutdown};
use anyhow::{Context, Result};
use std::time::Duration;
use tokio::sync::watch;
use tournee_ingest::{IngestConfig, IngestStatus};

/// Runs one worker until told to stop, then drains.
pub async fn run(options: IngestOptions) -> Result<()> {
    let lake = options.data.dir.join("lake");
    data_dir::open_live(&options.data.dir)?;
    let mut config = IngestConfig::new(lake, &options.mqtt_host, options.mqtt_port);
    config.shards = options.shards.0..=options.shards.1;
    // One name per range, the same at every start: the broker keeps what came in between under it.
    config.client_id = format!("ingest-{:02}-{:02}", options.shards.0, options.shards.1);
    config.commit_interval = Duration::try_from_secs_f64(options.commit_s).context("--commit-s is not a time span")?;
    let (status, _) = watch::channel(IngestStatus::default());
    let report = tournee_ingest::run(config, shutdown::on_signal()?, status).await?;
    let totals = report.status.totals;
    println!(
        "{} rows in {} commits; refused: {} rows, {} messages",
        totals.stored, totals.commits, totals.refused_rows, totals.refused_messages
    );
    Ok(())
}
