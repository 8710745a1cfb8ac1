//! Ingest against its aims and its peers, on the samples of real drives. One run prints one table; `docs/benchmarks/ingest.md`
//! says how to read it.

mod aims;
mod commits;
mod core;
mod fleet;
mod load;
mod peers;
mod pipeline;
mod process;

use anyhow::Result;
use clap::{Parser, Subcommand};

use aims::Report;

/// What to measure.
#[derive(Parser, Debug)]
struct Arguments {
    /// All of it when left out.
    #[command(subcommand)]
    what: Option<What>,
    /// Rows of the runs that are bound by speed, in thousands.
    #[arg(long, default_value_t = 1_000, global = true)]
    krows: usize,
    /// Commits of the run that looks at their time.
    #[arg(long, default_value_t = 1_000, global = true)]
    commits: usize,
    /// Seconds of the run at 100,000 rows a second.
    #[arg(long, default_value_t = 30, global = true)]
    paced_s: u64,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    /// Decode, rows, Parquet, Delta, on one core, without a broker.
    Core,
    /// Load generator, Mosquitto, two workers: as fast as it goes, then at 100,000 rows a second.
    Pipeline,
    /// The time of a commit while maintenance runs.
    Commits,
    /// PostgreSQL and InfluxDB with the same samples.
    Peers,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut report = Report::new();
    let all = arguments.what.is_none();
    let wants = |what: &str| all || format!("{:?}", arguments.what).contains(what);
    if wants("Core") || wants("Peers") {
        core::measure(arguments.krows * 1_000, &mut report)?;
    }
    if wants("Pipeline") {
        pipeline::fast(arguments.krows * 1_000, &mut report)?;
        pipeline::paced(arguments.paced_s, &mut report)?;
    }
    if wants("Commits") {
        commits::measure(arguments.commits, &mut report)?;
    }
    if wants("Peers") {
        peers::postgres::measure(arguments.krows * 1_000, &mut report)?;
        peers::influx::measure(arguments.krows * 1_000, &mut report)?;
    }
    report.print();
    Ok(())
}
