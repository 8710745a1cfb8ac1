//! Contract 1: the frames on the serial line between the box and whoever reads it.
//!
//! Used by three parties: the firmware, the edge agent and the digital twin. No `std`, no allocation.
//!
//! On the wire: `COBS( postcard(Header) ++ postcard(Message) ++ CRC-32C, little endian ) ++ 0x00`.
//! Message variants are append-only. A changed message is a new variant; a variant that the reader does not know is
//! reported as unknown and never as line noise.
#![cfg_attr(not(test), no_std)]

mod message;

pub use message::*;
