//! Contract 2: what an edge agent publishes and ingest reads.
//!
//! Knows no IO and no async runtime. Topic grammar, the protobuf envelope, the columnar codec, and one table of fields per
//! stream. Every value on the wire is an optional integer: a physical value times ten to the `scale` of its field, so that
//! the same integer can be stored in the lake as a decimal without rounding twice.
//!
//! `payload.proto`, beside this crate's manifest, describes the same bytes for readers in other languages.

mod ack;
mod batch;
mod box_id;
mod columns;
mod command;
mod error;
mod limits;
mod sample;
mod state;
mod state_report;
mod stream;
mod topic;
mod wire;

pub use ack::{Ack, AckMessage};
pub use batch::{Batch, Decoded, decode, decode_counting, encode};
pub use box_id::{BoxId, BoxIdError, SHARDS, shard};
pub use command::{
    Area, Campaign, Command, CommandError, CommandMessage, MAX_AREAS, MAX_COMMANDS, MAX_OFF, Order, OrderError,
    SamplingProfile,
};
pub use error::{DecodeError, EncodeError};
pub use limits::{
    BATCH_SECONDS, COMPRESS_FROM_SAMPLES, MAX_ACKS, MAX_BATCH_BYTES, MAX_BATCH_SAMPLES, MAX_COLUMNS, MAX_COLUMNS_BYTES,
    MAX_WIRE_BYTES, SCHEMA_VERSION,
};
pub use sample::Sample;
pub use state::{StateMessage, Status};
pub use state_report::{CommandAnswer, CommandVerdict, MAX_DETAIL_BYTES, MAX_DIAGNOSTICS_BYTES, StateReport};
pub use stream::{Field, Stream, field, fields};
pub use topic::{Topic, TopicError};
