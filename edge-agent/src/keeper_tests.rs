use super::*;
use tournee_payload::{BoxId, Sample, field};
use tournee_spool::SpoolConfig;

fn work(path: &std::path::Path) -> (Work, watch::Receiver<SpoolStatus>) {
    let (spool, _) = Spool::open(path, SpoolConfig::new(BoxId::new("van-01").unwrap(), 1 << 30), 7).unwrap();
    let (status, seen) = watch::channel(SpoolStatus::of(&spool, false));
    (Work::new(spool, Duration::from_secs(1), true, 7, status), seen)
}

fn rows(stream: Stream, count: i64) -> Vec<Sample> {
    let row = |t| {
        let mut sample = Sample::new(stream);
        sample.set(field::T_US, Some(1_768_000_000_000_000 + t * 1_000_000));
        sample
    };
    (0..count).map(row).collect()
}

/// Asks, and gives the answer.
fn ask<T>(work: &mut Work, request: impl FnOnce(oneshot::Sender<Said<T>>) -> Request) -> Said<T> {
    let (reply, mut answer) = oneshot::channel();
    work.serve(request(reply)).expect("the keeper goes on");
    answer.try_recv().expect("an answer, whatever it is")
}

fn peek(work: &mut Work, stream: Stream) -> Said<Option<SealedBatch>> {
    ask(work, |reply| Request::Peek { stream, from_seq: 0, reply })
}

#[tokio::test]
async fn a_database_that_refuses_is_asked_again_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (mut work, seen) = work(&dir.path().join("spool.db"));
    work.spool.append(&rows(Stream::Air, 10)).unwrap();
    work.spool.append(&rows(Stream::Track, 10)).unwrap();
    assert!(work.commit(true).unwrap());
    assert!(matches!(peek(&mut work, Stream::Air), Said::Done(Some(_))));
    work.spool.append(&rows(Stream::Road, 5)).unwrap();
    let before = seen.borrow().clone();

    let ack = Ack { stream: Stream::Air, epoch: 7, next_seq: 10, table_version: 1 };
    let give_up = |reply| Request::GiveUp { stream: Stream::Track, first_seq: 0, reason: GapReason::ByteCap, reply };
    work.spool.refuse_changes(true).unwrap();
    assert_eq!(peek(&mut work, Stream::Track), Said::Later, "the offer cannot be written down");
    assert_eq!(ask(&mut work, |reply| Request::Acknowledge { ack, reply }), Said::Later);
    assert_eq!(ask(&mut work, give_up), Said::Later);
    assert!(!work.commit(false).unwrap());
    assert!(work.trouble.is_some());
    assert_eq!(*seen.borrow(), before, "nothing has changed");
    assert_eq!(work.spool.uncommitted(), 5);

    work.spool.refuse_changes(false).unwrap();
    assert!(work.commit(false).unwrap());
    assert_eq!(ask(&mut work, |reply| Request::Acknowledge { ack, reply }), Said::Done(Acked::Taken));
    assert_eq!(ask(&mut work, give_up), Said::Done(10));
    let after = seen.borrow().clone();
    assert_eq!((after.acknowledged[&Stream::Air], after.given_up[&Stream::Track]), (10, 10));
    assert_eq!(after.generated[&Stream::Road], 5, "what was in memory is kept");
}

fn taken(stream: Stream, count: i64) -> Taken {
    Taken { samples: rows(stream, count), position: None }
}

#[tokio::test]
async fn a_disk_that_takes_nothing_does_not_hold_up_a_stop_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let (work, seen) = work(&path);
    work.spool.refuse_changes(true).unwrap();
    let (samples, queue) = mpsc::channel(SAMPLE_QUEUE);
    let (requests, request_queue) = mpsc::channel(1);
    for _ in 0..50 {
        samples.send(taken(Stream::Air, 1_000)).await.unwrap();
    }
    let beats = crate::beats::Beats::default();
    let beat = beats.begin(crate::beats::Part::Keeper);
    let keeper = work.run(queue, request_queue, &beat);
    tokio::pin!(keeper);
    assert!(
        tokio::time::timeout(Duration::from_secs(3), &mut keeper).await.is_err(),
        "nobody told it to stop: it tries on"
    );
    // Its memory is full: what comes now stands before it, as the reader does that was told to stop.
    samples.send(taken(Stream::Air, 7)).await.unwrap();
    drop(requests);
    let error = keeper.await.expect_err("the disk has taken nothing");
    assert!(matches!(&error, AgentError::Unsaved { samples: 50_007, waited_s: 10, .. }), "{error:?}");
    assert!(samples.send(taken(Stream::Air, 1)).await.is_err(), "the reader is not left waiting");
    assert_eq!(seen.borrow().generated.values().sum::<u64>(), 0);
}
