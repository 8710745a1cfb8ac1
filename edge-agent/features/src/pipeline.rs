//! The boots of a box, one after the other, and what is counted over all of them.

mod kept;
mod modem;
mod rules;

use tournee_link::{Header, Message};
use tournee_payload::{Sample, Stream};

use crate::boot::{Boot, Kept, TICK_MAX_US, Unused};
use crate::calibration::Correction;
use crate::ids;
use crate::privacy::PrivacyRules;
use crate::profile::VehicleProfile;
use crate::road::EventWindow;

pub use modem::Drive;
pub use rules::{GATES, copy_gates};

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
    /// Samples from outside of working hours, not kept.
    pub hours_samples: u64,
    /// Samples at configured places, not kept.
    pub places_samples: u64,
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
    /// Modem lines that were not understood: of the agent's own port, and of the link in the boots before.
    port_unknown: u64,
    link_unknown_done: u64,
    privacy: PrivacyRules,
    /// Not kept because of the switch or a command, as the caller says.
    withheld: u64,
    kept: Kept,
    /// Of the boot that is over.
    windows: Vec<EventWindow>,
}

impl Pipeline {
    /// A pipeline that has seen nothing yet.
    #[must_use]
    pub fn new(profile: VehicleProfile) -> Self {
        let correction = Correction::new(&profile);
        Self {
            profile,
            correction,
            boot: None,
            line: LineCounters::default(),
            done: PipelineCounters::default(),
            port_unknown: 0,
            link_unknown_done: 0,
            privacy: PrivacyRules::default(),
            withheld: 0,
            kept: Kept::default(),
            windows: Vec::new(),
        }
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
            let mut boot = Boot::new(header.boot_id, first_tick_us, &self.profile, &self.privacy);
            boot.remember(&self.kept);
            self.boot = Some(boot);
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
        self.inherit();
        if let Some(mut boot) = self.boot.take() {
            boot.resolve(None, out);
            self.done.add(&boot);
            self.link_unknown_done += boot.modem_unknown();
        }
    }

    fn push_health(&mut self) {
        let counters = self.counters();
        let modem_unknown = self.modem_unknown();
        let Some(boot) = &mut self.boot else { return };
        let mut sample = Sample::new(Stream::Health);
        let counters = [
            (ids::health::FRAMES_OK, self.line.frames_ok),
            (ids::health::FRAMES_BAD, self.line.frames_bad),
            (ids::health::FRAMES_LOST, self.line.frames_lost),
            (ids::health::FRAMES_UNKNOWN, self.line.frames_unknown),
            (ids::health::TRIMMED, counters.trimmed_samples),
            (ids::health::HOURS, counters.hours_samples),
            (ids::health::PLACES, counters.places_samples),
            (ids::health::WITHHELD, self.withheld),
            (ids::health::MODEM_UNKNOWN, modem_unknown),
        ];
        for (id, value) in counters {
            sample.set(id, i64::try_from(value).ok());
        }
        boot.push_health(sample);
    }
}

impl PipelineCounters {
    fn add(&mut self, boot: &Boot) {
        self.trimmed_samples += boot.guard().trimmed();
        self.hours_samples += boot.guard().hours();
        self.places_samples += boot.guard().places();
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
        sum.peaks_without_place += unused.peaks_without_place;
        sum.event_windows += unused.event_windows;
        sum.sensor_moved += unused.sensor_moved;
    }
}
