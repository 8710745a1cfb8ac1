//! The sentences that the receiver sends, in the forms of NMEA 4.10 and the digits of the maker's default.

use super::MotionState;
use super::ubx::calendar;

/// Class of the sentences in CFG-MSG.
pub(super) const CLASS: u8 = 0xF0;
pub(super) const GGA: u8 = 0x00;
const GLL: u8 = 0x01;
pub(super) const GSA: u8 = 0x02;
pub(super) const RMC: u8 = 0x04;
const VTG: u8 = 0x05;
const ZDA: u8 = 0x08;
/// Ids that there are.
pub(super) const KNOWN: std::ops::RangeInclusive<u8> = 0x00..=0x0D;
/// Ids that are modelled, in the order in which they are sent.
pub(super) const MODELLED: [u8; 6] = [RMC, VTG, GGA, GSA, GLL, ZDA];

/// The sentence with its check sum and line end; empty for one that is not modelled.
pub(super) fn sentence(id: u8, motion: &MotionState, time_known: bool) -> String {
    let fixed = motion.fix > 0;
    let (year, [month, day, hour, minute, second]) = calendar(motion.utc_us);
    let centis = motion.utc_us.rem_euclid(1_000_000) / 10_000;
    let time = if time_known { format!("{hour:02}{minute:02}{second:02}.{centis:02}") } else { String::new() };
    let date = if time_known { format!("{day:02}{month:02}{:02}", year % 100) } else { String::new() };
    let place = if fixed {
        let ns = if motion.lat_e7 < 0 { 'S' } else { 'N' };
        let ew = if motion.lon_e7 < 0 { 'W' } else { 'E' };
        format!("{},{ns},{},{ew}", angle(motion.lat_e7, 2), angle(motion.lon_e7, 3))
    } else {
        ",,,".to_owned()
    };
    let mode = match motion.fix {
        0 => 'N',
        4 => 'D',
        _ => 'A',
    };
    let status = if fixed { 'A' } else { 'V' };
    let knots = if fixed { decimal(u64::from(motion.speed_mmps) * 3_600 / 1_852, 3) } else { String::new() };
    let course =
        if fixed && motion.heading_cdeg < 36_000 { decimal(u64::from(motion.heading_cdeg), 2) } else { String::new() };
    let (sats, hdop) = if fixed { (motion.sats, motion.hdop_centi) } else { (0, 9_999) };
    let hdop = decimal(u64::from(hdop), 2);
    let body = match id {
        RMC => format!("GNRMC,{time},{status},{place},{knots},{course},{date},,,{mode},V"),
        VTG => {
            let kmph = if fixed { decimal(u64::from(motion.speed_mmps) * 36 / 10, 3) } else { String::new() };
            format!("GNVTG,{course},T,,M,{knots},N,{kmph},K,{mode}")
        }
        GGA => {
            let quality = match motion.fix {
                0 => 0,
                4 => 2,
                _ => 1,
            };
            let altitude = if fixed { "40.0,M,49.0,M" } else { ",,," };
            format!("GNGGA,{time},{place},{quality},{sats:02},{hdop},{altitude},,")
        }
        GSA => {
            let dimension = match motion.fix {
                0 => 1,
                2 => 2,
                _ => 3,
            };
            // Which satellites they are is not modelled; how many is.
            let used: String = (1..=12).map(|n| if n <= sats { format!("{n:02},") } else { ",".to_owned() }).collect();
            format!("GNGSA,A,{dimension},{used}{hdop},{hdop},{hdop},1")
        }
        GLL => format!("GNGLL,{place},{time},{status},{mode}"),
        ZDA if time_known => format!("GNZDA,{time},{day:02},{month:02},{year:04},00,00"),
        ZDA => "GNZDA,,,,,00,00".to_owned(),
        _ => return String::new(),
    };
    let sum = body.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("${body}*{sum:02X}\r\n")
}

/// `ddmm.mmmmm`: five digits of a minute, 2 cm.
fn angle(angle_e7: i32, degree_digits: usize) -> String {
    // 1e-7 degrees are 6e-6 minutes.
    let minutes_e5 = (u64::from(angle_e7.unsigned_abs()) * 6 + 5) / 10;
    let (degrees, minutes_e5) = (minutes_e5 / 6_000_000, minutes_e5 % 6_000_000);
    format!("{degrees:0degree_digits$}{:02}.{:05}", minutes_e5 / 100_000, minutes_e5 % 100_000)
}

fn decimal(value: u64, digits: u32) -> String {
    let unit = 10_u64.pow(digits);
    format!("{}.{:0width$}", value / unit, value % unit, width = digits as usize)
}
