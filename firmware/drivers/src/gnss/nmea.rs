//! One NMEA sentence to what it says, in integers: parsing decimals as floating point would cost more flash than all
//! the rest of this module.

use super::civil;
use super::nmea_fields::{BadField, Fields};

/// The sentences that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rmc,
    Gga,
    Gns,
    Gll,
    Zda,
    Gst,
    Gsa,
    Vtg,
}

impl Kind {
    pub(super) const COUNT: usize = 8;

    /// GSA and VTG carry no time of their own.
    pub(super) const fn is_timed(self) -> bool {
        !matches!(self, Self::Gsa | Self::Vtg)
    }
}

/// What a sentence says. Nothing where it says nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) kind: Kind,
    pub(super) talker: [u8; 2],
    /// Microseconds of the day.
    pub(super) time_us: Option<i64>,
    /// Days since 1970.
    pub(super) date_days: Option<i64>,
    /// The receiver has a fix, or has none.
    pub(super) fixed: Option<bool>,
    pub(super) differential: bool,
    pub(super) position_e7: Option<(i32, i32)>,
    pub(super) speed_mmps: Option<u32>,
    pub(super) heading_cdeg: Option<u16>,
    pub(super) sats: Option<u8>,
    pub(super) hdop_centi: Option<u16>,
    /// An altitude stands beside the position.
    pub(super) has_altitude: bool,
    /// GSA: 1 none, 2 2D, 3 3D.
    pub(super) dimension: Option<u8>,
    pub(super) h_acc_mm: Option<u32>,
}

/// Positioning system mode indicator: whether it is a fix, and a differential one. Estimated (dead reckoning), manual and
/// simulated positions are none: nothing was measured, and NMEA does not say how far off they may be.
fn mode(letter: u8) -> Result<(bool, bool), BadField> {
    match letter {
        b'A' | b'P' => Ok((true, false)),
        b'D' | b'F' | b'R' => Ok((true, true)),
        b'E' | b'M' | b'S' | b'N' => Ok((false, false)),
        _ => Err(BadField),
    }
}

/// Reads what stands between `$` and `*`. Nothing for a sentence that is not used.
pub(super) fn parse(body: &[u8]) -> Result<Option<Report>, BadField> {
    let f = Fields::new(body);
    let [t1, t2, name @ ..] = f.get(0) else { return Ok(None) };
    let (kind, least) = match name {
        _ if *t1 == b'P' => return Ok(None),
        b"RMC" => (Kind::Rmc, 10),
        b"GGA" => (Kind::Gga, 12),
        b"GNS" => (Kind::Gns, 11),
        b"GLL" => (Kind::Gll, 7),
        b"ZDA" => (Kind::Zda, 5),
        b"GST" => (Kind::Gst, 9),
        b"GSA" => (Kind::Gsa, 18),
        b"VTG" => (Kind::Vtg, 9),
        _ => return Ok(None),
    };
    if f.count < least {
        return Err(BadField);
    }
    let mut report = Report {
        kind,
        talker: [*t1, *t2],
        time_us: None,
        date_days: None,
        fixed: None,
        differential: false,
        position_e7: None,
        speed_mmps: None,
        heading_cdeg: None,
        sats: None,
        hdop_centi: None,
        has_altitude: false,
        dimension: None,
        h_acc_mm: None,
    };
    match kind {
        Kind::Rmc => rmc(&f, &mut report)?,
        Kind::Gga => gga(&f, &mut report)?,
        Kind::Gns => gns(&f, &mut report)?,
        Kind::Gll => gll(&f, &mut report)?,
        Kind::Zda => {
            report.time_us = f.time_us(1)?;
            if let (Some(day), Some(month), Some(year)) = (f.small(2)?, f.small(3)?, f.decimal(4, 0)?) {
                let year = u16::try_from(year).map_err(|_| BadField)?;
                report.date_days = Some(civil::days(year, month, day).ok_or(BadField)?);
            }
        }
        Kind::Gst => {
            report.time_us = f.time_us(1)?;
            if let (Some(lat), Some(lon)) = (f.decimal(6, 3)?, f.decimal(7, 3)?) {
                let square = lat.checked_mul(lat).and_then(|lat| lat.checked_add(lon.checked_mul(lon)?));
                let mm = square.ok_or(BadField)?.unsigned_abs().isqrt();
                report.h_acc_mm = Some(u32::try_from(mm).unwrap_or(u32::MAX));
            }
        }
        Kind::Gsa => {
            report.dimension = match f.letter(2)? {
                None => None,
                Some(digit @ b'1'..=b'3') => Some(digit - b'0'),
                Some(_) => return Err(BadField),
            };
            report.hdop_centi = f.hdop_centi(16)?;
        }
        Kind::Vtg => {
            report.heading_cdeg = f.heading_cdeg(1)?;
            report.speed_mmps = f.speed_mmps(5)?;
        }
    }
    Ok(Some(report))
}

