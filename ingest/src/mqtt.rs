//! The connection to the broker: settings that were each learnt the hard way, and the task that drives the client.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{
    AckMode, AsyncClient, Event, EventLoop, MqttOptions, Packet, PersistedAckMode, PersistedSession, PubAckReason,
    Publish, QoS, SessionStore, SessionStoreError, SessionStoreKey, SubscribeReasonCode,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tournee_payload::{MAX_WIRE_BYTES, Topic};

use crate::error::IngestError;
use crate::run::IngestConfig;
use crate::tls::{TlsFiles, transport};

/// How long the broker keeps our session and what it queues for us while we are away.
const SESSION_EXPIRY_S: u32 = 3_600;
/// Publishes of ours in flight. Without a limit the client walks a table of 65,535 entries on every flush.
const OUTGOING_INFLIGHT: u16 = 16;
/// Announced to the broker: it then drops larger messages. Not announced, one such message means reconnecting for ever.
const MAX_PACKET_BYTES: u32 = 2 * MAX_WIRE_BYTES as u32;
const KEEP_ALIVE_S: u16 = 30;
/// Acknowledgements and publishes that wait to be sent.
const REQUESTS: usize = 65_536;
const REQUEST_BATCH: usize = 64;
/// What a message costs beside its payload.
const MESSAGE_OVERHEAD_BYTES: usize = 256;
/// A batch as vehicles send it; sizes the window of unacknowledged messages.
const TYPICAL_MESSAGE_BYTES: usize = 4 * 1024;
/// A national fleet at its peak: 100,000 rows a second in batches of a minute, so about 1,700 messages a second.
const PEAK_MESSAGES_PER_S: f64 = 100_000.0 / 60.0;
/// How long a commit may take before the window is full.
const COMMIT_TAKES: Duration = Duration::from_secs(5);
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// What the driving task tells the worker.
pub(crate) enum LinkEvent {
    /// Connected; `kept` when the broker still had our session.
    Connected { kept: bool, retain: bool, max_packet_bytes: usize },
    /// Not connected any more, or not yet.
    Disconnected(String),
    /// The broker refused a subscription or a publish of ours.
    Refused(String),
    /// A message, of the connection with this generation.
    Message { publish: Box<Publish>, generation: u64, permit: OwnedSemaphorePermit },
}

/// The client, and what its task reports.
pub(crate) struct Link {
    pub(crate) client: AsyncClient,
    /// Bounded by the permits that messages carry, not by a count.
    pub(crate) events: mpsc::UnboundedReceiver<LinkEvent>,
    /// Number of the current connection. An acknowledgement for a message of an older one disconnects us, or acknowledges
    /// another message that got the same id.
    pub(crate) generation: Arc<AtomicU64>,
    /// Messages are left unread: the broker keeps them for the next connection.
    deaf: Arc<AtomicBool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// As the client's trait wants it.
type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// Says "I have a session, with nothing in flight". We use QoS 1 only, and what we publish is published anew from the
/// lake after every reconnect, so that is true enough; and without it the client refuses either the kept session or every
/// publish in it.
#[derive(Debug)]
struct EmptyStore {
    session: PersistedSession,
}

impl SessionStore for EmptyStore {
    fn load<'a>(&'a self, _: &'a SessionStoreKey) -> StoreFuture<'a, Option<PersistedSession>> {
        Box::pin(async { Ok(Some(self.session.clone())) })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// Messages that may be on the way or wait for their commit: what a whole fleet sends in a commit interval at its peak, or what
/// fills the memory that may be pending, whichever is more. The memory itself is bounded by permits, not by this.
fn window(config: &IngestConfig) -> u16 {
    let memory = config.max_bytes_pending / TYPICAL_MESSAGE_BYTES;
    let interval = PEAK_MESSAGES_PER_S * (config.commit_interval + COMMIT_TAKES).as_secs_f64();
    // A float to an integer saturates.
    u16::try_from(memory.max(interval as usize)).unwrap_or(u16::MAX).max(64)
}

fn options(config: &IngestConfig) -> MqttOptions {
    let mut options = MqttOptions::new(&config.client_id, (config.mqtt_host.as_str(), config.mqtt_port));
    let window = window(config);
    options
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_EXPIRY_S))
        .set_receive_maximum(Some(window))
        .set_ack_mode(AckMode::Manual)
        .set_outgoing_inflight_upper_limit(OUTGOING_INFLIGHT)
        .set_max_packet_size(Some(MAX_PACKET_BYTES))
        .set_keep_alive(KEEP_ALIVE_S)
        .set_max_request_batch(REQUEST_BATCH)
        .set_session_store(EmptyStore {
            session: PersistedSession {
                format_version: 1,
                client_id: config.client_id.clone(),
                clean_start: false,
                session_expiry_interval: Some(SESSION_EXPIRY_S),
                outgoing_inflight_upper_limit: Some(OUTGOING_INFLIGHT),
                ack_mode: PersistedAckMode::Manual,
                last_pkid: 0,
                last_puback: 0,
                replay: Vec::new(),
                incoming_qos2: Vec::new(),
            },
        });
    options
}

/// Starts the task that connects, reconnects and reads.
pub(crate) fn connect(config: &IngestConfig) -> Result<Link, IngestError> {
    let transport = transport(&config.mqtt_host, config.tls.as_ref())?;
    let mut options = options(config);
    options.set_transport(transport);
    let (client, eventloop) = AsyncClient::builder(options)
        .capacity(REQUESTS)
        .try_build()
        .map_err(|error| IngestError::Mqtt(error.to_string()))?;
    let (sender, events) = mpsc::unbounded_channel();
    let generation = Arc::new(AtomicU64::new(0));
    let stop = CancellationToken::new();
    let deaf = Arc::new(AtomicBool::new(false));
    let bytes = config.max_bytes_pending.clamp(MAX_PACKET_BYTES as usize, Semaphore::MAX_PERMITS);
    let driver = Driver {
        eventloop,
        client: client.clone(),
        filters: config.shards.clone().map(Topic::up_filter).collect(),
        events: sender,
        generation: generation.clone(),
        deaf: deaf.clone(),
        tls: config.tls.clone(),
        room: Arc::new(Semaphore::new(bytes)),
        room_bytes: bytes,
        first: true,
    };
    let task = tokio::spawn(driver.drive(stop.clone()));
    Ok(Link { client, events, generation, deaf, stop, task })
}

impl Link {
    /// From here on messages are left to the next connection.
    pub(crate) fn stop_reading(&self) {
        self.deaf.store(true, Ordering::SeqCst);
    }

