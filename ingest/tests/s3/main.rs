//! A lake in an object store, with every kind of trouble on the way to it. The server is moto's; a proxy breaks requests.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod proxy;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use proxy::{Fault, Proxy, Request};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use server::{BUCKET, Server};
use tournee_ingest::check::{CheckLimits, LakeCheck, check_store};
use tournee_ingest::{IngestError, Lake, LakeOptions, LakeStore, LakeUrl};
use tournee_payload::{Batch, BoxId, Sample, Stream, field};

/// 2026-01-15T00:00:00Z.
const T_US: i64 = 1_768_435_200_000_000;
const NOW_US: i64 = 1_795_000_000_000_000;
/// How often a commit is tried again, as a worker would do for as long as it takes.
const TRIES: usize = 60;

fn batch(name: &str, stream: Stream, first_seq: u64, count: u64) -> Batch {
    let sample = |seq: u64| {
        let mut sample = Sample::new(stream);
        sample.set(field::T_US, Some(T_US + i64::try_from(seq).unwrap() * 1_000_000));
        sample.set(field::LAT_DEG, Some(476_500_000));
        sample.set(field::LON_DEG, Some(-20_800_000));
        sample
    };
    let samples = (first_seq..first_seq + count).map(sample).collect();
    Batch { box_id: BoxId::new(name).unwrap(), stream, epoch: 77, first_seq, samples }
}

async fn store(proxy: &Proxy) -> Result<LakeStore, IngestError> {
    let url: LakeUrl = format!("s3://{BUCKET}/fleet/lake").parse()?;
    let settings = [
        ("aws_endpoint_url", &*proxy.url()),
        ("aws_allow_http", "true"),
        ("aws_access_key_id", "test"),
        ("aws_secret_access_key", "test"),
        ("aws_region", "eu-west-3"),
        ("aws_timeout", "3s"),
    ];
    LakeStore::create_with(&url, &settings, None).await
}

async fn open(proxy: &Proxy) -> Lake {
    Lake::open_in(store(proxy).await.unwrap(), LakeOptions::default()).await.unwrap()
}

async fn account(proxy: &Proxy) -> LakeCheck {
    check_store(&store(proxy).await.unwrap(), CheckLimits::default()).await.unwrap()
}

/// Commits until it succeeds; how often it failed before.
async fn commit(lake: &mut Lake) -> usize {
    for failed in 0..TRIES {
        match lake.commit(NOW_US).await {
            Ok(_) => return failed,
            Err(error) => assert!(!error.to_string().contains("secret"), "{error}"),
        }
    }
    panic!("no commit after {TRIES} tries");
}

