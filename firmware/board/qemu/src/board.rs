//! This board, as the application sees it.

use core::sync::atomic::{AtomicU32, Ordering};

use tournee_app::Board;
use tournee_sampler::Vitals;

use crate::record::{self, ResetCause};
use crate::{lines, stack, time};

/// The name in the box's Hello.
pub const NAME: &str = "mps2-an386";

/// The stack is looked through once in so many microseconds: it takes longer than a turn of the sensor loop.
const STACK_EVERY_US: u32 = 1_000_000;

static STACK_FREE_BYTES: AtomicU32 = AtomicU32::new(0);
/// Low word of the time at which the stack is looked through next.
static STACK_DUE_US: AtomicU32 = AtomicU32::new(0);

/// This board.
#[derive(Clone, Copy, Debug)]
pub struct QemuBoard;

impl QemuBoard {
    fn stack_free_bytes(self) -> u32 {
        // The low word is enough: only differences below an hour count.
        let now_us = self.now_us() as u32;
        let due_us = STACK_DUE_US.load(Ordering::Relaxed);
        if due_us == 0 || now_us.wrapping_sub(due_us) < u32::MAX / 2 {
            STACK_FREE_BYTES.store(stack::free_bytes(), Ordering::Relaxed);
            STACK_DUE_US.store(now_us.wrapping_add(STACK_EVERY_US).max(1), Ordering::Relaxed);
        }
        STACK_FREE_BYTES.load(Ordering::Relaxed)
    }
}

impl Board for QemuBoard {
    fn now_us(&self) -> u64 {
        time::now_us()
    }

    fn vitals(&self) -> Vitals {
        Vitals {
            uart_overruns: lines::overruns(),
            stack_free_bytes: self.stack_free_bytes(),
            // An emulated core has no temperature.
            mcu_ddegc: i16::MIN,
        }
    }

    fn is_switched_off(&self) -> bool {
        lines::is_switched_off()
    }

    fn is_for_tests(&self) -> bool {
        true
    }

    fn reboot(&self) -> ! {
        record::announce(ResetCause::Asked);
        cortex_m::peripheral::SCB::sys_reset()
    }
}
