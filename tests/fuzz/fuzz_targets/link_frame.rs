//! The box's side of the link: nothing panics, slices do not matter, and what was read is written and read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tournee_fuzz::{in_slices, link_frame, split_way};
use tournee_link::{Decoder, Event, MAX_FRAME_BYTES, encode};

fuzz_target!(|data: &[u8]| {
    let Some((framed, rest)) = split_way(data) else { return };
    let line = if framed { link_frame(rest) } else { rest.to_vec() };
    let events = read(&[&[0], &line[..]].concat());
    assert!(events.len() <= line.len());
    for event in events {
        let Event::Frame { header, message } = &event else { continue };
        let mut frame = [0; MAX_FRAME_BYTES];
        let len = encode(header, message, &mut frame).expect("every message has room in a frame");
        let frame = &frame[..len];
        assert_eq!(frame.iter().position(|byte| *byte == 0), Some(len - 1), "one delimiter, at the end");
        assert_eq!(read(&[&[0], frame].concat()), std::slice::from_ref(&event));
        // A sender may write a number with more bytes than it needs; we never do.
        assert!(!framed || len <= line.len(), "{len} bytes for {} as received", line.len());
    }
});

fn read(line: &[u8]) -> Vec<Event> {
    let (mut at_once, mut in_parts) = (Vec::new(), Vec::new());
    Decoder::new().feed(line, |event| at_once.push(event));
    let mut decoder = Decoder::new();
    in_slices(line, |slice| decoder.feed(slice, |event| in_parts.push(event)));
    assert_eq!(at_once, in_parts, "slices do not matter");
    at_once
}
