//! How deep the stack has been. The runtime paints it before the start; what has lost its paint was used.

use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    // Of the linker script: addresses, not variables.
    static _stack_end: u32;
    static _stack_start: u32;
}

/// Bytes of the stack that nothing has touched since boot.
pub fn free_bytes() -> u32 {
    let (end, start) = (&raw const _stack_end, &raw const _stack_start);
    let words = start.addr().saturating_sub(end.addr()) / size_of::<u32>();
    let painted = (0..words).take_while(|word| {
        // SAFETY: within the stack's own region and aligned; a word that changes meanwhile is no paint either way.
        unsafe { end.add(*word).read_volatile() == STACK_PAINT_VALUE }
    });
    (painted.count() * size_of::<u32>()) as u32
}
