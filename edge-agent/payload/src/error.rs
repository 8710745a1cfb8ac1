//! What can be wrong with a message.

/// Why a batch cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// No samples.
    #[error("a batch needs at least one sample")]
    Empty,
    /// More than [`crate::MAX_BATCH_SAMPLES`].
    #[error("{0} samples are too many for one batch, split it")]
    TooManySamples(usize),
    /// A sample of another stream, or with the wrong number of values.
    #[error("sample {0} does not fit the stream of the batch")]
    WrongSample(usize),
    /// Epoch or sequence numbers do not fit 63 bits.
    #[error("epoch or sequence numbers do not fit 63 bits")]
    Identity,
    /// The columns or the whole are larger than the hard limits.
    #[error("{0} bytes are too many for one batch, split it")]
    TooLarge(usize),
    /// The compressor failed.
    #[error("zstd failed: {0}")]
    Compress(String),
}

/// Why a message cannot be read. Each has a stable [`reason`](DecodeError::reason) for the quarantine table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Larger than [`crate::MAX_WIRE_BYTES`].
    #[error("{0} bytes on the wire, more than allowed")]
    TooLarge(usize),
    /// Not the protobuf message that it should be.
    #[error("not a readable envelope: {0}")]
    Envelope(String),
    /// Written for a schema that is newer than this reader.
    #[error("schema version {found} is newer than {supported}: update the reader, then replay the quarantine")]
    NewerSchema {
        /// The version of the message.
        found: u32,
        /// The newest version that this reader knows.
        supported: u32,
    },
    /// Version 0 was never written.
    #[error("schema version 0 does not exist")]
    NoSchema,
    /// The box id is none.
    #[error("bad box id: {0}")]
    BoxId(#[from] crate::BoxIdError),
    /// A stream that this version does not know.
    #[error("unknown stream code {0}")]
    UnknownStream(u32),
    /// A batch without samples.
    #[error("a batch without samples")]
    Empty,
    /// More than [`crate::MAX_BATCH_SAMPLES`].
    #[error("{0} samples in one batch, more than allowed")]
    TooManySamples(u32),
    /// Epoch, or first sequence number plus count, does not fit 63 bits.
    #[error("epoch or sequence numbers do not fit 63 bits")]
    SequenceOverflow,
    /// A compression that this version does not know.
    #[error("unknown codec {0}")]
    UnknownCodec(u32),
    /// The compressed columns are broken.
    #[error("the columns cannot be decompressed")]
    Decompress,
    /// The columns say, or turn out, to be larger than [`crate::MAX_COLUMNS_BYTES`].
    #[error("the columns grow to more than allowed when decompressed")]
    Bomb,
    /// The columns are not as long as the envelope says.
    #[error("the columns are not as long as the envelope says")]
    Length,
    /// The checksum over identity and columns does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// A column is not a readable message.
    #[error("a column cannot be read")]
    Column,
    /// More than [`crate::MAX_COLUMNS`].
    #[error("more columns than allowed")]
    TooManyColumns,
    /// The same field twice.
    #[error("field {0} appears twice")]
    DuplicateField(u32),
    /// The presence bitmap does not fit the count.
    #[error("the presence bitmap of field {0} does not fit the number of samples")]
    Presence(u32),
    /// The number of values does not fit the presence bitmap.
    #[error("field {0} has more or fewer values than samples present")]
    Values(u32),
    /// More than [`crate::MAX_ACKS`] watermarks in one message.
    #[error("{0} watermarks in one message, more than allowed")]
    TooManyAcks(usize),
}

impl DecodeError {
    /// A short name that never changes, for counters and the quarantine table.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "payload_too_large",
            Self::Envelope(_) => "payload_envelope",
            Self::NewerSchema { .. } => "payload_newer_schema",
            Self::NoSchema => "payload_no_schema",
            Self::BoxId(_) => "payload_box_id",
            Self::UnknownStream(_) => "payload_unknown_stream",
            Self::Empty => "payload_empty",
            Self::TooManySamples(_) => "payload_too_many_samples",
            Self::SequenceOverflow => "payload_sequence_overflow",
            Self::UnknownCodec(_) => "payload_unknown_codec",
            Self::Decompress => "payload_decompress",
            Self::Bomb => "payload_bomb",
            Self::Length => "payload_length",
            Self::Checksum => "payload_checksum",
            Self::Column => "payload_column",
            Self::TooManyColumns => "payload_too_many_columns",
            Self::DuplicateField(_) => "payload_duplicate_field",
            Self::Presence(_) => "payload_presence",
            Self::Values(_) => "payload_values",
            Self::TooManyAcks(_) => "payload_too_many_acks",
        }
    }
}
