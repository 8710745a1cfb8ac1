//! Whether a box is there: the retained `state` message, which is also its last will.

use prost::Message as _;

use crate::box_id::BoxId;
use crate::error::DecodeError;
use crate::limits::{MAX_WIRE_BYTES, SCHEMA_VERSION};
use crate::wire::StateWire;

/// What a box, or the broker for it, says about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Connected.
    Connected = 1,
    /// Stopped on purpose.
    Stopped = 2,
    /// The broker lost it: the last will.
    Lost = 3,
}

/// The message on `state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateMessage {
    /// The box.
    pub box_id: BoxId,
    /// What is said.
    pub status: Status,
    /// The epoch of its spool.
    pub epoch: u64,
}

impl StateMessage {
    /// The bytes of `state`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        StateWire {
            schema_version: SCHEMA_VERSION,
            box_id: self.box_id.to_string(),
            status: self.status as u32,
            epoch: self.epoch,
        }
        .encode_to_vec()
    }

    /// Reads the bytes of `state`. A status that this version does not know counts as lost.
    ///
    /// # Errors
    /// When the bytes are too many, no such message, of a newer schema, or name no box.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_WIRE_BYTES {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        let wire = StateWire::decode(bytes).map_err(|error| DecodeError::Envelope(error.to_string()))?;
        crate::batch::check_version(wire.schema_version)?;
        let status = match wire.status {
            1 => Status::Connected,
            2 => Status::Stopped,
            _ => Status::Lost,
        };
        Ok(Self { box_id: BoxId::new(&wire.box_id)?, status, epoch: wire.epoch })
    }
}
