//! Some vehicles in one process: the agent's own library, once per vehicle. The chaos harness kills it.
//!
//! `chaos-fleet FOLDER FIRST COUNT MQTT_PORT`: vehicle N has its line at FOLDER/line-N, its spool at FOLDER/spool-N.db, and
//! leaves FOLDER/report-N.json when its line has ended and the lake has everything.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::{AgentConfig, AgentStatus, RunOptions, run};
use tournee_tests::chaos::box_id;

fn main() -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().with_context(|| format!("argument {what} is missing"));
    let folder = PathBuf::from(next("FOLDER")?);
    let first: usize = next("FIRST")?.parse()?;
    let count: usize = next("COUNT")?.parse()?;
    let port: u16 = next("MQTT_PORT")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut vehicles = JoinSet::new();
        for vehicle in first..first + count {
            vehicles.spawn(drive(folder.clone(), vehicle, port));
        }
        while let Some(ended) = vehicles.join_next().await {
            ended??;
        }
        Ok(())
    })
}

async fn drive(folder: PathBuf, vehicle: usize, port: u16) -> Result<()> {
    let options = RunOptions { finish_on_eof: true, ..RunOptions::default() };
    let (status, _watched) = watch::channel(AgentStatus::default());
    let report = run(config(&folder, vehicle, port)?, options, CancellationToken::new(), status)
        .await
        .with_context(|| format!("vehicle {vehicle}"))?;
    Ok(std::fs::write(folder.join(format!("report-{vehicle}.json")), report.to_json().to_string())?)
}

fn config(folder: &Path, vehicle: usize, port: u16) -> Result<AgentConfig> {
    let line = folder.join(format!("line-{vehicle}"));
    let mut config = AgentConfig::new(&box_id(vehicle), &line, &folder.join(format!("spool-{vehicle}.db")))?;
    config.spool.commit_interval_ms = 100;
    // Loopback and minutes that last seconds: what is a slow, shared radio in the vehicle is none here.
    config.mqtt.port = port;
    config.mqtt.watermark_timeout_s = 1;
    config.mqtt.reconnect_most_s = 1;
    config.mqtt.catch_up_bytes_per_s = 1 << 30;
    // The privacy trim would keep most of so short a drive on board.
    (config.profile.trim.first_m, config.profile.trim.last_m) = (0.0, 0.0);
    Ok(config)
}