    /// Lets what was queued be sent, then ends the connection, keeping the session at the broker.
    pub(crate) async fn close(self, within: Duration) {
        let asked = self.client.disconnect().await;
        let mut task = self.task;
        if asked.is_err() || tokio::time::timeout(within, &mut task).await.is_err() {
            self.stop.cancel();
            if tokio::time::timeout(within, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

struct Driver {
    eventloop: EventLoop,
    client: AsyncClient,
    filters: Vec<String>,
    events: mpsc::UnboundedSender<LinkEvent>,
    generation: Arc<AtomicU64>,
    deaf: Arc<AtomicBool>,
    tls: Option<TlsFiles>,
    /// Bytes that may be pending; when they are used up, nothing is read.
    room: Arc<Semaphore>,
    room_bytes: usize,
    first: bool,
}

impl Driver {
    async fn drive(mut self, stop: CancellationToken) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = self.eventloop.poll() => event,
            };
            match event {
                Ok(Event::Incoming(packet)) => {
                    if matches!(packet, Packet::ConnAck(_)) {
                        backoff = BACKOFF_FIRST;
                    }
                    tokio::select! {
                        () = stop.cancelled() => return,
                        alive = self.incoming(packet) => if !alive { return },
                    }
                }
                Ok(_) => {}
                Err(rumqttc::ConnectionError::RequestsDone) => return,
                Err(error) => {
                    // Whatever is unacknowledged now will be delivered again, under ids of the next connection.
                    self.generation.fetch_add(1, Ordering::SeqCst);
                    if self.events.send(LinkEvent::Disconnected(error.to_string())).is_err() {
                        return;
                    }
                    self.renew_certificate();
                    // The client itself does not wait between attempts.
                    let wait = backoff.mul_f64(0.5 + rand::random::<f64>());
                    backoff = (backoff * 2).min(BACKOFF_MOST);
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        }
    }

    /// The files may be other ones by now. Those that cannot be read are used as they were: the broker says what is wrong.
    fn renew_certificate(&mut self) {
        match self.tls.as_ref().map(TlsFiles::transport) {
            Some(Ok(transport)) => {
                self.eventloop.options.set_transport(transport);
            }
            Some(Err(error)) => tracing::warn!(%error, "the certificate cannot be read anew"),
            None => {}
        }
    }

    /// Handles one packet; false when the worker is gone.
    async fn incoming(&mut self, packet: Packet) -> bool {
        let event = match packet {
            Packet::ConnAck(ack) => {
                self.generation.fetch_add(1, Ordering::SeqCst);
                // A kept session knows its subscriptions, but perhaps those of a worker with other shards.
                if self.first || !ack.session_present {
                    self.first = false;
                    for filter in &self.filters {
                        if let Err(error) = self.client.try_subscribe(filter.as_str(), QoS::AtLeastOnce) {
                            tracing::error!(%error, filter, "cannot subscribe");
                        }
                    }
                }
                let properties = ack.properties;
                LinkEvent::Connected {
                    kept: ack.session_present,
                    retain: properties.as_ref().is_none_or(|p| p.retain_available != Some(0)),
                    max_packet_bytes: properties
                        .and_then(|p| p.max_packet_size)
                        .map_or(usize::MAX, |bytes| bytes as usize),
                }
            }
            Packet::Publish(_) if self.deaf.load(Ordering::SeqCst) => return true,
            Packet::Publish(publish) => {
                let generation = self.generation.load(Ordering::SeqCst);
                let cost = (publish.payload.len() + publish.topic.len() + MESSAGE_OVERHEAD_BYTES).min(self.room_bytes);
                let cost = u32::try_from(cost).unwrap_or(u32::MAX);
                let Ok(permit) = self.room.clone().acquire_many_owned(cost).await else { return false };
                LinkEvent::Message { publish: Box::new(publish), generation, permit }
            }
            Packet::SubAck(ack) => {
                let refused = ack.return_codes.iter().filter(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                match refused.count() {
                    0 => return true,
                    count => LinkEvent::Refused(format!(
                        "the broker refused {count} subscriptions: allow this client to read tournee/v1/+/+/up/#"
                    )),
                }
            }
            Packet::PubAck(ack) => match ack.reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => return true,
                reason => LinkEvent::Refused(format!(
                    "the broker refused a watermark ({reason:?}): allow this client to write tournee/v1/+/+/down/ack"
                )),
            },
            _ => return true,
        };
        self.events.send(event).is_ok()
    }
}
