//! The program `edge-agent`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::box_command::{self, BoxArguments};
use tournee_edge_agent::check::{Verdict, check};
use tournee_edge_agent::metrics;
use tournee_edge_agent::notify::Notifier;
use tournee_edge_agent::replay::{ReplayArguments, replay};
use tournee_edge_agent::status::{self, Facts, JsonLines, Live, LogSettings, Socket};
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
    /// Talk to the box on its serial line: who it is, how it samples, self test, firmware.
    Box(BoxArguments),
    /// Try everything that the agent needs: line, disk, clock, certificate, broker. Fails when one of them does.
    Check {
        /// The configuration, TOML.
        #[arg(long, value_name = "FILE", default_value = "/etc/tournee/edge-agent.toml")]
        config: PathBuf,
    },
    /// What is queued and why: asks the agent that runs, or reads the spool of one that does not.
    Status {
        /// The configuration, TOML.
        #[arg(long, value_name = "FILE", default_value = "/etc/tournee/edge-agent.toml")]
        config: PathBuf,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Feed recorded drives (NMEA or UBX logs, CSV of acceleration and fixes, modem logs) through the very same stages.
    ///
    /// A recording is known by what stands in it: the bytes of a GNSS receiver; a CSV with `t_s` and `x,y,z` or
    /// `forward,right,down` in m/s²; a CSV with `t_s` or `utc_timestamp_ms`, `latitude_deg`, `longitude_deg`, `speed_mps`
    /// and, where it has them, `bearing_deg`, `h_acc_m`, `sats`, `hdop`; or a modem's log, one `SECONDS TEXT` per line.
    /// Seconds above 1e9 are UTC since 1970, below they are of the device. All recordings of one call are one drive and
    /// need the same clock.
    Replay(ReplayArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match &arguments.command {
        Some(Command::Config { .. }) => {
            print!("{}", explain());
            return ExitCode::SUCCESS;
        }
        None => Some(arguments.config.as_path()),
        Some(Command::Replay(replay)) => Some(replay.config.as_path()),
        Some(Command::Box(_) | Command::Check { .. } | Command::Status { .. }) => None,
    };
    start_log(config, matches!(arguments.command, Some(Command::Check { .. } | Command::Status { .. })));
    let outcome = match arguments.command {
        // Done above.
        Some(Command::Config { .. }) => Ok(ExitCode::SUCCESS),
        Some(Command::Box(arguments)) => {
            wait_for(box_command::run(arguments)).and_then(|done| Ok(done?)).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Check { config }) => wait_for(check(&config)).map(|findings| {
            findings.iter().for_each(|finding| println!("{finding}"));
            let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
            if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }),
        Some(Command::Status { config, json }) => show_status(&config, json).map(|()| ExitCode::SUCCESS),
        Some(Command::Replay(arguments)) => replay(&arguments)
            .map(|report| {
                println!("{:#}", report.to_json());
                ExitCode::SUCCESS
            })
            .map_err(anyhow::Error::from),
        None => start(&arguments.config, arguments.finish_on_eof, arguments.report).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("edge-agent: {error:#}");
        ExitCode::FAILURE
    })
}

/// Lines go to standard error. `quiet`: only errors, of a command whose output is a screen.
fn start_log(config: Option<&Path>, quiet: bool) {
    let level = if quiet { "error" } else { "info,rumqttc=warn" };
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(
        tracing_subscriber::EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level)),
    );
    let json = config.is_some_and(|config| LogSettings::of_file(config).is_json().unwrap_or(false));
    if json { builder.with_ansi(false).event_format(JsonLines).init() } else { builder.init() }
}

fn wait_for<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    Ok(runtime.block_on(work))
}

fn show_status(config: &Path, json: bool) -> anyhow::Result<()> {
    let config = AgentConfig::from_file(config)?;
    let status = wait_for(status::status(&config))??;
    if json {
        println!("{status:#}");
    } else {
        print!("{}", status::text(&status, status::now_unix_s()));
    }
    Ok(())
}

fn start(config: &Path, finish_on_eof: bool, report_path: Option<PathBuf>) -> anyhow::Result<()> {
    let config = AgentConfig::from_file(config)?;
    let report = wait_for(async {
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
        let (status, watched) = watch::channel(AgentStatus::default());
        let servers = serve(&config, watched, shutdown.clone()).await?;
        let options = RunOptions { finish_on_eof, ..RunOptions::default() };
        let report = run(config, options, shutdown, status).await;
        // The socket's file goes before the process does.
        servers.shutdown().await;
        anyhow::Ok(report?)
    })??;
    if let Some(path) = report_path {
        std::fs::write(&path, format!("{}\n", report.to_json()))
            .with_context(|| format!("cannot write the report {}", path.display()))?;
    }
    Ok(())
}

/// Everything that tells how the agent is: the status socket, the metrics, the service manager.
struct Servers(tokio::task::JoinSet<()>);

impl Servers {
    async fn shutdown(mut self) {
        self.0.shutdown().await;
    }
}

async fn serve(
    config: &AgentConfig,
    watched: watch::Receiver<AgentStatus>,
    shutdown: CancellationToken,
) -> anyhow::Result<Servers> {
    let live = Arc::new(Mutex::new(Live::new(Facts {
        box_id: config.box_id.to_string(),
        started_unix_s: status::now_unix_s(),
        broker: format!("{}:{}", config.mqtt.host, config.mqtt.port),
        spool: config.spool.path.clone(),
        spool_max_bytes: config.spool.max_bytes,
        calibration: config.calibration_json(),
    })));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(status::observe(Arc::clone(&live), watched.clone()));
    let path = config.status.socket_path(&config.spool.path);
    match Socket::bind(&path).await {
        Ok(socket) => {
            tasks.spawn(socket.serve(Arc::clone(&live)));
        }
        // Measuring goes on without it.
        Err(error) => tracing::warn!(path = %path.display(), %error, "no status socket"),
    }
    if let Some(address) = config.metrics.address()? {
        tasks.spawn(metrics::Server::bind(address).await?.serve(live));
    }
    match Notifier::from_environment() {
        Ok(Some(notifier)) => {
            tasks.spawn(tell_manager(notifier, watched, shutdown));
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the service manager is not told"),
    }
    Ok(Servers(tasks))
}

/// Ready with the first status, which comes when the spool is open; alive as long as the runtime turns.
async fn tell_manager(notifier: Notifier, mut watched: watch::Receiver<AgentStatus>, shutdown: CancellationToken) {
    let mut ready = false;
    let mut stopping = false;
    let mut alive = tokio::time::interval(notifier.alive_every().unwrap_or(std::time::Duration::from_secs(3_600)));
    let mut open = true;
    loop {
        tokio::select! {
            changed = watched.changed(), if open && !ready => match changed {
                Ok(()) => {
                    ready = true;
                    notifier.ready();
                }
                Err(_) => open = false,
            },
            () = shutdown.cancelled(), if !stopping => {
                stopping = true;
                notifier.stopping();
            }
            _ = alive.tick() => {
                // Also while stopping: the last commit may take longer than the watchdog waits.
                if notifier.alive_every().is_some() {
                    notifier.alive();
                }
                let status = watched.borrow().clone();
                let broker = if status.connected { "connected" } else { "no broker" };
                notifier.status(&format!(
                    "{broker}, {} samples wait, {} frames read, {} sensors with a fault",
                    status.pending, status.line.frames_ok, status.box_state.faults.len()
                ));
            }
        }
    }
}
