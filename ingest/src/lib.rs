//! From MQTT to the lake: subscribe → validate → deduplicate → rows → commit → acknowledge.
//!
//! The promise: every sample that a vehicle numbered is in the lake exactly once, or its absence is accounted for, by a
//! gap record or in quarantine. [`check::check`] proves it for a given lake. How it is kept through crashes:
//! [`tournee_lake::transaction`] and `docs/decisions/0001-exactly-once.md`.
//!
//! * [`run`]: a worker between a broker and the lake.
//! * [`Lake`]: the same without MQTT, for imports.
//! * [`broker`]: a broker on loopback for one machine.

pub mod broker;
pub mod check;
mod commit;
mod convert;
mod delta;
mod error;
mod fail;
mod lake;
mod mqtt;
mod parquet_file;
mod prepare;
mod quarantine;
mod run;
mod store;
mod validate;

pub use error::IngestError;
pub use fail::{FailPoint, Hook};
pub use lake::{Appended, CommitReport, Lake, LakeOptions, Limits, Totals};
pub use quarantine::Refusal;
pub use run::{Accept, IngestConfig, IngestReport, IngestStatus, run};
pub use validate::{message, row, stream_table};

/// Every shard of the topic tree: what one worker alone takes.
pub const ALL_SHARDS: std::ops::RangeInclusive<u8> = 0..=63;

#[cfg(test)]
mod lake_tests;
#[cfg(test)]
mod run_tests;
