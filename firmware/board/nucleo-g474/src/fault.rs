//! The ends of the program. Each leaves a note for the next boot and resets: no trap, because nobody is there to look.

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};
use embassy_stm32::pac;
use tournee_nucleo_g474::cause::{Farewell, Note, ResetFlags, reset_cause};

unsafe extern "C" {
    /// Of the linker script: RAM that no start-up code touches.
    static mut _keep: Note;
}

/// A peripheral that could not be set up; the detail of [`Farewell::SetUp`].
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// A serial line.
    Serial = 1,
    /// A task that was there already.
    Task = 2,
}

/// Leaves a note and resets.
pub fn end(farewell: Farewell, detail: u32) -> ! {
    cortex_m::interrupt::disable();
    // SAFETY: the word is this program's alone, aligned, and nothing else runs any more.
    unsafe { (&raw mut _keep).write_volatile(Note::new(farewell, detail)) };
    SCB::sys_reset()
}

/// A peripheral that does not come up will not by waiting.
pub fn give_up(part: Part) -> ! {
    end(Farewell::SetUp, part as u32)
}

/// Why this boot: the number of the link's Hello. Takes the note and the flags, so that the next boot finds its own.
pub fn take_reset_cause() -> u8 {
    // SAFETY: as in `end`; called once, before any task. Every pattern of bits is a valid note.
    let farewell = unsafe {
        let note = (&raw const _keep).read_volatile();
        (&raw mut _keep).write_volatile(Note::NONE);
        note.farewell()
    };
    let csr = pac::RCC.csr().read();
    let flags =
        ResetFlags { power: csr.borrstf(), watchdog: csr.iwdgrstf() || csr.wwdgrstf(), software: csr.sftrstf() };
    pac::RCC.csr().modify(|register| register.set_rmvf(true));
    reset_cause(flags, farewell)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    end(Farewell::Panic, info.location().map_or(0, |location| location.line()))
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    end(Farewell::HardFault, frame.pc())
}

/// A power cut while the flash was written leaves a double word whose check bits do not fit, and reading it raises this. What
/// is read back is compared or summed anyway, so note the error as seen and go on (RM0440, FLASH_ECCR: bits 31 and 29 are the
/// double errors, cleared by writing 1; bit 24 enables the interrupt of the corrected ones).
#[exception]
unsafe fn NonMaskableInt() {
    const DOUBLE: u32 = 1 << 31 | 1 << 29;
    let status = pac::FLASH.eccr().read().0;
    if status & DOUBLE == 0 {
        end(Farewell::HardFault, 0);
    }
    pac::FLASH.eccr().modify(|register| register.0 = status & (DOUBLE | 1 << 24));
}
