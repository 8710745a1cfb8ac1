//! The host's side of the commands, without IO: one command at a time, sent again until it is answered or given up.

use core::fmt;

use crate::command::CommandHeader;
use crate::frame::checksum;
use crate::message::{Command, FIRMWARE_CHUNK_MAX, FirmwareBegin, FirmwareChunk, Message, Nak, PROTO, TimeSync};
use crate::service::NakReason;

/// How long an answer may take before the command is sent again, microseconds.
pub const ANSWER_TIMEOUT_US: u64 = 500_000;
/// How often a command is sent.
pub const ATTEMPTS: u32 = 6;

/// How often a box may ask for what it was sent before, until the transfer is given up: without an end, a box with a
/// broken store would be sent the same part for ever.
const MAX_SETBACKS: u32 = 16;

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the value of its [`crate::Ack`].
    Done(u32),
    /// Refused.
    Refused(Nak),
    /// The answer to a time request.
    Time(TimeSync),
    /// Sent [`ATTEMPTS`] times and never answered.
    NoAnswer,
}

/// A command is under way: wait for its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command is under way: wait for its outcome")
    }
}

impl core::error::Error for Busy {}

#[derive(Clone, Debug)]
struct Pending {
    id: u32,
    command: Command,
    sent: u32,
    due_us: u64,
}

/// One host that commands one box. Time is any rising count of microseconds.
#[derive(Clone, Debug)]
pub struct Session {
    next_id: u32,
    pending: Option<Pending>,
}

impl Session {
    /// `first_id` should be random: a box answers the number of its last command without doing it again.
    #[must_use]
    pub const fn new(first_id: u32) -> Self {
        Self { next_id: first_id, pending: None }
    }

    /// Begins a command, to be sent by [`Session::transmit`].
    ///
    /// # Errors
    /// [`Busy`] while another one is under way.
    pub fn start(&mut self, command: Command, now_us: u64) -> Result<(), Busy> {
        if self.pending.is_some() {
            return Err(Busy);
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.pending = Some(Pending { id, command, sent: 0, due_us: now_us });
        Ok(())
    }

    /// Whether a command is under way.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    /// When [`Session::transmit`] has something to do next.
    #[must_use]
    pub fn due_us(&self) -> Option<u64> {
        self.pending.as_ref().map(|pending| pending.due_us)
    }

    /// The command to write to the line now, if any. A time request carries the moment of this call.
    ///
    /// # Errors
    /// [`Outcome::NoAnswer`] when the command is given up.
    pub fn transmit(&mut self, now_us: u64) -> Result<Option<(CommandHeader, Command)>, Outcome> {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.due_us <= now_us) else { return Ok(None) };
        if pending.sent == ATTEMPTS {
            self.pending = None;
            return Err(Outcome::NoAnswer);
        }
        pending.sent += 1;
        pending.due_us = now_us.saturating_add(ANSWER_TIMEOUT_US);
        if let Command::TimeSync(host_us) = &mut pending.command {
            *host_us = i64::try_from(now_us).unwrap_or(i64::MAX);
        }
        Ok(Some((CommandHeader { proto: PROTO, id: pending.id }, pending.command.clone())))
    }

    /// Takes a message of the box; gives the outcome when it answers the command under way.
    pub fn receive(&mut self, message: &Message) -> Option<Outcome> {
        let pending = self.pending.as_ref()?;
        let outcome = match message {
            Message::Ack(ack) if ack.id == pending.id => Outcome::Done(ack.value),
            Message::Nak(nak) if nak.id == pending.id => Outcome::Refused(*nak),
            Message::TimeSync(answer) if answer.id == pending.id => Outcome::Time(*answer),
            _ => return None,
        };
        self.pending = None;
        Some(outcome)
    }
}

/// What four stamps say about two clocks (RFC 5905, section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Box ticks minus host time, microseconds; wrong by at most half the round trip.
    pub offset_us: i64,
    /// Time on the line, both ways, microseconds.
    pub round_trip_us: i64,
}

