//! What the network is worth at a place: can a name be found, a server be reached, an answer be had, and in what time.
//!
//! A machine without sockets: the owner does each [`Action`], says what came of it, and takes the [`ProbeResult`]s. It
//! decides by itself when to probe: after a time and a distance, and only while a whole probe fits into what the day's
//! budget has left. Bytes are counted as they go over the air: with IP, UDP and TCP headers, handshake and close, which
//! the machine cannot see and therefore takes at their most likely size, rounded up.

mod budget;
mod dns;
mod http;
mod types;

use std::collections::VecDeque;

use budget::Budget;
pub use budget::Ledger;
pub use dns::{BadHost, DnsError, Host};
use http::Head;
pub use http::HttpError;
pub use types::{Action, BadProbe, Failure, Now, ProbeConfig, ProbeResult};

// Sizes over the air, bytes. IPv4 and UDP headers; IPv4 and TCP headers with time stamps; four SYN, which is more than a
// handshake and what a connection that never comes about costs within ten seconds; both directions of a close.
const UDP_HEADER: u64 = 28;
const TCP_HEADER: u64 = 52;
const HANDSHAKE: u64 = 240;
const CLOSE: u64 = 4 * TCP_HEADER;
const SEGMENT: u64 = 1_348;
/// Longest answer of a name server without extensions, RFC 1035 §2.3.4.
const DNS_ANSWER: u64 = 512;

/// How often the distance is looked at once the time has come.
const LOOK_AGAIN_US: i64 = 1_000_000;

/// Results that nobody has taken yet.
const RESULTS_MAX: usize = 16;

#[derive(Debug)]
enum Phase {
    Idle,
    Resolving { id: u16, until_us: i64, again_us: Option<i64> },
    Connecting { from_us: i64 },
    Waiting { from_us: i64, head: Head },
}

/// The probe of one modem.
#[derive(Debug)]
pub struct Probe {
    config: ProbeConfig,
    budget: Budget,
    phase: Phase,
    current: ProbeResult,
    connected: bool,
    now_us: i64,
    due_us: i64,
    last_travelled_m: Option<f64>,
    actions: VecDeque<Action>,
    results: VecDeque<ProbeResult>,
    without_budget: u64,
    results_lost: u64,
}

impl Probe {
    /// A probe with what was spent before.
    ///
    /// # Errors
    /// A configuration out of its bounds.
    pub fn new(config: ProbeConfig, ledger: Ledger) -> Result<Self, BadProbe> {
        config.check()?;
        Ok(Self {
            budget: Budget::new(config.bytes_per_day, ledger),
            config,
            phase: Phase::Idle,
            current: blank(0),
            connected: false,
            now_us: i64::MIN,
            due_us: i64::MIN,
            last_travelled_m: None,
            actions: VecDeque::new(),
            results: VecDeque::new(),
            without_budget: 0,
            results_lost: 0,
        })
    }

