//! The ends of the program: by semihosting, so that the emulator ends with a code and its log says why.

use core::arch::asm;
use core::panic::PanicInfo;

use cortex_m_rt::ExceptionFrame;

use crate::record::{self, ResetCause};

/// Exit code of a panic.
const PANIC: u32 = 101;
/// Exit code of a fault of the core.
const HARD_FAULT: u32 = 99;

// Arm semihosting, operations and reasons.
const SYS_WRITE0: u32 = 0x04;
const SYS_EXIT_EXTENDED: u32 = 0x20;
const ADP_STOPPED_APPLICATION_EXIT: u32 = 0x0002_0026;

fn call(operation: u32, parameter: *const u32) {
    // SAFETY: the semihosting trap; the emulator reads what `parameter` points to, which outlives the call.
    unsafe { asm!("bkpt 0xAB", inout("r0") operation => _, in("r1") parameter, options(nostack)) };
}

/// Says something in the emulator's log. Without `core::fmt`: its machinery would be a tenth of the image.
fn say(text: &str) {
    // The host reads up to a zero byte.
    for piece in text.as_bytes().chunks(63) {
        let mut line = [0_u8; 64];
        for (to, from) in line.iter_mut().zip(piece) {
            *to = *from;
        }
        call(SYS_WRITE0, line.as_ptr().cast());
    }
}

/// The same for a number, in hexadecimal.
fn say_hex(number: u32) {
    let mut text = *b"0x00000000";
    for (at, digit) in text.iter_mut().skip(2).enumerate() {
        let nibble = (number >> (28 - 4 * at)) & 0xF;
        *digit = char::from_digit(nibble, 16).map_or(b'?', |character| character as u8);
    }
    say(core::str::from_utf8(&text).unwrap_or_default());
}

fn exit(code: u32) -> ! {
    record::announce(ResetCause::Fault);
    let block = [ADP_STOPPED_APPLICATION_EXIT, code];
    call(SYS_EXIT_EXTENDED, block.as_ptr());
    // An emulator without semihosting stops at the trap above; a debugger that goes on ends here.
    cortex_m::peripheral::SCB::sys_reset()
}

#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    say("panic at ");
    if let Some(place) = info.location() {
        say(place.file());
        say(" line ");
        say_hex(place.line());
    }
    say(": ");
    say(info.message().as_str().unwrap_or("(a message with values)"));
    say("\n");
    exit(PANIC)
}

/// A fault of the core.
pub fn on_hard_fault(frame: &ExceptionFrame) -> ! {
    cortex_m::interrupt::disable();
    say("fault at ");
    say_hex(frame.pc());
    say(", called from ");
    say_hex(frame.lr());
    say("\n");
    exit(HARD_FAULT)
}
