//! A real pseudo-terminal between a twin and whoever reads it as a serial line.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{read, ttyname, write};

use crate::twin_box::{SimInstant, TwinBox};

/// How long the reader may take nothing before the twin gives up.
const STALL_LIMIT: Duration = Duration::from_secs(120);
/// Four more than 64 KiB over 4 KiB.
const DRAIN_TURNS: u32 = 20;
/// How often a wait is looked at again, milliseconds.
const LOOK_MS: u8 = 50;

/// The twin's end of a pseudo-terminal.
///
/// The reader opens [`TwinPort::path`] like any serial port, best before [`TwinPort::pump`] starts: what is written
/// earlier waits in the kernel (some 20 kB, then the twin waits) unless the reader flushes its input when it opens.
/// It must open it with `O_NOCTTY`, as serial libraries do: else the end of the line may end the reader's process.
/// The port keeps the slave open too, so that a reader may come, go and come back without a hang-up in between.
#[derive(Debug)]
pub struct TwinPort {
    master: Option<OwnedFd>,
    slave: OwnedFd,
    path: PathBuf,
    stall_limit: Duration,
    /// What the reader has said and the box has not heard yet.
    commands: Vec<u8>,
}

/// More than this cannot wait for the box: what the host says beyond it is lost, and the host asks again.
const COMMANDS_MAX: usize = 64 * 1024;

impl TwinPort {
    /// Opens a pseudo-terminal in raw mode.
    ///
    /// # Errors
    /// What the system says, for example when all pseudo-terminals are in use.
    pub fn open() -> io::Result<Self> {
        let pair = openpty(None, None)?;
        let mut termios = tcgetattr(pair.slave.as_fd())?;
        cfmakeraw(&mut termios);
        tcsetattr(pair.slave.as_fd(), SetArg::TCSANOW, &termios)?;
        let path = ttyname(pair.slave.as_fd())?;
        let flags = OFlag::from_bits_truncate(fcntl(pair.master.as_fd(), FcntlArg::F_GETFL)?);
        fcntl(pair.master.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        // A program started meanwhile must not inherit the line and hold it open: the reader would never see its end.
        for end in [pair.master.as_fd(), pair.slave.as_fd()] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        Ok(Self { master: Some(pair.master), slave: pair.slave, path, stall_limit: STALL_LIMIT, commands: Vec::new() })
    }

    /// The device that the reader opens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long the reader may take nothing before [`TwinPort::pump`] fails; two minutes unless said.
    pub fn set_stall_limit(&mut self, limit: Duration) {
        self.stall_limit = limit;
    }

    /// Sends all rounds of the box, as fast as the reader takes them; waits until the reader has everything; then
    /// closes the line, which the reader sees as end of file after some empty frames. Calls `on_second` after each simulated second is sent.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when the reader takes nothing for the stall limit, [`io::ErrorKind::NotConnected`]
    /// when the line was closed before, else what the system says.
    pub fn pump(&mut self, twin: &mut TwinBox, mut on_second: impl FnMut(SimInstant)) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(16 * 1024);
        while let Some(instant) = {
            bytes.clear();
            twin.next_second(&mut bytes)
        } {
            self.send(&bytes)?;
            let commands = std::mem::take(&mut self.commands);
            if !commands.is_empty() {
                twin.receive(&commands);
            }
            on_second(instant);
        }
        self.close()
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// As [`TwinPort::pump`].
    pub fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let master = self.master.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let mut since = Instant::now();
        while !bytes.is_empty() {
            match write(master.as_fd(), bytes) {
                Ok(sent) if sent > 0 => {
                    bytes = bytes.get(sent..).unwrap_or_default();
                    since = Instant::now();
                }
                Ok(_) | Err(Errno::EAGAIN) => {
                    if since.elapsed() > self.stall_limit {
                        return Err(stalled());
                    }
                    wait(master, PollFlags::POLLOUT, LOOK_MS.into())?;
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            take_commands(master, &mut self.commands);
        }
        Ok(())
    }

    /// Waits until the reader has read everything, then closes the line. Linux throws away what is still in a
    /// pseudo-terminal when its master closes, hence the wait.
    ///
    /// A look at the slave can find nothing while the kernel still holds up to 64 KiB behind it: between the moment at
    /// which the reader has emptied the 4 KiB in front and the one at which the kernel moves the next ones up. An empty
    /// frame (one 0x00, which every decoder passes over) makes the kernel move them at once. So each turn of sending
    /// one and finding nothing left has moved 4 KiB or everything; twenty in a row have moved everything.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when something is left after the stall limit; the line is closed then too.
    pub fn close(&mut self) -> io::Result<()> {
        let result = (0..DRAIN_TURNS).try_for_each(|_| {
            self.send(&[0])?;
            self.wait_until_read()
        });
        self.master = None;
        result
    }

    fn wait_until_read(&self) -> io::Result<()> {
        let since = Instant::now();
        while wait(&self.slave, PollFlags::POLLIN, PollTimeout::ZERO)? {
            if since.elapsed() > self.stall_limit {
                return Err(stalled());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}

/// Reads what the host sends, so that its side never fills up.
fn take_commands(master: &OwnedFd, commands: &mut Vec<u8>) {
    let mut buffer = [0_u8; 256];
    while let Ok(len @ 1..) = read(master.as_fd(), &mut buffer) {
        if commands.len() < COMMANDS_MAX {
            commands.extend_from_slice(buffer.get(..len).unwrap_or_default());
        }
    }
}

fn wait(fd: &OwnedFd, flags: PollFlags, timeout: PollTimeout) -> io::Result<bool> {
    let mut fds = [PollFd::new(fd.as_fd(), flags)];
    match poll(&mut fds, timeout) {
        Ok(_) => Ok(fds[0].revents().is_some_and(|seen| seen.intersects(flags))),
        Err(Errno::EINTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the reader of the twin's serial line takes nothing: is the agent running?")
}
