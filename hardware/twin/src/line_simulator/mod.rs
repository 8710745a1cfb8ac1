//! The serial line between a box that is another process and the agent: a pseudo-terminal that can be bad, slow, or
//! pulled out.
//!
//! QEMU's own pseudo-terminal throws away what is sent before it has noticed a reader. Here the emulator writes into a
//! Unix socket, and [`LineSimulator`] carries the bytes to a pseudo-terminal of its own and back. A clean line loses
//! nothing: when the reader is slow or has not come yet, the far side waits. Flips, drops, a baud limit and unplugging
//! are ordered while it runs, and counted.

mod bucket;
mod faults;
mod pty;
mod pump;

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

pub use faults::{Direction, Faults};

/// How a line begins.
#[derive(Clone, Debug)]
pub struct LineConfig {
    /// The path that the agent opens: a symbolic link to the pseudo-terminal of the moment. A link that is there is
    /// replaced; anything else there is an error.
    pub link: PathBuf,
    /// What the faults are drawn from.
    pub seed: u64,
    /// Faults from the beginning.
    pub faults: Faults,
    /// Bits per second each way (ten a byte), or as fast as it goes.
    pub baud: Option<u32>,
}

impl LineConfig {
    /// A clean line without a limit.
    #[must_use]
    pub fn new(link: impl Into<PathBuf>) -> Self {
        Self { link: link.into(), seed: 0, faults: Faults::CLEAN, baud: None }
    }
}

/// What the line has carried and done.
///
/// What is unplugged while it stands in the kernel (some 20 kB between the line and a reader that does not read) is
/// lost and in no counter: only the sequence numbers of the frames show it, as on a real cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes given to the host's side.
    pub to_host_bytes: u64,
    /// Bytes given to the box's side.
    pub to_box_bytes: u64,
    /// Bytes of which one bit was flipped, planned ones and chance ones.
    pub flipped: u64,
    /// Bytes lost by chance.
    pub dropped: u64,
    /// Bytes thrown away because one side was not there.
    pub discarded_bytes: u64,
    /// How often the line was unplugged.
    pub unplugs: u64,
}

/// A running line. Dropping it ends the line and takes the link away.
#[derive(Debug)]
pub struct LineSimulator {
    shared: Arc<Shared>,
    wake: UnixStream,
    link: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl LineSimulator {
    /// Opens the pseudo-terminal, puts the link in place, and carries bytes between it and `far`.
    ///
    /// # Errors
    /// What the system says: no pseudo-terminal left, the link cannot be made, something else is at its path.
    pub fn start(config: LineConfig, far: UnixStream) -> io::Result<Self> {
        far.set_nonblocking(true)?;
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let orders = Orders { plugged: true, ..Orders::default() };
        let state = State { orders, plugged: true, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let pump = pump::Pump {
            shared: Arc::clone(&shared),
            wake: woken,
            far,
            far_closed: false,
            pty: Some(pty::Pty::open(&config.link)?),
            link: config.link.clone(),
            injector: faults::Injector::new(config.seed, config.faults),
            to_host: pump::Lane::new(config.baud),
            to_box: pump::Lane::new(config.baud),
            counters: Counters::default(),
            full_until: None,
            rest: std::time::Duration::ZERO,
        };
        // Named after the link, so that several lines can be told apart in a list of threads.
        let name = format!("line {}", config.link.file_name().unwrap_or_default().display());
        let thread = std::thread::Builder::new().name(name).spawn(|| pump.run())?;
        Ok(Self { shared, wake, link: config.link, thread: Some(thread) })
    }

    /// The path that the agent opens.
    #[must_use]
    pub fn link(&self) -> &Path {
        &self.link
    }

    /// Makes the line better or worse, for bytes sent from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.order(|orders| orders.faults = Some(faults));
    }

    /// Plans exactly `count` flips toward the host: one bit of one byte in each of `count` frames, none to eight frames
    /// apart. They are added to those planned before; see [`LineSimulator::planned_flips`].
    pub fn flip_next(&self, count: u64) {
        self.order(|orders| orders.flips = orders.flips.saturating_add(count));
    }

    /// Planned flips that have not come yet.
    #[must_use]
    pub fn planned_flips(&self) -> u64 {
        let state = self.shared.lock();
        state.planned.saturating_add(state.orders.flips)
    }

    /// Limits both ways to so many bits a second, ten a byte, or lifts the limit. Who sends faster has to wait.
    pub fn limit_baud(&self, baud: Option<u32>) {
        self.order(|orders| orders.baud = Some(baud));
    }

    /// Pulls the plug: the host's end is hung up and the link is gone. What the box sends meanwhile is thrown away.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenPipe`] when the line has ended, with the reason.
    pub fn unplug(&self) -> io::Result<()> {
        self.plug(false)
    }

    /// Puts the plug back: a new pseudo-terminal under the same link.
    ///
    /// # Errors
    /// As [`LineSimulator::unplug`]; when no pseudo-terminal can be had, the line ends with that reason.
    pub fn replug(&self) -> io::Result<()> {
        self.plug(true)
    }

    /// What the line has carried and done until now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters
    }

    /// Whether the box's side has closed its end.
    #[must_use]
    pub fn is_far_closed(&self) -> bool {
        self.shared.lock().far_closed
    }

    fn plug(&self, plugged: bool) -> io::Result<()> {
        self.order(|orders| orders.plugged = plugged);
        let mut state = self.shared.lock();
        while state.plugged != plugged && state.ended.is_none() {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match &state.ended {
            None => Ok(()),
            Some(reason) => Err(io::Error::new(ErrorKind::BrokenPipe, reason.clone())),
        }
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.shared.lock().orders);
        self.wake();
    }

    fn wake(&self) {
        // Full of calls that were not answered yet: one more changes nothing.
        let _ = (&self.wake).write(&[1]);
    }
}

impl Drop for LineSimulator {
    fn drop(&mut self) {
        self.order(|orders| orders.stop = true);
        if let Some(thread) = self.thread.take() {
            // It panicked or not: the line is gone.
            let _ = thread.join();
        }
    }
}

/// What the pump is told.
#[derive(Clone, Copy, Debug, Default)]
struct Orders {
    stop: bool,
    plugged: bool,
    faults: Option<Faults>,
    flips: u64,
    baud: Option<Option<u32>>,
}

#[derive(Debug, Default)]
struct State {
    orders: Orders,
    plugged: bool,
    counters: Counters,
    planned: u64,
    far_closed: bool,
    ended: Option<String>,
}

/// Between those who order and the thread that carries.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the orders over; those that stay (stop, plugged) stay. Planned flips change hands in one step.
    fn orders(&self) -> Orders {
        let mut state = self.lock();
        let orders = state.orders;
        state.orders.faults = None;
        state.orders.baud = None;
        state.planned = state.planned.saturating_add(std::mem::take(&mut state.orders.flips));
        orders
    }

    fn note(&self, counters: Counters, planned: u64, far_closed: bool) {
        let mut state = self.lock();
        state.counters = counters;
        state.planned = planned;
        state.far_closed = far_closed;
    }

    fn plug_changed(&self, plugged: bool) {
        self.lock().plugged = plugged;
        self.changed.notify_all();
    }

    fn end(&self, counters: Counters, result: io::Result<()>) {
        let mut state = self.lock();
        state.counters = counters;
        state.plugged = false;
        state.ended = Some(match result {
            Ok(()) => "the line was ended".to_owned(),
            Err(error) => format!("the line broke: {error}"),
        });
        drop(state);
        self.changed.notify_all();
    }
}
