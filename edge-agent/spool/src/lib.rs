//! The durable queue on the vehicle.
//!
//! One SQLite file in WAL mode with `synchronous=FULL`, one owner. Samples get their identity (epoch, seq) in the
//! transaction that stores them; a batch is encoded once and handed out byte for byte until the watermark of the lake
//! passes it. Only the watermark deletes. What must be given up leaves a gap sample with its range and reason in the
//! same transaction.
//!
//! Blocking: call it from a thread of its own, never from the task that reads the serial line (an fsync on eMMC or SD
//! takes 5 to 50 ms, at times 200).
//!
//! Beside the samples, and in the same transaction, stands how far on the serial line they reach ([`LinePosition`]): what a
//! killed agent had read but not committed is the hole between it and the first frame of the next run.
//!
//! Sequence numbers of samples that were buffered but never committed are given again after a crash. That is sound:
//! nothing leaves this crate before it is committed, so nobody has seen them.

mod books;
mod config;
mod error;
mod file;
mod gaps;
mod open_rows;
mod report;
mod shed;
mod spool;
mod store;

pub use config::SpoolConfig;
pub use error::SpoolError;
pub use report::{AckOutcome, GapReason, LinePosition, NewEpoch, OpenReport, Pending, SealedBatch};
pub use spool::Spool;
