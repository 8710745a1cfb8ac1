//! The program `edge-agent`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::{AgentConfig, AgentStatus, RunOptions, explain, run};

/// Reads a sensor box on a serial line, keeps its samples safe, and delivers them until the lake has them.
#[derive(Parser)]
#[command(name = "edge-agent", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration, TOML.
    #[arg(long, value_name = "FILE", default_value = "/etc/tournee/edge-agent.toml")]
    config: PathBuf,
    /// End when the serial line is closed at its other end and the lake has every sample.
    #[arg(long)]
    finish_on_eof: bool,
    /// Write a report here when ending, JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// About the configuration.
    Config {
        /// Print every key with its default and meaning.
        #[arg(long, required = true)]
        explain: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.command.is_some() {
        print!("{}", explain());
        return ExitCode::SUCCESS;
    }
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,rumqttc=warn")),
        )
        .init();
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("edge-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> anyhow::Result<()> {
    let config = AgentConfig::from_file(&arguments.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let report = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let stop = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("told to stop");
            stop.cancel();
        });
        let (status, _) = watch::channel(AgentStatus::default());
        let options = RunOptions { finish_on_eof: arguments.finish_on_eof, ..RunOptions::default() };
        anyhow::Ok(run(config, options, shutdown, status).await?)
    })?;
    if let Some(path) = arguments.report {
        std::fs::write(&path, format!("{}\n", report.to_json()))
            .with_context(|| format!("cannot write the report {}", path.display()))?;
    }
    Ok(())
}
