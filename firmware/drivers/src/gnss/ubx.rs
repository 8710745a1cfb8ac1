//! Payloads of the UBX messages that are read, as the receiver description lays them out (little endian).

use super::civil;
use super::judge::Claim;

pub(super) const CLASS_NAV: u8 = 0x01;
pub(super) const CLASS_ACK: u8 = 0x05;
pub(super) const CLASS_CFG: u8 = 0x06;
pub(super) const CLASS_TIM: u8 = 0x0D;
pub(super) const NAV_POSLLH: u8 = 0x02;
pub(super) const NAV_STATUS: u8 = 0x03;
pub(super) const NAV_DOP: u8 = 0x04;
pub(super) const NAV_SOL: u8 = 0x06;
pub(super) const NAV_PVT: u8 = 0x07;
pub(super) const NAV_VELNED: u8 = 0x12;
pub(super) const NAV_TIMEUTC: u8 = 0x21;
pub(super) const TIM_TP: u8 = 0x01;
pub(super) const ACK_NAK: u8 = 0x00;
pub(super) const ACK_ACK: u8 = 0x01;

/// A payload and how to read it. Reading beyond its end gives nothing; lengths are checked before, so it never happens.
#[derive(Clone, Copy)]
pub(super) struct Payload<'a>(pub(super) &'a [u8]);

impl Payload<'_> {
    fn bytes<const N: usize>(self, at: usize) -> [u8; N] {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    pub(super) fn u8(self, at: usize) -> u8 {
        self.bytes::<1>(at)[0]
    }

    pub(super) fn u16(self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    pub(super) fn u32(self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    pub(super) fn i32(self, at: usize) -> i32 {
        i32::from_le_bytes(self.bytes(at))
    }

    /// Year, month, day, hour, minute, second as both time messages have them, and nanoseconds, which may be negative.
    pub(super) fn utc_us(self, at: usize, nano_at: usize) -> Option<i64> {
        let days = civil::days(self.u16(at), self.u8(at + 2), self.u8(at + 3))?;
        let nanos = i64::from(self.i32(nano_at));
        if nanos.abs() > 1_000_000_000 {
            return None;
        }
        let micros = (nanos + 500).div_euclid(1_000);
        let time_us = civil::time_of_day_us(self.u8(at + 4), self.u8(at + 5), self.u8(at + 6), micros)?;
        Some(days * civil::DAY_US + time_us)
    }
}

/// 1e-5 degrees to 0.01 degrees, where it is a course.
pub(super) fn heading_cdeg(heading_e5: i32) -> Option<u16> {
    match heading_e5 {
        0..=36_000_000 => Some(((heading_e5 + 500) / 1_000 % 36_000) as u16),
        _ => None,
    }
}

/// NAV-PVT ("Navigation position velocity time solution"); 84 bytes in protocol versions below 15, then 92.
pub(super) struct Pvt {
    pub(super) itow_ms: u32,
    pub(super) claim: Claim,
}

impl Pvt {
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        if !matches!(payload.len(), 84 | 92) {
            return None;
        }
        let p = Payload(payload);
        // validDate, validTime, fullyResolved: without the last the seconds may be off by the leap seconds.
        let utc_us = if p.u8(11) & 0x07 == 0x07 { p.utc_us(4, 16) } else { None };
        let flags = p.u8(21);
        // 1 dead reckoning, 2 2D, 3 3D, 4 GNSS and dead reckoning; 5, time only, is no position. Dead reckoning within the
        // receiver's limits (gnssFixOK) counts as 2D: the receiver vouches for it with an accuracy.
        let (kind, ok, invalid_llh) = (p.u8(20), flags & 0x01 != 0, p.u8(78) & 0x01 != 0);
        let fixed = ok && matches!(kind, 1..=4) && !invalid_llh;
        // 180° of course accuracy is the receiver's way to say that there is no course.
        let has_course = p.u32(72) < 18_000_000;
        let claim = Claim {
            fixed,
            three_d: matches!(kind, 3 | 4),
            differential: flags & 0x02 != 0,
            utc_us,
            position_e7: Some((p.i32(28), p.i32(24))),
            speed_mmps: u32::try_from(p.i32(60)).ok(),
            heading_cdeg: heading_cdeg(p.i32(64)).filter(|_| has_course),
            sats: p.u8(23),
            // PDOP, an upper bound of HDOP; the receiver's HDOP comes in NAV-DOP.
            hdop_centi: Some(p.u16(76)),
            h_acc_mm: Some(p.u32(40)),
        };
        Some(Self { itow_ms: p.u32(0), claim })
    }
}

/// GPS minus UTC, seconds, from one moment in both: `itow_ms` of the GPS week and UTC.
pub(super) fn leap_seconds(itow_ms: u32, utc_us: i64) -> Option<i64> {
    let of_week_us = (utc_us - civil::GPS_EPOCH_US).rem_euclid(civil::WEEK_US);
    let ahead_us = (i64::from(itow_ms) * 1_000 - of_week_us).rem_euclid(civil::WEEK_US);
    let seconds = (ahead_us + 500_000) / 1_000_000;
    // 18 since 2017; a minute would be more than a century of leap seconds.
    (seconds <= 60).then_some(seconds)
}

/// TIM-TP ("Time pulse time data"), 16 bytes: UTC of the next edge, where it is a whole second of UTC.
pub(super) fn time_pulse_us(payload: &[u8], leap_s: Option<i64>) -> Option<i64> {
    let p = Payload(payload);
    let flags = p.u8(14);
    let (base_is_utc, utc_available) = (flags & 0x01 != 0, flags & 0x02 != 0);
    if !utc_available {
        return None;
    }
    let leap_s = match (base_is_utc, p.u8(15) & 0x0F) {
        (true, _) => 0,
        (false, 0) => leap_s?,
        // Time of another system, or of none.
        (false, _) => return None,
    };
    // towSubMS is in 2⁻³² ms; pulse and whole second may lie a rounding apart on either side.
    let of_week_us = i64::from(p.u32(0)) * 1_000 + ((i64::from(p.u32(4)) * 1_000) >> 32);
    let utc_us = civil::GPS_EPOCH_US + i64::from(p.u16(12)) * civil::WEEK_US + of_week_us - leap_s * 1_000_000;
    let whole_us = (utc_us + 500_000).div_euclid(1_000_000) * 1_000_000;
    (utc_us.abs_diff(whole_us) < 1_000).then_some(whole_us)
}
