//! `tournee devices`: which boxes may store samples.

use crate::cli::{DevicesOptions, DevicesWhat};
use crate::data_dir;
use anyhow::{Context, Result};
use chrono::DateTime;
use std::time::{SystemTime, UNIX_EPOCH};
use tournee_ingest::{DeviceRegistry, DeviceState};
use tournee_payload::BoxId;

/// Lists, accepts or blocks.
pub async fn run(options: DevicesOptions) -> Result<()> {
    let lake = data_dir::live_lake(&options.data, &options.lake)?;
    let registry = DeviceRegistry::open(&lake).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_us = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    // Whoever is at it, as far as the system says.
    let by = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "an operator".to_owned());
    match options.what {
        DevicesWhat::List { json } => list(&registry, json).await,
        DevicesWhat::Accept { boxes } => {
            for box_id in parse(&boxes)? {
                registry.accept(&box_id, &by, now_us).await?;
                println!("{box_id}: accepted; workers take its samples within seconds");
            }
            Ok(())
        }
        DevicesWhat::Block { boxes } => {
            for box_id in parse(&boxes)? {
                registry.block(&box_id, &by, now_us).await?;
                println!("{box_id}: blocked; workers refuse it within seconds");
            }
            Ok(())
        }
    }
}

/// All of them before the first is touched: a slip of the finger changes nothing.
fn parse(names: &[String]) -> Result<Vec<BoxId>> {
    names.iter().map(|name| BoxId::new(name).with_context(|| format!("`{name}` is no box"))).collect()
}

async fn list(registry: &DeviceRegistry, json: bool) -> Result<()> {
    let devices = registry.list().await?;
    if json {
        let rows: Vec<serde_json::Value> = devices
            .iter()
            .map(|it| {
                serde_json::json!({
                    "box_id": it.box_id.as_str(), "state": it.state.name(), "since": since(it.since_us)
                })
            })
            .collect();
        println!("{}", serde_json::to_string(&rows)?);
        return Ok(());
    }
    for device in &devices {
        println!("{:<9} {} {}", device.state.name(), since(device.since_us), device.box_id);
    }
    let count = |state: DeviceState| devices.iter().filter(|it| it.state == state).count();
    let (pending, accepted) = (count(DeviceState::Pending), count(DeviceState::Accepted));
    println!(
        "{} boxes: {accepted} accepted, {pending} pending, {} blocked",
        devices.len(),
        count(DeviceState::Blocked)
    );
    Ok(())
}

fn since(since_us: i64) -> String {
    DateTime::from_timestamp_micros(since_us)
        .map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}
