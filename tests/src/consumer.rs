//! A lake in memory: it takes batches from the broker, keeps every sample by its key, and answers with watermarks, in
//! the way it is told to. For tests and measurements whose subject is the agent and not `tournee ingest`.

use crate::mqtt::Mqtt;
use anyhow::{Context, Result, anyhow};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tournee_payload::{Ack, AckMessage, Batch, BoxId, Sample, Stream, Topic, decode, field};

/// How long the lake waits for a message before it looks at its orders.
const LOOK: Duration = Duration::from_millis(50);
/// A lake commits now and then, not at every batch.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// Fields of a gap row: the stream that lost samples, the first and the last number.
const GAP_STREAM: u16 = 16;
const GAP_FIRST: u16 = 17;
const GAP_LAST: u16 = 18;

/// How the lake treats what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Keeps it, and says so.
    Sound,
    /// Keeps it, and says nothing.
    Silent,
    /// Confirms it to the broker and forgets it, as a broker that loses its memory.
    Forgetful,
    /// Keeps it, holds so many watermarks back, then says them newest first.
    Reordering(usize),
}

/// What is kept of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// A digest of all its values.
    pub digest: u64,
    /// Its time, microseconds since 1970.
    pub t_us: Option<i64>,
    /// Its ticks, microseconds since the boot.
    pub tick_us: Option<i64>,
    /// The boot.
    pub boot_id: Option<i64>,
    /// Its quality bits.
    pub flags: i64,
}

/// What a lake holds.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    /// Every sample by epoch, stream and number.
    pub samples: BTreeMap<(u64, Stream, u64), Kept>,
    /// Batches that came, repetitions included.
    pub batches: u64,
    /// Samples that came again, the same as before: to be dropped, as a lake does.
    pub repeated: u64,
    /// Samples that came again under the same key with other values: an identity given twice.
    pub conflicts: u64,
    /// Bytes of payload that came, repetitions included.
    pub bytes: u64,
    /// Batches that were taken and forgotten.
    pub forgotten: u64,
    /// What could not be read, and why.
    pub refused: Vec<String>,
    gaps: BTreeSet<(u64, Stream, u64)>,
    next: BTreeMap<(u64, Stream), u64>,
    /// Streams that something came for since the watermarks were looked for.
    fresh: Vec<(u64, Stream)>,
}

/// The account of a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Samples of the measuring streams.
    pub stored: u64,
    /// Numbers that gap rows name and that are not stored.
    pub gaps: u64,
    /// Numbers that are both stored and named by a gap row.
    pub both: u64,
    /// The same sample under two numbers, and other samples under the same number.
    pub duplicates: u64,
    /// Numbers below the highest that are neither stored nor named.
    pub missing: u64,
}

impl Holdings {
    fn take(&mut self, batch: &Batch) {
        self.fresh.push((batch.epoch, batch.stream));
        for (seq, sample) in (batch.first_seq..).zip(&batch.samples) {
            let value = |id| sample.get(id);
            if batch.stream == Stream::Gap
                && let (Some(stream), Some(first), Some(last)) = (value(GAP_STREAM), value(GAP_FIRST), value(GAP_LAST))
                && let Some(stream) = u32::try_from(stream).ok().and_then(Stream::from_code)
            {
                self.fresh.push((batch.epoch, stream));
                self.gaps
                    .extend((first..=last).filter_map(|seq| Some((batch.epoch, stream, u64::try_from(seq).ok()?))));
            }
            let kept = Kept::of(sample);
            match self.samples.insert((batch.epoch, batch.stream, seq), kept) {
                None => {}
                Some(before) if before == kept => self.repeated += 1,
                Some(_) => self.conflicts += 1,
            }
        }
    }

    /// What is there, what is named as given up, what is neither.
    #[must_use]
    pub fn account(&self) -> Account {
        let measured = || self.samples.iter().filter(|((_, stream, _), _)| *stream != Stream::Gap);
        let stored = measured().count() as u64;
        let both = self.gaps.iter().filter(|key| self.samples.contains_key(key)).count() as u64;
        let gaps = self.gaps.len() as u64 - both;
        let mut seen = HashMap::new();
        let twice = measured()
            .filter(|((_, stream, _), kept)| seen.insert((*stream, kept.digest), ()).is_some())
            .count() as u64;
        let mut ends: BTreeMap<(u64, Stream), u64> = BTreeMap::new();
        let known = measured().map(|(key, _)| key).chain(&self.gaps);
        for (epoch, stream, seq) in known {
            let end = ends.entry((*epoch, *stream)).or_default();
            *end = (*end).max(seq + 1);
        }
        let missing = ends.values().sum::<u64>().saturating_sub(stored + gaps);
        Account { stored, gaps, both, duplicates: twice + self.conflicts, missing }
    }

