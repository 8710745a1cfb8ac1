//! What a box was told, and what holds because of it. Pure.
//!
//! Ids rise, so "not above the last one" is all that has to be known to do nothing twice: a command that was delivered
//! again, or by a broker that kept an old message, changes nothing.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use tournee_link::BoxConfig;
use tournee_payload::{
    Area, Campaign, CommandAnswer, CommandMessage, CommandVerdict, MAX_COMMANDS, MAX_DETAIL_BYTES,
    MAX_DIAGNOSTICS_BYTES, Order, OrderError, SamplingProfile, Stream,
};

use crate::config::SamplingSettings;
use crate::report::AgentStatus;

/// Everything that is remembered of commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub collection_off: bool,
    pub campaign: Campaign,
    pub sampling: SamplingProfile,
    /// 0: none yet.
    pub last_id: u64,
    /// Of the last commands, oldest first.
    pub answers: VecDeque<CommandAnswer>,
}

/// What the reader of the line has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineOrders {
    /// Measurements are kept.
    pub collect: bool,
    /// Samples with a position outside of all of them are not. None: everywhere.
    pub areas: Vec<Area>,
    /// How the box is to sample.
    pub sampling: BoxConfig,
}

/// What a message changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub memory: Memory,
    /// Diagnostics were asked for.
    pub diagnostics: bool,
}

impl Memory {
    /// Deals with the commands of a message that are new. None when there is none.
    pub fn told(&self, message: &CommandMessage, configured: &SamplingSettings) -> Option<Change> {
        let mut memory = self.clone();
        let mut diagnostics = false;
        for command in &message.commands {
            if command.id <= memory.last_id {
                continue;
            }
            memory.last_id = command.id;
            let (verdict, detail) = match &command.order {
                Ok(Order::Collection { on }) => {
                    memory.collection_off = !on;
                    (CommandVerdict::Done, String::new())
                }
                Ok(Order::Campaign(campaign)) => {
                    memory.campaign = campaign.clone();
                    (CommandVerdict::Done, String::new())
                }
                Ok(Order::Sampling(profile)) => match sampling(configured, profile) {
                    Ok(_) => {
                        memory.sampling = profile.clone();
                        (CommandVerdict::Done, String::new())
                    }
                    Err(why) => (CommandVerdict::Refused, why),
                },
                Ok(Order::Diagnostics) => {
                    diagnostics = true;
                    (CommandVerdict::Done, String::new())
                }
                Err(OrderError::Unknown) => (CommandVerdict::Unknown, String::new()),
                Err(error) => (CommandVerdict::Refused, error.to_string()),
            };
            memory.answers.push_back(CommandAnswer { id: command.id, verdict, detail: shortened(detail) });
            if memory.answers.len() > MAX_COMMANDS {
                memory.answers.pop_front();
            }
        }
        (memory.last_id != self.last_id).then_some(Change { memory, diagnostics })
    }

    /// What follows for the line. A profile that the configuration no longer allows is left out, with the reason.
    pub fn line(&self, configured: &SamplingSettings, fallback: BoxConfig) -> (LineOrders, Option<String>) {
        let (sampling, why) = match sampling(configured, &self.sampling) {
            Ok(sampling) => (sampling, None),
            Err(why) => (fallback, Some(why)),
        };
        (LineOrders { collect: !self.collection_off, areas: self.campaign.areas.clone(), sampling }, why)
    }

    /// Which streams go first.
    pub fn priorities(&self) -> BTreeMap<Stream, u8> {
        self.campaign.priorities.iter().copied().collect()
    }
}

/// The configured sampling with the changes of a profile.
fn sampling(configured: &SamplingSettings, profile: &SamplingProfile) -> Result<BoxConfig, String> {
    let mut settings = configured.clone();
    settings.off.extend(profile.off.iter().cloned());
    let period = |name: &str, wanted: Option<u32>, configured: u16| match wanted {
        None => Ok(configured),
        Some(wanted) => {
            u16::try_from(wanted).map_err(|_| format!("sampling.{name} = {wanted} is not accepted: too large"))
        }
    };
    let block = period("accel_block", profile.accel_block, u16::from(configured.accel_block))?;
    settings.accel_block =
        u8::try_from(block).map_err(|_| format!("sampling.accel_block = {block} is not accepted: too large"))?;
    settings.gnss_period_ms = period("gnss_period_ms", profile.gnss_period_ms, configured.gnss_period_ms)?;
    settings.pm_period_ms = period("pm_period_ms", profile.pm_period_ms, configured.pm_period_ms)?;
    settings.climate_period_ms = period("climate_period_ms", profile.climate_period_ms, configured.climate_period_ms)?;
    settings.no2_period_ms = period("no2_period_ms", profile.no2_period_ms, configured.no2_period_ms)?;
    settings.thermal_period_ms = period("thermal_period_ms", profile.thermal_period_ms, configured.thermal_period_ms)?;
    settings.health_period_ms = period("health_period_ms", profile.health_period_ms, configured.health_period_ms)?;
    settings.wanted().map_err(|error| error.to_string())
}

fn shortened(mut text: String) -> String {
    let mut end = text.len().min(MAX_DETAIL_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// How the agent is, for the one who asked from afar.
pub(crate) fn diagnostics(status: &AgentStatus, version: &str) -> String {
    let per_stream = |map: &BTreeMap<Stream, u64>| -> Value {
        map.iter().filter(|(_, count)| **count > 0).map(|(stream, count)| (stream.name(), *count)).collect()
    };
    let it = &status.box_state;
    let text = json!({
        "agent": version,
        "generated": per_stream(&status.generated),
        "acknowledged": per_stream(&status.acknowledged),
        "given_up": per_stream(&status.given_up),
        "pending": status.pending,
        "lost_gap_rows": status.lost_gap_rows,
        "old_copies": status.old_copies,
        "set_aside_samples": status.set_aside_samples,
        "withheld_frames": status.withheld.frames,
        "withheld_samples": status.withheld.samples,
        "frames_ok": status.line.frames_ok,
        "frames_bad": status.line.frames_bad,
        "frames_lost": status.line.frames_lost,
        "frames_unknown": status.line.frames_unknown,
        "certificate": status.uplink.certificate.to_string(),
        "box": {
            "firmware": it.firmware, "commit": it.commit, "serial": it.serial, "board": it.board,
            "reset_cause": it.reset_cause, "config_generation": it.config_generation, "boots": it.boots,
            "faults": it.faults, "faults_seen": it.faults_seen, "queue_drops": it.queue_drops,
            "stack_free_bytes": it.stack_free_bytes, "round_trip_us": it.round_trip_us,
            "commands_unanswered": it.unanswered, "commands_refused": it.refused,
        },
    })
    .to_string();
    // Every part of it is bounded by the link's own texts; should that ever change, say so rather than break the message.
    if text.len() > MAX_DIAGNOSTICS_BYTES {
        return json!({ "agent": version, "too_long_bytes": text.len() }).to_string();
    }
    text
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
