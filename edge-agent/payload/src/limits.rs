//! Sizes and versions that both ends agree on.

/// The schema version that this crate writes, and the newest that it reads.
pub const SCHEMA_VERSION: u32 = 1;
/// Target size of an encoded batch, bytes. A batch is closed before it grows past it.
pub const MAX_BATCH_BYTES: usize = 16 * 1024;
/// Target length of a batch, seconds of event time.
pub const BATCH_SECONDS: u32 = 60;
/// Hard limit of an encoded batch, bytes. Larger input is refused unread.
pub const MAX_WIRE_BYTES: usize = 256 * 1024;
/// Hard limit of the columns after decompression, bytes.
pub const MAX_COLUMNS_BYTES: usize = 4 * 1024 * 1024;
/// Hard limit of samples in one batch.
pub const MAX_BATCH_SAMPLES: usize = 100_000;
/// Hard limit of columns in one batch, known and unknown.
pub const MAX_COLUMNS: usize = 256;
/// Hard limit of watermarks in one acknowledgement: every stream of a few epochs.
pub const MAX_ACKS: usize = 1_024;
/// Batches of fewer samples are not worth compressing.
pub const COMPRESS_FROM_SAMPLES: usize = 30;
