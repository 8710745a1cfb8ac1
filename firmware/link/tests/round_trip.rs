//! Whatever is sent arrives; whatever is broken is reported, never believed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{any_command, any_header, any_message, decoded, decoded_command, framed, framed_command, one_of_each};
use proptest::prelude::*;
use tournee_link::*;

proptest! {
    #[test]
    fn every_message_comes_back(header in any_header(), message in any_message()) {
        let frame = framed(&header, &message);
        prop_assert!(!frame[..frame.len() - 1].contains(&0));
        prop_assert!(frame.len() <= MAX_FRAME_BYTES);
        prop_assert_eq!(decoded(&frame), vec![Event::Frame { header, message }]);
    }

    #[test]
    fn every_command_comes_back(id in any::<u32>(), command in any_command()) {
        let header = CommandHeader { proto: PROTO, id };
        let frame = framed_command(header, &command);
        prop_assert!(!frame[..frame.len() - 1].contains(&0));
        prop_assert!(frame.len() <= MAX_COMMAND_FRAME_BYTES);
        prop_assert_eq!(decoded_command(&frame), vec![CommandEvent::Frame { header, command }]);
    }

    /// The same as for messages below.
    #[test]
    fn flips_in_commands_are_never_believed(
        id in any::<u32>(),
        command in any_command(),
        flips in proptest::collection::hash_set((0_usize..MAX_COMMAND_FRAME_BYTES, 0_u32..8), 1..=3),
    ) {
        let header = CommandHeader { proto: PROTO, id };
        let good = framed_command(header, &command);
        let mut frame = good.clone();
        for (at, bit) in flips {
            frame[at % (good.len() - 1)] ^= 1 << bit;
        }
        prop_assume!(frame != good);
        let events = decoded_command(&[frame, good].concat());
        prop_assert_eq!(events.last(), Some(&CommandEvent::Frame { header, command }));
        prop_assert!(events[..events.len() - 1].iter().all(|event| matches!(event, CommandEvent::Bad(_))));
    }

    /// The byte stuffing is COBS as another implementation reads it.
    #[test]
    fn frames_are_cobs(header in any_header(), message in any_message()) {
        let mut frame = framed(&header, &message);
        frame.pop();
        let mut payload = vec![0; frame.len()];
        let len = cobs::decode(&frame, &mut payload).unwrap().frame_size();
        let (head, rest) = postcard::take_from_bytes::<Header>(&payload[..len]).unwrap();
        let (body, crc) = postcard::take_from_bytes::<Message>(rest).unwrap();
        prop_assert_eq!((head, body, crc.len()), (header, message, 4));
    }

    #[test]
    fn slices_do_not_matter(
        messages in proptest::collection::vec((any_header(), any_message()), 1..6),
        cuts in proptest::collection::vec(1_usize..40, 1..80),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(header, message)| framed(header, message)).collect();
        let mut decoder = Decoder::new();
        let mut events = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            decoder.feed(now, |event| events.push(event));
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        let sent: Vec<Event> = messages.into_iter().map(|(header, message)| Event::Frame { header, message }).collect();
        prop_assert_eq!(events, sent);
    }

    /// Garbage ends in reports, and the next whole frame is read.
    #[test]
    fn garbage_never_panics_and_ends_at_the_next_delimiter(
        garbage in proptest::collection::vec(any::<u8>(), 0..3_000),
        header in any_header(),
        message in any_message(),
    ) {
        let mut bytes = garbage;
        bytes.push(0);
        bytes.extend(framed(&header, &message));
        let events = decoded(&bytes);
        prop_assert_eq!(events.last(), Some(&Event::Frame { header, message }));
        prop_assert!(events[..events.len() - 1].iter().all(|event| matches!(event, Event::Bad(_))));
    }

    /// One to three flipped bits in a frame of at most 423 bytes are always seen: CRC-32C has a Hamming distance of at
    /// least 4 there (in fact 6), unless a flip makes or breaks a delimiter, and then the parts fail their own check.
    #[test]
    fn flips_are_never_believed(
        header in any_header(),
        message in any_message(),
        flips in proptest::collection::hash_set((0_usize..MAX_FRAME_BYTES, 0_u32..8), 1..=3),
    ) {
        let whole = framed(&header, &message);
        let mut frame = whole.clone();
        for (at, bit) in flips {
            // The delimiter itself is left alone: without it this frame and the next are one, tested below.
            frame[at % (whole.len() - 1)] ^= 1 << bit;
        }
        prop_assume!(frame != whole);
        let after = Header { seq: header.seq.wrapping_add(1), ..header };
        let good = framed(&after, &message);
        let events = decoded(&[frame, good].concat());
        prop_assert_eq!(events.last(), Some(&Event::Frame { header: after, message }));
        prop_assert!(events[..events.len() - 1].iter().all(|event| matches!(event, Event::Bad(_))), "{:?}", events);
    }

    #[test]
    fn a_lost_byte_costs_two_frames_at_the_most(
        messages in proptest::collection::vec((any_header(), any_message()), 3..5),
        at in any::<prop::sample::Index>(),
    ) {
        let mut bytes: Vec<u8> = messages.iter().flat_map(|(header, message)| framed(header, message)).collect();
        bytes.remove(at.index(bytes.len()));
        let events = decoded(&bytes);
        let whole = events.iter().filter(|event| matches!(event, Event::Frame { .. })).count();
        prop_assert!(whole + 2 >= messages.len());
        for event in events {
            if let Event::Frame { header, message } = event {
                prop_assert!(messages.contains(&(header, message)));
            }
        }
    }
}