/// Breaks the `at`-th request from now on, once; says whether it came to that.
fn break_once(proxy: &Proxy, at: usize, fault: Fault) -> Arc<AtomicBool> {
    let fired = Arc::new(AtomicBool::new(false));
    let (seen, count) = (fired.clone(), AtomicUsize::new(0));
    proxy.plan(move |_| {
        if count.fetch_add(1, Ordering::SeqCst) != at {
            return Fault::None;
        }
        seen.store(true, Ordering::SeqCst);
        fault
    });
    fired
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_of_a_commit_may_break_in_every_way() {
    let Some(server) = Server::start().await else { return };
    let proxy = Proxy::start(server.address).await.unwrap();
    let mut lake = open(&proxy).await;
    let (mut rows, mut cases) = (0, 0);
    let faults = [
        Fault::Slow,
        Fault::Busy,
        Fault::ErrorAfter,
        Fault::ClosedAfter,
        Fault::HalfAnswer,
        Fault::HalfBody,
        Fault::SilentAfter,
    ];
    for fault in faults {
        let mut broken = 0;
        loop {
            lake.append(batch("van-01", Stream::Air, rows, 3), NOW_US).unwrap();
            let fired = break_once(&proxy, broken, fault);
            let failed = commit(&mut lake).await;
            rows += 3;
            let totals = lake.totals();
            assert_eq!((totals.stored, totals.duplicates), (rows, 0), "{fault:?} at request {broken}, {failed} failed");
            if !fired.load(Ordering::SeqCst) {
                break;
            }
            broken += 1;
        }
        assert!(broken >= 3, "a file, an object and a log entry: {broken}");
        cases += broken;
    }
    println!("{cases} broken requests in {rows} rows");
    // Whoever opens the lake next finds each row once.
    proxy.plan(|_| Fault::None);
    drop(lake);
    let mut lake = open(&proxy).await;
    let done = lake.append(batch("van-01", Stream::Air, 0, rows + 1), NOW_US).unwrap();
    assert_eq!((done.duplicates, done.rows), (rows, 1));
    commit(&mut lake).await;
    let found = account(&proxy).await;
    assert!(found.holds(), "{found:?}");
    assert_eq!((found.total.stored, found.total.duplicates, found.total.missing), (rows + 1, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_on_one_shard_store_each_row_once_whatever_breaks() {
    let Some(server) = Server::start().await else { return };
    let proxy = Proxy::start(server.address).await.unwrap();
    let (mut one, mut two) = (open(&proxy).await, open(&proxy).await);
    let mut random = StdRng::seed_from_u64(35);
    let broken = Arc::new(AtomicUsize::new(0));
    let count = broken.clone();
    proxy.plan(move |_| {
        let fault = match random.random_range(0..40_u32) {
            0..=2 => Fault::Busy,
            3 => Fault::ErrorAfter,
            4 => Fault::ClosedAfter,
            5 => Fault::HalfAnswer,
            6 => Fault::HalfBody,
            7 => Fault::Slow,
            _ => return Fault::None,
        };
        count.fetch_add(1, Ordering::SeqCst);
        fault
    });
    let (rounds, rows) = (10, 8);
    for round in 0..rounds {
        for (lake, streams) in [(&mut one, [Stream::Air, Stream::Track]), (&mut two, [Stream::Track, Stream::Air])] {
            for (name, stream) in [("van-01", streams[0]), ("van-02", streams[1]), ("van-01", streams[1])] {
                lake.append(batch(name, stream, round * rows, rows), NOW_US).unwrap();
            }
        }
        tokio::join!(commit(&mut one), commit(&mut two));
    }
    proxy.plan(|_| Fault::None);
    let found = account(&proxy).await;
    assert!(found.holds(), "{found:?}");
    // van-01 in both tables; van-02 in the one that each worker saw.
    assert_eq!((found.total.stored, found.total.duplicates, found.total.missing), (4 * rounds * rows, 0, 0));
    let conflicts = one.totals().conflicts + two.totals().conflicts;
    println!("{} requests broken, {conflicts} conflicts between the workers", broken.load(Ordering::SeqCst));
    assert!(conflicts > 0 && broken.load(Ordering::SeqCst) > 0);
    // Each knows by now, or finds out, what the other wrote.
    for lake in [&mut one, &mut two] {
        lake.append(batch("van-01", Stream::Air, rounds * rows, 1), NOW_US).unwrap();
        commit(lake).await;
        let acks = lake.acks(&BoxId::new("van-01").unwrap());
        let air = acks.acks.iter().find(|ack| ack.stream == Stream::Air).unwrap();
        assert_eq!(air.next_seq, rounds * rows + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_fails_the_commit_and_loses_nothing() {
    let Some(server) = Server::start().await else { return };
    let proxy = Proxy::start(server.address).await.unwrap();
    let mut lake = open(&proxy).await;
    lake.append(batch("van-01", Stream::Air, 0, 10), NOW_US).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    proxy.plan(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Fault::Busy
    });
    let error = lake.commit(NOW_US).await.unwrap_err().to_string();
    assert!(error.contains("503"), "{error}");
    // One file, tried a bounded number of times; nobody is told anything.
    assert!((2..=10).contains(&asked.load(Ordering::SeqCst)), "{asked:?}");
    assert_eq!(lake.pending_rows(), 10);
    assert!(lake.acks(&BoxId::new("van-01").unwrap()).acks.is_empty());
    proxy.plan(|_| Fault::None);
    assert_eq!(commit(&mut lake).await, 0);
    assert_eq!(account(&proxy).await.total.stored, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_ignores_the_condition_is_refused() {
    let Some(server) = Server::start().await else { return };
    let proxy = Proxy::start(server.address).await.unwrap();
    proxy.plan(|request: &Request| match request.head.starts_with("PUT") {
        true => Fault::Unconditional,
        false => Fault::None,
    });
    let error = store(&proxy).await.unwrap_err();
    assert!(matches!(error, IngestError::NotConditional { .. }), "{error}");
    assert!(error.to_string().contains("If-None-Match"), "{error}");
    let missing: LakeUrl = "s3://no-such-bucket/lake".parse().unwrap();
    proxy.plan(|_| Fault::None);
    let settings = [("aws_endpoint_url", &*proxy.url()), ("aws_allow_http", "true"), ("aws_skip_signature", "true")];
    let error = LakeStore::create_with(&missing, &settings, None).await.unwrap_err().to_string();
    assert!(error.contains("no-such-bucket") && error.contains("AWS_REGION"), "{error}");
}
