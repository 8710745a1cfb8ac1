//! `edge-agent status`, the status socket and the service manager, with the real program.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod status_box;

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use status_box::{FakeBox, Habits, Running, command, configuration, free_port, output, text, wait_until};
use tournee_payload::{BoxId, Sample, Stream, field};
use tournee_spool::{Spool, SpoolConfig, SpoolView};

fn json(config: &std::path::Path) -> Value {
    let done = output(&["status", "--json"], config);
    assert!(done.status.success(), "{}", text(&done));
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn a_running_agent_tells_what_waits_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let sensor_box = FakeBox::start(Habits { co2_fault: true, ..Habits::default() });
    let config = configuration(dir.path(), &sensor_box.path, free_port(), "");
    let mut agent = Running::start(command(&[], &config));
    let socket = dir.path().join("spool.db.sock");
    wait_until("samples wait and the fault is known", || {
        socket.exists() && {
            let status = json(&config);
            status["pending"].as_u64() > Some(20) && status["box"]["faults"]["co2"].is_string()
        }
    });
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let status = json(&config);
    assert_eq!((status["running"].as_bool(), status["connected"].as_bool()), (Some(true), Some(false)));
    assert_eq!(status["box"]["serial"], "BOX-7");
    let streams = status["streams"].as_object().unwrap();
    let total = |name: &str| streams.values().map(|stream| stream[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(total("generated"), total("acknowledged") + total("given_up") + total("pending"));
    assert_eq!(total("pending"), status["pending"].as_u64().unwrap());
    let oldest = streams["track"]["oldest_unix_s"].as_u64().unwrap();
    assert!(oldest >= status["started_unix_s"].as_u64().unwrap());
    let screen = text(&output(&["status"], &config));
    assert!(screen.contains("NOT connected") && screen.contains("no broker at 127.0.0.1"), "{screen}");
    assert!(screen.contains("FAULT       co2"), "{screen}");

    assert!(agent.stop().success());
    assert!(!socket.exists(), "the socket goes with the agent");
    // The same counts, now from the file.
    let stored = json(&config);
    assert_eq!(stored["running"].as_bool(), Some(false));
    let pending = stored["pending"].as_u64().unwrap();
    assert!(pending >= status["pending"].as_u64().unwrap(), "{stored}");
    assert!(text(&output(&["status"], &config)).contains("the agent does not run"));
}

#[test]
fn the_socket_of_a_killed_agent_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let sensor_box = FakeBox::start(Habits::default());
    let config = configuration(dir.path(), &sensor_box.path, free_port(), "");
    let socket = dir.path().join("spool.db.sock");
    let agent = Running::start(command(&[], &config));
    wait_until("the socket answers", || UnixStream::connect(&socket).is_ok());
    // It answers before the spool is there, and the file is there before its tables are.
    wait_until("the spool has samples", || json(&config)["pending"].as_u64() > Some(0));
    drop(agent);
    assert!(socket.exists(), "killed, it could not tidy up");
    // The spool of a killed agent is read with its log, and stays readable for the agent.
    let stored = json(&config);
    assert_eq!(stored["running"].as_bool(), Some(false));
    let mut agent = Running::start(command(&[], &config));
    wait_until("the socket answers again", || UnixStream::connect(&socket).is_ok());
    let mut text = String::new();
    UnixStream::connect(&socket).unwrap().read_to_string(&mut text).unwrap();
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status["pid"].as_u64(), Some(u64::from(agent.0.id())));
    assert!(agent.stop().success());
}

