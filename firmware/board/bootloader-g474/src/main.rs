//! The first thing that runs on the box: finishes or takes back a swap of the two images, then starts the active one.
//!
//! The swap is embassy-boot's: page by page, with its progress in STATE, so that a power cut at any moment is carried on at
//! the next start. A new image runs on trial: unless it calls itself good, the next reset brings the old one back, and the
//! independent watchdog, started here and never stopped, makes sure that a hung image gets to that reset.
#![no_std]
#![no_main]

mod flash;

use core::cell::RefCell;
use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{entry, exception};
use embassy_boot_stm32::{BootLoader, BootLoaderConfig};
use embassy_stm32::flash::{BANK1_REGION, Flash, WRITE_SIZE};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{Config, pac};
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;

use crate::flash::FedFlash;

/// A dog that is not fed for so long resets; the image sets the same.
const WATCHDOG_US: u32 = 4_000_000;
/// What the swap holds in RAM: one page.
const PAGE_BYTES: usize = 2048;
/// The RAM, without what memory.x keeps free: where a stack can begin.
const RAM: core::ops::RangeInclusive<u32> = 0x2000_0000..=0x2002_0000;

const _: () = assert!(WRITE_SIZE == 8 && PAGE_BYTES.is_multiple_of(WRITE_SIZE));

unsafe extern "C" {
    static __bootloader_active_start: u32;
    static __bootloader_active_end: u32;
}

#[entry]
fn main() -> ! {
    let mut config = Config::default();
    // Nothing here needs a clock beyond the 16 MHz of the reset state.
    config.rcc.hsi48 = None;
    let peripherals = embassy_stm32::init(config);
    let mut dog = IndependentWatchdog::new(peripherals.IWDG, WATCHDOG_US);
    dog.unleash();
    dog.pet();

    // The addresses of two linker symbols are the value; neither is read.
    let offset = (&raw const __bootloader_active_start).addr();
    let end = (&raw const __bootloader_active_end).addr();
    // On a chip whose option bytes say "one bank" the pages are larger and nothing could be swapped: start what is there. The
    // image says in its turn that it takes no other.
    if pac::FLASH.optr().read().dbank() {
        let flash =
            Mutex::<NoopRawMutex, _>::new(RefCell::new(FedFlash::new(Flash::new_blocking(peripherals.FLASH), dog)));
        let config = BootLoaderConfig::from_linkerfile_blocking(&flash, &flash, &flash);
        if BootLoader::try_prepare::<_, _, _, PAGE_BYTES>(config).is_err() {
            wait_for_reset();
        }
    }
    start(BANK1_REGION.base() + offset as u32, BANK1_REGION.base() + end as u32)
}

/// Starts the image at this address if one is there.
fn start(image: u32, end: u32) -> ! {
    // SAFETY: both words lie in the flash, which every address of ACTIVE does.
    let (stack, reset) = unsafe {
        let vectors = core::ptr::with_exposed_provenance::<u32>(image as usize);
        (vectors.read_volatile(), vectors.add(1).read_volatile())
    };
    if !RAM.contains(&stack) || !stack.is_multiple_of(4) || !(image..end).contains(&reset) || reset.is_multiple_of(2) {
        wait_for_reset();
    }
    // Leave nothing behind that could interrupt the image before it is ready.
    // SAFETY: nothing here uses an interrupt; ICER and ICPR only clear.
    let core = unsafe { cortex_m::Peripherals::steal() };
    for (enable, pending) in core.NVIC.icer.iter().zip(core.NVIC.icpr.iter()) {
        // SAFETY: as above.
        unsafe {
            enable.write(u32::MAX);
            pending.write(u32::MAX);
        }
    }
    // SAFETY: memory.x asserts the alignment that VTOR needs, and the two words were checked above.
    unsafe {
        core.SCB.vtor.write(image);
        cortex_m::asm::bootload(core::ptr::with_exposed_provenance(image as usize))
    }
}

/// Nothing to start, or a flash that fails: the dog resets, and all is tried anew.
fn wait_for_reset() -> ! {
    loop {
        cortex_m::asm::wfe();
    }
}

/// A power cut while a double word was written leaves one whose check bits do not fit; reading it raises this. The word then
/// reads as something that is no magic and no progress, which is what it is: so note it as seen and go on (reference manual
/// RM0440, flash error code correction).
#[exception]
unsafe fn NonMaskableInt() {
    if !flash::forgive_torn_word() {
        SCB::sys_reset();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    SCB::sys_reset()
}
