//! Privacy trim: the first and last metres of a round stay on board, in all streams. The end of a round is not known
//! before it is there, so samples wait in a queue until the vehicle has moved on far enough.

use std::collections::VecDeque;

use tournee_payload::Sample;

use crate::profile::TrimProfile;

/// The trim of one boot.
#[derive(Debug)]
pub struct Trim {
    profile: TrimProfile,
    waiting: VecDeque<(Option<f64>, Sample)>,
    trimmed: u64,
    /// Travel at which the round began, metres; none until its first sample with a position.
    begin_m: Option<f64>,
}

impl Trim {
    /// Nothing waits yet.
    #[must_use]
    pub fn new(profile: TrimProfile) -> Self {
        Self { profile, waiting: VecDeque::new(), trimmed: 0, begin_m: Some(0.0) }
    }

    /// Samples that stayed on board.
    #[must_use]
    pub fn trimmed(&self) -> u64 {
        self.trimmed
    }

    /// Other lengths, also for what waits.
    pub fn set_profile(&mut self, profile: TrimProfile) {
        self.profile = profile;
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a sample; `odometer_m` is its travel since the start of the boot, nothing where it holds no position. A
    /// sample without a position betrays no place: it waits in its turn and is never trimmed.
    pub fn push(&mut self, sample: Sample, odometer_m: Option<f64>) {
        let from_begin_m = odometer_m.map(|odometer| odometer - *self.begin_m.get_or_insert(odometer));
        if from_begin_m.is_some_and(|travel_m| travel_m < self.profile.first_m) {
            self.trimmed += 1;
            return;
        }
        self.waiting.push_back((odometer_m, sample));
    }

    /// Gives out what lies far enough behind the vehicle, which has travelled `now_m`.
    pub fn release(&mut self, now_m: f64, out: &mut Vec<Sample>) {
        let behind_m = now_m - self.profile.last_m;
        while let Some((odometer_m, sample)) = self.waiting.pop_front() {
            let free = odometer_m.is_none_or(|odometer| odometer <= behind_m);
            if free {
                out.push(sample);
            } else if self.waiting.len() >= self.profile.hold_max {
                // A vehicle that stands for so long has ended its round in all but name.
                self.trimmed += 1;
            } else {
                self.waiting.push_front((odometer_m, sample));
                return;
            }
        }
    }

    /// The round is interrupted, as it is where working hours end: it ends here, and the next sample begins another one.
    pub fn interrupt(&mut self, out: &mut Vec<Sample>) {
        self.finish(out);
        self.begin_m = None;
    }

    /// End of the round: what waits with a position stays on board, unless no end is trimmed.
    pub fn finish(&mut self, out: &mut Vec<Sample>) {
        for (odometer_m, sample) in self.waiting.drain(..) {
            if odometer_m.is_none() || self.profile.last_m <= 0.0 {
                out.push(sample);
            } else {
                self.trimmed += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids;
    use tournee_payload::Stream;

    fn sample(number: i64) -> Sample {
        let mut sample = Sample::new(Stream::Track);
        sample.set(ids::TICK_US, Some(number));
        sample
    }

    fn run(first_m: f64, last_m: f64, hold_max: usize, end_m: i64) -> (Vec<i64>, u64) {
        let mut trim = Trim::new(TrimProfile { first_m, last_m, hold_max });
        let mut out = Vec::new();
        for metre in (0..=end_m).step_by(10) {
            trim.push(sample(metre), Some(metre as f64));
            trim.release(metre as f64, &mut out);
        }
        trim.finish(&mut out);
        (out.iter().filter_map(|sample| sample.get(ids::TICK_US)).collect(), trim.trimmed())
    }

    #[test]
    fn both_ends_stay_on_board() {
        let (kept, trimmed) = run(300.0, 300.0, 1_000, 2_000);
        assert_eq!((kept.first(), kept.last()), (Some(&300), Some(&1_700)));
        assert_eq!(kept.len() as u64 + trimmed, 201);
        assert_eq!(run(300.0, 300.0, 1_000, 500).0, Vec::<i64>::new(), "a short round stays on board");
        let (all, none) = run(0.0, 0.0, 1_000, 2_000);
        assert_eq!((all.len(), none), (201, 0));
    }

    #[test]
    fn a_full_queue_keeps_the_oldest_on_board() {
        let mut trim = Trim::new(TrimProfile { first_m: 0.0, last_m: 300.0, hold_max: 10 });
        let mut out = Vec::new();
        for number in 0..25 {
            trim.push(sample(number), Some(500.0));
            trim.release(500.0, &mut out);
        }
        assert_eq!((out.len(), trim.trimmed()), (0, 15));
        trim.release(900.0, &mut out);
        assert_eq!(out.len(), 10);
    }

    #[test]
    fn an_interruption_is_an_end_and_a_start() {
        let mut trim = Trim::new(TrimProfile { first_m: 100.0, last_m: 50.0, hold_max: 1_000 });
        let mut out = Vec::new();
        for (from, to) in [(0, 1_000), (4_000, 5_000)] {
            for metre in (from..=to).step_by(10) {
                trim.push(sample(metre), Some(metre as f64));
                trim.release(metre as f64, &mut out);
            }
            trim.interrupt(&mut out);
            assert!(trim.is_empty());
        }
        let kept: Vec<i64> = out.iter().filter_map(|sample| sample.get(ids::TICK_US)).collect();
        assert_eq!(kept, (100..=950).step_by(10).chain((4_100..=4_950).step_by(10)).collect::<Vec<_>>());
        assert_eq!(kept.len() as u64 + trim.trimmed(), 202);
    }

    #[test]
    fn no_position_no_trim() {
        let mut trim = Trim::new(TrimProfile { first_m: 300.0, last_m: 300.0, hold_max: 10 });
        let mut out = Vec::new();
        trim.push(sample(1), None);
        trim.release(0.0, &mut out);
        assert_eq!(out.len(), 1);
    }
}
