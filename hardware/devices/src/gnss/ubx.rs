//! The UBX messages that the receiver sends.

use super::{LEAP_S, MotionState, SECOND_US};

/// Class and id of NAV-PVT.
pub(super) const NAV_PVT: (u8, u8) = (0x01, 0x07);
/// Class and id of NAV-DOP.
pub(super) const NAV_DOP: (u8, u8) = (0x01, 0x04);
/// Class and id of TIM-TP.
pub(super) const TIM_TP: (u8, u8) = (0x0D, 0x01);

const WEEK_US: i64 = 604_800 * SECOND_US;
/// 1980-01-06.
const GPS_EPOCH_US: i64 = 315_964_800 * SECOND_US;

/// A whole frame.
pub(super) fn frame(class: u8, id: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xB5, 0x62, class, id];
    frame.extend((payload.len() as u16).to_le_bytes());
    frame.extend(payload);
    let sum = check_sum(&frame[2..]);
    frame.extend(sum);
    frame
}

/// Section "UBX checksum": two running sums of eight bits.
pub(super) fn check_sum(bytes: &[u8]) -> [u8; 2] {
    let (mut a, mut b) = (0_u8, 0_u8);
    for byte in bytes {
        a = a.wrapping_add(*byte);
        b = b.wrapping_add(a);
    }
    [a, b]
}

/// Year, month, day, hour, minute, second of a UTC.
pub(super) fn calendar(utc_us: i64) -> (u16, [u8; 5]) {
    let (days, seconds) = (utc_us.div_euclid(86_400 * SECOND_US), utc_us.div_euclid(SECOND_US).rem_euclid(86_400));
    // Days from 1600-03-01, so that the leap day ends a year and 400 years are one cycle of 146,097 days.
    let days = days + 135_080;
    let (cycle, of_cycle) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    // Months from March have 31, 30, 31, 30, 31 days, and again: 153 days in five.
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 1_600 + 400 * cycle + year + carry;
    let time = [seconds / 3_600, seconds / 60 % 60, seconds % 60];
    (year as u16, [month, day, time[0], time[1], time[2]].map(|part| part as u8))
}

fn gps_us(utc_us: i64) -> i64 {
    utc_us - GPS_EPOCH_US + LEAP_S * SECOND_US
}

fn time_of_week_ms(since_epoch_us: i64) -> u32 {
    (since_epoch_us.rem_euclid(WEEK_US) / 1_000) as u32
}

/// PDOP of a sky that is as good upwards as sideways allows.
fn pdop_centi(hdop_centi: u16) -> u16 {
    (u32::from(hdop_centi) * 17 / 10).min(9_999) as u16
}

/// NAV-PVT, 92 bytes.
pub(super) fn nav_pvt(motion: &MotionState, time_known: bool) -> Vec<u8> {
    let fixed = motion.fix > 0;
    let mut p = vec![0_u8; 92];
    let mut put = |at: usize, bytes: &[u8]| p[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &time_of_week_ms(gps_us(motion.utc_us)).to_le_bytes());
    if time_known {
        let (year, rest) = calendar(motion.utc_us);
        put(4, &year.to_le_bytes());
        put(6, &rest);
        put(11, &[0x07]);
        put(12, &25_u32.to_le_bytes());
        put(16, &((motion.utc_us.rem_euclid(SECOND_US) * 1_000) as i32).to_le_bytes());
    } else {
        // The clock as it starts: a date that means nothing, and no flag.
        put(4, &2_015_u16.to_le_bytes());
        put(6, &[10, 18, 0, 0, 0]);
        put(12, &u32::MAX.to_le_bytes());
    }
    let kind = match motion.fix {
        0 => 0,
        2 => 2,
        _ => 3,
    };
    put(20, &[kind, u8::from(fixed) | u8::from(motion.fix == 4) << 1, 0, if fixed { motion.sats } else { 0 }]);
    if fixed {
        put(24, &motion.lon_e7.to_le_bytes());
        put(28, &motion.lat_e7.to_le_bytes());
        put(40, &motion.h_acc_mm.to_le_bytes());
        put(44, &motion.h_acc_mm.saturating_mul(3).saturating_div(2).to_le_bytes());
        let speed_mmps = i32::try_from(motion.speed_mmps).unwrap_or(i32::MAX);
        put(60, &speed_mmps.to_le_bytes());
        let (heading_e5, accuracy_e5) = match motion.heading_cdeg {
            cdeg @ 0..36_000 => (i32::from(cdeg) * 1_000, 200_000_u32),
            // 180°: no course.
            _ => (0, 18_000_000),
        };
        put(64, &heading_e5.to_le_bytes());
        put(68, &300_u32.to_le_bytes());
        put(72, &accuracy_e5.to_le_bytes());
        put(76, &pdop_centi(motion.hdop_centi).to_le_bytes());
    } else {
        for at in [40, 44] {
            put(at, &u32::MAX.to_le_bytes());
        }
        put(72, &18_000_000_u32.to_le_bytes());
        put(76, &9_999_u16.to_le_bytes());
        // flags3: latitude and longitude are void.
        put(78, &[1]);
    }
    frame(NAV_PVT.0, NAV_PVT.1, &p)
}

/// NAV-DOP, 18 bytes.
pub(super) fn nav_dop(motion: &MotionState) -> Vec<u8> {
    let hdop = if motion.fix > 0 { motion.hdop_centi } else { 9_999 };
    let pdop = pdop_centi(hdop);
    let mut p = time_of_week_ms(gps_us(motion.utc_us)).to_le_bytes().to_vec();
    // Geometric, position, time, vertical, horizontal, northing, easting.
    for dop in [pdop, pdop, pdop, pdop, hdop, hdop, hdop] {
        p.extend(dop.to_le_bytes());
    }
    frame(NAV_DOP.0, NAV_DOP.1, &p)
}

/// TIM-TP, 16 bytes, for the edge at this UTC.
pub(super) fn time_pulse(edge_us: i64, grid_is_utc: bool) -> Vec<u8> {
    let since_us = if grid_is_utc { edge_us - GPS_EPOCH_US } else { gps_us(edge_us) };
    let mut p = time_of_week_ms(since_us).to_le_bytes().to_vec();
    p.extend([0; 4]);
    // Quantisation error: the edge is on a tick of the receiver's clock, nanoseconds off.
    p.extend(3_217_i32.to_le_bytes());
    p.extend((since_us.div_euclid(WEEK_US) as u16).to_le_bytes());
    // UTC is known; bit 0: the time above is UTC. Reference: GPS, UTC as of the GPS message.
    p.extend([0x02 | u8::from(grid_is_utc), 0x30]);
    frame(TIM_TP.0, TIM_TP.1, &p)
}

#[cfg(test)]
mod tests {
    use super::calendar;

    #[test]
    fn known_dates() {
        assert_eq!(calendar(0), (1970, [1, 1, 0, 0, 0]));
        assert_eq!(calendar(951_782_399_999_999), (2000, [2, 28, 23, 59, 59]));
        assert_eq!(calendar(951_782_400_000_000), (2000, [2, 29, 0, 0, 0]));
        assert_eq!(calendar(951_868_800_000_000), (2000, [3, 1, 0, 0, 0]));
        assert_eq!(calendar(1_735_689_599_000_000), (2024, [12, 31, 23, 59, 59]));
        assert_eq!(calendar(1_795_780_800_000_000), (2026, [11, 27, 12, 0, 0]));
        assert_eq!(calendar(4_107_542_400_000_000), (2100, [3, 1, 0, 0, 0]), "2100 has no leap day");
    }
}
