//! The serial line of a GNSS receiver: UBX and NMEA on one line, to one fix per epoch.
//!
//! [`Receiver::feed`] takes bytes in slices of any size. UBX NAV-PVT and TIM-TP are preferred; a receiver that knows no
//! NAV-PVT may send NAV-SOL, NAV-POSLLH, NAV-VELNED, NAV-TIMEUTC, NAV-DOP and NAV-STATUS; anything else may send NMEA
//! (RMC, GGA, GNS, GLL, GSA, VTG, ZDA, GST). The best of these three that is alive is used, the others are held back.
//!
//! # What a valid fix needs
//! `fix > 0` says all of this: the frame had the right check sum; the receiver itself says that it has a fix, and no
//! sentence of the epoch denies it; the position is on the globe and not 0°, 0°; the UTC is known and lies within
//! 1,024 weeks of [`Limits::utc_floor_us`], so that a week roll-over shows and is never repaired by a guess; speed is known
//! and below [`Limits::speed_max_mmps`]. Time alone can be valid (UBX only: NMEA has no word for it).
//!
//! # Latency
//! UBX NAV-PVT: with its last byte. Old UBX: with the last message of the epoch that is needed, or with the first of the
//! next epoch. NMEA has no end-of-epoch mark: the last sentence of the cycle is learnt from two equal cycles, and the fix
//! comes with it; until then, and when that sentence is lost, with the first sentence of the next epoch. A receiver whose
//! GSA leads its cycle delivers with the GSA of the next cycle, so up to one period late; `utc_us` is right all the same.
//! [`Receiver::line_idle`] spares all of that to who has a clock.
//!
//! # Why an own reader and not the `ublox` crate
//! Both protocols share one byte stream and a broken frame must be searched for whole frames inside it, which needs one
//! buffer under both; the crate's parser drops what is not UBX, and its accessors give scaled `f64`, whose arithmetic the
//! microcontroller would do in software. All of it in integers is smaller: only the old NAV-SOL without NAV-POSLLH
//! needs floating point (see `ecef`). The crate serves the tests as a second opinion.
//!
//! # What it costs
//! Measured for a Cortex-M4F (opt-level s, fat LTO): 28 kB of flash with everything below it that was linked in, of which
//! about 7 kB are `ecef` with the software floating point that it brings; no panic is linked in. A [`Receiver`] takes 1.0 kB
//! of RAM.
//!
//! Layouts: u-blox M8 receiver description UBX-13003221 and M9 interface description UBX-19035940 (UBX), u-blox 4
//! (ANTARIS) protocol specification for the old messages, NMEA 0183 version 4.11 as these papers describe it.

mod civil;
mod configure;
mod ecef;
mod epoch;
mod framer;
mod judge;
mod nmea;
mod nmea_fields;
mod receiver;
mod ubx;
mod ubx_old;
mod watch;

pub use configure::{ask_for_pvt, change_baud, configure};
pub use receiver::Receiver;

/// `heading_cdeg` of an unknown course.
pub const HEADING_UNKNOWN_CDEG: u16 = 36_000;
/// `h_acc_mm` of an unknown accuracy.
pub const H_ACC_UNKNOWN_MM: u32 = u32::MAX;
/// `hdop_centi` of an unknown dilution: 99.99, as receivers say it.
pub const HDOP_UNKNOWN_CENTI: u16 = 9_999;
/// 2020-01-01T00:00:00Z, microseconds since 1970.
pub const UTC_FLOOR_DEFAULT_US: i64 = 1_577_836_800_000_000;

/// What is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Earliest believable UTC, microseconds since 1970: earlier is a week roll-over or a cold clock. Later than this by
    /// 1,024 weeks or more is refused as well. The build date of the firmware is a good choice.
    pub utc_floor_us: i64,
    /// Greatest believable speed over ground, millimetres per second.
    pub speed_max_mmps: u32,
}

impl Default for Limits {
    /// From 2020-01-01 on, up to 150 m/s.
    fn default() -> Self {
        Self { utc_floor_us: UTC_FLOOR_DEFAULT_US, speed_max_mmps: 150_000 }
    }
}

