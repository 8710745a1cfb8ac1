//! The stages, wired.

use tournee_link::{Header, Message};
use tournee_payload::Sample;

use crate::profile::VehicleProfile;

/// What the reader of the serial line counted since the agent started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounters {
    /// Frames decoded.
    pub frames_ok: u64,
    /// Frames broken on the line.
    pub frames_bad: u64,
    /// Frames missing by their sequence number.
    pub frames_lost: u64,
    /// Whole frames with a message that this agent does not know.
    pub frames_unknown: u64,
}

/// From link messages to samples, for one box.
#[derive(Debug)]
pub struct Pipeline {
    profile: VehicleProfile,
}

impl Pipeline {
    /// A pipeline that has seen nothing yet.
    #[must_use]
    pub fn new(profile: VehicleProfile) -> Self {
        Self { profile }
    }

    /// Takes the next message of the line; finished samples are appended to `out`.
    pub fn feed(&mut self, header: &Header, message: &Message, line: &LineCounters, out: &mut Vec<Sample>) {
        let _ = (header, message, line, out, &self.profile);
    }

    /// End of input: what can be finished is appended to `out`.
    pub fn finish(&mut self, out: &mut Vec<Sample>) {
        let _ = out;
    }
}
