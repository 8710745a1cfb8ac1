//! What the caller decides.

use tournee_payload::{BATCH_SECONDS, BoxId, MAX_BATCH_BYTES};

/// Settings of a spool.
#[derive(Clone, Debug)]
pub struct SpoolConfig {
    /// The box that the samples come from; a file of another box is refused.
    pub box_id: BoxId,
    /// Cap on stored batches, bytes (each counted with a fixed overhead of 64). Beyond it the lowest priority goes first.
    /// Batches that may already have left the vehicle are kept, so the real floor is about 1.5 MiB.
    pub max_bytes: u64,
    /// A batch is closed before it spans this much event time, seconds.
    pub batch_seconds: u32,
    /// A batch is closed before its columns grow past this, bytes.
    pub batch_bytes: usize,
    /// Samples buffered between two commits at the most; beyond it `append` refuses.
    pub max_uncommitted: usize,
}

impl SpoolConfig {
    /// The settings of the contract, with a cap.
    #[must_use]
    pub fn new(box_id: BoxId, max_bytes: u64) -> Self {
        Self { box_id, max_bytes, batch_seconds: BATCH_SECONDS, batch_bytes: MAX_BATCH_BYTES, max_uncommitted: 100_000 }
    }
}