fn header(seq: u32) -> Header {
    Header { proto: PROTO, boot_id: 7, seq, tick_us: 1_000 }
}

/// A frame around any payload.
fn framed_payload(payload: &[u8]) -> Vec<u8> {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(payload);
    let whole = [payload, &crc.to_le_bytes()].concat();
    let mut frame = vec![0; cobs::max_encoding_length(whole.len())];
    let len = cobs::encode(&whole, &mut frame);
    frame.truncate(len);
    frame.push(0);
    frame
}

#[test]
fn the_tail_of_a_frame_after_a_connect_is_not_line_noise() {
    let message = &one_of_each()[1];
    let (first, second) = (framed(&header(1), message), framed(&header(2), message));
    let mut decoder = Decoder::new();
    for _ in 0..2 {
        let mut events = Vec::new();
        decoder.feed(&[&first[9..], &second[..]].concat(), |event| events.push(event));
        assert_eq!(events, vec![Event::Frame { header: header(2), message: message.clone() }]);
        // In step now, the same tail is noise…
        decoder.feed(&first[9..], |event| assert!(matches!(event, Event::Bad(_))));
        // …and after a reset it is not.
        decoder.feed(&first[..20], |event| panic!("{event:?}"));
        decoder.reset();
    }
}

#[test]
fn a_whole_first_frame_is_used_and_empty_frames_are_silent() {
    let message = &one_of_each()[2];
    let mut events = Vec::new();
    let mut decoder = Decoder::new();
    decoder.feed(&framed(&header(0), message), |event| events.push(event));
    decoder.feed(&[0, 0, 0], |event| events.push(event));
    assert_eq!(events, vec![Event::Frame { header: header(0), message: message.clone() }]);
}

#[test]
fn a_message_of_a_newer_box_is_unknown_and_not_noise() {
    let mut payload = postcard::to_extend(&header(5), Vec::new()).unwrap();
    payload.extend([MESSAGE_VARIANTS as u8, 1, 2, 3]);
    assert_eq!(
        decoded(&framed_payload(&payload)),
        vec![Event::Unknown { header: header(5), variant: MESSAGE_VARIANTS }]
    );
}

#[test]
fn other_protocols_are_named() {
    assert_eq!(decoded(&framed_payload(&[PROTO + 1, 9, 9, 9])), vec![Event::NewerProto { proto: PROTO + 1 }]);
    assert_eq!(decoded(&framed_payload(&[0, 9, 9, 9])), vec![Event::Bad(BadFrame::OldProto)]);
}

#[test]
fn a_right_check_sum_around_a_wrong_content_is_the_senders_fault() {
    let mut payload = postcard::to_extend(&(header(5), &one_of_each()[6]), Vec::new()).unwrap();
    assert!(matches!(decoded(&framed_payload(&payload))[..], [Event::Frame { .. }]));
    payload.push(0);
    assert_eq!(decoded(&framed_payload(&payload)), vec![Event::Bad(BadFrame::Postcard)], "bytes left over");
    payload.truncate(payload.len() - 3);
    assert_eq!(decoded(&framed_payload(&payload)), vec![Event::Bad(BadFrame::Postcard)], "cut short");
    assert_eq!(decoded(&framed_payload(&[])), vec![Event::Bad(BadFrame::Postcard)], "nothing");
    assert_eq!(decoded(&[2, 1, 0]), vec![Event::Bad(BadFrame::Crc)], "no room for a check sum");
    assert_eq!(decoded(&[9, 1, 0]), vec![Event::Bad(BadFrame::Cobs)]);
}

#[test]
fn an_endless_frame_is_one_report_and_no_memory() {
    let message = &one_of_each()[0];
    let mut bytes = vec![1_u8; 100_000];
    bytes.push(0);
    bytes.extend(framed(&header(1), message));
    assert_eq!(
        decoded(&bytes),
        vec![Event::Bad(BadFrame::TooLong), Event::Frame { header: header(1), message: message.clone() }]
    );
}

#[test]
fn a_small_output_is_an_error() {
    let message = &one_of_each()[1];
    let whole = framed(&header(1), message).len();
    for len in 0..whole {
        assert_eq!(encode(&header(1), message, &mut vec![0; len]), Err(EncodeError::OutputTooSmall), "{len}");
    }
    assert_eq!(encode(&header(1), message, &mut vec![0; whole]), Ok(whole));
}

#[test]
fn commands_come_back() {
    let mut out = [0_u8; MAX_COMMAND_FRAME_BYTES];
    let header = CommandHeader { proto: PROTO, id: 4_000_000_000 };
    let len = encode_command(header, &Command::HelloRequest, &mut out).unwrap();
    let mut events = Vec::new();
    let mut decoder = CommandDecoder::new();
    let unknown = [&[PROTO, 3][..], &[COMMAND_VARIANTS as u8]].concat();
    let newer = framed_payload(&[PROTO + 1, 3]);
    let bytes = [&out[..len], &framed_payload(&unknown), &newer, &[5, 0]].concat();
    for byte in bytes {
        decoder.feed(&[byte], |event| events.push(event));
    }
    assert_eq!(
        events,
        vec![
            CommandEvent::Frame { header, command: Command::HelloRequest },
            CommandEvent::Unknown { header: CommandHeader { proto: PROTO, id: 3 }, variant: COMMAND_VARIANTS },
            CommandEvent::NewerProto { proto: PROTO + 1 },
            CommandEvent::Bad(BadFrame::Cobs),
        ]
    );
}
