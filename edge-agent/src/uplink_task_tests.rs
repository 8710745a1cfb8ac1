//! The uplink over a broker that misbehaves in every way that MQTT lets it, before a lake that may be deaf. Whatever
//! happens: stored and gaps together are what was generated, and what was deleted is in the lake.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};

use rand::SeedableRng;
use tokio::sync::{mpsc, oneshot};
use tournee_link::BoxConfig;
use tournee_payload::{AckMessage, Command, CommandMessage, Order, Sample, StateReport, decode, field};
use tournee_spool::{Spool, SpoolConfig};

use super::*;
use crate::beats::{Beats, Part};
use crate::commands_store::Store;
use crate::config::{SamplingSettings, TlsSettings};
use crate::keeper::{self, Keeper};
use crate::line::Taken;
use crate::link::Incoming;
use crate::report::AgentStatus;
use crate::uplink::Limits;

/// What the broker does wrong, chances out of a hundred per publish.
#[derive(Clone, Copy, Debug, Default)]
struct Vice {
    /// PUBACK, and the batch is gone.
    forgets: u32,
    /// No PUBACK, ever, though the batch arrives.
    withholds: u32,
    /// PUBACKs are kept until there are so many, then given newest first.
    reorders: usize,
    /// It hangs up.
    hangs_up: u32,
    /// It refuses.
    refuses: u32,
    /// The watermark that follows is not sent.
    deaf: u32,
    max_packet_bytes: Option<u32>,
}

/// Broker and lake in one, at a host name.
struct World {
    vice: Vice,
    rng: StdRng,
    rows: BTreeMap<Stream, BTreeSet<u64>>,
    gap_rows: u64,
    connections: u32,
    down: Option<mpsc::UnboundedSender<Result<Incoming, LinkError>>>,
    pubacks: Vec<oneshot::Sender<Outcome>>,
    states: Vec<StateReport>,
    last_will: Vec<u8>,
    command: Option<Vec<u8>>,
}

static WORLDS: LazyLock<Mutex<HashMap<String, Arc<Mutex<World>>>>> = LazyLock::new(Mutex::default);

impl World {
    fn at(host: &str, vice: Vice, seed: u64) -> Arc<Mutex<Self>> {
        let world = Arc::new(Mutex::new(Self {
            vice,
            rng: StdRng::seed_from_u64(seed),
            rows: BTreeMap::new(),
            gap_rows: 0,
            connections: 0,
            down: None,
            pubacks: Vec::new(),
            states: Vec::new(),
            last_will: Vec::new(),
            command: None,
        }));
        WORLDS.lock().unwrap().insert(host.to_owned(), Arc::clone(&world));
        world
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn send(&self, topic: Topic, payload: Vec<u8>) {
        if let Some(down) = &self.down {
            let _ = down.send(Ok(Incoming { topic: topic.to_string(), payload }));
        }
    }

    fn take(&mut self, topic: &str, payload: &[u8], answer: oneshot::Sender<Outcome>) {
        let limit = self.vice.max_packet_bytes.map_or(usize::MAX, |limit| limit as usize);
        assert!(topic.len() + payload.len() < limit, "a real broker would hang up on it, for ever");
        if let Ok(Topic::State { .. }) = Topic::parse(topic) {
            self.states.push(StateReport::decode(payload).unwrap());
            let _ = answer.send(Outcome::Accepted);
            return;
        }
        if self.chance(self.vice.hangs_up) {
            self.down = None;
            self.pubacks.clear();
            return;
        }
        if self.chance(self.vice.refuses) {
            let _ = answer.send(Outcome::Refused(0x97));
            return;
        }
        if !self.chance(self.vice.forgets) {
            self.store(payload);
        }
        if self.chance(self.vice.withholds) {
            // The future of an answer that never comes must not be told that nobody will answer.
            std::mem::forget(answer);
            return;
        }
        self.pubacks.push(answer);
        if self.pubacks.len() > self.vice.reorders {
            while let Some(answer) = self.pubacks.pop() {
                let _ = answer.send(Outcome::Accepted);
            }
        }
    }

    fn store(&mut self, payload: &[u8]) {
        let batch = decode(payload).unwrap();
        let rows = self.rows.entry(batch.stream).or_default();
        for (seq, sample) in (batch.first_seq..).zip(&batch.samples) {
            if rows.insert(seq) && batch.stream == Stream::Gap {
                self.gap_rows += (sample.get(18).unwrap() - sample.get(17).unwrap()) as u64 + 1;
            }
        }
        let next_seq = (0..).find(|seq| !rows.contains(seq)).unwrap();
        if !self.chance(self.vice.deaf) {
            let acks = vec![Ack { stream: batch.stream, epoch: batch.epoch, next_seq, table_version: 1 }];
            self.send(Topic::down_ack(&batch.box_id), AckMessage { box_id: batch.box_id.clone(), acks }.encode());
        }
    }
}

struct Fake {
    world: Arc<Mutex<World>>,
    incoming: mpsc::UnboundedReceiver<Result<Incoming, LinkError>>,
}

impl Link for Fake {
    type Ack = Pin<Box<dyn Future<Output = Outcome> + Send>>;

