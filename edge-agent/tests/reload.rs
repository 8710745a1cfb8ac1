//! Reading the configuration again with the real program: by SIGHUP, by `edge-agent reload`, all of it or nothing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod status_box;

use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;
use status_box::{FakeBox, Habits, Running, command, configuration, free_port, output, text, wait_until};

const PLACE: &str = "[[privacy.place]]\nname = \"here\"\nlat_deg = 47.65\nlon_deg = -2.08\nradius_m = 2000\n";

fn status(config: &Path) -> Value {
    serde_json::from_slice(&output(&["status", "--json"], config).stdout).unwrap_or_default()
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

#[test]
fn a_running_agent_takes_over_what_it_can_and_refuses_the_rest_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let sensor_box = FakeBox::start(Habits::default());
    let mqtt_port = free_port();
    let write = |port: u16, more: &str| configuration(dir.path(), &sensor_box.path, port, more);
    let config = write(mqtt_port, "");
    let log_path = dir.path().join("log");
    let mut run = command(&[], &config);
    run.stderr(std::fs::File::create(&log_path).unwrap());
    let mut agent = Running::start(run);
    let log = || std::fs::read_to_string(&log_path).unwrap();
    wait_until("it stores", || number(&status(&config), "/streams/track/generated") > 2);
    assert_eq!(number(&status(&config), "/withheld/places"), 0);

    // By the command: places, sampling, the log, all at once.
    let more = format!("[log]\nformat = \"json\"\n[sampling]\ngnss_period_ms = 500\n{PLACE}");
    write(mqtt_port, &more);
    let done = output(&["reload"], &config);
    assert!(done.status.success(), "{}", text(&done));
    assert_eq!(text(&done).trim(), "changed: log.format, privacy.place, sampling.gnss_period_ms");
    wait_until("rows at the place are not kept", || number(&status(&config), "/withheld/places") > 5);
    assert_eq!(text(&output(&["reload"], &config)).trim(), "nothing is new");
    wait_until("the log speaks JSON", || {
        log().lines().any(|line| line.starts_with("{\"") && line.contains("read again"))
    });
    let before = number(&status(&config), "/streams/track/generated");

    // A key that cannot change beside one that can: nothing does.
    write(mqtt_port.wrapping_add(1).max(1), "");
    let done = output(&["reload"], &config);
    assert_eq!(done.status.code(), Some(1));
    let said = text(&done);
    assert!(said.contains("nothing was changed") && said.contains("cannot change mqtt.port:"), "{said}");
    wait_until("the refusal is in the log", || log().contains("configuration not taken over"));
    let withheld = number(&status(&config), "/withheld/places");
    wait_until("the place still holds", || number(&status(&config), "/withheld/places") > withheld + 5);
    assert_eq!(number(&status(&config), "/streams/track/generated"), before);

    // A file that is none is told by the command itself, and by the agent when a signal brings it.
    write(mqtt_port, "[mqtt]\n");
    let done = output(&["reload"], &config);
    assert!(done.status.code() == Some(1) && text(&done).contains("nothing was changed"), "{}", text(&done));
    let pid = nix::unistd::Pid::from_raw(agent.0.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    wait_until("the signal's refusal is in the log", || log().contains("the new configuration is not accepted"));

    // By the signal: the place goes, and rows are kept again.
    write(mqtt_port, "");
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    wait_until("rows are kept again", || number(&status(&config), "/streams/track/generated") > before + 5);
    assert!(agent.stop().success());

    let done = output(&["reload"], &config);
    assert!(done.status.code() == Some(1) && text(&done).contains("no agent answers at"), "{}", text(&done));
}

#[test]
fn the_socket_answers_whoever_says_nothing_and_refuses_nonsense() {
    use std::io::{Read, Write};
    let dir = tempfile::tempdir().unwrap();
    let sensor_box = FakeBox::start(Habits::default());
    let config = configuration(dir.path(), &sensor_box.path, free_port(), "");
    let mut agent = Running::start(command(&[], &config));
    let socket = dir.path().join("spool.db.sock");
    let talk = |request: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // A guest who said too much may be hung up on while still talking.
        let _ = stream.write_all(request);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    wait_until("the socket answers", || UnixStream::connect(&socket).is_ok());
    assert!(talk(b"").contains("\"running\":true"));
    assert!(talk(b"status\n").contains("\"running\":true"));
    assert!(talk(b"shutdown\n").contains("is not understood"));
    assert!(talk(b"relo").contains("is not understood"), "an unfinished word is none");
    talk(&[0xff; 100_000]);
    assert!(talk(b"").contains("\"running\":true"), "and it goes on");
    assert!(agent.stop().success());
}
