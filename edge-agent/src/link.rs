//! What the agent needs of an MQTT client, so that another one can take its place.

use std::future::Future;
use std::time::Duration;

use tournee_payload::BoxId;

use crate::config::TlsSettings;

/// Where and as whom to connect.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub box_id: BoxId,
    pub host: String,
    pub port: u16,
    pub keep_alive: Duration,
    /// TLS, when it is on. The files are read at every connection.
    pub tls: TlsSettings,
    /// Retained by the broker when the connection is lost: topic, payload.
    pub last_will: (String, Vec<u8>),
}

/// A new connection. The broker keeps no state of a vehicle: every connection starts clean, and what was on its way is
/// sent again from the watermark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    /// Largest packet that the broker accepts, bytes.
    pub max_packet_bytes: Option<u32>,
}

/// What the broker said to a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has it. No more than that: it is not in the lake.
    Accepted,
    /// It said yes but has nobody to give it to.
    NoSubscriber,
    /// It refused, by this reason code.
    Refused(u8),
    /// The connection went away first.
    Lost,
}

/// A message for this box.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub topic: String,
    pub payload: Vec<u8>,
}

/// Why a connection is over or was never made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LinkError(pub String);

/// One connection to a broker, at QoS 1.
pub(crate) trait Link: Send + Sized {
    /// Resolves when the broker has answered.
    type Ack: Future<Output = Outcome> + Send + 'static;

    /// Connects and waits for the broker's greeting.
    fn connect(target: &Target) -> impl Future<Output = Result<(Self, Session), LinkError>> + Send;

    /// Hands a message to the client; the answer comes through the returned future.
    fn publish(
        &mut self,
        topic: String,
        payload: Vec<u8>,
        retain: bool,
    ) -> impl Future<Output = Result<Self::Ack, LinkError>> + Send;

    /// Subscribes and waits for the broker's consent.
    fn subscribe(&mut self, topic: String) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// The next message for this box, or the end of the connection. Safe to drop and call again.
    fn next(&mut self) -> impl Future<Output = Result<Incoming, LinkError>> + Send;

    /// Says goodbye, so that the last will is not published.
    fn close(self) -> impl Future<Output = ()> + Send;
}
