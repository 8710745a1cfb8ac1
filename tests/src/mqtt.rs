//! A small MQTT 3.1.1 client that is not the agent's: what it confirms and when is in the hands of whoever calls it.
//! The standard's section is named at each part (OASIS MQTT 3.1.1).

use anyhow::{Context, Result, bail, ensure};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Seconds without a packet after which the broker may close, and a third of it after which a ping goes out.
const KEEP_ALIVE_S: u16 = 30;
/// Larger packets than this do not come from our agents.
const PACKET_MAX_BYTES: usize = 1 << 20;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A message that came.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its topic.
    pub topic: String,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// To be confirmed with this number; none at QoS 0.
    pub id: Option<u16>,
}

/// A connection.
pub struct Mqtt {
    stream: TcpStream,
    received: Vec<u8>,
    session_present: bool,
    next_id: u16,
    last_sent: Instant,
}

impl Mqtt {
    /// Connects to a broker on this machine with a clean session.
    ///
    /// # Errors
    /// Nobody there, or refused.
    pub fn connect(port: u16, client_id: &str) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let mut this =
            Self { stream, received: Vec::new(), session_present: false, next_id: 0, last_sent: Instant::now() };
        // 3.1: protocol name and level, clean session, keep alive, client id.
        let mut body = Vec::new();
        text(&mut body, "MQTT");
        body.extend([4, 0b10]);
        body.extend(KEEP_ALIVE_S.to_be_bytes());
        text(&mut body, client_id);
        this.send(0x10, &body)?;
        // 3.2: bit 0 of the first byte says whether the broker knew a session.
        let answer = this.answer(0x20)?;
        let (flags, code) = (answer.first().copied().unwrap_or(0), answer.get(1).copied().unwrap_or(255));
        ensure!(code == 0, "the broker refuses the connection: {code}");
        this.session_present = flags & 1 == 1;
        Ok(this)
    }

    /// Whether the broker had kept something of an earlier connection.
    #[must_use]
    pub fn session_present(&self) -> bool {
        self.session_present
    }

    /// Subscribes at QoS 1 (3.8).
    ///
    /// # Errors
    /// Refused, or the connection is gone.
    pub fn subscribe(&mut self, filter: &str) -> Result<()> {
        let mut body = self.id().to_be_bytes().to_vec();
        text(&mut body, filter);
        body.push(1);
        self.send(0x82, &body)?;
        let answer = self.answer(0x90)?;
        ensure!(answer.last().is_some_and(|code| *code <= 1), "the broker refuses {filter}");
        Ok(())
    }

    /// Publishes a retained message at QoS 1 and does not wait for its confirmation (3.3).
    ///
    /// # Errors
    /// The connection is gone.
    pub fn publish_retained(&mut self, topic: &str, payload: &[u8]) -> Result<()> {
        let mut body = Vec::new();
        text(&mut body, topic);
        body.extend(self.id().to_be_bytes());
        body.extend(payload);
        self.send(0x33, &body)
    }

    /// Confirms a message (3.4).
    ///
    /// # Errors
    /// The connection is gone.
    pub fn confirm(&mut self, id: u16) -> Result<()> {
        self.send(0x40, &id.to_be_bytes())
    }

    /// The next message; none when none has come `within` this time. Pings when it is time to.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn next(&mut self, within: Duration) -> Result<Option<Incoming>> {
        let until = Instant::now() + within;
        loop {
            if self.last_sent.elapsed() > Duration::from_secs(u64::from(KEEP_ALIVE_S) / 3) {
                self.send(0xc0, &[])?;
            }
            let Some((kind, body)) = self.packet(until)? else { return Ok(None) };
            if kind & 0xf0 == 0x30 {
                return Ok(Some(incoming(kind, &body)?));
            }
        }
    }

    fn id(&mut self) -> u16 {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.next_id
    }

    /// Fixed header and body (2.2).
    fn send(&mut self, kind: u8, body: &[u8]) -> Result<()> {
        let mut packet = vec![kind];
        let mut left = body.len();
        loop {
            let low = (left % 128) as u8;
            left /= 128;
            packet.push(if left > 0 { low | 0x80 } else { low });
            if left == 0 {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet)?;
        self.last_sent = Instant::now();
        Ok(())
    }

    fn answer(&mut self, kind: u8) -> Result<Vec<u8>> {
        let until = Instant::now() + ANSWER_WITHIN;
        while let Some((found, body)) = self.packet(until)? {
            if found & 0xf0 == kind & 0xf0 {
                return Ok(body);
            }
        }
        bail!("the broker does not answer within {ANSWER_WITHIN:?}")
    }

    fn packet(&mut self, until: Instant) -> Result<Option<(u8, Vec<u8>)>> {
        loop {
            if let Some((kind, from, to)) = whole(&self.received)? {
                let body = self.received.get(from..to).unwrap_or_default().to_vec();
                self.received.drain(..to);
                return Ok(Some((kind, body)));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let mut buffer = [0_u8; 16_384];
            match self.stream.read(&mut buffer) {
                Ok(0) => bail!("the broker closed the connection"),
                Ok(count) => self.received.extend(buffer.get(..count).unwrap_or_default()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A text with its length before it (1.5.3).
fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

/// The first packet when all of it is there: its first byte, and where its body lies.
fn whole(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>> {
    let Some((kind, rest)) = bytes.split_first() else { return Ok(None) };
    let mut length = 0_usize;
    for (at, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            ensure!(length <= PACKET_MAX_BYTES, "a packet of {length} bytes");
            let from = at + 2;
            return Ok((bytes.len() >= from + length).then_some((*kind, from, from + length)));
        }
    }
    ensure!(rest.len() < 4, "a packet whose length has no end");
    Ok(None)
}

/// A message (3.3).
fn incoming(kind: u8, body: &[u8]) -> Result<Incoming> {
    let (length, rest) = body.split_first_chunk::<2>().context("a message without a topic")?;
    let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).context("a cut topic")?;
    let topic = String::from_utf8(topic.to_vec())?;
    if kind & 0b110 == 0 {
        return Ok(Incoming { topic, payload: rest.to_vec(), id: None });
    }
    let (id, rest) = rest.split_first_chunk::<2>().context("a message without a number")?;
    Ok(Incoming { topic, payload: rest.to_vec(), id: Some(u16::from_be_bytes(*id)) })
}
