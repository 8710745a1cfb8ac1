//! The load generator: publishes a fleet's batches and waits for the watermarks.

use anyhow::{Context, Result, bail, ensure};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, Publish, PublishOptions, QoS};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tournee_payload::{AckMessage, Stream};

use crate::fleet::Fleet;

/// Connections that publish; a real fleet has one a vehicle, and a broker's cost hangs on messages, not on connections.
const CONNECTIONS: usize = 8;
const WINDOW: u16 = 64;
const MAX_PACKET_BYTES: u32 = 262_144;
/// The longest wait for the last watermark.
const PATIENCE: Duration = Duration::from_secs(300);

/// What came of it.
pub struct Outcome {
    /// From the first publish to the last watermark.
    pub wall: Duration,
    /// From the first to the last publish.
    pub publishing: Duration,
    /// Publish → watermark of every batch, sorted.
    pub delays: Vec<Duration>,
}

impl Outcome {
    /// The delay that `part` of the batches did not exceed.
    pub fn quantile(&self, part: f64) -> Duration {
        let at = (self.delays.len().saturating_sub(1)) as f64 * part;
        self.delays.get(at.round() as usize).copied().unwrap_or_default()
    }
}

fn options(name: &str, port: u16) -> MqttOptions {
    let mut options = MqttOptions::new(name, ("127.0.0.1", port));
    options
        .set_clean_start(true)
        .set_keep_alive(60)
        .set_outgoing_inflight_upper_limit(WINDOW)
        .set_max_packet_size(Some(MAX_PACKET_BYTES))
        .set_max_request_batch(64);
    options
}

/// A client whose events go to `events`; it ends with its channel.
fn client(name: &str, port: u16, events: mpsc::UnboundedSender<Publish>) -> Result<AsyncClient> {
    let (client, mut eventloop) = AsyncClient::builder(options(name, port)).capacity(1_024).try_build()?;
    tokio::spawn(async move {
        loop {
            match eventloop.poll().await {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    if events.send(publish).is_err() {
                        return;
                    }
                }
                Ok(_) => {}
                Err(rumqttc::ConnectionError::RequestsDone) => return,
                Err(error) => {
                    eprintln!("load generator: {error}");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    });
    Ok(client)
}

/// Publishes the fleet's batches, as fast as they are taken or `rows_per_s`, and waits until every one has its watermark.
pub async fn drive(fleet: &Fleet, port: u16, rows_per_s: Option<f64>) -> Result<Outcome> {
    let (sender, mut acks) = mpsc::unbounded_channel();
    let listener = client("bench-acks", port, sender)?;
    listener.subscribe("tournee/v1/+/+/down/ack", QoS::AtLeastOnce).await?;
    let (unheard, _) = mpsc::unbounded_channel();
    let clients: Vec<AsyncClient> = (0..CONNECTIONS)
        .map(|number| client(&format!("bench-load-{number}"), port, unheard.clone()))
        .collect::<Result<_>>()?;
    // The subscription stands before the first batch goes.
    tokio::time::sleep(Duration::from_millis(500)).await;

    let index: HashMap<&str, usize> = fleet.boxes.iter().map(|one| one.as_str()).zip(0..).collect();
    let (told, mut published) = mpsc::unbounded_channel::<(usize, u64, Instant)>();
    let began = Instant::now();
    let publish = async {
        let mut rows = 0_f64;
        for message in &fleet.messages {
            if let Some(rate) = rows_per_s {
                let due = began + Duration::from_secs_f64(rows / rate);
                if due > Instant::now() {
                    tokio::time::sleep_until(due.into()).await;
                }
                rows += crate::fleet::BATCH_ROWS as f64;
            }
            let client = &clients[message.vehicle % CONNECTIONS];
            told.send((message.vehicle, message.next_seq, Instant::now()))?;
            client.publish(message.topic.clone(), message.payload.clone(), PublishOptions::at_least_once()).await?;
        }
        anyhow::Ok(began.elapsed())
    };
    let watch = async {
        let mut open: Vec<std::collections::VecDeque<(u64, Instant)>> = vec![Default::default(); fleet.boxes.len()];
        let mut delays = Vec::with_capacity(fleet.messages.len());
        while delays.len() < fleet.messages.len() {
            let publish = tokio::time::timeout(PATIENCE, acks.recv())
                .await
                .with_context(|| format!("{} of {} batches acknowledged", delays.len(), fleet.messages.len()))?
                .context("the listener ended")?;
            let now = Instant::now();
            while let Ok((vehicle, next_seq, at)) = published.try_recv() {
                open[vehicle].push_back((next_seq, at));
            }
            let message = AckMessage::decode(&publish.payload)?;
            let Some(vehicle) = index.get(message.box_id.as_str()) else { continue };
            let Some(ack) = message.acks.iter().find(|ack| ack.stream == Stream::Mobile) else { continue };
            while open[*vehicle].front().is_some_and(|(next, _)| *next <= ack.next_seq) {
                if let Some((_, at)) = open[*vehicle].pop_front() {
                    delays.push(now - at);
                }
            }
        }
        anyhow::Ok(delays)
    };
    let (publishing, delays) = tokio::join!(publish, watch);
    let (publishing, mut delays) = (publishing?, delays?);
    let wall = began.elapsed();
    ensure!(delays.len() == fleet.messages.len());
    if delays.is_empty() {
        bail!("an empty fleet");
    }
    delays.sort_unstable();
    Ok(Outcome { wall, publishing, delays })
}
