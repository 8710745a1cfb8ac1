//! The boots of a box, one after the other, and what is counted over all of them.

use tournee_link::{Header, Message};
use tournee_payload::{Sample, Stream};

use crate::boot::{Boot, TICK_MAX_US, Unused};
use crate::calibration::Correction;
use crate::ids;
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

/// What the pipeline counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PipelineCounters {
    /// Boots seen.
    pub boots: u64,
    /// Samples kept on board by the privacy trim.
    pub trimmed_samples: u64,
    /// Messages whose tick cannot be one.
    pub bad_ticks: u64,
    /// What could not be used, by reason.
    pub unused: Unused,
}

/// From link messages to samples, for one box. A round is a boot of the box.
#[derive(Debug)]
pub struct Pipeline {
    profile: VehicleProfile,
    correction: Correction,
    boot: Option<Boot>,
    line: LineCounters,
    done: PipelineCounters,
}

impl Pipeline {
    /// A pipeline that has seen nothing yet.
    #[must_use]
    pub fn new(profile: VehicleProfile) -> Self {
        let correction = Correction::new(&profile);
        Self { profile, correction, boot: None, line: LineCounters::default(), done: PipelineCounters::default() }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> PipelineCounters {
        let mut counters = self.done;
        if let Some(boot) = &self.boot {
            counters.add(boot);
        }
        counters
    }

    /// Takes the next message of the line; finished samples are appended to `out`.
    pub fn feed(&mut self, header: &Header, message: &Message, line: &LineCounters, out: &mut Vec<Sample>) {
        self.line = *line;
        if header.tick_us > TICK_MAX_US {
            self.done.bad_ticks += 1;
            return;
        }
        if self.boot.as_ref().is_none_or(|boot| boot.boot_id() != header.boot_id) {
            self.finish(out);
            let first_tick_us = i64::try_from(header.tick_us).unwrap_or(0);
            self.done.boots += 1;
            self.boot = Some(Boot::new(header.boot_id, first_tick_us, &self.profile));
        }
        let Some(boot) = &mut self.boot else { return };
        boot.feed(header, &self.correction.apply(message), out);
        if boot.health_is_due() {
            self.push_health();
        }
    }

    /// End of input, and of the round: what can be finished is appended to `out`.
    pub fn finish(&mut self, out: &mut Vec<Sample>) {
        if let Some(boot) = &mut self.boot {
            boot.finish_rows(out);
            self.push_health();
        }
        if let Some(mut boot) = self.boot.take() {
            boot.resolve(None, out);
            self.done.add(&boot);
        }
    }

    fn push_health(&mut self) {
        let trimmed = self.counters().trimmed_samples;
        let Some(boot) = &mut self.boot else { return };
        let mut sample = Sample::new(Stream::Health);
        let counters = [
            (ids::health::FRAMES_OK, self.line.frames_ok),
            (ids::health::FRAMES_BAD, self.line.frames_bad),
            (ids::health::FRAMES_LOST, self.line.frames_lost),
            (ids::health::FRAMES_UNKNOWN, self.line.frames_unknown),
            (ids::health::TRIMMED, trimmed),
        ];
        for (id, value) in counters {
            sample.set(id, i64::try_from(value).ok());
        }
        boot.push_health(sample);
    }
}

impl PipelineCounters {
    fn add(&mut self, boot: &Boot) {
        self.trimmed_samples += boot.trimmed();
        let unused = boot.unused();
        let sum = &mut self.unused;
        sum.clock_anchors += unused.clock_anchors;
        sum.modem_lines += unused.modem_lines;
        sum.modem_polls_thinned += unused.modem_polls_thinned;
        sum.thermal_frames += unused.thermal_frames;
        sum.thermal_chunks += unused.thermal_chunks;
        sum.accel_samples += unused.accel_samples;
        sum.accel_blocks += unused.accel_blocks;
        sum.fixes_thinned += unused.fixes_thinned;
        sum.rows_unresolved += unused.rows_unresolved;
    }
}
