//! The thread that carries the bytes.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::bucket::Bucket;
use super::faults::{Injector, Way};
use super::pty::Pty;
use super::{Counters, Shared};

/// What waits for one way, bytes.
const BUFFER_BYTES: usize = 32 * 1_024;
/// What is read at once, bytes.
const PIECE_BYTES: usize = 4_096;
/// A pseudo-terminal that is full is tried again after a rest, twice as long each time: its readiness to take more does
/// not always wake who waits for it, and it may say that it is ready and take nothing.
const SHORTEST_REST: Duration = Duration::from_millis(2);
/// The longest such rest.
const LONGEST_REST: Duration = Duration::from_millis(32);

pub(super) struct Pump {
    pub(super) shared: Arc<Shared>,
    pub(super) wake: UnixStream,
    pub(super) far: UnixStream,
    pub(super) far_closed: bool,
    pub(super) link: PathBuf,
    pub(super) pty: Option<Pty>,
    pub(super) injector: Injector,
    pub(super) to_host: Lane,
    pub(super) to_box: Lane,
    pub(super) counters: Counters,
    pub(super) full_until: Option<Instant>,
    pub(super) rest: Duration,
}

/// One way: bytes under way and the line's rate.
pub(super) struct Lane {
    bytes: VecDeque<u8>,
    bucket: Bucket,
}

impl Lane {
    pub(super) fn new(baud: Option<u32>) -> Self {
        Self { bytes: VecDeque::with_capacity(BUFFER_BYTES), bucket: Bucket::new(Instant::now(), baud) }
    }

    /// How many bytes may be read for this way now; zero and perhaps how long to wait.
    fn room(&mut self, now: Instant) -> (usize, Option<Duration>) {
        let free = BUFFER_BYTES.saturating_sub(self.bytes.len());
        if free == 0 {
            return (0, None);
        }
        match self.bucket.room(now) {
            Ok(room) => (room.min(free).min(PIECE_BYTES), None),
            Err(wait) => (0, Some(wait)),
        }
    }
}

/// Which ends are ready.
#[derive(Default)]
struct Ready {
    far_read: bool,
    far_write: bool,
    host_read: bool,
    host_write: bool,
}

impl Pump {
    /// Runs until it is told to stop or an end fails.
    pub(super) fn run(mut self) {
        let result = loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // The line goes first, then those who wait are told.
        self.pty = None;
        self.shared.end(self.counters, result);
    }

    fn turn(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        if self.full_until.is_some_and(|until| until <= now) {
            self.full_until = None;
        }
        let (from_far, wait_far) = self.to_host.room(now);
        let (from_host, wait_host) = self.to_box.room(now);
        let waits = [wait_far, wait_host, self.full_until.map(|until| until.saturating_duration_since(now))];
        let ready = self.wait(from_far > 0, from_host > 0, waits.into_iter().flatten().min())?;
        // What was ordered before a byte was sent must hold for it: orders first, then bytes.
        if !self.obey()? {
            return Ok(false);
        }
        if ready.far_read {
            self.read_far()?;
        }
        if ready.host_read {
            self.read_host()?;
        }
        if (ready.host_write || ready.far_read) && self.full_until.is_none() {
            self.write_host()?;
        }
        if ready.far_write || ready.host_read {
            self.write_far()?;
        }
        self.shared.note(self.counters, self.injector.planned(), self.far_closed);
        Ok(true)
    }