    /// The first number of each stream that is neither stored nor named. Looks on from where it was.
    fn watermarks(&mut self) -> Vec<Ack> {
        let streams: BTreeSet<(u64, Stream)> = self.fresh.iter().copied().collect();
        self.fresh.clear();
        for (epoch, stream) in streams {
            let next = self.next.entry((epoch, stream)).or_default();
            while self.samples.contains_key(&(epoch, stream, *next)) || self.gaps.contains(&(epoch, stream, *next)) {
                *next += 1;
            }
        }
        let ack = |((epoch, stream), next_seq): (&(u64, Stream), &u64)| Ack {
            stream: *stream,
            epoch: *epoch,
            next_seq: *next_seq,
            table_version: 1,
        };
        self.next.iter().map(ack).collect()
    }
}

impl Kept {
    fn of(sample: &Sample) -> Self {
        let mut hasher = DefaultHasher::new();
        sample.values.hash(&mut hasher);
        Self {
            digest: hasher.finish(),
            t_us: sample.get(field::T_US),
            tick_us: sample.get(field::TICK_US),
            boot_id: sample.get(field::BOOT_ID),
            flags: sample.get(field::FLAGS).unwrap_or(0),
        }
    }
}

#[derive(Debug)]
struct State {
    manner: Manner,
    stop: bool,
    holdings: Holdings,
}

/// A running lake; it connects again for ever until it is dropped.
#[derive(Debug)]
pub struct Consumer {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

impl Consumer {
    /// Starts it for one box.
    ///
    /// # Errors
    /// When there is no such box id, or no thread to be had.
    pub fn start(port: u16, box_id: &str) -> Result<Self> {
        let box_id = BoxId::new(box_id)?;
        let state = State { manner: Manner::Sound, stop: false, holdings: Holdings::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("consumer".to_owned()).spawn(move || {
            while !lock(&shared).stop {
                // A broker that is gone is what some tests are about; it comes back.
                drop(serve(port, &box_id, &shared));
                std::thread::sleep(LOOK);
            }
        })?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// How it treats what comes from now on.
    pub fn set(&self, manner: Manner) {
        lock(&self.state).manner = manner;
    }

    /// A copy of what it holds.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        lock(&self.state).holdings.clone()
    }

    /// Batches that came until now.
    #[must_use]
    pub fn batches(&self) -> u64 {
        lock(&self.state).holdings.batches
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        lock(&self.state).stop = true;
        if let Some(thread) = self.thread.take() {
            // It panicked or not: it is over.
            drop(thread.join());
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection.
fn serve(port: u16, box_id: &BoxId, state: &Mutex<State>) -> Result<()> {
    let mut client = Mqtt::connect(port, &format!("consumer-{box_id}"))?;
    client.subscribe(&format!("tournee/v1/+/{box_id}/up/+"))?;
    let down = Topic::down_ack(box_id).to_string();
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut said = Vec::new();
    let mut commit_at = Instant::now();
    loop {
        let incoming = client.next(LOOK)?;
        let mut state = lock(state);
        if state.stop {
            return Ok(());
        }
        let manner = state.manner;
        if let Some(incoming) = incoming {
            if manner == Manner::Forgetful {
                state.holdings.forgotten += 1;
            } else {
                state.holdings.batches += 1;
                state.holdings.bytes += incoming.payload.len() as u64;
                match read(&incoming.topic, &incoming.payload) {
                    Ok(batch) => state.holdings.take(&batch),
                    Err(error) => state.holdings.refused.push(format!("{}: {error:#}", incoming.topic)),
                }
            }
            if let Some(id) = incoming.id {
                client.confirm(id)?;
            }
        }
        if Instant::now() < commit_at {
            continue;
        }
        commit_at = Instant::now() + COMMIT_EVERY;
        let acks = state.holdings.watermarks();
        drop(state);
        let message = || AckMessage { box_id: box_id.clone(), acks: acks.clone() }.encode();
        match manner {
            _ if acks.is_empty() || acks == said => {}
            Manner::Silent | Manner::Forgetful => {}
            Manner::Sound => {
                client.publish_retained(&down, &message())?;
                said.clone_from(&acks);
            }
            Manner::Reordering(most) => {
                held.push(message());
                said.clone_from(&acks);
                if held.len() > most {
                    while let Some(message) = held.pop() {
                        client.publish_retained(&down, &message)?;
                    }
                    // The oldest came last and stays retained; the next look says the newest again.
                    said.clear();
                }
            }
        }
    }
}

/// A batch, under the topic that it belongs to.
fn read(topic: &str, payload: &[u8]) -> Result<Batch> {
    let batch = decode(payload)?;
    let topic = Topic::parse(topic).map_err(|error| anyhow!("{error}")).context("its topic")?;
    anyhow::ensure!(topic == Topic::up(&batch.box_id, batch.stream), "a batch under another's topic");
    Ok(batch)
}
