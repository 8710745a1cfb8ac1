//! What comes of a modem of the agent's own, beside the line of the box: the answers of the dialog, and probes.

use tournee_payload::Sample;

use super::{Boot, WAIT_MAX, Where};
use crate::mobile::dialog::Event;
use crate::mobile::probe::ProbeResult;

/// While the box says nothing for longer than this, the modem's time goes on for it: rows then no longer wait for a fix that
/// may never come. What the privacy trim holds it goes on holding: the round may have ended here.
const BOX_SILENT_US: i64 = 30_000_000;

impl Boot {
    /// Takes what the dialog found out at a tick. The tick does not move the time of the boot: frames that the line still
    /// holds are older, and rows wait for the fixes among them.
    pub fn modem_event(&mut self, tick_us: i64, event: Event, out: &mut Vec<Sample>) {
        let row = self.mobile.event(tick_us, event);
        self.queue(row, Where::Tick);
        self.goes_on(tick_us, out);
    }

    /// Takes the result of a probe that ended at a tick.
    pub fn probe_result(&mut self, tick_us: i64, result: &ProbeResult, out: &mut Vec<Sample>) {
        let row = self.mobile.probe(tick_us, result);
        self.queue(row, Where::Tick);
        self.goes_on(tick_us, out);
    }

    fn goes_on(&mut self, tick_us: i64, out: &mut Vec<Sample>) {
        let silent = tick_us.saturating_sub(BOX_SILENT_US) > self.now_us;
        if silent {
            self.now_us = tick_us.saturating_sub(BOX_SILENT_US);
            let row = self.air.at(self.now_us);
            self.queue(row, Where::Tick);
            let row = self.mobile.at(self.now_us);
            self.queue(row, Where::Tick);
            self.drain_road();
        }
        if silent || self.waiting.len() > WAIT_MAX {
            self.resolve(Some(self.now_us), out);
        }
    }

    /// Lines of the modem over the link of the box that were not understood, of both kinds.
    pub fn modem_unknown(&self) -> u64 {
        self.mobile.unparseable().saturating_add(self.mobile.unknown())
    }

    /// The last of these.
    pub fn modem_kept(&self) -> impl Iterator<Item = &str> {
        self.mobile.kept().last()
    }

    /// Whether the modem is registered, by the last row of ten seconds.
    pub fn registered(&self) -> Option<bool> {
        self.mobile.registered(self.now_us)
    }

    /// Travel since the first believed fix, metres.
    pub fn travelled_m(&self) -> f64 {
        self.geotag.odometer_m()
    }

    /// UTC now, where the clock of the boot is set, microseconds since 1970.
    pub fn utc_us(&self) -> Option<i64> {
        self.clock.at(self.now_us).map(|stamp| stamp.utc_us)
    }
}
