//! The tasks beside the line of the box that are about the mobile network: the modem's port and the service probe.

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tournee_features::Drive;
use tournee_features::mobile::dialog::Dialog;

use crate::config::{AgentConfig, ConfigError};
use crate::modem::{self, LinkLines, ModemStatus, NEWS_MAX, News, Outlets, PortStatus};
use crate::probe::{self, LedgerFile, ProbeStatus, Prober};

/// What the tasks show while they run.
#[derive(Debug)]
pub(crate) struct RadioViews {
    port: watch::Receiver<PortStatus>,
    link: watch::Receiver<LinkLines>,
    probe: watch::Receiver<ProbeStatus>,
}

impl RadioViews {
    pub fn modem(&mut self) -> ModemStatus {
        ModemStatus { port: self.port.borrow_and_update().clone(), link: self.link.borrow_and_update().clone() }
    }

    pub fn probe(&mut self) -> ProbeStatus {
        self.probe.borrow_and_update().clone()
    }

    /// Resolves when there is something new; never when nobody shows anything any more. Safe to drop and call again.
    pub async fn changed(&mut self) {
        tokio::select! {
            Ok(()) = self.port.changed() => {}
            Ok(()) = self.link.changed() => {}
            Ok(()) = self.probe.changed() => {}
            else => std::future::pending().await,
        }
    }
}

/// The tasks, and what the reader of the box's line needs of them and gives to them.
#[derive(Debug)]
pub(crate) struct Radio {
    pub tasks: JoinSet<()>,
    pub news: mpsc::Receiver<News>,
    pub link_lines: watch::Sender<LinkLines>,
    pub drive: watch::Sender<Drive>,
    pub views: RadioViews,
}

/// Starts what the configuration asks for.
///
/// # Errors
/// A value that is not accepted.
pub(crate) fn start(config: &AgentConfig, stop: &CancellationToken) -> Result<Radio, ConfigError> {
    let (news_sender, news) = mpsc::channel(NEWS_MAX);
    let (port_sender, port) = watch::channel(PortStatus::default());
    let (link_sender, link) = watch::channel(LinkLines::default());
    let (probe_sender, probe) = watch::channel(ProbeStatus::default());
    let (drive_sender, drive) = watch::channel(Drive::default());
    let mut tasks = JoinSet::new();
    if config.modem.is_on() {
        let dialog = Dialog::new(config.modem.dialog(&config.serial.path)?, config.profile.mobile.clone());
        let outlets = Outlets { news: news_sender.clone(), shown: port_sender };
        tasks.spawn(modem::ask(config.modem.clone(), dialog, outlets, stop.clone()));
    }
    if let Some(wanted) = config.probe.wanted()? {
        let bytes_per_day = wanted.config.bytes_per_day;
        let file = LedgerFile::beside(&config.spool.path);
        let (prober, ledger_was_damaged) = Prober::open(wanted, file, probe::today()).map_err(|error| {
            ConfigError::Value { key: "probe", value: config.probe.host.clone(), expected: error.to_string() }
        })?;
        let status = ProbeStatus { is_configured: true, bytes_per_day, ledger_was_damaged, ..ProbeStatus::default() };
        tasks.spawn(probe::run(prober, status, drive, news_sender, probe_sender, stop.clone()));
    }
    let views = RadioViews { port, link, probe };
    Ok(Radio { tasks, news, link_lines: link_sender, drive: drive_sender, views })
}

/// Waits for the tasks to end; they were told to.
pub(crate) async fn ended(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a task of the modem or the probe has failed; measuring went on without it");
        }
    }
}
