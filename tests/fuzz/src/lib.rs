//! What the fuzz targets share.
//!
//! A check sum is a wall that no fuzzer climbs by chance. So the first byte of an input says how the rest reaches the decoder:
//! even, as it is; odd, as contents around which the target itself puts frames with right check sums.

mod drive;
mod envelope;

pub use drive::drive;
pub use envelope::Envelope;
use tournee_drivers::gnss::{Event, Fix, Limits, Receiver};

/// The way and the rest.
#[must_use]
pub fn split_way(data: &[u8]) -> Option<(bool, &[u8])> {
    data.split_first().map(|(way, rest)| (way % 2 == 1, rest))
}

/// Slices of sizes that the data themselves choose, so that every run of an input cuts alike.
pub fn in_slices<'a>(mut bytes: &'a [u8], mut take: impl FnMut(&'a [u8])) {
    while let Some(first) = bytes.first() {
        let (now, later) = bytes.split_at((usize::from(*first) % 37 + 1).min(bytes.len()));
        take(now);
        bytes = later;
    }
}

/// A frame of the link around a payload: check sum, byte stuffing, delimiter.
#[must_use]
pub fn link_frame(payload: &[u8]) -> Vec<u8> {
    let whole = [payload, &tournee_link::checksum(payload).to_le_bytes()].concat();
    let mut frame = vec![0; cobs::max_encoding_length(whole.len())];
    let len = cobs::encode(&whole, &mut frame);
    frame.truncate(len);
    frame.push(0);
    frame
}

/// UBX frames: class, identity, length and as many bytes, over and over.
#[must_use]
pub fn ubx_frames(mut data: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    while let [class, id, len, rest @ ..] = data {
        let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        let start = line.len() + 2;
        line.extend([0xb5, 0x62, *class, *id]);
        line.extend((payload.len() as u16).to_le_bytes());
        line.extend(payload);
        let (mut a, mut b) = (0_u8, 0_u8);
        for byte in &line[start..] {
            a = a.wrapping_add(*byte);
            b = b.wrapping_add(a);
        }
        line.extend([a, b]);
        data = rest;
    }
    line
}

/// NMEA sentences: each line of the data between `$` and a right check sum.
#[must_use]
pub fn nmea_sentences(data: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    for body in data.split(|byte| *byte == b'\n') {
        let sum = body.iter().fold(0, |sum, byte| sum ^ byte);
        line.push(b'$');
        line.extend(body);
        line.extend(format!("*{sum:02X}\r\n").bytes());
    }
    line
}

/// Reads a line whole and in slices; both must say the same, and no fix may be one that nobody should believe.
pub fn check_receiver(line: &[u8]) {
    let limits = Limits::default();
    let (mut whole, mut sliced) = (Receiver::new(limits), Receiver::new(limits));
    let (mut at_once, mut in_parts) = (Vec::new(), Vec::new());
    whole.feed(line, |event| at_once.push(event));
    in_slices(line, |slice| sliced.feed(slice, |event| in_parts.push(event)));
    assert_eq!(at_once, in_parts, "slices do not matter");
    assert_eq!(whole.counters(), sliced.counters());
    whole.line_idle(|event| at_once.push(event));
    for event in &at_once {
        match event {
            Event::Fix(fix) => check_fix(fix, &limits),
            Event::TimePulse { utc_us } => assert!(utc_us % 1_000_000 == 0 && *utc_us >= limits.utc_floor_us),
            Event::Refused(_) => {}
        }
    }
    // An epoch gives one event, and no frame is shorter than 8 bytes; idle ends at most one of each kind.
    assert!(at_once.len() <= line.len() + 4, "{} events of {} bytes", at_once.len(), line.len());
    let counters = whole.counters();
    let fixes = at_once.iter().filter(|event| matches!(event, Event::Fix(_))).count();
    assert_eq!((counters.valid_fixes + counters.no_fixes) as usize, fixes);
}

fn check_fix(fix: &Fix, limits: &Limits) {
    assert!(matches!(fix.fix, 0 | 2 | 3 | 4), "{fix:?}");
    if fix.fix == 0 {
        return;
    }
    assert!(fix.utc_us >= limits.utc_floor_us, "{fix:?}");
    assert!(fix.lat_e7.abs() <= 900_000_000 && fix.lon_e7.unsigned_abs() <= 1_800_000_000, "{fix:?}");
    assert!((fix.lat_e7, fix.lon_e7) != (0, 0), "{fix:?}");
    assert!(fix.speed_mmps <= limits.speed_max_mmps && fix.heading_cdeg <= 36_000, "{fix:?}");
}
