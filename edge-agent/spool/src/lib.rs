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
//! What a commit writes is kept small for the sake of cheap flash, see `layout.rs`; and no later write goes to a block of the
//! disk that holds an earlier commit. A full disk is a cap like the configured one: see `reserve.rs`. A file that is damaged,
//! by its pages or by its books, is renamed and a new epoch begins; open rows that rotted alone are given up alone.
//!
//! Sequence numbers of samples that were buffered but never committed are given again after a crash. That is sound:
//! nothing leaves this crate before it is committed, so nobody has seen them.

mod aside;
mod books;
mod check;
mod config;
mod counts;
mod disk_room;
mod error;
mod file;
mod gaps;
mod hand_out;
mod layout;
mod log;
mod open_rows;
mod report;
mod reserve;
mod shed;
mod spool;
mod store;
mod view;
mod write;

pub use config::SpoolConfig;
pub use error::SpoolError;
pub use report::{AckOutcome, AsideReport, GapReason, LinePosition, NewEpoch, OpenReport, Pending, SealedBatch};
pub use spool::Spool;
pub use view::{SpoolView, SpoolViewError, StoredStream};
