//! Real pseudo-terminals and sockets: a clean line loses nothing, a bad one does exactly what was ordered.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use tournee_twin::line_simulator::{Counters, Direction, Faults, LineConfig, LineSimulator};

/// Long enough for a busy machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

fn line(change: impl FnOnce(&mut LineConfig)) -> (tempfile::TempDir, LineSimulator, UnixStream) {
    let folder = tempfile::tempdir().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let mut config = LineConfig::new(folder.path().join("tty"));
    change(&mut config);
    let line = LineSimulator::start(config, near).unwrap();
    (folder, line, far)
}

fn open(line: &LineSimulator) -> File {
    let flags = nix::fcntl::OFlag::O_NOCTTY.bits();
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(line.link()).unwrap()
}

/// Bytes without a pattern that a lost or doubled piece could hide in; all 256 values.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 11) as u8
        })
        .collect()
}

fn exactly(from: &mut impl Read, len: usize) -> Vec<u8> {
    let mut all = vec![0; len];
    from.read_exact(&mut all).unwrap();
    all
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_megabyte_each_way_at_the_same_time_arrives_byte_for_byte() {
    let (_folder, line, far) = line(|_| ());
    let (up, down) = (noise(1, 1 << 20), noise(2, 1 << 20));
    let (mut far_in, mut far_out) = (far.try_clone().unwrap(), far);
    let (mut host_in, mut host_out) = (open(&line), open(&line));
    let (from_box, from_host) = thread::scope(|scope| {
        scope.spawn(|| far_out.write_all(&up).unwrap());
        scope.spawn(|| host_out.write_all(&down).unwrap());
        let host = scope.spawn(|| exactly(&mut host_in, up.len()));
        let far = scope.spawn(|| exactly(&mut far_in, down.len()));
        (host.join().unwrap(), far.join().unwrap())
    });
    assert!(from_box == up, "box to host");
    assert!(from_host == down, "host to box");
    let mut expected = Counters { to_host_bytes: 1 << 20, to_box_bytes: 1 << 20, ..Counters::default() };
    until("the counters", || line.counters() == expected);
    expected.unplugs = 1;
    line.unplug().unwrap();
    assert_eq!(line.counters(), expected);
}

#[test]
fn a_late_and_slow_reader_loses_nothing_and_the_sender_waits() {
    let (_folder, line, mut far) = line(|_| ());
    let sent = noise(3, 400_000);
    far.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    // Nobody has opened the line: the sender is held up long before everything is taken.
    let mut taken = 0;
    while let Ok(len) = far.write(&sent[taken..]) {
        taken += len;
    }
    assert!((1_000..sent.len()).contains(&taken), "{taken}");
    assert!(line.counters().to_host_bytes <= taken as u64);
    far.set_write_timeout(None).unwrap();
    let mut host = open(&line);
    let rest = sent[taken..].to_vec();
    let sender = thread::spawn(move || far.write_all(&rest).map(|()| far));
    let mut got = Vec::new();
    let mut piece = [0; 5_000];
    while got.len() < sent.len() {
        let len = host.read(&mut piece).unwrap();
        got.extend_from_slice(&piece[..len]);
        thread::sleep(Duration::from_millis(2));
        if got.len() > sent.len() / 2 && got.len() < sent.len() / 2 + 5_000 {
            // Goes, and comes back.
            drop(host);
            host = open(&line);
        }
    }
    assert!(got == sent);
    drop(sender.join().unwrap().unwrap());
    until("the far end is seen to be closed", || line.is_far_closed());
}

#[test]
fn planned_flips_are_exact_and_one_bit_each() {
    let (_folder, line, mut far) = line(|config| config.seed = 9);
    // Frames of 39 bytes and their end.
    let sent: Vec<u8> =
        noise(4, 80_000).into_iter().enumerate().map(|(at, byte)| if at % 40 == 39 { 0 } else { byte | 1 }).collect();
    let mut host = open(&line);
    let first = thread::spawn(move || {
        let got = exactly(&mut host, 80_000);
        (got, host)
    });
    line.flip_next(100);
    line.flip_next(50);
    assert_eq!(line.planned_flips(), 150);
    far.write_all(&sent).unwrap();
    let (got, mut host) = first.join().unwrap();
    until("all planned flips have come", || line.planned_flips() == 0);
    let differing: Vec<usize> = (0..sent.len()).filter(|at| sent[*at] != got[*at]).collect();
    assert_eq!(differing.len(), 150);
    assert!(differing.iter().all(|at| (sent[*at] ^ got[*at]).is_power_of_two()));
    assert!(differing.windows(2).all(|pair| pair[0] / 40 != pair[1] / 40), "one a frame");
    // None after that.
    far.write_all(&sent).unwrap();
    assert!(exactly(&mut host, 80_000) == sent);
    assert_eq!(line.counters().flipped, 150);
}

#[test]
fn chance_faults_count_what_they_did_and_can_be_switched_off() {
    let faults = Faults { flip_per_byte: 0.01, drop_per_byte: 0.0, direction: Direction::ToHost };
    let (_folder, line, mut far) = line(|config| config.faults = faults);
    let mut host = open(&line);
    let sent = noise(5, 10_000);
    far.write_all(&sent).unwrap();
    let got = exactly(&mut host, sent.len());
    let differing = sent.iter().zip(&got).filter(|(a, b)| a != b).count() as u64;
    assert!((40..200).contains(&differing), "{differing}");
    until("the counters", || line.counters().flipped == differing);
    // Drops, the other way.
    line.set_faults(Faults { flip_per_byte: 0.0, drop_per_byte: 0.05, direction: Direction::ToBox });
    host.write_all(&sent).unwrap();
    far.write_all(b"whole").unwrap();
    assert_eq!(exactly(&mut host, 5), b"whole");
    until("everything has gone", || {
        let counters = line.counters();
        counters.to_box_bytes + counters.dropped == 10_000
    });
    let dropped = line.counters().dropped;
    assert!((300..750).contains(&dropped), "{dropped}");
    assert_eq!(exactly(&mut far, 10_000 - dropped as usize).len(), 10_000 - dropped as usize);
    line.set_faults(Faults::CLEAN);
    far.write_all(&sent).unwrap();
    assert!(exactly(&mut host, sent.len()) == sent);
    assert_eq!((line.counters().flipped, line.counters().dropped), (differing, dropped));
}

#[test]
fn a_baud_limit_holds_within_a_tenth_and_holds_back_instead_of_losing() {
    let (_folder, line, far) = line(|config| config.baud = Some(115_200));
    let mut host = open(&line);
    for (baud, bytes) in [(115_200, 11_520), (460_800, 46_080)] {
        line.limit_baud(Some(baud));
        // A second at the limit. A busy machine may make it longer now and then; never shorter.
        let on_time = (0..5).any(|attempt| {
            let sent = noise(baud + attempt, bytes);
            let since = Instant::now();
            let got = thread::scope(|scope| {
                scope.spawn(|| (&far).write_all(&sent).unwrap());
                exactly(&mut host, bytes)
            });
            let took_s = since.elapsed().as_secs_f64();
            assert!(got == sent);
            assert!(took_s > 0.9, "{baud}: {took_s}");
            took_s < 1.1
        });
        assert!(on_time, "{baud}");
    }
    // Lifted: what would take 22 s takes less than one.
    line.limit_baud(None);
    let sent = noise(8, 250_000);
    let since = Instant::now();
    let got = thread::scope(|scope| {
        scope.spawn(|| (&far).write_all(&sent).unwrap());
        exactly(&mut host, sent.len())
    });
    assert!(got == sent);
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[test]
fn unplugged_the_host_sees_the_end_and_replugged_it_goes_on() {
    let (folder, line, mut far) = line(|_| ());
    let mut host = open(&line);
    far.write_all(b"before").unwrap();
    assert_eq!(exactly(&mut host, 6), b"before");
    line.unplug().unwrap();
    // The end of file or an input error, as of a serial adapter that was pulled out; at once.
    match host.read(&mut [0; 16]) {
        Ok(0) => {}
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EIO as i32) => {}
        other => panic!("{other:?}"),
    }
    assert!(host.write(b"x").is_err());
    // No name is left that could soon mean another's terminal.
    assert!(std::fs::symlink_metadata(line.link()).is_err_and(|error| error.kind() == ErrorKind::NotFound));
    far.write_all(&noise(6, 300_000)).unwrap();
    until("it is thrown away", || line.counters().discarded_bytes == 300_000);
    line.replug().unwrap();
    let mut again = open(&line);
    far.write_all(b"after").unwrap();
    assert_eq!(exactly(&mut again, 5), b"after");
    again.write_all(b"back").unwrap();
    assert_eq!(exactly(&mut far, 4), b"back");
    // Ordering what is already so changes nothing.
    line.replug().unwrap();
    far.write_all(b"still").unwrap();
    assert_eq!(exactly(&mut again, 5), b"still");
    let expected =
        Counters { to_host_bytes: 16, to_box_bytes: 4, discarded_bytes: 300_000, unplugs: 1, ..Counters::default() };
    until("the counters", || line.counters() == expected);
    drop(line);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the link goes with the line");
    assert!(matches!(again.read(&mut [0; 4]), Ok(0) | Err(_)));
}

#[test]
fn the_link_replaces_a_link_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tty");
    std::os::unix::fs::symlink("/nowhere", &path).unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    let line = LineSimulator::start(LineConfig::new(&path), near).unwrap();
    assert!(std::fs::read_link(&path).unwrap().starts_with("/dev"));
    // A second line takes the name over; the first one leaves it alone when it ends.
    let (near, mut far) = UnixStream::pair().unwrap();
    let second = LineSimulator::start(LineConfig::new(&path), near).unwrap();
    drop(line);
    far.write_all(b"second").unwrap();
    assert_eq!(exactly(&mut open(&second), 6), b"second");
    drop(second);
    std::fs::write(&path, "a file of somebody's").unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    let refused = LineSimulator::start(LineConfig::new(&path), near).map(drop);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file of somebody's");
    let nowhere = PathBuf::from("/nowhere/at/all/tty");
    let (near, _far) = UnixStream::pair().unwrap();
    assert!(LineSimulator::start(LineConfig::new(nowhere), near).is_err());
}

#[test]
fn an_idle_or_stalled_line_does_not_turn_in_place() {
    let (_folder, _line, mut far) = line(|config| {
        config.link.set_file_name("stalled");
        config.baud = Some(921_600);
    });
    far.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while far.write(&[1; 4_096]).is_ok() {}
    // The CPU time of the line's thread, which has the link's name: fields 14 and 15 of its stat, in 10 ms.
    let ticks = || {
        std::fs::read_dir("/proc/self/task").unwrap().flatten().find_map(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
            let (name, rest) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            let sum = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
            name.ends_with("(line stalled").then_some(sum)
        })
    };
    let before = ticks().unwrap();
    thread::sleep(Duration::from_secs(2));
    // One that turned in place would take up to 200.
    let spent = ticks().unwrap() - before;
    assert!(spent <= 10, "{spent}");
}
