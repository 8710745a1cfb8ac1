//! The IO edge of the uplink: connects, subscribes, and does what the state machine says.

mod talk;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tournee_payload::{Ack, BoxId, StateMessage, Status, Stream, Topic};

use crate::backoff::Backoff;
use crate::beats::{BEAT_EVERY, Beat};
use crate::commands_desk::CommandDesk;
use crate::config::AgentConfig;
use crate::keeper::{Gone, Said, SpoolHandle, SpoolStatus};
use crate::link::{Link, LinkError, Outcome, Session, Target};
use crate::report::UplinkStatus;
use crate::tls::CertificateWatch;
use crate::uplink::{Due, Phase, Span, Uplink, Verdict};

const TICK: Duration = Duration::from_millis(250);
/// Doubled up to `reconnect_most`, over which a fleet that comes back after an outage spreads: 40,000 TLS handshakes are 40
/// core-seconds of the broker.
const RECONNECT_FIRST: Duration = Duration::from_millis(250);
/// How often the certificate is looked at, and what could not be done is tried again.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long retained watermarks may take, while the broker does not answer the greeting, and after it has.
const RETAINED_PATIENCE: Duration = Duration::from_secs(5);
const RETAINED_GRACE: Duration = Duration::from_millis(50);
/// How long saying goodbye may take.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(2);

/// What the uplink counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UplinkReport {
    pub published_batches: u64,
    pub refused_messages: u64,
}

/// Everything that the uplink works with.
pub(crate) struct UplinkTask {
    pub box_id: BoxId,
    pub epoch: u64,
    pub target: Target,
    pub machine: Uplink,
    pub spool: SpoolHandle,
    pub status: watch::Receiver<SpoolStatus>,
    pub connected: watch::Sender<bool>,
    pub shown: watch::Sender<UplinkStatus>,
    /// Where commands arrive.
    pub desk: CommandDesk,
    pub certificate: CertificateWatch,
    pub reconnect_most: Duration,
    /// The clock of this machine, seconds since 1970 UTC.
    pub wall_s: fn() -> i64,
    /// `state` is to be published again.
    pub report_due: bool,
    /// End when the reader has ended and the lake has everything.
    pub finish_when_empty: bool,
    pub rng: StdRng,
    pub shutdown: CancellationToken,
    pub report: UplinkReport,
    /// The configuration, which may change.
    pub settings: watch::Receiver<AgentConfig>,
    pub beat: Beat,
    /// Watermarks that the spool could not take yet, the newest per stream. The broker does not repeat them.
    pub owed: BTreeMap<Stream, Ack>,
}

/// What is said of a box of which no more is known.
pub(crate) fn state_message(box_id: &BoxId, epoch: u64, status: Status) -> (String, Vec<u8>) {
    let message = StateMessage { box_id: box_id.clone(), status, epoch };
    (Topic::state(box_id).to_string(), message.encode())
}

/// Waits for the answer to the goodbye while taking in what still arrives, until it is quiet. A socket that is closed with
/// unread bytes in it resets the connection, and the broker may then never see that it was closed on purpose.
async fn heard_out<L: Link>(link: &mut L, ack: L::Ack) {
    tokio::pin!(ack);
    let mut answered = false;
    while tokio::select! {
        _ = &mut ack, if !answered => { answered = true; true }
        message = link.next() => message.is_ok(),
        () = tokio::time::sleep(RETAINED_GRACE), if answered => false,
    } {}
}

/// Why a connection ended.
enum End {
    /// Nothing more to do.
    Done,
    /// It broke, or has to be made anew.
    Broken(LinkError),
}

impl From<LinkError> for End {
    fn from(error: LinkError) -> Self {
        Self::Broken(error)
    }
}

impl From<Gone> for End {
    // The keeper's own result tells why; without it there is nothing to send.
    fn from(_: Gone) -> Self {
        Self::Done
    }
}

