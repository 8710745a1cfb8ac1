//! Time: a free-running counter and a one-shot alarm.
//!
//! Not SysTick: an emulator under load merges late ticks, and time would run slow. The counter cannot lose any.

use core::cell::RefCell;
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

use crate::register::Register;

/// Both timers count the system clock of AN386.
const TICKS_PER_US: u64 = 25;

/// A CMSDK APB timer (Arm DDI 0479, APB timer).
struct Timer {
    control: Register,
    value: Register,
    reload: Register,
    int_clear: Register,
}

const ENABLE: u32 = 1;
const INTERRUPT: u32 = 1 << 3;

impl Timer {
    /// # Safety
    /// `base` must be the address of a CMSDK timer.
    const unsafe fn new(base: usize) -> Self {
        // SAFETY: the register offsets of the part; none of them has a memory effect.
        unsafe {
            Self {
                control: Register::new(base),
                value: Register::new(base + 0x4),
                reload: Register::new(base + 0x8),
                int_clear: Register::new(base + 0xC),
            }
        }
    }
}

// SAFETY: AN386, memory map.
static COUNTER: Timer = unsafe { Timer::new(0x4000_0000) };
// SAFETY: AN386, memory map.
static ALARM: Timer = unsafe { Timer::new(0x4000_1000) };

struct State {
    /// Counter ticks since the start, without those since `last`.
    ticks: u64,
    /// Counts down; `None` until started.
    last: Option<u32>,
    queue: Queue,
}

struct Clock(Mutex<RefCell<State>>);

embassy_time_driver::time_driver_impl!(
    static CLOCK: Clock = Clock(Mutex::new(RefCell::new(State { ticks: 0, last: None, queue: Queue::new() })))
);

impl State {
    fn now_us(&mut self) -> u64 {
        let Some(last) = self.last else { return 0 };
        let value = COUNTER.value.get();
        self.ticks += u64::from(last.wrapping_sub(value));
        self.last = Some(value);
        self.ticks / TICKS_PER_US
    }

    /// Sets the alarm for the first of the queue.
    fn arm(&mut self) {
        ALARM.control.set(0);
        ALARM.int_clear.set(1);
        loop {
            let now_us = self.now_us();
            let next_us = self.queue.next_expiration(now_us);
            if next_us == u64::MAX {
                return;
            }
            let Some(wait_us) = next_us.checked_sub(now_us).filter(|wait_us| *wait_us > 0) else { continue };
            // Longer than the alarm can: it rings early and is set again.
            let ticks = u32::try_from(wait_us.saturating_mul(TICKS_PER_US)).unwrap_or(u32::MAX);
            ALARM.reload.set(u32::MAX);
            ALARM.value.set(ticks);
            ALARM.control.set(ENABLE | INTERRUPT);
            return;
        }
    }
}

impl Clock {
    fn with<R>(&self, cs: CriticalSection<'_>, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.borrow_ref_mut(cs))
    }
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|cs| self.with(cs, State::now_us))
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            self.with(cs, |state| {
                if state.queue.schedule_wake(at, waker) {
                    state.arm();
                }
            });
        });
    }
}

/// Starts the counter; time is 0 before.
pub fn start() {
    critical_section::with(|cs| {
        CLOCK.with(cs, |state| {
            COUNTER.control.set(0);
            COUNTER.reload.set(u32::MAX);
            COUNTER.value.set(u32::MAX);
            COUNTER.control.set(ENABLE | INTERRUPT);
            state.last = Some(u32::MAX);
        });
    });
}

/// Microseconds since [`start`].
pub fn now_us() -> u64 {
    CLOCK.now()
}

/// The counter as it is, as a source of disorder.
pub fn raw_count() -> u32 {
    COUNTER.value.get()
}

/// The counter has gone round, after 172 s: look at it, or a round might be lost in a long silence.
pub extern "C" fn on_timer0() {
    COUNTER.int_clear.set(1);
    let _now_us = now_us();
}

/// Somebody is to be woken.
pub extern "C" fn on_timer1() {
    critical_section::with(|cs| CLOCK.with(cs, State::arm));
}
