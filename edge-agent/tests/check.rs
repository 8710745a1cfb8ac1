//! `edge-agent check` as the installer runs it: the real program, a box on a pseudo-terminal, a real broker.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod status_box;

use std::path::Path;
use std::time::{Duration, Instant};

use status_box::{FakeBox, Habits, Running, command, configuration, free_port, mosquitto, output, text, wait_until};

/// The line of one part, with its advice.
fn line<'a>(screen: &'a str, part: &str) -> &'a str {
    let start = screen.lines().find(|line| line.split_whitespace().nth(1) == Some(part));
    let start = start.unwrap_or_else(|| panic!("no line of {part} in\n{screen}"));
    let at = start.as_ptr() as usize - screen.as_ptr() as usize;
    let rest = &screen[at..];
    let end =
        rest.match_indices('\n').find(|(at, _)| !rest[at + 1..].starts_with(' ')).map_or(rest.len(), |(at, _)| at);
    &rest[..end]
}

#[test]
fn everything_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let Some((_broker, port)) = mosquitto(dir.path()) else { return };
    let sensor_box = FakeBox::start(Habits::default());
    let config = configuration(dir.path(), &sensor_box.path, port, "");
    let since = Instant::now();
    let done = output(&["check"], &config);
    let screen = text(&done);
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    assert!(done.status.success(), "{screen}");
    assert!(line(&screen, "serial").starts_with("OK") && line(&screen, "serial").contains("serial BOX-7"), "{screen}");
    assert!(line(&screen, "clock").starts_with("OK"), "{screen}");
    assert!(line(&screen, "certificate").starts_with("OK"), "{screen}");
    assert!(line(&screen, "broker").starts_with("OK") && line(&screen, "broker").contains("van-01"), "{screen}");
    assert!(line(&screen, "spool").starts_with("OK"), "{screen}");
    assert!(line(&screen, "privacy").starts_with("WARN") && line(&screen, "privacy").contains("ANY hour"), "{screen}");
    // Whether the disk of the tests is good is not said here; that it was looked at is.
    assert!(line(&screen, "disk").contains("MB free, a write is safe after"), "{screen}");
    assert!(!dir.path().join("spool.db").exists(), "a check makes no spool");
}

#[test]
fn nothing_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let hours = "[privacy.hours]\nopen = [\"mon-fri 06:00-20:00\"]\nclosed = [\"fr\"]\n";
    let config = configuration(dir.path(), Path::new("/dev/not-a-line"), free_port(), hours);
    let text_of = std::fs::read_to_string(&config).unwrap();
    let absent = dir.path().join("absent").join("spool.db");
    let here = dir.path().join("spool.db");
    std::fs::write(&config, text_of.replace(here.to_str().unwrap(), absent.to_str().unwrap())).unwrap();
    let done = output(&["check"], &config);
    let screen = text(&done);
    assert_eq!(done.status.code(), Some(1), "{screen}");
    for part in ["serial", "disk", "broker"] {
        let line = line(&screen, part);
        assert!(line.starts_with("FAIL") && line.contains("-> "), "{part}: {line}");
    }
    assert!(line(&screen, "clock").starts_with("WARN"), "{screen}");
    let privacy = line(&screen, "privacy");
    assert!(privacy.starts_with("OK") && privacy.contains("mon-fri 06:00-20:00 (Europe/Paris)"), "{screen}");
    assert!(line(&screen, "broker").contains("refused"), "{screen}");
}

#[test]
fn a_bad_key_is_named_and_nothing_else_is_tried() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), Path::new("/dev/null"), 1, "[metrics]\nlisten = \"0.0.0.0:9464\"\n");
    let done = output(&["check"], &config);
    let screen = text(&done);
    assert_eq!(done.status.code(), Some(1));
    assert!(screen.starts_with("FAIL") && screen.contains("metrics.listen = 0.0.0.0:9464"), "{screen}");
}

#[test]
fn a_wrong_clock_a_wrong_speed_and_a_deaf_box_are_told_apart() {
    let screen = |habits: Habits| {
        let dir = tempfile::tempdir().unwrap();
        let sensor_box = FakeBox::start(habits);
        text(&output(&["check"], &configuration(dir.path(), &sensor_box.path, free_port(), "")))
    };
    let yesterday = screen(Habits { gnss_ahead_s: 86_400, ..Habits::default() });
    let clock = line(&yesterday, "clock");
    assert!(clock.starts_with("FAIL") && clock.contains("-86"), "{yesterday}");
    let noise = screen(Habits { noise: true, ..Habits::default() });
    assert!(line(&noise, "serial").starts_with("FAIL") && line(&noise, "serial").contains("serial.baud"), "{noise}");
    let deaf = screen(Habits { answers: false, ..Habits::default() });
    assert!(line(&deaf, "serial").starts_with("WARN") && line(&deaf, "serial").contains("no Hello"), "{deaf}");
}

#[test]
fn beside_a_running_agent_its_line_and_session_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let Some((_broker, port)) = mosquitto(dir.path()) else { return };
    let sensor_box = FakeBox::start(Habits::default());
    let config = configuration(dir.path(), &sensor_box.path, port, "");
    let mut agent = Running::start(command(&[], &config));
    let ready = || {
        let status = text(&output(&["status"], &config));
        status.contains(": connected for") && status.contains("firmware 9.8.7")
    };
    wait_until("the agent is connected", ready);
    let done = output(&["check"], &config);
    let screen = text(&done);
    assert!(line(&screen, "serial").contains("the agent runs and has read"), "{screen}");
    assert!(line(&screen, "broker").contains("the agent that runs is connected"), "{screen}");
    assert!(line(&screen, "spool").contains("in use"), "{screen}");
    assert!(done.status.success(), "{screen}");
    assert!(agent.stop().success());
}

#[test]
fn certificates_of_this_box_of_another_and_out_of_date() {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
    use std::os::unix::fs::PermissionsExt;
    let screen = |name: &str, until: i32, mode: u32| {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.self_signed(&key).unwrap().pem();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let (ca, pem, key) =
            (file("ca.pem", &certificate), file("box.pem", &certificate), file("key.pem", &key.serialize_pem()));
        let tls = format!("[mqtt.tls]\nca = {ca:?}\ncertificate = {pem:?}\nkey = {key:?}\n");
        let config = configuration(dir.path(), Path::new("/dev/not-a-line"), free_port(), &tls);
        let screen = text(&output(&["check"], &config));
        line(&screen, "certificate").to_owned()
    };
    assert!(screen("van-01", 2090, 0o600).starts_with("OK"));
    let open = screen("van-01", 2090, 0o644);
    assert!(open.starts_with("WARN") && open.contains("chmod 0600"), "{open}");
    let other = screen("van-02", 2090, 0o600);
    assert!(other.starts_with("FAIL") && other.contains("van-02"), "{other}");
    let old = screen("van-01", 2021, 0o600);
    assert!(old.starts_with("FAIL") && old.contains("2021-01-01"), "{old}");
}