impl UplinkTask {
    /// Works until `shutdown`, or, with `finish_when_empty`, until the lake has everything.
    pub async fn run<L: Link>(mut self) -> UplinkReport {
        let start = Instant::now();
        let mut backoff = Backoff::new(RECONNECT_FIRST, self.reconnect_most);
        let shutdown = self.shutdown.clone();
        self.machine.prioritise(self.desk.memory().priorities());
        while !self.finished() {
            self.beat.beat();
            if self.settings.has_changed().unwrap_or(false) {
                self.adopt(start.elapsed());
            }
            backoff.limit(self.reconnect_most);
            self.certificate.reload(&self.target.tls, &self.box_id, (self.wall_s)()).await;
            self.show("");
            self.target.last_will = (Topic::state(&self.box_id).to_string(), self.state(Status::Lost, None));
            let connecting = tokio::select! {
                () = shutdown.cancelled() => break,
                connecting = L::connect(&self.target) => connecting,
            };
            let error = match connecting {
                Ok((link, session)) => {
                    tracing::info!(host = self.target.host, port = self.target.port, "connected to the broker");
                    let since = Instant::now();
                    let end = self.session(link, session, start).await;
                    self.machine.disconnected();
                    self.connected.send_replace(false);
                    match end {
                        End::Done => break,
                        End::Broken(error) => {
                            // A broker that greets and hangs up is no better than none.
                            if since.elapsed() > Duration::from_secs(10) {
                                backoff.reset();
                            }
                            error
                        }
                    }
                }
                Err(error) => error,
            };
            let wait = backoff.next(self.rng.random());
            let certificate = self.certificate.state();
            let trouble = match certificate.is_trouble() && error.0 != certificate.to_string() {
                true => format!("{error}; {certificate}"),
                false => error.to_string(),
            };
            tracing::warn!(error = trouble, wait_ms = wait.as_millis() as u64, "no broker; the spool keeps everything");
            self.show(&trouble);
            if !self.rest(wait, start).await {
                break;
            }
        }
        self.report
    }

    /// Waits before the next attempt, no longer than a new configuration allows. False when told to stop.
    async fn rest(&mut self, wait: Duration, start: Instant) -> bool {
        let shutdown = self.shutdown.clone();
        let mut until = Instant::now() + wait;
        while Instant::now() < until {
            self.beat.beat();
            tokio::select! {
                () = shutdown.cancelled() => return false,
                () = tokio::time::sleep_until(until.min(Instant::now() + BEAT_EVERY)) => {}
                Ok(()) = self.settings.changed() => {
                    self.adopt(start.elapsed());
                    until = until.min(Instant::now() + self.reconnect_most);
                }
            }
        }
        true
    }

    fn finished(&self) -> bool {
        let status = self.status.borrow();
        self.finish_when_empty && status.input_done && status.pending == 0
    }

    async fn session<L: Link>(&mut self, mut link: L, session: Session, start: Instant) -> End {
        let end = match self.work(&mut link, session, start).await {
            Ok(()) => End::Done,
            Err(end) => end,
        };
        if matches!(end, End::Done) {
            let payload = self.state(Status::Stopped, session.max_packet_bytes);
            if let Ok(ack) = link.publish(Topic::state(&self.box_id).to_string(), payload, true).await {
                let _ = tokio::time::timeout(GOODBYE_PATIENCE, heard_out(&mut link, ack)).await;
            }
            link.close().await;
        }
        end
    }

