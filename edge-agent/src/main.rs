//! The program `edge-agent`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::beats::{Beats, Part};
use tournee_edge_agent::box_command::{self, BoxArguments};
use tournee_edge_agent::check::{Verdict, check};
use tournee_edge_agent::config::{LogSettings, Reloader};
use tournee_edge_agent::metrics;
use tournee_edge_agent::notify::Notifier;
use tournee_edge_agent::replay::{ReplayArguments, replay};
use tournee_edge_agent::status::{self, Facts, Live, LogFormat, SharedReloader, Socket};
use tournee_edge_agent::windows;
use tournee_edge_agent::{AgentConfig, AgentStatus, Controls, RunOptions, explain, run_with};
use tracing_subscriber::EnvFilter;

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
    /// Have the agent that runs read its configuration again: all that can change while it runs, or nothing of it.
    Reload {
        /// The configuration, TOML.
        #[arg(long, value_name = "FILE", default_value = "/etc/tournee/edge-agent.toml")]
        config: PathBuf,
    },
    /// List the raw windows of road events that are on board, newest last; they are never sent.
    Windows {
        /// The configuration, TOML.
        #[arg(long, value_name = "FILE", default_value = "/etc/tournee/edge-agent.toml")]
        config: PathBuf,
        /// Every sample of every window, as comma-separated values.
        #[arg(long)]
        csv: bool,
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
        Some(
            Command::Box(_)
            | Command::Check { .. }
            | Command::Status { .. }
            | Command::Reload { .. }
            | Command::Windows { .. },
        ) => None,
    };
    let log = start_log(
        config,
        matches!(
            arguments.command,
            Some(Command::Check { .. } | Command::Status { .. } | Command::Reload { .. } | Command::Windows { .. })
        ),
    );
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
        Some(Command::Windows { config, csv }) => show_windows(&config, csv).map(|()| ExitCode::SUCCESS),
        Some(Command::Reload { config }) => reload(&config).map(|()| ExitCode::SUCCESS),
        Some(Command::Replay(arguments)) => replay(&arguments)
            .map(|report| {
                println!("{:#}", report.to_json());
                ExitCode::SUCCESS
            })
            .map_err(anyhow::Error::from),
        None => start(&arguments.config, arguments.finish_on_eof, arguments.report, log).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        // Where standard error takes nothing, the exit status alone has to say it.
        let _ = writeln!(std::io::stderr(), "edge-agent: {error:#}");
        ExitCode::FAILURE
    })
}

/// Changes how the log is written while it is.
struct LogControl {
    format: LogFormat,
    set_filter: Box<dyn Fn(EnvFilter) + Send>,
    /// `RUST_LOG` says which lines, whatever the configuration says.
    by_environment: bool,
}

impl LogControl {
    fn apply(&self, settings: &LogSettings) {
        // Both were checked before.
        self.format.set_json(settings.is_json().unwrap_or(false));
        if let (false, Ok(level)) = (self.by_environment, settings.level()) {
            (self.set_filter)(level_filter(level));
        }
    }
}

/// Lines go to standard error. `quiet`: only errors, of a command whose output is a screen.
fn start_log(config: Option<&Path>, quiet: bool) -> LogControl {
    let settings = config.map_or_else(LogSettings::default, LogSettings::of_file);
    let level = if quiet { "error" } else { settings.level().unwrap_or("info") };
    let environment = EnvFilter::try_from_default_env().ok();
    let by_environment = environment.is_some();
    let format = LogFormat::default();
    format.set_json(settings.is_json().unwrap_or(false));
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // A log that takes no more must not end the measuring: without this, the failed line is told on standard error,
        // which fails too, by a panic.
        .log_internal_errors(false)
        .event_format(format.clone())
        .with_env_filter(environment.unwrap_or_else(|| level_filter(level)))
        .with_filter_reloading();
    let handle = builder.reload_handle();
    builder.init();
    let set_filter = Box::new(move |filter| {
        if let Err(error) = handle.reload(filter) {
            tracing::error!(%error, "the log goes on as before");
        }
    });
    LogControl { format, set_filter, by_environment }
}

fn level_filter(level: &str) -> EnvFilter {
    EnvFilter::new(if level == "error" { level.to_owned() } else { format!("{level},rumqttc=warn") })
}

