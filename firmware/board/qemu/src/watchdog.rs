//! The board's watchdog (Arm DDI 0479, APB watchdog): its first time-out is a non-maskable interrupt, the second resets.

use crate::record::{self, ResetCause};
use crate::register::Register;

const BASE: usize = 0x4000_8000;
// SAFETY: registers of the watchdog (AN386, memory map); they have no memory effect.
const LOAD: Register = unsafe { Register::new(BASE) };
// SAFETY: as above.
const CONTROL: Register = unsafe { Register::new(BASE + 0x8) };
// SAFETY: as above.
const INT_CLEAR: Register = unsafe { Register::new(BASE + 0xC) };
// SAFETY: as above.
const LOCK: Register = unsafe { Register::new(BASE + 0xC00) };

/// Opens the lock; anything else closes it.
const UNLOCK: u32 = 0x1ACC_E551;
const INTERRUPT_AND_RESET: u32 = 0b11;
/// The system clock of AN386.
const TICKS_PER_MS: u32 = 25_000;

/// Starts it: unfed for `timeout_ms`, the box starts anew.
pub fn start(timeout_ms: u32) {
    LOCK.set(UNLOCK);
    LOAD.set(timeout_ms.saturating_mul(TICKS_PER_MS));
    INT_CLEAR.set(1);
    CONTROL.set(INTERRUPT_AND_RESET);
    LOCK.set(0);
}

/// Feeds it.
pub fn feed() {
    LOCK.set(UNLOCK);
    INT_CLEAR.set(1);
    LOCK.set(0);
}

/// Nobody fed it. Says so where the next boot finds it, and does not wait for the second time-out; that one is for a
/// core that does not even get here.
pub fn on_time_out() -> ! {
    record::announce(ResetCause::Watchdog);
    cortex_m::peripheral::SCB::sys_reset()
}
