//! The box's side of the commands: one place decodes, checks and calls; whoever plays the box implements [`BoxService`].
//! Firmware and twin share it, so that neither can drift from the other.

use crate::command::CommandEvent;
use crate::config::BoxConfig;
use crate::message::{Ack, Command, FirmwareBegin, FirmwareChunk, Message, Nak, TimeSync};

/// Why a command was refused. Travels as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NakReason {
    /// A command that this firmware does not know; the detail is its variant.
    Unknown = 1,
    /// A value out of its range; the detail is the field.
    Range = 2,
    /// Not the expected offset; the detail is the expected one.
    Offset = 3,
    /// Not possible now: something else has to come first.
    State = 4,
    /// The image is larger than the store; the detail is the store's size in bytes.
    TooLarge = 5,
    /// The image does not fit its check sum; the detail is the sum of what was stored.
    Checksum = 6,
    /// The store failed; the detail is the offset.
    Storage = 7,
    /// This board cannot do it.
    Unsupported = 8,
}

impl NakReason {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Range,
        Self::Offset,
        Self::State,
        Self::TooLarge,
        Self::Checksum,
        Self::Storage,
        Self::Unsupported,
    ];

    /// The reason of this number, if this version knows it.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == code)
    }
}

impl core::fmt::Display for NakReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the box's firmware does not know this command: update it",
            Self::Range => "a value is out of its range",
            Self::Offset => "not the offset that the box expects",
            Self::State => "not possible now: something else has to come first",
            Self::TooLarge => "the image is larger than the box's store",
            Self::Checksum => "the stored image does not fit its check sum: send it again",
            Self::Storage => "the box's store failed",
            Self::Unsupported => "this board cannot do it",
        })
    }
}

/// A command that is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: NakReason,
    /// What the reason is about.
    pub detail: u32,
}

/// What a box does on command.
pub trait BoxService {
    /// Queues a message for the host.
    fn send(&mut self, message: Message);
    /// Queues a Hello.
    fn hello(&mut self);
    /// The configuration in force.
    fn config(&mut self) -> BoxConfig;
    /// Puts a checked configuration in force.
    fn set_config(&mut self, config: &BoxConfig);
    /// Begins a self test, whose result is sent when it is there.
    ///
    /// # Errors
    /// While another one runs.
    fn self_test(&mut self, id: u32) -> Result<(), Refusal>;
    /// Starts anew once everything queued is sent.
    ///
    /// # Errors
    /// On a board that cannot.
    fn reboot(&mut self) -> Result<(), Refusal>;
    /// An image comes; gives the offset that is expected next.
    ///
    /// # Errors
    /// No store, an image too large, a store that fails.
    fn firmware_begin(&mut self, begin: &FirmwareBegin) -> Result<u32, Refusal>;
    /// A part of the image; gives the offset that is expected next. A part that was stored before is not stored again.
    ///
    /// # Errors
    /// No image begun, a hole before the part, a store that fails.
    fn firmware_chunk(&mut self, chunk: &FirmwareChunk) -> Result<u32, Refusal>;
    /// Checks the stored image; gives its length.
    ///
    /// # Errors
    /// Parts missing, a wrong check sum.
    fn firmware_end(&mut self) -> Result<u32, Refusal>;
    /// Starts the checked image on trial, once everything queued is sent.
    ///
    /// # Errors
    /// No checked image.
    fn firmware_commit(&mut self) -> Result<u32, Refusal>;
    /// Keeps the running image.
    ///
    /// # Errors
    /// A store that fails.
    fn firmware_confirm(&mut self) -> Result<u32, Refusal>;
    /// Hangs, for tests of the watchdog.
    ///
    /// # Errors
    /// On every real board.
    fn hang(&mut self) -> Result<(), Refusal>;
}

/// Decodes, checks and calls. A command that comes again (its answer was lost) is answered again and not done again.
#[derive(Debug, Default)]
pub struct Dispatcher {
    last: Option<(u32, Result<u32, Refusal>)>,
    bad: u32,
}

impl Dispatcher {
    /// No command seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None, bad: 0 }
    }

    /// Broken and unknown frames from the host so far.
    #[must_use]
    pub const fn bad(&self) -> u32 {
        self.bad
    }

    /// Takes what the line brought at `now_us`, in box ticks.
    pub fn handle(&mut self, event: &CommandEvent, now_us: u64, service: &mut impl BoxService) {
        let (id, result) = match event {
            CommandEvent::Bad(_) | CommandEvent::NewerProto { .. } => {
                self.bad = self.bad.saturating_add(1);
                return;
            }
            CommandEvent::Unknown { header, variant } => {
                self.bad = self.bad.saturating_add(1);
                (header.id, Err(Refusal { reason: NakReason::Unknown, detail: *variant }))
            }
            // Every exchange of stamps is a new one.
            CommandEvent::Frame { header, command: Command::TimeSync(host_us) } => {
                let answer = TimeSync { id: header.id, host_us: *host_us, received_us: now_us, sent_us: now_us };
                return service.send(Message::TimeSync(answer));
            }
            CommandEvent::Frame { header, command } => {
                let result = match self.last {
                    Some((id, result)) if id == header.id && !is_question(command) => result,
                    _ => perform(header.id, command, service),
                };
                self.last = Some((header.id, result));
                (header.id, result)
            }
        };
        service.send(match result {
            Ok(value) => Message::Ack(Ack { id, value }),
            Err(Refusal { reason, detail }) => Message::Nak(Nak { id, reason: reason as u8, detail }),
        });
    }
}

/// Asking twice is answered twice.
const fn is_question(command: &Command) -> bool {
    matches!(command, Command::HelloRequest | Command::GetConfig)
}

fn perform(id: u32, command: &Command, service: &mut impl BoxService) -> Result<u32, Refusal> {
    match command {
        Command::HelloRequest => {
            service.hello();
            Ok(0)
        }
        Command::GetConfig => {
            let config = service.config();
            service.send(Message::Config(config));
            Ok(0)
        }
        Command::SetConfig(config) => {
            config.check().map_err(|error| Refusal { reason: NakReason::Range, detail: u32::from(error.index) })?;
            service.set_config(config);
            Ok(0)
        }
        Command::SelfTest => service.self_test(id).map(|()| 0),
        Command::Reboot => service.reboot().map(|()| 0),
        Command::FirmwareBegin(begin) => service.firmware_begin(begin),
        Command::FirmwareChunk(chunk) => service.firmware_chunk(chunk),
        Command::FirmwareEnd => service.firmware_end(),
        Command::FirmwareCommit => service.firmware_commit(),
        Command::FirmwareConfirm => service.firmware_confirm(),
        Command::Hang => service.hang().map(|()| 0),
        // Answered before it comes here.
        Command::TimeSync(_) => Ok(0),
    }
}
