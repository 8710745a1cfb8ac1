//! The scrape's side of HTTP/1.1 (RFC 9112): one GET per connection, then it is closed. Small on purpose: bounded in
//! connections, bytes and time.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{HostView, render};
use crate::status::{Shared, now_unix_s};

/// Connections at once; further ones wait in the kernel.
const CONNECTIONS_MAX: usize = 8;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 8 * 1_024;
/// How long a request and its answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How much may still come after the head before the connection is closed; see [`linger`].
const REST_BYTES_MAX: u64 = 64 * 1_024;

/// Why the metrics cannot be shown.
#[derive(Debug, thiserror::Error)]
#[error("metrics.listen: cannot listen at {address}: {cause}")]
pub struct ServerError {
    address: SocketAddr,
    cause: io::Error,
}

/// Listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Takes the address, which has passed the check of the configuration.
    ///
    /// # Errors
    /// When somebody else has it.
    pub async fn bind(address: SocketAddr) -> Result<Self, ServerError> {
        let listener = TcpListener::bind(address).await.map_err(|cause| ServerError { address, cause })?;
        Ok(Self { listener })
    }

    /// Answers until it is dropped.
    pub async fn serve(self, live: Shared) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let live = Arc::clone(&live);
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(TIMEOUT, answer(stream, &live)).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the metrics cannot answer");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// What is answered to a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Page { with_body: bool },
    Error(&'static str),
}

fn judge(head: &[u8]) -> Answer {
    let bad = Answer::Error("400 Bad Request");
    let Ok(text) = std::str::from_utf8(head) else { return bad };
    let mut words = text.lines().next().unwrap_or("").split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return bad;
    };
    if !version.starts_with("HTTP/1.") {
        return Answer::Error("505 HTTP Version Not Supported");
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    match (method, path) {
        ("GET", "/metrics") => Answer::Page { with_body: true },
        ("HEAD", "/metrics") => Answer::Page { with_body: false },
        ("GET" | "HEAD", _) => Answer::Error("404 Not Found"),
        _ => Answer::Error("405 Method Not Allowed"),
    }
}

async fn answer(mut stream: TcpStream, live: &Shared) -> io::Result<()> {
    let mut head = Vec::with_capacity(1_024);
    let answer = loop {
        let mut piece = [0_u8; 1_024];
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(piece.get(..count).unwrap_or_default());
        let end = head.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            break judge(head.get(..end).unwrap_or_default());
        }
        if head.len() > HEAD_BYTES_MAX {
            break Answer::Error("431 Request Header Fields Too Large");
        }
    };
    let (status, kind, body, with_body) = match answer {
        Answer::Page { with_body } => {
            let live = live.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let body = render(&live, HostView::look(&live.facts.spool), now_unix_s());
            ("200 OK", "text/plain; version=0.0.4; charset=utf-8", body, with_body)
        }
        Answer::Error(status) => (status, "text/plain; charset=utf-8", format!("{status}: GET /metrics\n"), true),
    };
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{allow}Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if with_body {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await?;
    linger(stream).await
}

/// A socket that is closed with unread bytes in it resets the connection, and the answer may be lost on its way.
async fn linger(stream: TcpStream) -> io::Result<()> {
    let mut rest = stream.take(REST_BYTES_MAX);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_of_the_page_is_answered_with_it() {
        let page = Answer::Page { with_body: true };
        assert_eq!(judge(b"GET /metrics HTTP/1.1\r\nHost: x"), page);
        assert_eq!(judge(b"GET /metrics?x=1 HTTP/1.0"), page);
        assert_eq!(judge(b"HEAD /metrics HTTP/1.1"), Answer::Page { with_body: false });
        assert_eq!(judge(b"GET / HTTP/1.1"), Answer::Error("404 Not Found"));
        assert_eq!(judge(b"POST /metrics HTTP/1.1"), Answer::Error("405 Method Not Allowed"));
        assert_eq!(judge(b"GET /metrics HTTP/2"), Answer::Error("505 HTTP Version Not Supported"));
        for bad in [&b""[..], b"GET", b"GET /metrics", b"GET  /metrics HTTP/1.1", b"\xff\xfe"] {
            assert_eq!(judge(bad), Answer::Error("400 Bad Request"), "{bad:?}");
        }
    }
}
