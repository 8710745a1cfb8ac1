//! Host to box.

use serde::{Deserialize, Serialize};

use crate::decode::BadFrame;
use crate::encode::{EncodeError, encode_payload};
use crate::frame::{Deframer, MAX_COMMAND_FRAME_BYTES, MAX_COMMAND_PAYLOAD_BYTES};
use crate::message::{COMMAND_VARIANTS, Command, PROTO, PROTO_OLDEST};

/// Goes before every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandHeader {
    /// Protocol number.
    pub proto: u8,
    /// Chosen by the host; the box names it in its answer and does a repeated id only once.
    pub id: u32,
}

/// What the host's side of the line brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "no allocation on the box")]
pub enum CommandEvent {
    /// A whole command.
    Frame {
        /// Its header.
        header: CommandHeader,
        /// Itself.
        command: Command,
    },
    /// Something between two delimiters that is not a frame.
    Bad(BadFrame),
    /// A whole frame with a command that this version does not know.
    Unknown {
        /// Its header.
        header: CommandHeader,
        /// Number of the command variant.
        variant: u32,
    },
    /// A whole frame of a newer protocol.
    NewerProto {
        /// The protocol number.
        proto: u8,
    },
}

/// Writes one command frame, delimiter included, to the start of `out`; gives its length.
///
/// # Errors
/// [`EncodeError::OutputTooSmall`] when `out` cannot hold the frame; [`MAX_COMMAND_FRAME_BYTES`] is always enough.
pub fn encode_command(header: CommandHeader, command: &Command, out: &mut [u8]) -> Result<usize, EncodeError> {
    encode_payload::<MAX_COMMAND_PAYLOAD_BYTES>(&header, command, out)
}

/// Reads the host's side of the line; the same rules as [`crate::Decoder`].
#[derive(Debug)]
pub struct CommandDecoder {
    deframer: Deframer<{ MAX_COMMAND_FRAME_BYTES - 1 }>,
}

impl Default for CommandDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl CommandDecoder {
    /// A decoder that has just been connected.
    #[must_use]
    pub const fn new() -> Self {
        Self { deframer: Deframer::new() }
    }

    /// To call after a reconnection.
    pub fn reset(&mut self) {
        self.deframer.reset();
    }

    /// Takes the next bytes and reports what they complete, in order.
    pub fn feed(&mut self, bytes: &[u8], mut on_event: impl FnMut(CommandEvent)) {
        self.deframer.feed(bytes, |frame| {
            on_event(match frame {
                Ok(payload) => parse(payload),
                Err(broken) => CommandEvent::Bad(broken.into()),
            });
        });
    }
}

fn parse(payload: &[u8]) -> CommandEvent {
    match payload.first() {
        Some(proto) if *proto > PROTO => return CommandEvent::NewerProto { proto: *proto },
        Some(proto) if *proto < PROTO_OLDEST => return CommandEvent::Bad(BadFrame::OldProto),
        _ => {}
    }
    let Ok((header, body)) = postcard::take_from_bytes::<CommandHeader>(payload) else {
        return CommandEvent::Bad(BadFrame::Postcard);
    };
    match postcard::take_from_bytes::<Command>(body) {
        Ok((command, [])) => CommandEvent::Frame { header, command },
        Ok(_) => CommandEvent::Bad(BadFrame::Postcard),
        Err(_) => match postcard::take_from_bytes::<u32>(body) {
            Ok((variant, _)) if variant >= COMMAND_VARIANTS => CommandEvent::Unknown { header, variant },
            _ => CommandEvent::Bad(BadFrame::Postcard),
        },
    }
}
