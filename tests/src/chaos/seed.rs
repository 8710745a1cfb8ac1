//! One seed from its start to its account.

use super::boxes::{Lines, Recordings};
use super::cast::Cast;
use super::part::Tally;
use super::{Account, DRIVE_S, Plan, VEHICLES};
use crate::binary;
use anyhow::{Context, Result, bail, ensure};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How fast the boxes drive: a second of theirs in so long.
const SECOND: Duration = Duration::from_millis(15);
/// Between two late faults.
const LATE: Duration = Duration::from_millis(150);
/// How long the vehicles may need for the rest when everything is healed. No aim: what comes of it is printed.
const PATIENCE: Duration = Duration::from_secs(240);

/// Who commits to the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// `tournee ingest`.
    Tournee,
    /// What many a consumer does: PUBACK and watermark when a message comes, the commit later.
    AcknowledgesOnReceipt,
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The account.
    pub account: Account,
    /// What happened.
    pub tally: Tally,
    /// From the last fault healed to the last watermark at every vehicle.
    pub recovery: Duration,
    /// Whether `tournee check` found nothing wrong.
    pub checked: bool,
    /// From the start to the account.
    pub took: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, account, tally, recovery, took, .. } = self;
        let list = |names: Vec<String>| names.join(", ");
        write!(
            f,
            "seed {seed}: {VEHICLES} vehicles, {account}; killed: {}; {} cuts; fail points: {}; {} maintenances; recovery {:.2} s of {:.1} s",
            list(tally.kills.iter().map(|(who, count)| format!("{count} {who}")).collect()),
            tally.cuts,
            list(tally.points.iter().map(|(point, count)| format!("{count} {point}")).collect()),
            tally.maintained,
            recovery.as_secs_f64(),
            took.as_secs_f64(),
        )
    }
}

/// Runs a seed in a new folder below `root`, which is removed unless something went wrong or `keep` asks for it.
///
/// # Errors
/// What went wrong, with the folder and how to repeat it; not that samples are lost, which the outcome says.
pub fn run_seed(seed: u64, root: &Path, recordings: &Recordings, consumer: Consumer) -> Result<Outcome> {
    let folder = tempfile::Builder::new().prefix(&format!("chaos-{seed}-")).tempdir_in(root)?;
    let outcome = run(&Plan::new(seed), folder.path(), recordings, consumer);
    let bad = match &outcome {
        Ok(outcome) => consumer == Consumer::Tournee && !(outcome.checked && outcome.account.holds()),
        Err(_) => true,
    };
    if bad {
        let kept = folder.keep();
        eprintln!("seed {seed} went wrong; its folder is kept: {}; repeat it with CHAOS_SEED={seed}", kept.display());
    }
    outcome.with_context(|| format!("seed {seed}"))
}

fn run(plan: &Plan, folder: &Path, recordings: &Recordings, consumer: Consumer) -> Result<Outcome> {
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut lines = Lines::open(folder, VEHICLES)?;
    let mut cast = Cast::start(folder, plan, consumer, runtime.handle())?;
    let started = Instant::now();
    let mut events = plan.events.iter().copied().peekable();
    for second in 0..DRIVE_S {
        lines.play(recordings, second)?;
        while let Some((_, event)) = events.next_if(|(at, _)| *at <= second) {
            cast.act(event)?;
        }
        cast.tend()?;
        std::thread::sleep((SECOND * (second + 1)).saturating_sub(started.elapsed()));
    }
    let closing = lines.close();
    for event in &plan.late {
        cast.act(*event)?;
        tend_for(&mut cast, LATE)?;
    }
    cast.heal();
    let mut healed = Instant::now();
    while !cast.vehicles_are_done()? {
        if cast.tend()? {
            healed = Instant::now();
        }
        if healed.elapsed() > PATIENCE {
            bail!("{PATIENCE:?} after the last fault not every sample has its watermark");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let recovery = healed.elapsed();
    for line in closing {
        line.join().map_err(|_| anyhow::anyhow!("a line's thread ended badly"))?.context("the end of a line")?;
    }
    let lake = cast.lake();
    let tally = cast.end()?;
    let check = runtime.block_on(tournee_ingest::check::check(&lake))?;
    let account = Account::new(folder, &check)?;
    let checked = check_by_command(folder)?;
    runtime.shutdown_background();
    ensure!(account.generated > 0, "no vehicle generated anything");
    Ok(Outcome { seed: plan.seed, account, tally, recovery, checked, took: began.elapsed() })
}

fn tend_for(cast: &mut Cast, time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        cast.tend()?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// What the command says that an operator would run.
fn check_by_command(folder: &Path) -> Result<bool> {
    let data: PathBuf = folder.join("data");
    let output = Command::new(binary("tournee")?).arg("check").arg("--data").arg(data).stdin(Stdio::null()).output()?;
    std::fs::write(folder.join("check.log"), [output.stdout, output.stderr].concat())?;
    Ok(output.status.success())
}
