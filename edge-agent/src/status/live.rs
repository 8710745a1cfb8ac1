//! What can be told of a running agent: its status, and what only watching it over time shows. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use serde_json::{Value, json};
use tournee_payload::Stream;

use crate::modem::modem_json;
use crate::probe::probe_json;
use crate::report::{AgentStatus, box_json};

/// Marks per stream; when they are used up every second one goes and the next ones are twice as far apart.
const MARKS_MAX: usize = 512;
/// Marks are at least so far apart at first, seconds.
const MARK_STEP_S: u64 = 5;

/// What does not change while an agent runs.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The box.
    pub box_id: String,
    /// When the agent started, seconds since 1970 by the system clock.
    pub started_unix_s: u64,
    /// The broker, `host:port`.
    pub broker: String,
    /// The spool.
    pub spool: PathBuf,
    /// Its cap, bytes.
    pub spool_max_bytes: u64,
    /// What was done with the calibration files.
    pub calibration: Value,
}

/// What was seen of one stream.
#[derive(Clone, Debug)]
struct Seen {
    watermark_unix_s: Option<u64>,
    /// How far marks are apart, seconds.
    step_s: u64,
    acknowledged: u64,
    /// At this time so many samples had been committed; rising in both.
    marks: VecDeque<(u64, u64)>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { watermark_unix_s: None, step_s: MARK_STEP_S, acknowledged: 0, marks: VecDeque::new() }
    }
}

impl Seen {
    fn observe(&mut self, now_unix_s: u64, generated: u64, acknowledged: u64, gone: u64) {
        if self.marks.back().is_some_and(|(_, known)| generated < *known) {
            // A new epoch: the counts began anew.
            *self = Self::default();
        }
        if acknowledged > self.acknowledged {
            self.acknowledged = acknowledged;
            self.watermark_unix_s = Some(now_unix_s);
        }
        match self.marks.back() {
            Some((_, known)) if *known == generated => {}
            Some((at, _)) if now_unix_s < at.saturating_add(self.step_s) && self.marks.len() > 1 => {
                if let Some((_, count)) = self.marks.back_mut() {
                    *count = generated;
                }
            }
            _ => self.marks.push_back((now_unix_s, generated)),
        }
        if self.marks.len() > MARKS_MAX {
            let mut at = 0;
            self.marks.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.step_s = self.step_s.saturating_mul(2);
        }
        // What has left needs no mark.
        while self.marks.len() > 1 && self.marks.front().is_some_and(|(_, count)| *count <= gone) {
            self.marks.pop_front();
        }
        if self.marks.len() == 1 {
            self.step_s = MARK_STEP_S;
        }
    }

    /// When the sample after the first `gone` was committed, seconds since 1970. None when nothing waits.
    fn stored_unix_s(&self, gone: u64) -> Option<u64> {
        self.marks.iter().find(|(_, count)| *count > gone).map(|(at, _)| *at)
    }
}

/// One stream, as it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamView {
    /// Samples committed since the spool was made.
    pub generated: u64,
    /// Samples that the lake has.
    pub acknowledged: u64,
    /// Samples given up, each named by a gap row.
    pub given_up: u64,
    /// Samples that wait.
    pub pending: u64,
    /// When the oldest of these was committed, seconds since 1970; the start of the agent for what is older. Coarse.
    pub oldest_unix_s: Option<u64>,
    /// When the watermark last moved, seconds since 1970; none: not since the agent started.
    pub watermark_unix_s: Option<u64>,
}

/// A running agent, watched.
#[derive(Clone, Debug)]
pub struct Live {
    /// What does not change.
    pub facts: Facts,
    /// As it was last.
    pub status: AgentStatus,
    /// When the connection to the broker last came or went, seconds since 1970.
    pub connection_unix_s: u64,
    seen: BTreeMap<Stream, Seen>,
}

impl Live {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(facts: Facts) -> Self {
        let connection_unix_s = facts.started_unix_s;
        Self { facts, status: AgentStatus::default(), connection_unix_s, seen: BTreeMap::new() }
    }

    /// Takes a look.
    pub fn observe(&mut self, now_unix_s: u64, status: AgentStatus) {
        if status.connected != self.status.connected {
            self.connection_unix_s = now_unix_s;
        }
        for stream in Stream::ALL {
            let of = |map: &BTreeMap<Stream, u64>| map.get(&stream).copied().unwrap_or(0);
            let seen = self.seen.entry(stream).or_insert_with(|| Seen {
                // What was acknowledged before the start is no news.
                acknowledged: of(&status.acknowledged),
                ..Seen::default()
            });
            let gone = of(&status.acknowledged).saturating_add(of(&status.given_up));
            seen.observe(now_unix_s, of(&status.generated), of(&status.acknowledged), gone);
        }
        self.status = status;
    }

