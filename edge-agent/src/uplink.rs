//! What to publish next. A state machine without IO: the clock, the spool and the broker are arguments.
//!
//! It knows per stream the watermark (below it the lake has everything) and a cursor (below it everything was sent at
//! least once on this connection). A PUBACK frees the window; a watermark moves the floor; everything that casts doubt
//! on what is on its way (a new connection, a refusal, a watermark that stays away) puts the cursor back.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tournee_payload::Stream;

use crate::catch_up::CatchUp;
use crate::config::MqttConfig;
use crate::link::Outcome;

/// Publishes that may wait for their PUBACK.
pub(crate) const WINDOW_BATCHES: usize = 16;
/// How long a stream rests after the broker did not take a batch, or the spool did not give one.
const REST: Duration = Duration::from_secs(2);
/// MQTT bytes of a PUBLISH beside topic and payload, at the most: header, lengths, packet id, properties.
const PUBLISH_HEAD_BYTES: usize = 16;
/// A watermark timeout is doubled this often at the most while nothing comes back.
const MOST_DOUBLINGS: u32 = 4;

/// Names a publish until its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(u64);

/// A batch without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub first_seq: u64,
    /// Exclusive.
    pub end_seq: u64,
}

/// What to do with a batch that was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Publish it and report the answer under this token.
    Publish(Token),
    /// The broker would close the connection on it: give it up.
    TooLarge,
}

/// What the passing of time asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// No watermark of a stream for too long: its cursor was put back.
    Rewound,
    /// No PUBACK for too long: make a new connection.
    Reconnect,
}

/// How far the uplink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Offline,
    /// There is more to send than may be on its way, or answers are awaited.
    Draining,
    /// Everything that is sealed was sent and answered.
    Live,
}

#[derive(Debug, Default)]
struct Cursor {
    watermark: u64,
    next_seq: u64,
    /// Sent and not below the watermark, in order.
    sent: VecDeque<Span>,
    /// The spool had nothing after `next_seq`.
    dry: bool,
    rest_until: Option<Duration>,
    /// When the wait for the next watermark of this stream began.
    since: Duration,
    /// Waits that ended without one, since the last one.
    fruitless: u32,
}

impl Cursor {
    fn rewind_to(&mut self, seq: u64) {
        self.next_seq = self.next_seq.min(seq).max(self.watermark);
        while self.sent.back().is_some_and(|span| span.end_seq > self.next_seq) {
            self.sent.pop_back();
        }
        self.dry = false;
    }
}

/// A publish without its PUBACK.
#[derive(Debug)]
struct Flight {
    stream: Stream,
    span: Span,
    since: Duration,
}

/// How much may be on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Batches ahead of the watermark.
    pub ahead_batches: usize,
    /// How long a stream waits for its watermark.
    pub watermark_timeout: Duration,
    /// How fast a backlog may leave.
    pub catch_up_bytes_per_s: u64,
}

impl Limits {
    /// Those of a configuration.
    pub const fn of(mqtt: &MqttConfig) -> Self {
        Self {
            ahead_batches: mqtt.ahead_batches,
            watermark_timeout: Duration::from_secs(mqtt.watermark_timeout_s),
            catch_up_bytes_per_s: mqtt.catch_up_bytes_per_s,
        }
    }
}

/// The state machine. Times are durations since any fixed moment.
#[derive(Debug)]
pub(crate) struct Uplink {
    cursors: BTreeMap<Stream, Cursor>,
    in_flight: BTreeMap<Token, Flight>,
    /// The broker's limit, while connected.
    session: Option<Option<u32>>,
    limits: Limits,
    catch_up: CatchUp,
    /// Streams that go first, the higher the earlier; 0 where nothing was said.
    priorities: BTreeMap<Stream, u8>,
    tokens: u64,
    turn: usize,
}

impl Uplink {
    pub fn new(watermarks: &BTreeMap<Stream, u64>, limits: Limits) -> Self {
        let cursors = Stream::ALL
            .into_iter()
            .map(|stream| {
                let watermark = watermarks.get(&stream).copied().unwrap_or(0);
                (stream, Cursor { watermark, next_seq: watermark, ..Cursor::default() })
            })
            .collect();
        Self {
            cursors,
            in_flight: BTreeMap::new(),
            session: None,
            catch_up: CatchUp::new(limits.catch_up_bytes_per_s),
            limits,
            priorities: BTreeMap::new(),
            tokens: 0,
            turn: 0,
        }
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, now: Duration, limits: Limits) {
        self.catch_up.set_rate(limits.catch_up_bytes_per_s, now);
        self.limits = limits;
    }

    /// A new connection. The broker is memory that may be lost: everything above the watermark is sent again.
    pub fn connected(&mut self, now: Duration, max_packet_bytes: Option<u32>) {
        self.session = Some(max_packet_bytes);
        self.in_flight.clear();
        for cursor in self.cursors.values_mut() {
            cursor.rewind_to(cursor.watermark);
            cursor.rest_until = None;
            cursor.since = now;
        }
    }

    /// The spool begins anew, offline: nothing is in the lake, nothing was sent.
    pub fn new_epoch(&mut self) {
        self.disconnected();
        self.cursors.values_mut().for_each(|cursor| *cursor = Cursor::default());
    }

    /// Which streams go first from now on.
    pub fn prioritise(&mut self, priorities: BTreeMap<Stream, u8>) {
        self.priorities = priorities;
    }

    /// The connection is over.
    pub fn disconnected(&mut self) {
        self.session = None;
        self.in_flight.clear();
    }

    /// The spool may have sealed more.
    pub fn available(&mut self) {
        for cursor in self.cursors.values_mut() {
            cursor.dry = false;
        }
    }

