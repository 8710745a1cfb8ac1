//! `tournee twin`

use crate::cli::TwinOptions;
use crate::{demo, shutdown};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::{Duration, Instant};
use tournee_twin::port::TwinPort;
use tournee_twin::{LineNoise, TwinBox, demo_plan};

/// Drives one simulated box over a pseudo-terminal that `--port` links to.
pub async fn run(options: TwinOptions) -> Result<()> {
    let stop = shutdown::on_signal()?;
    let port = options.port.clone();
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
