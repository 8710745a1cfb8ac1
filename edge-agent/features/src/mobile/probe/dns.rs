//! One question to a name server and its answer, RFC 1035: an IPv4 address of a host.

use std::net::Ipv4Addr;

/// Why a text is no host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name: letters, digits and hyphens between dots, at most 63 a label and 253 in all")]
pub struct BadHost;

/// A host name that a question can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// Checks a name.
    ///
    /// # Errors
    /// Labels that are empty, too long or of other characters; a name of more than 253 characters.
    pub fn new(name: &str) -> Result<Self, BadHost> {
        let good = |label: &str| {
            let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            (1..=63).contains(&label.len()) && inside && !label.starts_with('-') && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(good) {
            return Err(BadHost);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The question section: name, type A, class IN (§4.1.2).
    fn question(&self) -> Vec<u8> {
        let mut question = Vec::with_capacity(self.0.len() + 6);
        for label in self.0.split('.') {
            question.push(label.len() as u8);
            question.extend(label.bytes());
        }
        question.extend([0, 0, 1, 0, 1]);
        question
    }
}

/// Why an answer gives no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The name server refused, with this response code (3: no such name).
    #[error("name server answered with code {0}")]
    Code(u8),
    /// The name has no IPv4 address.
    #[error("no address in the answer")]
    NoAddress,
    /// The answer ends too early or is none to this question.
    #[error("answer not understood")]
    Broken,
}

/// The datagram that asks for the address, recursion desired.
pub(super) fn query(id: u16, host: &Host) -> Vec<u8> {
    let mut datagram = id.to_be_bytes().to_vec();
    datagram.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    datagram.extend(host.question());
    datagram
}

/// Reads a datagram. `None`: it is no answer with this identity, so it is not looked at.
pub(super) fn answer(id: u16, host: &Host, datagram: &[u8]) -> Option<Result<Ipv4Addr, DnsError>> {
    let [a, b, flags_high, flags_low, ..] = datagram else { return None };
    let response = flags_high & 0x80 != 0;
    if u16::from_be_bytes([*a, *b]) != id || !response {
        return None;
    }
    let code = flags_low & 0x0F;
    Some(if code == 0 { address(host, datagram).unwrap_or(Err(DnsError::Broken)) } else { Err(DnsError::Code(code)) })
}

/// The first A record of the answer section; the aliases before it are passed over. `None`: the datagram ends too early.
fn address(host: &Host, datagram: &[u8]) -> Option<Result<Ipv4Addr, DnsError>> {
    let number = |at: usize| Some(u16::from_be_bytes([*datagram.get(at)?, *datagram.get(at + 1)?]));
    let question = host.question();
    let mut at = 12 + question.len();
    if number(4)? != 1 || !datagram.get(12..at)?.eq_ignore_ascii_case(&question) {
        return Some(Err(DnsError::Broken));
    }
    for _ in 0..number(6)? {
        at = after_name(datagram, at)?;
        let (kind, class, length) = (number(at)?, number(at + 2)?, usize::from(number(at + 8)?));
        let data = datagram.get(at + 10..at + 10 + length)?;
        if let (1, 1, [a, b, c, d]) = (kind, class, data) {
            return Some(Ok(Ipv4Addr::new(*a, *b, *c, *d)));
        }
        at += 10 + length;
    }
    Some(Err(DnsError::NoAddress))
}

/// Where a name ends: after its empty label or after a pointer (§4.1.4), which is not followed.
fn after_name(datagram: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *datagram.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xC0 => return Some(at + 2),
            length if length < 64 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host::new("probe.example.org").unwrap()
    }

    /// An answer by the document: an alias that points back to the question, then its address.
    fn reply() -> Vec<u8> {
        let mut reply = query(0x1234, &host());
        reply[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 2]);
        reply.extend([0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, b'x', 0xC0, 18]);
        reply.extend([1, b'x', 0xC0, 18, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
        reply
    }

    #[test]
    fn names() {
        for good in ["a", "probe.example.org", "1-a.b", &["a"; 127].join(".")] {
            assert!(Host::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "a..b", "a.", "-a", "a-", "a b", "é", "a/b", &"a".repeat(64), &["a"; 128].join(".")] {
            assert_eq!(Host::new(bad), Err(BadHost), "{bad}");
        }
    }

    #[test]
    fn question_by_the_document() {
        let expected = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01";
        assert_eq!(query(0x1234, &Host::new("a.bc").unwrap()), expected);
    }

    #[test]
    fn answers() {
        let good = reply();
        assert_eq!(answer(0x1234, &host(), &good), Some(Ok(Ipv4Addr::new(192, 0, 2, 7))));
        assert_eq!(answer(0x1235, &host(), &good), None);
        assert_eq!(answer(0x1234, &host(), &query(0x1234, &host())), None, "a question is no answer");
        let other = Host::new("other.example.org").unwrap();
        assert_eq!(answer(0x1234, &other, &good), Some(Err(DnsError::Broken)));
        let mut refused = good.clone();
        refused[3] = 0x83;
        assert_eq!(answer(0x1234, &host(), &refused), Some(Err(DnsError::Code(3))));
        let mut alias_only = good.clone();
        alias_only[7] = 1;
        assert_eq!(answer(0x1234, &host(), &alias_only), Some(Err(DnsError::NoAddress)));
        for end in 12..good.len() {
            assert_eq!(answer(0x1234, &host(), &good[..end]), Some(Err(DnsError::Broken)), "{end}");
        }
        for end in 0..4 {
            assert_eq!(answer(0x1234, &host(), &good[..end]), None);
        }
    }
}
