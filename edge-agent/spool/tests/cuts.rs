//! The spool against a model in memory, with a power cut at every write.
//!
//! After every call the files are compared with what they were before it. What a cut may leave of the difference is built
//! from the two: the write-ahead log with a part of its new blocks, in order, out of order, or with the block under the
//! write turned to noise; the database in the middle of being folded; the log not yet removed. From each such state the
//! spool is opened and emptied into a copy of the lake. What was committed before the call must be there, the call itself
//! wholly or not at all, nothing twice, no number under two meanings, and generated = stored + gaps.
//!
//! Then disks that lie: log and database cut off or overwritten where they had been synced. There the state may be an old
//! one, or the file is set aside and an epoch begins; what is stored under the old epoch must still be true.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "cuts/image.rs"]
mod image;
#[path = "cuts/lake.rs"]
mod lake;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::Image;
use lake::Lake;
use proptest::prelude::*;
use tournee_payload::{BoxId, Sample, Stream, field};
use tournee_spool::{AckOutcome, GapReason, LinePosition, OpenReport, Spool, SpoolConfig};

const EPOCH: u64 = 0x0123_4567_89ab_cdef;
const BOOT: u32 = 4_000_000_007;

/// Opens with another epoch at hand: whoever gets EPOCH again has the old file.
fn open(path: &Path, max_bytes: u64) -> (Spool, OpenReport) {
    Spool::open(path, SpoolConfig::new(BoxId::new("van-01").unwrap(), max_bytes), EPOCH + 1).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Append {
        stream: usize,
        rows: u8,
        every_s: i64,
    },
    Commit,
    /// So many seconds of a drive, a commit each.
    Drive {
        seconds: u8,
    },
    SealAll,
    Peek {
        stream: usize,
        again: bool,
    },
    Acknowledge {
        stream: usize,
        part: u8,
    },
    GiveUp {
        stream: usize,
    },
    Reopen,
    /// Go on from what a cut in the middle of the last call left.
    Cut,
}

/// A step, and where its cuts are.
fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
    let step = prop_oneof![
        7 => (0..7usize, 1..30u8, prop_oneof![Just(1i64), Just(7), Just(61)])
            .prop_map(|(stream, rows, every_s)| Step::Append { stream, rows, every_s }),
        7 => Just(Step::Commit),
        1 => (1..70u8).prop_map(|seconds| Step::Drive { seconds }),
        1 => Just(Step::SealAll),
        4 => (0..8usize, any::<bool>()).prop_map(|(stream, again)| Step::Peek { stream, again }),
        3 => (0..8usize, 0..=100u8).prop_map(|(stream, part)| Step::Acknowledge { stream, part }),
        1 => (0..7usize).prop_map(|stream| Step::GiveUp { stream }),
        1 => Just(Step::Reopen),
        2 => Just(Step::Cut),
    ];
    prop::collection::vec((step, any::<u64>()), 1..50)
}

/// What is known from outside of the spool at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Moment {
    /// Committed samples per measuring stream.
    generated: BTreeMap<Stream, u64>,
    acked: BTreeMap<Stream, u64>,
}

struct World {
    folder: tempfile::TempDir,
    files: u32,
    path: PathBuf,
    /// None while a cut is being made.
    spool: Option<Spool>,
    max_bytes: u64,
    marks: BTreeMap<Stream, Vec<i64>>,
    waiting: BTreeMap<Stream, Vec<i64>>,
    /// The first number of each stream that was never handed out.
    sent: BTreeMap<Stream, u64>,
    now: Moment,
    lake: Lake,
    clock_s: i64,
    mark: i64,
    cuts: u32,
    set_aside: u32,
    too_large: Option<u64>,
}

