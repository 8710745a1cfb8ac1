//! FROZEN BYTES of payload schema version 1. Boxes in the field write these bytes and lakes were filled from them.
//! If a test here fails, revert your change rather than edit this file. A new layout is a new schema version and
//! a new test beside these.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_payload::{
    Ack, AckMessage, Batch, BoxId, Sample, StateMessage, Status, Stream, decode, encode, field, fields,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn van() -> BoxId {
    BoxId::new("van-01").unwrap()
}

fn small() -> Batch {
    let mut samples = vec![Sample::new(Stream::Road); 3];
    for (i, s) in samples.iter_mut().enumerate() {
        let i = i as i64;
        s.set(field::T_US, Some(1_768_000_000_000_000 + i * 1_500_000));
        s.set(field::LAT_DEG, Some(476_512_345 - i * 700));
        s.set(field::LON_DEG, Some(-20_812_345));
        s.set(18, (i != 1).then_some(31_970 + i));
    }
    Batch { box_id: van(), stream: Stream::Road, epoch: 0x1234_5678_9abc_def0, first_seq: 300, samples }
}

const SMALL_V1: &str = "0801120676616e2d3031180220f0bdf3d589cf959a1228ac023003423e0a1408011a108080b4bf92ffa306c08db701c08db7010a0d08041a09b281b8c603f70af70a0a0a08051a06f1c8ec1300000a0b08121201051a04c4f30304483e5553e25b24";

#[test]
fn batch_v1_is_written_as_ever() {
    assert_eq!(hex(&encode(&small()).unwrap()), SMALL_V1);
}

#[test]
fn batch_v1_is_read_as_ever() {
    assert_eq!(decode(&bytes(SMALL_V1)), Ok(small()));
}

/// Sixty samples, zstd: written once by version 1. Only reading is frozen, for zstd may learn to pack better.
const PACKED_V1: &str = "0801120676616e2d303118012001303c3801423328b52ffd6004004d0100f80abe0108011ab9018080b4bf92ffa30680897a0a4108121a3da601020202050200dc9de94aca850148840255d2f2e507";

fn packed() -> Batch {
    let mut samples = vec![Sample::new(Stream::Air); 60];
    for (i, s) in samples.iter_mut().enumerate() {
        let i = i as i64;
        s.set(field::T_US, Some(1_768_000_000_000_000 + i * 1_000_000));
        s.set(18, Some(83 + i % 4));
    }
    Batch { box_id: van(), stream: Stream::Air, epoch: 1, first_seq: 0, samples }
}

#[test]
fn packed_batch_v1_is_read_as_ever() {
    assert_eq!(decode(&bytes(PACKED_V1)), Ok(packed()));
}

const ACK_V1: &str = "0801120676616e2d30311a11080610f0bdf3d589cf959a1218ac022007";

#[test]
fn watermark_v1_is_as_ever() {
    let message = AckMessage {
        box_id: van(),
        acks: vec![Ack { stream: Stream::Track, epoch: 0x1234_5678_9abc_def0, next_seq: 300, table_version: 7 }],
    };
    assert_eq!(hex(&message.encode()), ACK_V1);
    assert_eq!(AckMessage::decode(&bytes(ACK_V1)), Ok(message));
}

const STATE_V1: &str = "0801120676616e2d303118032005";

#[test]
fn state_v1_is_as_ever() {
    let state = StateMessage { box_id: van(), status: Status::Lost, epoch: 5 };
    assert_eq!(hex(&state.encode()), STATE_V1);
    assert_eq!(StateMessage::decode(&bytes(STATE_V1)), Ok(state));
}

/// Stream codes, field ids, names and scales: what the integers mean. Ranges may be widened, lines may be added.
#[test]
fn fields_keep_their_meaning() {
    let now: Vec<String> = Stream::ALL
        .into_iter()
        .flat_map(|stream| {
            fields(stream)
                .iter()
                .map(move |f| format!("{} {} {} {} {}", stream as u8, stream.name(), f.id, f.name, f.scale))
        })
        .collect();
    for line in include_str!("fields.v1.txt").lines().filter(|line| !line.starts_with('#')) {
        assert!(now.iter().any(|n| n == line), "changed or gone: {line}");
    }
}
