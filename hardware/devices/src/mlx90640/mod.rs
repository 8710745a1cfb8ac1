//! MLX90640 (Melexis, data sheet 3901090640, revision 12): infrared array of 32×24 pixels with its calibration inside.
//!
//! The model measures a scene backwards through the data sheet's own chain and the part's own EEPROM; it adds no noise: who
//! plays the world puts it into the scene. Words are made when somebody reads them.

mod part;
mod synthetic;

use crate::{I2cDevice, Nack};
use part::{Part, Responses, Surroundings, page};
pub use synthetic::synthetic_eeprom;

/// Rows of the array.
pub const ROWS: usize = 24;
/// Columns of the array.
pub const COLUMNS: usize = 32;
/// Pixels of the array, row by row.
pub const PIXELS: usize = ROWS * COLUMNS;
/// Words of the EEPROM, and of the RAM.
pub const EEPROM_WORDS: usize = 832;

/// No answer so long after power-on, µs; the first measurement begins then (section 12.2.1).
const POWER_ON_US: u64 = 40_000;

// Addresses (section 10.7).
const RAM: u16 = 0x0400;
const EEPROM: u16 = 0x2400;
const STATUS: u16 = 0x8000;
const CONTROL: u16 = 0x800d;
const CONTROL_2: u16 = 0x800e;
const I2C_CONFIG: u16 = 0x800f;
const I2C_ADDRESS: u16 = 0x8010;
/// Where in the EEPROM the control register's value at power-on is kept, and that of the next three registers.
const AT_POWER_ON: usize = 0x0c;
/// The maker's setting of the control register: chess pattern, 18 bits, 2 Hz, sub-pages in turn.
pub const CONTROL_DEFAULT: u16 = 0x1901;

const NEW_DATA: u16 = 0x0008;
const OVERWRITE: u16 = 0x0010;

/// One part.
pub struct Mlx90640 {
    part: Part,
    ram: Box<[u16; EEPROM_WORDS]>,
    scene_cdegc: Box<[i16; PIXELS]>,
    ambient_degc: f64,
    supply_v: f64,
    /// For the surroundings for which they were made.
    responses: Option<(Surroundings, Responses)>,
    pointer: u16,
    control: u16,
    others: [u16; 3],
    new_data: bool,
    overwrite: bool,
    /// The sub-page that was measured last, and the one in the making.
    last_page: u16,
    next_page: u16,
    /// When the latter is ready.
    ready_us: u64,
    /// Sub-pages that are due in the RAM but not yet made.
    due: [bool; 2],
    answers_from_us: u64,
}

impl Mlx90640 {
    /// A part with this EEPROM that has been on since time 0, before a scene of 20 °C at an ambient of 28 °C.
    #[must_use]
    pub fn new(eeprom: [u16; EEPROM_WORDS]) -> Self {
        let mut part = Self {
            part: Part::new(eeprom),
            ram: Box::new([0; EEPROM_WORDS]),
            scene_cdegc: Box::new([2_000; PIXELS]),
            ambient_degc: 28.0,
            supply_v: 3.3,
            responses: None,
            pointer: 0,
            control: CONTROL_DEFAULT,
            others: [0; 3],
            new_data: false,
            overwrite: false,
            last_page: 0,
            next_page: 0,
            ready_us: 0,
            due: [false; 2],
            answers_from_us: 0,
        };
        part.reset(0);
        part
    }

    /// What the part looks at: apparent temperatures row by row and the temperature of its own case, 0.01 °C. Seen from the
    /// next sub-page on that somebody reads.
    pub fn set_scene(&mut self, apparent_cdegc: &[i16; PIXELS], ambient_cdegc: i16) {
        self.scene_cdegc.copy_from_slice(apparent_cdegc);
        self.ambient_degc = f64::from(ambient_cdegc) / 100.0;
    }

    /// Its supply, mV; 3300 unless set.
    pub fn set_supply_mv(&mut self, supply_mv: u16) {
        self.supply_v = f64::from(supply_mv) / 1_000.0;
    }

    /// Registers as at power-on: the EEPROM holds them (table 8), an erased one the maker's choice.
    fn reset(&mut self, now_us: u64) {
        self.control = match self.part.eeprom(AT_POWER_ON) {
            0 => CONTROL_DEFAULT,
            kept => kept,
        };
        self.others = std::array::from_fn(|index| self.part.eeprom(AT_POWER_ON + 1 + index));
        self.new_data = false;
        self.overwrite = false;
        self.last_page = 0;
        self.due = [false; 2];
        self.ram.fill(0);
        self.pointer = 0;
        self.next_page = self.first_page();
        self.ready_us = now_us + POWER_ON_US + self.period_us();
    }

    /// From one sub-page to the next (section 10.4).
    fn period_us(&self) -> u64 {
        2_000_000 >> ((self.control >> 7) & 7)
    }

    /// Whether sub-pages take turns, and the one that is measured if not (table 6).
    const fn takes_turns(&self) -> bool {
        self.control & 0x0009 == 0x0001
    }

    const fn first_page(&self) -> u16 {
        if self.control & 0x0009 == 0x0009 { (self.control >> 4) & 1 } else { 0 }
    }

