//! From bytes as they came to text that can be read.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::TerritoryError;

/// Unpacked input larger than this is refused: a small gzip file can hold a very large one.
pub const MAX_UNPACKED_BYTES: usize = 512 * 1024 * 1024;

/// Unpacks gzip, known by its first two bytes; anything else is returned as it is. At most `max` bytes.
///
/// # Errors
/// Damaged gzip, or more than `max` bytes.
pub fn unpack(bytes: &[u8], max: usize) -> Result<Cow<'_, [u8]>, TerritoryError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        if bytes.len() > max {
            return Err(TerritoryError::Unpack(format!("more than {max} bytes")));
        }
        return Ok(Cow::Borrowed(bytes));
    }
    let mut out = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut out).map_err(|e| TerritoryError::Unpack(e.to_string()))?;
    if out.len() > max {
        return Err(TerritoryError::Unpack(format!("more than {max} bytes inside")));
    }
    Ok(Cow::Owned(out))
}

/// Text of a table: UTF-8 with or without byte order mark, otherwise Windows-1252 (French spreadsheets), which is Latin-1
/// with signs where Latin-1 has control codes. Returns the text and whether it was not UTF-8.
#[must_use]
pub fn decode(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (Cow::Owned(bytes.iter().map(|b| windows_1252(*b)).collect()), true),
    }
}

fn windows_1252(byte: u8) -> char {
    // The upper control range only; everything else equals Latin-1, whose code points are Unicode's.
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH.get(usize::from(byte - 0x80)).copied().unwrap_or('\u{fffd}'),
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_spreadsheets_write() {
        assert_eq!(decode(b"\xef\xbb\xbfa"), (Cow::Borrowed("a"), false));
        assert_eq!(decode("é".as_bytes()), (Cow::Borrowed("é"), false));
        assert_eq!(decode(b"Montr\xe9al 5 \x80").0, "Montréal 5 €");
    }

    #[test]
    fn refuses_what_unpacks_too_large_or_is_damaged() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&[0; 10_000]).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(unpack(&packed, 10_000).unwrap().len(), 10_000);
        assert!(unpack(&packed, 9_999).is_err());
        assert!(unpack(&packed[..packed.len() / 2], 10_000).is_err());
    }
}
