//! The broker: its name, its port, its greeting.

use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;

use super::{Finding, number};
use crate::config::AgentConfig;
use crate::link::Link;
use crate::rumqtt::RumqttLink;
use crate::run::target;

/// How long a name and a TCP connection may take.
const TCP_LIMIT: Duration = Duration::from_secs(6);
/// How long TLS and the greeting may take.
const GREETING_LIMIT: Duration = Duration::from_secs(10);

pub async fn check(config: &AgentConfig, running: Option<&Value>) -> Finding {
    let place = format!("{}:{}", config.mqtt.host, config.mqtt.port);
    if let Some(running) = running {
        // A second connection with the same client id would throw the agent's own one out.
        return if running.get("connected").and_then(Value::as_bool) == Some(true) {
            Finding::ok("broker", format!("{place}: the agent that runs is connected"))
        } else {
            let advice = "its log says why: journalctl -u tournee-edge-agent; stop it and check again for more";
            let waiting = number(running, "/pending");
            Finding::fail(
                "broker",
                format!("{place}: the agent that runs has no connection, {waiting} samples wait"),
                advice,
            )
        };
    }
    let host = config.mqtt.host.trim_start_matches('[').trim_end_matches(']');
    match tokio::time::timeout(TCP_LIMIT, TcpStream::connect((host, config.mqtt.port))).await {
        Err(_) => {
            let advice = "no answer at all: is the modem online, does a firewall drop it?";
            return Finding::fail(
                "broker",
                format!("{place}: no TCP connection within {} s", TCP_LIMIT.as_secs()),
                advice,
            );
        }
        Ok(Err(error)) => {
            let advice = "check mqtt.host and mqtt.port, the network, and that the broker runs";
            return Finding::fail("broker", format!("{place}: no TCP connection: {error}"), advice);
        }
        Ok(Ok(probe)) => drop(probe),
    }
    let target = target(config, 0);
    match tokio::time::timeout(GREETING_LIMIT, RumqttLink::connect(&target)).await {
        Err(_) => Finding::fail(
            "broker",
            format!("{place}: no greeting within {} s", GREETING_LIMIT.as_secs()),
            "something answers there, but not as an MQTT 5 broker; is it the port for TLS?",
        ),
        Ok(Err(error)) => Finding::fail(
            "broker",
            format!("{place}: {error}"),
            "the broker does not take this box: its certificate, its access list, or the broker's own log say why",
        ),
        Ok(Ok((link, session))) => {
            link.close().await;
            let limit =
                session.max_packet_bytes.map_or_else(|| "no limit".to_owned(), |limit| format!("{limit} bytes"));
            Finding::ok("broker", format!("{place}: greets box {}, packets: {limit}", config.box_id))
        }
    }
}
