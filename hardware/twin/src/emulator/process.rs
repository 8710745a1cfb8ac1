//! The emulator's process: found, started, watched, ended.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::EmulatorError;

/// The program, as distributions name it.
const QEMU: &str = "qemu-system-arm";
/// Starts a program that dies with its parent. Part of util-linux; done without where it is missing.
const SETPRIV: &str = "setpriv";
/// How often the end of the process is looked for.
const WATCH_EVERY: Duration = Duration::from_millis(20);
/// Jiffies per second in /proc, on every Linux (`USER_HZ`).
const CLOCK_TICKS_PER_S: f64 = 100.0;
/// Bytes of the log that an error quotes at the most.
const LOG_TAIL_BYTES: usize = 600;

pub(super) const MEMORY_FILE: &str = "memory";
const LOG_FILE: &str = "qemu.log";

fn on_path(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A running emulator. Killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    id: u32,
    log: PathBuf,
    state: Arc<Mutex<State>>,
    watcher: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts it in `folder`, where its sockets (`lines`, in the order of the board's UARTs) and its memory lie.
    pub(super) fn start(firmware: &Path, folder: &Path, lines: &[&str]) -> Result<Self, EmulatorError> {
        let qemu = on_path(QEMU).ok_or(EmulatorError::NotInstalled)?;
        let log = folder.join(LOG_FILE);
        let failed = |source| EmulatorError::Io { what: "start the emulator", source };
        let output = File::create(&log).map_err(failed)?;
        let firmware = fs::canonicalize(firmware).map_err(failed)?;
        let mut command = match on_path(SETPRIV) {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL"]).arg(qemu);
                command
            }
            None => Command::new(qemu),
        };
        command
            .current_dir(folder)
            .args(arguments(lines))
            .arg("-kernel")
            .arg(OsStr::new(&firmware))
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(output);
        let (started, start) = mpsc::channel();
        let watcher = thread::Builder::new()
            .name("emulator-process".to_owned())
            .spawn(move || watch(command, &started))
            .map_err(failed)?;
        let state = start.recv().map_err(|_| failed(io::ErrorKind::BrokenPipe.into()))?.map_err(failed)?;
        let id = state.lock().unwrap_or_else(PoisonError::into_inner).child.id();
        Ok(Self { id, log, state, watcher: Some(watcher) })
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).ended
    }

    /// The error to report when it has ended by itself.
    pub(super) fn error(&self, status: ExitStatus) -> EmulatorError {
        let text = fs::read(&self.log).unwrap_or_default();
        let tail = text.get(text.len().saturating_sub(LOG_TAIL_BYTES)..).unwrap_or_default();
        EmulatorError::Ended { status, log: String::from_utf8_lossy(tail).trim().to_owned() }
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Processor time of all its threads; nothing once it has ended.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id)).ok()?;
        // The name in parentheses may hold anything; behind it stand the fields from the third on (proc(5)).
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(11);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        Some((user + system) / CLOCK_TICKS_PER_S)
    }

    pub(super) fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            let ended = self.ended();
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            thread::sleep(WATCH_EVERY);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.ended.is_none() {
                // Fails only when it has just ended.
                let _gone = state.child.kill();
            }
        }
        if let Some(watcher) = self.watcher.take() {
            // It cannot panic, and a drop has nobody to tell.
            let _ended = watcher.join();
        }
    }
}

type Started = io::Result<Arc<Mutex<State>>>;

/// Starts the process and stays until it ends: the kernel kills it when this very thread goes (prctl(2),
/// PR_SET_PDEATHSIG), so a killed test run leaves no emulator behind.
fn watch(mut command: Command, started: &mpsc::Sender<Started>) {
    let state = match command.spawn() {
        Ok(child) => Arc::new(Mutex::new(State { child, ended: None })),
        Err(error) => {
            // The starter waits for this; if it is gone, nobody is left to tell.
            let _told = started.send(Err(error));
            return;
        }
    };
    if started.send(Ok(Arc::clone(&state))).is_err() {
        return;
    }
    loop {
        thread::sleep(WATCH_EVERY);
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.child.try_wait() {
            Ok(None) => {}
            Ok(status) => {
                state.ended = status;
                return;
            }
            // The child is not ours to wait for any more: nothing left to watch.
            Err(_) => return,
        }
    }
}

fn arguments(lines: &[&str]) -> Vec<String> {
    let memory =
        format!("memory-backend-file,id=psram,size={},mem-path={MEMORY_FILE},share=on", super::layout::MEMORY_BYTES);
    let mut arguments: Vec<String> = [
        "-M",
        "mps2-an386,memory-backend=psram",
        "-object",
        &memory,
        "-nodefaults",
        "-display",
        "none",
        "-monitor",
        "none",
        "-semihosting-config",
        "enable=on,target=native",
    ]
    .map(str::to_owned)
    .into();
    for line in lines {
        arguments.extend([
            "-chardev".to_owned(),
            format!("socket,id={line},path={line}"),
            "-serial".to_owned(),
            format!("chardev:{line}"),
        ]);
    }
    arguments
}
