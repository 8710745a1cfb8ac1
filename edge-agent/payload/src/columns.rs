//! Rows to columns of zigzag delta varints, and back.

use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};

use crate::error::DecodeError;
use crate::limits::MAX_COLUMNS;
use crate::sample::{Sample, index_of};
use crate::stream::{Stream, fields};
use crate::wire::ColumnWire;

/// The `Columns` message of these rows. The caller has checked that they belong to `stream`.
pub(crate) fn write(stream: Stream, samples: &[Sample]) -> Vec<u8> {
    let mut out = Vec::with_capacity(samples.len() * 24);
    for (at, field) in fields(stream).iter().enumerate() {
        let mut present = vec![0u8; samples.len().div_ceil(8)];
        let mut deltas = Vec::with_capacity(samples.len());
        let mut last = 0i64;
        for (row, sample) in samples.iter().enumerate() {
            let Some(value) = sample.values.get(at).copied().flatten() else { continue };
            if let Some(byte) = present.get_mut(row / 8) {
                *byte |= 1 << (row % 8);
            }
            deltas.push(value.wrapping_sub(last));
            last = value;
        }
        if deltas.is_empty() {
            continue;
        }
        if deltas.len() == samples.len() {
            present.clear();
        }
        let column = ColumnWire { field_id: u32::from(field.id), present, deltas };
        encode_key(1, WireType::LengthDelimited, &mut out);
        encode_varint(column.encoded_len() as u64, &mut out);
        // A Vec grows: encoding into it cannot run out of room.
        let _ = column.encode(&mut out);
    }
    out
}

/// The rows of a `Columns` message, and how many columns had a field id that this version does not know.
pub(crate) fn read(stream: Stream, count: usize, mut bytes: &[u8]) -> Result<(Vec<Sample>, u32), DecodeError> {
    let mut samples = vec![Sample::new(stream); count];
    let mut seen = [0u32; MAX_COLUMNS];
    let mut columns = 0usize;
    let mut unknown = 0u32;
    while !bytes.is_empty() {
        let (tag, wire_type) = decode_key(&mut bytes).map_err(|_| DecodeError::Column)?;
        if tag != 1 || wire_type != WireType::LengthDelimited {
            skip_field(wire_type, tag, &mut bytes, DecodeContext::default()).map_err(|_| DecodeError::Column)?;
            continue;
        }
        let length = decode_varint(&mut bytes).map_err(|_| DecodeError::Column)?;
        let length = usize::try_from(length).map_err(|_| DecodeError::Column)?;
        let (body, rest) = bytes.split_at_checked(length).ok_or(DecodeError::Column)?;
        bytes = rest;
        let column = ColumnWire::decode(body).map_err(|_| DecodeError::Column)?;
        if seen.iter().take(columns).any(|id| *id == column.field_id) {
            return Err(DecodeError::DuplicateField(column.field_id));
        }
        *seen.get_mut(columns).ok_or(DecodeError::TooManyColumns)? = column.field_id;
        columns += 1;
        match u16::try_from(column.field_id).ok().and_then(|id| index_of(stream, id)) {
            Some(at) => fill(&mut samples, at, &column)?,
            None => unknown += 1,
        }
    }
    Ok((samples, unknown))
}

/// Puts one column into the rows.
fn fill(samples: &mut [Sample], at: usize, column: &ColumnWire) -> Result<(), DecodeError> {
    let count = samples.len();
    let expected = if column.present.is_empty() {
        count
    } else {
        let used = count % 8;
        let clean_tail = used == 0 || column.present.last().is_none_or(|byte| byte >> used == 0);
        if column.present.len() != count.div_ceil(8) || !clean_tail {
            return Err(DecodeError::Presence(column.field_id));
        }
        column.present.iter().map(|byte| byte.count_ones() as usize).sum()
    };
    if column.deltas.len() != expected {
        return Err(DecodeError::Values(column.field_id));
    }
    let mut deltas = column.deltas.iter();
    let mut last = 0i64;
    for (row, sample) in samples.iter_mut().enumerate() {
        let here = column.present.is_empty() || column.present.get(row / 8).is_some_and(|b| b >> (row % 8) & 1 == 1);
        if !here {
            continue;
        }
        if let (Some(delta), Some(slot)) = (deltas.next(), sample.values.get_mut(at)) {
            last = last.wrapping_add(*delta);
            *slot = Some(last);
        }
    }
    Ok(())
}
