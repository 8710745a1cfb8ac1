//! Receivers without NAV-PVT (generations 4 to 6): one epoch from several messages with the same time of week.

use super::ecef;
use super::judge::Claim;
use super::ubx::{self, Payload};

#[derive(Clone, Copy, Debug, Default)]
struct Epoch {
    itow_ms: u32,
    /// NAV-SOL or NAV-STATUS: kind of fix, flags.
    status: Option<(u8, u8)>,
    sats: u8,
    pdop_centi: Option<u16>,
    h_acc_mm: Option<u32>,
    /// NAV-SOL: earth-centred position and velocity, cm and cm/s, and position accuracy, cm.
    ecef: Option<([i32; 3], [i32; 3], u32)>,
    position_e7: Option<(i32, i32)>,
    /// Speed mm/s, course.
    velocity: Option<(u32, Option<u16>)>,
    /// NAV-TIMEUTC came; nothing in it when the receiver does not vouch for it.
    utc: Option<Option<i64>>,
    any: bool,
    done: bool,
}

impl Epoch {
    fn is_complete(&self) -> bool {
        self.status.is_some() && self.position_e7.is_some() && self.velocity.is_some() && self.utc.is_some()
    }

    fn claim(&self) -> Claim {
        let (kind, flags) = self.status.unwrap_or((0, 0));
        let fixed = flags & 0x01 != 0 && matches!(kind, 1..=4);
        let ground = match (fixed, self.position_e7, self.velocity, self.ecef) {
            // Worth its floating point only where nothing better came.
            (true, None, _, Some((at, moving, _))) | (true, _, None, Some((at, moving, _))) => ecef::ground(at, moving),
            _ => None,
        };
        let velocity = self.velocity.or(ground.map(|ground| (ground.speed_mmps, Some(ground.heading_cdeg))));
        Claim {
            fixed,
            three_d: matches!(kind, 3 | 4),
            differential: flags & 0x02 != 0,
            utc_us: self.utc.flatten(),
            position_e7: self.position_e7.or(ground.map(|ground| (ground.lat_e7, ground.lon_e7))),
            speed_mmps: velocity.map(|(speed_mmps, _)| speed_mmps),
            heading_cdeg: velocity.and_then(|(_, heading_cdeg)| heading_cdeg),
            sats: self.sats,
            hdop_centi: self.pdop_centi,
            // The accuracy of NAV-SOL is that in space: an upper bound.
            h_acc_mm: self.h_acc_mm.or(self.ecef.map(|(_, _, cm)| cm.saturating_mul(10))),
        }
    }
}

/// An epoch and its time of week.
pub(super) type Over = (u32, Claim);

#[derive(Debug)]
pub(super) struct Assembler {
    epoch: Epoch,
}

impl Assembler {
    pub(super) fn new() -> Self {
        Self { epoch: Epoch::default() }
    }

    /// Takes a message of class NAV; what is over comes back, the older first. `Err` for a known message of a wrong length.
    pub(super) fn push(&mut self, id: u8, payload: &[u8]) -> Result<[Option<Over>; 2], ()> {
        let len = match id {
            ubx::NAV_POSLLH => 28,
            ubx::NAV_STATUS => 16,
            ubx::NAV_SOL => 52,
            ubx::NAV_VELNED => 36,
            ubx::NAV_TIMEUTC => 20,
            _ => return Ok([None; 2]),
        };
        if payload.len() != len {
            return Err(());
        }
        let p = Payload(payload);
        let mut over = [None; 2];
        if !self.epoch.any || self.epoch.itow_ms != p.u32(0) {
            over[0] = self.idle();
            self.epoch = Epoch { itow_ms: p.u32(0), any: true, ..Epoch::default() };
        }
        self.take(id, p);
        if !self.epoch.done && self.epoch.is_complete() {
            self.epoch.done = true;
            over[1] = Some((self.epoch.itow_ms, self.epoch.claim()));
        }
        Ok(over)
    }

    /// The line is silent, or the next epoch has begun: what there is of the epoch is all of it.
    pub(super) fn idle(&mut self) -> Option<Over> {
        let epoch = core::mem::take(&mut self.epoch);
        // A lone time message is no epoch.
        (epoch.status.is_some() && !epoch.done).then(|| (epoch.itow_ms, epoch.claim()))
    }

    fn take(&mut self, id: u8, p: Payload<'_>) {
        let epoch = &mut self.epoch;
        match id {
            ubx::NAV_POSLLH => {
                epoch.position_e7 = Some((p.i32(8), p.i32(4)));
                epoch.h_acc_mm = Some(p.u32(20));
            }
            ubx::NAV_STATUS => epoch.status = epoch.status.or(Some((p.u8(4), p.u8(5)))),
            ubx::NAV_SOL => {
                epoch.status = Some((p.u8(10), p.u8(11)));
                epoch.ecef = Some(([12, 16, 20].map(|at| p.i32(at)), [28, 32, 36].map(|at| p.i32(at)), p.u32(24)));
                epoch.pdop_centi = Some(p.u16(44));
                epoch.sats = p.u8(47);
            }
            ubx::NAV_VELNED => {
                epoch.velocity = Some((p.u32(20).saturating_mul(10), ubx::heading_cdeg(p.i32(24))));
            }
            ubx::NAV_TIMEUTC => {
                // validTOW, validWKN, validUTC.
                let vouched = p.u8(19) & 0x07 == 0x07;
                epoch.utc = Some(if vouched { p.utc_us(12, 8) } else { None });
            }
            _ => {}
        }
    }
}
