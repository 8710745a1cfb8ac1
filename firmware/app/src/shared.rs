//! What the tasks of a board share.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::signal::Signal;
use tournee_sampler::{Core, Sampler};

/// The sampler behind a lock that is held for short only, and the bell that wakes the sender.
pub struct Shared<M: RawMutex> {
    sampler: Mutex<M, RefCell<Sampler>>,
    pub(crate) bell: Signal<M, ()>,
    sensors: AtomicU32,
    sender: AtomicU32,
}

/// How often the two loops that must never stand still have come round. A watchdog is fed while both counts move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Turns of the sensor loop.
    pub sensors: u32,
    /// Turns of the sender.
    pub sender: u32,
}

impl Heartbeat {
    /// Whether both loops have moved since `before`.
    #[must_use]
    pub const fn moved_since(self, before: Self) -> bool {
        self.sensors != before.sensors && self.sender != before.sender
    }
}

impl<M: RawMutex> Default for Shared<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: RawMutex> Shared<M> {
    /// A box that is off: boot the sampler before the loops start.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sampler: Mutex::new(RefCell::new(Sampler::new())),
            bell: Signal::new(),
            sensors: AtomicU32::new(0),
            sender: AtomicU32::new(0),
        }
    }

    /// Does something with the sampler, then wakes the sender.
    pub fn with<R>(&self, act: impl FnOnce(&mut Sampler) -> R) -> R {
        let result = self.quietly(act);
        self.bell.signal(());
        result
    }

    /// The same without waking the sender.
    pub(crate) fn quietly<R>(&self, act: impl FnOnce(&mut Sampler) -> R) -> R {
        self.sampler.lock(|sampler| act(&mut sampler.borrow_mut()))
    }

    /// A rising edge of the receiver's pulse, stamped in the interrupt.
    pub fn pps_edge(&self, tick_us: u64) {
        self.with(|sampler| sampler.pulse_edge(tick_us));
    }

    /// See [`Heartbeat`].
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat { sensors: self.sensors.load(Ordering::Relaxed), sender: self.sender.load(Ordering::Relaxed) }
    }

    pub(crate) fn sensors_turn(&self) {
        self.sensors.store(self.sensors.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn sender_turn(&self) {
        self.sender.store(self.sender.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

impl<M: RawMutex> Core for &Shared<M> {
    fn with<R>(&mut self, act: impl FnOnce(&mut Sampler) -> R) -> R {
        Shared::with(self, act)
    }
}