    /// The streams that ever had a sample.
    #[must_use]
    pub fn streams(&self) -> BTreeMap<Stream, StreamView> {
        let mut views = BTreeMap::new();
        for stream in Stream::ALL {
            let of = |map: &BTreeMap<Stream, u64>| map.get(&stream).copied().unwrap_or(0);
            let status = &self.status;
            let (generated, acknowledged, given_up) =
                (of(&status.generated), of(&status.acknowledged), of(&status.given_up));
            let gone = acknowledged.saturating_add(given_up);
            let seen = self.seen.get(&stream);
            views.insert(
                stream,
                StreamView {
                    generated,
                    acknowledged,
                    given_up,
                    pending: generated.saturating_sub(gone),
                    oldest_unix_s: seen.and_then(|seen| seen.stored_unix_s(gone)),
                    watermark_unix_s: seen.and_then(|seen| seen.watermark_unix_s),
                },
            );
        }
        views
    }

    /// Everything, for programs.
    #[must_use]
    pub fn to_json(&self, now_unix_s: u64, spool_bytes: Option<u64>) -> Value {
        let status = &self.status;
        let streams = self.streams().into_iter().map(|(stream, view)| {
            let value = json!({
                "generated": view.generated, "acknowledged": view.acknowledged, "given_up": view.given_up,
                "pending": view.pending, "oldest_unix_s": view.oldest_unix_s,
                "watermark_unix_s": view.watermark_unix_s,
            });
            (stream.name().to_owned(), value)
        });
        json!({
            "running": true,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "box_id": self.facts.box_id,
            "now_unix_s": now_unix_s,
            "started_unix_s": self.facts.started_unix_s,
            "broker": self.facts.broker,
            "connected": status.connected,
            "connection_unix_s": self.connection_unix_s,
            "trouble": status.uplink.trouble,
            "certificate": status.uplink.certificate.to_string(),
            "certificate_trouble": status.uplink.certificate.is_trouble(),
            "collection_off": status.uplink.collection_off,
            "outside_hours": status.withheld.outside_hours,
            "withheld": {
                "frames": status.withheld.frames, "samples": status.withheld.samples,
                "hours": status.withheld.hours, "places": status.withheld.places, "trimmed": status.withheld.trimmed,
            },
            "published": {
                "connections": status.published.connections, "messages": status.published.messages,
                "payload_bytes": status.published.payload_bytes, "refused": status.published.refused,
            },
            "pending": status.pending,
            "streams": Value::Object(streams.collect()),
            "spool": {
                "path": self.facts.spool.display().to_string(), "bytes": spool_bytes,
                "max_bytes": self.facts.spool_max_bytes, "old_copies": status.old_copies,
                "set_aside_samples": status.set_aside_samples, "lost_gap_rows": status.lost_gap_rows,
                "aside_removed": status.aside_removed, "commits": status.commits.count(),
                "commit_sum_s": status.commits.sum_s(), "commit_most_s": status.commits.most_s(),
            },
            "line": {
                "frames_ok": status.line.frames_ok, "frames_bad": status.line.frames_bad,
                "frames_lost": status.line.frames_lost, "frames_unknown": status.line.frames_unknown,
            },
            "box": box_json(&status.box_state),
            "calibration": self.facts.calibration,
            "modem": modem_json(&status.modem),
            "probe": probe_json(&status.probe),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            box_id: "van-01".to_owned(),
            started_unix_s: 1_000,
            broker: "127.0.0.1:1883".to_owned(),
            spool: "spool.db".into(),
            spool_max_bytes: 1,
            calibration: Value::Null,
        }
    }

    fn status(generated: u64, acknowledged: u64, connected: bool) -> AgentStatus {
        AgentStatus {
            generated: BTreeMap::from([(Stream::Air, generated)]),
            acknowledged: BTreeMap::from([(Stream::Air, acknowledged)]),
            connected,
            ..AgentStatus::default()
        }
    }

    #[test]
    fn what_waits_has_an_age_and_the_watermark_a_time() {
        let mut live = Live::new(facts());
        live.observe(1_000, status(50, 20, false));
        assert_eq!(live.streams()[&Stream::Air].oldest_unix_s, Some(1_000), "from before the start");
        assert_eq!(live.streams()[&Stream::Air].watermark_unix_s, None, "no news");
        for second in 1_001..1_100 {
            live.observe(second, status(50 + second - 1_000, 20, second >= 1_060));
        }
        live.observe(1_100, status(150, 100, true));
        let air = live.streams()[&Stream::Air];
        assert_eq!((air.pending, air.watermark_unix_s), (50, Some(1_100)));
        // The 101st sample came at 1,051; marks are five seconds apart.
        let oldest = air.oldest_unix_s.unwrap();
        assert!((1_045..=1_056).contains(&oldest), "{oldest}");
        assert_eq!(live.connection_unix_s, 1_060);
        live.observe(1_101, status(150, 150, true));
        assert_eq!(live.streams()[&Stream::Air].oldest_unix_s, None, "nothing waits");
    }

    #[test]
    fn a_day_offline_stays_small_and_a_new_epoch_begins_anew() {
        let mut live = Live::new(facts());
        for second in 0..86_400 {
            live.observe(1_000 + second, status(second, 0, false));
        }
        let air = live.streams()[&Stream::Air];
        assert_eq!(air.pending, 86_399);
        assert!(air.oldest_unix_s.unwrap() < 1_000 + 600, "{air:?}");
        assert!(live.seen[&Stream::Air].marks.len() <= MARKS_MAX);
        live.observe(90_000, status(3, 0, true));
        assert_eq!(live.streams()[&Stream::Air].oldest_unix_s, Some(90_000));
    }
}
