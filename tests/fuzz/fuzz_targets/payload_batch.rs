//! Batches from a box, as ingest reads them: nothing panics, no output is larger than the limits, and what was read, written
//! again, is read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tournee_fuzz::{Envelope, split_way};
use tournee_payload::{
    DecodeError, MAX_BATCH_SAMPLES, MAX_COLUMNS, MAX_COLUMNS_BYTES, MAX_WIRE_BYTES, decode, decode_counting, encode,
    fields,
};

fuzz_target!(|data: &[u8]| {
    match split_way(data) {
        Some((true, rest)) => framed(rest),
        Some((false, rest)) => drop(read(rest)),
        None => {}
    }
});

/// Columns with a right check sum: five bytes of head, then the columns, which the head may have repeated and compressed.
fn framed(data: &[u8]) {
    let [stream, count_low, count_high, form, times, rest @ ..] = data else { return };
    let mut count = u32::from(*count_low);
    if form & 1 != 0 {
        // Beyond the limit of samples too. Seldom, for these runs are slow.
        count += u32::from(*count_high) << 9;
    }
    let mut columns = rest.to_vec();
    if form & 2 != 0 {
        columns = rest.repeat(1 + (usize::from(*times) << 6));
        // A bomb does not get larger than what shows that it is one.
        columns.truncate(MAX_COLUMNS_BYTES + 1_024);
    }
    let packed = form & 4 != 0;
    let columns_len = match form >> 6 {
        // As it is; the others say too little or too much.
        0 | 1 => columns.len(),
        2 => columns.len() / 2,
        _ => columns.len() + 1,
    };
    let envelope = Envelope {
        schema_version: 1,
        box_id: "van-01".to_owned(),
        stream: u32::from(stream % 10),
        epoch: u64::from(*times),
        first_seq: u64::from(*count_high),
        count,
        codec: u32::from(packed),
        columns_len: columns_len as u32,
        ..Envelope::default()
    };
    let Some(bytes) = envelope.bytes(&columns, packed) else { return };
    let result = read(&bytes);
    if columns_len != columns.len() || columns.len() > MAX_COLUMNS_BYTES {
        // Not one of the errors of whoever has looked into the columns.
        use DecodeError::{Bomb, Decompress, Empty, Length, TooLarge, TooManySamples, UnknownStream};
        let early = matches!(
            result,
            Err(Bomb | Decompress | Empty | Length | TooLarge(_) | TooManySamples(_) | UnknownStream(_))
        );
        assert!(early, "{} bytes of columns for {columns_len}: {result:?}", columns.len());
    }
    assert!(!matches!(result, Err(DecodeError::Checksum | DecodeError::Envelope(_))), "{result:?}");
}

fn read(bytes: &[u8]) -> Result<(), DecodeError> {
    let decoded = decode_counting(bytes)?;
    assert!(bytes.len() <= MAX_WIRE_BYTES);
    let batch = decoded.batch;
    assert!((1..=MAX_BATCH_SAMPLES).contains(&batch.samples.len()));
    assert!(decoded.unknown_fields as usize <= MAX_COLUMNS);
    let width = fields(batch.stream).len();
    assert!(batch.samples.iter().all(|sample| sample.stream == batch.stream && sample.values.len() == width));
    let again = encode(&batch).expect("what was read has room in a batch");
    assert_eq!(decode(&again), Ok(batch), "written again");
    Ok(())
}
