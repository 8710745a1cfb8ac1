//! What the agent tells while it runs and when it ends.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use tournee_features::LineCounters;
use tournee_payload::{BoxId, Stream};

use crate::certificate::CertificateState;
use crate::commit_times::CommitTimes;
use crate::modem::ModemStatus;
use crate::probe::ProbeStatus;
use crate::steward::BoxState;

/// How the agent is, at any moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentStatus {
    /// Samples committed to the spool since it was made, per stream.
    pub generated: BTreeMap<Stream, u64>,
    /// Samples deleted by the watermark since then, per stream.
    pub acknowledged: BTreeMap<Stream, u64>,
    /// Samples given up since then, per stream.
    pub given_up: BTreeMap<Stream, u64>,
    /// Samples in the spool.
    pub pending: u64,
    /// Gap rows that could not be read back and were made again, since the agent started.
    pub lost_gap_rows: u64,
    /// Spools set aside as old copies since the agent started, and the samples that stay in them.
    pub old_copies: u64,
    /// See `old_copies`.
    pub set_aside_samples: u64,
    /// The broker is there.
    pub connected: bool,
    /// The line.
    pub line: LineCounters,
    /// The box at its other end.
    pub box_state: BoxState,
    /// The way to the broker, and what came down it.
    pub uplink: UplinkStatus,
    /// How long commits took, since the agent started.
    pub commits: CommitTimes,
    /// Spools that had been set aside and were removed to make room, since the agent started.
    pub aside_removed: u64,
    /// What was not kept, since the agent started.
    pub withheld: Withheld,
    /// What went to the broker, since the agent started.
    pub published: Published,
    /// The modem.
    pub modem: ModemStatus,
    /// The service probe.
    pub probe: ProbeStatus,
}

/// The way to the broker, and what came down it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UplinkStatus {
    /// The certificate of the box.
    pub certificate: CertificateState,
    /// Why there is no connection; empty while there is one.
    pub trouble: String,
    /// Measurements are not kept, by a command.
    pub collection_off: bool,
    /// The last command that was dealt with; 0: none.
    pub last_command_id: u64,
}

/// What went to the broker, since the agent started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Connections that were greeted.
    pub connections: u64,
    /// Messages handed to the client, batches and states, repetitions included.
    pub messages: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Messages that the broker took.
    pub accepted: u64,
    /// Messages that the broker took with nobody to give them to.
    pub without_subscriber: u64,
    /// Messages that the broker refused.
    pub refused: u64,
}

/// What was not kept, since the agent started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Frames of the line that came while collection was off by a command.
    pub frames: u64,
    /// Samples from outside of the campaign's areas.
    pub samples: u64,
    /// Samples from outside of working hours.
    pub hours: u64,
    /// Samples at configured places.
    pub places: u64,
    /// Samples of both ends of a round.
    pub trimmed: u64,
    /// It is outside of working hours now.
    pub outside_hours: bool,
}

impl Withheld {
    /// What was not kept because of commands. A frame that came while collection was off was never reduced: it counts as one.
    #[must_use]
    pub const fn by_order(&self) -> u64 {
        self.frames.saturating_add(self.samples)
    }
}

impl AgentStatus {
    /// Samples of the measuring streams; gap rows are book-keeping and not counted.
    #[must_use]
    pub fn generated_total(&self) -> u64 {
        measured(&self.generated)
    }

    /// Samples of the measuring streams that the lake has acknowledged.
    #[must_use]
    pub fn acknowledged_total(&self) -> u64 {
        measured(&self.acknowledged)
    }
}

/// What the agent did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentReport {
    /// The box.
    pub box_id: BoxId,
    /// The epoch of its spool.
    pub epoch: u64,
    /// Samples committed to the spool since it was made, per stream. `generated = acknowledged + pending + gaps`.
    pub generated: BTreeMap<Stream, u64>,
    /// Samples deleted by the watermark since then, per stream.
    pub acknowledged: BTreeMap<Stream, u64>,
    /// Samples given up since then, each named by a gap row.
    pub gaps: u64,
    /// Samples still in the spool, gap rows included.
    pub pending: u64,
    /// Gap rows that could not be read back, since the agent started. What they named is named again by new ones; they
    /// themselves arrive without a range and stand in the lake's quarantine.
    pub lost_gap_rows: u64,
    /// The line, since the agent started.
    pub line: LineCounters,
    /// The box at its other end, as it was last.
    pub box_state: BoxState,
    /// What was not kept, since the agent started.
    pub withheld: Withheld,
    /// What was done with the calibration files.
    pub calibration: Value,
    /// Values outside of their field's range that were emptied, since the agent started.
    pub voided_values: u64,
    /// Batches published since the agent started, repetitions included.
    pub published_batches: u64,
    /// Watermarks and commands that could not be read or were not for this spool.
    pub refused_messages: u64,
    /// A damaged spool was renamed to this at the start, or an old copy under way: the last of them.
    pub set_aside: Option<PathBuf>,
    /// Spools set aside since the agent started because a watermark showed them to be old copies, whose next sequence
    /// numbers are taken. Each time a new epoch begins, and the counts per stream begin anew with it.
    pub old_copies: u64,
    /// Samples of the measuring streams that waited in these: given up, they stay in the files that were set aside.
    pub set_aside_samples: u64,
}

impl AgentReport {
    /// Samples of the measuring streams; gap rows are book-keeping and not counted.
    #[must_use]
    pub fn generated_samples(&self) -> u64 {
        measured(&self.generated)
    }

    /// The report for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let per_stream = |map: &BTreeMap<Stream, u64>| {
            Value::Object(map.iter().map(|(stream, count)| (stream.name().to_owned(), json!(count))).collect())
        };
        json!({
            "box_id": self.box_id.as_str(),
            "epoch": self.epoch,
            "generated_samples": self.generated_samples(),
            "generated": per_stream(&self.generated),
            "acknowledged": per_stream(&self.acknowledged),
            "gaps": self.gaps,
            "pending": self.pending,
            "lost_gap_rows": self.lost_gap_rows,
            "frames_ok": self.line.frames_ok,
            "frames_bad": self.line.frames_bad,
            "frames_lost": self.line.frames_lost,
            "frames_unknown": self.line.frames_unknown,
            "voided_values": self.voided_values,
            "box": box_json(&self.box_state),
            "withheld_frames": self.withheld.frames,
            "withheld_samples": self.withheld.samples,
            "hours_samples": self.withheld.hours,
            "places_samples": self.withheld.places,
            "trimmed_samples": self.withheld.trimmed,
            "calibration": self.calibration,
            "published_batches": self.published_batches,
            "refused_messages": self.refused_messages,
            "old_copies": self.old_copies,
            "set_aside_samples": self.set_aside_samples,
            "set_aside": self.set_aside.as_ref().map(|path| path.display().to_string()),
        })
    }
}

pub(crate) fn box_json(state: &BoxState) -> Value {
    json!({
        "firmware": state.firmware,
        "commit": state.commit,
        "serial": state.serial,
        "board": state.board,
        "reset_cause": state.reset_cause,
        "config_generation": state.config_generation,
        "boots": state.boots,
        "faults": state.faults,
        "faults_seen": state.faults_seen,
        "queue_drops": state.queue_drops,
        "stack_free_bytes": state.stack_free_bytes,
        "round_trip_us": state.round_trip_us,
        "commands_unanswered": state.unanswered,
        "commands_refused": state.refused,
    })
}

fn measured(counts: &BTreeMap<Stream, u64>) -> u64 {
    counts.iter().filter(|(stream, _)| **stream != Stream::Gap).map(|(_, count)| count).sum()
}