    async fn connect(target: &Target) -> Result<(Self, Session), LinkError> {
        let world = Arc::clone(&WORLDS.lock().unwrap()[&target.host]);
        let (down, incoming) = mpsc::unbounded_channel();
        let max_packet_bytes = {
            let mut world = world.lock().unwrap();
            world.connections += 1;
            world.down = Some(down);
            world.pubacks.clear();
            world.last_will.clone_from(&target.last_will.1);
            world.vice.max_packet_bytes
        };
        Ok((Self { world, incoming }, Session { max_packet_bytes }))
    }

    async fn publish(&mut self, topic: String, payload: Vec<u8>, _: bool) -> Result<Self::Ack, LinkError> {
        let (answer, answered) = oneshot::channel();
        self.world.lock().unwrap().take(&topic, &payload, answer);
        Ok(Box::pin(async { answered.await.unwrap_or(Outcome::Lost) }))
    }

    async fn subscribe(&mut self, topic: String) -> Result<(), LinkError> {
        let world = self.world.lock().unwrap();
        if let (Ok(topic @ Topic::DownCommand { .. }), Some(command)) = (Topic::parse(&topic), &world.command) {
            world.send(topic, command.clone());
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Incoming, LinkError> {
        self.incoming.recv().await.unwrap_or_else(|| Err(LinkError("hung up".to_owned())))
    }

    async fn close(self) {}
}

/// Samples that hardly pack, so that there are many batches.
fn samples(stream: Stream, count: i64, step_us: i64, rng: &mut StdRng) -> Vec<Sample> {
    let one = |at: i64| {
        let mut sample = Sample::new(stream);
        sample.set(field::T_US, Some(1_768_000_000_000_000 + at * step_us));
        sample.set(field::LAT_DEG, Some(rng.random_range(-900_000_000..900_000_000)));
        sample.set(field::LON_DEG, Some(rng.random_range(-1_800_000_000..1_800_000_000)));
        sample
    };
    (0..count).map(one).collect()
}

struct Ended {
    generated: BTreeMap<Stream, u64>,
    given_up: u64,
    report: UplinkReport,
}

/// Runs an uplink until the lake has everything.
async fn deliver(host: &str, seed: u64, watermark_timeout: Duration, track_step_us: i64) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let box_id = BoxId::new("van-01").unwrap();
    let path = dir.path().join("spool.db");
    let (spool, _) = Spool::open(&path, SpoolConfig::new(box_id.clone(), 1 << 30), 7).unwrap();
    let epoch = spool.epoch();
    let Keeper { samples: queue, handle, status, ended } =
        keeper::start(spool, Duration::from_millis(20), true, 8, Beats::default().begin(Part::Keeper)).unwrap();
    let (_agent_sender, agent) = watch::channel(AgentStatus::default());
    let desk = CommandDesk::open(Store::beside(&path, &box_id), SamplingSettings::default(), BoxConfig::DEFAULT, agent);
    let limits = Limits { ahead_batches: 64, watermark_timeout, catch_up_bytes_per_s: 1 << 30 };
    let task = UplinkTask {
        box_id: box_id.clone(),
        epoch,
        target: Target {
            box_id: box_id.clone(),
            host: host.to_owned(),
            port: 1,
            keep_alive: Duration::from_secs(5),
            tls: TlsSettings::default(),
            last_will: state_message(&box_id, epoch, Status::Lost),
        },
        machine: Uplink::new(&BTreeMap::new(), limits),
        spool: handle,
        status: status.clone(),
        connected: watch::channel(false).0,
        shown: watch::channel(UplinkStatus::default()).0,
        desk,
        certificate: CertificateWatch::default(),
        reconnect_most: Duration::from_millis(100),
        wall_s: || 1_768_000_000,
        report_due: false,
        finish_when_empty: true,
        rng: StdRng::seed_from_u64(seed),
        shutdown: CancellationToken::new(),
        report: UplinkReport::default(),
        settings: watch::channel(AgentConfig::new("van-01", &path, &path).unwrap()).1,
        beat: Beats::default().begin(Part::Uplink),
        owed: BTreeMap::new(),
    };
    let task = tokio::spawn(task.run::<Fake>());
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..6 {
        let mut all = samples(Stream::Track, 1_000, track_step_us, &mut rng);
        all.extend(samples(Stream::Air, 100, 1_000_000, &mut rng));
        queue.send(Taken { samples: all, position: None }).await.unwrap();
    }
    drop(queue);
    let report = tokio::time::timeout(Duration::from_secs(60), task).await.expect("it ends").unwrap();
    let kept = ended.await.unwrap().unwrap();
    assert_eq!(kept.pending, 0);
    for (stream, generated) in &kept.generated {
        assert_eq!(*generated, kept.acknowledged[stream] + kept.given_up[stream], "{}", stream.name());
    }
    Ended { generated: kept.generated, given_up: kept.given_up.values().sum(), report }
}

async fn delivered(host: &str, vice: Vice, watermark_timeout: Duration) -> (Ended, Arc<Mutex<World>>) {
    let world = World::at(host, vice, 11);
    // A batch is a minute of a slow stream, or as large as it may be of a fast one.
    let track_step_us = if vice.max_packet_bytes.is_some() { 5_000 } else { 1_000_000 };
    let ended = deliver(host, 12, watermark_timeout, track_step_us).await;
    {
        let world = world.lock().unwrap();
        let stored = |stream: Stream| world.rows.get(&stream).map_or(0, |rows| rows.len() as u64);
        assert_eq!(ended.generated[&Stream::Track], 6_000);
        let measured = ended.generated.iter().filter(|(stream, _)| **stream != Stream::Gap);
        let (generated, kept): (u64, u64) =
            measured.fold((0, 0), |(all, kept), (stream, count)| (all + count, kept + stored(*stream)));
        assert_eq!(kept + world.gap_rows, generated, "stored + gaps = generated");
        assert_eq!(world.gap_rows, ended.given_up, "every gap is a row of the lake");
        println!(
            "{host}: {} batches published in {} connections, {} samples given up",
            ended.report.published_batches, world.connections, ended.given_up
        );
    }
    (ended, world)
}

const SOON: Duration = Duration::from_millis(300);
/// Nothing in the test waits for it, on a busy machine either.
const NEVER: Duration = Duration::from_secs(300);

#[tokio::test]
async fn pubacks_newest_first_cost_nothing() {
    let (_, world) = delivered("reordered", Vice { reorders: 9, ..Vice::default() }, NEVER).await;
    assert!(world.lock().unwrap().rows[&Stream::Track].len() == 6_000);
}

#[tokio::test]
async fn pubacks_that_never_come_end_in_a_new_connection() {
    let (_, world) = delivered("withheld", Vice { withholds: 20, deaf: 20, ..Vice::default() }, SOON).await;
    assert!(world.lock().unwrap().connections > 1);
}

#[tokio::test]
async fn a_broker_that_forgets_what_it_acknowledged_gets_it_again() {
    let (ended, _) = delivered("forgets", Vice { forgets: 30, deaf: 30, ..Vice::default() }, SOON).await;
    assert!(ended.report.published_batches > 140, "of 114 some were sent again");
}

#[tokio::test]
async fn a_broker_that_does_everything_wrong_at_once_still_gets_everything() {
    let vice = Vice { forgets: 10, withholds: 5, reorders: 3, hangs_up: 10, refuses: 10, deaf: 30, ..Vice::default() };
    let (_, world) = delivered("everything", vice, SOON).await;
    assert!(world.lock().unwrap().connections > 1);
}

/// The broker's limit is below the batches of one stream: they become gaps, named in the lake, and the rest arrives.
#[tokio::test]
async fn batches_that_the_broker_would_choke_on_become_gaps_and_are_counted() {
    let vice = Vice { max_packet_bytes: Some(4_000), ..Vice::default() };
    let (ended, world) = delivered("small", vice, NEVER).await;
    assert!(ended.given_up > 5_000, "{}", ended.given_up);
    let world = world.lock().unwrap();
    assert_eq!(world.connections, 1, "nothing was published that ends a connection");
    assert!(world.rows[&Stream::Air].len() + ended.given_up as usize >= 600);
}

/// A command that is retained is answered in the state that follows, and the last will of the next connection has it too.
#[tokio::test]
async fn a_retained_command_is_answered_in_state_and_in_the_next_last_will() {
    let vice = Vice { hangs_up: 15, ..Vice::default() };
    let world = World::at("commanded", vice, 3);
    let commands = vec![Command { id: 5, order: Ok(Order::Diagnostics) }];
    let command = CommandMessage { box_id: BoxId::new("van-01").unwrap(), commands };
    world.lock().unwrap().command = Some(command.encode());
    deliver("commanded", 4, SOON, 1_000_000).await;
    let world = world.lock().unwrap();
    assert!(world.connections > 1);
    assert_eq!((world.states[0].last_command_id, world.states[0].state.status), (0, Status::Connected));
    assert!(world.states[1..].iter().all(|state| state.last_command_id == 5 && state.answers.len() == 1));
    assert!(world.states[1].diagnostics.contains("pending"));
    let last = world.states.last().unwrap();
    assert_eq!(last.state.status, Status::Stopped);
    let will = StateReport::decode(&world.last_will).unwrap();
    assert_eq!((will.state.status, will.last_command_id), (Status::Lost, 5));
}
