//! The service probe against a name server and a web server in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_features::mobile::probe::{Action, DnsError, Failure, Host, Ledger, Now, Probe, ProbeConfig, ProbeResult};

const S: i64 = 1_000_000;
const DAY: i64 = 20_600;

/// What the network does.
#[derive(Clone, Copy)]
struct Net {
    /// Datagrams to the name server that get lost.
    dns_lost: u32,
    dns_code: u8,
    /// `None`: no answer at all; `Some(false)`: refused.
    connects: Option<bool>,
    reply: &'static [u8],
    registered: Option<bool>,
    speed_mps: f64,
}

const WELL: Net = Net {
    dns_lost: 0,
    dns_code: 0,
    connects: Some(true),
    reply: b"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n",
    registered: Some(true),
    speed_mps: 10.0,
};

fn config() -> ProbeConfig {
    let mut config = ProbeConfig::new(Host::new("probe.example.org").unwrap());
    config.path = "/generate_204".to_owned();
    config
}

/// An answer to a question, by RFC 1035: the question again and one address.
fn dns_reply(query: &[u8], code: u8) -> Vec<u8> {
    let mut reply = query.to_vec();
    reply[2] = 0x81;
    reply[3] = 0x80 | code;
    if code == 0 {
        reply[7] = 1;
        reply.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    }
    reply
}

struct Run {
    results: Vec<ProbeResult>,
    closed: usize,
    datagrams: usize,
    /// IP payloads with the least headers that they can have.
    wire_bytes: u64,
}

fn run(probe: &mut Probe, mut net: Net, from_us: i64, until_us: i64, day: impl Fn(i64) -> i64) -> Run {
    let mut run = Run { results: Vec::new(), closed: 0, datagrams: 0, wire_bytes: 0 };
    let mut now_us = from_us;
    let mut turns = 0;
    while now_us < until_us {
        turns += 1;
        assert!(turns < (until_us - from_us) / S * 20, "the probe spins");
        let now = Now {
            now_us,
            utc_day: day(now_us),
            travelled_m: now_us as f64 / 1e6 * net.speed_mps,
            registered: net.registered,
            nonce: (now_us / 1000) as u16,
        };
        while let Some(action) = probe.poll(&now) {
            match action {
                Action::SendDns(query) => {
                    run.datagrams += 1;
                    run.wire_bytes += 28 + query.len() as u64;
                    if net.dns_lost > 0 {
                        net.dns_lost -= 1;
                        continue;
                    }
                    now_us += 60_000;
                    let reply = dns_reply(&query, net.dns_code);
                    run.wire_bytes += 28 + reply.len() as u64;
                    // An answer to somebody else comes first.
                    let mut other = reply.clone();
                    other[0] ^= 1;
                    probe.dns_received(&other, now_us);
                    probe.dns_received(&reply, now_us);
                }
                Action::Connect(address, port) => {
                    assert_eq!((address.octets(), port), ([192, 0, 2, 1], 80));
                    now_us += 80_000;
                    match net.connects {
                        Some(true) => {
                            run.wire_bytes += 3 * 40;
                            probe.connected(now_us);
                        }
                        Some(false) => probe.failed(now_us),
                        None => {}
                    }
                }
                Action::Send(request) => {
                    let text = String::from_utf8(request.clone()).unwrap();
                    assert!(text.starts_with("GET /generate_204 HTTP/1.1\r\nHost: probe.example.org\r\n"));
                    assert!(text.ends_with("\r\n\r\n"));
                    run.wire_bytes += 40 + request.len() as u64 + net.reply.len() as u64 + 40;
                    now_us += 100_000;
                    for slice in net.reply.chunks(10) {
                        probe.received(slice, now_us);
                    }
                    if net.reply.is_empty() {
                        probe.failed(now_us);
                    }
                }
                Action::Close => run.closed += 1,
            }
        }
        run.results.extend(std::iter::from_fn(|| probe.result()));
        now_us = probe.wake_us().max(now_us + 1);
    }
    run
}

fn first(net: Net) -> (ProbeResult, Run) {
    let mut probe = Probe::new(config(), Ledger::default()).unwrap();
    let run = run(&mut probe, net, 0, 60 * S, |_| DAY);
    assert_eq!(run.results.len(), 1);
    (run.results[0], run)
}

#[test]
fn a_good_network_gives_its_times() {
    let (result, run) = first(WELL);
    assert_eq!(result.outcome, Ok(()));
    let times = (result.dns_us, result.connect_us, result.response_us);
    assert_eq!(times, (Some(60_000), Some(80_000), Some(100_000)));
    assert_eq!((result.started_us, run.closed, run.datagrams), (0, 1, 1));
    // Never less than what went over the air, and of its size.
    assert!((run.wire_bytes..2500).contains(&result.bytes), "{} of {}", result.bytes, run.wire_bytes);
}

#[test]
fn every_failure_has_its_name() {
    let outcome = |net: Net| first(net).0.outcome;
    assert_eq!(outcome(Net { dns_lost: 1, ..WELL }), Ok(()));
    assert_eq!(outcome(Net { dns_lost: 2, ..WELL }), Err(Failure::DnsSilent));
    assert_eq!(outcome(Net { dns_code: 3, ..WELL }), Err(Failure::Dns(DnsError::Code(3))));
    assert_eq!(outcome(Net { connects: Some(false), ..WELL }), Err(Failure::Connect));
    assert_eq!(outcome(Net { connects: None, ..WELL }), Err(Failure::ConnectTimeout));
    assert_eq!(outcome(Net { reply: b"", ..WELL }), Err(Failure::Ended));
    assert_eq!(outcome(Net { reply: b"HTTP/1.1 204", ..WELL }), Err(Failure::ResponseTimeout));
    let portal = b"HTTP/1.1 302 Found\r\nLocation: http://login\r\n\r\n";
    assert_eq!(outcome(Net { reply: portal, ..WELL }), Err(Failure::Status(302)));
    assert!(matches!(outcome(Net { reply: b"<html>", ..WELL }), Err(Failure::Http(_))));
    let slow = first(Net { dns_lost: 1, ..WELL }).0;
    assert_eq!(slow.dns_us, Some(3 * S + 60_000));
}

