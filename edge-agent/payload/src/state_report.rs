//! What a box says of itself beside being there: more fields of the same `state` message, which older readers skip.

use prost::Message as _;

use crate::command::MAX_COMMANDS;
use crate::error::DecodeError;
use crate::state::StateMessage;

/// Hard limit of the diagnostics, bytes.
pub const MAX_DIAGNOSTICS_BYTES: usize = 16 * 1024;
/// Hard limit of the reason in an answer to a command, bytes.
pub const MAX_DETAIL_BYTES: usize = 256;

/// The message on `state`, whole. The last will may be older than the last report: it was made on connecting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateReport {
    /// Whether it is there.
    pub state: StateMessage,
    /// When the certificate that it connected with ends to be valid, seconds since 1970 UTC. None without one.
    pub certificate_until_s: Option<i64>,
    /// Measurements are not kept, by a command.
    pub collection_off: bool,
    /// The last command that it dealt with; 0: none since it was made.
    pub last_command_id: u64,
    /// How the last commands ended, oldest first, [`MAX_COMMANDS`] at most.
    pub answers: Vec<CommandAnswer>,
    /// How it was when it was asked, JSON; empty unless asked since the agent started.
    pub diagnostics: String,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandAnswer {
    /// The command.
    pub id: u64,
    /// How.
    pub verdict: CommandVerdict,
    /// Why it was refused; empty otherwise.
    pub detail: String,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CommandVerdict {
    /// It holds.
    Done = 1,
    /// It cannot be done: see the detail.
    Refused = 2,
    /// An order that this version of the agent does not know.
    Unknown = 3,
    /// A verdict that this reader does not know.
    Other = 255,
}

/// The fields after those of `StateWire`: 1 to 4 are skipped as unknown ones.
#[derive(Clone, PartialEq, prost::Message)]
struct ReportWire {
    #[prost(sint64, optional, tag = "5")]
    certificate_until_s: Option<i64>,
    #[prost(bool, tag = "6")]
    collection_off: bool,
    #[prost(uint64, tag = "7")]
    last_command_id: u64,
    #[prost(message, repeated, tag = "8")]
    answers: Vec<AnswerWire>,
    #[prost(string, tag = "9")]
    diagnostics: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnswerWire {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint32, tag = "2")]
    verdict: u32,
    #[prost(string, tag = "3")]
    detail: String,
}

impl StateReport {
    /// The bytes of `state`: those of [`StateMessage`], then the rest. Protobuf reads messages that stand one after the
    /// other as one.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let answers = self.answers.iter().map(|answer| AnswerWire {
            id: answer.id,
            verdict: answer.verdict as u32,
            detail: answer.detail.clone(),
        });
        let rest = ReportWire {
            certificate_until_s: self.certificate_until_s,
            collection_off: self.collection_off,
            last_command_id: self.last_command_id,
            answers: answers.collect(),
            diagnostics: self.diagnostics.clone(),
        };
        let mut bytes = self.state.encode();
        bytes.extend(rest.encode_to_vec());
        bytes
    }

    /// Reads the bytes of `state`, also those of a box that says no more than that it is there.
    ///
    /// # Errors
    /// As [`StateMessage::decode`], and when the answers or the diagnostics are more than allowed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let state = StateMessage::decode(bytes)?;
        let wire = ReportWire::decode(bytes).map_err(|error| DecodeError::Envelope(error.to_string()))?;
        if wire.answers.len() > MAX_COMMANDS {
            return Err(DecodeError::TooManyAcks(wire.answers.len()));
        }
        let longest = wire.answers.iter().map(|answer| answer.detail.len()).max().unwrap_or(0);
        if wire.diagnostics.len() > MAX_DIAGNOSTICS_BYTES || longest > MAX_DETAIL_BYTES {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        let answers = wire.answers.into_iter().map(|answer| CommandAnswer {
            id: answer.id,
            verdict: match answer.verdict {
                1 => CommandVerdict::Done,
                2 => CommandVerdict::Refused,
                3 => CommandVerdict::Unknown,
                _ => CommandVerdict::Other,
            },
            detail: answer.detail,
        });
        Ok(Self {
            state,
            certificate_until_s: wire.certificate_until_s,
            collection_off: wire.collection_off,
            last_command_id: wire.last_command_id,
            answers: answers.collect(),
            diagnostics: wire.diagnostics,
        })
    }
}
