//! How deep the stack has been. It is painted before the loops start; what has lost its paint was used.

unsafe extern "C" {
    // Of the linker script: addresses, not variables.
    static _stack_end: u32;
    static _stack_start: u32;
}

/// A word that is no address and no small number.
const PAINT: u32 = 0xCCCC_CCCC;
/// Left alone below the stack pointer when painting, bytes: the painter's own frame.
const MARGIN_BYTES: usize = 512;

/// Paints what is free now. What the start itself needed is not of interest afterwards: it is the same every time, and
/// would not have come this far if it did not fit. To be called before interrupts are let through.
pub fn paint() {
    let mut at = (&raw const _stack_end) as usize;
    let end = (cortex_m::register::msp::read() as usize).saturating_sub(MARGIN_BYTES);
    while at < end {
        // SAFETY: within the stack's own region, aligned, and below every live frame; no interrupt can need it yet.
        unsafe { (at as *mut u32).write_volatile(PAINT) };
        at += 4;
    }
}

/// Bytes of the stack that nothing has touched since [`paint`].
pub fn free_bytes() -> u32 {
    let mut at = (&raw const _stack_end) as usize;
    let start = (&raw const _stack_start) as usize;
    let mut free = 0;
    while at < start {
        // SAFETY: within the stack's own region, aligned; a word of a deeper call frame may change while it is read,
        // and is then no paint either way.
        if unsafe { (at as *const u32).read_volatile() } != PAINT {
            break;
        }
        at += 4;
        free += 4;
    }
    free
}
