//! Whether the receiver does what it was asked to, seen from what it sends.

/// Epochs of a lesser source without one of a better, after which the better is taken for dead.
pub(super) const SILENT_EPOCHS: u8 = 3;
/// Epochs of NMEA that may still be under way when it has been switched off.
const NMEA_LEFT_OVER: u8 = 2;
/// Wrong periods in a row after which the rate counts as not taken: a lost epoch is one wrong period.
const WRONG_PERIODS: u8 = 5;
const WEEK_MS: u32 = 604_800_000;

#[derive(Debug)]
pub(super) struct Watch {
    asked_period_ms: Option<u16>,
    /// Epochs of NMEA or of old UBX since the last NAV-PVT; [`SILENT_EPOCHS`] when there was none.
    without_pvt: u8,
    /// Epochs of NMEA since NMEA was switched off.
    nmea_epochs: u8,
    last_itow_ms: Option<u32>,
    wrong_periods: u8,
}

impl Watch {
    pub(super) const fn new() -> Self {
        Self { asked_period_ms: None, without_pvt: SILENT_EPOCHS, nmea_epochs: 0, last_itow_ms: None, wrong_periods: 0 }
    }

    pub(super) fn has_pvt(&self) -> bool {
        self.without_pvt < SILENT_EPOCHS
    }

    /// The receiver was asked for everything.
    pub(super) fn asked(&mut self, period_ms: u16) {
        self.asked_period_ms = Some(period_ms);
        self.nmea_epochs = 0;
        self.wrong_periods = 0;
        self.last_itow_ms = None;
    }

    pub(super) fn saw_pvt(&mut self, itow_ms: u32) {
        self.without_pvt = 0;
        if let (Some(last_ms), Some(asked_ms)) = (self.last_itow_ms, self.asked_period_ms) {
            let period_ms = (itow_ms % WEEK_MS + WEEK_MS - last_ms) % WEEK_MS;
            let wrong = period_ms.abs_diff(u32::from(asked_ms)) > 1;
            self.wrong_periods = if wrong { self.wrong_periods.saturating_add(1) } else { 0 };
        }
        self.last_itow_ms = Some(itow_ms % WEEK_MS);
    }

    pub(super) fn saw_nmea_epoch(&mut self) {
        self.without_pvt = self.without_pvt.saturating_add(1);
        self.nmea_epochs = self.nmea_epochs.saturating_add(1);
    }

    pub(super) fn saw_old_epoch(&mut self) {
        self.without_pvt = self.without_pvt.saturating_add(1);
    }

    pub(super) fn is_satisfied(&self) -> bool {
        self.asked_period_ms.is_some()
            && self.has_pvt()
            && self.nmea_epochs <= NMEA_LEFT_OVER
            && self.wrong_periods < WRONG_PERIODS
    }
}
