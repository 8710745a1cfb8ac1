//! A modem on a real pseudo-terminal, a box on another, and the rows that come out of the agent between them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../features/tests/modem_common/mod.rs"]
#[allow(dead_code, unused_imports, reason = "made for virtual time; here only its modem is of use")]
mod modem_common;
mod modem_port;
mod status_box;

use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use modem_common::Modem;
use modem_port::{Agent, Answer, PortModem, wait_until, wall_us};
use status_box::{FakeBox, Habits, Running, command, configuration, free_port, output, text};
use tournee_features::{flags, ids};
use tournee_payload::{Stream, field};

/// The modem of the dialog's own tests, and when it was asked for the serving cell.
#[derive(Clone)]
struct Shared {
    modem: Arc<Mutex<Modem>>,
    asked_us: Arc<Mutex<Vec<i64>>>,
    /// Said once, by itself.
    says: Arc<Mutex<Vec<u8>>>,
}

impl Shared {
    fn new() -> Self {
        Self { modem: Arc::new(Mutex::new(Modem::new())), asked_us: Arc::default(), says: Arc::default() }
    }

    fn answer(&self) -> Answer {
        let shared = self.clone();
        Box::new(move |command| {
            let mut out = std::mem::take(&mut *shared.says.lock().unwrap());
            let mut modem = shared.modem.lock().unwrap();
            if !command.is_empty() {
                if command.contains("QENG") {
                    shared.asked_us.lock().unwrap().push(wall_us());
                }
                modem.take(format!("{command}\r").as_bytes(), 0);
            }
            out.extend(modem.out.drain(..).flat_map(|(_, bytes)| bytes));
            out
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_port_become_rows_with_time_and_place() {
    let dir = tempfile::tempdir().unwrap();
    let the_box = FakeBox::start(Habits::default());
    let shared = Shared::new();
    let modem = PortModem::start(shared.answer());
    let more = format!("[modem]\npath = {:?}\n", modem.path);
    let mut agent = Agent::start(&configuration(dir.path(), &the_box.path, free_port(), &more));
    agent.until("rows", |status| status.generated.get(&Stream::Mobile).is_some_and(|rows| *rows >= 6)).await;
    shared.modem.lock().unwrap().service = false;
    let before = agent.modem().port.counters.rounds;
    agent.until("rounds without service", |status| status.modem.port.counters.rounds >= before + 3).await;
    let status = agent.modem();
    assert!(status.port.is_open && !status.port.is_silent && !status.port.no_sim, "{status:?}");
    assert_eq!((status.port.opened, status.port.unknown(), status.port.not_taken), (1, 0, 0));
    let rows = agent.rows(Stream::Mobile).await;
    let asked_us = shared.asked_us.lock().unwrap().clone();
    let none = i64::from(flags::MOBILE_NO_SERVICE);
    let (with, without): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.get(ids::mobile::REGISTERED) == Some(1));
    assert!(with.len() >= 6 && without.len() >= 2, "{} and {}", with.len(), without.len());
    for row in &with {
        let of = |id: u16| row.get(id);
        let cell = [ids::mobile::RAT, ids::mobile::OPERATOR, ids::mobile::CELL_ID, ids::mobile::TAC, ids::mobile::BAND];
        assert_eq!(cell.map(of), [Some(6), Some(22_201), Some(0x328_261F), Some(0xBE3), Some(78)]);
        let nr = [ids::mobile::RSRP, ids::mobile::RSRQ, ids::mobile::SINR, ids::mobile::PCI, ids::mobile::ARFCN];
        assert_eq!(nr.map(of), [Some(-960), Some(-100), Some(180), Some(920), Some(648_768)]);
        let anchor = [
            ids::mobile::ANCHOR_PCI,
            ids::mobile::ANCHOR_ARFCN,
            ids::mobile::ANCHOR_RSRP,
            ids::mobile::ANCHOR_RSRQ,
            ids::mobile::ANCHOR_SINR,
        ];
        assert_eq!(anchor.map(of), [Some(280), Some(275), Some(-990), Some(-140), Some(70)]);
    }
    for row in &without {
        assert_eq!((row.get(ids::mobile::RSRP), row.get(ids::mobile::RAT)), (None, Some(0)));
        assert_eq!(row.get(ids::FLAGS).unwrap() & none, none);
    }
    // Time and place are those of the box, whose receiver has the time of this machine: a row is of the moment at which the
    // modem was asked. The limits leave room for a machine that is busy.
    let (mut placed, mut worst_us) = (0, 0);
    for row in &rows {
        let t_us = row.get(field::T_US).unwrap();
        let nearest = asked_us.iter().map(|at| (t_us - at).abs()).min().unwrap();
        worst_us = worst_us.max(nearest);
        assert!(nearest < 1_000_000, "{nearest} µs from any question");
        assert_eq!(row.get(field::BOOT_ID), Some(77));
        placed += usize::from(row.get(field::LAT_DEG).is_some());
    }
    println!("{} rows, at most {worst_us} µs between question and row", rows.len());
    assert!(placed * 2 > rows.len(), "{placed} of {}", rows.len());
}

/// One modem through everything that can happen to it on the road; the agent goes on after each.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_a_restart_silence_and_the_plug_pulled() {
    let dir = tempfile::tempdir().unwrap();
    let the_box = FakeBox::start(Habits::default());
    let shared = Shared::new();
    let modem = PortModem::start(shared.answer());
    // As udev makes it: the name stays, the device behind it changes.
    let name: PathBuf = dir.path().join("modem");
    symlink(&modem.path, &name).unwrap();
    let more = format!("[modem]\npath = {name:?}\nanswer_ms = 1500\npause_most_ms = 2000\n");
    let mut agent = Agent::start(&configuration(dir.path(), &the_box.path, free_port(), &more));
    let rounds_after = |agent: &Agent, count: u64| agent.modem().port.counters.rounds + count;
    agent.until("rounds", |status| status.modem.port.counters.rounds >= 2).await;

    shared.says.lock().unwrap().extend(b"\r\n\xff\xfe\x00\x01 noise\r\nRING\r\n+CMTI: \"SM\",3\r\n");
    shared.says.lock().unwrap().extend(vec![b'x'; 700]);
    shared.says.lock().unwrap().extend(b"\r\n+QENG: \"LTE\",\"FDD\",nonsense\r\n");
    let status = agent.until("garbage", |status| status.modem.port.unknown() >= 5).await.modem.port;
    assert_eq!((status.counters.unknown, status.counters.broken, status.counters.overlong), (3, 1, 1), "{status:?}");
    assert!(status.kept.iter().any(|line| line == "RING") && status.kept.len() == 4, "{:?}", status.kept);
    let rounds = rounds_after(&agent, 2);
    agent.until("after garbage", |status| status.modem.port.counters.rounds >= rounds).await;

    shared.modem.lock().unwrap().starts(Some(0));
    agent.until("the restart", |status| status.modem.port.counters.restarts == 1).await;
    let rounds = rounds_after(&agent, 2);
    agent.until("after the restart", |status| status.modem.port.counters.rounds >= rounds).await;
    assert!(shared.modem.lock().unwrap().numeric, "it was set up anew");

    shared.modem.lock().unwrap().dead = true;
    agent.until("silence", |status| status.modem.port.is_silent).await;
    shared.modem.lock().unwrap().dead = false;
    let rounds = rounds_after(&agent, 2);
    agent
        .until("after silence", |status| !status.modem.port.is_silent && status.modem.port.counters.rounds >= rounds)
        .await;

    let answer = modem.unplug();
    let status = agent.until("the plug is out", |status| !status.modem.port.is_open).await.modem.port;
    assert!(!status.trouble.is_empty());
    std::fs::remove_file(&name).unwrap();
    agent.until("no such device", |status| status.modem.port.trouble.contains("No such file")).await;
    shared.modem.lock().unwrap().starts(None);
    let modem = PortModem::start(answer);
    symlink(&modem.path, &name).unwrap();
    let rounds = rounds_after(&agent, 2);
    let status = agent.until("plugged in again", |status| status.modem.port.counters.rounds >= rounds).await.modem;
    assert_eq!((status.port.opened, status.port.is_open, status.port.trouble.as_str()), (2, true, ""));
    let unknown = status.port.unknown();
    assert!(unknown >= 5);

    let rows = agent.rows_of(&[Stream::Mobile, Stream::Health]).await;
    assert!(rows[0].len() >= 8, "{}", rows[0].len());
    assert!(rows[0].iter().all(|row| row.get(ids::mobile::RSRP) == Some(-960)), "no row of half an answer");
    let told = rows[1].iter().filter_map(|row| row.get(ids::health::MODEM_UNKNOWN)).max();
    assert!(told >= Some(5), "{told:?}");
}

/// What an operator sees of it: the screen, the document for programs, the metrics.
#[test]
fn the_running_program_tells_of_modem_and_probe() {
    let dir = tempfile::tempdir().unwrap();
    let the_box = FakeBox::start(Habits::default());
    let shared = Shared::new();
    shared.modem.lock().unwrap().chatter = Some("RING \u{7}");
    let modem = PortModem::start(shared.answer());
    let metrics = free_port();
    // A name server that is not there: the socket is refused at once.
    let name_server = free_port();
    let more = format!(
        "[modem]\npath = {:?}\n[probe]\nhost = \"probe.example\"\nname_server = \"127.0.0.1:{name_server}\"\n[metrics]\nlisten = \"127.0.0.1:{metrics}\"\n",
        modem.path
    );
    let config = configuration(dir.path(), &the_box.path, free_port(), &more);
    let mut agent = Running::start(command(&[], &config));
    let mut screen = String::new();
    status_box::wait_until("modem and probe are told of", || {
        screen = text(&output(&["status"], &config));
        [
            "modem       open, answers; ",
            "RING \\u{7}",
            "probe       0 well, 1 failed, the last: no answer from the name server",
        ]
        .iter()
        .all(|part| screen.contains(part))
    });
    let json: serde_json::Value = serde_json::from_slice(&output(&["status", "--json"], &config).stdout).unwrap();
    assert!(json["modem"]["port"]["rounds"].as_u64() >= Some(1) && json["modem"]["port"]["open"] == true, "{json}");
    assert!(json["probe"]["spent_bytes"].as_u64() > Some(0), "{json}");
    let mut page = String::new();
    let mut scrape = std::net::TcpStream::connect(("127.0.0.1", metrics)).unwrap();
    scrape.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    scrape.read_to_string(&mut page).unwrap();
    for series in [
        "tournee_modem_port_open 1\n",
        "tournee_modem_silent 0\n",
        "tournee_probes_total{result=\"failure\"} 1\n",
        "tournee_probe_day_max_bytes 200000\n",
    ] {
        assert!(page.contains(series), "{series} in {page}");
    }
    let screen = text(&output(&["check"], &config));
    assert!(screen.contains("OK    modem") && screen.contains("the agent runs and has asked"), "{screen}");
    assert!(screen.contains("WARN  probe"), "{screen}");
    assert!(agent.stop().success());
}

/// Replies of real modems in place of the answers, and all that nobody asked for in between. Expectations by the standard; the
/// texts are in the shared data only.
#[tokio::test(flavor = "multi_thread")]
async fn real_replies_give_their_rows_and_the_rest_is_counted() {
    let data = std::env::var_os("TOURNEE_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(data.join("at_transcripts/modemmanager_at_replies.json")) else {
        println!("skipped: no at_transcripts in {}", data.display());
        return;
    };
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let replies: Vec<(u64, String)> = file["replies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reply| (reply["line"].as_u64().unwrap(), reply["text"].as_str().unwrap().to_owned()))
        .collect();
    let by_line = |line: u64| replies.iter().find(|(at, _)| *at == line).unwrap().1.trim().to_owned();
    // `+CEREG` as answers: registered (at home, or without fall-back to voice), searching, denied; area and cell.
    let registrations: Vec<String> = [1595, 1615, 1625, 1645, 1665, 1575].map(by_line).to_vec();
    let expected: [(i64, Option<i64>, Option<i64>); 5] = [
        (1, Some(0x1F00), Some(0x79_D903)),
        (1, Some(0x8D83), Some(0x671_F98A)),
        (1, Some(0x2CA8), Some(0xB5_583D)),
        // Searching, denied: no place of a network that does not serve.
        (0, None, None),
        (0, None, None),
    ];
    let cesq: Vec<String> =
        replies.iter().filter(|(_, text)| text.starts_with("+CESQ")).map(|(_, text)| text.clone()).collect();
    assert_eq!(cesq.len(), 4);
    let radio = |text: &str| ["REG:", "+CESQ", "+COPS", "+CSQ", "+QENG"].iter().any(|part| text.contains(part));
    let chatter: Vec<String> = replies.into_iter().map(|(_, text)| text).filter(|text| !radio(text)).collect();
    let sent = Arc::new(Mutex::new(0_u64));
    let counted = Arc::clone(&sent);
    let mut rest = chatter.into_iter();
    let (mut asked_cesq, mut asked_cereg, total) = (0, 0, rest.len() as u64);
    let answer: Answer = Box::new(move |command| {
        let mut out = String::new();
        match command {
            "" => return Vec::new(),
            "AT+CESQ" => {
                for text in rest.by_ref().take(20) {
                    out.push_str(&format!("\r\n{}\r\n", text.trim()));
                    *counted.lock().unwrap() += 1;
                }
                out.push_str(&format!("\r\n{}\r\n\r\nOK\r\n", cesq[asked_cesq % cesq.len()]));
                asked_cesq += 1;
            }
            "AT+CEREG?" => {
                out.push_str(&format!("\r\n{}\r\n\r\nOK\r\n", registrations[asked_cereg % registrations.len()]));
                asked_cereg += 1;
            }
            "AT+CPIN?" => out.push_str("\r\n+CPIN: READY\r\n\r\nOK\r\n"),
            other if other.contains('?') || other.contains("QENG") || other == "AT+CSQ" => {
                out.push_str("\r\nERROR\r\n")
            }
            _ => out.push_str("\r\nOK\r\n"),
        }
        out.into_bytes()
    });
    let dir = tempfile::tempdir().unwrap();
    let the_box = FakeBox::start(Habits::default());
    let modem = PortModem::start(answer);
    let more = format!("[modem]\npath = {:?}\n", modem.path);
    let mut agent = Agent::start(&configuration(dir.path(), &the_box.path, free_port(), &more));
    wait_until("every line is said", || *sent.lock().unwrap() == total).await;
    let rounds = agent.modem().port.counters.rounds.max(12) + 2;
    let port = agent.until("rounds", |status| status.modem.port.counters.rounds >= rounds).await.modem.port;
    assert_eq!((port.counters.unknown, port.counters.broken, port.counters.restarts), (total, 0, 0), "{port:?}");
    assert_eq!((port.kept.len(), port.counters.timeouts, port.counters.empty), (8, 0, 0));
    let rows = agent.rows_of(&[Stream::Mobile, Stream::Health]).await;
    assert!(rows[0].len() >= 10, "{}", rows[0].len());
    let mut seen = [0; 5];
    for row in &rows[0] {
        let of = |id: u16| row.get(id);
        let place = (of(ids::mobile::REGISTERED).unwrap(), of(ids::mobile::TAC), of(ids::mobile::CELL_ID));
        let at = expected.iter().position(|one| *one == place).unwrap_or_else(|| panic!("{place:?}"));
        seen[at] += 1;
        // Index 80 is -61 to -60 dBm, RSRQ 20 is -10 to -9.5 dB; 3G has no RSRP; 2G rxlev 10 is -101 to -100 dBm.
        let levels =
            (of(ids::mobile::RAT).unwrap(), of(ids::mobile::RSRP), of(ids::mobile::RSRQ), of(ids::mobile::RSSI));
        let possible = [(4, Some(-605), Some(-98), None), (3, None, None, None), (2, None, None, Some(-1005))];
        assert!(possible.contains(&levels), "{levels:?}");
        assert_eq!(of(ids::FLAGS).unwrap() & i64::from(flags::MOBILE_NO_SERVICE) != 0, place.0 == 0);
    }
    assert!(seen[..4].iter().all(|count| *count > 0), "{seen:?}");
    let told = rows[1].iter().filter_map(|row| row.get(ids::health::MODEM_UNKNOWN)).max();
    assert_eq!(told, Some(total as i64));
}
