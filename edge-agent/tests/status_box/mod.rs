//! What the tests of the running program share: a small box on a pseudo-terminal, the program itself, a broker.

#![allow(dead_code, reason = "every test takes what it needs")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use tournee_link::{
    Ack, Climate, Command as BoxCommand, CommandDecoder, CommandEvent, Gnss, Header, HelloV2, MAX_FRAME_BYTES, Message,
    PROTO, Pm, SensorState, encode,
};

/// A child that is forked while a pseudo-terminal is not yet close-on-exec would keep its line open for ever.
static FORK: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// How the box behaves.
#[derive(Clone, Copy)]
pub struct Habits {
    /// It answers commands.
    pub answers: bool,
    /// Its receiver's clock is so far ahead of the system's.
    pub gnss_ahead_s: i64,
    /// It sends noise in place of frames.
    pub noise: bool,
    /// It says once that its CO2 sensor does not answer.
    pub co2_fault: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self { answers: true, gnss_ahead_s: 0, noise: false, co2_fault: false }
    }
}

/// A box, until it is dropped.
pub struct FakeBox {
    pub path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    _slave: OwnedFd,
}

impl Drop for FakeBox {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl FakeBox {
    pub fn start(habits: Habits) -> Self {
        let alone = FORK.lock().unwrap();
        let pair = nix::pty::openpty(None, None).unwrap();
        for end in [&pair.master, &pair.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        drop(alone);
        let mut termios = tcgetattr(&pair.slave).unwrap();
        cfmakeraw(&mut termios);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &termios).unwrap();
        fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let path = nix::unistd::ttyname(&pair.slave).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let mut master = std::fs::File::from(pair.master);
        let thread = std::thread::spawn(move || work(&mut master, habits, &told));
        Self { path, stop, thread: Some(thread), _slave: pair.slave }
    }
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

fn work(master: &mut std::fs::File, habits: Habits, stop: &AtomicBool) {
    let began = Instant::now();
    let mut seq = 0;
    let mut commands = CommandDecoder::new();
    let mut turns = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let mut messages = Vec::new();
        let mut buffer = [0; 1_024];
        match master.read(&mut buffer) {
            Ok(count) if habits.answers => commands.feed(&buffer[..count], |event| {
                let CommandEvent::Frame { header, command } = event else { return };
                if command == BoxCommand::HelloRequest {
                    messages.push(Message::HelloV2(hello()));
                }
                messages.push(Message::Ack(Ack { id: header.id, value: 0 }));
            }),
            Ok(_) => {}
            Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted), "{error}"),
        }
        // 8 m/s northwards, ten fixes a second.
        if turns.is_multiple_of(5) {
            let t = i32::try_from(began.elapsed().as_millis()).unwrap();
            messages.push(Message::Gnss(Gnss {
                utc_us: now_us() + habits.gnss_ahead_s * 1_000_000,
                fix: 3,
                sats: 12,
                hdop_centi: 90,
                lat_e7: 476_500_000 + t * 719 / 1_000,
                lon_e7: -20_800_000,
                h_acc_mm: 2_000,
                speed_mmps: 8_000,
                heading_cdeg: 0,
            }));
            messages.push(Message::Pm(Pm { status: 0, pm1_dugm3: 50, pm25_dugm3: 80, pm10_dugm3: 120 }));
            messages.push(Message::Climate(Climate {
                status: 0,
                temp_cdegc: 500,
                rh_cpct: 7_000,
                pressure_pa: 101_300,
            }));
        }
        if habits.co2_fault && turns == 10 {
            messages.push(Message::SensorState(SensorState { sensor: 4, fault: 1, faults: 1 }));
        }
        let mut bytes = Vec::new();
        for message in messages {
            let tick_us = 5_000_000 + u64::try_from(began.elapsed().as_micros()).unwrap();
            let header = Header { proto: PROTO, boot_id: 77, seq, tick_us };
            let mut out = [0; MAX_FRAME_BYTES];
            let len = encode(&header, &message, &mut out).unwrap();
            bytes.extend(&out[..len]);
            seq += 1;
        }
        if habits.noise {
            bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
        }
        // When nobody reads the line is full, and what does not fit is lost as on a real one.
        let _ = master.write(&bytes);
        turns += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn hello() -> HelloV2 {
    HelloV2 {
        firmware: "9.8.7".try_into().unwrap(),
        commit: "abc".try_into().unwrap(),
        serial: "BOX-7".try_into().unwrap(),
        board: "pty".try_into().unwrap(),
        reset_cause: 1,
        proto_oldest: 1,
        messages: 19,
        commands: 12,
        config_generation: 0,
        trial: 0,
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Writes a configuration and gives its path. `more` goes to its end.
pub fn configuration(dir: &Path, serial: &Path, mqtt_port: u16, more: &str) -> PathBuf {
    let path = dir.join("edge-agent.toml");
    let text = format!(
        "box_id = \"van-01\"\n[serial]\npath = {serial:?}\n[spool]\npath = {:?}\ncommit_interval_ms = 50\n[mqtt]\nport = {mqtt_port}\n[profile.trim]\nfirst_m = 0.0\nlast_m = 0.0\n{more}",
        dir.join("spool.db")
    );
    std::fs::write(&path, text).unwrap();
    path
}

pub fn command(arguments: &[&str], config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-agent"));
    command.args(arguments).arg("--config").arg(config).env_remove("NOTIFY_SOCKET").env_remove("RUST_LOG");
    command
}

/// Runs the program to its end.
pub fn output(arguments: &[&str], config: &Path) -> Output {
    let child = {
        let _alone = FORK.lock().unwrap();
        command(arguments, config).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    child.wait_with_output().unwrap()
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A running program; killed when dropped.
pub struct Running(pub Child);

impl Running {
    pub fn start(mut command: Command) -> Self {
        let _alone = FORK.lock().unwrap();
        Self(command.spawn().unwrap())
    }

    /// Tells it to stop, and waits.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Debian's Mosquitto on a port of its own; none when it is not installed.
pub fn mosquitto(dir: &Path) -> Option<(Running, u16)> {
    let port = free_port();
    let config = dir.join("mosquitto.conf");
    std::fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")).unwrap();
    for program in ["mosquitto", "/usr/sbin/mosquitto"] {
        let _alone = FORK.lock().unwrap();
        let started = Command::new(program).arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        if let Ok(child) = started {
            let broker = Running(child);
            wait_until("mosquitto answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
            return Some((broker, port));
        }
    }
    println!("SKIPPED: mosquitto is not installed (apt-get install mosquitto)");
    None
}

pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < Duration::from_secs(30), "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}