    /// What to fetch next: a stream and the sequence number from which on. None while nothing may be sent.
    pub fn wanted(&mut self, now: Duration) -> Option<(Stream, u64)> {
        self.session?;
        let ahead: usize = self.cursors.values().map(|cursor| cursor.sent.len()).sum();
        if self.in_flight.len() >= WINDOW_BATCHES || ahead >= self.limits.ahead_batches || !self.catch_up.may_send(now)
        {
            return None;
        }
        // Taking turns: a long backlog of one stream does not hold back others of the same priority.
        let mut best: Option<(u8, usize, Stream, u64)> = None;
        for step in 0..Stream::ALL.len() {
            let at = (self.turn + step) % Stream::ALL.len();
            let Some(stream) = Stream::ALL.get(at).copied() else { continue };
            let Some(cursor) = self.cursors.get_mut(&stream) else { continue };
            if cursor.rest_until.is_some_and(|until| now < until) {
                continue;
            }
            cursor.rest_until = None;
            let priority = self.priorities.get(&stream).copied().unwrap_or(0);
            if !cursor.dry && best.is_none_or(|(highest, ..)| priority > highest) {
                best = Some((priority, at, stream, cursor.next_seq));
            }
        }
        let (_, at, stream, next_seq) = best?;
        self.turn = at + 1;
        Some((stream, next_seq))
    }

    /// The spool has nothing after the cursor.
    pub fn nothing_more(&mut self, stream: Stream) {
        if let Some(cursor) = self.cursors.get_mut(&stream) {
            cursor.dry = true;
        }
    }

    /// The spool could not do what was asked about `seq` and what follows: everything from there on is asked for again,
    /// after a rest.
    pub fn later(&mut self, now: Duration, stream: Stream, seq: u64) {
        if let Some(cursor) = self.cursors.get_mut(&stream) {
            cursor.rewind_to(seq);
            cursor.rest_until = Some(now + REST);
        }
    }

    /// The batch that was wanted, and the bytes of its topic and payload.
    pub fn fetched(&mut self, now: Duration, stream: Stream, span: Span, bytes: usize) -> Verdict {
        let limit = self.session.flatten().map_or(usize::MAX, |limit| limit as usize);
        let cursor = self.cursors.entry(stream).or_default();
        cursor.next_seq = cursor.next_seq.max(span.end_seq);
        if bytes.saturating_add(PUBLISH_HEAD_BYTES) > limit {
            return Verdict::TooLarge;
        }
        if cursor.sent.is_empty() {
            // The wait for a watermark begins with the first batch that needs one.
            cursor.since = now;
        }
        cursor.sent.push_back(span);
        self.catch_up.sent(bytes);
        self.tokens += 1;
        let token = Token(self.tokens);
        self.in_flight.insert(token, Flight { stream, span, since: now });
        Verdict::Publish(token)
    }

    /// The broker's answer. Answers of an older connection are for nobody.
    pub fn answered(&mut self, now: Duration, token: Token, outcome: Outcome) {
        let Some(Flight { stream, span, .. }) = self.in_flight.remove(&token) else { return };
        let Some(cursor) = self.cursors.get_mut(&stream) else { return };
        match outcome {
            Outcome::Accepted => {}
            Outcome::Lost => cursor.rewind_to(span.first_seq),
            Outcome::NoSubscriber | Outcome::Refused(_) => {
                cursor.rewind_to(span.first_seq);
                cursor.rest_until = Some(now + REST);
            }
        }
    }

    /// The lake has everything of `stream` below `next_seq`, and the spool agreed.
    pub fn watermark(&mut self, now: Duration, stream: Stream, next_seq: u64) {
        let cursor = self.cursors.entry(stream).or_default();
        if next_seq <= cursor.watermark {
            return;
        }
        cursor.watermark = next_seq;
        cursor.next_seq = cursor.next_seq.max(next_seq);
        while cursor.sent.front().is_some_and(|span| span.end_seq <= next_seq) {
            cursor.sent.pop_front();
        }
        cursor.since = now;
        cursor.fruitless = 0;
    }

    /// Looks at the clock. Each stream waits by itself: a lost batch of one is sent again though the others go on.
    pub fn due(&mut self, now: Duration) -> Due {
        if self.session.is_none() {
            return Due::Nothing;
        }
        let mut due = Due::Nothing;
        for (stream, cursor) in &mut self.cursors {
            let patience = self.limits.watermark_timeout.saturating_mul(1 << cursor.fruitless.min(MOST_DOUBLINGS));
            // One that has just been published says nothing about the connection.
            let flights = self.in_flight.values().filter(|flight| flight.stream == *stream);
            let oldest = flights.map(|flight| now.saturating_sub(flight.since)).max().unwrap_or_default();
            let no_watermark = !cursor.sent.is_empty() && now.saturating_sub(cursor.since) >= patience;
            // Also when the watermark has passed it: without its PUBACK its place in the window would be lost for ever.
            let no_puback = oldest >= patience;
            if !no_watermark && !no_puback {
                continue;
            }
            cursor.since = now;
            cursor.fruitless = cursor.fruitless.saturating_add(1);
            if oldest >= self.limits.watermark_timeout {
                due = Due::Reconnect;
            } else {
                cursor.rewind_to(cursor.watermark);
                if due == Due::Nothing {
                    due = Due::Rewound;
                }
            }
        }
        due
    }

    pub fn phase(&self) -> Phase {
        if self.session.is_none() {
            Phase::Offline
        } else if self.in_flight.is_empty() && self.cursors.values().all(|cursor| cursor.dry) {
            Phase::Live
        } else {
            Phase::Draining
        }
    }
}

#[cfg(test)]
#[path = "uplink_tests.rs"]
mod tests;
