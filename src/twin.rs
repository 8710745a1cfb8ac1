//! `tournee twin`

use crate::cli::TwinOptions;
use crate::{demo, shutdown};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tournee_twin::emulated::{EmulatedBox, EmulatedConfig};
use tournee_twin::line_simulator::LineConfig;
use tournee_twin::port::TwinPort;
use tournee_twin::{LineNoise, TwinBox, demo_plan};

/// Drives one simulated box over a pseudo-terminal that `--port` links to.
pub async fn run(options: TwinOptions) -> Result<()> {
    let stop = shutdown::on_signal()?;
    let port = options.port.clone();
    if let Some(firmware) = options.firmware.clone() {
        return emulate(&options, &firmware, &stop).await;
    }
    let drive = tokio::task::spawn_blocking(move || drive(&options));
    let outcome = tokio::select! {
        outcome = drive => outcome?,
        () = stop.cancelled() => {
            remove_link(&port)?;
            // The drive may be blocked on a line that nobody reads: nothing of it is worth waiting for.
            std::process::exit(0);
        }
    };
    remove_link(&port)?;
    outcome
}

fn drive(options: &TwinOptions) -> Result<()> {
    let territory = tournee_territory::demo::redon()?;
    let world = demo::world(options.seed, &territory)?;
    let mut line = TwinPort::open().context("cannot open a pseudo-terminal")?;
    line.set_stall_limit(Duration::from_secs(24 * 3600));
    link(&options.port, line.path())?;
    println!("vehicle {} speaks on {}", options.vehicle, options.port.display());
    let plan = demo_plan(options.vehicle, options.rounds);
    let mut twin = TwinBox::new(world, options.seed, options.vehicle, plan, LineNoise::default());
    let (started, mut seconds) = (Instant::now(), 0.0);
    line.pump(&mut twin, |_| {
        seconds += 1.0;
        if options.speed > 0.0 {
            let due = Duration::from_secs_f64(seconds / options.speed);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
    })?;
    let counters = twin.counters();
    println!("drove {} m, sent {} frames, {} bytes", counters.driven_m, counters.frames_sent, counters.bytes_sent);
    Ok(())
}

/// Drives the rounds in real time, one boot each; a signal ends the drive and with it the box.
async fn emulate(options: &TwinOptions, firmware: &Path, stop: &CancellationToken) -> Result<()> {
    let territory = tournee_territory::demo::redon()?;
    let world = demo::world(options.seed, &territory)?;
    // Sockets want a short path.
    let folder = tempfile::Builder::new().prefix("box-").tempdir().context("cannot make a folder for the emulator")?;
    for round in demo_plan(options.vehicle, options.rounds).rounds {
        let config = EmulatedConfig {
            seed: options.seed,
            box_ix: options.vehicle,
            round,
            firmware: firmware.to_owned(),
            folder: folder.path().to_owned(),
            line: LineConfig::new(&options.port),
            tap: None,
            pm_serial: None,
        };
        let one = EmulatedBox::start(Arc::clone(&world), config)?;
        println!("vehicle {} speaks on {}", options.vehicle, options.port.display());
        let over = tokio::select! {
            () = tokio::time::sleep(one.left()) => false,
            () = stop.cancelled() => true,
        };
        println!("drove {:.0} m; {:?}; {:?}", one.driven_m(), one.line().counters(), one.emulator().bus_counters());
        if over {
            break;
        }
    }
    Ok(())
}

fn link(at: &Path, to: &Path) -> Result<()> {
    match std::fs::symlink_metadata(at) {
        Ok(found) if found.is_symlink() => std::fs::remove_file(at)?,
        Ok(_) => bail!("{} exists and is not a link: name another --port", at.display()),
        Err(_) => {}
    }
    std::os::unix::fs::symlink(to, at).with_context(|| format!("cannot link {}", at.display()))
}

fn remove_link(at: &Path) -> Result<()> {
    match std::fs::remove_file(at) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", at.display()))
        }
        _ => Ok(()),
    }
}
