//! The pulse per second, stamped in its interrupt.
//!
//! The interrupt goes before all others, so that only a critical section delays the stamp: a few microseconds. A capture by
//! timer would be exact to one; what the host needs is some tens.

use embassy_stm32::exti::{ExtiInput, TriggerEdge};
use embassy_stm32::gpio::Pull;
use embassy_stm32::interrupt::{InterruptExt, Priority};
use embassy_stm32::mode::Blocking;
use embassy_stm32::{Peri, interrupt, pac, peripherals};
use embassy_time::Instant;

use crate::SHARED;

/// Listens on the pin as long as the returned value lives.
pub fn listen(
    pin: Peri<'static, peripherals::PA0>,
    line: Peri<'static, peripherals::EXTI0>,
) -> ExtiInput<'static, Blocking> {
    interrupt::EXTI0.set_priority(Priority::P0);
    // Held low, so that a receiver that is not fitted makes no edges.
    let input = ExtiInput::new_blocking(pin, line, Pull::Down, TriggerEdge::Rising);
    // SAFETY: the handler below is there and shares nothing with code that expects it off.
    unsafe { interrupt::EXTI0.enable() };
    input
}

#[interrupt]
fn EXTI0() {
    let tick_us = Instant::now().as_micros();
    // Pending bits are cleared by writing 1, the others stay (RM0440, EXTI_PR1).
    pac::EXTI.pr(0).write(|lines| lines.set_line(0, true));
    SHARED.pps_edge(tick_us);
}