/// One epoch of the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fix {
    /// UTC of the fix, microseconds since 1970; 0 while unknown.
    pub utc_us: i64,
    /// 0 none, 2 2D, 3 3D, 4 3D with differential corrections. All that follows but `sats` is void when 0.
    pub fix: u8,
    /// Satellites used.
    pub sats: u8,
    /// HDOP × 100; [`HDOP_UNKNOWN_CENTI`] unknown.
    pub hdop_centi: u16,
    /// Latitude, degrees × 1e7.
    pub lat_e7: i32,
    /// Longitude, degrees × 1e7.
    pub lon_e7: i32,
    /// Horizontal accuracy, millimetres; [`H_ACC_UNKNOWN_MM`] unknown.
    pub h_acc_mm: u32,
    /// Speed over ground, millimetres per second.
    pub speed_mmps: u32,
    /// Course, hundredths of a degree clockwise from north; [`HEADING_UNKNOWN_CDEG`] unknown.
    pub heading_cdeg: u16,
}

impl Fix {
    /// No fix, perhaps with a time.
    #[must_use]
    pub const fn none(utc_us: i64, sats: u8) -> Self {
        Self {
            utc_us,
            fix: 0,
            sats,
            hdop_centi: HDOP_UNKNOWN_CENTI,
            lat_e7: 0,
            lon_e7: 0,
            h_acc_mm: H_ACC_UNKNOWN_MM,
            speed_mmps: 0,
            heading_cdeg: HEADING_UNKNOWN_CDEG,
        }
    }
}

/// What the line brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An epoch, with or without a position.
    Fix(Fix),
    /// The next edge of PPS marks this moment.
    TimePulse {
        /// UTC of the edge, microseconds since 1970, a whole second.
        utc_us: i64,
    },
    /// Something was not used.
    Refused(Refusal),
}

/// Why something was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// UBX: wrong check sum. What stood inside is searched for whole frames.
    UbxCheckSum,
    /// UBX: longer than any frame that is read here.
    UbxTooLong,
    /// UBX: a known message in an unknown length.
    UbxLength,
    /// NMEA: wrong check sum.
    NmeaCheckSum,
    /// NMEA: the line ended without a check sum.
    NmeaNoCheckSum,
    /// NMEA: no end within the greatest sentence.
    NmeaTooLong,
    /// NMEA: another sentence or binary bytes began inside.
    NmeaTruncated,
    /// NMEA: right check sum, but a field is missing, not a number or out of its range.
    NmeaField,
    /// The receiver claims a fix, but its UTC is outside the window of [`Limits::utc_floor_us`], or not a date.
    Time,
    /// The receiver claims a fix, but the position is off the globe, or 0°, 0°.
    Position,
    /// The receiver claims a fix, but faster than [`Limits::speed_max_mmps`].
    Speed,
    /// The receiver claims a fix, but what it sent of this epoch lacks time, position or speed.
    Incomplete,
    /// NMEA: two sentences of an epoch give different positions.
    Conflict,
    /// TIM-TP that does not name a whole UTC second.
    TimePulse,
}

impl Refusal {
    /// How many there are.
    pub const COUNT: usize = 14;

    const fn index(self) -> usize {
        self as usize
    }
}

/// Counts since the start; all wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// UBX frames with the right check sum.
    pub ubx_frames: u32,
    /// NMEA sentences with the right check sum.
    pub nmea_sentences: u32,
    /// Bytes outside whole frames, line ends apart.
    pub garbage_bytes: u32,
    /// Fixes given out with `fix > 0`.
    pub valid_fixes: u32,
    /// Fixes given out with `fix` 0.
    pub no_fixes: u32,
    /// Time pulses given out.
    pub time_pulses: u32,
    /// Epochs held back because a better source gives them, or the same time a second time.
    pub held_back: u32,
    /// UBX ACK-ACK.
    pub acks: u32,
    /// UBX ACK-NAK.
    pub naks: u32,
    refused: [u32; Refusal::COUNT],
}

impl Counters {
    /// How often this was refused.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> u32 {
        self.refused.get(refusal.index()).copied().unwrap_or(0)
    }

    /// How often anything was refused.
    #[must_use]
    pub fn refused_in_all(&self) -> u32 {
        self.refused.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    fn refuse(&mut self, refusal: Refusal) {
        if let Some(count) = self.refused.get_mut(refusal.index()) {
            *count = count.wrapping_add(1);
        }
    }
}