    async fn work<L: Link>(&mut self, link: &mut L, session: Session, start: Instant) -> Result<(), End> {
        let shutdown = self.shutdown.clone();
        link.subscribe(Topic::down_ack(&self.box_id).to_string()).await?;
        link.subscribe(Topic::down_command(&self.box_id).to_string()).await?;
        let state_topic = Topic::state(&self.box_id).to_string();
        self.report_due = false;
        let payload = self.state(Status::Connected, session.max_packet_bytes);
        let greeting = link.publish(state_topic.clone(), payload, true).await?;
        self.hear_retained::<L>(link, greeting, start).await?;
        self.machine.connected(start.elapsed(), session.max_packet_bytes);
        self.connected.send_replace(true);
        self.show("");
        let mut looked = Instant::now();
        let mut reports = FuturesUnordered::new();
        let mut answers = FuturesUnordered::new();
        let mut clock = tokio::time::interval(TICK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut phase = Phase::Offline;
        loop {
            if self.finished() {
                return Ok(());
            }
            self.beat.beat();
            if std::mem::take(&mut self.report_due) {
                let payload = self.state(Status::Connected, session.max_packet_bytes);
                let ack = link.publish(state_topic.clone(), payload, true).await?;
                reports.push(ack);
            }
            while let Some((stream, from_seq)) = self.machine.wanted(start.elapsed()) {
                self.beat.beat();
                let batch = match self.spool.peek(stream, from_seq).await? {
                    Said::Done(Some(batch)) => batch,
                    Said::Done(None) => {
                        self.machine.nothing_more(stream);
                        continue;
                    }
                    Said::Later => {
                        self.machine.later(start.elapsed(), stream, from_seq);
                        continue;
                    }
                };
                let topic = Topic::up(&self.box_id, stream).to_string();
                let span = Span { first_seq: batch.first_seq, end_seq: batch.end_seq() };
                let bytes = topic.len() + batch.bytes.len();
                match self.machine.fetched(start.elapsed(), stream, span, bytes) {
                    Verdict::Publish(token) => {
                        let ack = link.publish(topic, batch.bytes, false).await?;
                        self.report.published_batches += 1;
                        answers.push(async move { (token, ack.await) });
                    }
                    Verdict::TooLarge => self.too_large(stream, span, bytes, session, start).await?,
                }
                if shutdown.is_cancelled() {
                    return Ok(());
                }
            }
            if phase != self.machine.phase() {
                phase = self.machine.phase();
                tracing::debug!(?phase, "uplink");
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some((token, outcome)) = answers.next(), if !answers.is_empty() => {
                    if !matches!(outcome, Outcome::Accepted | Outcome::Lost) {
                        tracing::warn!(?outcome, "the broker did not take a batch; it is sent again");
                    }
                    self.machine.answered(start.elapsed(), token, outcome);
                }
                Some(outcome) = reports.next(), if !reports.is_empty() => {
                    if let Outcome::Refused(reason) = outcome {
                        tracing::warn!(reason, "the broker does not take the state of this box");
                    }
                }
                message = link.next() => self.heard(&message?, start).await?,
                changed = self.status.changed() => match changed {
                    Ok(()) => self.machine.available(),
                    Err(_) => return Ok(()),
                },
                Ok(()) = self.settings.changed() => self.adopt(start.elapsed()),
                _ = clock.tick() => {
                    for ack in std::mem::take(&mut self.owed).into_values() {
                        self.acknowledge(ack, start).await?;
                    }
                    if looked.elapsed() >= LOOK_EVERY {
                        looked = Instant::now();
                        self.look().await;
                    }
                    match self.machine.due(start.elapsed()) {
                        Due::Nothing => {}
                        Due::Rewound => tracing::warn!("no watermark for too long; sending again from the last one"),
                        Due::Reconnect => {
                            return Err(LinkError("no PUBACK for too long".to_owned()).into());
                        }
                    }
                }
            }
        }
    }

    /// Listens to the retained watermarks before anything is sent: only against what was offered so far can they show that
    /// the spool is an old copy. They come between the subscription and the answer to what was published after it.
    async fn hear_retained<L: Link>(&mut self, link: &mut L, greeting: L::Ack, start: Instant) -> Result<(), End> {
        tokio::pin!(greeting);
        let mut greeted = false;
        let patience = tokio::time::sleep(RETAINED_PATIENCE);
        tokio::pin!(patience);
        let shutdown = self.shutdown.clone();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                message = link.next() => self.heard(&message?, start).await?,
                _ = &mut greeting, if !greeted => {
                    greeted = true;
                    // The client may tell of the answer before it hands out a message that came earlier.
                    patience.as_mut().reset(Instant::now() + RETAINED_GRACE);
                }
                () = &mut patience => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
#[path = "uplink_task_tests.rs"]
mod tests;
