//! What comes of a modem of the agent's own, beside the line of the box.

use tournee_payload::Sample;

use super::Pipeline;
use crate::boot::TICK_MAX_US;
use crate::mobile::dialog::Event;
use crate::mobile::probe::ProbeResult;

/// What a service probe needs to know of the vehicle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Drive {
    /// A result would become a row: a box is there whose ticks stamp it, and it is within working hours.
    pub keeps_rows: bool,
    /// Whether the modem is registered, by its last row of ten seconds.
    pub registered: Option<bool>,
    /// Travel since the first believed fix of the boot, metres; begins anew with a boot.
    pub travelled_m: f64,
    /// UTC by the receiver of the box, microseconds since 1970; nothing before its first fix.
    pub utc_us: Option<i64>,
}

impl Pipeline {
    /// Takes what the dialog with the agent's own modem found out, at a tick of the present boot; finished samples are
    /// appended to `out`. False when it cannot be used: no box is there, or the tick is none.
    pub fn modem_event(&mut self, tick_us: i64, event: Event, out: &mut Vec<Sample>) -> bool {
        let Some(boot) = self.boot.as_mut().filter(|_| is_tick(tick_us)) else { return false };
        boot.modem_event(tick_us, event, out);
        true
    }

    /// Takes the result of a service probe that ended at a tick of the present boot. False as with
    /// [`Pipeline::modem_event`].
    pub fn probe_result(&mut self, tick_us: i64, result: &ProbeResult, out: &mut Vec<Sample>) -> bool {
        let Some(boot) = self.boot.as_mut().filter(|_| is_tick(tick_us)) else { return false };
        boot.probe_result(tick_us, result, out);
        true
    }

    /// Lines that the dialog with the agent's own modem did not understand, since the agent started; goes to the health rows.
    pub fn set_port_unknown(&mut self, lines: u64) {
        self.port_unknown = lines;
    }

    /// Modem lines over the link of the box that were not understood.
    #[must_use]
    pub fn link_unknown(&self) -> u64 {
        self.link_unknown_done.saturating_add(self.boot.as_ref().map_or(0, crate::boot::Boot::modem_unknown))
    }

    /// The last of these of the present boot, oldest first.
    pub fn link_kept(&self) -> impl Iterator<Item = &str> {
        self.boot.iter().flat_map(crate::boot::Boot::modem_kept)
    }

    /// What a service probe needs to know.
    #[must_use]
    pub fn drive(&self) -> Drive {
        self.boot.as_ref().map_or_else(Drive::default, |boot| Drive {
            keeps_rows: !self.is_outside_hours(),
            registered: boot.registered(),
            travelled_m: boot.travelled_m(),
            utc_us: boot.utc_us(),
        })
    }

    /// Modem lines that were not understood, from wherever they came.
    pub(super) fn modem_unknown(&self) -> u64 {
        self.port_unknown.saturating_add(self.link_unknown())
    }
}

fn is_tick(tick_us: i64) -> bool {
    u64::try_from(tick_us).is_ok_and(|tick_us| tick_us <= TICK_MAX_US)
}