/// Has the running agent read its configuration again.
fn reload(path: &Path) -> anyhow::Result<()> {
    let config = AgentConfig::from_file(path).context("nothing was changed")?;
    let socket = config.status.socket_path(&config.spool.path);
    let answer = wait_for(status::ask_to_reload(&socket))??.with_context(|| {
        format!("no agent answers at {}: it does not run, or as another user; SIGHUP does the same", socket.display())
    })?;
    if let Some(error) = answer.get("error").and_then(serde_json::Value::as_str) {
        anyhow::bail!("{error}");
    }
    let keys = answer.get("reloaded").and_then(serde_json::Value::as_array);
    let keys = keys.context("this agent does not understand it: it is of an older version")?;
    let names: Vec<&str> = keys.iter().filter_map(serde_json::Value::as_str).collect();
    println!(
        "{}",
        if names.is_empty() { "nothing is new".to_owned() } else { format!("changed: {}", names.join(", ")) }
    );
    Ok(())
}

fn wait_for<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    Ok(runtime.block_on(work))
}

fn show_windows(config: &Path, csv: bool) -> anyhow::Result<()> {
    let config = AgentConfig::from_file(config)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let listed = windows::list(&config.spool.path, csv, &mut out).and_then(|()| std::io::Write::flush(&mut out));
    match listed {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        listed => listed.context("cannot list the raw windows"),
    }
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

fn start(path: &Path, finish_on_eof: bool, report_path: Option<PathBuf>, log: LogControl) -> anyhow::Result<()> {
    let reloader = Reloader::open(path)?;
    let config = reloader.config();
    let settings = reloader.subscribe();
    let reloader = Arc::new(Mutex::new(reloader));
    let report = wait_for(async {
        let shutdown = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let mut hang_up = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        let stop = shutdown.clone();
        let on_hang_up = Arc::clone(&reloader);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    // Told in the log; nobody waits for an answer.
                    Some(()) = hang_up.recv() => drop(status::reload(Arc::clone(&on_hang_up)).await),
                }
            }
            tracing::info!("told to stop");
            stop.cancel();
        });
        tokio::spawn(follow_log(settings.clone(), log));
        let (status, watched) = watch::channel(AgentStatus::default());
        let beats = Beats::default();
        let servers = serve(&config, reloader, beats.clone(), watched, shutdown.clone()).await?;
        let options = RunOptions { finish_on_eof, ..RunOptions::default() };
        let report = run_with(config, options, Controls { settings, beats }, shutdown, status).await;
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

/// The log as the configuration says, whenever that changes.
async fn follow_log(mut settings: watch::Receiver<AgentConfig>, log: LogControl) {
    while settings.changed().await.is_ok() {
        let said = settings.borrow_and_update().log.clone();
        log.apply(&said);
    }
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
    reloader: SharedReloader,
    beats: Beats,
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
            tasks.spawn(socket.serve(Arc::clone(&live), reloader));
        }
        // Measuring goes on without it.
        Err(error) => tracing::warn!(path = %path.display(), %error, "no status socket"),
    }
    if let Some(address) = config.metrics.address()? {
        tasks.spawn(metrics::Server::bind(address).await?.serve(live));
    }
    match Notifier::from_environment() {
        Ok(Some(notifier)) => {
            tasks.spawn(tell_manager(notifier, watched, beats, shutdown));
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the service manager is not told"),
    }
    Ok(Servers(tasks))
}

/// A part that is silent for so long is stuck, however short the watchdog's patience is: connecting and a commit on a tired card
/// take their time.
const SILENT_LEAST: Duration = Duration::from_secs(30);

/// Ready with the first status, which comes when the spool is open; alive as long as the runtime turns and no part of the agent
/// is stuck.
async fn tell_manager(
    notifier: Notifier,
    mut watched: watch::Receiver<AgentStatus>,
    beats: Beats,
    shutdown: CancellationToken,
) {
    let mut ready = false;
    let mut stopping = false;
    let mut alive = tokio::time::interval(notifier.alive_every().unwrap_or(Duration::from_secs(3_600)));
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
                let limit = notifier.alive_every().unwrap_or_default().max(SILENT_LEAST);
                let stuck: Vec<_> = beats.silent(limit, Instant::now()).into_iter().map(Part::name).collect();
                if !stuck.is_empty() {
                    let parts = stuck.join(", ");
                    tracing::error!(parts, "no sign of life; the service manager is left to start the agent anew");
                    notifier.status(&format!("STUCK: {parts}"));
                    continue;
                }
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
