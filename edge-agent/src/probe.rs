//! The service probe: the IO of `tournee_features::mobile::probe`, nothing else. Plain HTTP over the modem's interface, asked
//! of the mobile network's own name server, within a byte budget that outlives the process.

mod ledger;
mod net;
mod view;

use std::time::{Duration, Instant};

use rand::Rng;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tournee_features::Drive;
use tournee_features::mobile::probe::{Action, BadProbe, Ledger, Now, Probe, ProbeResult};

pub(crate) use ledger::LedgerFile;
pub use view::ProbeStatus;
pub(crate) use view::{probe_json, probe_text};

use crate::config::WantedProbe;
use crate::modem::{News, Told};
use net::{Happened, Net};

const DAY_US: i64 = 86_400_000_000;
/// The task never sleeps shorter or longer than this.
const SLEEP_LEAST: Duration = Duration::from_millis(1);
const SLEEP_MOST: Duration = Duration::from_secs(60);

/// A probe with its sockets and its ledger.
pub(crate) struct Prober {
    probe: Probe,
    net: Net,
    file: LedgerFile,
    started: Instant,
    /// The ledger on the disk holds what the probe under way may cost.
    is_reserved: bool,
    abandoned: u64,
}

impl Prober {
    /// With what was spent before. True: the file of it was damaged, so that the day counts as spent.
    ///
    /// # Errors
    /// A configuration out of its bounds.
    pub fn open(wanted: WantedProbe, file: LedgerFile, today: i64) -> Result<(Self, bool), BadProbe> {
        let (ledger, damaged) = file.load(today, wanted.config.bytes_per_day);
        let prober = Self {
            probe: Probe::new(wanted.config, ledger)?,
            net: Net::new(wanted.way),
            file,
            started: Instant::now(),
            is_reserved: false,
            abandoned: 0,
        };
        Ok((prober, damaged))
    }

    /// Whether no probe is under way.
    pub fn is_idle(&self) -> bool {
        self.probe.is_idle()
    }

    /// Does what is due, then waits for what comes, or until something is due again.
    pub async fn turn(&mut self, drive: Drive) {
        let now = Now {
            now_us: self.now_us(),
            utc_day: utc_day(drive.utc_us),
            travelled_m: drive.travelled_m,
            registered: drive.registered,
            nonce: rand::rng().random(),
        };
        while let Some(action) = self.probe.poll(&now) {
            self.act(action).await;
        }
        if self.probe.is_idle() && std::mem::take(&mut self.is_reserved) {
            // What it did cost, in place of what it may have cost. Not written, the day is a little shorter.
            let _ = save(&self.file, self.probe.ledger()).await;
        }
        let wait_us = self.probe.wake_us().saturating_sub(self.now_us());
        let wait = Duration::from_micros(u64::try_from(wait_us).unwrap_or(0)).clamp(SLEEP_LEAST, SLEEP_MOST);
        let happened = tokio::time::timeout(wait, self.net.next()).await;
        let now_us = self.now_us();
        match happened {
            Err(_) => {}
            Ok(Happened::Datagram(datagram)) => self.probe.dns_received(&datagram, now_us),
            Ok(Happened::Connected) => self.probe.connected(now_us),
            Ok(Happened::Bytes(bytes)) => self.probe.received(&bytes, now_us),
            Ok(Happened::Failed) => self.probe.failed(now_us),
        }
    }

    async fn act(&mut self, action: Action) {
        if matches!(action, Action::SendDns(_)) && !self.is_reserved {
            let spent = self.probe.ledger();
            let most = spent.spent_bytes.saturating_add(self.probe.reserve_bytes());
            if let Err(error) = save(&self.file, Ledger { spent_bytes: most, ..spent }).await {
                tracing::warn!(%error, "the cost of a probe cannot be written down: no probe");
                self.abandoned += 1;
                self.probe.abandon(self.now_us());
                return;
            }
            self.is_reserved = true;
        }
        if let Err(error) = self.net.act(action).await {
            tracing::debug!(%error, "the network does not take the probe");
            self.net.close();
            self.probe.no_way(self.now_us());
        }
    }

    /// Probes that were due and did not fit into the day's budget.
    pub fn without_budget(&self) -> u64 {
        self.probe.without_budget()
    }

    /// The next result.
    pub fn result(&mut self) -> Option<ProbeResult> {
        self.probe.result()
    }

    /// Writes down what was spent.
    pub async fn close(mut self) {
        self.net.close();
        if self.is_reserved {
            let _ = save(&self.file, self.probe.ledger()).await;
        }
    }

    fn now_us(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    fn show(&self, status: &mut ProbeStatus) {
        status.ledger = self.probe.ledger();
        (status.without_budget, status.abandoned) = (self.probe.without_budget(), self.abandoned);
    }
}

async fn save(file: &LedgerFile, ledger: Ledger) -> std::io::Result<()> {
    let file = file.clone();
    tokio::task::spawn_blocking(move || file.save(ledger)).await.map_err(std::io::Error::other)?
}

/// Days since 1970, UTC: by the receiver of the box where it knows, else by this machine.
fn utc_day(utc_us: Option<i64>) -> i64 {
    let host = || i64::try_from(crate::status::now_unix_s()).unwrap_or(0).saturating_mul(1_000_000);
    utc_us.unwrap_or_else(host).div_euclid(DAY_US)
}

/// Today by the clock of this machine, days since 1970, UTC.
pub(crate) fn today() -> i64 {
    utc_day(None)
}

/// Probes until `shutdown`. While a result would not be kept (no box whose ticks could stamp it, collection off,
/// outside of working hours) none begins.
pub(crate) async fn run(
    mut prober: Prober,
    mut status: ProbeStatus,
    mut drive: watch::Receiver<Drive>,
    news: mpsc::Sender<News>,
    shown: watch::Sender<ProbeStatus>,
    shutdown: CancellationToken,
) {
    loop {
        prober.show(&mut status);
        shown.send_if_modified(|before| {
            let news = *before != status;
            if news {
                before.clone_from(&status);
            }
            news
        });
        let now = *drive.borrow_and_update();
        if prober.is_idle() && !now.keeps_rows {
            tokio::select! {
                () = shutdown.cancelled() => break,
                changed = drive.changed() => if changed.is_err() { break },
            }
            continue;
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = prober.turn(now) => {}
        }
        while let Some(result) = prober.result() {
            match result.outcome {
                Ok(()) => status.successes += 1,
                Err(_) => status.failures += 1,
            }
            status.last = Some(result);
            if news.try_send(News { at: Instant::now(), told: Told::Probe(result) }).is_err() {
                status.not_taken += 1;
            }
        }
    }
    prober.close().await;
}
