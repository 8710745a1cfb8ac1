//! Bytes of the serial line to samples. Pure.

use tournee_features::{LineCounters, Pipeline, VehicleProfile, flags};
use tournee_link::{Arrival, Decoder, Event, Header, SeqTracker};
use tournee_payload::{Sample, field};
use tournee_spool::LinePosition;

use crate::progress::Progress;

/// Samples, and how far on the line they reach.
#[derive(Debug)]
pub(crate) struct Taken {
    pub samples: Vec<Sample>,
    /// None before the first frame.
    pub position: Option<LinePosition>,
}

/// Decoder, loss counter and pipeline of one box.
#[derive(Debug)]
pub(crate) struct Line {
    decoder: Decoder,
    arrivals: Arrivals,
    pipeline: Pipeline,
    counters: LineCounters,
    voided_values: u64,
}

/// What the sequence numbers say.
#[derive(Debug)]
struct Arrivals {
    tracker: SeqTracker,
    progress: Progress,
    /// Where the run before ended, until the first frame.
    before: Option<LinePosition>,
}

impl Arrivals {
    fn take(&mut self, header: &Header) {
        if let Some(before) = self.before.take() {
            // Half the range ahead is newer. An older one is a repetition, or a box that draws the same boot id again:
            // either way the position says nothing about this run.
            let ahead = header.seq.wrapping_sub(before.next_seq);
            if before.boot_id == header.boot_id && ahead <= u32::MAX / 2 {
                self.tracker.track(before.boot_id, before.next_seq.wrapping_sub(1));
            }
        }
        if self.tracker.track(header.boot_id, header.seq) != Arrival::Late {
            self.progress.arrived(header);
        }
    }
}

impl Line {
    /// `before`: what the spool holds of the run before. Frames of the same boot between it and the first one are lost.
    pub fn new(profile: VehicleProfile, before: Option<LinePosition>) -> Self {
        Self {
            decoder: Decoder::new(),
            arrivals: Arrivals { tracker: SeqTracker::new(), progress: Progress::default(), before },
            pipeline: Pipeline::new(profile),
            counters: LineCounters::default(),
            voided_values: 0,
        }
    }

    /// Takes the next bytes; finished samples are appended to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<Sample>) {
        let Self { decoder, arrivals, pipeline, counters, voided_values } = self;
        let first = out.len();
        decoder.feed(bytes, |event| match event {
            Event::Frame { header, message } => {
                arrivals.take(&header);
                counters.frames_ok += 1;
                counters.frames_lost = arrivals.tracker.lost();
                pipeline.feed(&header, &message, counters, out);
            }
            Event::Bad(_) => counters.frames_bad += 1,
            Event::Unknown { header, .. } => {
                arrivals.take(&header);
                counters.frames_unknown += 1;
                counters.frames_lost = arrivals.tracker.lost();
            }
            Event::NewerProto { .. } => counters.frames_unknown += 1,
        });
        let new = out.get_mut(first..).unwrap_or_default();
        *voided_values += void(new);
        arrivals.progress.finished(new);
    }

    /// After a reconnection: what stands before the next delimiter may be half a frame. The loss counter goes on.
    pub fn reconnected(&mut self) {
        self.decoder.reset();
    }

    /// End of input: what can be finished is appended to `out`.
    pub fn finish(&mut self, out: &mut Vec<Sample>) {
        let first = out.len();
        self.pipeline.finish(out);
        self.voided_values += void(out.get_mut(first..).unwrap_or_default());
        self.arrivals.progress.all_finished();
    }

    /// How far on the line the samples given out so far reach.
    pub const fn position(&self) -> Option<LinePosition> {
        self.arrivals.progress.position()
    }

    pub const fn counters(&self) -> LineCounters {
        self.counters
    }

    pub const fn voided_values(&self) -> u64 {
        self.voided_values
    }
}

/// Ingest refuses values outside of their range, so none is sent: emptied and flagged, the rest of the row lives on.
fn void(samples: &mut [Sample]) -> u64 {
    let mut total = 0;
    for sample in samples {
        let voided = sample.void_out_of_range();
        if voided > 0 {
            let bits = sample.get(field::FLAGS).unwrap_or(0);
            sample.set(field::FLAGS, Some(bits | i64::from(flags::OUT_OF_RANGE)));
            total += voided as u64;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use tournee_link::{Header, Health, MAX_FRAME_BYTES, Message, PROTO, encode};
    use tournee_payload::Stream;

    fn frame(seq: u32) -> Vec<u8> {
        let header = Header { proto: PROTO, boot_id: 9, seq, tick_us: u64::from(seq) * 1_000_000 };
        let health = Health { queue_drops: 0, uart_overruns: 0, bus_errors: 0, supply_mv: 5_000, mcu_ddegc: 300 };
        let mut out = [0; MAX_FRAME_BYTES];
        let len = encode(&header, &Message::Health(health), &mut out).unwrap();
        out[..len].to_vec()
    }

    #[test]
    fn corrupt_lost_and_unknown_frames_are_counted() {
        let mut line = Line::new(VehicleProfile::default(), None);
        let mut out = Vec::new();
        line.feed(&frame(0), &mut out);
        let mut broken = frame(1);
        broken[3] ^= 0x55;
        line.feed(&broken, &mut out);
        line.feed(&frame(2), &mut out);
        line.feed(&frame(5), &mut out);
        line.feed(b"noise\0", &mut out);
        let counters = line.counters();
        assert_eq!(counters.frames_ok, 3);
        assert_eq!(counters.frames_bad, 2);
        assert_eq!(counters.frames_lost, 3, "1 by noise, 3 and 4 before they were sent");
        assert_eq!(counters.frames_unknown, 0);
    }

    #[test]
    fn half_a_frame_after_a_reconnection_is_not_noise() {
        let mut line = Line::new(VehicleProfile::default(), None);
        let mut out = Vec::new();
        line.feed(&frame(0), &mut out);
        line.reconnected();
        line.feed(&frame(1)[4..], &mut out);
        line.feed(&frame(2), &mut out);
        assert_eq!((line.counters().frames_ok, line.counters().frames_bad, line.counters().frames_lost), (2, 0, 1));
    }

    #[test]
    fn impossible_values_are_emptied_and_flagged() {
        let mut sample = Sample::new(Stream::Track);
        sample.set(field::LAT_DEG, Some(i64::MAX));
        sample.set(field::FLAGS, Some(1));
        let mut samples = [sample];
        assert_eq!(void(&mut samples), 1);
        assert_eq!(samples[0].get(field::LAT_DEG), None);
        assert_eq!(samples[0].get(field::FLAGS), Some(1 | i64::from(flags::OUT_OF_RANGE)));
    }
}