#[test]
fn without_service_a_probe_fails_and_costs_nothing() {
    let (result, run) = first(Net { registered: Some(false), ..WELL });
    assert_eq!((result.outcome, result.bytes, run.datagrams, run.closed), (Err(Failure::NoService), 0, 0, 0));
}

#[test]
fn time_and_distance_decide() {
    let mut moving = Probe::new(config(), Ledger::default()).unwrap();
    let probes = run(&mut moving, WELL, 0, 3600 * S, |_| DAY).results;
    assert_eq!(probes.len(), 30);
    assert!(probes.windows(2).all(|pair| pair[1].started_us - pair[0].started_us >= 120 * S));
    // One at the stop, and none more while it lasts.
    let mut standing = Probe::new(config(), Ledger::default()).unwrap();
    assert_eq!(run(&mut standing, Net { speed_mps: 0.0, ..WELL }, 0, 3600 * S, |_| DAY).results.len(), 1);
    let mut slow = Probe::new(config(), Ledger::default()).unwrap();
    let probes = run(&mut slow, Net { speed_mps: 1.0, ..WELL }, 0, 3600 * S, |_| DAY).results;
    assert!((17..=18).contains(&probes.len()), "{}", probes.len());
}

#[test]
fn the_budget_of_a_day_holds_over_restarts_and_bad_clocks() {
    let mut small = config();
    small.interval_us = 10 * S;
    small.distance_m = 0.0;
    small.bytes_per_day = 40_000;
    let mut probe = Probe::new(small.clone(), Ledger::default()).unwrap();
    let reserve = probe.reserve_bytes();
    let first_day = run(&mut probe, WELL, 0, 6 * 3600 * S, |_| DAY);
    let spent: u64 = first_day.results.iter().map(|result| result.bytes).sum();
    assert_eq!(probe.ledger(), Ledger { day: DAY, spent_bytes: spent });
    assert!(spent <= 40_000 && spent > 40_000 - reserve, "{spent}");
    assert!(probe.without_budget() > 2000);
    // A new process with the ledger of the old one.
    let mut probe = Probe::new(small.clone(), probe.ledger()).unwrap();
    assert!(run(&mut probe, WELL, 0, 3600 * S, |_| DAY).results.is_empty());
    // A clock that jumps by a day and back all the time opens it once at the most.
    let jumping = run(&mut probe, WELL, 3600 * S, 7200 * S, |now_us| DAY + (now_us / S) % 2);
    let spent: u64 = jumping.results.iter().map(|result| result.bytes).sum();
    assert!(spent <= 40_000, "{spent}");
    // The next day.
    let mut probe = Probe::new(small, probe.ledger()).unwrap();
    assert!(!run(&mut probe, WELL, 0, 3600 * S, |_| DAY + 2).results.is_empty());
}

#[test]
fn bytes_after_the_end_still_count() {
    let mut probe = Probe::new(config(), Ledger::default()).unwrap();
    run(&mut probe, WELL, 0, 10 * S, |_| DAY);
    let before = probe.ledger().spent_bytes;
    probe.received(&[0; 10_000], 11 * S);
    assert!(probe.ledger().spent_bytes - before > 10_000);
    probe.failed(12 * S);
    assert_eq!(probe.result(), None);
}

#[test]
fn a_fault_of_the_vehicle_is_told_from_the_network() {
    let now = |now_us: i64| Now { now_us, utc_day: DAY, travelled_m: 0.0, registered: None, nonce: 7 };
    let mut probe = Probe::new(config(), Ledger::default()).unwrap();
    assert!(probe.is_idle() && matches!(probe.poll(&now(0)), Some(Action::SendDns(_))) && !probe.is_idle());
    // No interface: no connection.
    probe.no_way(5);
    assert_eq!(probe.result().map(|result| result.outcome), Some(Err(Failure::Connect)));
    assert_eq!((probe.poll(&now(6)), probe.is_idle()), (Some(Action::Close), true));
    // Given up before it began: no result, and the next one only after the interval and distance.
    let mut probe = Probe::new(config(), Ledger::default()).unwrap();
    assert!(probe.poll(&now(0)).is_some());
    let spent = probe.ledger().spent_bytes;
    probe.abandon(5);
    assert!(probe.is_idle() && probe.result().is_none() && spent > 0);
    assert_eq!((probe.poll(&now(119 * S)), probe.ledger().spent_bytes), (None, spent));
    let later = Now { travelled_m: 500.0, ..now(120 * S) };
    assert!(matches!(probe.poll(&later), Some(Action::SendDns(_))));
}

#[test]
fn a_configuration_out_of_bounds_is_refused() {
    let bad: [fn(&mut ProbeConfig); 6] = [
        |config| config.path = "/a b".to_owned(),
        |config| config.path = "/\r\nX: y".to_owned(),
        |config| config.interval_us = S,
        |config| config.distance_m = f64::NAN,
        |config| config.dns_us = 0,
        |config| config.response_us = i64::MAX,
    ];
    for change in bad {
        let mut config = config();
        change(&mut config);
        assert!(Probe::new(config, Ledger::default()).is_err());
    }
}
