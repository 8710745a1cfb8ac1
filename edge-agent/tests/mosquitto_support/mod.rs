//! Debian's Mosquitto, a small lake that plays ingest, a pseudo-terminal and a drive, for the tests beside this folder.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS, TlsConfiguration, Transport};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::{AgentConfig, AgentReport};
use tournee_link::{Climate, Gnss, Header, MAX_FRAME_BYTES, Message, PROTO, Pm, encode};
use tournee_payload::{Ack, AckMessage, BoxId, StateReport, Stream, Topic, decode};

/// PEM files: authority, certificate, key.
#[derive(Clone, Debug)]
pub struct Files {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// How a broker is reached.
#[derive(Clone, Debug)]
pub struct Way {
    pub port: u16,
    pub tls: Option<Files>,
}

impl Way {
    pub fn options(&self, id: &str) -> MqttOptions {
        let mut options = MqttOptions::new(id, ("127.0.0.1", self.port));
        if let Some(files) = &self.tls {
            let read = |path: &Path| std::fs::read(path).unwrap();
            options.set_transport(Transport::tls_with_config(TlsConfiguration::Simple {
                ca: read(&files.ca),
                alpn: None,
                client_auth: Some((read(&files.certificate), read(&files.key))),
            }));
        }
        options
    }
}

pub struct Mosquitto {
    pub child: Child,
    pub way: Way,
    pub config: PathBuf,
}

impl Mosquitto {
    /// Plain text on this machine.
    pub fn start(dir: &Path) -> Option<Self> {
        Self::start_with(dir, "allow_anonymous true\n", None)
    }

    /// `more` lines of its configuration; the files with which it is reached.
    pub fn start_with(dir: &Path, more: &str, tls: Option<Files>) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = dir.join("mosquitto.conf");
        // As root it would become a user who may not read the test's folder.
        let text = format!(
            "user root\nlistener {port} 127.0.0.1\npersistence false\nmax_inflight_messages 0\n\
             max_queued_messages 1000000\n{more}"
        );
        std::fs::write(&config, text).unwrap();
        let child = Self::spawn(&config)?;
        let broker = Self { child, way: Way { port, tls }, config };
        broker.wait();
        Some(broker)
    }

    pub fn spawn(config: &Path) -> Option<Child> {
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

    pub fn wait(&self) {
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.way.port)).is_err() {
            assert!(since.elapsed() < Duration::from_secs(10), "mosquitto does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn kill_and_restart(&mut self) {
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
pub static FORK: std::sync::Mutex<()> = std::sync::Mutex::new(());

pub type Rows = BTreeMap<(u64, Stream), BTreeSet<u64>>;

/// What goes wrong between broker and lake.
#[derive(Clone, Copy, Default)]
pub struct Trouble {
    /// So many batches vanish after their PUBACK, as in a broker that lost its memory.
    pub lost: usize,
    /// The lake says nothing before so many batches.
    pub deaf: usize,
    /// The broker is killed in mid-drive and restarted.
    pub kill_broker: bool,
    /// So many watermarks are held back, then sent newest first.
    pub reorder: usize,
    /// In mid-drive somebody else connects under the box's name, and the broker throws the box out.
    pub thief: bool,
}

/// Plays ingest: keeps what it gets, answers with watermarks.
pub async fn lake(way: Way, trouble: Trouble, rows: watch::Sender<Rows>, stop: CancellationToken) -> usize {
    let mut batches = 0;
    let mut held = Vec::new();
    while !stop.is_cancelled() {
        let mut options = way.options("ingest");
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
            held.push(message);
            if held.len() <= trouble.reorder {
                continue;
            }
            let options = PublishOptions::new(QoS::AtLeastOnce).retain(true);
            while let Some(message) = held.pop() {
                client.publish(Topic::down_ack(&batch.box_id).to_string(), message, options.clone()).await.unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    batches
}

/// A pseudo-terminal: the end that the box writes to, and the path that the agent opens.
pub fn serial_line() -> (std::fs::File, PathBuf, std::os::fd::OwnedFd) {
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
pub fn second(t: u64, seq: &mut u32) -> Vec<u8> {
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
pub fn drive(seconds: u64, mut at_half: impl FnMut(), master: std::fs::File, slave: std::os::fd::OwnedFd) {
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

pub fn check(report: &AgentReport, rows: &Rows) {
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

pub fn config(dir: &Path, way: &Way, serial: &Path) -> AgentConfig {
    let mut config = AgentConfig::new("van-01", serial, &dir.join("spool.db")).unwrap();
    config.mqtt.port = way.port;
    config.mqtt.reconnect_most_s = 1;
    config.mqtt.watermark_timeout_s = 1;
    config.mqtt.keep_alive_s = 5;
    config.spool.commit_interval_ms = 50;
    config
}

/// The retained state of the box.
pub async fn state_of(way: &Way, box_id: &BoxId) -> StateReport {
    let (client, mut events) = AsyncClient::builder(way.options("looker")).capacity(10).build();
    client.subscribe(Topic::state(box_id).to_string(), QoS::AtLeastOnce).await.unwrap();
    loop {
        if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
            return StateReport::decode(&publish.payload).unwrap();
        }
    }
}
