//! This board, as the application sees it.

use core::sync::atomic::{AtomicU32, Ordering};

use embassy_stm32::gpio::Input;
use embassy_time::Instant;
use tournee_app::Board;
use tournee_nucleo_g474::cause::Farewell;
use tournee_sampler::Vitals;

use crate::{fault, vitals};

/// What the firmware calls this board.
pub const NAME: &str = "nucleo-g474";
/// A contact has closed when it was closed for so long; it has opened at once.
const SETTLED_MS: u32 = 200;

/// Microseconds since the start of the image.
pub fn now_us() -> u64 {
    Instant::now().as_micros()
}

/// See the module.
pub struct Nucleo {
    switch: Input<'static>,
    /// When the switch was last seen open, milliseconds, wrapping.
    open_ms: AtomicU32,
}

impl Nucleo {
    /// `switch` is pulled up: an open contact, and so a cut wire, means off (hardware/pinout.toml).
    pub fn new(switch: Input<'static>) -> Self {
        Self { switch, open_ms: AtomicU32::new(now_ms()) }
    }
}

/// Wraps after 49 days; only differences are used.
fn now_ms() -> u32 {
    Instant::now().as_millis() as u32
}

impl Board for Nucleo {
    fn now_us(&self) -> u64 {
        now_us()
    }

    fn vitals(&self) -> Vitals {
        vitals::latest()
    }

    fn is_switched_off(&self) -> bool {
        let now_ms = now_ms();
        if self.switch.is_high() {
            self.open_ms.store(now_ms, Ordering::Relaxed);
            return true;
        }
        let closed_ms = now_ms.wrapping_sub(self.open_ms.load(Ordering::Relaxed));
        if closed_ms < SETTLED_MS {
            return true;
        }
        // Keeps the difference from wrapping round to "just opened".
        self.open_ms.store(now_ms.wrapping_sub(SETTLED_MS), Ordering::Relaxed);
        false
    }

    fn reboot(&self) -> ! {
        fault::end(Farewell::Asked, 0)
    }
}
