//! What outlives a boot of the box: what it found out, the time of the vehicle's computer, and raw windows of events.

use super::Pipeline;
use crate::boot::{Kept, TICK_MAX_US};
use crate::road::EventWindow;

impl Pipeline {
    /// Takes what was kept of earlier runs; it holds from the next boot on.
    pub fn remember(&mut self, kept: Kept) {
        self.kept = kept;
    }

    /// What is known by now, for later runs.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let Some(boot) = &self.boot else { return self.kept };
        let kept = boot.kept();
        // A sensor that was moved in this boot is known to sit otherwise than before: nothing is better than that.
        Kept { mounting: kept.mounting, utc_us: kept.utc_us.max(self.kept.utc_us) }
    }

    /// Takes the time of the vehicle's computer: at a tick of a boot it was `utc_us`, give or take `error_us`. Of another
    /// boot than the present one it says nothing.
    pub fn observe_host(&mut self, boot_id: u32, tick_us: u64, utc_us: i64, error_us: i64) {
        let boot = self.boot.as_mut().filter(|boot| boot.boot_id() == boot_id && tick_us <= TICK_MAX_US);
        if let (Some(boot), Ok(tick_us)) = (boot, i64::try_from(tick_us)) {
            boot.observe_host(tick_us, utc_us, error_us);
        }
    }

    /// Raw windows of events that were kept since this was last asked, oldest first; some hundred at the most, of which the
    /// newest. Whoever does not ask loses nothing but them.
    pub fn take_windows(&mut self) -> Vec<EventWindow> {
        let mut windows = std::mem::take(&mut self.windows);
        if let Some(boot) = &mut self.boot {
            windows.extend(boot.take_windows());
        }
        windows
    }

    /// The boot is over.
    pub(super) fn inherit(&mut self) {
        self.kept = self.kept();
        if let Some(boot) = &mut self.boot {
            // The last boot's stand for all: nobody has asked for those of the one before.
            self.windows = boot.take_windows().into();
        }
    }
}
