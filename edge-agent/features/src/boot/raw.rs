//! Raw windows of events, from the road stage until it is known whether the event is kept: what privacy does not keep of an
//! event it does not keep of its window either.

use std::collections::VecDeque;

use tournee_payload::{Sample, Stream};

use crate::ids;
use crate::road::{EventWindow, RawSample};

/// Windows that may wait, and that may lie ready for whoever takes them; 200 samples each at 400 Hz.
const WINDOWS_MAX: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct RawWindows {
    waiting: VecDeque<(i64, Vec<RawSample>)>,
    ready: VecDeque<EventWindow>,
    dropped: u64,
}

impl RawWindows {
    /// An event at a tick, whose row is on its way.
    pub fn hold(&mut self, tick_us: i64, raw: Vec<RawSample>) {
        self.waiting.push_back((tick_us, raw));
        while self.waiting.len() > WINDOWS_MAX {
            self.waiting.pop_front();
            self.dropped += 1;
        }
    }

    /// Rows that are kept: those of events among them meet their windows.
    pub fn meet(&mut self, samples: &[Sample]) {
        for sample in samples.iter().filter(|sample| sample.stream == Stream::RoadEvent) {
            let tick_us = sample.get(ids::TICK_US);
            let Some(at) = self.waiting.iter().position(|(tick, _)| Some(*tick) == tick_us) else { continue };
            if let Some((_, raw)) = self.waiting.remove(at) {
                self.ready.push_back(EventWindow { sample: sample.clone(), raw });
            }
        }
        while self.ready.len() > WINDOWS_MAX {
            self.ready.pop_front();
            self.dropped += 1;
        }
    }

    /// The windows of the kept events, oldest first.
    pub fn take(&mut self) -> VecDeque<EventWindow> {
        std::mem::take(&mut self.ready)
    }

    /// End of the boot: events that were not kept until now are not kept.
    pub fn close(&mut self) {
        self.dropped += self.waiting.len() as u64;
        self.waiting.clear();
    }

    /// Windows that were given up: their event was not kept, or too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(tick_us: i64) -> Sample {
        let mut sample = Sample::new(Stream::RoadEvent);
        sample.set(ids::TICK_US, Some(tick_us));
        sample
    }

    #[test]
    fn only_windows_of_kept_events_come_out() {
        let mut windows = RawWindows::default();
        let raw = |n: f32| vec![RawSample { offset_us: 0, a_mps2: [n; 3] }];
        (1..=3_u8).for_each(|n| windows.hold(i64::from(n), raw(n.into())));
        windows.meet(&[event(3), Sample::new(Stream::Air), event(1)]);
        let taken: Vec<_> = windows.take().into_iter().map(|window| (window.sample, window.raw)).collect();
        assert_eq!(taken, [(event(3), raw(3.0)), (event(1), raw(1.0))]);
        windows.close();
        windows.meet(&[event(2)]);
        assert_eq!((windows.take().len(), windows.dropped()), (0, 1));
    }

    #[test]
    fn nothing_grows_without_a_bound() {
        let mut windows = RawWindows::default();
        for tick_us in 0..1_000 {
            windows.hold(tick_us, Vec::new());
        }
        for tick_us in 0..1_000 {
            windows.meet(&[event(tick_us)]);
        }
        assert_eq!((windows.waiting.len(), windows.take().len() as u64 + windows.dropped()), (0, 1_000));
    }
}
