//! A broker in this process, for one machine: demo, `serve`, tests.
//!
//! It keeps everything in memory and has no authentication yet, so it listens on loopback only. Losing its memory loses no
//! sample: a vehicle deletes on the watermark alone.

use std::net::SocketAddr;
use std::time::Duration;

use mqtt5::broker::config::{AuthConfig, BrokerConfig, StorageBackend, StorageConfig};
use mqtt5::broker::{BrokerShutdownHandle, MqttBroker};
use tokio::task::JoinHandle;

use crate::error::IngestError;

/// Largest packet, bytes: the payload contract's limit and room for the topic.
const MAX_PACKET_BYTES: usize = 256 * 1024 + 1_024;
/// Unacknowledged messages on the way to one client. The broker's default of 64 stalls a subscriber that acknowledges only
/// after its commit.
const WINDOW: u16 = 65_535;
/// Messages and bytes that wait for one client that is away.
const QUEUE_MESSAGES: usize = 1_000_000;
const QUEUE_BYTES: usize = 1 << 30;
const CHANNEL_MESSAGES: usize = 100_000;
/// How long an orderly end may take.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// A running broker. Dropping it stops it at once; [`EmbeddedBroker::shutdown`] lets its clients finish.
pub struct EmbeddedBroker {
    local_addr: SocketAddr,
    handle: BrokerShutdownHandle,
    task: Option<JoinHandle<()>>,
}

/// Starts a broker on `addr` (port 0: any free port).
///
/// # Errors
/// One line that says what to do: when `addr` is not loopback, or the port is in use.
pub async fn start(addr: SocketAddr) -> Result<EmbeddedBroker, IngestError> {
    if !addr.ip().is_loopback() {
        return Err(IngestError::Broker(format!(
            "the embedded broker has no authentication yet and listens on loopback only, not on {addr}: use 127.0.0.1, or run Mosquitto with TLS"
        )));
    }
    let storage = StorageConfig::new()
        .with_backend(StorageBackend::Memory)
        .with_max_queued_messages_per_client(QUEUE_MESSAGES)
        .with_max_queued_bytes_per_client(QUEUE_BYTES);
    let config = BrokerConfig::new()
        .with_bind_addresses(vec![addr])
        .with_storage(storage)
        .with_auth(AuthConfig::new().with_allow_anonymous(true))
        .with_max_packet_size(MAX_PACKET_BYTES)
        .with_max_outbound_inflight(WINDOW)
        .with_client_channel_capacity(CHANNEL_MESSAGES)
        .with_sys_topics_enabled(false);
    // Asked for first with the system's own words: the broker's error does not say which port, nor why.
    drop(tokio::net::TcpListener::bind(addr).await.map_err(|error| cannot_listen(addr, &error))?);
    let mut broker = MqttBroker::with_config(config).await.map_err(|error| cannot_listen(addr, &error))?;
    let local_addr = broker.local_addr().unwrap_or(addr);
    let handle = broker.shutdown_handle();
    let mut ready = broker.ready_receiver();
    let task = tokio::spawn(async move {
        if let Err(error) = broker.run().await {
            tracing::error!(%error, "the embedded broker ended");
        }
    });
    // Ready means accepting; a broker that ended instead closes the channel.
    if ready.wait_for(|ready| *ready).await.is_err() {
        return Err(IngestError::Broker(format!("the embedded broker on {addr} ended while starting")));
    }
    Ok(EmbeddedBroker { local_addr, handle, task: Some(task) })
}

fn cannot_listen(addr: SocketAddr, error: &dyn std::fmt::Display) -> IngestError {
    IngestError::Broker(format!(
        "cannot listen for MQTT on {addr}: {error}; stop the program that uses the port, or choose another"
    ))
}

impl EmbeddedBroker {
    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Ends it in order.
    pub async fn shutdown(mut self) {
        self.handle.shutdown();
        if let Some(task) = self.task.take() {
            let abort = task.abort_handle();
            if tokio::time::timeout(STOP_WITHIN, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.handle.shutdown();
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn refuses_strangers_and_busy_ports() {
        let error = start("0.0.0.0:0".parse().unwrap()).await.err().unwrap().to_string();
        assert!(error.contains("loopback only"), "{error}");
        let broker = start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert_ne!(broker.local_addr().port(), 0);
        let error = start(broker.local_addr()).await.err().unwrap().to_string();
        assert!(error.contains(&broker.local_addr().to_string()) && error.lines().count() == 1, "{error}");
        broker.shutdown().await;
    }
}