impl World {
    fn new(max_bytes: u64) -> Self {
        let folder = image::scratch();
        let path = folder.path().join("0.db");
        let config = SpoolConfig::new(BoxId::new("van-01").unwrap(), max_bytes);
        let (spool, report) = Spool::open(&path, config, EPOCH).unwrap();
        assert!(report.created && report.epoch == EPOCH);
        Self {
            folder,
            files: 0,
            path,
            spool: Some(spool),
            max_bytes,
            marks: BTreeMap::new(),
            waiting: BTreeMap::new(),
            sent: BTreeMap::new(),
            now: Moment::default(),
            lake: Lake::default(),
            clock_s: 0,
            mark: 0,
            cuts: 0,
            set_aside: 0,
            too_large: None,
        }
    }

    fn spool(&mut self) -> &mut Spool {
        self.spool.as_mut().unwrap()
    }

    fn next_path(&mut self) -> PathBuf {
        self.files += 1;
        self.folder.path().join(format!("{}.db", self.files))
    }

    fn committed(&mut self) {
        for (stream, marks) in std::mem::take(&mut self.waiting) {
            self.marks.entry(stream).or_default().extend(marks);
        }
        let counts = self.marks.iter().map(|(stream, marks)| (*stream, marks.len() as u64));
        self.now.generated = counts.filter(|(_, count)| *count > 0).collect();
    }

    fn append(&mut self, stream: Stream, rows: u8, every_s: i64) {
        let mut samples = Vec::new();
        for _ in 0..rows {
            self.clock_s += every_s;
            self.mark += 1;
            let mut sample = Sample::new(stream);
            sample.set(field::T_US, Some(1_768_000_000_000_000 + self.clock_s * 1_000_000));
            sample.set(field::FLAGS, Some(self.mark));
            samples.push(sample);
            self.waiting.entry(stream).or_default().push(self.mark);
        }
        // The position is the number of samples ever appended, so that it must agree with what is committed.
        let reached: usize = self.marks.values().chain(self.waiting.values()).map(Vec::len).sum();
        self.spool().append(&samples).unwrap();
        self.spool().reached(LinePosition { boot_id: BOOT, next_seq: reached as u32 });
    }

    /// Finds the first batch that was never handed out, which the next call gives up.
    fn find_too_large(&mut self, stream: Stream) {
        let from = self.sent.get(&stream).copied().unwrap_or(0).max(self.spool().acknowledged_seq(stream));
        let batch = self.spool().peek(stream, from).unwrap();
        self.too_large = batch.map(|batch| batch.first_seq).filter(|first_seq| *first_seq >= from);
    }

    /// One call of the spool, at most one transaction.
    fn call(&mut self, step: &Step) {
        match step {
            Step::Append { stream, rows, every_s } => self.append(Stream::ALL[*stream], *rows, *every_s),
            Step::Commit | Step::SealAll => {
                if matches!(step, Step::Commit) { self.spool().commit() } else { self.spool().seal_all() }.unwrap();
                self.committed();
            }
            Step::Drive { seconds } => {
                for second in 0..*seconds {
                    self.append(Stream::ALL[usize::from(second % 7)], 1 + second % 3, 1);
                    self.call(&Step::Commit);
                }
            }
            Step::Peek { stream, again } => {
                let stream = Stream::ALL[*stream];
                let sent = if *again { None } else { self.sent.get(&stream).copied() };
                let from = sent.unwrap_or_else(|| self.spool().acknowledged_seq(stream));
                if let Some(batch) = self.spool().peek(stream, from).unwrap() {
                    let next = self.sent.entry(stream).or_default();
                    *next = batch.end_seq().max(*next);
                    self.lake.take(&batch, EPOCH, &self.marks);
                }
            }
            Step::Acknowledge { stream, part } => {
                let stream = Stream::ALL[*stream];
                let ends = self.lake.starts(stream);
                if let Some(first) = ends.get(ends.len() * usize::from(*part) / 101) {
                    let outcome = self.spool().acknowledge(stream, EPOCH, *first).unwrap();
                    assert!(matches!(outcome, AckOutcome::Deleted(_)), "{outcome:?}");
                }
            }
            Step::GiveUp { stream } => {
                let stream = Stream::ALL[*stream];
                if let Some(first_seq) = self.too_large {
                    assert!(self.spool().give_up(stream, first_seq, GapReason::TooLargeForBroker).unwrap() > 0);
                }
            }
            Step::Reopen => {
                self.spool = None;
                self.waiting.clear();
                let (spool, report) = open(&self.path, self.max_bytes);
                assert_eq!((report.epoch, report.created, report.set_aside), (EPOCH, false, None));
                self.spool = Some(spool);
            }
            Step::Cut => {}
        }
        for stream in Stream::ALL {
            let acked = self.spool().acknowledged_seq(stream);
            self.now.acked.insert(stream, acked);
        }
    }

