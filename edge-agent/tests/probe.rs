//! The service probe of a running agent against a real name server and a real web server on this machine.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod modem_port;
mod status_box;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use modem_port::{Agent, Answer, PortModem, wait_until};
use status_box::{FakeBox, Habits, configuration, free_port, output, text};
use tournee_edge_agent::ProbeStatus;
use tournee_features::mobile::probe::{Host, Ledger, Probe, ProbeConfig};
use tournee_features::{flags, ids};
use tournee_payload::{Sample, Stream, field};

/// What the network does.
#[derive(Clone, Copy, PartialEq)]
enum Net {
    Well,
    /// Not until the second question.
    FirstQuestionLost,
    NameServerSilent,
    NoSuchName,
    Refused,
    /// Nobody takes the connection, nobody refuses it.
    NoConnection,
    /// A portal of the hotel.
    Portal,
    NotHttp,
    /// It accepts and never answers.
    Slow,
    EndsEarly,
}

/// Name server and web server, until dropped.
struct Servers {
    dns: SocketAddr,
    web: SocketAddr,
    stop: Arc<AtomicBool>,
    questions: Arc<AtomicU64>,
    /// Payload bytes of both, in both directions.
    bytes: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<()>>,
    _full: Option<(tokio::net::TcpListener, Vec<std::net::TcpStream>)>,
}

/// A listener that accepts nothing, and the connections that fill its queue.
fn full_listener() -> (tokio::net::TcpListener, Vec<std::net::TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut connections = Vec::new();
    while let Ok(one) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        connections.push(one);
        assert!(connections.len() < 100, "the queue does not fill");
    }
    (listener, connections)
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Servers {
    fn start(net: Net) -> Self {
        let dns = UdpSocket::bind("127.0.0.1:0").unwrap();
        dns.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let web = TcpListener::bind("127.0.0.1:0").unwrap();
        web.set_nonblocking(true).unwrap();
        let (stop, questions, bytes) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (dns_address, web_address) = (dns.local_addr().unwrap(), web.local_addr().unwrap());
        let mut threads = Vec::new();
        let (told, asked, sum) = (Arc::clone(&stop), Arc::clone(&questions), Arc::clone(&bytes));
        threads.push(std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while !told.load(Ordering::Relaxed) {
                let Ok((count, from)) = dns.recv_from(&mut buffer) else { continue };
                sum.fetch_add(count as u64, Ordering::Relaxed);
                let number = asked.fetch_add(1, Ordering::Relaxed);
                if net == Net::NameServerSilent || (net == Net::FirstQuestionLost && number == 0) {
                    continue;
                }
                let reply = reply(&buffer[..count], net);
                sum.fetch_add(reply.len() as u64, Ordering::Relaxed);
                dns.send_to(&reply, from).unwrap();
            }
        }));
        // The port of a listener that is gone refuses; one whose queue is full drops what asks.
        let (web, web_address, full) = match net {
            Net::Refused => (None, web_address, None),
            Net::NoConnection => {
                let full = full_listener();
                (None, full.0.local_addr().unwrap(), Some(full))
            }
            _ => (Some(web), web_address, None),
        };
        let (told, sum) = (Arc::clone(&stop), Arc::clone(&bytes));
        threads.push(std::thread::spawn(move || {
            while let Some(web) = web.as_ref().filter(|_| !told.load(Ordering::Relaxed)) {
                match web.accept() {
                    Ok((stream, _)) => serve(stream, net, &sum),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        }));
        Self { dns: dns_address, web: web_address, stop, questions, bytes, threads, _full: full }
    }

    fn toml(&self, more: &str) -> String {
        let (dns, port) = (self.dns, self.web.port());
        format!(
            "[probe]\nhost = \"probe.example.org\"\nport = {port}\npath = \"/gen\"\nname_server = \"{dns}\"\n\
             interval_s = 10\ndistance_m = 0\ndns_ms = 2000\nconnect_ms = 4000\nresponse_ms = 1500\n{more}"
        )
    }

    fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }
}

