//! The whole agent between a pseudo-terminal and Debian's Mosquitto, with a small lake that plays ingest. The broker is
//! killed in mid-drive and comes back without its memory; the lake stays silent for a while. Nothing may be missing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::{AgentConfig, AgentReport, AgentStatus, RunOptions, run};
use tournee_link::{Climate, Gnss, Header, MAX_FRAME_BYTES, Message, PROTO, Pm, encode};
use tournee_payload::{Ack, AckMessage, StateMessage, Status, Stream, Topic, decode};

struct Mosquitto {
    child: Child,
    port: u16,
    config: PathBuf,
}

impl Mosquitto {
    fn start(dir: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = dir.join("mosquitto.conf");
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\n\
             max_queued_messages 1000000\n"
        );
        std::fs::write(&config, text).unwrap();
        let child = Self::spawn(&config)?;
        let broker = Self { child, port, config };
        broker.wait();
        Some(broker)
    }

    fn spawn(config: &Path) -> Option<Child> {
        let _alone = FORK.lock().unwrap();
        for program in ["mosquitto", "/usr/sbin/mosquitto"] {
            let started =
                Command::new(program).arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            if let Ok(child) = started {
                return Some(child);
            }
        }
        println!("SKIPPED: mosquitto is not installed (apt-get install mosquitto)");
        None
    }

    fn wait(&self) {
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(since.elapsed() < Duration::from_secs(10), "mosquitto does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::spawn(&self.config).unwrap();
        self.wait();
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A child that is forked while a pseudo-terminal is not yet close-on-exec would keep its line open for ever.
static FORK: std::sync::Mutex<()> = std::sync::Mutex::new(());

type Rows = BTreeMap<(u64, Stream), BTreeSet<u64>>;

/// What goes wrong between broker and lake.
#[derive(Clone, Copy, Default)]
struct Trouble {
    /// So many batches vanish after their PUBACK, as in a broker that lost its memory.
    lost: usize,
    /// The lake says nothing before so many batches.
    deaf: usize,
    /// The broker is killed in mid-drive and restarted.
    kill_broker: bool,
}

/// Plays ingest: keeps what it gets, answers with watermarks.
async fn lake(port: u16, trouble: Trouble, rows: watch::Sender<Rows>, stop: CancellationToken) -> usize {
    let mut batches = 0;
    while !stop.is_cancelled() {
        let mut options = MqttOptions::new("ingest-0", ("127.0.0.1", port));
        options.set_clean_start(true).set_outgoing_inflight_upper_limit(16).set_max_packet_size(Some(262_144));
        let (client, mut events) = AsyncClient::builder(options).capacity(1_000).build();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return batches,
                event = events.poll() => event,
            };
            let publish = match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    client.subscribe("tournee/v1/+/+/up/+", QoS::AtLeastOnce).await.unwrap();
                    continue;
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => publish,
                Ok(_) => continue,
                Err(_) => break,
            };
            let batch = decode(&publish.payload).unwrap();
            let topic = Topic::parse(std::str::from_utf8(&publish.topic).unwrap()).unwrap();
            assert_eq!(topic, Topic::up(&batch.box_id, batch.stream));
            batches += 1;
            if batches <= trouble.lost {
                continue;
            }
            rows.send_modify(|rows| {
                let end = batch.first_seq + batch.samples.len() as u64;
                rows.entry((batch.epoch, batch.stream)).or_default().extend(batch.first_seq..end);
            });
            if batches < trouble.deaf {
                continue;
            }
            let acks = rows
                .borrow()
                .iter()
                .map(|((epoch, stream), seqs)| Ack {
                    stream: *stream,
                    epoch: *epoch,
                    next_seq: (0..).find(|seq| !seqs.contains(seq)).unwrap(),
                    table_version: 1,
                })
                .collect();
            let message = AckMessage { box_id: batch.box_id.clone(), acks }.encode();
            let options = PublishOptions::new(QoS::AtLeastOnce).retain(true);
            client.publish(Topic::down_ack(&batch.box_id).to_string(), message, options).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    batches
}

/// A pseudo-terminal: the end that the box writes to, and the path that the agent opens.
fn serial_line() -> (std::fs::File, PathBuf, std::os::fd::OwnedFd) {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
    let _alone = FORK.lock().unwrap();
    let pair = nix::pty::openpty(None, None).unwrap();
    for end in [&pair.master, &pair.slave] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    }
    let mut termios = tcgetattr(&pair.slave).unwrap();
    cfmakeraw(&mut termios);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &termios).unwrap();
    let path = nix::unistd::ttyname(&pair.slave).unwrap();
    (std::fs::File::from(pair.master), path, pair.slave)
}

