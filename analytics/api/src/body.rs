//! A body that is made once and sent many times.

use std::io::Write;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Bodies below this are sent as they are: gzip would not save a packet.
const GZIP_FROM_BYTES: usize = 1024;

/// Bytes with their type, their entity tag and, where it saves at least a tenth, their gzip form.
#[derive(Clone, Debug)]
pub struct Prepared {
    content_type: &'static str,
    etag: HeaderValue,
    raw: Bytes,
    gzip: Option<Bytes>,
}

impl Prepared {
    /// Prepares a body.
    #[must_use]
    pub fn new(content_type: &'static str, raw: impl Into<Bytes>) -> Self {
        let raw = raw.into();
        let gzip = (raw.len() >= GZIP_FROM_BYTES).then(|| gzip(&raw)).flatten();
        let gzip = gzip.filter(|packed| packed.len() < raw.len() / 10 * 9);
        let digest: String = Sha256::digest(&raw).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        // Weak, since one tag stands for both encodings.
        let etag = HeaderValue::try_from(format!("W/\"{digest}\"")).unwrap_or(HeaderValue::from_static("W/\"0\""));
        Self { content_type, etag, raw, gzip }
    }

    /// The bytes, not compressed.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The answer to a request with these headers: 304 where the reader has it already.
    #[must_use]
    pub fn respond(&self, request: &HeaderMap, cache_control: &'static str) -> Response {
        let known = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|tag| tag.trim() == "*" || tag.trim().as_bytes() == self.etag.as_bytes());
        let packed = self.gzip.as_ref().filter(|_| accepts_gzip(request));
        let mut response = Response::new(match (known, packed) {
            (true, _) => Body::empty(),
            (false, Some(packed)) => Body::from(packed.clone()),
            (false, None) => Body::from(self.raw.clone()),
        });
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if packed.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

fn gzip(raw: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(raw.len() / 4), Compression::new(6));
    encoder.write_all(raw).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| {
            let mut pieces = part.split(';');
            let name = pieces.next().unwrap_or_default().trim();
            let refused = pieces.any(|piece| matches!(piece.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            (name.eq_ignore_ascii_case("gzip") || name == "*") && !refused
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn sends_gzip_only_to_those_who_take_it() {
        let body = Prepared::new("text/plain", "tournée ".repeat(1000));
        let packed = body.respond(&headers(header::ACCEPT_ENCODING, "br, gzip;q=0.5"), "no-cache");
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        for refusal in ["identity", "gzip;q=0", ""] {
            let plain = body.respond(&headers(header::ACCEPT_ENCODING, refusal), "no-cache");
            assert!(!plain.headers().contains_key(header::CONTENT_ENCODING), "{refusal}");
        }
    }

    #[test]
    fn answers_304_to_its_own_tag() {
        let body = Prepared::new("text/plain", "short");
        let tag = body.respond(&HeaderMap::new(), "no-cache").headers()[header::ETAG].to_str().unwrap().to_owned();
        let again = body.respond(&headers(header::IF_NONE_MATCH, &format!("\"x\", {tag}")), "no-cache");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(body.respond(&headers(header::IF_NONE_MATCH, "\"x\""), "no-cache").status(), StatusCode::OK);
    }
}