/// An answer by RFC 1035: the question again, and the address of this machine.
fn reply(query: &[u8], net: Net) -> Vec<u8> {
    let mut reply = query.to_vec();
    reply[2] = 0x81;
    reply[3] = 0x80;
    if net == Net::NoSuchName {
        reply[3] |= 3;
    } else {
        reply[7] = 1;
        reply.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    reply
}

fn serve(mut stream: std::net::TcpStream, net: Net, sum: &AtomicU64) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 256];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => request.extend(&buffer[..count]),
            _ => return,
        }
    }
    assert!(request.starts_with(b"GET /gen HTTP/1.1\r\nHost: probe.example.org\r\n"));
    sum.fetch_add(request.len() as u64, Ordering::Relaxed);
    let answer: &[u8] = match net {
        Net::Portal => b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n",
        Net::NotHttp => b"SSH-2.0-x\r\n",
        Net::EndsEarly => b"HTTP/1.1 204",
        Net::Slow => {
            // Until the other side has had enough.
            let _ = stream.read(&mut buffer);
            return;
        }
        _ => b"HTTP/1.1 204 No Content\r\nServer: test\r\n\r\n",
    };
    sum.fetch_add(answer.len() as u64, Ordering::Relaxed);
    let _ = stream.write_all(answer);
}

