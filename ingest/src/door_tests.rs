//! The door without a broker: who is let in, what is refused, and that nothing grows without bound.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tournee_payload::{Batch, BoxId, Sample, Stream, Topic, encode, field};

use crate::check::check;
use crate::quarantine::VALUES_REFUSED;
use crate::{Accept, DeviceRegistry, DeviceState, Door, Lake, LakeOptions, QuarantineLimits};

const NOW_US: i64 = 1_768_435_260_000_000;
const DAY_US: i64 = 86_400_000_000;
const LOOK: Duration = Duration::from_millis(50);

fn id(name: &str) -> BoxId {
    BoxId::new(name).unwrap()
}

fn air(name: &str, first_seq: u64, count: u64) -> Batch {
    let mut sample = Sample::new(Stream::Air);
    sample.set(field::T_US, Some(NOW_US - 1_000_000));
    let samples = vec![sample; count as usize];
    Batch { box_id: id(name), stream: Stream::Air, epoch: 5, first_seq, samples }
}

async fn lake(root: &Path) -> Lake {
    Lake::open(root, LakeOptions::default()).await.unwrap()
}

async fn door(root: &Path, accept: Accept, limits: QuarantineLimits, budget: Option<&[u8]>) -> Door {
    let lake = lake(root).await;
    let registry = DeviceRegistry::of(lake.store());
    Door::open(lake, accept, Some(registry), LOOK, limits, budget).await.unwrap()
}

fn send(door: &mut Door, batch: &Batch, now_us: i64) -> bool {
    door.take(&Topic::up(&batch.box_id, batch.stream).to_string(), &encode(batch).unwrap(), now_us)
}

