//! The owner of the spool: one thread, group commits, requests of the uplink.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tournee_payload::{Ack, Stream};
use tournee_spool::{AckOutcome, GapReason, SealedBatch, Spool, SpoolError};

use crate::beats::{BEAT_EVERY, Beat};
use crate::commit_times::CommitTimes;
use crate::error::AgentError;
use crate::line::Taken;

/// Uncommitted samples that do not wait for the interval.
const COMMIT_SAMPLES: usize = 2_000;
/// Uncommitted samples beyond which nothing more is taken: the disk is too slow or refuses.
const MOST_UNCOMMITTED: usize = 50_000;
/// A trouble of the database is over after so long without an error; the next one is told again.
const TROUBLE_OVER: Duration = Duration::from_secs(60);
/// How long after a stop a disk that refuses is asked again. Well below what a service manager waits before it kills.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// Calls of the reader that may wait.
pub(crate) const SAMPLE_QUEUE: usize = 64;

/// What the keeper tells after every change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpoolStatus {
    pub epoch: u64,
    pub generated: BTreeMap<Stream, u64>,
    pub acknowledged: BTreeMap<Stream, u64>,
    pub given_up: BTreeMap<Stream, u64>,
    /// Samples in the spool, gap rows included.
    pub pending: u64,
    /// Gap rows that could not be read back and were made again, since the start.
    pub lost_gap_rows: u64,
    /// Files left behind since the start because they were old copies, the samples that wait in them, the last one.
    pub old_copies: u64,
    pub set_aside_samples: u64,
    pub set_aside: Option<PathBuf>,
    /// How long commits took, since the start.
    pub commits: CommitTimes,
    /// Files that had been set aside and were removed to make room, since the start.
    pub aside_removed: u64,
    /// The reader has ended, and everything it brought is committed (and sealed, when asked for).
    pub input_done: bool,
}

impl SpoolStatus {
    fn of(spool: &Spool, input_done: bool) -> Self {
        let each = |count: &dyn Fn(Stream) -> u64| Stream::ALL.into_iter().map(|s| (s, count(s))).collect();
        Self {
            epoch: spool.epoch(),
            generated: spool.generated(),
            acknowledged: each(&|stream| spool.acknowledged(stream)),
            given_up: each(&|stream| spool.given_up(stream)),
            pending: spool.pending_total().samples,
            lost_gap_rows: spool.lost_gap_rows(),
            input_done,
            ..Self::default()
        }
    }
}

/// The keeper's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said<T> {
    Done(T),
    /// The database refused (a full disk, an IO error). Nothing has changed: ask again.
    Later,
}

/// What became of a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acked {
    Taken,
    /// Retained, from a spool before this one.
    OtherEpoch,
    /// The spool was an old copy. It is set aside, and this is the epoch of the new one.
    NewEpoch(u64),
}

enum Request {
    Peek { stream: Stream, from_seq: u64, reply: oneshot::Sender<Said<Option<SealedBatch>>> },
    Acknowledge { ack: Ack, reply: oneshot::Sender<Said<Acked>> },
    GiveUp { stream: Stream, first_seq: u64, reason: GapReason, reply: oneshot::Sender<Said<u64>> },
}

/// The keeper is gone; its own result says why.
#[derive(Debug)]
pub(crate) struct Gone;

/// The uplink's way to the spool.
#[derive(Clone)]
pub(crate) struct SpoolHandle {
    requests: mpsc::Sender<Request>,
}

impl SpoolHandle {
    pub async fn peek(&self, stream: Stream, from_seq: u64) -> Result<Said<Option<SealedBatch>>, Gone> {
        self.ask(|reply| Request::Peek { stream, from_seq, reply }).await
    }

    pub async fn acknowledge(&self, ack: Ack) -> Result<Said<Acked>, Gone> {
        self.ask(|reply| Request::Acknowledge { ack, reply }).await
    }