/// One second of a drive northwards at 8 m/s.
fn second(t: u64, seq: &mut u32) -> Vec<u8> {
    let gnss = Gnss {
        utc_us: 1_768_000_000_000_000 + t as i64 * 1_000_000,
        fix: 3,
        sats: 12,
        hdop_centi: 90,
        lat_e7: 476_500_000 + t as i32 * 719,
        lon_e7: -20_800_000,
        h_acc_mm: 2_000,
        speed_mmps: 8_000,
        heading_cdeg: 0,
    };
    let pm = Pm { status: 0, pm1_dugm3: 50, pm25_dugm3: 80 + (t % 7) as u16, pm10_dugm3: 120 };
    let climate = Climate { status: 0, temp_cdegc: 500, rh_cpct: 7_000, pressure_pa: 101_300 };
    let mut bytes = Vec::new();
    for message in [Message::Gnss(gnss), Message::Pm(pm), Message::Climate(climate)] {
        let header = Header { proto: PROTO, boot_id: 77, seq: *seq, tick_us: 5_000_000 + t * 1_000_000 };
        let mut out = [0; MAX_FRAME_BYTES];
        let len = encode(&header, &message, &mut out).unwrap();
        bytes.extend(&out[..len]);
        *seq += 1;
    }
    bytes
}

