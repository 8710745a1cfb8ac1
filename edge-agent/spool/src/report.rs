//! What the spool tells.

use std::path::PathBuf;

use tournee_payload::Stream;

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// The epoch of the file.
    pub epoch: u64,
    /// The file is new, and so is the epoch.
    pub created: bool,
    /// A damaged or outdated file was renamed to this and a new one made.
    pub set_aside: Option<PathBuf>,
    /// What was wrong with it.
    pub damage: Option<String>,
    /// How many files were set aside at this path, this one included; 0 when this one was sound.
    pub nth_set_aside: u32,
    /// The files that were set aside, as they are now.
    pub aside: AsideReport,
}

/// Files that were set aside at the path of a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsideReport {
    /// Files that are there, each with its log.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were removed just now, oldest first: at most eight are kept, and no more bytes than the cap of the spool.
    pub removed_files: u64,
    /// Their bytes.
    pub removed_bytes: u64,
}

/// What a new epoch left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEpoch {
    /// The new epoch.
    pub epoch: u64,
    /// The file was renamed to this.
    pub set_aside: PathBuf,
    /// Samples that wait in it, without gap rows.
    pub samples: u64,
    /// The files that were set aside, as they are now.
    pub aside: AsideReport,
}

/// A batch as it goes over the wire, the same bytes every time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBatch {
    /// The stream.
    pub stream: Stream,
    /// Sequence number of its first sample.
    pub first_seq: u64,
    /// Samples.
    pub count: u64,
    /// Encoded by `tournee_payload::encode`.
    pub bytes: Vec<u8>,
}

impl SealedBatch {
    /// The sequence number after its last sample.
    #[must_use]
    pub const fn end_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.count)
    }
}

/// How far the samples of the serial line have got: every frame of the boot `boot_id` before `next_seq` is accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinePosition {
    /// The boot of the box.
    pub boot_id: u32,
    /// Sequence number of the first link message that is not accounted for; it wraps.
    pub next_seq: u32,
}

/// What waits in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Committed samples.
    pub samples: u64,
    /// Batches, sealed and open.
    pub batches: u64,
    /// Bytes, counted against the cap.
    pub bytes: u64,
}

impl Pending {
    pub(crate) const fn add(&mut self, more: Self) {
        self.samples += more.samples;
        self.batches += more.batches;
        self.bytes += more.bytes;
    }

    pub(crate) const fn remove(&mut self, gone: Self) {
        self.samples = self.samples.saturating_sub(gone.samples);
        self.batches = self.batches.saturating_sub(gone.batches);
        self.bytes = self.bytes.saturating_sub(gone.bytes);
    }
}

/// What a watermark did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckOutcome {
    /// So many samples were deleted; 0 for a watermark that was known already.
    Deleted(u64),
    /// It speaks of another epoch: nothing was done.
    OtherEpoch,
    /// It is beyond everything that this spool ever offered: the file is an old copy (a restored image, a card that lost
    /// what it said was written), and its next sequence numbers are taken. Nothing was done; the answer to it is
    /// [`Spool::begin_new_epoch`](crate::Spool::begin_new_epoch).
    Beyond,
}

/// Why samples are given up: the `reason` of a gap sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GapReason {
    /// The spool is at its byte cap.
    ByteCap = 1,
    /// The stored bytes cannot be read back.
    Unreadable = 2,
    /// The batch is larger than the broker accepts.
    TooLargeForBroker = 3,
}
