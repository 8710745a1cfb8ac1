//! The last door of a boot: what a finished sample must pass before it is given out, and what is counted there.

use tournee_payload::Sample;

use super::{PrivacyRules, Ruling};
use crate::ids;
use crate::profile::TrimProfile;
use crate::trim::Trim;

/// Rules and trim of one boot. The close of working hours ends a round for the trim and their opening begins one, so that
/// neither shows where the vehicle was at that moment.
#[derive(Debug)]
pub(crate) struct Guard {
    rules: PrivacyRules,
    trim: Trim,
    hours: u64,
    places: u64,
    /// The last sample was from outside of working hours.
    closed: bool,
    /// The farthest travel of a sample from within working hours, metres.
    reached_m: f64,
    settled_us: Option<i64>,
}

impl Guard {
    pub fn new(rules: PrivacyRules, trim: TrimProfile) -> Self {
        let trim = Trim::new(trim);
        Self { rules, trim, hours: 0, places: 0, closed: false, reached_m: 0.0, settled_us: None }
    }

    /// Other rules, from the next sample on.
    pub fn set_rules(&mut self, rules: PrivacyRules) {
        self.rules = rules;
    }

    /// Other lengths of the trim, also for what waits in it.
    pub fn set_trim(&mut self, profile: TrimProfile) {
        self.trim.set_profile(profile);
    }

    /// Rows wait for their time however long it takes: without it they could not be kept.
    pub fn needs_time(&self) -> bool {
        self.rules.hours.is_some()
    }

    /// Takes a finished sample; `odometer_m`: its travel, nothing where it has no position.
    pub fn take(&mut self, sample: Sample, odometer_m: Option<f64>, out: &mut Vec<Sample>) {
        let ruling = self.rules.judge(&sample);
        if ruling == Ruling::OutsideHours {
            self.hours += 1;
            if !self.closed {
                self.closed = true;
                self.trim.interrupt(out);
            }
            return self.settled(&sample);
        }
        self.closed = false;
        self.reached_m = odometer_m.map_or(self.reached_m, |odometer_m| self.reached_m.max(odometer_m));
        if ruling == Ruling::AtPlace {
            self.places += 1;
            return self.settled(&sample);
        }
        self.trim.push(sample, odometer_m);
    }

    /// A health row holds no measurement and no position, and its counts are what makes the withheld visible; so it is kept at
    /// any time. But outside of working hours it says nothing of the vehicle: the supply shows whether its engine runs.
    pub fn health(&self, mut sample: Sample) -> Sample {
        if !self.rules.is_open(sample.get(ids::T_US)) {
            sample.set(ids::health::SUPPLY, None);
            sample.set(ids::health::MCU, None);
        }
        sample
    }

    /// Gives out what lies far enough behind the vehicle, which has travelled `now_m`. With working hours the newest fix may
    /// be from after their end already, while rows from before it are still being finished: then only their travel counts.
    pub fn release(&mut self, now_m: f64, out: &mut Vec<Sample>) {
        let now_m = if self.rules.hours.is_some() { now_m.min(self.reached_m) } else { now_m };
        self.trim.release(now_m, out);
    }

    /// End of the round.
    pub fn finish(&mut self, out: &mut Vec<Sample>) {
        self.trim.finish(out);
    }

    pub fn trimmed(&self) -> u64 {
        self.trim.trimmed()
    }

    /// Samples from outside of working hours.
    pub fn hours(&self) -> u64 {
        self.hours
    }

    /// Samples at configured places.
    pub fn places(&self) -> u64 {
        self.places
    }

    /// Whether the last sample was from outside of working hours.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The tick up to which samples are accounted for though none was given out: those that are not kept, while none waits.
    pub fn settled_us(&self) -> Option<i64> {
        self.settled_us
    }

    fn settled(&mut self, sample: &Sample) {
        if self.trim.is_empty() {
            self.settled_us = self.settled_us.max(sample.get(ids::TICK_US));
        }
    }
}
