//! A batch: consecutive samples of one stream, encoded once and resent byte for byte.

use std::cell::RefCell;

use crc::{CRC_32_ISCSI, Crc, Table};
use prost::Message as _;
use zstd::bulk::Decompressor;

use crate::box_id::BoxId;
use crate::columns;
use crate::error::{DecodeError, EncodeError};
use crate::limits::{COMPRESS_FROM_SAMPLES, MAX_BATCH_SAMPLES, MAX_COLUMNS_BYTES, MAX_WIRE_BYTES, SCHEMA_VERSION};
use crate::sample::Sample;
use crate::stream::{Stream, fields};
use crate::wire::BatchWire;

const CODEC_RAW: u32 = 0;
const CODEC_ZSTD: u32 = 1;
const ZSTD_LEVEL: i32 = 3;
/// CRC-32C (Castagnoli), as the CRC catalogue calls it: CRC-32/ISCSI.
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

thread_local! {
    /// Made once a thread: a new one for every batch costs more than the batch, because the kernel hands out its memory anew.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Consecutive samples of one stream of one box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The box.
    pub box_id: BoxId,
    /// The stream of every sample.
    pub stream: Stream,
    /// Made with the spool, at random; fits 63 bits.
    pub epoch: u64,
    /// Sequence number of the first sample; the others follow without a hole.
    pub first_seq: u64,
    /// At least one.
    pub samples: Vec<Sample>,
}

/// A batch that was read, and what was left out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The batch.
    pub batch: Batch,
    /// Columns with a field id that this version does not know.
    pub unknown_fields: u32,
}

/// Writes a batch.
///
/// # Errors
/// When it is empty, too large, or a sample does not belong to its stream.
pub fn encode(batch: &Batch) -> Result<Vec<u8>, EncodeError> {
    let count = batch.samples.len();
    if count == 0 {
        return Err(EncodeError::Empty);
    }
    if count > MAX_BATCH_SAMPLES {
        return Err(EncodeError::TooManySamples(count));
    }
    let width = fields(batch.stream).len();
    if let Some(at) = batch.samples.iter().position(|s| s.stream != batch.stream || s.values.len() != width) {
        return Err(EncodeError::WrongSample(at));
    }
    if !identity_fits(batch.epoch, batch.first_seq, count as u64) {
        return Err(EncodeError::Identity);
    }
    let columns = columns::write(batch.stream, &batch.samples);
    if columns.len() > MAX_COLUMNS_BYTES {
        return Err(EncodeError::TooLarge(columns.len()));
    }
    let mut wire = BatchWire {
        schema_version: SCHEMA_VERSION,
        box_id: batch.box_id.to_string(),
        stream: batch.stream as u32,
        epoch: batch.epoch,
        first_seq: batch.first_seq,
        count: count as u32,
        codec: CODEC_RAW,
        columns: Vec::new(),
        columns_len: columns.len() as u32,
        crc32c: 0,
    };
    wire.crc32c = checksum(&wire, &columns);
    wire.columns = columns;
    if count >= COMPRESS_FROM_SAMPLES {
        let packed = zstd::bulk::compress(&wire.columns, ZSTD_LEVEL)
            .map_err(|error| EncodeError::Compress(error.to_string()))?;
        if packed.len() < wire.columns.len() {
            wire.columns = packed;
            wire.codec = CODEC_ZSTD;
        }
    }
    let bytes = wire.encode_to_vec();
    if bytes.len() > MAX_WIRE_BYTES {
        return Err(EncodeError::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

/// Reads a batch.
///
/// # Errors
/// One variant per thing that can be wrong; each has a stable reason for the quarantine table.
pub fn decode(bytes: &[u8]) -> Result<Batch, DecodeError> {
    decode_counting(bytes).map(|decoded| decoded.batch)
}

/// Reads a batch and counts the columns that were left out because this version does not know their fields.
///
/// # Errors
/// As [`decode`].
pub fn decode_counting(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    if bytes.len() > MAX_WIRE_BYTES {
        return Err(DecodeError::TooLarge(bytes.len()));
    }
    let mut wire = BatchWire::decode(bytes).map_err(|error| DecodeError::Envelope(error.to_string()))?;
    check_version(wire.schema_version)?;
    let box_id = BoxId::new(&wire.box_id)?;
    let stream = Stream::from_code(wire.stream).ok_or(DecodeError::UnknownStream(wire.stream))?;
    if wire.count == 0 {
        return Err(DecodeError::Empty);
    }
    let count = wire.count as usize;
    if count > MAX_BATCH_SAMPLES {
        return Err(DecodeError::TooManySamples(wire.count));
    }
    if !identity_fits(wire.epoch, wire.first_seq, u64::from(wire.count)) {
        return Err(DecodeError::SequenceOverflow);
    }
    let columns = unpack(wire.codec, std::mem::take(&mut wire.columns), wire.columns_len)?;
    if checksum(&wire, &columns) != wire.crc32c {
        return Err(DecodeError::Checksum);
    }
    let (samples, unknown_fields) = columns::read(stream, count, &columns)?;
    let batch = Batch { box_id, stream, epoch: wire.epoch, first_seq: wire.first_seq, samples };
    Ok(Decoded { batch, unknown_fields })
}

/// Refuses versions that were never written and those that are newer than this reader.
pub(crate) const fn check_version(found: u32) -> Result<(), DecodeError> {
    match found {
        0 => Err(DecodeError::NoSchema),
        1..=SCHEMA_VERSION => Ok(()),
        _ => Err(DecodeError::NewerSchema { found, supported: SCHEMA_VERSION }),
    }
}

/// The lake stores epochs and sequence numbers as signed 64-bit integers.
fn identity_fits(epoch: u64, first_seq: u64, count: u64) -> bool {
    const TOP: u64 = i64::MAX as u64;
    epoch <= TOP && first_seq.checked_add(count).is_some_and(|end| end <= TOP)
}

/// The uncompressed columns. Allocates no more than the envelope says, and that no more than the limit.
fn unpack(codec: u32, columns: Vec<u8>, length: u32) -> Result<Vec<u8>, DecodeError> {
    let length = length as usize;
    if length > MAX_COLUMNS_BYTES {
        return Err(DecodeError::Bomb);
    }
    let columns = match codec {
        CODEC_RAW => columns,
        CODEC_ZSTD => decompress(&columns, length).map_err(|_| DecodeError::Decompress)?,
        other => return Err(DecodeError::UnknownCodec(other)),
    };
    if columns.len() == length { Ok(columns) } else { Err(DecodeError::Length) }
}

fn decompress(packed: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        if decompressor.is_none() {
            *decompressor = Some(Decompressor::new()?);
        }
        match decompressor {
            Some(decompressor) => decompressor.decompress(packed, length),
            None => zstd::bulk::decompress(packed, length),
        }
    })
}

/// Over the identity and the uncompressed columns, see `payload.proto`.
fn checksum(wire: &BatchWire, columns: &[u8]) -> u32 {
    let mut digest = CRC32C.digest();
    digest.update(&wire.schema_version.to_le_bytes());
    digest.update(&(wire.box_id.len() as u32).to_le_bytes());
    digest.update(wire.box_id.as_bytes());
    digest.update(&wire.stream.to_le_bytes());
    digest.update(&wire.epoch.to_le_bytes());
    digest.update(&wire.first_seq.to_le_bytes());
    digest.update(&wire.count.to_le_bytes());
    digest.update(columns);
    digest.finalize()
}
