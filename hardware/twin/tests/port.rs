//! Over a real pseudo-terminal nothing is lost, not even at the end.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::Duration;

use tournee_twin::port::TwinPort;
use tournee_twin::{LineNoise, Plan, Round, Town, TwinBox, World};

fn twin(duration_s: u32) -> TwinBox {
    let world = Arc::new(World::new(1, Town::grid(3, 3, 100.0)).unwrap());
    let plan = Plan { rounds: vec![Round { start_utc_us: 1_767_587_400_000_000, duration_s }] };
    TwinBox::new(world, 1, 0, plan, LineNoise::CLEAN)
}

/// Reads until the line is hung up, now and then resting for `rest`.
fn read_all(path: &std::path::Path, rest: Duration) -> std::thread::JoinHandle<Vec<u8>> {
    let flags = nix::fcntl::OFlag::O_NOCTTY.bits();
    let mut line = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).unwrap();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let mut buffer = [0_u8; 1_024];
        loop {
            match line.read(&mut buffer) {
                Ok(0) => return all,
                Ok(len) => all.extend_from_slice(&buffer[..len]),
                // Some kernels say hang-up this way.
                Err(error) if error.raw_os_error() == Some(5) => return all,
                Err(error) => panic!("{error}"),
            }
            if all.len() % 37 == 0 {
                std::thread::sleep(rest);
                // What the host says is taken, too.
                line.write_all(b"whatever").unwrap();
            }
        }
    })
}

#[test]
fn the_reader_gets_every_byte_and_then_the_end() {
    let mut want = Vec::new();
    let mut direct = twin(40);
    while direct.next_second(&mut want).is_some() {}
    for rest_ms in [0, 3] {
        let mut port = TwinPort::open().unwrap();
        let reader = read_all(port.path(), Duration::from_millis(rest_ms));
        let mut seconds = 0;
        port.pump(&mut twin(40), |_| seconds += 1).unwrap();
        let got = reader.join().unwrap();
        assert_eq!(seconds, 40);
        // What follows is empty frames, see `TwinPort::close`.
        assert!(got.len() > want.len(), "{} of {}", got.len(), want.len());
        assert!(got[..want.len()] == want, "all 256 byte values pass unchanged");
        assert!(got[want.len()..].iter().all(|byte| *byte == 0));
        assert_eq!(port.send(&[1]).unwrap_err().kind(), ErrorKind::NotConnected);
    }
}

#[test]
fn what_is_sent_before_the_reader_comes_waits_for_it() {
    let mut port = TwinPort::open().unwrap();
    port.send(&[7; 3_000]).unwrap();
    let reader = read_all(port.path(), Duration::ZERO);
    port.close().unwrap();
    assert_eq!(reader.join().unwrap()[..3_000], vec![7; 3_000]);
}

#[test]
fn a_reader_that_takes_nothing_is_an_error_and_not_a_hang() {
    let mut port = TwinPort::open().unwrap();
    port.set_stall_limit(Duration::from_millis(100));
    let error = port.pump(&mut twin(60), |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(port.close().unwrap_err().kind(), ErrorKind::TimedOut);
}
