//! The open batch of one stream: rows that were given a sequence number and wait to be sealed. Pure.

use tournee_payload::{Sample, Stream, field};

use crate::report::Pending;
use crate::store::ROW_BYTES;

/// Rows that are closed but not committed as sealed yet.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub first_seq: u64,
    pub samples: Vec<Sample>,
}

/// The tail of a stream.
#[derive(Clone, Debug)]
pub(crate) struct OpenRows {
    stream: Stream,
    /// Closed, not committed.
    pub closed: Vec<Segment>,
    /// Sequence number of the first open row.
    pub first_seq: u64,
    /// Open rows.
    pub rows: Vec<Sample>,
    /// How many of `rows` are committed already.
    pub persisted: usize,
    last: Vec<i64>,
    cost_bytes: usize,
}

/// Envelope, identity and the heads of the columns: an upper bound.
const ENVELOPE_BYTES: usize = 96;

impl OpenRows {
    pub fn new(stream: Stream, next_seq: u64) -> Self {
        Self {
            stream,
            closed: Vec::new(),
            first_seq: next_seq,
            rows: Vec::new(),
            persisted: 0,
            last: Vec::new(),
            cost_bytes: ENVELOPE_BYTES,
        }
    }

    /// Sequence number of the next row.
    pub fn next_seq(&self) -> u64 {
        self.first_seq.saturating_add(self.rows.len() as u64)
    }

    /// Takes a row; closes the batch before it when it would become too long or too large.
    pub fn push(&mut self, sample: Sample, batch_seconds: u32, batch_bytes: usize) {
        let mut cost = self.row_cost(&sample);
        let too_long = self.rows.first().is_some_and(|first| apart(first, &sample, batch_seconds));
        // One bit per row and column for the presence bitmaps, ten bytes per column for its head.
        let bitmaps = sample.values.len() * (self.rows.len().div_ceil(8) + 11);
        if !self.rows.is_empty() && (too_long || self.cost_bytes + cost + bitmaps > batch_bytes) {
            self.close();
            cost = self.row_cost(&sample);
        }
        self.cost_bytes += cost;
        self.last.resize(sample.values.len(), 0);
        for (last, value) in self.last.iter_mut().zip(&sample.values) {
            *last = value.unwrap_or(*last);
        }
        self.rows.push(sample);
    }

    /// Closes the open rows, if there are any.
    pub fn close(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        let first_seq = self.first_seq;
        self.first_seq = self.next_seq();
        self.closed.push(Segment { first_seq, samples: std::mem::take(&mut self.rows) });
        self.persisted = 0;
        self.last.clear();
        self.cost_bytes = ENVELOPE_BYTES;
    }

    /// Puts a committed row back after a restart.
    pub fn restore(&mut self, sample: Sample) {
        self.push(sample, u32::MAX, usize::MAX);
        self.persisted = self.rows.len();
    }

    /// Rows that are not committed.
    pub fn uncommitted(&self) -> (u64, &[Sample]) {
        let first = self.first_seq.saturating_add(self.persisted as u64);
        (first, self.rows.get(self.persisted..).unwrap_or_default())
    }

    /// The open batch; its bytes are an upper bound.
    pub fn open(&self) -> Pending {
        match self.rows.len() as u64 {
            0 => Pending::default(),
            samples => Pending { samples, batches: 1, bytes: self.cost_bytes as u64 + ROW_BYTES },
        }
    }

    /// An event or a gap does not wait for company.
    pub fn flushes_early(&self) -> bool {
        matches!(self.stream, Stream::RoadEvent | Stream::Gap)
    }

    /// Bytes that the row adds to the columns.
    fn row_cost(&self, sample: &Sample) -> usize {
        sample
            .values
            .iter()
            .enumerate()
            .filter_map(|(at, value)| {
                value.map(|v| varint_len(v.wrapping_sub(self.last.get(at).copied().unwrap_or(0))))
            })
            .sum()
    }
}

/// Whether two rows are `seconds` or more apart, by event time, else by ticks. A clock that steps counts as far apart.
fn apart(first: &Sample, next: &Sample, seconds: u32) -> bool {
    let span_us = u64::from(seconds) * 1_000_000;
    let pair = |id| Some((first.get(id)?, next.get(id)?));
    pair(field::T_US).or_else(|| pair(field::TICK_US)).is_some_and(|(a, b)| a.abs_diff(b) >= span_us)
}

/// Bytes of a zigzag varint.
fn varint_len(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tournee_payload::{Batch, BoxId, encode};

    fn row(t_s: i64) -> Sample {
        let mut sample = Sample::new(Stream::Air);
        sample.set(field::T_US, Some(1_768_000_000_000_000 + t_s * 1_000_000));
        sample
    }

    #[test]
    fn varints() {
        for (value, len) in [(0, 1), (-1, 1), (63, 1), (-64, 1), (64, 2), (i64::MAX, 10), (i64::MIN, 10)] {
            assert_eq!(varint_len(value), len, "{value}");
        }
    }

    #[test]
    fn sixty_seconds_close_a_batch() {
        let mut open = OpenRows::new(Stream::Air, 5);
        for t in 0..130 {
            open.push(row(t), 60, 16_384);
        }
        let shape: Vec<_> = open.closed.iter().map(|s| (s.first_seq, s.samples.len())).collect();
        assert_eq!(shape, [(5, 60), (65, 60)]);
        assert_eq!((open.first_seq, open.rows.len(), open.next_seq()), (125, 10, 135));
    }

    #[test]
    fn a_clock_that_steps_back_closes_a_batch() {
        let mut open = OpenRows::new(Stream::Air, 0);
        open.push(row(1_000), 60, 16_384);
        open.push(row(0), 60, 16_384);
        assert_eq!(open.closed.len(), 1);
    }

    #[test]
    fn the_estimate_is_never_below_the_encoded_size() {
        let mut open = OpenRows::new(Stream::Air, 0);
        for i in 0..20_000i64 {
            let mut sample = row(0);
            let noise = i.wrapping_mul(6_364_136_223_846_793_005);
            for value in &mut sample.values {
                *value = (noise % 3 != 0).then_some(noise);
            }
            open.push(sample, 60, 16_384);
        }
        assert!(open.closed.len() > 10);
        for segment in open.closed {
            let batch = Batch {
                box_id: BoxId::new(&"b".repeat(32)).unwrap(),
                stream: Stream::Air,
                epoch: i64::MAX as u64,
                first_seq: segment.first_seq,
                samples: segment.samples,
            };
            let len = encode(&batch).unwrap().len();
            assert!(len <= 16_384, "{len}");
        }
    }
}
