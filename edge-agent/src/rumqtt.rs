//! The [`Link`] over rumqttc. One client per connection: with a clean start nothing of an old connection may live on,
//! neither queued requests nor packet ids, and a packet that breaks the connection cannot break the next one too.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, LastWill, MqttOptions, Packet, PubAckReason, PublishNotice, PublishOptions, PublishResult, QoS,
    TlsConfiguration, Transport,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::link::{Incoming, Link, LinkError, Outcome, Session, Target};
use crate::tls::{self, Credentials};
use crate::uplink::WINDOW_BATCHES;

/// How long the broker may take to greet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long saying goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Inbound limit, announced to the broker: `down/ack` and `down/command` are far smaller. Without it the client's own
/// unannounced limit of 10 KiB would end the connection again and again.
const MAX_INBOUND_BYTES: u32 = 262_144;

/// One connection.
pub(crate) struct RumqttLink {
    client: AsyncClient,
    incoming: mpsc::Receiver<Result<Incoming, LinkError>>,
    poller: JoinHandle<()>,
}

impl Drop for RumqttLink {
    fn drop(&mut self) {
        self.poller.abort();
    }
}

fn failed(error: impl std::fmt::Display) -> LinkError {
    LinkError(error.to_string())
}

/// A clear word instead of a handshake that fails: the files are read here and now.
async fn transport(target: &Target) -> Result<Transport, LinkError> {
    if !target.tls.is_on() {
        return Ok(Transport::tcp());
    }
    let (files, box_id) = (target.tls.clone(), target.box_id.clone());
    let loaded = tokio::task::spawn_blocking(move || tls::load(&files, &box_id, tls::now_s())).await;
    let (state, credentials) = loaded.map_err(failed)?;
    let Credentials { ca, certificate, key } = credentials.ok_or_else(|| LinkError(state.to_string()))?;
    let simple = TlsConfiguration::Simple { ca, alpn: None, client_auth: Some((certificate, key)) };
    Ok(Transport::tls_with_config(simple))
}

fn options(target: &Target, transport: Transport) -> MqttOptions {
    let mut options = MqttOptions::new(target.box_id.as_str(), (target.host.clone(), target.port));
    let (topic, payload) = &target.last_will;
    options
        .set_clean_start(true)
        .set_session_expiry_interval(Some(0))
        .set_keep_alive(target.keep_alive.as_secs().try_into().unwrap_or(u16::MAX))
        // Without this limit every flush walks a table of 65,535 entries.
        .set_outgoing_inflight_upper_limit(WINDOW_BATCHES as u16)
        .set_max_packet_size(Some(MAX_INBOUND_BYTES))
        .set_transport(transport)
        .set_connect_timeout(CONNECT_TIMEOUT)
        .set_max_request_batch(64)
        .set_last_will(LastWill::new(topic.clone(), payload.clone(), QoS::AtLeastOnce, true, None));
    options
}

impl Link for RumqttLink {
    type Ack = Pin<Box<dyn Future<Output = Outcome> + Send>>;

    async fn connect(target: &Target) -> Result<(Self, Session), LinkError> {
        let (client, mut events) = AsyncClient::builder(options(target, transport(target).await?))
            .capacity(4 * WINDOW_BATCHES)
            .try_build()
            .map_err(failed)?;
        let greeting = async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(ack))) => return Ok(ack),
                    Ok(_) => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        };
        let ack = tokio::time::timeout(CONNECT_TIMEOUT, greeting).await.map_err(failed)??;
        let max_packet_bytes = ack.properties.and_then(|properties| properties.max_packet_size);
        let (sender, incoming) = mpsc::channel(64);
        let poller = tokio::spawn(async move {
            loop {
                let message = match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => Ok(Incoming {
                        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                        payload: publish.payload.to_vec(),
                    }),
                    Ok(_) => continue,
                    Err(error) => Err(failed(error)),
                };
                // Polling on after an error would reconnect behind our back, with what is left of this connection.
                let over = message.is_err();
                if sender.send(message).await.is_err() || over {
                    return;
                }
            }
        });
        Ok((Self { client, incoming, poller }, Session { max_packet_bytes }))
    }

    async fn publish(&mut self, topic: String, payload: Vec<u8>, retain: bool) -> Result<Self::Ack, LinkError> {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(retain);
        let notice = self.client.publish_tracked(topic, payload, options).await.map_err(failed)?;
        Ok(Box::pin(outcome(notice)))
    }

    async fn subscribe(&mut self, topic: String) -> Result<(), LinkError> {
        let notice = self.client.subscribe_tracked(topic, QoS::AtLeastOnce).await.map_err(failed)?;
        let answer = tokio::time::timeout(CONNECT_TIMEOUT, notice.wait_completion_async()).await.map_err(failed)?;
        answer.map(drop).map_err(failed)
    }

    async fn next(&mut self) -> Result<Incoming, LinkError> {
        match self.incoming.recv().await {
            Some(message) => message,
            None => Err(LinkError("the connection is over".to_owned())),
        }
    }

    async fn close(mut self) {
        if self.client.disconnect().await.is_ok() {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, &mut self.poller).await;
        }
    }
}

/// A reason code of 0x80 and more arrives as a success of the client: the code itself must be looked at.
async fn outcome(notice: PublishNotice) -> Outcome {
    match notice.wait_async().await {
        Ok(PublishResult::Qos1(ack)) => match ack.reason {
            PubAckReason::Success => Outcome::Accepted,
            PubAckReason::NoMatchingSubscribers => Outcome::NoSubscriber,
            refused => Outcome::Refused(refused as u8),
        },
        Ok(_) => Outcome::Lost,
        Err(error) => {
            tracing::debug!(%error, "a publish was not answered");
            Outcome::Lost
        }
    }
}
