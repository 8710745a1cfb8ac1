//! The worker between a broker and the lake.

use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rumqttc::{Publish, PublishOptions, QoS};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tournee_payload::{BoxId, Topic};

use crate::admission::Accept;
use crate::budget::QuarantineLimits;
use crate::devices::DeviceRegistry;
use crate::door::Door;
use crate::error::IngestError;
use crate::fail::{FailPlan, FailPoint};
use crate::lake::{Lake, LakeOptions, Totals};
use crate::lake_url::LakeUrl;
use crate::measured::Measured;
use crate::mqtt::{Link, LinkEvent, connect};
use crate::tls::TlsFiles;

/// How long the end may take: the last commit, the last acknowledgements.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// After a failed commit, wait this long before the next attempt.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often the registry of boxes is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Settings of a worker.
#[derive(Clone, Debug)]
pub struct IngestConfig {
    /// Where the lake lies.
    pub lake: LakeUrl,
    /// Host of the broker.
    pub mqtt_host: String,
    /// Port of the broker.
    pub mqtt_port: u16,
    /// TLS with a certificate; without it the broker must be on this machine.
    pub tls: Option<TlsFiles>,
    /// MQTT client id; must not change between restarts, or what the broker queued is not found again.
    pub client_id: String,
    /// Shards that this worker owns.
    pub shards: RangeInclusive<u8>,
    /// Time between commits.
    pub commit_interval: Duration,
    /// Rows that cause a commit before its time.
    pub max_rows_per_commit: usize,
    /// Bytes in memory, of messages and, counted apart, of the rows that they hold; when either is used up, nothing is read
    /// from the broker until a commit succeeds.
    pub max_bytes_pending: usize,
    /// Whose samples are taken.
    pub accept: Accept,
    /// Time between two looks at the registry of boxes.
    pub look_every: Duration,
    /// How much may go to quarantine in a day.
    pub quarantine: QuarantineLimits,
    /// Where this worker is to fail: for tests.
    pub fail: Option<FailPlan>,
}

impl IngestConfig {
    /// Settings for one worker that owns every shard: commits every 10 s, 64 MiB pending.
    #[must_use]
    pub fn new(lake: impl Into<LakeUrl>, mqtt_host: &str, mqtt_port: u16) -> Self {
        Self {
            lake: lake.into(),
            mqtt_host: mqtt_host.to_owned(),
            mqtt_port,
            tls: None,
            client_id: "ingest-00-63".to_owned(),
            shards: crate::ALL_SHARDS,
            commit_interval: Duration::from_secs(10),
            // A row takes about a kilobyte until its commit is done: 400 MB at a fleet's peak.
            max_rows_per_commit: 120_000,
            max_bytes_pending: 64 << 20,
            accept: Accept::All,
            look_every: LOOK_EVERY,
            quarantine: QuarantineLimits::default(),
            fail: None,
        }
    }
}

/// What a worker does right now.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct IngestStatus {
    /// Connected to the broker.
    pub connected: bool,
    /// Connections made so far.
    pub connections: u64,
    /// Messages read, redelivered ones included.
    pub messages: u64,
    /// Rows that wait for a commit.
    pub pending_rows: usize,
    /// Messages that wait for their acknowledgement.
    pub pending_messages: usize,
    /// Watermark messages handed to the broker.
    pub watermarks: u64,
    /// How long the last commit took, milliseconds.
    pub last_commit_ms: u64,
    /// When the last commit ended, microseconds since 1970.
    pub last_commit_us: i64,
    /// When the last commit ended that wrote something or found nothing to write, microseconds since 1970.
    pub last_flush_us: i64,
    /// Commits that failed and were tried again.
    pub failures: u64,
    /// The last commit failed.
    pub commit_failing: bool,
    /// Sums of the lake.
    pub totals: Totals,
    /// What was measured.
    pub measured: Measured,
    /// The newest trouble that is not over, in one line.
    pub trouble: Option<String>,
}

/// What a worker did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct IngestReport {
    /// The last status.
    pub status: IngestStatus,
}

pub(crate) fn now_us() -> i64 {
    // A clock before 1970 or after 294,000 is no clock; rows are then flagged by their dates.
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|t| i64::try_from(t.as_micros()).ok()).unwrap_or(0)
}

/// Works until `shutdown`, then commits what is there, acknowledges it and ends. A broker that is away is waited for; a
/// commit that fails is tried again, and the broker is read no further than memory allows.
///
/// # Errors
/// When the lake cannot be opened, the settings are unusable, or the last commit fails.
pub async fn run(
    config: IngestConfig,
    shutdown: CancellationToken,
    status: watch::Sender<IngestStatus>,
) -> Result<IngestReport, IngestError> {
    let hook = config.fail.as_ref().map(FailPlan::hook);
    let lake = Lake::open(&config.lake, LakeOptions { shards: config.shards.clone(), hook }).await?;
    run_with(lake, config, shutdown, status).await
}

