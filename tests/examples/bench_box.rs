//! `cargo run --release -p tournee-tests --example bench_box [SECONDS]`: what the box's firmware does in the emulator, and
//! what its frames cost the host. Build firmware/board first (tests/run does).
//!
//! The emulator says nothing about the time that a real microcontroller takes: it shows rates and the cost of emulating.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tournee_link::{BoxConfig, Command, Decoder, Message, Outcome};
use tournee_tests::{BoxLine, firmware};
use tournee_twin::emulated::{EmulatedBox, EmulatedConfig};
use tournee_twin::line_simulator::LineConfig;
use tournee_twin::{Round, Town, World};

fn main() -> Result<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(20), |text| text.parse()).context("SECONDS is a number")?;
    let dense = BoxConfig {
        generation: 2,
        accel_block: 4,
        gnss_period_ms: 100,
        no2_period_ms: 100,
        climate_period_ms: 200,
        health_period_ms: 1_000,
        ..BoxConfig::DEFAULT
    };
    println!("configuration   frames/s   kB/s   lost   bad   bus transactions/s   emulator CPU s/s   longest turn, ms");
    let mut bytes = Vec::new();
    for (name, config) in [("default", BoxConfig { generation: 1, ..BoxConfig::DEFAULT }), ("dense", dense)] {
        bytes = run(name, config, Duration::from_secs(seconds))?;
    }
    decode(&bytes)
}

fn run(name: &str, config: BoxConfig, length: Duration) -> Result<Vec<u8>> {
    let folder = tempfile::Builder::new().prefix("box-").tempdir()?;
    let tap = folder.path().join("clean");
    let one = EmulatedBox::start(
        Arc::new(World::new(3, Town::grid(6, 6, 100.0))?),
        EmulatedConfig {
            seed: 3,
            box_ix: 0,
            round: Round { start_utc_us: 1_768_212_000_000_000, duration_s: 3_600 },
            firmware: firmware("tournee-box-qemu")?,
            folder: folder.path().to_owned(),
            line: LineConfig::new(folder.path().join("tty")),
            tap: Some(tap.clone()),
            pm_serial: None,
        },
    )?;
    let mut line = BoxLine::open(&folder.path().join("tty"))?;
    ensure!(line.ask(Command::SetConfig(config))? == Outcome::Done(0), "the box takes the configuration");
    line.hear(Duration::from_secs(8))?;
    line.said.clear();
    let (cpu, bus, carried, lost) = (
        one.emulator().cpu_seconds().context("the emulator runs")?,
        one.emulator().bus_counters().done,
        one.line().counters().to_host_bytes,
        line.tracker.lost(),
    );
    let begun = Instant::now();
    line.hear(length)?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = one.emulator().cpu_seconds().context("the emulator runs")? - cpu;
    let turn_us = line.said.iter().rev().find_map(|(_, message)| match message {
        Message::HealthV2(health) => Some(health.turn_max_us),
        _ => None,
    });
    println!(
        "{name:<15} {:>8.1} {:>6.1} {:>6} {:>5} {:>20.0} {:>18.3} {:>18}",
        line.said.len() as f64 / seconds,
        (one.line().counters().to_host_bytes - carried) as f64 / 1e3 / seconds,
        line.tracker.lost() - lost,
        line.bad,
        (one.emulator().bus_counters().done - bus) as f64 / seconds,
        cpu / seconds,
        turn_us.map_or_else(|| "-".to_owned(), |us| format!("{:.1}", f64::from(us) / 1e3)),
    );
    Ok(std::fs::read(tap)?)
}

/// Decodes what the box said, over and over, beside a copy of the same bytes.
fn decode(bytes: &[u8]) -> Result<()> {
    let rounds = (200_000_000 / bytes.len().max(1)).max(1);
    let begun = Instant::now();
    let mut frames = 0_u64;
    for _ in 0..rounds {
        Decoder::new().feed(bytes, |_| frames += 1);
    }
    let decoding = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let mut copy = vec![0_u8; bytes.len()];
    for _ in 0..rounds {
        copy.copy_from_slice(std::hint::black_box(bytes));
        std::hint::black_box(&mut copy);
    }
    let copying = begun.elapsed().as_secs_f64();
    let megabytes = (rounds * bytes.len()) as f64 / 1e6;
    println!(
        "decoding on the host: {:.0} MB/s, {:.2} M frames/s; copying the same bytes {:.0} MB/s",
        megabytes / decoding,
        frames as f64 / 1e6 / decoding,
        megabytes / copying
    );
    Ok(())
}
