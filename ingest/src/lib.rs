//! From MQTT to the lake: subscribe → validate → deduplicate → rows → commit → acknowledge.
//!
//! The promise: every sample that a vehicle numbered is in the lake exactly once, or its absence is accounted for, by a
//! gap record or in quarantine. [`check::check`] proves it for a given lake. How it is kept through crashes:
//! [`tournee_lake::transaction`] and `docs/decisions/0001-exactly-once.md`.
//!
//! * [`run`]: a worker between a broker and the lake.
//! * [`Lake`]: the same without MQTT, for imports.
//! * [`broker`]: a broker on loopback for one machine.

mod admission;
pub mod broker;
mod budget;
pub mod check;
mod commit;
mod convert;
mod delta;
mod devices;
mod door;
mod error;
mod evolve;
mod fail;
mod fail_store;
mod holes;
mod lake;
mod lake_store;
mod lake_url;
pub mod maintain;
mod measured;
mod metrics;
mod mqtt;
mod parquet_file;
mod prepare;
mod quarantine;
mod run;
mod store;
mod tls;
mod transactions;
mod validate;

pub use admission::Accept;
pub use budget::QuarantineLimits;
pub use devices::{Device, DeviceRegistry, DeviceState, PENDING_MAX};
pub use door::Door;
pub use error::IngestError;
pub use fail::{FAIL_VARIABLE, FailPlan, FailPlanError, FailPoint, Hook};
pub use lake::{Appended, CommitReport, Lake, LakeOptions, Limits, Totals};
pub use lake_store::LakeStore;
pub use lake_url::LakeUrl;
pub use measured::{Histogram, Measured, StreamCounts};
pub use metrics::{ready, render};
pub use quarantine::Refusal;
pub use run::{IngestConfig, IngestReport, IngestStatus, run};
pub use tls::TlsFiles;
pub use validate::{message, row, stream_table};

/// Every shard of the topic tree: what one worker alone takes.
pub const ALL_SHARDS: std::ops::RangeInclusive<u8> = 0..=63;

#[cfg(test)]
mod door_tests;
#[cfg(test)]
mod lake_tests;
#[cfg(test)]
mod run_tests;
