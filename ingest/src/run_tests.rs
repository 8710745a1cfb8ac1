//! A worker between a real broker and a real lake, in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tournee_payload::{AckMessage, Batch, BoxId, Sample, Stream, Topic, encode, field};

use crate::check::check;
use crate::run::run_with;
use crate::{Accept, DeviceRegistry, FailPoint, IngestConfig, IngestStatus, Lake, LakeOptions, broker, run};

const WITHIN: Duration = Duration::from_secs(20);

struct Vehicle {
    client: AsyncClient,
    acks: mpsc::UnboundedReceiver<AckMessage>,
    task: tokio::task::JoinHandle<()>,
}

impl Vehicle {
    fn connect(port: u16, box_id: &BoxId) -> Self {
        let mut options = MqttOptions::new(box_id.as_str(), ("127.0.0.1", port));
        options.set_clean_start(true).set_outgoing_inflight_upper_limit(16).set_max_packet_size(Some(262_144));
        let (client, mut eventloop) = AsyncClient::builder(options).capacity(1_000).build();
        let (sender, acks) = mpsc::unbounded_channel();
        let (subscriber, topic) = (client.clone(), Topic::down_ack(box_id).to_string());
        let task = tokio::spawn(async move {
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        subscriber.try_subscribe(topic.as_str(), QoS::AtLeastOnce).unwrap();
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let _ = sender.send(AckMessage::decode(&publish.payload).unwrap());
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        Self { client, acks, task }
    }

    async fn send(&self, topic: &str, payload: Vec<u8>) {
        self.client.publish(topic, payload, PublishOptions::at_least_once()).await.unwrap();
    }

    /// Waits until the watermark of `stream` reaches `next_seq`.
    async fn told(&mut self, stream: Stream, next_seq: u64) {
        let wait = async {
            while let Some(message) = self.acks.recv().await {
                if message.acks.iter().any(|ack| ack.stream == stream && ack.next_seq == next_seq) {
                    return;
                }
            }
        };
        tokio::time::timeout(WITHIN, wait)
            .await
            .unwrap_or_else(|_| panic!("{} never reached {next_seq}", stream.name()));
    }
}

fn air(box_id: &BoxId, first_seq: u64, count: u64) -> Batch {
    let sample = |seq: u64| {
        let mut sample = Sample::new(Stream::Air);
        sample.set(field::T_US, Some(1_768_435_200_000_000 + seq as i64));
        sample
    };
    let samples = (first_seq..first_seq + count).map(sample).collect();
    Batch { box_id: box_id.clone(), stream: Stream::Air, epoch: 5, first_seq, samples }
}

async fn connected(status: &mut watch::Receiver<IngestStatus>) {
    tokio::time::timeout(WITHIN, status.wait_for(|status| status.connected)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_broker_to_the_lake_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = broker.local_addr().port();
    let mut config = IngestConfig::new(dir.path().join("lake"), "127.0.0.1", port);
    config.commit_interval = Duration::from_millis(40);
    let box_id = BoxId::new("van-01").unwrap();
    let topic = Topic::up(&box_id, Stream::Air).to_string();

    // Two lives of the worker: the second must know what the first has stored.
    for life in 0..2_u64 {
        let (sender, mut status) = watch::channel(IngestStatus::default());
        let stop = CancellationToken::new();
        let worker = tokio::spawn(run(config.clone(), stop.clone(), sender));
        connected(&mut status).await;
        let mut vehicle = Vehicle::connect(port, &box_id);
        if life == 1 {
            // Retained, or published again at the start: the vehicle need not send first.
            vehicle.told(Stream::Air, 300).await;
        }
        for first in (0..300).step_by(50) {
            vehicle.send(&topic, encode(&air(&box_id, life * 250 + first, 50)).unwrap()).await;
        }
        vehicle.send(&topic, b"nonsense".to_vec()).await;
        let other = Topic::up(&BoxId::new("van-02").unwrap(), Stream::Air).to_string();
        vehicle.send(&other, encode(&air(&box_id, 0, 1)).unwrap()).await;
        vehicle.told(Stream::Air, life * 250 + 300).await;
        let refused = if life == 0 { 2 } else { 0 };
        let wait = status.wait_for(|status| status.messages >= 8 && status.pending_messages == 0);
        let seen = tokio::time::timeout(WITHIN, wait).await.unwrap().unwrap().clone();
        assert_eq!(seen.totals.refused_messages, refused);
        stop.cancel();
        let report = tokio::time::timeout(WITHIN, worker).await.unwrap().unwrap().unwrap();
        assert_eq!(report.status.totals.stored, 300 - life * 50);
        // Rows 250 to 299 again, and in the second life the two refused messages again.
        assert_eq!(report.status.totals.duplicates, life * 52);
        vehicle.task.abort();
    }
    broker.shutdown().await;
    let found = check(&dir.path().join("lake")).await.unwrap();
    assert!(found.total.holds());
    assert_eq!((found.total.stored, found.quarantined, found.refused_messages), (550, 2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_lost_its_memory_is_told_the_watermarks_again() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let addr = broker.local_addr();
    let mut config = IngestConfig::new(dir.path().join("lake"), "127.0.0.1", addr.port());
    config.commit_interval = Duration::from_millis(40);
    let box_id = BoxId::new("van-01").unwrap();
    let (sender, mut status) = watch::channel(IngestStatus::default());
    let stop = CancellationToken::new();
    let worker = tokio::spawn(run(config, stop.clone(), sender));
    connected(&mut status).await;
    let mut vehicle = Vehicle::connect(addr.port(), &box_id);
    let topic = Topic::up(&box_id, Stream::Air).to_string();
    vehicle.send(&topic, encode(&air(&box_id, 0, 10)).unwrap()).await;
    vehicle.told(Stream::Air, 10).await;
    vehicle.task.abort();

    broker.shutdown().await;
    tokio::time::timeout(WITHIN, status.wait_for(|status| !status.connected)).await.unwrap().unwrap();
    let broker = broker::start(addr).await.unwrap();
    connected(&mut status).await;
    let mut vehicle = Vehicle::connect(addr.port(), &box_id);
    vehicle.told(Stream::Air, 10).await;
    vehicle.send(&topic, encode(&air(&box_id, 10, 10)).unwrap()).await;
    vehicle.told(Stream::Air, 20).await;
    stop.cancel();
    tokio::time::timeout(WITHIN, worker).await.unwrap().unwrap().unwrap();
    vehicle.task.abort();
    broker.shutdown().await;
    let found = check(&dir.path().join("lake")).await.unwrap();
    assert!(found.total.holds());
    assert_eq!(found.total.stored, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_commits_fail_no_more_is_read_than_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = broker.local_addr().port();
    let mut config = IngestConfig::new(dir.path().join("lake"), "127.0.0.1", port);
    config.commit_interval = Duration::from_millis(40);
    config.max_rows_per_commit = 100;
    // Fails until it was asked three times after the limit must have been reached.
    let (asked, failing) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
    let (count, fails) = (asked.clone(), failing.clone());
    let hook: crate::Hook = Arc::new(move |at, _| {
        at == FailPoint::BeforeObject && fails.load(Ordering::SeqCst) && {
            count.fetch_add(1, Ordering::SeqCst);
            true
        }
    });
    let lake = Lake::open(&config.lake, LakeOptions { hook: Some(hook), ..LakeOptions::default() }).await.unwrap();
    let (sender, mut status) = watch::channel(IngestStatus::default());
    let stop = CancellationToken::new();
    let worker = tokio::spawn(run_with(lake, config, stop.clone(), sender));
    connected(&mut status).await;
    let box_id = BoxId::new("van-01").unwrap();
    let topic = Topic::up(&box_id, Stream::Air).to_string();
    let mut vehicle = Vehicle::connect(port, &box_id);
    for first in (0..1_000).step_by(50) {
        vehicle.send(&topic, encode(&air(&box_id, first, 50)).unwrap()).await;
    }
    let wait = status.wait_for(|status| status.messages >= 2 && asked.load(Ordering::SeqCst) >= 3);
    let seen = tokio::time::timeout(WITHIN, wait).await.unwrap().unwrap().clone();
    assert_eq!((seen.messages, seen.pending_rows, seen.pending_messages), (2, 100, 2));
    assert!(seen.trouble.is_some());
    failing.store(false, Ordering::SeqCst);
    vehicle.told(Stream::Air, 1_000).await;
    stop.cancel();
    let report = tokio::time::timeout(WITHIN, worker).await.unwrap().unwrap().unwrap();
    assert_eq!((report.status.totals.stored, report.status.totals.duplicates), (1_000, 0));
    vehicle.task.abort();
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vehicle_that_is_not_accepted_keeps_its_samples_until_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = broker.local_addr().port();
    let mut config = IngestConfig::new(dir.path().join("lake"), "127.0.0.1", port);
    config.commit_interval = Duration::from_millis(40);
    config.look_every = Duration::from_millis(50);
    config.accept = Accept::Operator;
    let (sender, mut status) = watch::channel(IngestStatus::default());
    let stop = CancellationToken::new();
    let worker = tokio::spawn(run(config.clone(), stop.clone(), sender));
    connected(&mut status).await;
    let box_id = BoxId::new("van-01").unwrap();
    let topic = Topic::up(&box_id, Stream::Air).to_string();
    let mut vehicle = Vehicle::connect(port, &box_id);
    vehicle.send(&topic, encode(&air(&box_id, 0, 50)).unwrap()).await;
    let wait = status.wait_for(|it| it.measured.boxes_pending == 1 && it.pending_messages == 0);
    tokio::time::timeout(WITHIN, wait).await.unwrap().unwrap();
    assert_eq!(status.borrow().totals.stored, 0);
    assert!(vehicle.acks.try_recv().is_err(), "no watermark for whom nobody accepted");

    // As an operator does it, from another process.
    let lake = crate::LakeStore::existing(&config.lake).unwrap();
    DeviceRegistry::of(&lake).accept(&box_id, "test", 1).await.unwrap();
    // As a vehicle does it whose watermark does not come.
    for _ in 0..200 {
        vehicle.send(&topic, encode(&air(&box_id, 0, 50)).unwrap()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        if status.borrow().totals.stored == 50 {
            break;
        }
    }
    vehicle.told(Stream::Air, 50).await;

    // What comes while no worker is there waits for the next one.
    stop.cancel();
    tokio::time::timeout(WITHIN, worker).await.unwrap().unwrap().unwrap();
    vehicle.send(&topic, encode(&air(&box_id, 50, 50)).unwrap()).await;
    let (sender, _) = watch::channel(IngestStatus::default());
    let stop = CancellationToken::new();
    let worker = tokio::spawn(run(config.clone(), stop.clone(), sender));
    vehicle.told(Stream::Air, 100).await;
    stop.cancel();
    tokio::time::timeout(WITHIN, worker).await.unwrap().unwrap().unwrap();
    vehicle.task.abort();
    broker.shutdown().await;
    let found = check(&dir.path().join("lake")).await.unwrap();
    assert!(found.total.holds());
    assert_eq!(found.total.stored, 100);
}

#[tokio::test]
async fn plain_text_to_another_machine_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = IngestConfig::new(dir.path().join("lake"), "broker.example.org", 1883);
    let (sender, _) = watch::channel(IngestStatus::default());
    let error = run(config, CancellationToken::new(), sender).await.unwrap_err().to_string();
    assert!(error.contains("--mqtt-ca") && error.lines().count() == 1, "{error}");
}