/// [`run`] with a lake that is open already.
pub(crate) async fn run_with(
    lake: Lake,
    config: IngestConfig,
    shutdown: CancellationToken,
    status: watch::Sender<IngestStatus>,
) -> Result<IngestReport, IngestError> {
    let budget = format!("_quarantine/budget-{:02}-{:02}.json", config.shards.start(), config.shards.end());
    let stored = lake.store().get(&budget).await?;
    let registry = DeviceRegistry::of(lake.store());
    let door = Door::open(
        lake,
        config.accept.clone(),
        Some(registry),
        config.look_every,
        config.quarantine,
        stored.as_deref(),
    );
    let door = door.await?;
    // Last: what the broker sends from here on can be judged.
    let link = connect(&config)?;
    let mut worker = Worker {
        config,
        door,
        budget,
        link,
        status,
        now: IngestStatus::default(),
        held: Vec::new(),
        held_ids: HashSet::new(),
        dirty: BTreeSet::new(),
        retain: true,
        max_packet_bytes: usize::MAX,
        retry_at: None,
    };
    let result = worker.work(&shutdown).await;
    worker.publish_status();
    let Worker { link, now, door, .. } = worker;
    link.close(CLOSE_WITHIN).await;
    door.close().await;
    result.map(|()| IngestReport { status: now })
}

/// A message that waits for the commit of its rows.
struct Held {
    publish: Box<Publish>,
    generation: u64,
    /// Its share of the memory, given back when the rows are on disk.
    _permit: OwnedSemaphorePermit,
}

struct Worker {
    config: IngestConfig,
    door: Door,
    /// Name of the stored account of quarantine.
    budget: String,
    link: Link,
    status: watch::Sender<IngestStatus>,
    now: IngestStatus,
    /// In arrival order, which is the order of their acknowledgements.
    held: Vec<Held>,
    /// (generation, packet id): a broker may send the same message twice within a connection; it is acknowledged once.
    held_ids: HashSet<(u64, u16)>,
    /// Boxes to be told their watermarks.
    dirty: BTreeSet<BoxId>,
    retain: bool,
    max_packet_bytes: usize,
    retry_at: Option<Instant>,
}

impl Worker {
    async fn work(&mut self, shutdown: &CancellationToken) -> Result<(), IngestError> {
        let mut ticks = tokio::time::interval(self.config.commit_interval.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let retry = self.retry_at.map(|at| at.saturating_duration_since(Instant::now()));
            let due = tokio::select! {
                () = shutdown.cancelled() => break,
                // While commits fail, what is pending stays in memory: then the broker has to wait.
                event = self.link.events.recv(), if !self.full() => match event {
                    Some(event) => { self.handle(event); self.full() }
                    None => break,
                },
                () = tokio::time::sleep(retry.unwrap_or_default()), if retry.is_some() => true,
                _ = ticks.tick() => true,
            };
            if due && self.retry_at.is_none_or(|at| Instant::now() >= at) {
                if let Err(error) = self.flush().await {
                    tracing::error!(%error, "commit failed; it will be tried again");
                    self.now.trouble = Some(error.to_string());
                    self.now.commit_failing = true;
                    self.now.failures += 1;
                    self.retry_at = Some(Instant::now() + RETRY_AFTER);
                }
                self.publish_status();
            }
        }
        self.drain().await
    }

    /// The end in order: nothing more is read, what was read is committed, acknowledged and told to the vehicles. The
    /// subscriptions stay, for the broker keeps for the next worker what comes meanwhile; to unsubscribe would be to lose it.
    async fn drain(&mut self) -> Result<(), IngestError> {
        self.link.stop_reading();
        while let Ok(event) = self.link.events.try_recv() {
            self.handle(event);
            if self.full() {
                self.flush().await?;
            }
        }
        self.door.lake.add_sums(now_us(), true);
        self.flush().await
    }

    /// Is there so much that waiting for the next tick, or reading on, would be wrong? One message more may exceed the limits,
    /// by its at most 100,000 rows.
    fn full(&self) -> bool {
        let held: usize = self.held.len() * 256; // lower bound, cheap; the exact bound is the permits'
        let bytes = self.config.max_bytes_pending.max(2);
        self.door.lake.pending_rows() >= self.config.max_rows_per_commit.max(1)
            || self.door.lake.pending_bytes() >= bytes
            || held >= bytes / 2
    }