    fn wait(&self, read_far: bool, read_host: bool, longest: Option<Duration>) -> io::Result<Ready> {
        let interest = |read: bool, write: bool| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, read);
            flags.set(PollFlags::POLLOUT, write);
            flags
        };
        let far = interest(read_far, !self.to_box.bytes.is_empty());
        let host = interest(read_host, !self.to_host.bytes.is_empty() && self.full_until.is_none());
        let mut fds = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        // An end with nothing to wait for is left out: poll reports a hang-up even to who did not ask.
        let far_at = (!self.far_closed && !far.is_empty()).then(|| {
            fds.push(PollFd::new(self.far.as_fd(), far));
            fds.len() - 1
        });
        let host_at = self.pty.as_ref().filter(|_| !host.is_empty()).map(|pty| {
            fds.push(PollFd::new(pty.master().as_fd(), host));
            fds.len() - 1
        });
        // Whole milliseconds, rounded up: rounded down it would turn in place for the last one.
        let timeout = match longest {
            None => PollTimeout::NONE,
            Some(longest) => PollTimeout::try_from(longest.as_micros().div_ceil(1_000)).unwrap_or(PollTimeout::MAX),
        };
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let seen = |at: Option<usize>, flags: PollFlags| {
            let revents = at.and_then(|at| fds.get(at)).and_then(PollFd::revents).unwrap_or(PollFlags::empty());
            revents.intersects(flags)
        };
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
        Ok(Ready {
            far_read: read_far && seen(far_at, PollFlags::POLLIN | gone),
            far_write: seen(far_at, PollFlags::POLLOUT | gone),
            host_read: read_host && seen(host_at, PollFlags::POLLIN | gone),
            host_write: seen(host_at, PollFlags::POLLOUT),
        })
    }

    /// Carries out what was ordered; false when it is to stop.
    fn obey(&mut self) -> io::Result<bool> {
        let mut scrap = [0; 64];
        while matches!(self.wake.read(&mut scrap), Ok(len) if len > 0) {}
        let orders = self.shared.orders();
        if orders.stop {
            return Ok(false);
        }
        if let Some(faults) = orders.faults {
            self.injector.set(faults);
        }
        self.injector.plan(orders.flips);
        if let Some(baud) = orders.baud {
            let now = Instant::now();
            self.to_host.bucket.set(now, baud);
            self.to_box.bucket.set(now, baud);
        }
        if orders.plugged != self.pty.is_some() {
            self.full_until = None;
            if orders.plugged {
                self.pty = Some(Pty::open(&self.link)?);
            } else {
                self.pty = None;
                self.counters.unplugs += 1;
                self.counters.discarded_bytes += self.to_host.bytes.len() as u64;
                self.to_host.bytes.clear();
            }
            self.shared.note(self.counters, self.injector.planned(), self.far_closed);
            self.shared.plug_changed(orders.plugged);
        }
        Ok(true)
    }

    fn read_far(&mut self) -> io::Result<()> {
        let (room @ 1.., _) = self.to_host.room(Instant::now()) else { return Ok(()) };
        let mut piece = [0; PIECE_BYTES];
        let piece = piece.get_mut(..room).unwrap_or_default();
        let bytes = match self.far.read(piece) {
            Ok(0) => {
                self.far_closed = true;
                return Ok(());
            }
            Ok(len) => piece.get(..len).unwrap_or_default(),
            Err(error) if passing(&error) => return Ok(()),
            Err(error) if is_gone(&error) => {
                self.far_closed = true;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.to_host.bucket.take(bytes.len());
        if self.pty.is_some() {
            self.injector.pass(Way::ToHost, bytes, &mut self.to_host.bytes, &mut self.counters);
        } else {
            self.counters.discarded_bytes += bytes.len() as u64;
        }
        Ok(())
    }

    fn read_host(&mut self) -> io::Result<()> {
        let (room @ 1.., _) = self.to_box.room(Instant::now()) else { return Ok(()) };
        let Some(pty) = &self.pty else { return Ok(()) };
        let mut piece = [0; PIECE_BYTES];
        let piece = piece.get_mut(..room).unwrap_or_default();
        let bytes = match nix::unistd::read(pty.master().as_fd(), piece) {
            Ok(len) => piece.get(..len).unwrap_or_default(),
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.to_box.bucket.take(bytes.len());
        if self.far_closed {
            self.counters.discarded_bytes += bytes.len() as u64;
        } else {
            self.injector.pass(Way::ToBox, bytes, &mut self.to_box.bytes, &mut self.counters);
        }
        Ok(())
    }

    fn write_host(&mut self) -> io::Result<()> {
        let Some(pty) = &self.pty else { return Ok(()) };
        while !self.to_host.bytes.is_empty() {
            let (front, _) = self.to_host.bytes.as_slices();
            match nix::unistd::write(pty.master().as_fd(), front) {
                Ok(len) if len > 0 => {
                    self.to_host.bytes.drain(..len);
                    self.counters.to_host_bytes += len as u64;
                    self.rest = SHORTEST_REST;
                }
                Ok(_) | Err(Errno::EAGAIN) => {
                    self.full_until = Some(Instant::now() + self.rest);
                    self.rest = (self.rest * 2).clamp(SHORTEST_REST, LONGEST_REST);
                    break;
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn write_far(&mut self) -> io::Result<()> {
        while !self.to_box.bytes.is_empty() {
            if self.far_closed {
                self.counters.discarded_bytes += self.to_box.bytes.len() as u64;
                self.to_box.bytes.clear();
                break;
            }
            let (front, _) = self.to_box.bytes.as_slices();
            match self.far.write(front) {
                Ok(len) if len > 0 => {
                    self.to_box.bytes.drain(..len);
                    self.counters.to_box_bytes += len as u64;
                }
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_gone(&error) => self.far_closed = true,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}