    /// Measures what was due by now.
    fn advance(&mut self, now_us: u64) {
        if now_us < self.ready_us {
            return;
        }
        let period_us = self.period_us();
        let more = (now_us - self.ready_us) / period_us;
        self.ready_us += (more + 1) * period_us;
        let page = if self.takes_turns() { (self.next_page + (more & 1) as u16) & 1 } else { self.first_page() };
        self.next_page = if self.takes_turns() { page ^ 1 } else { page };
        // Data hold: into the RAM only if that may be overwritten.
        if self.control & 0x0004 != 0 && !self.overwrite {
            return;
        }
        self.last_page = page;
        self.new_data = true;
        self.due[usize::from(page)] = true;
        if more > 0 && self.takes_turns() {
            self.due[usize::from(page ^ 1)] = true;
        }
    }

    /// Makes the words of the sub-pages that are due.
    fn measure(&mut self) {
        let around = Surroundings {
            ambient_degc: self.ambient_degc,
            supply_v: self.supply_v,
            chess: self.control & 0x1000 != 0,
            resolution: (self.control >> 10) & 3,
        };
        let part = &self.part;
        let (_, responses) = match &mut self.responses {
            Some(made) if made.0 == around => made,
            stale => stale.insert((around, part.respond(&around))),
        };
        let shared = &responses.shared;
        for (place, word) in [
            (0x300, shared.vbe),
            (0x308, shared.cp[0]),
            (0x30a, shared.gain),
            (0x320, shared.ptat),
            (0x328, shared.cp[1]),
            (0x32a, shared.vdd),
        ] {
            self.ram[place] = word;
        }
        let due = std::mem::take(&mut self.due);
        let pixels = self.ram.iter_mut().zip(&responses.pixels).zip(self.scene_cdegc.iter()).enumerate();
        for (index, ((word, response), apparent_cdegc)) in pixels {
            if due[page(index, around.chess)] {
                *word = part.pixel_word(responses, *response, *apparent_cdegc);
            }
        }
    }

    fn status(&self) -> u16 {
        let flag = |set: bool, bit: u16| if set { bit } else { 0 };
        self.last_page | flag(self.new_data, NEW_DATA) | flag(self.overwrite, OVERWRITE)
    }

    fn word(&self, address: u16) -> u16 {
        let within = |start: u16| Some(usize::from(address.checked_sub(start)?)).filter(|index| *index < EEPROM_WORDS);
        match address {
            STATUS => self.status(),
            CONTROL => self.control,
            CONTROL_2 => self.others[0],
            I2C_CONFIG => self.others[1],
            I2C_ADDRESS => self.others[2],
            _ => match (within(RAM), within(EEPROM)) {
                (Some(index), _) => self.ram[index],
                (_, Some(index)) => self.part.eeprom(index),
                _ => 0,
            },
        }
    }

    /// RAM is not the host's to write, and writing the EEPROM is not modelled: both are acknowledged and change nothing.
    fn set_word(&mut self, address: u16, word: u16) {
        match address {
            STATUS => {
                // The mark can only be taken off.
                self.new_data &= word & NEW_DATA != 0;
                self.overwrite = word & OVERWRITE != 0;
            }
            CONTROL => {
                let taking_turns = self.takes_turns();
                self.control = word;
                // The sub-page under way is finished in its own time (section 12.2.1).
                if !self.takes_turns() || !taking_turns {
                    self.next_page = self.first_page();
                }
            }
            CONTROL_2 => self.others[0] = word,
            I2C_CONFIG => self.others[1] = word,
            _ => {}
        }
    }
}

impl I2cDevice for Mlx90640 {
    fn write(&mut self, now_us: u64, bytes: &[u8]) -> Result<(), Nack> {
        if now_us < self.answers_from_us {
            return Err(Nack::Address);
        }
        self.advance(now_us);
        let (words, _) = bytes.as_chunks::<2>();
        let mut words = words.iter().map(|pair| u16::from_be_bytes(*pair));
        let Some(address) = words.next() else {
            return Ok(());
        };
        self.pointer = address;
        for word in words {
            self.set_word(self.pointer, word);
            self.pointer = self.pointer.wrapping_add(1);
        }
        Ok(())
    }

    fn read(&mut self, now_us: u64, buffer: &mut [u8]) -> Result<(), Nack> {
        if now_us < self.answers_from_us {
            return Err(Nack::Address);
        }
        self.advance(now_us);
        let ram = RAM..RAM + EEPROM_WORDS as u16;
        let last = self.pointer.saturating_add((buffer.len() / 2) as u16);
        if self.due != [false; 2] && self.pointer < ram.end && last > ram.start {
            self.measure();
        }
        // A whole sub-page is read at once: its words need no look at the address map each.
        let (pairs, rest) = buffer.as_chunks_mut::<2>();
        let first = usize::from(self.pointer.wrapping_sub(RAM));
        if let Some(words) = self.ram.get(first..first + pairs.len()) {
            for (pair, word) in pairs.iter_mut().zip(words) {
                *pair = word.to_be_bytes();
            }
            self.pointer = self.pointer.wrapping_add(pairs.len() as u16);
        } else {
            for pair in pairs {
                *pair = self.word(self.pointer).to_be_bytes();
                self.pointer = self.pointer.wrapping_add(1);
            }
        }
        if let [high] = rest {
            *high = self.word(self.pointer).to_be_bytes()[0];
        }
        Ok(())
    }

    fn power_cycle(&mut self, now_us: u64) {
        self.reset(now_us);
        self.answers_from_us = now_us + POWER_ON_US;
    }
}