    /// What is spent; the owner keeps it and gives it back at the next start.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.budget.ledger()
    }

    /// Probes that were due and did not fit into the day's budget.
    #[must_use]
    pub fn without_budget(&self) -> u64 {
        self.without_budget
    }

    /// Results that nobody took in time.
    #[must_use]
    pub fn results_lost(&self) -> u64 {
        self.results_lost
    }

    /// The next result.
    pub fn result(&mut self) -> Option<ProbeResult> {
        self.results.pop_front()
    }

    /// Whether no probe is under way: nothing is open, nothing is waited for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle) && self.actions.is_empty()
    }

    /// Gives up the probe that is under way as if it had not begun: the fault is the vehicle's own and says nothing about the
    /// network. What was spent stays spent, and the next one comes after the interval.
    pub fn abandon(&mut self, now_us: i64) {
        self.clock(now_us);
        self.phase = Phase::Idle;
        self.connected = false;
        self.actions.clear();
    }

    /// What a probe may cost at the most, with a repeated question and the longest answers that are read.
    #[must_use]
    pub fn reserve_bytes(&self) -> u64 {
        let question = dns::query(0, &self.config.host).len() as u64;
        let request = http::request(&self.config.host, &self.config.path).len() as u64;
        let dns = 2 * (2 * UDP_HEADER + question + DNS_ANSWER);
        dns + HANDSHAKE + segments(request) + segments(http::HEAD_BYTES_MAX as u64) + CLOSE
    }

    /// When `poll` is due again, on its clock.
    #[must_use]
    pub fn wake_us(&self) -> i64 {
        if !self.actions.is_empty() {
            return self.now_us;
        }
        match &self.phase {
            Phase::Idle => self.due_us,
            Phase::Resolving { until_us, again_us, .. } => again_us.unwrap_or(*until_us),
            Phase::Connecting { from_us } => from_us.saturating_add(self.config.connect_us),
            Phase::Waiting { from_us, .. } => from_us.saturating_add(self.config.response_us),
        }
    }

    /// What to do next; call until there is nothing.
    pub fn poll(&mut self, now: &Now) -> Option<Action> {
        self.clock(now.now_us);
        self.budget.day(now.utc_day, self.now_us);
        if self.actions.is_empty() {
            self.turn(now);
        }
        let action = self.actions.pop_front()?;
        match &action {
            Action::SendDns(datagram) => self.spend(UDP_HEADER + datagram.len() as u64),
            Action::Connect(..) => self.spend(HANDSHAKE),
            Action::Send(request) => self.spend(segments(request.len() as u64)),
            Action::Close => {}
        }
        Some(action)
    }

    /// A datagram came from the name server.
    pub fn dns_received(&mut self, datagram: &[u8], now_us: i64) {
        self.clock(now_us);
        self.spend(UDP_HEADER + datagram.len() as u64);
        let Phase::Resolving { id, .. } = self.phase else { return };
        match dns::answer(id, &self.config.host, datagram) {
            None => {}
            Some(Err(why)) => self.end(Err(Failure::Dns(why))),
            Some(Ok(address)) => {
                self.current.dns_us = Some(self.now_us.saturating_sub(self.current.started_us));
                self.phase = Phase::Connecting { from_us: self.now_us };
                self.actions.push_back(Action::Connect(address, self.config.port));
            }
        }
    }

    /// The connection is open.
    pub fn connected(&mut self, now_us: i64) {
        self.clock(now_us);
        let Phase::Connecting { from_us } = self.phase else { return };
        self.connected = true;
        self.current.connect_us = Some(self.now_us.saturating_sub(from_us));
        self.phase = Phase::Waiting { from_us: self.now_us, head: Head::default() };
        self.actions.push_back(Action::Send(http::request(&self.config.host, &self.config.path)));
    }

    /// Bytes came over the connection. Also after the end of a probe, when they only count.
    pub fn received(&mut self, bytes: &[u8], now_us: i64) {
        self.clock(now_us);
        self.spend(segments(bytes.len() as u64));
        let Phase::Waiting { from_us, head } = &mut self.phase else { return };
        let response_us = self.now_us.saturating_sub(*from_us);
        match head.feed(bytes) {
            Ok(None) => {}
            Ok(Some(status)) => {
                self.current.response_us = Some(response_us);
                self.end(if status == self.config.status { Ok(()) } else { Err(Failure::Status(status)) });
            }
            Err(why) => self.end(Err(Failure::Http(why))),
        }
    }

    /// A send, the opening or the connection failed, or the other side has closed.
    pub fn failed(&mut self, now_us: i64) {
        self.clock(now_us);
        match self.phase {
            Phase::Idle => {}
            Phase::Resolving { .. } => self.end(Err(Failure::DnsSilent)),
            Phase::Connecting { .. } => self.end(Err(Failure::Connect)),
            Phase::Waiting { .. } => self.end(Err(Failure::Ended)),
        }
    }

    /// This machine has no interface, address or route to send over: no connection, whatever was to be sent.
    pub fn no_way(&mut self, now_us: i64) {
        self.clock(now_us);
        match self.phase {
            Phase::Idle => {}
            Phase::Resolving { .. } | Phase::Connecting { .. } => self.end(Err(Failure::Connect)),
            Phase::Waiting { .. } => self.end(Err(Failure::Ended)),
        }
    }

    fn turn(&mut self, now: &Now) {
        let over = self.wake_us() <= self.now_us;
        match &mut self.phase {
            _ if !over => {}
            Phase::Idle => self.decide(now),
            Phase::Resolving { id, again_us, .. } if again_us.is_some() => {
                *again_us = None;
                self.actions.push_back(Action::SendDns(dns::query(*id, &self.config.host)));
            }
            Phase::Resolving { .. } => self.end(Err(Failure::DnsSilent)),
            Phase::Connecting { .. } => self.end(Err(Failure::ConnectTimeout)),
            Phase::Waiting { .. } => self.end(Err(Failure::ResponseTimeout)),
        }
    }

    fn decide(&mut self, now: &Now) {
        let far = self.last_travelled_m.is_none_or(|last| (now.travelled_m - last).abs() >= self.config.distance_m);
        if !far {
            // The owner sleeps until then; nobody tells it that the vehicle has moved on.
            self.due_us = self.now_us.saturating_add(LOOK_AGAIN_US);
            return;
        }
        self.due_us = self.now_us.saturating_add(self.config.interval_us);
        self.last_travelled_m = Some(now.travelled_m).filter(|travelled_m| travelled_m.is_finite());
        self.current = blank(self.now_us);
        if now.registered == Some(false) {
            self.end(Err(Failure::NoService));
        } else if self.budget.left() < self.reserve_bytes() {
            self.without_budget += 1;
        } else {
            let half_us = self.config.dns_us / 2;
            self.phase = Phase::Resolving {
                id: now.nonce,
                until_us: self.now_us.saturating_add(self.config.dns_us),
                again_us: Some(self.now_us.saturating_add(half_us)),
            };
            self.actions.push_back(Action::SendDns(dns::query(now.nonce, &self.config.host)));
        }
    }

    fn end(&mut self, outcome: Result<(), Failure>) {
        let nothing_open = matches!(self.phase, Phase::Idle);
        self.phase = Phase::Idle;
        self.actions.clear();
        if !nothing_open {
            if std::mem::take(&mut self.connected) {
                self.spend(CLOSE);
            }
            self.actions.push_back(Action::Close);
        }
        if self.results.len() == RESULTS_MAX {
            self.results.pop_front();
            self.results_lost += 1;
        }
        self.results.push_back(ProbeResult { outcome, ..self.current });
    }

    fn spend(&mut self, bytes: u64) {
        self.budget.spend(bytes);
        self.current.bytes = self.current.bytes.saturating_add(bytes);
    }

    fn clock(&mut self, now_us: i64) {
        self.now_us = self.now_us.max(now_us.clamp(i64::MIN / 2, i64::MAX / 2));
    }
}

fn blank(started_us: i64) -> ProbeResult {
    ProbeResult { started_us, outcome: Ok(()), dns_us: None, connect_us: None, response_us: None, bytes: 0 }
}

/// Bytes of a stream with the headers of its segments and of what acknowledges them.
fn segments(bytes: u64) -> u64 {
    bytes + bytes.div_ceil(SEGMENT) * 2 * TCP_HEADER
}
