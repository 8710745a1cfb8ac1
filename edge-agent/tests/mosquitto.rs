//! The whole agent between a pseudo-terminal and Debian's Mosquitto, with a small lake that plays ingest. The broker is
//! killed in mid-drive and comes back without its memory; the lake stays silent for a while. Nothing may be missing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod mosquitto_support;

use std::net::TcpListener;
use std::time::Duration;

use mosquitto_support::{Mosquitto, Rows, Trouble, Way, check, config, drive, lake, serial_line, state_of};
use rumqttc::{AsyncClient, Event, Packet};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::{AgentStatus, RunOptions, run};
use tournee_payload::Status;

async fn whole(trouble: Trouble) {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Mosquitto::start(dir.path()) else { return };
    let stop = CancellationToken::new();
    let (rows_sender, rows) = watch::channel(Rows::new());
    let lake = tokio::spawn(lake(broker.way.clone(), trouble, rows_sender, stop.clone()));
    let (master, path, slave) = serial_line();
    let config = config(dir.path(), &broker.way, &path);
    let (status_sender, status) = watch::channel(AgentStatus::default());
    let options = RunOptions { finish_on_eof: true, epoch_seed: Some(7) };
    let agent = tokio::spawn(run(config, options, CancellationToken::new(), status_sender));
    let way = broker.way.clone();
    let runtime = tokio::runtime::Handle::current();
    let driver = tokio::task::spawn_blocking(move || {
        drive(
            900,
            || {
                if trouble.kill_broker {
                    broker.kill_and_restart();
                }
                if trouble.thief {
                    runtime.block_on(thief(&broker.way));
                }
            },
            master,
            slave,
        );
        broker
    });
    let _broker = driver.await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(15), agent).await;
    let report = ended.unwrap_or_else(|_| panic!("the agent does not end: {:?}", status.borrow())).unwrap().unwrap();
    stop.cancel();
    let batches = lake.await.unwrap();
    check(&report, &rows.borrow());
    println!("{batches} batches reached the lake, {} published", report.published_batches);
    if trouble.lost + trouble.deaf > 0 {
        assert!(report.published_batches > 42, "the trouble was real: something was sent again");
    }
    let last = status.borrow().clone();
    assert_eq!(last.generated_total(), report.generated_samples());
    assert_eq!(last.acknowledged_total(), report.generated_samples());
    assert_eq!(state_of(&way, &report.box_id).await.state.status, Status::Stopped, "it said goodbye");
}

