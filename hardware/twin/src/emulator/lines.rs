//! The emulated board's serial lines, as sockets.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::process::Process;
use super::{EmulatorError, Part};

/// Names of the sockets, in the order of the board's UARTs.
pub(super) const NAMES: [&str; 5] = ["u0", "u1", "u2", "u3", "u4"];

/// How long the emulator may take to connect: a hundred times what it needs on a quiet machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The connected lines.
pub(super) struct Lines {
    pub(super) link: UnixStream,
    pub(super) bell: UnixStream,
    pub(super) gnss: UnixStream,
    pub(super) pins: UnixStream,
    pub(super) pm: UnixStream,
}

/// Listens in `folder`; what an earlier run left there goes.
pub(super) fn listen(folder: &Path) -> io::Result<[UnixListener; 5]> {
    let one = |name: &str| -> io::Result<UnixListener> {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let [link, bell, gnss, pins, pm] = NAMES;
    Ok([one(link)?, one(bell)?, one(gnss)?, one(pins)?, one(pm)?])
}

/// Waits until all lines are there, or the emulator is not.
pub(super) fn accept(listeners: [UnixListener; 5], process: &Process) -> Result<Lines, EmulatorError> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let failed = |source| EmulatorError::Io { what: "accept a serial line", source };
    let one = |listener: &UnixListener| -> Result<UnixStream, EmulatorError> {
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).map_err(failed)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failed(error)),
            }
            if let Some(status) = process.ended() {
                return Err(process.error(status));
            }
            if Instant::now() >= deadline {
                return Err(EmulatorError::Silent(CONNECT_TIMEOUT));
            }
            thread::sleep(LOOK_EVERY);
        }
    };
    let [link, bell, gnss, pins, pm] = &listeners;
    Ok(Lines { link: one(link)?, bell: one(bell)?, gnss: one(gnss)?, pins: one(pins)?, pm: one(pm)? })
}

/// Hands a part what the box writes to its line, until the line ends.
pub(super) fn serve(mut line: UnixStream, mut part: Part) -> impl FnOnce() -> io::Result<()> + Send {
    move || {
        let mut bytes = [0; 1024];
        loop {
            let len = line.read(&mut bytes)?;
            if len == 0 {
                return Ok(());
            }
            let answer = part(bytes.get(..len).unwrap_or_default());
            line.write_all(&answer)?;
        }
    }
}
