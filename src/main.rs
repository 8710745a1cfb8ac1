//! `tournee`, the command that users type. Each subcommand is a role; the demo runs them all.

mod analytics;
mod check;
mod cli;
mod data_dir;
mod demo;
mod devices;
mod import;
mod ingest;
mod lake;
mod serve;
mod shutdown;
mod sql;
mod twin;

use clap::Parser;
use std::process::ExitCode;

/// Planning a query recurses deeply; dependencies are built without optimisation and need the room.
const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    init_logs();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().thread_stack_size(THREAD_STACK_BYTES);
    if matches!(arguments.command, cli::Command::Ingest(_)) {
        // A worker is one task that reads and commits in turn. Rows that one thread made and another freed left their room behind in
        // each thread's heap: 440 MB at a fleet's pace with two threads, half of it with one, and as many rows a second.
        runtime.worker_threads(1);
    }
    let outcome = runtime.build().map_err(anyhow::Error::from).and_then(|runtime| {
        // The main thread's own stack is whatever the shell gave: everything runs on the runtime's threads.
        let outcome = runtime.block_on(async { tokio::spawn(run(arguments)).await });
        runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        outcome?
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tournee: {error:#}");
            if error.is::<check::Unreadable>() { ExitCode::from(check::UNREADABLE) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(arguments: cli::Arguments) -> anyhow::Result<()> {
    match arguments.command {
        cli::Command::Demo(options) => demo::run(options).await,
        cli::Command::Serve(options) => serve::run(options).await,
        cli::Command::Ingest(options) => ingest::run(options).await,
        cli::Command::Devices(options) => devices::run(options).await,
        cli::Command::Sql(options) => sql::run(options).await,
        cli::Command::Import(options) => import::run(options).await,
        cli::Command::Check(options) => check::run(options).await,
        cli::Command::Lake(options) => lake::run(options).await,
        cli::Command::Twin(options) => twin::run(options).await,
    }
}

fn init_logs() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("TOURNEE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    // One JSON object a line, the same as the agent's, for whoever collects logs.
    if std::env::var("TOURNEE_LOG_FORMAT").is_ok_and(|format| format == "json") {
        builder.with_ansi(false).event_format(tournee_edge_agent::status::JsonLines).init();
    } else {
        builder.init();
    }
}
