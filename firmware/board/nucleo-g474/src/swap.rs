//! The swap of two images over a flash with this chip's sizes and rules, cut off at any moment.
//!
//! Goal: whatever the moment of a power cut, the next start ends with one whole image, the new one until it was tried and the
//! old one after it was not confirmed. Method: embassy-boot itself over a flash in memory in which a double word is written
//! once (or again with zeros only), a cut leaves a torn word or a page of noise, and every write counts towards the cut.

use core::cell::RefCell;
use std::format;
use std::vec;
use std::vec::Vec;

use embassy_boot::{BlockingFirmwareState, BootLoader, BootLoaderConfig, State};
use embassy_embedded_hal::flash::partition::BlockingPartition;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

const WORD: usize = 8;
const PAGE: usize = 2048;
// As in memory.x, which `layout` holds together; here only their sizes matter.
const ACTIVE: u32 = 128 * 1024;
const DFU: u32 = 130 * 1024;
const STATE: u32 = 4 * 1024;

#[derive(Debug)]
enum Fault {
    /// The power is gone.
    Cut,
    /// A word that is not erased, which the chip refuses (RM0440, PROGERR).
    NotErased,
    /// Neither aligned nor within.
    Place,
}

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Place => NorFlashErrorKind::OutOfBounds,
            Self::Cut | Self::NotErased => NorFlashErrorKind::Other,
        }
    }
}

struct Flash {
    bytes: Vec<u8>,
    /// Words and pages that are still written before the power goes.
    fuel: Option<u32>,
    spent: u32,
    noise: u32,
}

impl Flash {
    fn new() -> Self {
        Self { bytes: vec![0xFF; (ACTIVE + DFU + STATE) as usize], fuel: None, spent: 0, noise: 1 }
    }