/// Connects under the name of the box: the broker throws the box out, and as every session begins anew
/// (`session_present = 0`), nothing of what was on its way is kept for it.
async fn thief(way: &Way) {
    let mut options = way.options("van-01");
    options.set_clean_start(true);
    let (_client, mut events) = AsyncClient::builder(options).capacity(10).build();
    loop {
        if let Event::Incoming(Packet::ConnAck(ack)) = events.poll().await.unwrap() {
            assert!(!ack.session_present);
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_arrives_whole() {
    whole(Trouble::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_arrives_whole_though_the_broker_dies() {
    whole(Trouble { lost: 5, kill_broker: true, ..Trouble::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_arrives_whole_though_the_lake_is_silent_at_first() {
    whole(Trouble { deaf: 60, ..Trouble::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_arrives_whole_though_watermarks_come_late_and_newest_first() {
    whole(Trouble { reorder: 7, lost: 3, ..Trouble::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_arrives_whole_though_the_box_is_thrown_out_of_its_session() {
    whole(Trouble { thief: true, lost: 3, ..Trouble::default() }).await;
}

/// Stopped in mid-drive without any broker, started again with one: what was read arrives, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_offline_is_delivered_by_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path()) else { return };
    let (master, path, slave) = serial_line();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let first = config(dir.path(), &Way { port: nobody, tls: None }, &path);
    let agent =
        tokio::spawn(run(first, RunOptions::default(), shutdown.clone(), watch::channel(AgentStatus::default()).0));
    let keep = slave.try_clone().unwrap();
    tokio::task::spawn_blocking(move || drive(900, || {}, master, slave)).await.unwrap();
    shutdown.cancel();
    let offline = tokio::time::timeout(Duration::from_secs(20), agent).await.expect("it stops").unwrap().unwrap();
    drop(keep);
    assert_eq!(offline.pending, offline.generated_samples());
    assert!(offline.pending > 1_000);

    let stop = CancellationToken::new();
    let (rows_sender, rows) = watch::channel(Rows::new());
    let lake = tokio::spawn(lake(broker.way.clone(), Trouble::default(), rows_sender, stop.clone()));
    let (master, path, slave) = serial_line();
    let options = RunOptions { finish_on_eof: true, epoch_seed: None };
    let agent = tokio::spawn(run(
        config(dir.path(), &broker.way, &path),
        options,
        CancellationToken::new(),
        watch::channel(AgentStatus::default()).0,
    ));
    // Nothing more is driven; the line opens and closes.
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop((master, slave));
    let report = tokio::time::timeout(Duration::from_secs(60), agent).await.expect("the agent ends").unwrap().unwrap();
    stop.cancel();
    lake.await.unwrap();
    assert_eq!((report.epoch, report.generated_samples()), (offline.epoch, offline.generated_samples()));
    assert_eq!(report.pending, 0);
    for (stream, generated) in &report.generated {
        assert_eq!(
            rows.borrow().get(&(report.epoch, *stream)).map_or(0, |seqs| seqs.len() as u64),
            *generated,
            "{}",
            stream.name()
        );
    }
}

/// A disk image is put back after the vehicle drove on: the sequence numbers that the old copy would give are taken, and a
/// lake would take their samples for repetitions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_spool_begins_a_new_epoch_and_nothing_is_swallowed() {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path()) else { return };
    let stop = CancellationToken::new();
    let (rows_sender, rows) = watch::channel(Rows::new());
    let lake = tokio::spawn(lake(broker.way.clone(), Trouble::default(), rows_sender, stop.clone()));
    let run_once = || async {
        let (master, path, slave) = serial_line();
        let options = RunOptions { finish_on_eof: true, epoch_seed: Some(7) };
        let config = config(dir.path(), &broker.way, &path);
        let (status, seen) = watch::channel(AgentStatus::default());
        let agent = tokio::spawn(run(config, options, CancellationToken::new(), status));
        tokio::task::spawn_blocking(move || drive(600, || {}, master, slave)).await.unwrap();
        let report = tokio::time::timeout(Duration::from_secs(60), agent).await.expect("it ends").unwrap().unwrap();
        (report, seen.borrow().clone())
    };
    let (spool, image) = (dir.path().join("spool.db"), dir.path().join("image.db"));
    let (first, _) = run_once().await;
    std::fs::copy(&spool, &image).unwrap();
    let (second, _) = run_once().await;
    assert_eq!(second.epoch, first.epoch);
    assert!(second.generated_samples() > first.generated_samples() + 500);
    let before = rows.borrow().clone();
    std::fs::copy(&image, &spool).unwrap();

    let (third, status) = run_once().await;
    stop.cancel();
    lake.await.unwrap();
    assert_ne!(third.epoch, first.epoch);
    assert_eq!((third.old_copies, third.pending, third.gaps), (1, 0, 0));
    assert_eq!((status.old_copies, status.set_aside_samples), (1, third.set_aside_samples));
    assert!(third.generated_samples() + third.set_aside_samples > 500);
    let config = tournee_spool::SpoolConfig::new(third.box_id.clone(), 1 << 30);
    let (aside, _) = tournee_spool::Spool::open(third.set_aside.as_ref().unwrap(), config, 1).unwrap();
    assert_eq!((aside.epoch(), aside.pending_total().samples), (first.epoch, third.set_aside_samples));
    let rows = rows.borrow();
    for (stream, generated) in &third.generated {
        let got = rows.get(&(third.epoch, *stream)).map_or(0, |seqs| seqs.len() as u64);
        assert_eq!((got, third.acknowledged[stream]), (*generated, *generated), "{}", stream.name());
        let old = (first.epoch, *stream);
        assert_eq!(rows.get(&old), before.get(&old), "nothing goes out under the old epoch");
    }
}
