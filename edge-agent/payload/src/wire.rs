//! The protobuf messages, by hand. The same text for other languages: `payload.proto`. Append-only.

/// The envelope of a batch.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BatchWire {
    #[prost(uint32, tag = "1")]
    pub schema_version: u32,
    #[prost(string, tag = "2")]
    pub box_id: String,
    #[prost(uint32, tag = "3")]
    pub stream: u32,
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    #[prost(uint64, tag = "5")]
    pub first_seq: u64,
    #[prost(uint32, tag = "6")]
    pub count: u32,
    #[prost(uint32, tag = "7")]
    pub codec: u32,
    #[prost(bytes = "vec", tag = "8")]
    pub columns: Vec<u8>,
    #[prost(uint32, tag = "9")]
    pub columns_len: u32,
    #[prost(fixed32, tag = "10")]
    pub crc32c: u32,
}

/// One column; the columns message is `repeated ColumnWire column = 1`, walked by hand in `columns.rs`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ColumnWire {
    #[prost(uint32, tag = "1")]
    pub field_id: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub present: Vec<u8>,
    #[prost(sint64, repeated, tag = "3")]
    pub deltas: Vec<i64>,
}

/// Watermarks of a box.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AckMessageWire {
    #[prost(uint32, tag = "1")]
    pub schema_version: u32,
    #[prost(string, tag = "2")]
    pub box_id: String,
    #[prost(message, repeated, tag = "3")]
    pub acks: Vec<AckWire>,
}

/// One watermark.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AckWire {
    #[prost(uint32, tag = "1")]
    pub stream: u32,
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    #[prost(uint64, tag = "3")]
    pub next_seq: u64,
    #[prost(uint64, tag = "4")]
    pub table_version: u64,
}

/// Whether a box is there.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StateWire {
    #[prost(uint32, tag = "1")]
    pub schema_version: u32,
    #[prost(string, tag = "2")]
    pub box_id: String,
    #[prost(uint32, tag = "3")]
    pub status: u32,
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
}