    /// Opens a state that a cut left, checks everything, and says whether the call before it is in it.
    fn opened_after_a_cut(&mut self, cut: &Image, before: &Moment, what: &str) -> bool {
        let path = self.next_path();
        cut.write(&path);
        let (spool, report) = open(&path, self.max_bytes);
        self.cuts += 1;
        assert_eq!(
            (report.epoch, report.created, report.set_aside),
            (EPOCH, false, None),
            "{what}: {:?}",
            report.damage
        );
        let found = moment(&spool);
        let with_call = found == Moment { acked: found.acked.clone(), ..self.now.clone() };
        let without = found == Moment { acked: found.acked.clone(), ..before.clone() };
        assert!(with_call || without, "{what}: {found:?} is neither {before:?} nor {:?}", self.now);
        for (stream, acked) in &found.acked {
            let known = [before, &self.now].map(|moment| moment.acked.get(stream).copied().unwrap_or(0));
            assert!(known.contains(acked), "{what}: watermark {acked} of {}", stream.name());
        }
        let total: u64 = found.generated.values().sum();
        let position = spool.line_position().map_or(0, |at| u64::from(at.next_seq));
        assert_eq!(position, total, "{what}: the position goes with the samples");
        self.lake.clone().empty(spool, EPOCH, &self.marks, what).unwrap();
        image::remove(&path);
        found == self.now
    }
}

fn moment(spool: &Spool) -> Moment {
    let measuring = |stream: &Stream| *stream != Stream::Gap;
    Moment {
        generated: spool.generated().into_iter().filter(|(stream, count)| measuring(stream) && *count > 0).collect(),
        acked: Stream::ALL.into_iter().map(|stream| (stream, spool.acknowledged_seq(stream))).collect(),
    }
}

fn run(steps: &[(Step, u64)], max_bytes: u64) {
    let mut world = World::new(max_bytes);
    let mut last: Option<(Image, Image, Moment)> = None;
    for (at, (step, seed)) in steps.iter().enumerate() {
        let what = format!("step {at}, {step:?}");
        if matches!(step, Step::Cut) {
            go_on_from_a_cut(&mut world, last.take(), *seed, &what);
            continue;
        }
        match step {
            Step::GiveUp { stream } => world.find_too_large(Stream::ALL[*stream]),
            // Only its last commit is cut.
            Step::Drive { seconds } => {
                world.call(&Step::Drive { seconds: seconds - 1 });
                world.append(Stream::Track, 1, 1);
            }
            _ => {}
        }
        let step = if matches!(step, Step::Drive { .. }) { &Step::Commit } else { step };
        let (image, moment) = (Image::read(&world.path), world.now.clone());
        // What a reopening writes are the writes of the closing.
        let closed = matches!(step, Step::Reopen).then(|| {
            world.spool = None;
            Image::read(&world.path)
        });
        world.call(step);
        let after = closed.unwrap_or_else(|| Image::read(&world.path));
        if !matches!(step, Step::Append { .. }) {
            for cut in image.cuts_until(&after, *seed) {
                world.opened_after_a_cut(&cut, &moment, &what);
            }
            let whole = world.opened_after_a_cut(&after, &moment, &what);
            assert!(whole, "{what}: once it has returned, it is there");
        }
        lied_to(&mut world, &after, *seed, &what);
        // Whoever was handed a batch has it, so a peek was not cut.
        last = (!matches!(step, Step::Peek { .. })).then_some((image, after, moment));
    }
    world.committed();
    let World { spool, lake, marks, cuts, set_aside, .. } = world;
    lake.empty(spool.unwrap(), EPOCH, &marks, "end").unwrap();
    println!("{} steps, {cuts} cuts, {set_aside} of {} lies set aside", steps.len(), steps.len());
}

