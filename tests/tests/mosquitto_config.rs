//! Debian's Mosquitto on the configuration that ships, `packaging/mosquitto`: only ports and paths are substituted. Certificates
//! are made here. Vehicles may say what is theirs and nothing else, and what waits for a worker survives the worker's and the
//! broker's restarts.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rumqttc::{
    AsyncClient, Event, MqttOptions, Packet, PubAckReason, PublishOptions, PublishResult, QoS, TlsConfiguration,
    Transport,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tournee_ingest::{Accept, IngestConfig, IngestError, IngestReport, IngestStatus, TlsFiles, check, run};
use tournee_payload::{AckMessage, Batch, BoxId, Sample, Stream, Topic, encode, field};
use tournee_tests::{Running, free_port, mosquitto, wait_until, workspace_root};

const WITHIN: Duration = Duration::from_secs(60);

struct Authority {
    dir: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(dir: &Path, name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(dir.join(format!("{name}.ca")), &pem).unwrap();
        Self { dir: dir.to_path_buf(), pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key for a common name, as files.
    fn issue(&self, common_name: &str) -> TlsFiles {
        let path = |ending: &str| self.dir.join(format!("{common_name}.{ending}"));
        let files = TlsFiles { ca: path("ca"), certificate: path("pem"), key: path("key") };
        let key = KeyPair::generate().unwrap();
        std::fs::write(&files.ca, &self.pem).unwrap();
        std::fs::write(&files.certificate, params(common_name).signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params
}

/// The broker on the shipped files.
struct Broker {
    dir: PathBuf,
    port: u16,
    process: Option<Running>,
}

impl Broker {
    fn start(dir: &Path, authority: &Authority) -> Self {
        let port = free_port().unwrap();
        let server = authority.issue("broker");
        let shipped = workspace_root().join("packaging/mosquitto");
        let path = |name: &str| dir.join(name).display().to_string();
        std::fs::copy(shipped.join("acl"), dir.join("acl")).unwrap();
        std::fs::create_dir_all(dir.join("persistence")).unwrap();
        let mut text = std::fs::read_to_string(shipped.join("tournee.conf")).unwrap();
        for (shipped, here) in [
            ("listener 8883", format!("listener {port} 127.0.0.1")),
            ("cafile /etc/mosquitto/certs/ca.pem", format!("cafile {}", server.ca.display())),
            ("certfile /etc/mosquitto/certs/broker.pem", format!("certfile {}", server.certificate.display())),
            ("keyfile /etc/mosquitto/certs/broker.key", format!("keyfile {}", server.key.display())),
            ("acl_file /etc/mosquitto/tournee.acl", format!("acl_file {}", path("acl"))),
            ("persistence_location /var/lib/mosquitto/", format!("persistence_location {}/", path("persistence"))),
            ("log_dest syslog", "log_dest stderr".to_owned()),
        ] {
            let (shipped, here) = (format!("\n{shipped}\n"), format!("\n{here}\n"));
            assert_eq!(text.matches(&shipped).count(), 1, "{shipped} in tournee.conf");
            text = text.replace(&shipped, &here);
        }
        // As root the broker would become a user who may not read the test's folder.
        std::fs::write(dir.join("tournee.conf"), format!("user root\n{text}")).unwrap();
        let mut broker = Self { dir: dir.to_path_buf(), port, process: None };
        broker.run();
        broker
    }

    fn run(&mut self) {
        let mut command = Command::new(mosquitto().unwrap());
        let mut process =
            Running::start("mosquitto", &self.dir, command.arg("-c").arg(self.dir.join("tournee.conf"))).unwrap();
        let port = self.port;
        let answers = || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
        let answered = wait_until("mosquitto answers", Duration::from_secs(20), answers);
        assert!(answered.is_ok() && process.is_alive(), "{}", process.output());
        self.process = Some(process);
    }

    /// An orderly restart, in which the broker keeps its memory.
    fn restart(&mut self) {
        let ended = self.process.take().unwrap().terminate(Duration::from_secs(30)).unwrap();
        assert!(ended.success(), "{ended}");
        self.run();
    }
}

fn transport(files: &TlsFiles) -> Transport {
    let read = |path: &Path| std::fs::read(path).unwrap();
    Transport::tls_with_config(TlsConfiguration::Simple {
        ca: read(&files.ca),
        alpn: None,
        client_auth: Some((read(&files.certificate), read(&files.key))),
    })
}

/// A client with a certificate; what it hears is counted and the newest watermark kept.
struct Client {
    client: AsyncClient,
    task: JoinHandle<()>,
    heard: Arc<AtomicU64>,
    next_seq: watch::Receiver<u64>,
    connected: watch::Receiver<bool>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    fn connect(port: u16, id: &str, transport: Transport, subscribe: Vec<String>) -> Self {
        let mut options = MqttOptions::new(id, ("127.0.0.1", port));
        options.set_transport(transport).set_clean_start(true).set_outgoing_inflight_upper_limit(64);
        options.set_max_packet_size(Some(262_144));
        let (client, mut eventloop) = AsyncClient::builder(options).capacity(1_000).build();
        let (told, next_seq) = watch::channel(0);
        let (greeted, connected) = watch::channel(false);
        let heard = Arc::new(AtomicU64::new(0));
        let (subscriber, count) = (client.clone(), heard.clone());
        let task = tokio::spawn(async move {
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        for filter in &subscribe {
                            subscriber.try_subscribe(filter.as_str(), QoS::AtLeastOnce).unwrap();
                        }
                        let _ = greeted.send_replace(true);
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        count.fetch_add(1, Ordering::SeqCst);
                        if let Ok(message) = AckMessage::decode(&publish.payload)
                            && let Some(ack) = message.acks.first()
                        {
                            let _ = told.send_replace(ack.next_seq);
                        }
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        Self { client, task, heard, next_seq, connected }
    }

    async fn is_connected(&mut self) {
        tokio::time::timeout(WITHIN, self.connected.wait_for(|it| *it)).await.unwrap().unwrap();
    }

    /// Publishes, and the broker's answer.
    async fn say(&self, topic: &str, payload: Vec<u8>) -> PubAckReason {
        let notice = self.client.publish_tracked(topic, payload, PublishOptions::at_least_once()).await.unwrap();
        match tokio::time::timeout(WITHIN, notice.wait_async()).await.unwrap() {
            Ok(PublishResult::Qos1(ack)) => ack.reason,
            other => panic!("{topic}: {other:?}"),
        }
    }

    async fn told(&mut self, next_seq: u64) {
        let wait = self.next_seq.wait_for(|it| *it >= next_seq);
        let told = tokio::time::timeout(WITHIN, wait).await.is_ok();
        assert!(told, "{:?} of {next_seq}", self.next_seq.borrow());
    }
}

fn air(box_id: &BoxId, first_seq: u64, count: u64) -> Vec<u8> {
    let mut sample = Sample::new(Stream::Air);
    sample.set(field::T_US, Some(1_768_435_200_000_000));
    let samples = vec![sample; usize::try_from(count).unwrap()];
    encode(&Batch { box_id: box_id.clone(), stream: Stream::Air, epoch: 5, first_seq, samples }).unwrap()
}

type Worker = (JoinHandle<Result<IngestReport, IngestError>>, CancellationToken, watch::Receiver<IngestStatus>);

/// A worker with the name that it has in production, and its certificate.
async fn worker(port: u16, lake: &Path, files: &TlsFiles, commit_interval: Duration) -> Worker {
    let mut config = IngestConfig::new(lake, "localhost", port);
    config.tls = Some(files.clone());
    config.accept = Accept::Ca;
    config.commit_interval = commit_interval;
    let (sender, mut status) = watch::channel(IngestStatus::default());
    let stop = CancellationToken::new();
    let task = tokio::spawn(run(config, stop.clone(), sender));
    let connected = tokio::time::timeout(WITHIN, status.wait_for(|it| it.connected)).await.is_ok();
    assert!(connected, "{:?}", status.borrow().trouble);
    (task, stop, status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_says_what_is_its_own_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "fleet");
    let broker = Broker::start(dir.path(), &authority);
    let lake = dir.path().join("lake");
    let ingest = authority.issue("ingest-00-63");
    let (task, stop, mut status) = worker(broker.port, &lake, &ingest, Duration::from_millis(200)).await;

    let (van, other) = (BoxId::new("van-01").unwrap(), BoxId::new("van-02").unwrap());
    let own_acks = Topic::down_ack(&van).to_string();
    let files = authority.issue("van-01");
    // It asks for the watermarks of another, too.
    let filters = vec![own_acks.clone(), Topic::down_ack(&other).to_string()];
    let mut first = Client::connect(broker.port, "van-01", transport(&files), filters);
    first.is_connected().await;
    let topic = |box_id: &BoxId| Topic::up(box_id, Stream::Air).to_string();
    assert_eq!(first.say(&topic(&van), air(&van, 0, 10)).await, PubAckReason::Success);
    assert_eq!(first.say(&Topic::state(&van).to_string(), vec![1]).await, PubAckReason::NoMatchingSubscribers);
    first.told(10).await;

    // In the name of another: samples, watermarks that would make him delete, commands.
    for forbidden in [
        topic(&other),
        Topic::state(&other).to_string(),
        Topic::down_ack(&other).to_string(),
        own_acks.clone(),
        Topic::down_command(&van).to_string(),
        "elsewhere".to_owned(),
    ] {
        assert_eq!(first.say(&forbidden, air(&other, 0, 10)).await, PubAckReason::NotAuthorized, "{forbidden}");
    }
    // Its connection still stands after so many refusals, which 2.0.11 breaks with an unlimited queue.
    assert_eq!(first.say(&topic(&van), air(&van, 10, 10)).await, PubAckReason::Success);
    first.told(20).await;

    // A box that asks for the worker's id does not get it: the broker calls it by its certificate. The worker stays.
    let connections = status.borrow().connections;
    let mut thief = Client::connect(
        broker.port,
        "ingest-00-63",
        transport(&authority.issue("van-02")),
        vec!["tournee/v1/+/+/up/#".to_owned()],
    );
    thief.is_connected().await;
    assert_eq!(first.say(&topic(&van), air(&van, 20, 10)).await, PubAckReason::Success);
    first.told(30).await;
    assert_eq!(thief.heard.load(Ordering::SeqCst), 0, "nobody but the workers reads what boxes send");
    assert_eq!(status.borrow_and_update().connections, connections);

    // No certificate, and one of an authority that nobody knows.
    let stranger = Authority::new(dir.path(), "stranger").issue("van-03");
    let with_the_right_ca = TlsFiles { ca: files.ca.clone(), ..stranger };
    let plain = TlsConfiguration::Simple { ca: std::fs::read(&files.ca).unwrap(), alpn: None, client_auth: None };
    for transport in [transport(&with_the_right_ca), Transport::tls_with_config(plain), Transport::tcp()] {
        let mut options = MqttOptions::new("van-03", ("127.0.0.1", broker.port));
        options.set_transport(transport);
        let (_client, mut eventloop) = AsyncClient::builder(options).capacity(10).build();
        let greeted = tokio::time::timeout(WITHIN, eventloop.poll()).await;
        assert!(matches!(greeted, Ok(Err(_)) | Err(_)), "{greeted:?}");
    }

    stop.cancel();
    let report = tokio::time::timeout(WITHIN, task).await.unwrap().unwrap().unwrap();
    assert_eq!((report.status.totals.stored, report.status.totals.refused_messages), (30, 0));
    assert!(check::check(&lake).await.unwrap().total.holds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_messages_wait_for_a_worker_through_restarts() {
    const MESSAGES: u64 = 6_000;
    const ROWS: u64 = 3;
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path(), "fleet");
    let mut broker = Broker::start(dir.path(), &authority);
    let lake = dir.path().join("lake");
    let ingest = authority.issue("ingest-00-63");
    let van = BoxId::new("van-01").unwrap();
    let topic = Topic::up(&van, Stream::Air).to_string();
    let own_acks = vec![Topic::down_ack(&van).to_string()];
    let mut vehicle = Client::connect(broker.port, "van-01", transport(&authority.issue("van-01")), own_acks);
    vehicle.is_connected().await;

    // A worker that never commits by itself: everything stays unacknowledged, and then it is gone without a word.
    let (task, _stop, mut status) = worker(broker.port, &lake, &ingest, Duration::from_secs(3_600)).await;
    for message in 0..MESSAGES / 2 {
        let payload = air(&van, message * ROWS, ROWS);
        vehicle.client.publish(topic.as_str(), payload, PublishOptions::at_least_once()).await.unwrap();
    }
    let held = status.wait_for(|it| it.measured.messages >= MESSAGES / 2 || it.pending_messages > 2_000);
    drop(tokio::time::timeout(Duration::from_secs(5), held).await);
    task.abort();
    drop(task.await);

    // The rest comes while nobody is there: more than the default queue of 1,000 holds.
    for message in MESSAGES / 2..MESSAGES - 1 {
        let payload = air(&van, message * ROWS, ROWS);
        vehicle.client.publish(topic.as_str(), payload, PublishOptions::at_least_once()).await.unwrap();
    }
    // Answered after all others: they are in the broker's queue.
    let last = air(&van, (MESSAGES - 1) * ROWS, ROWS);
    assert_eq!(vehicle.say(&topic, last).await, PubAckReason::Success);
    broker.restart();

    let (task, stop, mut status) = worker(broker.port, &lake, &ingest, Duration::from_millis(500)).await;
    // The broker kept nearly all. Not all, always: 2.0.11 was seen to lose six of six thousand that it had acknowledged, those
    // on the way when the worker vanished. A vehicle relies on its watermark, and sends again what that does not cover.
    let most = status.wait_for(|it| it.totals.stored >= MESSAGES * ROWS * 9 / 10);
    let most = tokio::time::timeout(WITHIN, most).await.is_ok();
    assert!(most, "{:?}\n{}", status.borrow(), broker.process.as_ref().unwrap().output());
    let all = status.wait_for(|it| it.totals.stored >= MESSAGES * ROWS);
    drop(tokio::time::timeout(Duration::from_secs(3), all).await);
    println!("kept by the broker: {} of {} rows", status.borrow().totals.stored, MESSAGES * ROWS);
    for _ in 0..20 {
        if tokio::time::timeout(Duration::from_secs(3), vehicle.next_seq.wait_for(|it| *it == MESSAGES * ROWS))
            .await
            .is_ok()
        {
            break;
        }
        let watermark = *vehicle.next_seq.borrow();
        for message in watermark / ROWS..MESSAGES {
            let payload = air(&van, message * ROWS, ROWS);
            vehicle.client.publish(topic.as_str(), payload, PublishOptions::at_least_once()).await.unwrap();
        }
    }
    vehicle.told(MESSAGES * ROWS).await;
    stop.cancel();
    let report = tokio::time::timeout(WITHIN, task).await.unwrap().unwrap().unwrap();
    assert_eq!(report.status.totals.stored, MESSAGES * ROWS);
    let found = check::check(&lake).await.unwrap();
    assert!(found.total.holds());
    assert_eq!((found.total.stored, found.total.duplicates), (MESSAGES * ROWS, 0));
}
