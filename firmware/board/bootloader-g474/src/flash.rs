//! The flash, with the dog fed at every page: a whole swap takes longer than the dog waits.

use embassy_stm32::flash::{Blocking, Error, Flash};
use embassy_stm32::pac;
use embassy_stm32::peripherals::IWDG;
use embassy_stm32::wdg::IndependentWatchdog;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

/// See the module.
pub struct FedFlash {
    flash: Flash<'static, Blocking>,
    dog: IndependentWatchdog<'static, IWDG>,
}

impl FedFlash {
    /// Feeds this dog.
    pub const fn new(flash: Flash<'static, Blocking>, dog: IndependentWatchdog<'static, IWDG>) -> Self {
        Self { flash, dog }
    }
}

impl ErrorType for FedFlash {
    type Error = Error;
}

impl ReadNorFlash for FedFlash {
    const READ_SIZE: usize = <Flash<'static, Blocking> as ReadNorFlash>::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.flash.blocking_read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl NorFlash for FedFlash {
    const WRITE_SIZE: usize = <Flash<'static, Blocking> as NorFlash>::WRITE_SIZE;
    const ERASE_SIZE: usize = <Flash<'static, Blocking> as NorFlash>::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        self.dog.pet();
        self.flash.blocking_erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        self.dog.pet();
        self.flash.blocking_write(offset, bytes)
    }
}

/// Clears the mark of a word whose check bits do not fit; whether there was one. Bits 31 and 29 of FLASH_ECCR: double error in
/// the low and in the high half of what was read; written as 1 they are cleared (RM0440, FLASH_ECCR).
pub fn forgive_torn_word() -> bool {
    const DOUBLE: u32 = 1 << 31 | 1 << 29;
    let status = pac::FLASH.eccr().read().0;
    pac::FLASH.eccr().modify(|register| register.0 = status & (DOUBLE | 1 << 24));
    status & DOUBLE != 0
}
