//! A firmware image in the second bank of the flash, for the boot loader to swap in.
//!
//! Writing and erasing block this task and nothing else: the code runs from the first bank, which stays readable (RM0440,
//! read-while-write), and the receiver has an executor of its own between sensors and sender. One page takes some 22 ms.

use core::cell::RefCell;

use embassy_boot_stm32::{AlignedBuffer, BlockingFirmwareState, FirmwareUpdaterConfig, State};
use embassy_embedded_hal::flash::partition::BlockingPartition;
use embassy_stm32::flash::{Blocking, Flash, WRITE_SIZE};
use embassy_stm32::peripherals::FLASH;
use embassy_stm32::{Peri, pac};
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use tournee_link::FIRMWARE_CHUNK_MAX;
use tournee_nucleo_g474::image::{HEAD_BYTES, is_startable};
use tournee_sampler::FirmwareStore;

/// What is erased at once (RM0440, dual-bank mode).
const PAGE_BYTES: u32 = 2048;
/// The RAM of the part, DS12288.
const RAM: core::ops::Range<u32> = 0x2000_0000..0x2002_0000;

// Parts come in order and, but for the last, in whole units of what the flash writes.
const _: () = assert!(FIRMWARE_CHUNK_MAX.is_multiple_of(WRITE_SIZE));

/// Why an image is not stored or not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The option bytes of the chip say "one bank": there is no second one to write.
    OneBank,
    /// The running image is on trial and the old one still lies in the store: confirm it first.
    OnTrial,
    /// Not an image of this board.
    Foreign,
    /// The flash.
    Flash,
}

/// How far the trial of the running image is; the numbers are those of the link's Hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Trial {
    /// Confirmed, or never swapped.
    Confirmed = 0,
    /// Still runs: the image goes back unless confirmed.
    Running = 1,
    /// The new one failed; this is the old one.
    Returned = 2,
}

/// See the module.
pub struct Store {
    /// None on a chip with one bank.
    flash: Option<Flash<'static, Blocking>>,
    /// Where the erased part of DFU ends.
    erased_bytes: u32,
}

type Partition<'a, 'f> = BlockingPartition<'a, NoopRawMutex, &'f mut Flash<'static, Blocking>>;

unsafe extern "C" {
    // Of the linker script: addresses, not variables.
    static _active_start: u32;
    static _active_end: u32;
}

/// Where an image runs.
fn active() -> core::ops::Range<u32> {
    let [start, end] = [&raw const _active_start, &raw const _active_end].map(|symbol| symbol.addr() as u32);
    start..end
}

impl Store {
    /// Touches nothing yet.
    pub fn new(flash: Peri<'static, FLASH>) -> Self {
        // The HAL panics when it is made for two banks and finds one.
        let two_banks = pac::FLASH.optr().read().dbank();
        Self { flash: two_banks.then(|| Flash::new_blocking(flash)), erased_bytes: 0 }
    }

    /// Which image runs.
    pub fn trial(&mut self) -> Trial {
        match self.with(|_, state| state.get_state().map_err(|_| StoreError::Flash)) {
            Ok(State::Swap) => Trial::Running,
            Ok(State::Revert) => Trial::Returned,
            Ok(State::Boot | State::DfuDetach) | Err(_) => Trial::Confirmed,
        }
    }

    /// Does something with DFU and STATE.
    fn with<R>(
        &mut self,
        act: impl FnOnce(&mut Partition<'_, '_>, &mut BlockingFirmwareState<'_, Partition<'_, '_>>) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let flash = self.flash.as_mut().ok_or(StoreError::OneBank)?;
        let flash = Mutex::new(RefCell::new(flash));
        let mut config = FirmwareUpdaterConfig::from_linkerfile_blocking(&flash, &flash);
        let mut word = AlignedBuffer([0; WRITE_SIZE]);
        act(&mut config.dfu, &mut BlockingFirmwareState::new(config.state, word.as_mut()))
    }
}

impl FirmwareStore for Store {
    type Error = StoreError;

    fn capacity(&self) -> u32 {
        if self.flash.is_some() { active().len() as u32 } else { 0 }
    }

    fn begin(&mut self, _: u32) -> Result<(), StoreError> {
        if self.trial() == Trial::Running {
            return Err(StoreError::OnTrial);
        }
        self.erased_bytes = 0;
        Ok(())
    }

    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), StoreError> {
        let mut erased_bytes = self.erased_bytes;
        let end = u32::try_from(data.len()).ok().and_then(|len| offset.checked_add(len)).ok_or(StoreError::Flash)?;
        self.with(|dfu, _| {
            // Pages are erased as the image reaches them: all at once would take more than a second.
            while erased_bytes < end {
                dfu.erase(erased_bytes, erased_bytes + PAGE_BYTES).map_err(|_| StoreError::Flash)?;
                erased_bytes += PAGE_BYTES;
            }
            for (unit, at) in data.chunks(WRITE_SIZE).zip((offset..).step_by(WRITE_SIZE)) {
                // Behind the end of the image the flash stays as it is erased.
                let mut padded = AlignedBuffer([0xFF; WRITE_SIZE]);
                padded.as_mut().iter_mut().zip(unit).for_each(|(to, from)| *to = *from);
                dfu.write(at, padded.as_ref()).map_err(|_| StoreError::Flash)?;
            }
            Ok(())
        })?;
        self.erased_bytes = erased_bytes;
        Ok(())
    }

    fn read(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.with(|dfu, _| dfu.read(offset, buffer).map_err(|_| StoreError::Flash))
    }

    fn try_out(&mut self) -> Option<Result<(), StoreError>> {
        Some(self.with(|dfu, state| {
            let mut head = [0; HEAD_BYTES];
            dfu.read(0, &mut head).map_err(|_| StoreError::Flash)?;
            if !is_startable(head, RAM, active()) {
                return Err(StoreError::Foreign);
            }
            state.mark_updated().map_err(|_| StoreError::Flash)
        }))
    }

    fn confirm(&mut self) -> Option<Result<(), StoreError>> {
        Some(self.with(|_, state| state.mark_booted().map_err(|_| StoreError::Flash)))
    }
}