/// `A` or `V`, and the mode letter of NMEA 2.3 and later; true with a fix.
fn status(f: &Fields<'_>, status: usize, mode_at: usize, report: &mut Report) -> Result<bool, BadField> {
    let active = match f.letter(status)? {
        Some(b'A') => true,
        Some(b'V') | None => false,
        Some(_) => return Err(BadField),
    };
    let (by_mode, differential) = f.letter(mode_at)?.map_or(Ok((true, false)), mode)?;
    let fixed = active && by_mode;
    report.fixed = Some(fixed);
    report.differential = fixed && differential;
    Ok(fixed)
}

fn rmc(f: &Fields<'_>, report: &mut Report) -> Result<(), BadField> {
    report.time_us = f.time_us(1)?;
    if status(f, 2, 12, report)? {
        report.position_e7 = f.position_e7(3)?;
        report.speed_mmps = f.speed_mmps(7)?;
        report.heading_cdeg = f.heading_cdeg(8)?;
        report.date_days = f.date_days(9)?;
    }
    Ok(())
}

fn gga(f: &Fields<'_>, report: &mut Report) -> Result<(), BadField> {
    report.time_us = f.time_us(1)?;
    report.sats = f.small(7)?;
    (report.fixed, report.differential) = match f.letter(6)? {
        None => (None, false),
        // 3 is the precise positioning service: no corrections.
        Some(b'1' | b'3') => (Some(true), false),
        Some(b'2' | b'4' | b'5') => (Some(true), true),
        // 6 estimated, 7 manual, 8 simulated: see `mode`.
        Some(b'0' | b'6' | b'7' | b'8') => (Some(false), false),
        Some(_) => return Err(BadField),
    };
    if report.fixed != Some(false) {
        report.position_e7 = f.position_e7(2)?;
        report.hdop_centi = f.hdop_centi(8)?;
    }
    report.has_altitude = report.fixed == Some(true) && !f.get(9).is_empty();
    Ok(())
}

fn gns(f: &Fields<'_>, report: &mut Report) -> Result<(), BadField> {
    report.time_us = f.time_us(1)?;
    report.sats = f.small(7)?;
    let (mut fixed, mut differential) = (false, false);
    for letter in f.get(6) {
        let (by_this, with_corrections) = mode(*letter)?;
        fixed |= by_this;
        differential |= with_corrections;
    }
    report.fixed = Some(fixed);
    report.differential = differential;
    if fixed {
        report.position_e7 = f.position_e7(2)?;
        report.hdop_centi = f.hdop_centi(8)?;
        report.has_altitude = !f.get(9).is_empty();
    }
    Ok(())
}

fn gll(f: &Fields<'_>, report: &mut Report) -> Result<(), BadField> {
    report.time_us = f.time_us(5)?;
    if status(f, 6, 7, report)? {
        report.position_e7 = f.position_e7(1)?;
    }
    Ok(())
}
