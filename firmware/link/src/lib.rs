//! Contract 1: the frames on the serial line between the box and whoever reads it.
//!
//! Used by three parties: the firmware, the edge agent and the digital twin. No `std`, no allocation.
//!
//! On the wire, box to host: `COBS( postcard(Header) ++ postcard(Message) ++ CRC-32C, little endian ) ++ 0x00`;
//! host to box the same with [`CommandHeader`] and [`Command`].
//! Message variants are append-only. A changed message is a new variant; a variant that the reader does not know is
//! reported as unknown and never as line noise.
#![no_std]

#[cfg(test)]
extern crate std;

mod command;
mod config;
mod decode;
mod encode;
mod frame;
mod message;
mod sensor;
mod seq;
mod service;
mod session;

pub use command::{CommandDecoder, CommandEvent, CommandHeader, encode_command};
pub use config::{BoxConfig, ConfigError, PmPart};
pub use decode::{BadFrame, Decoder, Event};
pub use encode::{EncodeError, encode};
pub use frame::{Checksum, MAX_COMMAND_FRAME_BYTES, MAX_FRAME_BYTES, checksum};
pub use message::*;
pub use sensor::{Fault, SENSOR_COUNT, SensorId};
pub use seq::{Arrival, SeqTracker};
pub use service::{BoxService, Dispatcher, NakReason, Refusal};
pub use session::{ANSWER_TIMEOUT_US, ATTEMPTS, Busy, Exchange, ImageTransfer, Outcome, Session, TransferError};