    fn handle(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Connected { kept, retain, max_packet_bytes } => {
                self.now.connected = true;
                self.now.connections += 1;
                self.now.trouble = None;
                self.retain = retain;
                self.max_packet_bytes = max_packet_bytes;
                if !retain {
                    tracing::warn!("the broker keeps no retained messages; vehicles wait for the next commit");
                }
                if !kept || self.now.connections == 1 {
                    // A broker that lost its memory lost the retained watermarks too.
                    self.dirty.extend(self.door.lake.boxes());
                }
                tracing::info!(kept, "connected to the broker");
                self.publish_status();
            }
            LinkEvent::Disconnected(error) => {
                if self.now.connected || self.now.trouble.is_none() {
                    tracing::warn!(%error, host = self.config.mqtt_host, port = self.config.mqtt_port, "no broker");
                }
                self.now.connected = false;
                self.now.trouble =
                    Some(format!("no broker at {}:{}: {error}", self.config.mqtt_host, self.config.mqtt_port));
                self.publish_status();
            }
            LinkEvent::Refused(error) => {
                tracing::error!("{error}");
                self.now.trouble = Some(error);
                self.publish_status();
            }
            LinkEvent::Message { publish, generation, permit } => {
                self.now.messages += 1;
                self.take(&publish);
                if publish.qos != QoS::AtMostOnce && self.held_ids.insert((generation, publish.pkid)) {
                    self.held.push(Held { publish, generation, _permit: permit });
                }
            }
        }
    }

    fn take(&mut self, publish: &Publish) {
        let topic = String::from_utf8_lossy(&publish.topic);
        if let Some(let_in) = self.door.let_in(&topic, &publish.payload, now_us()) {
            self.dirty.insert(let_in.box_id);
        }
    }

    /// Stores the account of quarantine. Best effort, see [`crate::budget`].
    async fn store_budget(&mut self) {
        let Some(bytes) = self.door.lake.take_budget() else { return };
        let store = self.door.lake.store().clone();
        if let Err(error) = store.put(&self.budget, Bytes::from(bytes)).await {
            tracing::warn!(%error, "the account of quarantine could not be stored");
        }
    }

    /// Commits, then acknowledges: to the broker, and to the vehicles.
    async fn flush(&mut self) -> Result<(), IngestError> {
        let began = Instant::now();
        self.door.lake.add_sums(now_us(), false);
        let report = self.door.lake.commit(now_us()).await?;
        self.now.last_flush_us = now_us();
        if !report.rows.is_empty() {
            let took = began.elapsed();
            self.now.last_commit_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            self.now.last_commit_us = self.now.last_flush_us;
            self.door.committed(took, self.now.last_commit_us);
            let rows: u64 = report.rows.values().sum();
            tracing::debug!(rows, tables = ?report.rows, ms = self.now.last_commit_ms, "committed");
        }
        self.now.commit_failing = false;
        if self.retry_at.take().is_some() {
            self.now.trouble = None;
        }
        self.store_budget().await;
        let acking = !self.held.is_empty();
        self.reach(acking, FailPoint::BeforeAck)?;
        self.held_ids.clear();
        let mut unsent = 0_u64;
        for held in std::mem::take(&mut self.held) {
            // Read for each: the connection may break while we are at it.
            if held.generation == self.link.generation.load(Ordering::SeqCst)
                && self.link.client.try_ack(&held.publish).is_err()
            {
                unsent += 1;
            }
        }
        if unsent > 0 {
            // Delivered again on the next connection and then dropped as duplicates: no loss, but worth knowing.
            tracing::warn!(unsent, "acknowledgements did not fit the client's queue");
        }
        self.reach(acking, FailPoint::BeforeWatermark)?;
        self.tell_boxes();
        self.reach(acking, FailPoint::AfterWatermark)
    }

    /// A flush without messages is no step of a commit.
    fn reach(&self, acking: bool, point: FailPoint) -> Result<(), IngestError> {
        match &self.config.fail {
            Some(plan) if acking && plan.reach(point, None) => Err(IngestError::Injected(point)),
            _ => Ok(()),
        }
    }

    /// Publishes the watermarks of boxes that sent something, retained.
    fn tell_boxes(&mut self) {
        if !self.now.connected {
            return;
        }
        for box_id in std::mem::take(&mut self.dirty) {
            let mut acks = self.door.lake.acks(&box_id);
            if acks.acks.is_empty() {
                continue;
            }
            let topic = Topic::down_ack(&box_id).to_string();
            let mut bytes = acks.encode();
            // A packet above the broker's limit would be tried for ever; the newest epochs stand first.
            while bytes.len() + topic.len() + 64 > self.max_packet_bytes && acks.acks.len() > 1 {
                acks.acks.truncate(acks.acks.len() / 2);
                bytes = acks.encode();
            }
            let options = PublishOptions::at_least_once();
            let options = if self.retain { options.retained() } else { options };
            match self.link.client.try_publish(topic, bytes, options) {
                Ok(()) => self.now.watermarks += 1,
                Err(_) => {
                    self.dirty.insert(box_id);
                }
            }
        }
    }

    fn publish_status(&mut self) {
        self.now.pending_rows = self.door.lake.pending_rows();
        self.now.pending_messages = self.held.len();
        self.now.totals = self.door.lake.totals();
        self.now.measured = self.door.measured(now_us());
        let _ = self.status.send_replace(self.now.clone());
    }
}
