//! A modem at the other end of a pseudo-terminal, and the agent run in this process without a broker, so that every row
//! stays in its spool to be read.
#![allow(dead_code, reason = "every test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::{AgentConfig, AgentError, AgentReport, AgentStatus, RunOptions, run};
use tournee_payload::{BoxId, Sample, Stream, decode};
use tournee_spool::{Spool, SpoolConfig};

/// What the modem says to a command without its end of line; what it returns is written as it is.
pub type Answer = Box<dyn FnMut(&str) -> Vec<u8> + Send>;

/// A modem until it is dropped: then its line is unplugged.
pub struct PortModem {
    pub path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Answer>>,
    slave: Option<OwnedFd>,
}

impl PortModem {
    pub fn start(mut answer: Answer) -> Self {
        let pair = nix::pty::openpty(None, None).unwrap();
        for end in [&pair.master, &pair.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let mut termios = tcgetattr(&pair.slave).unwrap();
        cfmakeraw(&mut termios);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &termios).unwrap();
        fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let path = nix::unistd::ttyname(&pair.slave).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let mut master = std::fs::File::from(pair.master);
        let thread = std::thread::spawn(move || {
            let mut heard = Vec::new();
            while !told.load(Ordering::Relaxed) {
                let mut buffer = [0; 256];
                match master.read(&mut buffer) {
                    Ok(count) => heard.extend(&buffer[..count]),
                    Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)),
                }
                // Asked for nothing, it may speak by itself.
                let mut out = answer("");
                while let Some(end) = heard.iter().position(|byte| *byte == b'\r') {
                    let command: Vec<u8> = heard.drain(..=end).collect();
                    out.extend(answer(String::from_utf8(command).unwrap().trim_end()));
                }
                // In odd pieces, as a USB line gives them.
                for piece in out.chunks(11) {
                    let _ = master.write(piece);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            answer
        });
        Self { path, stop, thread: Some(thread), slave: Some(pair.slave) }
    }

    /// Pulls the plug and gives back the modem, with what it remembers.
    pub fn unplug(mut self) -> Answer {
        self.stop.store(true, Ordering::Relaxed);
        self.slave = None;
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for PortModem {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An agent in this process.
pub struct Agent {
    pub status: watch::Receiver<AgentStatus>,
    spool: PathBuf,
    stop: CancellationToken,
    task: JoinHandle<Result<AgentReport, AgentError>>,
}

impl Agent {
    pub fn start(config: &Path) -> Self {
        let config = AgentConfig::from_file(config).unwrap();
        let spool = config.spool.path.clone();
        let stop = CancellationToken::new();
        let (sender, status) = watch::channel(AgentStatus::default());
        let task = tokio::spawn(run(config, RunOptions::default(), stop.clone(), sender));
        Self { status, spool, stop, task }
    }

    /// Waits for a status.
    pub async fn until(&mut self, what: &str, is: impl FnMut(&AgentStatus) -> bool) -> AgentStatus {
        let mut status = self.status.clone();
        match tokio::time::timeout(Duration::from_secs(120), status.wait_for(is)).await {
            Ok(Ok(status)) => status.clone(),
            Ok(Err(_)) => panic!("{what}: the agent has ended"),
            Err(_) => panic!("{what}: not within 120 s; {:#?} {:#?}", self.modem(), self.probe()),
        }
    }

    pub fn modem(&self) -> tournee_edge_agent::ModemStatus {
        self.status.borrow().modem.clone()
    }

    pub fn probe(&self) -> tournee_edge_agent::ProbeStatus {
        self.status.borrow().probe.clone()
    }

    /// Ends it and gives the rows of its spool.
    pub async fn rows(self, stream: Stream) -> Vec<Sample> {
        self.rows_of(&[stream]).await.remove(0)
    }

    pub async fn rows_of(self, streams: &[Stream]) -> Vec<Vec<Sample>> {
        self.stop.cancel();
        let report = self.task.await.unwrap().unwrap();
        let config = SpoolConfig::new(BoxId::new("van-01").unwrap(), 1 << 30);
        let (mut spool, _) = Spool::open(&self.spool, config, 1).unwrap();
        spool.seal_all().unwrap();
        let mut read = |stream: Stream| {
            let (mut rows, mut from) = (Vec::new(), 0);
            while let Some(batch) = spool.peek(stream, from).unwrap() {
                from = batch.end_seq();
                rows.extend(decode(&batch.bytes).unwrap().samples);
            }
            assert_eq!(report.generated.get(&stream).copied().unwrap_or(0), rows.len() as u64, "{stream:?}");
            rows
        };
        streams.iter().map(|stream| read(*stream)).collect()
    }
}

pub fn wall_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// Waits for something that the agent does not tell.
pub async fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < Duration::from_secs(120), "{what}: not within 120 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
