//! One memory-mapped register.

/// A 32-bit register of a peripheral.
#[derive(Clone, Copy)]
pub struct Register(usize);

impl Register {
    /// # Safety
    /// `address` must be that of a 32-bit register of this board whose reads and writes cannot break memory safety.
    pub const unsafe fn new(address: usize) -> Self {
        Self(address)
    }

    /// Its value.
    pub fn get(self) -> u32 {
        // SAFETY: the promise of `new`.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    /// Sets it.
    pub fn set(self, value: u32) {
        // SAFETY: the promise of `new`.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}
