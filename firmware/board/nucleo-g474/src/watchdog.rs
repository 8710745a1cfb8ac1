//! The independent watchdog: fed while the sensor loop and the sender both move.
//!
//! The boot loader has started it already; nothing stops it. It runs from its own oscillator, so that even a dead crystal ends
//! in a reset.

use embassy_stm32::gpio::Output;
use embassy_stm32::peripherals::IWDG;
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_time::{Duration, Instant, Timer};
use tournee_app::Board;

use crate::SHARED;
use crate::board::Nucleo;

/// A dog that is not fed for so long resets; the boot loader sets the same.
pub const TIMEOUT_US: u32 = 4_000_000;
/// A loop that has not come round for so long is taken to hang.
const STILL_MAX: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(250);

/// Watches, and shows with the lamp whether data is collected. The lamp blinks while a loop stands still.
pub async fn watch(mut dog: IndependentWatchdog<'static, IWDG>, mut lamp: Output<'static>, board: &Nucleo) -> ! {
    let (mut seen, mut moved_at) = (SHARED.heartbeat(), Instant::now());
    loop {
        let now = SHARED.heartbeat();
        if now.moved_since(seen) {
            (seen, moved_at) = (now, Instant::now());
        }
        if moved_at.elapsed() < STILL_MAX {
            dog.pet();
            if board.is_switched_off() { lamp.set_low() } else { lamp.set_high() }
        } else {
            lamp.toggle();
        }
        Timer::after(LOOK).await;
    }
}
