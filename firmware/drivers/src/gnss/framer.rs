//! Bytes to frames: UBX and NMEA on one line.
//!
//! One buffer holds what may become a frame. Where it does not, the bytes after its first are searched again: a false
//! start costs nothing but the wait for the bytes that it claimed, [`UBX_FRAME_MAX`] at the most.

use super::Refusal;

/// Payload bytes of a UBX frame at the most: NAV-SAT of 49 satellites fits. Longer frames are never needed here.
pub(super) const UBX_PAYLOAD_MAX: usize = 600;
/// Bytes of a UBX frame at the most: two of synchronisation, class, id, two of length, payload, two of check sum.
pub(super) const UBX_FRAME_MAX: usize = UBX_PAYLOAD_MAX + 8;
/// Bytes of a sentence at the most, from `$` to the check sum. The standard says 82 with the line end; makers' own
/// sentences are up to three times that.
const SENTENCE_MAX: usize = 256;
const SYNC_1: u8 = 0xB5;
const SYNC_2: u8 = 0x62;

/// Something whole, or a reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Ubx {
        class: u8,
        id: u8,
        payload: &'a [u8],
    },
    /// What stands between `$` and `*`.
    Nmea(&'a [u8]),
    Broken(Refusal),
}

#[derive(Debug)]
pub(super) struct Framer {
    buffer: [u8; UBX_FRAME_MAX],
    len: usize,
    /// Bytes of a sentence that have been looked at.
    scanned: usize,
    garbage_bytes: u32,
}

enum Verdict<'a> {
    /// Not yet; so many bytes need not be looked at again.
    More(usize),
    /// These first bytes are a frame, or broken, or nothing.
    Done(Option<Frame<'a>>, usize),
}

/// Fletcher-8 of the UBX papers ("UBX checksum"), over class, id, length and payload.
pub(super) fn ubx_check_sum(bytes: &[u8]) -> [u8; 2] {
    bytes.iter().fold([0, 0], |[a, b], byte| {
        let a = byte.wrapping_add(a);
        [a, a.wrapping_add(b)]
    })
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn look_at_ubx(bytes: &[u8]) -> Verdict<'_> {
    match bytes.get(1) {
        None => return Verdict::More(0),
        Some(&SYNC_2) => {}
        Some(_) => return Verdict::Done(None, 1),
    }
    let Some(&[class, id, low, high]) = bytes.get(2..6).and_then(|head| head.first_chunk::<4>()) else {
        return Verdict::More(0);
    };
    let len = usize::from(u16::from_le_bytes([low, high]));
    if len > UBX_PAYLOAD_MAX {
        return Verdict::Done(Some(Frame::Broken(Refusal::UbxTooLong)), 2);
    }
    let (Some(covered), Some(sum)) = (bytes.get(2..6 + len), bytes.get(6 + len..8 + len)) else {
        return Verdict::More(0);
    };
    if ubx_check_sum(covered) == sum {
        let payload = covered.get(4..).unwrap_or(&[]);
        Verdict::Done(Some(Frame::Ubx { class, id, payload }), 8 + len)
    } else {
        Verdict::Done(Some(Frame::Broken(Refusal::UbxCheckSum)), 2)
    }
}

fn look_at_nmea(bytes: &[u8], scanned: usize) -> Verdict<'_> {
    let from = scanned.max(1);
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        let refusal = match byte {
            b'*' => {
                let Some([high, low]) = bytes.get(at + 1..).and_then(|rest| rest.first_chunk::<2>()) else {
                    return Verdict::More(at);
                };
                let body = bytes.get(1..at).unwrap_or(&[]);
                let Some((high, low)) = hex(*high).zip(hex(*low)) else {
                    return Verdict::Done(Some(Frame::Broken(Refusal::NmeaCheckSum)), at + 1);
                };
                let frame = if body.iter().fold(0, |sum, byte| sum ^ byte) == high << 4 | low {
                    Frame::Nmea(body)
                } else {
                    Frame::Broken(Refusal::NmeaCheckSum)
                };
                return Verdict::Done(Some(frame), at + 3);
            }
            b'\r' | b'\n' => Refusal::NmeaNoCheckSum,
            b'$' => Refusal::NmeaTruncated,
            b' '..=b'~' if at < SENTENCE_MAX => continue,
            b' '..=b'~' => Refusal::NmeaTooLong,
            _ => Refusal::NmeaTruncated,
        };
        return Verdict::Done(Some(Frame::Broken(refusal)), at);
    }
    Verdict::More(bytes.len())
}

impl Framer {
    pub(super) const fn new() -> Self {
        Self { buffer: [0; UBX_FRAME_MAX], len: 0, scanned: 0, garbage_bytes: 0 }
    }

    pub(super) fn garbage_bytes(&self) -> u32 {
        self.garbage_bytes
    }

    pub(super) fn feed(&mut self, bytes: &[u8], mut on_frame: impl FnMut(Frame<'_>)) {
        for byte in bytes {
            if self.len == 0 && !is_start(*byte) {
                self.count_garbage(&[*byte]);
                continue;
            }
            if let Some(place) = self.buffer.get_mut(self.len) {
                *place = *byte;
                self.len += 1;
            }
            while self.len > 0 && self.step(&mut on_frame) {}
        }
    }

    /// The line is silent: what has begun will not end. Frames behind a false start come out.
    pub(super) fn idle(&mut self, mut on_frame: impl FnMut(Frame<'_>)) {
        while self.len > 0 {
            self.drop_front(1, false);
            while self.len > 0 && self.step(&mut on_frame) {}
        }
    }

    /// Looks at the first bytes; true when some of them are done with.
    fn step(&mut self, on_frame: &mut impl FnMut(Frame<'_>)) -> bool {
        let bytes = self.buffer.get(..self.len).unwrap_or(&[]);
        let verdict = match bytes.first() {
            Some(&SYNC_1) => look_at_ubx(bytes),
            Some(b'$') => look_at_nmea(bytes, self.scanned),
            _ => Verdict::Done(None, 1),
        };
        match verdict {
            Verdict::More(scanned) => {
                self.scanned = scanned;
                false
            }
            Verdict::Done(frame, used) => {
                let whole = matches!(frame, Some(Frame::Ubx { .. } | Frame::Nmea(_)));
                if let Some(frame) = frame {
                    on_frame(frame);
                }
                self.drop_front(used, whole);
                true
            }
        }
    }

    /// Drops `used` bytes and what follows up to the next possible start of a frame.
    fn drop_front(&mut self, used: usize, whole: bool) {
        let used = used.min(self.len);
        let rest = self.buffer.get(used..self.len).unwrap_or(&[]);
        let next = used + rest.iter().position(|byte| is_start(*byte)).unwrap_or(rest.len());
        let lost = if whole { used } else { 0 }..next;
        let count = self.buffer.get(lost).unwrap_or(&[]).iter().filter(|byte| !is_line_end(**byte)).count();
        self.garbage_bytes = self.garbage_bytes.wrapping_add(count as u32);
        let next = next.min(self.len);
        if let Some(kept) = self.buffer.get_mut(..self.len) {
            kept.copy_within(next.min(kept.len()).., 0);
        }
        self.len -= next;
        self.scanned = 0;
    }

    fn count_garbage(&mut self, bytes: &[u8]) {
        let count = bytes.iter().filter(|byte| !is_line_end(**byte)).count();
        self.garbage_bytes = self.garbage_bytes.wrapping_add(count as u32);
    }
}

fn is_start(byte: u8) -> bool {
    byte == SYNC_1 || byte == b'$'
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\r' || byte == b'\n'
}
