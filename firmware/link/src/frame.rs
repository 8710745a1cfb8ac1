//! What all frames share: their greatest size, their check sum, their delimiter.

use crc::{CRC_32_ISCSI, Crc, Table};

use crate::message::{ACCEL_BLOCK_MAX, MODEM_LINE_MAX, THERMAL_CHUNK_MAX};

/// Ends every frame and stands nowhere inside one.
pub(crate) const DELIMITER: u8 = 0;
/// Bytes of the CRC-32C at the end of the payload.
pub(crate) const CRC_BYTES: usize = 4;

/// The tables of the fast CRC take 16 KiB: nothing on a host, too much of a microcontroller's flash.
#[cfg(target_os = "none")]
type Tables = Table<1>;
#[cfg(not(target_os = "none"))]
type Tables = Table<16>;

static CRC32C: Crc<u32, Tables> = Crc::<u32, Tables>::new(&CRC_32_ISCSI);

/// CRC-32C, of frames and of firmware images.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    CRC32C.checksum(bytes)
}

/// CRC-32C of what comes in pieces.
pub struct Checksum(crc::Digest<'static, u32, Tables>);

impl Checksum {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(CRC32C.digest())
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sum of everything taken.
    #[must_use]
    pub fn finish(self) -> u32 {
        self.0.finalize()
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

// Greatest postcard sizes: integers of 16, 32 and 64 bits are varints of at most 3, 5 and 10 bytes, lengths up to 127
// take one byte and up to 16383 two. `tests/limits.rs` holds these against the types.
const U8: usize = 1;
const V16: usize = 3;
const V32: usize = 5;
const V64: usize = 10;
const VARIANT: usize = 1;
const LEN_127: usize = 1;
const LEN_16K: usize = 2;

const HEADER_MAX: usize = U8 + V32 + V32 + V64;
const ACCEL_MAX: usize = VARIANT + 3 * V16 + LEN_127 + ACCEL_BLOCK_MAX * 3 * V16;
const THERMAL_MAX: usize = VARIANT + U8 + V16 + U8 + V16 + LEN_16K + THERMAL_CHUNK_MAX * V16;
const MODEM_MAX: usize = VARIANT + LEN_16K + MODEM_LINE_MAX;

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// COBS adds one byte, and one more for every 254 of payload; then comes the delimiter.
const fn framed(payload: usize) -> usize {
    payload + 1 + payload / 254 + 1
}

/// Bytes of payload (header, message, CRC) at the most.
pub(crate) const MAX_PAYLOAD_BYTES: usize = HEADER_MAX + max(max(ACCEL_MAX, THERMAL_MAX), MODEM_MAX) + CRC_BYTES;

/// Bytes of a frame from the box on the wire at the most, delimiter included.
pub const MAX_FRAME_BYTES: usize = framed(MAX_PAYLOAD_BYTES);

/// Bytes of payload of a command at the most. Wider than today's commands need: a box in the field keeps its buffer.
pub(crate) const MAX_COMMAND_PAYLOAD_BYTES: usize = 256;

/// Bytes of a command frame on the wire at the most, delimiter included.
pub const MAX_COMMAND_FRAME_BYTES: usize = framed(MAX_COMMAND_PAYLOAD_BYTES);

const _: () = assert!(ACCEL_BLOCK_MAX <= 127, "the length of an acceleration block must fit one byte");
const _: () = assert!(THERMAL_CHUNK_MAX < 16_384 && MODEM_LINE_MAX < 16_384, "lengths must fit two bytes");

/// Why the bytes between two delimiters are not a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Cobs,
    Crc,
    TooLong,
}

/// Collects bytes up to a delimiter, undoes COBS and checks the CRC. `N` is the greatest frame without its delimiter.
#[derive(Debug)]
pub(crate) struct Deframer<const N: usize> {
    buffer: [u8; N],
    len: usize,
    overlong: bool,
    synced: bool,
}

impl<const N: usize> Deframer<N> {
    pub(crate) const fn new() -> Self {
        Self { buffer: [0; N], len: 0, overlong: false, synced: false }
    }

    pub(crate) fn reset(&mut self) {
        self.len = 0;
        self.overlong = false;
        self.synced = false;
    }

    /// Calls `on_frame` for each delimiter that ends something. What stood before the first delimiter after a reset
    /// may be the tail of a frame: when broken it is dropped without a word.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut on_frame: impl FnMut(Result<&[u8], Broken>)) {
        while let Some(at) = bytes.iter().position(|byte| *byte == DELIMITER) {
            let (head, tail) = bytes.split_at(at);
            bytes = tail.get(1..).unwrap_or_default();
            self.push(head);
            let result = self.finish();
            self.len = 0;
            self.overlong = false;
            match result {
                Ok(None) => {}
                Ok(Some(len)) => on_frame(Ok(self.buffer.get(..len).unwrap_or_default())),
                Err(broken) if self.synced => on_frame(Err(broken)),
                Err(_) => {}
            }
            self.synced = true;
        }
        self.push(bytes);
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        match self.buffer.get_mut(self.len..end) {
            Some(free) if !self.overlong => {
                free.copy_from_slice(bytes);
                self.len = end;
            }
            _ => self.overlong = true,
        }
    }

    /// The length of the checked payload, now at the start of the buffer; nothing for an empty frame, which senders
    /// use to flush the line.
    fn finish(&mut self) -> Result<Option<usize>, Broken> {
        if self.overlong {
            return Err(Broken::TooLong);
        }
        let Some(frame) = self.buffer.get_mut(..self.len).filter(|frame| !frame.is_empty()) else {
            return Ok(None);
        };
        let len = cobs::decode_in_place(frame).map_err(|_| Broken::Cobs)?;
        let (payload, crc) =
            frame.get(..len).and_then(|whole| whole.split_last_chunk::<CRC_BYTES>()).ok_or(Broken::Crc)?;
        if checksum(payload) != u32::from_le_bytes(*crc) {
            return Err(Broken::Crc);
        }
        Ok(Some(payload.len()))
    }
}
