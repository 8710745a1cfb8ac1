//! The codec: round trips, hostile bytes, other versions.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use prost::Message;
use tournee_payload::{
    Ack, AckMessage, Batch, BoxId, DecodeError, EncodeError, MAX_COLUMNS_BYTES, MAX_WIRE_BYTES, Sample, StateMessage,
    Status, Stream, decode, decode_counting, encode, fields,
};

/// The envelope again, as another program would write it from `payload.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct Envelope {
    #[prost(uint32, tag = "1")]
    schema_version: u32,
    #[prost(string, tag = "2")]
    box_id: String,
    #[prost(uint32, tag = "3")]
    stream: u32,
    #[prost(uint64, tag = "4")]
    epoch: u64,
    #[prost(uint64, tag = "5")]
    first_seq: u64,
    #[prost(uint32, tag = "6")]
    count: u32,
    #[prost(uint32, tag = "7")]
    codec: u32,
    #[prost(bytes = "vec", tag = "8")]
    columns: Vec<u8>,
    #[prost(uint32, tag = "9")]
    columns_len: u32,
    #[prost(fixed32, tag = "10")]
    crc32c: u32,
    #[prost(string, tag = "99")]
    tomorrow: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Columns {
    #[prost(message, repeated, tag = "1")]
    column: Vec<Column>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Column {
    #[prost(uint32, tag = "1")]
    field_id: u32,
    #[prost(bytes = "vec", tag = "2")]
    present: Vec<u8>,
    #[prost(sint64, repeated, tag = "3")]
    deltas: Vec<i64>,
}

/// Bit by bit, so that the test does not share the crate's table.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

fn envelope(count: u32, columns: &[Column]) -> Envelope {
    sealed(Envelope {
        schema_version: 1,
        box_id: "van-01".to_owned(),
        stream: 1,
        epoch: 7,
        first_seq: 40,
        count,
        columns: Columns { column: columns.to_vec() }.encode_to_vec(),
        ..Envelope::default()
    })
}

fn sealed(mut e: Envelope) -> Envelope {
    let mut covered = e.schema_version.to_le_bytes().to_vec();
    covered.extend((e.box_id.len() as u32).to_le_bytes());
    covered.extend(e.box_id.as_bytes());
    covered.extend(e.stream.to_le_bytes());
    covered.extend(e.epoch.to_le_bytes());
    covered.extend(e.first_seq.to_le_bytes());
    covered.extend(e.count.to_le_bytes());
    covered.extend(&e.columns);
    e.crc32c = crc32c(&covered);
    e.columns_len = e.columns.len() as u32;
    e
}

fn column(field_id: u32, deltas: &[i64]) -> Column {
    Column { field_id, present: vec![], deltas: deltas.to_vec() }
}

fn batches() -> impl Strategy<Value = Batch> {
    let value = prop_oneof![
        3 => (-1000i64..1000).prop_map(Some),
        1 => any::<i64>().prop_map(Some),
        1 => Just(None),
        1 => Just(Some(i64::MIN)),
        1 => Just(Some(i64::MAX)),
    ];
    (0..8usize, 1..70usize, 0..=i64::MAX as u64, 0..1_000_000_000u64).prop_flat_map(move |(s, n, epoch, first_seq)| {
        let stream = Stream::ALL[s];
        let row = prop::collection::vec(value.clone(), fields(stream).len());
        prop::collection::vec(row, n).prop_map(move |rows| Batch {
            box_id: BoxId::new("van-01").unwrap(),
            stream,
            epoch,
            first_seq,
            samples: rows.into_iter().map(|values| Sample { stream, values }).collect(),
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(batch in batches()) {
        let bytes = encode(&batch).unwrap();
        prop_assert_eq!(decode(&bytes), Ok(batch));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let _ = AckMessage::decode(&bytes);
        let _ = StateMessage::decode(&bytes);
    }

    #[test]
    fn arbitrary_columns_under_a_right_checksum_never_panic(count in 1u32..200, columns in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = sealed(Envelope { columns, ..envelope(count, &[]) }).encode_to_vec();
        let _ = decode(&bytes);
    }

    #[test]
    fn a_flipped_bit_is_never_believed(batch in batches(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = encode(&batch).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // A flip in a tag can turn a default-valued field into an unknown one: then nothing was changed.
        if let Ok(read) = decode(&bytes) {
            prop_assert_eq!(read, batch);
        }
    }
}

fn refusal(e: &Envelope) -> DecodeError {
    decode(&e.encode_to_vec()).unwrap_err()
}

#[test]
fn another_program_can_write_it() {
    let e =
        envelope(3, &[column(1, &[1_000, 10, -20]), Column { field_id: 18, present: vec![0b101], deltas: vec![5, 1] }]);
    let batch = decode(&e.encode_to_vec()).unwrap();
    assert_eq!((batch.box_id.as_str(), batch.stream, batch.epoch, batch.first_seq), ("van-01", Stream::Air, 7, 40));
    let times: Vec<_> = batch.samples.iter().map(|s| s.get(1)).collect();
    assert_eq!(times, [Some(1_000), Some(1_010), Some(990)]);
    let pm25: Vec<_> = batch.samples.iter().map(|s| s.get(18)).collect();
    assert_eq!(pm25, [Some(5), None, Some(6)]);
}

#[test]
fn tomorrow_is_read_as_far_as_it_is_known() {
    let mut e = envelope(1, &[column(1, &[1]), column(900, &[2]), column(70_000, &[3])]);
    e.tomorrow = "a field of a later minor version".to_owned();
    let decoded = decode_counting(&e.encode_to_vec()).unwrap();
    assert_eq!(decoded.unknown_fields, 2);
    assert_eq!(decoded.batch.samples[0].get(1), Some(1));
    let newer = sealed(Envelope { schema_version: 2, ..e });
    assert_eq!(refusal(&newer), DecodeError::NewerSchema { found: 2, supported: 1 });
    assert_eq!(refusal(&newer).reason(), "payload_newer_schema");
}

#[test]
fn each_lie_has_its_own_reason() {
    let good = || envelope(3, &[column(1, &[1, 1, 1])]);
    assert!(decode(&good().encode_to_vec()).is_ok());
    assert_eq!(decode(&[]), Err(DecodeError::NoSchema));
    assert_eq!(decode(&vec![0; MAX_WIRE_BYTES + 1]), Err(DecodeError::TooLarge(MAX_WIRE_BYTES + 1)));
    assert!(matches!(decode(&[0xff; 9]), Err(DecodeError::Envelope(_))));
    assert!(matches!(refusal(&Envelope { box_id: "VAN".into(), ..good() }), DecodeError::BoxId(_)));
    assert_eq!(refusal(&Envelope { stream: 99, ..good() }), DecodeError::UnknownStream(99));
    assert_eq!(refusal(&Envelope { count: 0, ..good() }), DecodeError::Empty);
    assert_eq!(refusal(&Envelope { count: 100_001, ..good() }), DecodeError::TooManySamples(100_001));
    assert_eq!(refusal(&Envelope { epoch: 1 << 63, ..good() }), DecodeError::SequenceOverflow);
    assert_eq!(refusal(&Envelope { first_seq: i64::MAX as u64 - 2, ..good() }), DecodeError::SequenceOverflow);
    assert_eq!(refusal(&Envelope { first_seq: u64::MAX, ..good() }), DecodeError::SequenceOverflow);
    assert_eq!(refusal(&Envelope { codec: 2, ..good() }), DecodeError::UnknownCodec(2));
    assert_eq!(refusal(&Envelope { codec: 1, ..good() }), DecodeError::Decompress);
    assert_eq!(refusal(&Envelope { columns_len: 1, ..good() }), DecodeError::Length);
    assert_eq!(refusal(&Envelope { columns_len: u32::MAX, ..good() }), DecodeError::Bomb);
    assert_eq!(refusal(&Envelope { crc32c: 1, ..good() }), DecodeError::Checksum);
    for moved in [
        Envelope { box_id: "van-02".into(), ..good() },
        Envelope { stream: 2, ..good() },
        Envelope { epoch: 8, ..good() },
        Envelope { first_seq: 41, ..good() },
        Envelope { count: 4, ..good() },
    ] {
        assert_eq!(refusal(&moved), DecodeError::Checksum, "the identity is covered");
    }
    assert_eq!(refusal(&sealed(Envelope { columns: vec![0x0a, 0x7f], ..good() })), DecodeError::Column);
    assert_eq!(refusal(&envelope(1, &[column(1, &[1]), column(1, &[1])])), DecodeError::DuplicateField(1));
    assert_eq!(refusal(&envelope(2, &[column(1, &[1])])), DecodeError::Values(1));
    let bitmap =
        |present: &[u8], deltas: &[i64]| Column { field_id: 4, present: present.to_vec(), deltas: deltas.to_vec() };
    assert_eq!(refusal(&envelope(3, &[bitmap(&[1, 0], &[1])])), DecodeError::Presence(4));
    assert_eq!(refusal(&envelope(3, &[bitmap(&[0b1001], &[1, 1])])), DecodeError::Presence(4));
    let many: Vec<_> = (0..257).map(|id| column(1_000 + id, &[1])).collect();
    assert_eq!(refusal(&envelope(1, &many)), DecodeError::TooManyColumns);
}

#[test]
fn a_bomb_is_refused_small() {
    let zeros = vec![0u8; 64 * 1024 * 1024];
    let packed = zstd::bulk::compress(&zeros, 19).unwrap();
    assert!(packed.len() < MAX_WIRE_BYTES);
    let bomb = Envelope { codec: 1, columns_len: MAX_COLUMNS_BYTES as u32, columns: packed, ..envelope(1, &[]) };
    assert_eq!(refusal(&bomb), DecodeError::Decompress);
    assert_eq!(refusal(&Envelope { columns_len: zeros.len() as u32, ..bomb }), DecodeError::Bomb);
}

#[test]
fn what_cannot_be_written() {
    let box_id = BoxId::new("van-01").unwrap();
    let batch = |n: usize| Batch {
        box_id: box_id.clone(),
        stream: Stream::Air,
        epoch: 1,
        first_seq: 0,
        samples: vec![Sample::new(Stream::Air); n],
    };
    assert_eq!(encode(&batch(0)), Err(EncodeError::Empty));
    assert_eq!(encode(&batch(100_001)), Err(EncodeError::TooManySamples(100_001)));
    let mut other = batch(2);
    other.samples[1] = Sample::new(Stream::Gap);
    assert_eq!(encode(&other), Err(EncodeError::WrongSample(1)));
    assert_eq!(encode(&Batch { epoch: u64::MAX, ..batch(1) }), Err(EncodeError::Identity));
    assert_eq!(encode(&Batch { first_seq: i64::MAX as u64, ..batch(1) }), Err(EncodeError::Identity));
    assert_eq!(decode(&encode(&batch(1)).unwrap()), Ok(batch(1)), "a row of absent values is a row");
}

#[test]
fn sixty_seconds_of_track_stay_small() {
    // A drive at 8 m/s with noise: the budget on the wire is 15 bytes per sample (about 9 fields are filled).
    let samples: Vec<_> = (0..60i64)
        .map(|i| {
            let mut s = Sample::new(Stream::Track);
            let jitter = (i * 7_919) % 23 - 11;
            for (id, value) in [
                (1, 1_768_000_000_000_000 + i * 1_000_000),
                (2, 55_000_000 + i * 1_000_003 + jitter),
                (3, 3_141_592_653),
                (4, 476_512_345 + i * 610 + jitter),
                (5, -20_812_345 + i * 420 - jitter),
                (6, 25 + jitter / 4),
                (7, 800 + jitter * 3),
                (8, 1_234 + jitter),
                (9, 0),
                (16, 3),
                (17, 14),
                (18, 90 + jitter / 5),
            ] {
                s.set(id, Some(value));
            }
            s
        })
        .collect();
    let batch =
        Batch { box_id: BoxId::new("van-01").unwrap(), stream: Stream::Track, epoch: 1 << 62, first_seq: 0, samples };
    let bytes = encode(&batch).unwrap();
    assert!(bytes.len() <= 15 * 60, "{} bytes for 60 samples", bytes.len());
}

#[test]
fn watermarks_and_state_read_back() {
    let box_id = BoxId::new("van-01").unwrap();
    let message = AckMessage {
        box_id: box_id.clone(),
        acks: Stream::ALL
            .into_iter()
            .map(|stream| Ack { stream, epoch: u64::MAX >> 1, next_seq: stream as u64 * 1_000, table_version: 3 })
            .collect(),
    };
    assert_eq!(AckMessage::decode(&message.encode()), Ok(message));
    for status in [Status::Connected, Status::Stopped, Status::Lost] {
        let state = StateMessage { box_id: box_id.clone(), status, epoch: 9 };
        assert_eq!(StateMessage::decode(&state.encode()), Ok(state));
    }
}
