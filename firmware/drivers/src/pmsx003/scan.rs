//! What the serial particle and CO2 sensors share: finding frames in a stream that has no delimiter.
//!
//! The bytes go through a window as long as the longest frame. Where no frame begins at its start, one byte is given up
//! and the rest is looked at again, so that a whole frame behind a broken one is never thrown away with it.

use core::fmt;

/// Why a part of a sensor's stream gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadFrame {
    /// Bytes that begin no frame; once for a whole run of them.
    Header,
    /// A length that no frame of this part has.
    Length,
    /// The last byte is not the one that ends every frame.
    End,
    /// The byte stuffing is broken.
    Stuffing,
    /// The check sum is wrong.
    Checksum,
    /// The frame is whole and the value is one that the part cannot have.
    Range,
    /// The frame is whole and the part reports a fault of its own: its fault code.
    Fault(u8),
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("bytes outside a frame"),
            Self::Length => f.write_str("wrong length"),
            Self::End => f.write_str("wrong last byte"),
            Self::Stuffing => f.write_str("broken byte stuffing"),
            Self::Checksum => f.write_str("wrong check sum"),
            Self::Range => f.write_str("a value that the part cannot have"),
            Self::Fault(code) => write!(f, "the part reports fault {code:#04x}"),
        }
    }
}

impl core::error::Error for BadFrame {}

/// What came so far. All stop at their greatest value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames with a value.
    pub readings: u32,
    /// Whole frames without one: answers to commands.
    pub answers: u32,
    /// Reports of [`BadFrame`].
    pub bad: u32,
}

impl Counts {
    pub(crate) fn reading(&mut self) {
        self.readings = self.readings.saturating_add(1);
    }

    pub(crate) fn answer(&mut self) {
        self.answers = self.answers.saturating_add(1);
    }

    pub(crate) fn bad(&mut self) {
        self.bad = self.bad.saturating_add(1);
    }
}

/// What stands at the start of the window.
pub(crate) enum Look<T> {
    /// Perhaps a frame: more bytes will tell.
    More,
    /// No frame.
    None(BadFrame),
    /// A frame of so many bytes with a value, or why it has none.
    Reading(usize, Result<T, BadFrame>),
    /// A frame of so many bytes that answers a command.
    Answer(usize),
}

/// The last bytes that are not yet understood; `N` is the longest frame.
#[derive(Clone, Debug)]
pub(crate) struct Window<const N: usize> {
    bytes: [u8; N],
    len: usize,
    /// A run of bytes outside a frame was reported, or is the tail of a frame that began before we listened.
    astray: bool,
    pub(crate) counts: Counts,
}

impl<const N: usize> Window<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], len: 0, astray: true, counts: Counts { readings: 0, answers: 0, bad: 0 } }
    }

    pub(crate) fn reset(&mut self) {
        self.len = 0;
        self.astray = true;
    }

    /// `look` judges the start of the window and must not ask for more bytes when it is full.
    pub(crate) fn feed<T>(
        &mut self,
        bytes: &[u8],
        look: impl Fn(&[u8]) -> Look<T>,
        mut on_reading: impl FnMut(Result<T, BadFrame>),
    ) {
        for byte in bytes {
            if let Some(free) = self.bytes.get_mut(self.len) {
                *free = *byte;
                self.len += 1;
            }
            while self.len > 0 {
                let used = match look(self.bytes.get(..self.len).unwrap_or_default()) {
                    Look::More if self.len < N => break,
                    // Cannot happen with a `look` that keeps its promise; a byte is given up rather than the stream.
                    Look::More => 1,
                    Look::None(why) => {
                        if why != BadFrame::Header || !self.astray {
                            self.counts.bad();
                            on_reading(Err(why));
                        }
                        self.astray = true;
                        1
                    }
                    Look::Reading(len, reading) => {
                        match reading {
                            Ok(_) => self.counts.reading(),
                            Err(_) => self.counts.bad(),
                        }
                        self.astray = false;
                        on_reading(reading);
                        len
                    }
                    Look::Answer(len) => {
                        self.counts.answer();
                        self.astray = false;
                        len
                    }
                };
                self.drop_first(used);
            }
        }
    }

    fn drop_first(&mut self, used: usize) {
        // At least one byte goes, so that the caller's loop ends whatever a frame claims.
        let used = used.clamp(1, self.len.max(1));
        self.bytes.copy_within(used.min(N)..self.len, 0);
        self.len -= used.min(self.len);
    }
}
