//! The metrics of the real program, scraped by a real client and read by a strict reader of the format.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod status_box;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use status_box::{FakeBox, Habits, Running, command, configuration, free_port, mosquitto, output, text, wait_until};

/// A family: its type, and its series by their labels.
type Families = BTreeMap<String, (String, BTreeMap<String, f64>)>;

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

/// Reads text exposition format 0.0.4 and accepts nothing that is not asked for: HELP, TYPE, then the series of a family
/// in one piece; no series twice; counters end in `_total`.
fn parse(page: &str) -> Families {
    assert!(page.ends_with('\n'), "the last line has no end");
    let mut families = Families::new();
    let mut lines = page.lines().peekable();
    while let Some(help) = lines.next() {
        let (name, words) = help.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).expect(help);
        assert!(is_name(name) && words.ends_with('.'), "{help}");
        let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect(help);
        assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{kind}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        let mut series = BTreeMap::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (key, value) = line.rsplit_once(' ').expect(line);
            let labels = key.strip_prefix(name).expect(line);
            // Those of a histogram are told apart by what follows the name.
            let (part, labels) = match (kind, labels.find('{')) {
                ("histogram", Some(at)) => labels.split_at(at),
                ("histogram", None) => (labels, ""),
                _ => ("", labels),
            };
            let parts: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(parts.contains(&part), "{line}");
            if !labels.is_empty() {
                let inner = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect(line);
                for label in inner.split("\",") {
                    let (label, value) = label.split_once("=\"").expect(line);
                    assert!(is_name(label) && !value.trim_end_matches('"').contains('"'), "{line}");
                }
            }
            let value: f64 = value.parse().expect(line);
            assert!(value.is_finite() && (kind == "gauge" || value >= 0.0), "{line}");
            assert!(series.insert(format!("{part}{labels}"), value).is_none(), "twice: {line}");
        }
        assert!(!series.is_empty(), "{name} has no series");
        assert!(families.insert(name.to_owned(), (kind.to_owned(), series)).is_none(), "{name} stands twice");
    }
    families
}

#[test]
fn the_reader_is_strict() {
    for bad in [
        "# HELP a_total x.\n# TYPE a_total counter\na_total 1",
        "# HELP a x.\n# TYPE a counter\na 1\n",
        "# HELP a x.\n# TYPE a gauge\na 1\na 2\n",
        "a 1\n",
        "# HELP a x.\n# TYPE a gauge\na NaN\n",
        "# HELP a x.\n# TYPE a gauge\na{b=\"c\"d=\"e\"} 1\n",
    ] {
        assert!(std::panic::catch_unwind(|| parse(bad)).is_err(), "{bad}");
    }
}

/// By curl, or by Python where there is none.
fn scrape(port: u16) -> Option<String> {
    let url = format!("http://127.0.0.1:{port}/metrics");
    let curl =
        Command::new("curl").args(["--silent", "--fail", "--max-time", "5", "--dump-header", "-", &url]).output();
    if let Ok(done) = curl {
        let all = String::from_utf8(done.stdout).ok()?;
        let (head, body) = all.split_once("\r\n\r\n")?;
        assert!(head.contains("Content-Type: text/plain; version=0.0.4"), "{head}");
        return Some(body.to_owned());
    }
    let program = "import sys,urllib.request as r;a=r.urlopen(sys.argv[1],timeout=5);\
                   assert 'version=0.0.4' in a.headers['Content-Type'];sys.stdout.write(a.read().decode())";
    let done = Command::new("python3").args(["-c", program, &url]).output().unwrap();
    done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
}

/// What a raw request is answered with: its first line.
fn answer(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let _ = stream.write_all(request);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).lines().next().unwrap_or("").to_owned()
}

