//! A small HTTP/1.1 exchange, RFC 9112: one request, and the head of its answer.

use super::dns::Host;

/// Longest head of an answer that is read.
pub(super) const HEAD_BYTES_MAX: usize = 2048;

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// It does not begin with an HTTP status line.
    #[error("answer is no HTTP")]
    NotHttp,
    /// Its head is longer than 2048 bytes.
    #[error("head of the answer too long")]
    TooLong,
}

/// The request; the server closes after its answer.
pub(super) fn request(host: &Host, path: &str) -> Vec<u8> {
    let host = host.as_str();
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: tournee-probe\r\nConnection: close\r\n\r\n")
        .into_bytes()
}

/// Whether a path can stand in the request line.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= 128 && path.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The head of the answer as it comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Takes bytes; gives the status once the head is whole.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<u16>, HttpError> {
        // The end may lie across two slices.
        let from = self.bytes.len().saturating_sub(3);
        let room = HEAD_BYTES_MAX.saturating_sub(self.bytes.len());
        self.bytes.extend(bytes.iter().take(room));
        let fresh = self.bytes.get(from..).unwrap_or(&[]);
        if fresh.windows(4).any(|end| end == b"\r\n\r\n") {
            return status(&self.bytes).map(Some).ok_or(HttpError::NotHttp);
        }
        if bytes.len() > room {
            return Err(HttpError::TooLong);
        }
        // A portal or a sensor that speaks something else is found before its answer is long.
        let start: Vec<u8> = self.bytes.iter().take(5).copied().collect();
        if b"HTTP/".starts_with(&start) { Ok(None) } else { Err(HttpError::NotHttp) }
    }
}

/// The status of `HTTP/1.x NNN …`.
fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let [minor, b' ', a, b, c, after, ..] = rest else { return None };
    let digits = [*a, *b, *c];
    let good = minor.is_ascii_digit() && digits.iter().all(u8::is_ascii_digit) && matches!(after, b' ' | b'\r');
    good.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_in_any_slices() {
        let whole = b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\nrest";
        for cut in 0..whole.len() {
            let mut head = Head::default();
            let first = head.feed(&whole[..cut]).unwrap();
            let second = if first.is_some() { first } else { head.feed(&whole[cut..]).unwrap() };
            assert_eq!(second, Some(204), "{cut}");
        }
        assert_eq!(Head::default().feed(b"HTTP/1.0 301\r\n\r\n"), Ok(Some(301)));
    }

    #[test]
    fn what_is_no_answer() {
        for broken in [&b"SSH-2.0-x\r\n"[..], b"HTTP/2 204\r\n\r\n", b"HTTP/1.1 20\r\n\r\n", b"HTTP/1.1 2O4 \r\n\r\n"] {
            assert_eq!(Head::default().feed(broken), Err(HttpError::NotHttp));
        }
        let mut head = Head::default();
        assert_eq!(head.feed(b"HTTP/1.1 200 OK\r\nA: "), Ok(None));
        assert_eq!(head.feed(&[b'a'; 5000]), Err(HttpError::TooLong));
        assert!(head.bytes.len() <= HEAD_BYTES_MAX);
    }

    #[test]
    fn paths() {
        assert!(is_path("/") && is_path("/generate_204?x=1"));
        for bad in ["", "x", "/a b", "/a\r\nX: y", "/é", &"/".repeat(129)] {
            assert!(!is_path(bad), "{bad}");
        }
    }
}