    fn noise(&mut self) -> u8 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        self.noise as u8
    }

    /// Spends one write; on the last one leaves noise where it was to go.
    fn spend(&mut self, at: usize, len: usize) -> Result<(), Fault> {
        self.spent += 1;
        match self.fuel {
            Some(0) => Err(Fault::Cut),
            Some(1) => {
                self.fuel = Some(0);
                for place in at..at + len {
                    self.bytes[place] = self.noise();
                }
                Err(Fault::Cut)
            }
            Some(fuel) => {
                self.fuel = Some(fuel - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl ErrorType for Flash {
    type Error = Fault;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        let from = offset as usize;
        bytes.copy_from_slice(self.bytes.get(from..from + bytes.len()).ok_or(Fault::Place)?);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        if !(from as usize).is_multiple_of(PAGE)
            || !(to as usize).is_multiple_of(PAGE)
            || to as usize > self.bytes.len()
        {
            return Err(Fault::Place);
        }
        for page in (from as usize..to as usize).step_by(PAGE) {
            self.spend(page, PAGE)?;
            self.bytes[page..page + PAGE].fill(0xFF);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        if !(offset as usize).is_multiple_of(WORD) || !bytes.len().is_multiple_of(WORD) {
            return Err(Fault::Place);
        }
        for (word, at) in bytes.chunks(WORD).zip((offset as usize..).step_by(WORD)) {
            let erased = self.bytes[at..at + WORD].iter().all(|byte| *byte == 0xFF);
            if !erased && word.iter().any(|byte| *byte != 0) {
                return Err(Fault::NotErased);
            }
            self.spend(at, WORD)?;
            self.bytes[at..at + WORD].copy_from_slice(word);
        }
        Ok(())
    }
}

type Shared = Mutex<NoopRawMutex, RefCell<Flash>>;
type Partition<'a> = BlockingPartition<'a, NoopRawMutex, Flash>;

fn partitions(flash: &Shared) -> [Partition<'_>; 3] {
    [
        BlockingPartition::new(flash, 0, ACTIVE),
        BlockingPartition::new(flash, ACTIVE, DFU),
        BlockingPartition::new(flash, ACTIVE + DFU, STATE),
    ]
}

/// A start: the boot loader's work, with a buffer of one page as it has there.
fn boot(flash: &Shared) -> Result<State, embassy_boot::BootError> {
    let [active, dfu, state] = partitions(flash);
    let mut page = [0; PAGE];
    BootLoader::new(BootLoaderConfig { active, dfu, state }).prepare_boot(&mut page)
}

/// Starts until a start is not cut off; fails when it never is.
fn boot_with_cuts(flash: &Shared, first_cut: u32) {
    // Cut, cut again on the way, then left alone.
    for fuel in [Some(first_cut), Some(first_cut / 2 + 3), None] {
        flash.lock(|flash| flash.borrow_mut().fuel = fuel);
        if boot(flash).is_ok() {
            flash.lock(|flash| flash.borrow_mut().fuel = None);
            return;
        }
    }
    panic!("the start never ends after a cut at {first_cut}");
}

fn image(seed: u8) -> Vec<u8> {
    // Not a round length: the rest of the last page is what an erased page is.
    (0..100_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect()
}

fn put(flash: &Shared, partition: usize, image: &[u8]) {
    let mut partition = partitions(flash)[partition].clone();
    assert!(partition.erase(0, partition.capacity() as u32).is_ok());
    for (word, at) in image.chunks(WORD).zip((0..).step_by(WORD)) {
        let mut padded = [0xFF; WORD];
        padded[..word.len()].copy_from_slice(word);
        assert!(partition.write(at, &padded).is_ok());
    }
}

fn active_is(flash: &Shared, image: &[u8]) -> bool {
    flash.lock(|flash| flash.borrow().bytes.starts_with(image))
}

fn with_state<R>(flash: &Shared, act: impl FnOnce(&mut BlockingFirmwareState<'_, Partition<'_>>) -> R) -> R {
    let [_, _, state] = partitions(flash);
    let mut word = [0; WORD];
    act(&mut BlockingFirmwareState::new(state, &mut word))
}

/// An old image that runs and a new one that waits, marked.
fn prepared() -> (Shared, Vec<u8>, Vec<u8>) {
    let flash = Mutex::new(RefCell::new(Flash::new()));
    let (old, new) = (image(0x11), image(0xA7));
    put(&flash, 0, &old);
    put(&flash, 1, &new);
    assert!(with_state(&flash, |state| state.mark_updated()).is_ok());
    (flash, old, new)
}

fn spent(flash: &Shared) -> u32 {
    flash.lock(|flash| core::mem::take(&mut flash.borrow_mut().spent))
}

/// The moments of a cut: densely at the start, where the state is written, and over the whole swap at a stride that falls on
/// every kind of write.
fn moments(writes: u32) -> impl Iterator<Item = u32> {
    (1..40).chain((40..writes).step_by(797)).chain(writes - 3..writes + 1)
}

#[test]
fn a_new_image_is_tried_kept_or_taken_back() {
    let (flash, old, new) = prepared();
    assert!(matches!(boot(&flash), Ok(State::Swap)));
    assert!(active_is(&flash, &new));
    // Not confirmed: the next start takes it back, and says so from then on.
    assert!(boot(&flash).is_ok());
    assert!(active_is(&flash, &old));
    assert!(matches!(with_state(&flash, |state| state.get_state()), Ok(State::Revert)));
    assert!(boot(&flash).is_ok());
    assert!(active_is(&flash, &old));
    // Once more, and confirmed: it stays.
    put(&flash, 1, &new);
    assert!(with_state(&flash, |state| state.mark_updated()).is_ok());
    assert!(boot(&flash).is_ok());
    assert!(with_state(&flash, |state| state.mark_booted()).is_ok());
    for _ in 0..2 {
        assert!(matches!(boot(&flash), Ok(State::Boot)));
        assert!(active_is(&flash, &new));
    }
}

#[test]
fn a_cut_in_the_swap_is_carried_on() {
    let (flash, _, _) = prepared();
    spent(&flash);
    assert!(boot(&flash).is_ok());
    let writes = spent(&flash);
    assert!(writes > 30_000, "{writes}");
    for cut in moments(writes) {
        let (flash, old, new) = prepared();
        boot_with_cuts(&flash, cut);
        // A cut in the very last write may leave a word that reads as written: then the new image has had its trial, and the
        // old one is back.
        let back = cut == writes && active_is(&flash, &old);
        assert!(back || active_is(&flash, &new), "{}", format!("cut at write {cut} of {writes}"));
    }
}

#[test]
fn a_cut_on_the_way_back_is_carried_on() {
    let (flash, _, _) = prepared();
    assert!(boot(&flash).is_ok());
    spent(&flash);
    assert!(boot(&flash).is_ok());
    let writes = spent(&flash);
    for cut in moments(writes) {
        let (flash, old, _) = prepared();
        assert!(boot(&flash).is_ok());
        boot_with_cuts(&flash, cut);
        assert!(active_is(&flash, &old), "{}", format!("cut at write {cut} of {writes}"));
    }
}

#[test]
fn a_cut_while_the_state_is_written_leaves_one_of_the_two_states() {
    for cut in 1..8 {
        let flash = Mutex::new(RefCell::new(Flash::new()));
        let (old, new) = (image(0x11), image(0xA7));
        put(&flash, 0, &old);
        put(&flash, 1, &new);
        flash.lock(|flash| flash.borrow_mut().fuel = Some(cut));
        let marked = with_state(&flash, |state| state.mark_updated()).is_ok();
        flash.lock(|flash| flash.borrow_mut().fuel = None);
        assert!(boot(&flash).is_ok());
        assert!(active_is(&flash, if marked { &new } else { &old }), "cut at {cut}");
    }
}
