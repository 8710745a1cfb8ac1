//! The spool against a model in memory, with a reopening (clean or as after a kill) at any step.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tournee_payload::{BoxId, Sample, Stream, decode, field};
use tournee_spool::{AckOutcome, GapReason, Spool, SpoolConfig};

const EPOCH: u64 = 0x0123_4567_89ab_cdef;

fn config(max_bytes: u64) -> SpoolConfig {
    SpoolConfig::new(BoxId::new("van-01").unwrap(), max_bytes)
}

fn row(stream: Stream, t_s: i64, mark: i64) -> Sample {
    let mut sample = Sample::new(stream);
    sample.set(field::T_US, Some(1_768_000_000_000_000 + t_s * 1_000_000));
    sample.set(field::FLAGS, Some(mark));
    sample
}

#[derive(Clone, Debug)]
enum Step {
    Append { stream: usize, rows: u8, every_s: i64 },
    Commit,
    SealAll,
    Drain { limit: u8 },
    Acknowledge { stream: usize, part: u8 },
    GiveUp { stream: usize },
    Reopen,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..7usize, 1..40u8, prop_oneof![Just(1i64), Just(7), Just(61)])
            .prop_map(|(stream, rows, every_s)| Step::Append { stream, rows, every_s }),
        4 => Just(Step::Commit),
        1 => Just(Step::SealAll),
        2 => (1..10u8).prop_map(|limit| Step::Drain { limit }),
        3 => (0..8usize, 0..=100u8).prop_map(|(stream, part)| Step::Acknowledge { stream, part }),
        1 => (0..7usize).prop_map(|stream| Step::GiveUp { stream }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..60)
}

/// What the vehicle measured, and what a lake that forgets nothing got.
#[derive(Default)]
struct Model {
    /// Marks of committed samples by stream and seq.
    committed: BTreeMap<Stream, Vec<i64>>,
    waiting: BTreeMap<Stream, Vec<i64>>,
    /// First bytes ever handed out, by stream and first seq.
    seen: BTreeMap<(Stream, u64), Vec<u8>>,
    /// Samples that were handed out, by stream and seq.
    lake: BTreeMap<(Stream, u64), Sample>,
}

impl Model {
    fn commit(&mut self) {
        for (stream, marks) in std::mem::take(&mut self.waiting) {
            self.committed.entry(stream).or_default().extend(marks);
        }
    }

    fn take(&mut self, batch: tournee_spool::SealedBatch) {
        let read = decode(&batch.bytes).unwrap();
        assert_eq!((read.stream, read.first_seq, read.epoch), (batch.stream, batch.first_seq, EPOCH));
        assert_eq!(read.samples.len() as u64, batch.count);
        let first = self.seen.entry((batch.stream, batch.first_seq)).or_insert_with(|| batch.bytes.clone());
        assert_eq!(*first, batch.bytes, "a batch is the same bytes every time");
        for (seq, sample) in (batch.first_seq..).zip(read.samples) {
            if batch.stream != Stream::Gap {
                let mark = self.committed[&batch.stream][seq as usize];
                assert_eq!(sample.get(field::FLAGS), Some(mark), "seq {seq} means the same sample for ever");
            }
            self.lake.insert((batch.stream, seq), sample);
        }
    }

    /// Per stream: samples named by gap rows that reached the lake; no sample is in two of them or both stored and a gap.
    fn gaps(&self) -> BTreeMap<Stream, u64> {
        let mut gaps: BTreeMap<Stream, std::collections::BTreeSet<u64>> = BTreeMap::new();
        for ((stream, _), sample) in &self.lake {
            if *stream == Stream::Gap {
                let lost = Stream::from_code(sample.get(16).unwrap() as u32).unwrap();
                for seq in sample.get(17).unwrap() as u64..=sample.get(18).unwrap() as u64 {
                    assert!(gaps.entry(lost).or_default().insert(seq), "given up twice");
                }
            }
        }
        gaps.into_iter().map(|(stream, set)| (stream, set.len() as u64)).collect()
    }
}

/// Copies the files as a kill leaves them: the owner does not close, so the log is not folded in.
fn copy_as_killed(path: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = |p: &Path| PathBuf::from(format!("{}{suffix}", p.display()));
        if name(path).exists() {
            std::fs::copy(name(path), name(to)).unwrap();
        }
    }
}

