//! What the spool says about itself.

use std::collections::BTreeMap;

use tournee_payload::Stream;

use crate::report::Pending;
use crate::spool::Spool;

impl Spool {
    /// Gap rows that could not be read back since the file was opened; what they named is named again.
    #[must_use]
    pub const fn lost_gap_rows(&self) -> u64 {
        self.lost_gap_rows
    }

    /// Samples that were ever committed, per stream: the next sequence number.
    #[must_use]
    pub fn generated(&self) -> BTreeMap<Stream, u64> {
        Stream::ALL.into_iter().map(|stream| (stream, self.books.state(stream).next_seq)).collect()
    }

    /// The watermark of a stream: everything below it is accounted for in the lake.
    #[must_use]
    pub fn acknowledged_seq(&self, stream: Stream) -> u64 {
        self.books.state(stream).acked_seq
    }

    /// Samples that were deleted by the watermark.
    #[must_use]
    pub fn acknowledged(&self, stream: Stream) -> u64 {
        self.books.state(stream).acked
    }

    /// Samples that were given up.
    #[must_use]
    pub fn given_up(&self, stream: Stream) -> u64 {
        self.books.state(stream).shed
    }

    /// What is stored of a stream. The bytes of an open batch are an upper bound.
    #[must_use]
    pub fn pending(&self, stream: Stream) -> Pending {
        self.books.pending(stream)
    }

    /// What is stored of all streams.
    #[must_use]
    pub fn pending_total(&self) -> Pending {
        self.books.total()
    }

    /// Samples in memory that the next commit will store.
    #[must_use]
    pub const fn uncommitted(&self) -> usize {
        self.uncommitted
    }
}
