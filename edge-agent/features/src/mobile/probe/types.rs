//! Settings, actions and results of the probe.

use std::net::Ipv4Addr;

use super::dns::{DnsError, Host};
use super::http::{self, HttpError};

/// What to probe, how often and for how much.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeConfig {
    /// The server.
    pub host: Host,
    /// Its port, plain HTTP.
    pub port: u16,
    /// The path to ask for: `/` and at most 127 printable characters.
    pub path: String,
    /// The status that only this server gives, so that no portal in between is taken for it.
    pub status: u16,
    /// Time from one probe to the next, µs; at least 10 s.
    pub interval_us: i64,
    /// Distance from one probe to the next, m.
    pub distance_m: f64,
    /// Time for the name, with one repetition after half of it, µs.
    pub dns_us: i64,
    /// Time for the connection, µs.
    pub connect_us: i64,
    /// Time for the answer, µs.
    pub response_us: i64,
    /// Bytes a day, both ways, headers included.
    pub bytes_per_day: u64,
}

impl ProbeConfig {
    /// Every two minutes and 200 m, about one kilobyte each, 200 kB a day.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self {
            host,
            port: 80,
            path: "/".to_owned(),
            status: 204,
            interval_us: 120_000_000,
            distance_m: 200.0,
            dns_us: 6_000_000,
            connect_us: 10_000_000,
            response_us: 10_000_000,
            bytes_per_day: 200_000,
        }
    }

    pub(super) fn check(&self) -> Result<(), BadProbe> {
        const HOUR_US: i64 = 3_600_000_000;
        let times = [self.dns_us, self.connect_us, self.response_us];
        if !http::is_path(&self.path) {
            return Err(BadProbe::Path);
        }
        if !(10_000_000..=24 * HOUR_US).contains(&self.interval_us) || !(0.0..=f64::MAX).contains(&self.distance_m) {
            return Err(BadProbe::Interval);
        }
        if times.iter().any(|time_us| !(100_000..=60_000_000).contains(time_us)) {
            return Err(BadProbe::Timeout);
        }
        Ok(())
    }
}

/// Why a configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProbe {
    /// Not a path.
    #[error("path: `/` and at most 127 printable ASCII characters without spaces")]
    Path,
    /// Too often.
    #[error("interval_us: 10 s to one day; distance_m: 0 or more")]
    Interval,
    /// A time-out that makes no sense.
    #[error("dns_us, connect_us, response_us: 0.1 s to 60 s")]
    Timeout,
}

/// What the owner of the sockets has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this datagram to the name server of the mobile network.
    SendDns(Vec<u8>),
    /// Open a TCP connection.
    Connect(Ipv4Addr, u16),
    /// Write this to the connection.
    Send(Vec<u8>),
    /// Close whatever is open.
    Close,
}

/// Why a probe failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The modem is not registered; nothing was sent.
    #[error("no service")]
    NoService,
    /// The name server did not answer.
    #[error("no answer from the name server")]
    DnsSilent,
    /// The name server gave no address.
    #[error(transparent)]
    Dns(DnsError),
    /// The connection was refused, or there is no route or interface.
    #[error("no connection")]
    Connect,
    /// No connection in time.
    #[error("no connection in time")]
    ConnectTimeout,
    /// The connection ended before the answer was whole.
    #[error("connection ended early")]
    Ended,
    /// No answer in time.
    #[error("no answer in time")]
    ResponseTimeout,
    /// The answer is none.
    #[error(transparent)]
    Http(HttpError),
    /// Another status than the server's own: a portal, or the server is not well.
    #[error("status {0}")]
    Status(u16),
}

/// A probe that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// When it began, on the clock of `poll`, µs.
    pub started_us: i64,
    /// Success is `Ok`.
    pub outcome: Result<(), Failure>,
    /// From the first question to the address, µs.
    pub dns_us: Option<i64>,
    /// From there to the connection, µs.
    pub connect_us: Option<i64>,
    /// From the request to the whole head of the answer, µs.
    pub response_us: Option<i64>,
    /// Bytes over the air, both ways.
    pub bytes: u64,
}

/// What the decision to probe needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    /// A clock that only goes forward, µs.
    pub now_us: i64,
    /// Days since 1970-01-01, UTC.
    pub utc_day: i64,
    /// Distance travelled so far, m.
    pub travelled_m: f64,
    /// Whether the modem is registered, where it is known.
    pub registered: Option<bool>,
    /// A random number: the identity of the next question.
    pub nonce: u16,
}
