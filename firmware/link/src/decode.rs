//! Frames to messages.

use core::fmt;

use crate::frame::{Broken, Deframer, MAX_FRAME_BYTES};
use crate::message::{Header, MESSAGE_VARIANTS, Message, PROTO, PROTO_OLDEST};

/// What the line brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "no allocation on the box")]
pub enum Event {
    /// A whole message.
    Frame {
        /// Its header.
        header: Header,
        /// Itself.
        message: Message,
    },
    /// Something between two delimiters that is not a frame. Count it; its sequence number will be missing.
    Bad(BadFrame),
    /// A whole frame with a message that this version does not know: the box is newer. Not line noise.
    Unknown {
        /// Its header; count its `seq` as arrived.
        header: Header,
        /// Number of the message variant.
        variant: u32,
    },
    /// A whole frame of a newer protocol, whose layout after the first byte this version cannot know.
    NewerProto {
        /// The protocol number.
        proto: u8,
    },
}

/// Why a frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadFrame {
    /// The byte stuffing is broken.
    Cobs,
    /// The check sum is wrong or missing.
    Crc,
    /// The check sum is right but the content does not fit the types: the sender is at fault.
    Postcard,
    /// Longer than [`MAX_FRAME_BYTES`] without a delimiter.
    TooLong,
    /// A whole frame of a protocol older than [`PROTO_OLDEST`].
    OldProto,
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cobs => "broken byte stuffing",
            Self::Crc => "wrong check sum",
            Self::Postcard => "check sum right, content not of the declared type",
            Self::TooLong => "no delimiter within the greatest frame",
            Self::OldProto => "protocol too old",
        })
    }
}

impl From<Broken> for BadFrame {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Cobs => Self::Cobs,
            Broken::Crc => Self::Crc,
            Broken::TooLong => Self::TooLong,
        }
    }
}

/// Reads the box's side of the line in slices of any size, with a bounded buffer. Goes on at the next delimiter,
/// whatever came before.
#[derive(Debug)]
pub struct Decoder {
    deframer: Deframer<{ MAX_FRAME_BYTES - 1 }>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that has just been connected: see [`Decoder::reset`].
    #[must_use]
    pub const fn new() -> Self {
        Self { deframer: Deframer::new() }
    }

    /// To call after a reconnection. What stands before the next delimiter may be the tail of a frame: it is used when
    /// whole and otherwise dropped without being reported as bad.
    pub fn reset(&mut self) {
        self.deframer.reset();
    }

    /// Takes the next bytes and reports what they complete, in order.
    pub fn feed(&mut self, bytes: &[u8], mut on_event: impl FnMut(Event)) {
        self.deframer.feed(bytes, |frame| {
            on_event(match frame {
                Ok(payload) => parse(payload),
                Err(broken) => Event::Bad(broken.into()),
            });
        });
    }
}

fn parse(payload: &[u8]) -> Event {
    // The protocol number is the first byte in every version; nothing else may be assumed of a newer one.
    match payload.first() {
        Some(proto) if *proto > PROTO => return Event::NewerProto { proto: *proto },
        Some(proto) if *proto < PROTO_OLDEST => return Event::Bad(BadFrame::OldProto),
        _ => {}
    }
    let Ok((header, body)) = postcard::take_from_bytes::<Header>(payload) else {
        return Event::Bad(BadFrame::Postcard);
    };
    match postcard::take_from_bytes::<Message>(body) {
        Ok((message, [])) => Event::Frame { header, message },
        Ok(_) => Event::Bad(BadFrame::Postcard),
        Err(_) => match postcard::take_from_bytes::<u32>(body) {
            Ok((variant, _)) if variant >= MESSAGE_VARIANTS => Event::Unknown { header, variant },
            _ => Event::Bad(BadFrame::Postcard),
        },
    }
}
