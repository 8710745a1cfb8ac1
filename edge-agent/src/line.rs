//! Bytes of the serial line to samples. Pure.

mod kept;
mod modem;

use tournee_features::profile::HostTime;
use tournee_features::{LineCounters, Pipeline, VehicleProfile, flags};
use tournee_link::{Arrival, Decoder, Event, Header, Message, SeqTracker};
use tournee_payload::{Area, Sample, field};
use tournee_spool::LinePosition;

use crate::commands::LineOrders;
use crate::config::AgentConfig;
use crate::modem::{LinkLines, Ticks};
use crate::progress::Progress;
use crate::report::Withheld;
use crate::steward::{BoxState, Steward};
use crate::windows::Shelf;

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
    steward: Steward,
    /// Measurements are kept.
    collect: bool,
    /// Samples with a position outside of all of them are not kept. None: everywhere.
    areas: Vec<Area>,
    withheld: Withheld,
    ticks: Ticks,
    own_modem: bool,
    link_lines: LinkLines,
    /// When the time of this computer is used.
    host_policy: HostTime,
    shelf: Option<Shelf>,
    kept_due_us: u64,
    sensor_moved: u64,
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
    pub fn new(profile: VehicleProfile, before: Option<LinePosition>, steward: Steward) -> Self {
        Self {
            decoder: Decoder::new(),
            arrivals: Arrivals { tracker: SeqTracker::new(), progress: Progress::default(), before },
            host_policy: profile.clock.host_time,
            shelf: None,
            kept_due_us: 0,
            sensor_moved: 0,
            pipeline: Pipeline::new(profile),
            counters: LineCounters::default(),
            voided_values: 0,
            steward,
            collect: true,
            areas: Vec::new(),
            withheld: Withheld::default(),
            ticks: Ticks::default(),
            own_modem: false,
            link_lines: LinkLines::default(),
        }
    }

    /// What commands ask for, from the next frame on; finished samples are appended to `out`. To stop collecting ends the
    /// round: what was measured until now is finished and trimmed as at its end, what comes is not even reduced.
    pub fn obey(&mut self, orders: &LineOrders, out: &mut Vec<Sample>) {
        self.steward.want(orders.sampling);
        if self.collect && !orders.collect {
            self.finish(out);
        }
        self.collect = orders.collect;
        self.areas.clone_from(&orders.areas);
    }

    /// What the configuration says of privacy, and the gates of the profile, from the next row on.
    pub fn configure(&mut self, config: &AgentConfig) {
        match config.privacy.rules() {
            Ok(rules) => self.pipeline.set_privacy(rules),
            // Checked before it was offered.
            Err(error) => tracing::error!(%error, "the rules of privacy stay as they were"),
        }
        self.pipeline.set_gates(&config.profile);
    }

    /// What was not kept.
    pub fn withheld(&self) -> Withheld {
        let counters = self.pipeline.counters();
        Withheld {
            hours: counters.hours_samples,
            places: counters.places_samples,
            trimmed: counters.trimmed_samples,
            outside_hours: self.pipeline.is_outside_hours(),
            ..self.withheld
        }
    }

    /// Takes the next bytes; finished samples are appended to `out`. `now_us`: any rising count of microseconds.
    pub fn feed(&mut self, bytes: &[u8], now_us: u64, out: &mut Vec<Sample>) {
        let Self { decoder, arrivals, pipeline, counters, steward, collect, withheld, .. } = self;
        let (ticks, own_modem, link_lines) = (&mut self.ticks, self.own_modem, &mut self.link_lines);
        let first = out.len();
        decoder.feed(bytes, |event| match event {
            Event::Frame { header, message } => {
                arrivals.take(&header);
                counters.frames_ok += 1;
                counters.frames_lost = arrivals.tracker.lost();
                steward.receive(header.boot_id, &message, now_us);
                ticks.frame(header.boot_id, header.tick_us, now_us);
                if own_modem && matches!(message, Message::ModemLine(_)) {
                    link_lines.not_used += 1;
                } else if *collect {
                    pipeline.feed(&header, &message, counters, out);
                } else {
                    withheld.frames += 1;
                }
            }
            Event::Bad(_) => counters.frames_bad += 1,
            Event::Unknown { header, .. } => {
                arrivals.take(&header);
                counters.frames_unknown += 1;
                counters.frames_lost = arrivals.tracker.lost();
            }
            Event::NewerProto { .. } => counters.frames_unknown += 1,
        });
        self.settle(out, first);
        self.shelve(Some(now_us));
    }

    /// What the pipeline has just given out, from `first` on: only what may be kept stays, the rest is counted.
    fn settle(&mut self, out: &mut Vec<Sample>, first: usize) {
        let new = out.get_mut(first..).unwrap_or_default();
        self.voided_values += void(new);
        self.arrivals.progress.finished(new);
        self.withheld.samples += outside(&self.areas, out, first);
        self.pipeline.set_withheld(self.withheld.by_order());
        if let Some((boot_id, tick_us)) = self.pipeline.settled() {
            self.arrivals.progress.settled(boot_id, tick_us);
        }
        if !self.collect {
            self.arrivals.progress.all_finished();
        }
    }

    /// After a reconnection: what stands before the next delimiter may be half a frame. The loss counter goes on.
    pub fn reconnected(&mut self, now_us: u64) {
        self.decoder.reset();
        self.steward.connected(now_us);
    }

    /// The bytes to write to the box now, if any.
    pub fn command(&mut self, now_us: u64) -> Option<Vec<u8>> {
        self.steward.poll(now_us)
    }

    /// When [`Line::command`] has something to do.
    pub fn command_due_us(&self) -> u64 {
        self.steward.due_us()
    }

    /// What is known of the box.
    pub const fn box_state(&self) -> &BoxState {
        self.steward.state()
    }

    /// End of input: what can be finished is appended to `out`.
    pub fn finish(&mut self, out: &mut Vec<Sample>) {
        let first = out.len();
        self.pipeline.finish(out);
        self.voided_values += void(out.get_mut(first..).unwrap_or_default());
        self.withheld.samples += outside(&self.areas, out, first);
        self.arrivals.progress.all_finished();
        self.shelve(None);
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

/// Takes out the samples from `first` on that lie outside of every area, and counts them. One without a position stays: it
/// may be from within.
fn outside(areas: &[Area], samples: &mut Vec<Sample>, first: usize) -> u64 {
    if areas.is_empty() {
        return 0;
    }
    let before = samples.len();
    let mut at = 0;
    samples.retain(|sample| {
        at += 1;
        let position = sample.get(field::LAT_DEG).zip(sample.get(field::LON_DEG));
        at <= first || position.is_none_or(|(lat, lon)| areas.iter().any(|area| area.contains(lat, lon)))
    });
    (before - samples.len()) as u64
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
    use tournee_link::{Health, MAX_FRAME_BYTES, PROTO, encode};
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
        let mut line = Line::new(VehicleProfile::default(), None, Steward::new(1, tournee_link::BoxConfig::DEFAULT));
        let mut out = Vec::new();
        line.feed(&frame(0), 0, &mut out);
        let mut broken = frame(1);
        broken[3] ^= 0x55;
        line.feed(&broken, 0, &mut out);
        line.feed(&frame(2), 0, &mut out);
        line.feed(&frame(5), 0, &mut out);
        line.feed(b"noise\0", 0, &mut out);
        let counters = line.counters();
        assert_eq!(counters.frames_ok, 3);
        assert_eq!(counters.frames_bad, 2);
        assert_eq!(counters.frames_lost, 3, "1 by noise, 3 and 4 before they were sent");
        assert_eq!(counters.frames_unknown, 0);
    }

    #[test]
    fn half_a_frame_after_a_reconnection_is_not_noise() {
        let mut line = Line::new(VehicleProfile::default(), None, Steward::new(1, tournee_link::BoxConfig::DEFAULT));
        let mut out = Vec::new();
        line.feed(&frame(0), 0, &mut out);
        line.reconnected(0);
        line.feed(&frame(1)[4..], 0, &mut out);
        line.feed(&frame(2), 0, &mut out);
        assert_eq!((line.counters().frames_ok, line.counters().frames_bad, line.counters().frames_lost), (2, 0, 1));
    }

    #[test]
    fn while_collection_is_off_frames_are_counted_and_nothing_is_kept_or_lost() {
        let sampling = tournee_link::BoxConfig::DEFAULT;
        let mut line = Line::new(VehicleProfile::default(), None, Steward::new(1, sampling));
        let mut orders = LineOrders { collect: false, areas: Vec::new(), sampling };
        let mut out = Vec::new();
        line.feed(&frame(0), 0, &mut out);
        line.obey(&orders, &mut out);
        let kept = out.len();
        assert!(kept > 0, "the round has ended: its last health row is there");
        for seq in 1..50 {
            line.feed(&frame(seq), 0, &mut out);
        }
        line.finish(&mut out);
        assert_eq!((out.len(), line.withheld().frames), (kept, 49));
        assert_eq!(line.position(), Some(LinePosition { boot_id: 9, next_seq: 50 }), "a kill now costs nothing");
        orders.collect = true;
        line.obey(&orders, &mut out);
        line.feed(&frame(50), 0, &mut out);
        line.finish(&mut out);
        assert!(out.len() > kept);
        assert!(out[kept..].iter().all(|sample| sample.get(field::TICK_US).is_none_or(|tick| tick >= 50_000_000)));
        assert_eq!((line.counters().frames_lost, line.withheld().frames), (0, 49));
    }

    #[test]
    fn samples_outside_of_every_area_are_counted_and_dropped() {
        let at = |lat: Option<i64>| {
            let mut sample = Sample::new(Stream::Track);
            sample.set(field::LAT_DEG, lat);
            sample.set(field::LON_DEG, Some(5));
            sample
        };
        let area = |south_e7deg, north_e7deg| Area { south_e7deg, north_e7deg, west_e7deg: 0, east_e7deg: 9 };
        let all = vec![at(Some(99)), at(Some(1)), at(Some(50)), at(None), at(Some(21))];
        let mut samples = all.clone();
        assert_eq!(outside(&[], &mut samples, 0), 0);
        assert_eq!(samples, all);
        assert_eq!(outside(&[area(0, 10), area(20, 30)], &mut samples, 1), 1);
        assert_eq!(
            samples,
            [at(Some(99)), at(Some(1)), at(None), at(Some(21))],
            "what was there before is not looked at"
        );
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
