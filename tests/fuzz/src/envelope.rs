//! The envelope of a batch, as another program would write it from `payload.proto`.

use crc::{CRC_32_ISCSI, Crc};
use prost::Message as _;

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The fields of `payload.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Envelope {
    /// 1.
    #[prost(uint32, tag = "1")]
    pub schema_version: u32,
    /// Name of the box.
    #[prost(string, tag = "2")]
    pub box_id: String,
    /// Code of the stream.
    #[prost(uint32, tag = "3")]
    pub stream: u32,
    /// Of the spool.
    #[prost(uint64, tag = "4")]
    pub epoch: u64,
    /// Of the first sample.
    #[prost(uint64, tag = "5")]
    pub first_seq: u64,
    /// Samples.
    #[prost(uint32, tag = "6")]
    pub count: u32,
    /// 0 raw, 1 zstd.
    #[prost(uint32, tag = "7")]
    pub codec: u32,
    /// As the codec says.
    #[prost(bytes = "vec", tag = "8")]
    pub columns: Vec<u8>,
    /// Bytes of the columns when they are not compressed.
    #[prost(uint32, tag = "9")]
    pub columns_len: u32,
    /// Over identity and columns.
    #[prost(fixed32, tag = "10")]
    pub crc32c: u32,
}

impl Envelope {
    /// The bytes of this envelope around columns, with the check sum of these columns.
    #[must_use]
    pub fn bytes(mut self, columns: &[u8], packed: bool) -> Option<Vec<u8>> {
        let mut digest = CRC32C.digest();
        digest.update(&self.schema_version.to_le_bytes());
        digest.update(&(self.box_id.len() as u32).to_le_bytes());
        digest.update(self.box_id.as_bytes());
        digest.update(&self.stream.to_le_bytes());
        digest.update(&self.epoch.to_le_bytes());
        digest.update(&self.first_seq.to_le_bytes());
        digest.update(&self.count.to_le_bytes());
        digest.update(columns);
        self.crc32c = digest.finalize();
        self.columns = if packed { zstd::bulk::compress(columns, 1).ok()? } else { columns.to_vec() };
        Some(self.encode_to_vec())
    }
}
