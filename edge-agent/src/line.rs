//! Bytes of the serial line to samples. Pure.

use tournee_features::{LineCounters, Pipeline, VehicleProfile, flags};
use tournee_link::{Decoder, Event, SeqTracker};
use tournee_payload::{Sample, field};

/// Decoder, loss counter and pipeline of one box.
#[derive(Debug)]
pub(crate) struct Line {
    decoder: Decoder,
    tracker: SeqTracker,
    pipeline: Pipeline,
    counters: LineCounters,
    voided_values: u64,
}

impl Line {
    pub fn new(profile: VehicleProfile) -> Self {
        Self {
            decoder: Decoder::new(),
            tracker: SeqTracker::new(),
            pipeline: Pipeline::new(profile),
            counters: LineCounters::default(),
            voided_values: 0,
        }
    }

    /// Takes the next bytes; finished samples are appended to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<Sample>) {
        let Self { decoder, tracker, pipeline, counters, voided_values } = self;
        let first = out.len();
        decoder.feed(bytes, |event| match event {
            Event::Frame { header, message } => {
                tracker.track(header.boot_id, header.seq);
                counters.frames_ok += 1;
                counters.frames_lost = tracker.lost();
                pipeline.feed(&header, &message, counters, out);
            }
            Event::Bad(_) => counters.frames_bad += 1,
            Event::Unknown { header, .. } => {
                tracker.track(header.boot_id, header.seq);
                counters.frames_unknown += 1;
                counters.frames_lost = tracker.lost();
            }
            Event::NewerProto { .. } => counters.frames_unknown += 1,
        });
        *voided_values += void(out.get_mut(first..).unwrap_or_default());
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
        let mut line = Line::new(VehicleProfile::default());
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
        let mut line = Line::new(VehicleProfile::default());
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
