//! What tasks beside the line of the box tell its reader, which owns the pipeline.

use std::time::Instant;

use tournee_features::mobile::dialog::Event;
use tournee_features::mobile::probe::ProbeResult;

/// Something that was found out, and when.
#[derive(Debug)]
pub(crate) struct News {
    pub at: Instant,
    pub told: Told,
}

/// What was found out.
#[derive(Debug)]
pub(crate) enum Told {
    /// By the dialog with the modem.
    Event(Event),
    /// So many lines of the modem were not understood since the start.
    Unknown(u64),
    /// A service probe has ended.
    Probe(ProbeResult),
}

/// News that may wait; a round of the dialog makes about fifteen.
pub(crate) const NEWS_MAX: usize = 128;