/// Sends again and again, as a vehicle does, until it is (not) let in.
async fn until(door: &mut Door, batch: &Batch, wanted: bool) {
    for _ in 0..400 {
        if send(door, batch, NOW_US) == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{} is still {}", batch.box_id, if wanted { "refused" } else { "let in" });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_waits_is_accepted_and_may_be_blocked_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut door = door(dir.path(), Accept::Operator, QuarantineLimits::default(), None).await;
    let registry = DeviceRegistry::of(door.lake.store());
    let first = air("van-01", 0, 10);
    assert!(!send(&mut door, &first, NOW_US));
    assert!(!send(&mut door, &air("van-02", 0, 10), NOW_US));
    // Nonsense in the name of a third box is no reason to ask an operator.
    assert!(!door.take(&Topic::up(&id("van-03"), Stream::Air).to_string(), b"\xff", NOW_US));
    door.lake.commit(NOW_US).await.unwrap();
    assert!(door.lake.acks(&id("van-01")).acks.is_empty(), "no watermark covers a box that is not accepted");
    let mut pending = Vec::new();
    for _ in 0..400 {
        pending = registry.list().await.unwrap();
        if pending.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let names: Vec<&str> = pending.iter().map(|it| it.box_id.as_str()).collect();
    assert_eq!(names, ["van-01", "van-02"]);
    assert!(pending.iter().all(|it| it.state == DeviceState::Pending));

    registry.accept(&id("van-01"), "test", NOW_US).await.unwrap();
    until(&mut door, &first, true).await;
    door.lake.commit(NOW_US).await.unwrap();
    assert_eq!(door.lake.acks(&id("van-01")).acks.first().map(|ack| ack.next_seq), Some(10));
    assert!(!send(&mut door, &air("van-02", 0, 10), NOW_US));

    registry.block(&id("van-01"), "test", NOW_US).await.unwrap();
    until(&mut door, &air("van-01", 10, 5), false).await;
    door.close().await;
    let found = check(dir.path()).await.unwrap();
    assert!(found.total.holds());
    assert_eq!(found.total.stored, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authoritys_word_accepts_and_an_operator_can_still_block() {
    let dir = tempfile::tempdir().unwrap();
    let mut door = door(dir.path(), Accept::Ca, QuarantineLimits::default(), None).await;
    let registry = DeviceRegistry::of(door.lake.store());
    assert!(send(&mut door, &air("van-01", 0, 10), NOW_US));
    registry.block(&id("van-02"), "test", NOW_US).await.unwrap();
    until(&mut door, &air("van-02", 0, 10), false).await;
    door.close().await;
    let states: Vec<(String, DeviceState)> =
        registry.list().await.unwrap().into_iter().map(|it| (it.box_id.to_string(), it.state)).collect();
    assert_eq!(states, [("van-01".to_owned(), DeviceState::Accepted), ("van-02".to_owned(), DeviceState::Blocked)]);
}

fn bad_rows(name: &str, first_seq: u64, count: u64, every: usize) -> Batch {
    let mut batch = air(name, first_seq, count);
    for sample in batch.samples.iter_mut().step_by(every) {
        sample.set(field::LAT_DEG, Some(0));
        sample.set(field::LON_DEG, Some(0));
    }
    batch
}

#[tokio::test]
async fn beyond_its_room_a_boxs_refusals_are_counted_and_its_rows_stand_by_their_keys() {
    let dir = tempfile::tempdir().unwrap();
    let limits = QuarantineLimits { rows_per_box: 100, ..QuarantineLimits::default() };
    let mut first = door(dir.path(), Accept::All, limits, None).await;
    let topic = Topic::up(&id("van-01"), Stream::Air).to_string();
    for number in 0..250_u32 {
        first.take(&topic, &number.to_le_bytes(), NOW_US);
    }
    // The room of this box is used up; another has its own.
    assert!(send(&mut first, &bad_rows("van-01", 0, 300, 1), NOW_US));
    assert!(send(&mut first, &bad_rows("van-02", 0, 50, 1), NOW_US));
    first.lake.commit(NOW_US).await.unwrap();
    assert_eq!(first.lake.left_out_rows(), 150 + 300);
    assert_eq!(first.lake.totals().refused_messages, 250);
    assert_eq!(first.lake.refused_by_reason().get("position_0_0"), Some(&350));
    let budget = first.lake.take_budget().unwrap();
    first.close().await;

    // A restart on the same day goes on counting; the day after, the sums are written, once.
    let mut second = door(dir.path(), Accept::All, limits, Some(&budget)).await;
    second.take(&topic, b"again", NOW_US);
    assert_eq!(second.lake.left_out_rows(), 451);
    second.lake.add_sums(NOW_US + DAY_US, false);
    assert_eq!(second.lake.left_out_rows(), 0);
    let written = second.lake.commit(NOW_US + DAY_US).await.unwrap();
    assert!(written.rows.get("quarantine").is_some_and(|rows| (2..=3).contains(rows)), "{written:?}");
    second.lake.add_sums(NOW_US + DAY_US, true);
    assert!(second.lake.commit(NOW_US + DAY_US).await.unwrap().rows.is_empty());
    let ack = second.lake.acks(&id("van-01")).acks.first().map(|ack| ack.next_seq);
    assert_eq!(ack, Some(300), "the vehicle may delete what was refused");
    second.close().await;
    let found = check(dir.path()).await.unwrap();
    assert!(found.total.holds());
    // 300 keys in the table of their stream, 50 rows with their values in quarantine.
    assert_eq!((found.total.stored, found.total.refused), (300, 50));
}

#[tokio::test]
async fn good_and_refused_rows_in_turn_do_not_grow_the_watermark_objects() {
    let dir = tempfile::tempdir().unwrap();
    let limits = QuarantineLimits { rows_per_box: u64::MAX, bytes_per_box: u64::MAX, ..QuarantineLimits::default() };
    let mut door = door(dir.path(), Accept::All, limits, None).await;
    let mut sizes = Vec::new();
    for round in 0..4_u64 {
        send(&mut door, &bad_rows("van-01", round * 20_000, 20_000, 2), NOW_US);
        door.lake.commit(NOW_US).await.unwrap();
        let mut largest = 0;
        for entry in walk(&dir.path().join("_watermarks")) {
            largest = largest.max(entry);
        }
        sizes.push(largest);
    }
    // 4,096 pieces at the most, however long it goes on.
    assert!(sizes[3] < sizes[0] + 4_096, "{sizes:?}");
    let ack = door.lake.acks(&id("van-01")).acks.first().map(|ack| ack.next_seq);
    assert_eq!(ack, Some(80_000));
    door.close().await;
    let found = check(dir.path()).await.unwrap();
    assert!(found.total.holds());
    assert_eq!((found.total.stored, found.total.refused), (80_000 - 4_096, 4_096));
}

/// Sizes of all files below a folder.
fn walk(dir: &Path) -> Vec<u64> {
    let mut sizes = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => sizes.extend(walk(&entry.path())),
            false => sizes.push(entry.metadata().unwrap().len()),
        }
    }
    sizes
}

#[tokio::test]
async fn clocks_of_1970_and_2100_are_stored_flagged_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut door =
        door(dir.path(), Accept::Boxes(BTreeSet::from([id("van-01")])), QuarantineLimits::default(), None).await;
    let mut batch = air("van-01", 0, 3);
    batch.samples[0].set(field::T_US, Some(0));
    batch.samples[1].set(field::T_US, Some(4_102_444_800_000_000));
    assert!(send(&mut door, &batch, NOW_US));
    assert!(!send(&mut door, &air("van-09", 0, 1), NOW_US));
    door.lake.commit(NOW_US).await.unwrap();
    let totals = door.lake.totals();
    assert_eq!((totals.stored + totals.refused_rows, totals.refused_messages), (3, 1));
    assert_eq!(totals.dates_clamped + totals.refused_rows, 2);
    let measured = door.measured(NOW_US);
    assert_eq!((measured.messages, measured.refused.get("unknown_box")), (2, Some(&1)));
    door.close().await;
}

#[test]
fn the_flag_is_documented() {
    let documented = format!("| {} | `VALUES_REFUSED` |", VALUES_REFUSED.trailing_zeros());
    assert!(include_str!("../../docs/flags.md").contains(&documented));
}
