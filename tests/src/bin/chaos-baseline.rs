//! A worker as many are: it acknowledges what comes, PUBACK and watermark, and commits it a little later. The chaos harness
//! must find what that loses; else it would find nothing.
//!
//! Same arguments as `tournee ingest`, as far as the harness gives them. Its commits go through the same library, so that
//! the moment of the acknowledgement is the only difference. Speaks just enough MQTT 3.1.1 by hand.

use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tournee_ingest::{FailPlan, Lake, LakeOptions, message};
use tournee_payload::{Ack, AckMessage, BoxId, Stream, Topic};

const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const RECONNECT: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let mut given = HashMap::new();
    let mut arguments = std::env::args().skip(2);
    while let (Some(key), Some(value)) = (arguments.next(), arguments.next()) {
        given.insert(key, value);
    }
    let get = |key: &str| given.get(key).with_context(|| format!("argument {key} is missing"));
    let (first, last) = get("--shards")?.split_once('-').context("shards are FIRST-LAST")?;
    let (first, last): (u8, u8) = (first.parse()?, last.parse()?);
    let hook = FailPlan::from_environment()?.map(|plan| plan.hook());
    let options = LakeOptions { shards: first..=last, hook };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let stop = runtime.block_on(async { tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) })?;
    let lake = runtime.block_on(Lake::open(PathBuf::from(get("--data")?).join("lake"), options))?;
    let mut worker = Worker {
        runtime,
        lake,
        stop,
        stopped: false,
        told: HashMap::new(),
        commit_every: Duration::from_secs_f64(get("--commit-s")?.parse()?),
        committed: Instant::now(),
        wrong: 0,
    };
    let port: u16 = get("--mqtt-port")?.parse()?;
    while !worker.is_stopped() {
        if let Err(error) = worker.connection(port, first..=last) {
            tracing::warn!("{error:#}");
            worker.commit_if_due();
            std::thread::sleep(RECONNECT);
        }
    }
    worker.runtime.block_on(worker.lake.commit(now_us()))?;
    Ok(())
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|t| i64::try_from(t.as_micros()).ok()).unwrap_or(0)
}

struct Worker {
    runtime: tokio::runtime::Runtime,
    lake: Lake,
    stop: tokio::signal::unix::Signal,
    stopped: bool,
    /// What each series was told is safe: the first number that is not.
    told: HashMap<BoxId, HashMap<(Stream, u64), u64>>,
    commit_every: Duration,
    committed: Instant,
    wrong: u64,
}

impl Worker {
    fn is_stopped(&mut self) -> bool {
        let stop = &mut self.stop;
        // A look, no wait; the signal itself comes once.
        self.stopped |=
            self.runtime.block_on(async { tokio::time::timeout(Duration::ZERO, stop.recv()).await }).is_ok();
        self.stopped
    }

    fn commit_if_due(&mut self) {
        if self.committed.elapsed() >= self.commit_every {
            if let Err(error) = self.runtime.block_on(self.lake.commit(now_us())) {
                tracing::warn!(%error, "commit failed");
            }
            self.committed = Instant::now();
        }
    }

    /// One connection, until it breaks or the process is told to stop.
    fn connection(&mut self, port: u16, shards: std::ops::RangeInclusive<u8>) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).context("no broker")?;
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&connect(&format!("baseline-{}", shards.start())))?;
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut looked = Instant::now();
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => bail!("the broker closed the connection"),
                Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
            let mut used = 0;
            while let Some((kind, body, len)) = packet(bytes.get(used..).unwrap_or_default())? {
                used += len;
                match kind & 0xf0 {
                    CONNACK => {
                        ensure!(body.get(1) == Some(&0), "the broker refused the connection: {body:?}");
                        stream.write_all(&subscribe(shards.clone()))?;
                    }
                    PUBLISH => {
                        let answer = self.take(kind, body)?;
                        stream.write_all(&answer)?;
                    }
                    _ => {}
                }
            }
            bytes.drain(..used);
            self.commit_if_due();
            if looked.elapsed() > Duration::from_millis(100) {
                looked = Instant::now();
                if self.is_stopped() {
                    return Ok(());
                }
            }
        }
    }

    /// Takes a message into memory and gives its acknowledgements at once: that is the mistake.
    fn take(&mut self, kind: u8, body: &[u8]) -> Result<Vec<u8>> {
        let length = usize::from(u16::from_be_bytes([*body.first().context("short")?, *body.get(1).context("short")?]));
        let topic = String::from_utf8_lossy(body.get(2..2 + length).context("short")?).into_owned();
        let mut rest = body.get(2 + length..).context("short")?;
        let mut answer = Vec::new();
        if kind & 0x06 != 0 {
            let id = rest.get(..2).context("short")?;
            answer.extend([PUBACK, 2]);
            answer.extend(id);
            rest = rest.get(2..).unwrap_or_default();
        }
        let Ok(decoded) = message(&topic, rest) else {
            self.wrong += 1;
            tracing::warn!(topic, wrong = self.wrong, "a message that cannot be read");
            return Ok(answer);
        };
        let batch = decoded.batch;
        let (box_id, stream, epoch) = (batch.box_id.clone(), batch.stream, batch.epoch);
        let (first, end) = (batch.first_seq, batch.first_seq + batch.samples.len() as u64);
        self.lake.append(batch, now_us())?;
        let series = self.told.entry(box_id.clone()).or_default();
        // A vehicle sends from its watermark on: after a restart its first message says where that is.
        let next = series.entry((stream, epoch)).or_insert(first);
        if first <= *next {
            *next = end.max(*next);
        }
        let acks = series.iter().map(|((stream, epoch), next_seq)| Ack {
            stream: *stream,
            epoch: *epoch,
            next_seq: *next_seq,
            table_version: 0,
        });
        let told = AckMessage { box_id: box_id.clone(), acks: acks.collect() };
        answer.extend(publish(&Topic::down_ack(&box_id).to_string(), &told.encode()));
        Ok(answer)
    }
}

/// The first packet in `bytes`: its first byte, its body, its length with the head; none while it is not whole.
fn packet(bytes: &[u8]) -> Result<Option<(u8, &[u8], usize)>> {
    let Some(kind) = bytes.first() else { return Ok(None) };
    let (mut length, mut head) = (0_usize, 1);
    loop {
        let Some(byte) = bytes.get(head) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * (head - 1));
        head += 1;
        if byte & 0x80 == 0 {
            break;
        }
        ensure!(head < 5, "a length of more than four bytes");
    }
    Ok(bytes.get(head..head + length).map(|body| (*kind, body, head + length)))
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    let mut length = body.len();
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

fn text(into: &mut Vec<u8>, text: &str) {
    into.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    into.extend(text.as_bytes());
}

/// A session that the broker keeps, no keep-alive.
fn connect(client_id: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([4, 0, 0, 0]);
    text(&mut body, client_id);
    framed(0x10, &body)
}

fn subscribe(shards: std::ops::RangeInclusive<u8>) -> Vec<u8> {
    let mut body = vec![0, 1];
    for shard in shards {
        text(&mut body, &Topic::up_filter(shard));
        body.push(1);
    }
    framed(0x82, &body)
}

/// Retained, at most once: the next one says the same and more.
fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend(payload);
    framed(0x31, &body)
}
