//! The FIFO of a BMI323 (data sheet, section 5.7).

use std::collections::VecDeque;

/// 2 kB.
const CAPACITY_WORDS: usize = 1_024;
/// First word of an accelerometer's frame that carries no sample.
const DUMMY_ACC: u16 = 0x7F01;
/// The same of the gyroscope.
const DUMMY_GYR: u16 = 0x7F02;

/// What a frame holds, by FIFO_CONF: acceleration, rotation, temperature, time, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sources {
    acc: bool,
    gyr: bool,
    temp: bool,
    time: bool,
}

impl Sources {
    pub(super) fn from_conf(conf: u16) -> Self {
        Self { acc: conf & 0x200 != 0, gyr: conf & 0x400 != 0, temp: conf & 0x800 != 0, time: conf & 0x100 != 0 }
    }

    fn words(self) -> usize {
        3 * usize::from(self.acc) + 3 * usize::from(self.gyr) + usize::from(self.temp) + usize::from(self.time)
    }
}

/// Words of whole frames, all of one length.
#[derive(Clone, Debug, Default)]
pub(super) struct Fifo {
    words: VecDeque<u16>,
    frame_words: usize,
    /// Words of the first frame that this read has given out already.
    given: usize,
    /// Words given out beyond the fill.
    beyond: usize,
}

impl Fifo {
    /// Words of complete frames, what FIFO_FILL_LEVEL says.
    pub(super) fn words(&self) -> usize {
        self.words.len()
    }

    pub(super) fn flush(&mut self) {
        self.words.clear();
        self.given = 0;
    }

    /// Whether another frame has no room.
    pub(super) fn is_full(&self, sources: Sources) -> bool {
        let frame = sources.words();
        frame > 0 && self.words.len() + frame > CAPACITY_WORDS
    }

    /// Stores a frame; returns how many were lost for want of room: the oldest, or with stop-on-full the new one.
    pub(super) fn push(&mut self, sources: Sources, acc: [u16; 3], temp: u16, time: u16, stop_on_full: bool) -> u64 {
        let frame = sources.words();
        if frame == 0 {
            return 0;
        }
        self.frame_words = frame;
        let full = self.is_full(sources);
        if full {
            if stop_on_full {
                return 1;
            }
            self.words.drain(..frame.min(self.words.len()));
        }
        if sources.acc {
            self.words.extend(acc);
        }
        if sources.gyr {
            self.words.extend([DUMMY_GYR, 0, 0]);
        }
        if sources.temp {
            self.words.push_back(temp);
        }
        if sources.time {
            self.words.push_back(time);
        }
        u64::from(full)
    }

    /// The next word of the burst.
    pub(super) fn read_word(&mut self) -> u16 {
        if self.frame_words == 0 || self.words.len() < self.frame_words {
            let word = if self.beyond.is_multiple_of(3) { DUMMY_ACC } else { 0 };
            self.beyond += 1;
            return word;
        }
        let word = self.words.get(self.given).copied().unwrap_or(DUMMY_ACC);
        self.given += 1;
        if self.given >= self.frame_words {
            self.words.drain(..self.frame_words);
            self.given = 0;
        }
        word
    }

    /// A frame that was read in part comes again, whole, in the next read.
    pub(super) fn end_of_read(&mut self) {
        self.given = 0;
        self.beyond = 0;
    }
}