#[test]
fn a_scrape_shows_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let Some((_broker, mqtt)) = mosquitto(dir.path()) else { return };
    let port = free_port();
    let sensor_box = FakeBox::start(Habits { co2_fault: true, ..Habits::default() });
    let config =
        configuration(dir.path(), &sensor_box.path, mqtt, &format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n"));
    let mut agent = Running::start(command(&[], &config));
    let value = |families: &Families, name: &str, labels: &str| {
        families.get(name).and_then(|(_, series)| series.get(labels)).copied()
    };
    let mut page = String::new();
    wait_until("the page shows a connected agent with samples", || {
        let Some(got) = scrape(port) else { return false };
        page = got;
        let families = parse(&page);
        value(&families, "tournee_broker_connected", "") == Some(1.0)
            && value(&families, "tournee_samples_generated_total", "{stream=\"track\"}") > Some(5.0)
            && value(&families, "tournee_box_sensor_fault", "{sensor=\"co2\"}") == Some(1.0)
    });
    let families = parse(&page);
    let of = |name: &str, labels: &str| {
        value(&families, name, labels).unwrap_or_else(|| panic!("{name}{labels} in\n{page}"))
    };
    for stream in ["air", "track", "health", "gap"] {
        let label = format!("{{stream=\"{stream}\"}}");
        let gone = of("tournee_samples_acknowledged_total", &label) + of("tournee_samples_given_up_total", &label);
        let all = of("tournee_samples_generated_total", &label);
        assert_eq!(all, gone + of("tournee_samples_pending", &label), "{stream}");
    }
    assert_eq!(
        of("tournee_agent_info", &format!("{{box_id=\"van-01\",version=\"{}\"}}", env!("CARGO_PKG_VERSION"))),
        1.0
    );
    assert!(of("tournee_frames_total", "{result=\"ok\"}") > 10.0);
    assert_eq!(of("tournee_frames_total", "{result=\"bad\"}"), 0.0);
    assert_eq!(of("tournee_box_sensor_fault", "{sensor=\"pm\"}"), 0.0);
    assert_eq!(of("tournee_broker_connections_total", ""), 1.0);
    // At least the state that is said on connecting; nobody is subscribed to it here.
    assert!(of("tournee_publishes_total", "") >= 1.0 && of("tournee_publish_payload_bytes_total", "") >= 10.0);
    let answers = ["accepted", "no_subscriber", "refused"]
        .map(|answer| of("tournee_publish_answers_total", &format!("{{answer=\"{answer}\"}}")));
    assert!(answers.iter().sum::<f64>() <= of("tournee_publishes_total", "") && answers[2] == 0.0, "{answers:?}");
    assert!(answers[0] + answers[1] >= 1.0, "{answers:?}");
    assert_eq!(of("tournee_collection_off", ""), 0.0);
    assert_eq!(of("tournee_outside_hours", ""), 0.0);
    for reason in ["area", "hours", "place", "trim"] {
        assert_eq!(of("tournee_withheld_samples_total", &format!("{{reason=\"{reason}\"}}")), 0.0);
    }
    let commits = of("tournee_spool_commit_seconds", "_count");
    assert!(commits >= 1.0 && of("tournee_spool_commit_seconds", "_sum") > 0.0);
    assert_eq!(of("tournee_spool_commit_seconds", "_bucket{le=\"+Inf\"}"), commits);
    assert!(of("tournee_spool_commit_seconds", "_bucket{le=\"0.002\"}") <= commits);
    assert_eq!(of("tournee_box_boots_total", ""), 1.0);
    assert!(of("tournee_spool_bytes", "") >= 4_096.0);
    assert!((1e6..1e9).contains(&of("process_resident_memory_bytes", "")));

    assert_eq!(answer(port, b"GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
    assert_eq!(answer(port, b"DELETE /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(answer(port, b"\x16\x03\x01\r\n\r\n"), "HTTP/1.1 400 Bad Request");
    let endless = [b"GET /metrics HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 40_000]].concat();
    assert_eq!(answer(port, &endless), "HTTP/1.1 431 Request Header Fields Too Large");
    // More silent guests than seats: they are sent away after five seconds, and then there is an answer again.
    let guests: Vec<_> = (0..20).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let since = Instant::now();
    wait_until("an answer beside silent guests", || scrape(port).is_some());
    assert!(since.elapsed() < Duration::from_secs(25), "{:?}", since.elapsed());
    drop(guests);
    assert!(agent.stop().success());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn the_metrics_are_off_unless_asked_for_and_never_leave_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), "/dev/null".as_ref(), 1, "[metrics]\nlisten = \"0.0.0.0:9464\"\n");
    let done = output(&[], &config);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done).contains("metrics.listen = 0.0.0.0:9464 is not accepted"), "{}", text(&done));
}