impl Exchange {
    /// From the box's answer and the host's time when it arrived; none where the stamps cannot be true.
    #[must_use]
    pub fn new(answer: &TimeSync, arrived_us: i64) -> Option<Self> {
        let (received_us, sent_us) = (i64::try_from(answer.received_us).ok()?, i64::try_from(answer.sent_us).ok()?);
        let there_us = received_us.checked_sub(answer.host_us)?;
        let back_us = sent_us.checked_sub(arrived_us)?;
        let round_trip_us = there_us.checked_sub(back_us)?;
        (round_trip_us >= 0 && sent_us >= received_us)
            .then(|| Self { offset_us: back_us + round_trip_us / 2, round_trip_us })
    }
}

/// Why an image was not transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// The box refused.
    Refused(Nak),
    /// The box went silent.
    NoAnswer,
    /// The image is empty or larger than 4 GiB.
    Size,
    /// The box answered something that no box answers here.
    Nonsense,
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(nak) => match NakReason::from_code(nak.reason) {
                Some(reason) => write!(f, "the box refused: {reason} ({})", nak.detail),
                None => write!(f, "the box refused with reason {} ({})", nak.reason, nak.detail),
            },
            Self::NoAnswer => f.write_str("the box does not answer: check the line, then start again"),
            Self::Size => f.write_str("the image is empty or too large"),
            Self::Nonsense => f.write_str("the box gave an answer that does not fit the command"),
        }
    }
}

impl core::error::Error for TransferError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begin,
    Chunk(u32),
    End,
    Over,
}

/// The transfer of an image: stop and wait, by offset. Begins anew where the box says that it expects another offset.
#[derive(Clone, Debug)]
pub struct ImageTransfer<'a> {
    image: &'a [u8],
    len: u32,
    step: Step,
    /// Answers that did not lead on.
    setbacks: u32,
}

impl<'a> ImageTransfer<'a> {
    /// Nothing sent yet.
    ///
    /// # Errors
    /// [`TransferError::Size`].
    pub fn new(image: &'a [u8]) -> Result<Self, TransferError> {
        let len = u32::try_from(image.len()).ok().filter(|len| *len > 0).ok_or(TransferError::Size)?;
        Ok(Self { image, len, step: Step::Begin, setbacks: 0 })
    }

    /// The next command; none when the box has the image and has checked it.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        match self.step {
            Step::Begin => Some(Command::FirmwareBegin(FirmwareBegin { len: self.len, crc: checksum(self.image) })),
            Step::Chunk(offset) => {
                let rest = self.image.get(offset as usize..).unwrap_or_default();
                let part = rest.get(..FIRMWARE_CHUNK_MAX).unwrap_or(rest);
                // Never longer than a chunk, by the line above.
                let data = heapless::Vec::from_slice(part).unwrap_or_default();
                Some(Command::FirmwareChunk(FirmwareChunk { offset, data }))
            }
            Step::End => Some(Command::FirmwareEnd),
            Step::Over => None,
        }
    }

    /// Takes the outcome of that command.
    ///
    /// # Errors
    /// When the transfer cannot go on.
    pub fn advance(&mut self, outcome: Outcome) -> Result<(), TransferError> {
        let (next, refused) = match outcome {
            Outcome::Done(next) => (next, false),
            // Also what the box says at the end while it misses a part.
            Outcome::Refused(nak) if nak.reason == NakReason::Offset as u8 => (nak.detail, true),
            Outcome::Refused(nak) => return Err(TransferError::Refused(nak)),
            Outcome::NoAnswer => return Err(TransferError::NoAnswer),
            Outcome::Time(_) => return Err(TransferError::Nonsense),
        };
        match self.step {
            Step::Over => return Ok(()),
            Step::End if !refused => {
                self.step = Step::Over;
                return Ok(());
            }
            _ => {}
        }
        if next <= self.done() {
            self.setbacks += 1;
        }
        if next > self.len || self.setbacks > MAX_SETBACKS {
            return Err(TransferError::Nonsense);
        }
        self.step = if next < self.len { Step::Chunk(next) } else { Step::End };
        Ok(())
    }

    /// Bytes that the box has.
    #[must_use]
    pub const fn done(&self) -> u32 {
        match self.step {
            Step::Begin => 0,
            Step::Chunk(offset) => offset,
            Step::End | Step::Over => self.len,
        }
    }
}