fn run(steps: &[Step], max_bytes: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut path = dir.path().join("0.db");
    let (mut spool, report) = Spool::open(&path, config(max_bytes), EPOCH).unwrap();
    assert!(report.created && report.epoch == EPOCH);
    let mut model = Model::default();
    let (mut clock_s, mut mark) = (0i64, 0i64);
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Append { stream, rows, every_s } => {
                let stream = Stream::ALL[*stream];
                let mut samples = Vec::new();
                for _ in 0..*rows {
                    clock_s += every_s;
                    mark = (mark * 7_919 + 1) % 4_000_000_000;
                    samples.push(row(stream, clock_s, mark));
                    model.waiting.entry(stream).or_default().push(mark);
                }
                spool.append(&samples).unwrap();
            }
            Step::Commit => {
                spool.commit().unwrap();
                model.commit();
            }
            Step::SealAll => {
                spool.seal_all().unwrap();
                model.commit();
            }
            Step::Drain { limit } => {
                for stream in Stream::ALL {
                    let mut from = spool.acknowledged_seq(stream);
                    for _ in 0..*limit {
                        let Some(batch) = spool.peek(stream, from).unwrap() else { break };
                        from = batch.end_seq();
                        model.take(batch);
                    }
                }
            }
            Step::Acknowledge { stream, part } => {
                let stream = Stream::ALL[*stream];
                // A lake acknowledges what it has, contiguously, gap ranges counted as had: here any batch that was taken.
                let ends: Vec<_> = model.seen.keys().filter(|(s, _)| *s == stream).map(|(_, first)| *first).collect();
                if let Some(first) = ends.get(ends.len() * usize::from(*part) / 101) {
                    let outcome = spool.acknowledge(stream, EPOCH, *first).unwrap();
                    assert!(matches!(outcome, AckOutcome::Deleted(_)), "{outcome:?}");
                }
            }
            Step::GiveUp { stream } => {
                let stream = Stream::ALL[*stream];
                // Only what never left may be given up.
                let from = spool.acknowledged_seq(stream).max(
                    model.lake.range((stream, 0)..=(stream, u64::MAX)).next_back().map_or(0, |((_, seq), _)| seq + 1),
                );
                if let Some(batch) = spool.peek(stream, from).unwrap()
                    && batch.first_seq >= from
                {
                    let lost = spool.give_up(stream, batch.first_seq, GapReason::TooLargeForBroker).unwrap();
                    assert_eq!(lost, batch.count);
                }
            }
            Step::Reopen | Step::Kill => {
                if matches!(step, Step::Kill) {
                    let next = dir.path().join(format!("{}.db", at + 1));
                    copy_as_killed(&path, &next);
                    path = next;
                }
                drop(spool);
                model.waiting.clear();
                let (reopened, report) = Spool::open(&path, config(max_bytes), EPOCH + 1).unwrap();
                assert_eq!((report.epoch, report.created, report.set_aside), (EPOCH, false, None));
                spool = reopened;
            }
        }
        for stream in Stream::ALL.into_iter().filter(|s| *s != Stream::Gap) {
            let generated = spool.generated()[&stream];
            assert_eq!(generated, model.committed.get(&stream).map_or(0, |m| m.len() as u64), "{}", stream.name());
            let accounted = spool.acknowledged(stream) + spool.pending(stream).samples + spool.given_up(stream);
            assert_eq!(generated, accounted, "{} after {step:?}", stream.name());
        }
        assert_eq!(spool.given_up(Stream::Gap), 0);
    }
    // Everything that is left goes out; then the product's equation holds in the lake.
    spool.seal_all().unwrap();
    model.commit();
    for stream in Stream::ALL {
        let mut from = spool.acknowledged_seq(stream);
        while let Some(batch) = spool.peek(stream, from).unwrap() {
            from = batch.end_seq();
            model.take(batch);
        }
        let end = spool.generated()[&stream];
        assert!(matches!(spool.acknowledge(stream, EPOCH, end).unwrap(), AckOutcome::Deleted(_)));
        assert_eq!(spool.pending(stream).samples, 0);
    }
    let gaps = model.gaps();
    for (stream, generated) in spool.generated() {
        let stored = model.lake.range((stream, 0)..=(stream, u64::MAX)).count() as u64;
        let gap = gaps.get(&stream).copied().unwrap_or(0);
        assert_eq!(generated, stored + gap, "{}: generated = stored + gaps", stream.name());
        assert_eq!(spool.given_up(stream), gap, "{}", stream.name());
    }
    assert_eq!(spool.pending_total().bytes, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_renamed(steps in steps()) {
        run(&steps, 1 << 30);
    }

    #[test]
    fn at_the_cap_the_equation_still_holds(steps in steps()) {
        run(&steps, 3_000);
    }
}