    pub async fn give_up(&self, stream: Stream, first_seq: u64, reason: GapReason) -> Result<Said<u64>, Gone> {
        self.ask(|reply| Request::GiveUp { stream, first_seq, reason, reply }).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}

/// The ends of a running keeper.
pub(crate) struct Keeper {
    pub samples: mpsc::Sender<Taken>,
    pub handle: SpoolHandle,
    pub status: watch::Receiver<SpoolStatus>,
    /// How it ended: when all senders of samples and all handles are gone, on damage, or when after a stop the disk takes
    /// nothing.
    pub ended: oneshot::Receiver<Result<SpoolStatus, AgentError>>,
}

/// Starts the thread. `seal_at_end`: when the reader ends, close the open batches so that all can be sent. `new_epoch`:
/// random; what the epoch is made from when the spool turns out to be an old copy.
pub(crate) fn start(
    spool: Spool,
    commit_interval: Duration,
    seal_at_end: bool,
    new_epoch: u64,
    beat: Beat,
) -> std::io::Result<Keeper> {
    let (samples, sample_queue) = mpsc::channel(SAMPLE_QUEUE);
    let (requests, request_queue) = mpsc::channel(32);
    let (status_sender, status) = watch::channel(SpoolStatus::of(&spool, false));
    let (end_sender, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("spool".to_owned()).spawn(move || {
        let work = Work::new(spool, commit_interval, seal_at_end, new_epoch, status_sender);
        let result = runtime.block_on(work.run(sample_queue, request_queue, &beat));
        // Before the end is told: whoever hears of it must not find a part that is silent.
        drop(beat);
        let _ = end_sender.send(result);
    })?;
    Ok(Keeper { samples, handle: SpoolHandle { requests }, status, ended })
}

struct Work {
    spool: Spool,
    commit_interval: Duration,
    seal_at_end: bool,
    input_done: bool,
    status: watch::Sender<SpoolStatus>,
    /// When the database refused last.
    trouble: Option<Instant>,
    /// Why the last commit was refused; none since one that was not.
    refusal: Option<String>,
    new_epoch: u64,
    old_copies: u64,
    set_aside_samples: u64,
    set_aside: Option<PathBuf>,
    commits: CommitTimes,
    aside_removed: u64,
}

impl Work {
    fn new(
        spool: Spool,
        commit_interval: Duration,
        seal_at_end: bool,
        new_epoch: u64,
        status: watch::Sender<SpoolStatus>,
    ) -> Self {
        Self {
            spool,
            commit_interval,
            seal_at_end,
            input_done: false,
            status,
            trouble: None,
            refusal: None,
            new_epoch,
            old_copies: 0,
            set_aside_samples: 0,
            set_aside: None,
            commits: CommitTimes::default(),
            aside_removed: 0,
        }
    }

    async fn run(
        mut self,
        mut samples: mpsc::Receiver<Taken>,
        mut requests: mpsc::Receiver<Request>,
        beat: &Beat,
    ) -> Result<SpoolStatus, AgentError> {
        let mut commit_at: Option<Instant> = None;
        let mut input_open = true;
        let mut requests_open = true;
        // The uplink ends on a stop, or when everything is delivered. The input may stay open: its reader waits for room here.
        let mut give_up_at: Option<Instant> = None;
        while input_open || requests_open || commit_at.is_some() {
            beat.beat();
            if let Some(cause) = self.refusal.take_if(|_| give_up_at.is_some_and(|at| Instant::now() >= at)) {
                return Err(self.unsaved(samples, cause));
            }
            let due = commit_at.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                request = requests.recv(), if requests_open => match request {
                    Some(request) => self.serve(request)?,
                    None => {
                        requests_open = false;
                        give_up_at = Some(Instant::now() + STOP_PATIENCE);
                    }
                },
                () = tokio::time::sleep_until(due), if commit_at.is_some() => {
                    commit_at = if self.commit(!input_open)? { None } else { Some(Instant::now() + self.commit_interval) };
                }
                more = samples.recv(), if input_open && self.spool.uncommitted() < MOST_UNCOMMITTED => match more {
                    Some(more) => {
                        self.spool.append(&more.samples)?;
                        if let Some(position) = more.position {
                            self.spool.reached(position);
                        }
                        let now = Instant::now();
                        let due = commit_at.get_or_insert(now + self.commit_interval);
                        if self.spool.uncommitted() >= COMMIT_SAMPLES {
                            *due = (*due).min(now);
                        }
                    }
                    None => {
                        input_open = false;
                        commit_at = Some(Instant::now());
                    }
                },
                () = tokio::time::sleep(BEAT_EVERY) => {}
            }
        }
        Ok(self.seen())
    }

    /// The end without what is in memory, and in the queue before it.
    fn unsaved(&self, mut queue: mpsc::Receiver<Taken>, cause: String) -> AgentError {
        let mut samples = self.spool.uncommitted();
        // Whoever waits to put something in finds it closed.
        queue.close();
        while let Ok(more) = queue.try_recv() {
            samples += more.samples.len();
        }
        AgentError::Unsaved { samples, waited_s: STOP_PATIENCE.as_secs(), cause }
    }

    /// Commits. False when the database refused and it has to be tried again; nothing is lost then.
    fn commit(&mut self, last: bool) -> Result<bool, SpoolError> {
        let since = Instant::now();
        let result = if last && self.seal_at_end { self.spool.seal_all() } else { self.spool.commit() };
        self.commits.add(since.elapsed());
        match result {
            Ok(()) => {
                self.refusal = None;
                self.input_done = last;
                self.tell();
                Ok(true)
            }
            Err(error) => {
                self.refusal = Some(match std::error::Error::source(&error) {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                });
                self.refused(error).map(|()| false)
            }
        }
    }

    fn serve(&mut self, request: Request) -> Result<(), SpoolError> {
        // Whoever asked may be gone: then the answer is for nobody.
        match request {
            Request::Peek { stream, from_seq, reply } => {
                let lost = |spool: &Spool| (spool.given_up(stream), spool.lost_gap_rows());
                let before = lost(&self.spool);
                let result = self.spool.peek(stream, from_seq);
                let _ = reply.send(self.said(result)?);
                if lost(&self.spool) != before {
                    self.tell();
                }
            }
            Request::Acknowledge { ack, reply } => {
                let result = self.spool.acknowledge(ack.stream, ack.epoch, ack.next_seq);
                let said = match self.said(result)? {
                    Said::Done(AckOutcome::Deleted(_)) => Said::Done(Acked::Taken),
                    Said::Done(AckOutcome::OtherEpoch) => Said::Done(Acked::OtherEpoch),
                    Said::Done(AckOutcome::Beyond) => Said::Done(Acked::NewEpoch(self.leave_old_copy(ack)?)),
                    Said::Later => Said::Later,
                };
                let _ = reply.send(said);
                self.tell();
            }
            Request::GiveUp { stream, first_seq, reason, reply } => {
                let result = self.spool.give_up(stream, first_seq, reason);
                let _ = reply.send(self.said(result)?);
                self.tell();
            }
        }
        Ok(())
    }

    fn said<T>(&mut self, result: Result<T, SpoolError>) -> Result<Said<T>, SpoolError> {
        match result {
            Ok(value) => Ok(Said::Done(value)),
            Err(error) => self.refused(error).map(|()| Said::Later),
        }
    }

    /// Only damage ends the keeper: what is in memory would be gone with it. Everything else may pass, and until then
    /// nothing has changed. Told once per trouble, which is over when a while has passed without an error.
    fn refused(&mut self, error: SpoolError) -> Result<(), SpoolError> {
        if error.is_damage() {
            return Err(error);
        }
        let now = Instant::now();
        if self.trouble.is_none_or(|last| now.duration_since(last) >= TROUBLE_OVER) {
            let error: &dyn std::error::Error = &error;
            tracing::error!(
                error,
                "the spool database refuses; trying again, in the end the serial line waits. Check its disk"
            );
        }
        self.trouble = Some(now);
        Ok(())
    }

    /// The sequence numbers that this file would give are taken, and ingest would take their samples for repetitions.
    fn leave_old_copy(&mut self, ack: Ack) -> Result<u64, SpoolError> {
        let old_epoch = self.spool.epoch();
        tracing::error!(
            stream = ack.stream.name(),
            next_seq = ack.next_seq,
            old_epoch,
            "a watermark beyond everything this spool ever offered: the file is an old copy"
        );
        let left = self.spool.begin_new_epoch(self.new_epoch).inspect_err(|_| {
            tracing::error!(
                "an old copy of the spool cannot be set aside: rename the file, then start the agent again"
            );
        })?;
        tracing::error!(
            file = %left.set_aside.display(), epoch = left.epoch, samples = left.samples,
            "the old copy is set aside with the samples that waited in it; a new epoch begins"
        );
        self.old_copies += 1;
        self.set_aside_samples += left.samples;
        self.set_aside = Some(left.set_aside);
        self.aside_removed += left.aside.removed_files;
        Ok(left.epoch)
    }

    fn seen(&self) -> SpoolStatus {
        SpoolStatus {
            old_copies: self.old_copies,
            set_aside_samples: self.set_aside_samples,
            set_aside: self.set_aside.clone(),
            commits: self.commits,
            aside_removed: self.aside_removed,
            ..SpoolStatus::of(&self.spool, self.input_done)
        }
    }

    fn tell(&self) {
        let now = self.seen();
        self.status.send_if_modified(|old| {
            let changed = *old != now;
            *old = now;
            changed
        });
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