/// One agent, one probe: how it is told of, and the row that carries it.
async fn one(net: Net, more: &str) -> (ProbeStatus, Sample, u64) {
    let dir = tempfile::tempdir().unwrap();
    let the_box = FakeBox::start(Habits::default());
    let servers = Servers::start(net);
    let mut agent = Agent::start(&configuration(dir.path(), &the_box.path, free_port(), &servers.toml(more)));
    let status = agent.until("a probe", |status| status.probe.last.is_some()).await.probe;
    let bytes = servers.bytes.load(Ordering::Relaxed);
    // Without a modem no poll carries it: a row of its own within five seconds of the box.
    agent.until("its row", |status| status.generated.contains_key(&Stream::Mobile)).await;
    let rows = agent.rows(Stream::Mobile).await;
    assert!(rows.iter().all(|row| row.get(ids::mobile::PROBE).is_some() && row.get(field::T_US).is_some()));
    (status, rows[0].clone(), bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_network_gives_its_times_and_costs_what_it_says() {
    let (status, row, bytes) = one(Net::Well, "interface = \"lo\"\nbind = \"127.0.0.1\"\n").await;
    assert_eq!((status.successes, status.failures, status.last_words().as_str()), (1, 0, "success"));
    let result = status.last.unwrap();
    assert_eq!(row.get(ids::mobile::PROBE), Some(1));
    let ms = |us: Option<i64>| us.map(|us| (us + 500) / 1_000);
    let times = [ids::mobile::PROBE_DNS, ids::mobile::PROBE_CONNECT, ids::mobile::PROBE_RESPONSE];
    assert_eq!(times.map(|id| row.get(id)), [ms(result.dns_us), ms(result.connect_us), ms(result.response_us)]);
    assert!(times.iter().all(|id| row.get(*id).is_some()));
    // Never less than what went over the wire.
    assert!((bytes..4_000).contains(&result.bytes), "{} of {bytes}", result.bytes);
    assert_eq!(row.get(ids::mobile::PROBE_BYTES), Some(result.bytes as i64));
    assert!(row.get(field::LAT_DEG).is_some(), "where it ended");
    let (status, ..) = one(Net::FirstQuestionLost, "").await;
    assert_eq!(status.last_words(), "success");
    assert!(status.last.unwrap().dns_us > Some(900_000), "asked again after half of the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_has_its_code() {
    let cases = [
        (Net::NameServerSilent, "", 3),
        (Net::NoSuchName, "", 4),
        (Net::Refused, "", 5),
        (Net::Well, "interface = \"not-there0\"\n", 5),
        (Net::Well, "bind = \"192.0.2.77\"\n", 5),
        (Net::NoConnection, "", 6),
        (Net::EndsEarly, "", 7),
        (Net::Slow, "", 8),
        (Net::NotHttp, "", 9),
        (Net::Portal, "", 10),
    ];
    let found = futures::future::join_all(cases.map(|(net, more, _)| one(net, more))).await;
    for ((.., code), (status, row, bytes)) in cases.into_iter().zip(found) {
        assert_eq!(row.get(ids::mobile::PROBE), Some(code), "{status:?}");
        assert_eq!((status.successes, status.failures), (0, 1), "{status:?}");
        assert!(status.ledger.spent_bytes >= bytes, "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_service_nothing_is_sent_and_with_it_the_row_of_a_poll_carries_the_result() {
    let dir = tempfile::tempdir().unwrap();
    let the_box = FakeBox::start(Habits::default());
    let servers = Servers::start(Net::Well);
    let service = Arc::new(AtomicBool::new(false));
    let is_there = Arc::clone(&service);
    let answer: Answer = Box::new(move |command| {
        let cell = if is_there.load(Ordering::Relaxed) {
            r#""NOCONN","LTE","FDD",208,01,7676A09,188,6300,20,3,3,603,-104,-9,-78,11,23"#
        } else {
            "\"SEARCH\""
        };
        let text = match command {
            "" => return Vec::new(),
            "AT+CPIN?" => "\r\n+CPIN: READY\r\n\r\nOK\r\n".to_owned(),
            "AT+QENG=\"servingcell\"" => format!("\r\n+QENG: \"servingcell\",{cell}\r\n\r\nOK\r\n"),
            other if other.contains('?') || other == "AT+CSQ" || other == "AT+CESQ" => "\r\nERROR\r\n".to_owned(),
            _ => "\r\nOK\r\n".to_owned(),
        };
        text.into_bytes()
    });
    let modem = PortModem::start(answer);
    // The first probe comes with the box, maybe before the modem has said anything.
    let more = format!("{}[modem]\npath = {:?}\n", servers.toml(""), modem.path);
    let mut agent = Agent::start(&configuration(dir.path(), &the_box.path, free_port(), &more));
    let status = agent.until("no service", |status| status.probe.last_words() == "no service").await.probe;
    assert_eq!(status.last.unwrap().bytes, 0);
    let questions = servers.questions();
    assert!(questions <= 1);
    service.store(true, Ordering::Relaxed);
    let successes = status.successes;
    agent.until("service", |status| status.probe.successes > successes).await;
    let rows = agent.modem().port.counters.rounds + 3;
    agent.until("a row after it", |status| status.modem.port.counters.rounds >= rows).await;
    assert_eq!(servers.questions(), questions + 1);
    let rows = agent.rows(Stream::Mobile).await;
    let with = |code: i64| rows.iter().filter(move |row| row.get(ids::mobile::PROBE) == Some(code));
    let none = with(2).next().unwrap();
    assert_eq!((none.get(ids::mobile::REGISTERED), none.get(ids::mobile::PROBE_BYTES)), (Some(0), Some(0)));
    assert_ne!(none.get(ids::FLAGS).unwrap() & i64::from(flags::MOBILE_NO_SERVICE), 0);
    let well = with(1).next_back().unwrap();
    assert_eq!((well.get(ids::mobile::RSRP), well.get(ids::mobile::REGISTERED)), (Some(-1040), Some(1)));
}

/// The budget of a day that one probe fits into.
fn one_probe_bytes(path: &str) -> u64 {
    let mut config = ProbeConfig::new(Host::new("probe.example.org").unwrap());
    config.path = path.to_owned();
    Probe::new(config, Ledger::default()).unwrap().reserve_bytes()
}

fn spent_on_disk(spool: &Path) -> u64 {
    let text = std::fs::read_to_string(spool.with_file_name("spool.db.probe")).unwrap();
    text.split(' ').nth(3).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_of_a_day_is_kept_over_a_restart_and_over_damage() {
    let dir = tempfile::tempdir().unwrap();
    let the_box = FakeBox::start(Habits::default());
    let servers = Servers::start(Net::Well);
    let most = one_probe_bytes("/gen");
    let more = servers.toml(&format!("bytes_per_day = {most}\n"));
    let config = configuration(dir.path(), &the_box.path, free_port(), &more);
    let spool = dir.path().join("spool.db");
    let mut agent = Agent::start(&config);
    let status = agent.until("the second is not made", |status| status.probe.without_budget >= 1).await.probe;
    assert_eq!((status.successes, status.failures, servers.questions()), (1, 0, 1));
    assert_eq!(agent.rows(Stream::Mobile).await.len(), 1);
    let spent = spent_on_disk(&spool);
    assert_eq!(spent, status.ledger.spent_bytes);
    // Another process on the same day.
    let mut agent = Agent::start(&config);
    let status = agent.until("none is made", |status| status.probe.without_budget >= 1).await.probe;
    assert_eq!((status.last, status.ledger.spent_bytes, servers.questions()), (None, spent, 1));
    agent.rows(Stream::Mobile).await;
    // Torn: the day counts as spent, also with a budget for many.
    let file = dir.path().join("spool.db.probe");
    let text = std::fs::read(&file).unwrap();
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    let large = std::fs::read_to_string(&config).unwrap().replace(&format!("= {most}\n"), "= 1000000\n");
    std::fs::write(&config, large).unwrap();
    let mut agent = Agent::start(&config);
    let status = agent.until("none is made", |status| status.probe.without_budget >= 1).await.probe;
    assert!(status.ledger_was_damaged && status.last.is_none() && servers.questions() == 1, "{status:?}");
    agent.rows(Stream::Mobile).await;
    assert!(dir.path().join("spool.db.probe.damaged").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_probe_may_cost_is_on_the_disk_before_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let the_box = FakeBox::start(Habits::default());
    let servers = Servers::start(Net::NameServerSilent);
    let config = configuration(dir.path(), &the_box.path, free_port(), &servers.toml("").replace("2000", "60000"));
    let spool = dir.path().join("spool.db");
    let agent = Agent::start(&config);
    wait_until("the question is out", || servers.questions() > 0).await;
    // A kill now costs the budget one whole probe.
    let most = one_probe_bytes("/gen");
    assert!(spent_on_disk(&spool) >= most);
    agent.rows(Stream::Mobile).await;
    // A clean stop costs what was sent.
    assert!((1..most).contains(&spent_on_disk(&spool)));
    // A folder that takes no file: no probe, and it is told.
    let asked = servers.questions();
    std::fs::create_dir(dir.path().join("spool.db.probe.new")).unwrap();
    let mut agent = Agent::start(&config);
    let status = agent.until("given up", |status| status.probe.abandoned >= 1).await.probe;
    assert_eq!((status.last, servers.questions()), (None, asked));
    agent.rows(Stream::Mobile).await;
}

#[test]
fn the_installer_sees_modem_and_probe_and_their_keys_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let the_box = FakeBox::start(Habits::default());
    let servers = Servers::start(Net::Well);
    let answer: Answer = Box::new(|command| {
        let text = match command {
            "" => "",
            "AT+CPIN?" => "\r\n+CPIN: READY\r\n\r\nOK\r\n",
            "AT+CESQ" => "\r\n+CESQ: 99,99,255,255,20,40\r\n\r\nOK\r\n",
            "AT+CEREG?" => "\r\n+CEREG: 2,1,\"0603\",\"07676A09\",7\r\n\r\nOK\r\n",
            other if other.contains('?') || other.contains("QENG") || other == "AT+CSQ" => "\r\nERROR\r\n",
            _ => "\r\nOK\r\n",
        };
        text.as_bytes().to_vec()
    });
    let modem = PortModem::start(answer);
    let more = |path: &Path| format!("{}[modem]\npath = {path:?}\n", servers.toml(""));
    let config = configuration(dir.path(), &the_box.path, free_port(), &more(&modem.path));
    let screen = text(&output(&["check"], &config));
    let line = |part: &str| {
        screen.lines().find(|line| line.split_whitespace().nth(1) == Some(part)).unwrap_or_else(|| panic!("{screen}"))
    };
    assert!(line("modem").starts_with("OK") && line("modem").contains("RSRP -100.5 dBm"), "{screen}");
    assert!(line("probe").starts_with("OK") && line("probe").contains("name "), "{screen}");
    assert_eq!(servers.questions(), 1);
    let config = configuration(dir.path(), &the_box.path, free_port(), &more(Path::new("/dev/not-a-modem")));
    let screen = text(&output(&["check"], &config));
    assert!(screen.contains("FAIL  modem        /dev/not-a-modem does not open"), "{screen}");
    for (more, expected) in [
        ("[modem]\nround_ms = 5\n", "modem.round_ms = 5 is not accepted: 1000 to 3600000"),
        ("[probe]\nhost = \"x.example\"\n", "probe.name_server = "),
        ("[probe]\ninterval_s = 1\n", "probe.interval_s = 1 is not accepted: 10 to 86400"),
        ("[modem]\nspeed = 5\n", "speed"),
    ] {
        let screen = text(&output(&["check"], &configuration(dir.path(), &the_box.path, 1, more)));
        assert!(screen.starts_with("FAIL") && screen.contains(expected), "{screen}");
    }
    drop(modem);
}