/// The process and the power go away in the middle of the last call; the next one goes on with what is there.
fn go_on_from_a_cut(world: &mut World, last: Option<(Image, Image, Moment)>, seed: u64, what: &str) {
    let Some((before, after, moment)) = last else { return };
    let cuts: Vec<_> = before.cuts_until(&after, seed).collect();
    let Some(cut) = cuts.get(seed as usize % cuts.len().max(1)) else { return };
    world.opened_after_a_cut(cut, &moment, what);
    let path = world.next_path();
    cut.write(&path);
    world.waiting.clear();
    let (spool, _) = open(&path, world.max_bytes);
    world.now = self::moment(&spool);
    for (stream, marks) in &mut world.marks {
        marks.truncate(world.now.generated.get(stream).copied().unwrap_or(0) as usize);
    }
    (world.spool, world.path) = (Some(spool), path);
}

/// A disk that lost or spoilt what it had said was safe.
fn lied_to(world: &mut World, image: &Image, seed: u64, what: &str) {
    let path = world.next_path();
    image.lie(seed).write(&path);
    let (spool, report) = open(&path, world.max_bytes);
    assert_eq!(report.created, report.epoch != EPOCH, "{what}: an epoch is as old as its file: {report:?}");
    assert_eq!(report.set_aside.is_some(), report.damage.is_some());
    assert!(report.set_aside.is_none() || report.created);
    if report.created {
        assert!(spool.pending_total().samples == 0 && spool.generated().values().all(|count| *count == 0));
    } else if let Err(error) = world.lake.after_a_lie().empty(spool, EPOCH, &world.marks, what) {
        // Found only when it was read: the agent ends, and its next start must not find the same.
        assert!(error.is_damage(), "{what}: {error}");
        let (_, report) = open(&path, world.max_bytes);
        assert!(report.set_aside.is_some(), "{what}: {error}, at every start again");
    }
    world.set_aside += u32::from(report.set_aside.is_some());
    image::remove(&path);
}

/// Few cases by default, `PROPTEST_CASES` of them where that is set.
fn proptest_config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(proptest_config())]

    #[test]
    fn a_cut_at_any_write_costs_nothing_that_was_committed(steps in steps()) {
        run(&steps, 1 << 30);
    }

    #[test]
    fn nor_does_it_while_the_spool_sheds(steps in steps()) {
        run(&steps, 3_000);
    }
}

/// Long enough that the write-ahead log is folded into the file under way, more than once.
#[test]
fn a_cut_while_the_log_is_folded_costs_nothing() {
    let mut world = World::new(1 << 30);
    let mut folded = 0;
    for second in 0..900_u64 {
        world.append(Stream::ALL[second as usize % 7], 3, 1);
        let (image, moment) = (Image::read(&world.path), world.now.clone());
        world.call(&Step::Commit);
        let after = Image::read(&world.path);
        let is_folding = image.db_differs(&after);
        folded += u32::from(is_folding);
        if is_folding || second % 50 == 0 {
            for seed in 0..if is_folding { 8 } else { 1 } {
                for cut in image.cuts_until(&after, second * 1_000 + seed) {
                    world.opened_after_a_cut(&cut, &moment, &format!("second {second}"));
                }
            }
        }
    }
    assert!(folded >= 4, "{folded}");
}
