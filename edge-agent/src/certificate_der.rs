//! The few fields of an X.509 certificate that the agent has to know, out of its DER. Pure.
//!
//! RFC 5280, section 4.1: a certificate is a sequence of the part that is signed, an algorithm and a signature; the first
//! of them is a sequence of version (tagged, optional), serial number, algorithm, issuer, validity, subject, and more that
//! is not read here. Nothing is verified: rustls and the broker do that. DER as in X.690: tag, length, content.

use tournee_features::calibration::Date;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Explicit tag 0.
const VERSION: u8 = 0xa0;
/// UTF8String, PrintableString, T61String, IA5String: what a name of ASCII characters is written in.
const TEXTS: [u8; 4] = [0x0c, 0x13, 0x14, 0x16];
/// 2.5.4.3, id-at-commonName.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// What was read. Times are seconds since 1970 UTC.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    /// The common names of the subject; none in place of one that is not text.
    pub common_names: Vec<Option<&'a str>>,
    pub not_before_s: i64,
    pub not_after_s: i64,
}

/// None: it is no certificate.
pub(crate) fn read(der: &[u8]) -> Option<Fields<'_>> {
    let mut signed = Der(Der(der).content(SEQUENCE)?).part(SEQUENCE)?;
    if signed.0.first() == Some(&VERSION) {
        signed.content(VERSION)?;
    }
    let _serial = signed.value()?;
    let _algorithm = signed.content(SEQUENCE)?;
    let _issuer = signed.content(SEQUENCE)?;
    let mut validity = signed.part(SEQUENCE)?;
    let (not_before_s, not_after_s) = (validity.time_s()?, validity.time_s()?);
    let mut subject = signed.part(SEQUENCE)?;
    let mut common_names = Vec::new();
    while !subject.0.is_empty() {
        let mut name = subject.part(SET)?;
        while !name.0.is_empty() {
            let mut attribute = name.part(SEQUENCE)?;
            let kind = attribute.content(OBJECT_IDENTIFIER)?;
            let (tag, value) = attribute.value()?;
            if kind == COMMON_NAME {
                common_names.push(std::str::from_utf8(value).ok().filter(|_| TEXTS.contains(&tag)));
            }
        }
    }
    Some(Fields { common_names, not_before_s, not_after_s })
}

/// What is left to read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value: its tag and content.
    fn value(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            // So many bytes of length (0x80, of no stated length, is not DER); four are more than any file that is read.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The content of the next value, which must have this tag.
    fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.value().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The same, to be read in its turn.
    fn part(&mut self, tag: u8) -> Option<Self> {
        self.content(tag).map(Der)
    }

    /// RFC 5280, section 4.1.2.5: always to the second and in UTC; years of two digits are 1950 to 2049.
    fn time_s(&mut self) -> Option<i64> {
        let (tag, text) = self.value()?;
        let (digits, zone) = text.split_at_checked(text.len().checked_sub(1)?)?;
        if zone != b"Z" || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |digits: &[u8]| digits.iter().fold(0_u16, |number, digit| number * 10 + u16::from(digit - b'0'));
        let (year, rest) = match (tag, digits.len()) {
            (UTC_TIME, 12) => {
                let (year, rest) = digits.split_at_checked(2)?;
                (number(year) + if number(year) < 50 { 2_000 } else { 1_900 }, rest)
            }
            (GENERALIZED_TIME, 14) => {
                let (year, rest) = digits.split_at_checked(4)?;
                (number(year), rest)
            }
            _ => return None,
        };
        let mut pairs = rest.chunks_exact(2).map(number);
        let (month, day) = (u8::try_from(pairs.next()?).ok()?, u8::try_from(pairs.next()?).ok()?);
        let (hour, minute, second) = (pairs.next()?, pairs.next()?, pairs.next()?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        // Before every clock that an agent meets; which moment exactly is all the same.
        if year < 1_970 {
            return Some(0);
        }
        Some(
            Date::new(year, month, day)?.days() * 86_400
                + i64::from(hour) * 3_600
                + i64::from(minute) * 60
                + i64::from(second),
        )
    }
}

#[cfg(test)]
#[path = "certificate_der_tests.rs"]
mod tests;
