//! What a worker measures of itself. Counts, never names: a label per box would be forty thousand series.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;
use tournee_payload::{BoxId, Stream};

/// Boxes that are watched for silence; further ones are not.
const WATCHED_MAX: usize = 100_000;
/// A stream of a box is silent when the box has sent another one for so long, but not this one.
const SILENT_US: i64 = 15 * 60 * 1_000_000;
/// Lags that wait for a commit; further ones are not measured.
const LAGS_MAX: usize = 100_000;

/// Upper bounds of commit times, seconds.
const COMMIT_S: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds of lags, seconds.
const LAG_S: &[f64] = &[1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0];

/// Counts by upper bound, as Prometheus wants them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// Upper bounds, rising; the last count is for what is above them all.
    pub bounds: &'static [f64],
    /// Observations within each bound and above the one before.
    pub counts: Vec<u64>,
    /// Their sum.
    pub sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    fn observe(&mut self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.sum += value;
    }
}

/// Of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamCounts {
    /// New rows taken, to be stored with a commit.
    pub rows: u64,
    /// Boxes whose last row of it is not older than a quarter of an hour.
    pub boxes_active: u64,
    /// Boxes that sent something in the last quarter of an hour, and this stream before, but not in it. Not for `road_event`,
    /// `gap` and `health`, which come when there is reason.
    pub boxes_silent: u64,
}

/// What a worker has measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Messages taken, redelivered ones included.
    pub messages: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// In the order of [`Stream::ALL`].
    pub streams: [StreamCounts; 8],
    /// Duration of commits, seconds.
    pub commit_s: Histogram,
    /// From the newest event of a batch to the end of its commit, seconds.
    pub lag_s: Histogram,
    /// Rows and messages refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Rows and messages refused that found no room in quarantine, and of which no sum is written yet.
    pub left_out_rows: u64,
    /// Boxes with rows in the lake.
    pub boxes_known: u64,
    /// Boxes that wait to be accepted.
    pub boxes_pending: u64,
    /// Messages whose box found no room among those.
    pub boxes_unnoted: u64,
    #[serde(skip)]
    last_seen: HashMap<BoxId, [Option<i64>; 8]>,
    #[serde(skip)]
    waiting: Vec<i64>,
}

impl Default for Measured {
    fn default() -> Self {
        Self {
            messages: 0,
            bytes: 0,
            streams: [StreamCounts::default(); 8],
            commit_s: Histogram::new(COMMIT_S),
            lag_s: Histogram::new(LAG_S),
            refused: BTreeMap::new(),
            left_out_rows: 0,
            boxes_known: 0,
            boxes_pending: 0,
            boxes_unnoted: 0,
            last_seen: HashMap::new(),
            waiting: Vec::new(),
        }
    }
}

fn position(stream: Stream) -> usize {
    (stream as usize).saturating_sub(1)
}

const fn is_steady(stream: Stream) -> bool {
    !matches!(stream, Stream::RoadEvent | Stream::Gap | Stream::Health)
}

impl Measured {
    /// A batch was let in.
    pub(crate) fn batch(&mut self, box_id: &BoxId, stream: Stream, rows: u64, newest_us: Option<i64>, now_us: i64) {
        let at = position(stream);
        if let Some(counts) = self.streams.get_mut(at) {
            counts.rows += rows;
        }
        if let Some(newest_us) = newest_us.filter(|_| rows > 0 && self.waiting.len() < LAGS_MAX) {
            self.waiting.push(newest_us);
        }
        let seen = &mut self.last_seen;
        if seen.len() >= WATCHED_MAX && !seen.contains_key(box_id) {
            return;
        }
        if !seen.contains_key(box_id) {
            seen.insert(box_id.clone(), [None; 8]);
        }
        if let Some(last) = seen.get_mut(box_id).and_then(|streams| streams.get_mut(at)) {
            *last = Some(now_us);
        }
    }

    /// A commit has ended: everything that was let in before is in the lake.
    pub(crate) fn commit(&mut self, took: Duration, now_us: i64) {
        self.commit_s.observe(took.as_secs_f64());
        for newest_us in self.waiting.drain(..) {
            // A clock that runs ahead is no negative lag.
            self.lag_s.observe((now_us.saturating_sub(newest_us).max(0)) as f64 / 1e6);
        }
    }

    /// A copy for others to look at: with silence as of now, without what makes it up.
    pub(crate) fn seen(&mut self, now_us: i64) -> Self {
        for counts in &mut self.streams {
            counts.boxes_active = 0;
            counts.boxes_silent = 0;
        }
        for streams in self.last_seen.values() {
            let recent = |last: Option<i64>| last.is_some_and(|at_us| now_us.saturating_sub(at_us) <= SILENT_US);
            let speaks = streams.iter().any(|last| recent(*last));
            for ((counts, stream), own) in self.streams.iter_mut().zip(Stream::ALL).zip(streams) {
                if recent(*own) {
                    counts.boxes_active += 1;
                } else if speaks && own.is_some() && is_steady(stream) {
                    counts.boxes_silent += 1;
                }
            }
        }
        let last_seen = std::mem::take(&mut self.last_seen);
        let waiting = std::mem::take(&mut self.waiting);
        let copy = self.clone();
        self.last_seen = last_seen;
        self.waiting = waiting;
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_of_a_stream_of_a_box_that_speaks() {
        let id = |name: &str| BoxId::new(name).unwrap();
        let mut measured = Measured::default();
        let minute_us = 60_000_000;
        measured.batch(&id("a"), Stream::Air, 10, Some(0), 0);
        measured.batch(&id("a"), Stream::RoadEvent, 1, None, 0);
        measured.batch(&id("b"), Stream::Air, 10, Some(0), 0);
        measured.batch(&id("a"), Stream::Track, 5, Some(0), 20 * minute_us);
        let seen = measured.seen(20 * minute_us);
        // Box b is parked; box a drives without its air sensor.
        let of = |stream: Stream| seen.streams[position(stream)];
        assert_eq!((of(Stream::Air).boxes_silent, of(Stream::Air).boxes_active, of(Stream::Air).rows), (1, 0, 20));
        assert_eq!((of(Stream::Track).boxes_silent, of(Stream::Track).boxes_active), (0, 1));
        assert_eq!(of(Stream::RoadEvent).boxes_silent, 0);
        assert_eq!(of(Stream::Mobile), StreamCounts::default());
        assert!(seen.last_seen.is_empty() && measured.last_seen.len() == 2);
    }

    #[test]
    fn a_lag_is_measured_when_its_commit_ends() {
        let mut measured = Measured::default();
        let id = BoxId::new("a").unwrap();
        measured.batch(&id, Stream::Air, 10, Some(1_000_000), 2_000_000);
        measured.batch(&id, Stream::Air, 10, Some(90_000_000), 2_000_000);
        // Nothing new in it.
        measured.batch(&id, Stream::Air, 0, Some(0), 2_000_000);
        assert_eq!(measured.lag_s.counts.iter().sum::<u64>(), 0);
        measured.commit(Duration::from_millis(30), 5_000_000);
        assert_eq!(measured.lag_s.counts[..4], [1, 0, 1, 0]);
        assert_eq!((measured.lag_s.sum, measured.commit_s.sum), (4.0, 0.03));
        assert_eq!(measured.commit_s.counts[..4], [0, 0, 1, 0]);
        measured.commit(Duration::from_secs(60), 5_000_000);
        assert_eq!((measured.commit_s.counts[11], measured.lag_s.counts.iter().sum::<u64>()), (1, 2));
    }
}
