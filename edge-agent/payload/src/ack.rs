//! The second acknowledgement: watermarks, from ingest to the box.

use prost::Message as _;

use crate::box_id::BoxId;
use crate::error::DecodeError;
use crate::limits::{MAX_ACKS, MAX_WIRE_BYTES, SCHEMA_VERSION};
use crate::stream::Stream;
use crate::wire::{AckMessageWire, AckWire};

/// A watermark: every sample of this stream and epoch below `next_seq` is in the lake, in its quarantine, or named by a
/// committed gap record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The stream.
    pub stream: Stream,
    /// The epoch of the spool that gave the sequence numbers.
    pub epoch: u64,
    /// Contiguous: everything below it is accounted for.
    pub next_seq: u64,
    /// Version of the lake table that holds the last of them.
    pub table_version: u64,
}

/// The watermarks of a box, retained on `down/ack`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckMessage {
    /// The box that is answered.
    pub box_id: BoxId,
    /// Its watermarks, one per stream and epoch.
    pub acks: Vec<Ack>,
}

impl AckMessage {
    /// The bytes of `down/ack`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let acks = self
            .acks
            .iter()
            .map(|ack| AckWire {
                stream: ack.stream as u32,
                epoch: ack.epoch,
                next_seq: ack.next_seq,
                table_version: ack.table_version,
            })
            .collect();
        AckMessageWire { schema_version: SCHEMA_VERSION, box_id: self.box_id.to_string(), acks }.encode_to_vec()
    }

    /// Reads the bytes of `down/ack`. Watermarks of streams that this version does not know are left out.
    ///
    /// # Errors
    /// When the bytes are too many, no such message, of a newer schema, or name no box.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_WIRE_BYTES {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        let wire = AckMessageWire::decode(bytes).map_err(|error| DecodeError::Envelope(error.to_string()))?;
        crate::batch::check_version(wire.schema_version)?;
        if wire.acks.len() > MAX_ACKS {
            return Err(DecodeError::TooManyAcks(wire.acks.len()));
        }
        let acks = wire
            .acks
            .iter()
            .filter_map(|ack| {
                Stream::from_code(ack.stream).map(|stream| Ack {
                    stream,
                    epoch: ack.epoch,
                    next_seq: ack.next_seq,
                    table_version: ack.table_version,
                })
            })
            .collect();
        Ok(Self { box_id: BoxId::new(&wire.box_id)?, acks })
    }
}