/// Writes a drive, calls `at_half` in the middle, waits until the agent has read all, closes the line.
fn drive(seconds: u64, mut at_half: impl FnMut(), master: std::fs::File, slave: std::os::fd::OwnedFd) {
    let mut master = master;
    let mut seq = 0;
    for t in 0..seconds {
        if t == seconds / 2 {
            at_half();
        }
        master.write_all(&second(t, &mut seq)).unwrap();
    }
    loop {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;
        let mut fds = [PollFd::new(slave.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::ZERO).unwrap() == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn check(report: &AgentReport, rows: &Rows) {
    assert_eq!(report.pending, 0, "{report:?}");
    assert_eq!(report.gaps, 0);
    for (stream, generated) in &report.generated {
        let got = rows.get(&(report.epoch, *stream)).map_or(0, |seqs| seqs.len() as u64);
        assert_eq!(got, *generated, "{}", stream.name());
        assert_eq!(report.acknowledged[stream], *generated, "{}", stream.name());
    }
    assert!(report.generated[&Stream::Track] > 500 && report.generated[&Stream::Air] > 500, "{report:?}");
    assert_eq!((report.line.frames_bad, report.line.frames_lost, report.refused_messages), (0, 0, 0));
}

fn config(dir: &Path, port: u16, serial: &Path) -> AgentConfig {
    let mut config = AgentConfig::new("van-01", serial, &dir.join("spool.db")).unwrap();
    config.mqtt.port = port;
    config.mqtt.watermark_timeout_s = 1;
    config.mqtt.keep_alive_s = 5;
    config.spool.commit_interval_ms = 50;
    config
}

async fn whole(trouble: Trouble) {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Mosquitto::start(dir.path()) else { return };
    let stop = CancellationToken::new();
    let (rows_sender, rows) = watch::channel(Rows::new());
    let lake = tokio::spawn(lake(broker.port, trouble, rows_sender, stop.clone()));
    let (master, path, slave) = serial_line();
    let config = config(dir.path(), broker.port, &path);
    let (status_sender, status) = watch::channel(AgentStatus::default());
    let options = RunOptions { finish_on_eof: true, epoch_seed: Some(7) };
    let agent = tokio::spawn(run(config, options, CancellationToken::new(), status_sender));
    let port = broker.port;
    let driver = tokio::task::spawn_blocking(move || {
        drive(
            900,
            || {
                if trouble.kill_broker {
                    broker.kill_and_restart()
                }
            },
            master,
            slave,
        );
        broker
    });
    let _broker = driver.await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(15), agent).await;
    let report = ended.unwrap_or_else(|_| panic!("the agent does not end: {:?}", status.borrow())).unwrap().unwrap();
    stop.cancel();
    let batches = lake.await.unwrap();
    check(&report, &rows.borrow());
    println!("{batches} batches reached the lake, {} published", report.published_batches);
    if trouble.lost + trouble.deaf > 0 {
        assert!(report.published_batches > 42, "the trouble was real: something was sent again");
    }
    let last = status.borrow().clone();
    assert_eq!(last.generated_total(), report.generated_samples());
    assert_eq!(last.acknowledged_total(), report.generated_samples());
    assert_eq!(state_of(port, &report).await.status, Status::Stopped, "it said goodbye");
}

/// The retained state of the box.
async fn state_of(port: u16, report: &AgentReport) -> StateMessage {
    let (client, mut events) =
        AsyncClient::builder(MqttOptions::new("looker", ("127.0.0.1", port))).capacity(10).build();
    client.subscribe(Topic::state(&report.box_id).to_string(), QoS::AtLeastOnce).await.unwrap();
    loop {
        if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
            return StateMessage::decode(&publish.payload).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_arrives_whole() {
    whole(Trouble::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_arrives_whole_though_the_broker_dies() {
    whole(Trouble { lost: 5, kill_broker: true, ..Trouble::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_arrives_whole_though_the_lake_is_silent_at_first() {
    whole(Trouble { deaf: 60, ..Trouble::default() }).await;
}

/// Stopped in mid-drive without any broker, started again with one: what was read arrives, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_offline_is_delivered_by_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path()) else { return };
    let (master, path, slave) = serial_line();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let first = config(dir.path(), nobody, &path);
    let agent =
        tokio::spawn(run(first, RunOptions::default(), shutdown.clone(), watch::channel(AgentStatus::default()).0));
    let keep = slave.try_clone().unwrap();
    tokio::task::spawn_blocking(move || drive(900, || {}, master, slave)).await.unwrap();
    shutdown.cancel();
    let offline = tokio::time::timeout(Duration::from_secs(20), agent).await.expect("it stops").unwrap().unwrap();
    drop(keep);
    assert_eq!(offline.pending, offline.generated_samples());
    assert!(offline.pending > 1_000);

    let stop = CancellationToken::new();
    let (rows_sender, rows) = watch::channel(Rows::new());
    let lake = tokio::spawn(lake(broker.port, Trouble::default(), rows_sender, stop.clone()));
    let (master, path, slave) = serial_line();
    let options = RunOptions { finish_on_eof: true, epoch_seed: None };
    let agent = tokio::spawn(run(
        config(dir.path(), broker.port, &path),
        options,
        CancellationToken::new(),
        watch::channel(AgentStatus::default()).0,
    ));
    // Nothing more is driven; the line opens and closes.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop((master, slave));
    let report = tokio::time::timeout(Duration::from_secs(60), agent).await.expect("the agent ends").unwrap().unwrap();
    stop.cancel();
    lake.await.unwrap();
    assert_eq!((report.epoch, report.generated_samples()), (offline.epoch, offline.generated_samples()));
    assert_eq!(report.pending, 0);
    for (stream, generated) in &report.generated {
        assert_eq!(
            rows.borrow().get(&(report.epoch, *stream)).map_or(0, |seqs| seqs.len() as u64),
            *generated,
            "{}",
            stream.name()
        );
    }
}

/// A disk image is put back after the vehicle drove on: the sequence numbers that the old copy would give are taken, and a
/// lake would take their samples for repetitions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_spool_begins_a_new_epoch_and_nothing_is_swallowed() {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path()) else { return };
    let stop = CancellationToken::new();
    let (rows_sender, rows) = watch::channel(Rows::new());
    let lake = tokio::spawn(lake(broker.port, Trouble::default(), rows_sender, stop.clone()));
    let run_once = || async {
        let (master, path, slave) = serial_line();
        let options = RunOptions { finish_on_eof: true, epoch_seed: Some(7) };
        let config = config(dir.path(), broker.port, &path);
        let (status, seen) = watch::channel(AgentStatus::default());
        let agent = tokio::spawn(run(config, options, CancellationToken::new(), status));
        tokio::task::spawn_blocking(move || drive(600, || {}, master, slave)).await.unwrap();
        let report = tokio::time::timeout(Duration::from_secs(60), agent).await.expect("it ends").unwrap().unwrap();
        (report, seen.borrow().clone())
    };
    let (spool, image) = (dir.path().join("spool.db"), dir.path().join("image.db"));
    let (first, _) = run_once().await;
    std::fs::copy(&spool, &image).unwrap();
    let (second, _) = run_once().await;
    assert_eq!(second.epoch, first.epoch);
    assert!(second.generated_samples() > first.generated_samples() + 500);
    let before = rows.borrow().clone();
    std::fs::copy(&image, &spool).unwrap();

    let (third, status) = run_once().await;
    stop.cancel();
    lake.await.unwrap();
    assert_ne!(third.epoch, first.epoch);
    assert_eq!((third.old_copies, third.pending, third.gaps), (1, 0, 0));
    assert_eq!((status.old_copies, status.set_aside_samples), (1, third.set_aside_samples));
    assert!(third.generated_samples() + third.set_aside_samples > 500);
    let config = tournee_spool::SpoolConfig::new(third.box_id.clone(), 1 << 30);
    let (aside, _) = tournee_spool::Spool::open(third.set_aside.as_ref().unwrap(), config, 1).unwrap();
    assert_eq!((aside.epoch(), aside.pending_total().samples), (first.epoch, third.set_aside_samples));
    let rows = rows.borrow();
    for (stream, generated) in &third.generated {
        let got = rows.get(&(third.epoch, *stream)).map_or(0, |seqs| seqs.len() as u64);
        assert_eq!((got, third.acknowledged[stream]), (*generated, *generated), "{}", stream.name());
        let old = (first.epoch, *stream);
        assert_eq!(rows.get(&old), before.get(&old), "nothing goes out under the old epoch");
    }
}