/// The view of the file is held against the crate that writes it.
#[test]
fn the_spool_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    assert!(SpoolView::read(&path).unwrap_err().to_string().contains("no spool"));
    let box_id = BoxId::new("van-01").unwrap();
    let (mut spool, _) = Spool::open(&path, SpoolConfig::new(box_id, 1 << 30), 42).unwrap();
    let sample = |stream: Stream, second: i64| {
        let mut sample = Sample::new(stream);
        sample.set(field::T_US, Some(1_780_000_000_000_000 + second * 1_000_000));
        sample.set(field::TICK_US, Some(second * 1_000_000));
        if stream == Stream::Health {
            sample.set(23, Some(second));
        }
        sample
    };
    for second in 0..200 {
        spool.append(&[sample(Stream::Track, second), sample(Stream::Health, second)]).unwrap();
    }
    spool.seal_all().unwrap();
    spool.append(&[sample(Stream::Track, 200)]).unwrap();
    spool.commit().unwrap();
    let first = spool.peek(Stream::Track, 0).unwrap().unwrap();
    spool.acknowledge(Stream::Track, 42, first.end_seq()).unwrap();
    let held = SpoolView::read(&path).unwrap_err().to_string();
    assert!(held.contains("an agent holds the spool"), "{held}");
    let expected = [Stream::Track, Stream::Health].map(|stream| {
        (spool.generated()[&stream], spool.acknowledged(stream), spool.given_up(stream), spool.pending(stream).samples)
    });
    drop(spool);
    let before = std::fs::read(&path).unwrap();
    let view = SpoolView::read(&path).unwrap();
    let got = [Stream::Track, Stream::Health].map(|stream| {
        let it = view.streams[&stream];
        (it.generated, it.acknowledged, it.given_up, it.pending)
    });
    assert_eq!(got, expected);
    assert_eq!((view.box_id.as_str(), view.epoch), ("van-01", 42));
    assert_eq!(view.last_health.unwrap().get(23), Some(199));
    let oldest = view.streams[&Stream::Track].oldest_us.unwrap();
    assert_eq!(oldest, 1_780_000_000_000_000 + first.end_seq() as i64 * 1_000_000);
    assert_eq!(std::fs::read(&path).unwrap(), before, "reading changes nothing");
    std::fs::write(
        &path,
        b"not a database at all, and longer than a header of one hundred bytes, which SQLite reads first of all..",
    )
    .unwrap();
    assert!(SpoolView::read(&path).unwrap_err().to_string().contains("cannot read the spool"));
}

#[test]
fn the_service_manager_hears_ready_alive_and_stopping() {
    let dir = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let sensor_box = FakeBox::start(Habits::default());
    let config = configuration(dir.path(), &sensor_box.path, free_port(), "");
    let mut command = command(&[], &config);
    command.env("NOTIFY_SOCKET", dir.path().join("notify")).env("WATCHDOG_USEC", "400000");
    let mut agent = Running::start(command);
    let next = || {
        let mut buffer = [0; 512];
        let len = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    };
    let mut heard = Vec::new();
    while !heard.contains(&"READY=1".to_owned()) {
        heard.push(next());
    }
    let since = Instant::now();
    let mut alive = 0;
    while alive < 5 {
        alive += u32::from(next() == "WATCHDOG=1");
    }
    assert!(since.elapsed() < Duration::from_secs(3), "five times 200 ms: {:?}", since.elapsed());
    assert!(agent.stop().success());
    let mut stopping = false;
    manager.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut buffer = [0; 512];
    while let Ok(len) = manager.recv(&mut buffer) {
        stopping |= &buffer[..len] == b"STOPPING=1";
    }
    assert!(stopping);
}

#[test]
fn the_log_is_json_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let sensor_box = FakeBox::start(Habits::default());
    let config = configuration(dir.path(), &sensor_box.path, free_port(), "[log]\nformat = \"json\"\n");
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let mut command = command(&[], &config);
    command.stderr(log);
    let mut agent = Running::start(command);
    let read = || std::fs::read_to_string(dir.path().join("log")).unwrap();
    wait_until("the log tells of the line", || read().contains("serial line open"));
    assert!(agent.stop().success());
    let log = read();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    assert!(log.lines().count() >= 3, "{log}");
}
