//! What a receiver claims, to what is believed: the one place where a fix becomes valid.

use super::civil::WEEK_US;
use super::{Fix, H_ACC_UNKNOWN_MM, HDOP_UNKNOWN_CENTI, HEADING_UNKNOWN_CDEG, Limits, Refusal};

/// Weeks after which the ten-bit week number of the GPS signal repeats (IS-GPS-200, section 20.3.3.3.1.1).
const ROLL_OVER_WEEKS: i64 = 1_024;
/// Closer to 0°, 0° than this in both axes is a default and not a place: 11 m, in the open Atlantic.
const NOWHERE_E7: u32 = 1_000;

/// What the receiver claims of one epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The receiver says that it has a fix.
    pub(super) fixed: bool,
    pub(super) three_d: bool,
    pub(super) differential: bool,
    /// Microseconds since 1970; nothing where the receiver does not vouch for it.
    pub(super) utc_us: Option<i64>,
    /// Latitude, longitude, degrees × 1e7.
    pub(super) position_e7: Option<(i32, i32)>,
    pub(super) speed_mmps: Option<u32>,
    pub(super) heading_cdeg: Option<u16>,
    pub(super) sats: u8,
    pub(super) hdop_centi: Option<u16>,
    pub(super) h_acc_mm: Option<u32>,
}

/// True where a date cannot be mixed up with one a roll-over away.
pub(super) fn is_believable(utc_us: i64, limits: &Limits) -> bool {
    utc_us > 0
        && utc_us >= limits.utc_floor_us
        && utc_us.saturating_sub(limits.utc_floor_us) < ROLL_OVER_WEEKS * WEEK_US
}

/// The fix to give out, and why a claimed one was not believed.
pub(super) fn judge(claim: &Claim, limits: &Limits) -> (Fix, Option<Refusal>) {
    let utc_us = claim.utc_us.filter(|utc_us| is_believable(*utc_us, limits));
    let none = Fix::none(utc_us.unwrap_or(0), claim.sats);
    if !claim.fixed {
        return (none, None);
    }
    match claimed_fix(claim, utc_us, limits) {
        Ok(fix) => (fix, None),
        Err(refusal) => (none, Some(refusal)),
    }
}

fn claimed_fix(claim: &Claim, believed_us: Option<i64>, limits: &Limits) -> Result<Fix, Refusal> {
    claim.utc_us.ok_or(Refusal::Incomplete)?;
    let utc_us = believed_us.ok_or(Refusal::Time)?;
    let (lat_e7, lon_e7) = claim.position_e7.ok_or(Refusal::Incomplete)?;
    let off_globe = lat_e7.unsigned_abs() > 900_000_000 || lon_e7.unsigned_abs() > 1_800_000_000;
    if off_globe || lat_e7.unsigned_abs() < NOWHERE_E7 && lon_e7.unsigned_abs() < NOWHERE_E7 {
        return Err(Refusal::Position);
    }
    let speed_mmps = claim.speed_mmps.ok_or(Refusal::Incomplete)?;
    if speed_mmps > limits.speed_max_mmps {
        return Err(Refusal::Speed);
    }
    Ok(Fix {
        utc_us,
        fix: match (claim.three_d, claim.differential) {
            (false, _) => 2,
            (true, false) => 3,
            (true, true) => 4,
        },
        sats: claim.sats,
        hdop_centi: claim.hdop_centi.unwrap_or(HDOP_UNKNOWN_CENTI).min(HDOP_UNKNOWN_CENTI),
        lat_e7,
        lon_e7,
        h_acc_mm: claim.h_acc_mm.unwrap_or(H_ACC_UNKNOWN_MM),
        speed_mmps,
        heading_cdeg: claim.heading_cdeg.filter(|cdeg| *cdeg < HEADING_UNKNOWN_CDEG).unwrap_or(HEADING_UNKNOWN_CDEG),
    })
}
