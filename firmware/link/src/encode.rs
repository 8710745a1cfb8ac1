//! Payload to frame.

use core::fmt;

use serde::Serialize;

use crate::frame::{CRC_BYTES, DELIMITER, MAX_PAYLOAD_BYTES, checksum};
use crate::message::{Header, Message};

/// Why a frame could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The output is shorter than the frame; [`crate::MAX_FRAME_BYTES`] is always enough.
    OutputTooSmall,
    /// The message is larger than a frame may be. Cannot happen with the messages of this version.
    MessageTooLarge,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutputTooSmall => "the output is too small for the frame: give MAX_FRAME_BYTES",
            Self::MessageTooLarge => "the message is larger than a frame may be: send it in parts",
        })
    }
}

impl core::error::Error for EncodeError {}

/// Writes one frame, delimiter included, to the start of `out`; gives its length.
///
/// # Errors
/// [`EncodeError::OutputTooSmall`] when `out` cannot hold the frame; what it then holds is undefined.
pub fn encode(header: &Header, message: &Message, out: &mut [u8]) -> Result<usize, EncodeError> {
    encode_payload::<MAX_PAYLOAD_BYTES>(header, message, out)
}

/// `N` is the greatest payload, CRC included.
pub(crate) fn encode_payload<const N: usize>(
    header: &impl Serialize,
    body: &impl Serialize,
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    let mut payload = [0_u8; N];
    let too_large = |_| EncodeError::MessageTooLarge;
    let head = postcard::to_slice(header, &mut payload).map_err(too_large)?.len();
    let rest = payload.get_mut(head..).ok_or(EncodeError::MessageTooLarge)?;
    let len = head + postcard::to_slice(body, rest).map_err(too_large)?.len();
    let crc = checksum(payload.get(..len).ok_or(EncodeError::MessageTooLarge)?);
    payload.get_mut(len..len + CRC_BYTES).ok_or(EncodeError::MessageTooLarge)?.copy_from_slice(&crc.to_le_bytes());
    let whole = payload.get(..len + CRC_BYTES).ok_or(EncodeError::MessageTooLarge)?;
    stuff(whole, out)
}

/// COBS by blocks, then the delimiter.
fn stuff(payload: &[u8], out: &mut [u8]) -> Result<usize, EncodeError> {
    const BLOCK: usize = 254;
    let mut at = 0;
    let mut put = |code: u8, block: &[u8]| -> Result<usize, EncodeError> {
        let end = at + 1 + block.len();
        let (first, rest) =
            out.get_mut(at..end).and_then(<[u8]>::split_first_mut).ok_or(EncodeError::OutputTooSmall)?;
        *first = code;
        rest.copy_from_slice(block);
        at = end;
        Ok(end)
    };
    let mut rest = payload;
    loop {
        let window = rest.get(..BLOCK).unwrap_or(rest);
        if let Some(zero) = window.iter().position(|byte| *byte == DELIMITER) {
            // The code is one more than the bytes before the zero, at most 254 here.
            put(u8::try_from(zero + 1).unwrap_or(u8::MAX), window.get(..zero).unwrap_or_default())?;
            rest = rest.get(zero + 1..).unwrap_or_default();
        } else if window.len() == BLOCK {
            put(u8::MAX, window)?;
            rest = rest.get(BLOCK..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
        } else {
            put(u8::try_from(window.len() + 1).unwrap_or(u8::MAX), window)?;
            break;
        }
    }
    let end = put(DELIMITER, &[])?;
    Ok(end)
}
