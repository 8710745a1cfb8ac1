//! Whose samples are taken: the registry as a worker sees it, and the task that keeps it up to date beside the commits.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tournee_payload::BoxId;

use crate::devices::{DeviceRegistry, Listing, PENDING_MAX};
use crate::error::IngestError;

/// Whose samples are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Every box: for a demo on one machine.
    All,
    /// Every box that the broker let in and that is not blocked: the broker asks for a certificate of the fleet's authority and
    /// its access list ties topics to the name in it. They are noted as accepted.
    Ca,
    /// Boxes that an operator accepted in the registry; others are noted as pending.
    Operator,
    /// These boxes, whatever the registry says; for tests and imports.
    Boxes(BTreeSet<BoxId>),
}

/// What becomes of a box's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    /// The reason and a line of what to do.
    Refused(&'static str, &'static str),
}

/// Boxes that wait to be written to the registry; when there are more they are noted with a later message.
const WAITING: usize = 1_024;
/// How long an end waits for what is being written.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The worker's side.
pub(crate) struct Admission {
    accept: Accept,
    view: watch::Receiver<Listing>,
    news: mpsc::Sender<BoxId>,
    /// Noted or on the way to it, since the last look.
    noted: BTreeSet<BoxId>,
    /// Messages of boxes that found no room among the pending ones.
    unnoted: u64,
    task: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Admission {
    /// Reads the registry and starts the task that looks again every `every`. With [`Accept::All`] and [`Accept::Boxes`] it is
    /// not looked at.
    ///
    /// # Errors
    /// When the registry cannot be read: without it a worker would refuse what is accepted.
    pub(crate) async fn start(
        accept: Accept,
        registry: Option<DeviceRegistry>,
        every: Duration,
        now_us: fn() -> i64,
    ) -> Result<Self, IngestError> {
        let registry = registry.filter(|_| matches!(accept, Accept::Ca | Accept::Operator));
        let first = match &registry {
            Some(registry) => registry.listing(now_us()).await?,
            None => Listing::default(),
        };
        let (sender, view) = watch::channel(first);
        let (news, waiting) = mpsc::channel(WAITING);
        let stop = CancellationToken::new();
        let task = registry.map(|registry| {
            let by_ca = accept == Accept::Ca;
            let keeper = Keeper { registry, by_ca, every: every.max(Duration::from_millis(50)), now_us };
            tokio::spawn(keeper.work(sender, waiting, stop.clone()))
        });
        Ok(Self { accept, view, news, noted: BTreeSet::new(), unnoted: 0, task, stop })
    }

    /// May this box write into the lake?
    pub(crate) fn verdict(&mut self, box_id: &BoxId) -> Verdict {
        if self.view.has_changed().unwrap_or(false) {
            self.view.mark_unchanged();
            // What was noted is in the listing by now; what could not be written is tried again with the next message.
            self.noted.clear();
        }
        let view = self.view.borrow();
        let (verdict, known) = match &self.accept {
            Accept::All => return Verdict::Accepted,
            Accept::Boxes(boxes) if boxes.contains(box_id) => return Verdict::Accepted,
            Accept::Boxes(_) => return Verdict::Refused("unknown_box", "not in the list of boxes"),
            _ if view.blocked.contains(box_id) => {
                return Verdict::Refused(
                    "blocked_box",
                    "an operator blocked the box: `tournee devices accept` lifts it",
                );
            }
            Accept::Ca => (Verdict::Accepted, view.accepted.contains(box_id)),
            Accept::Operator if view.accepted.contains(box_id) => return Verdict::Accepted,
            Accept::Operator => (
                Verdict::Refused("not_accepted", "nobody accepted the box yet: `tournee devices accept` does"),
                view.pending.contains(box_id),
            ),
        };
        if known || self.noted.contains(box_id) {
            return verdict;
        }
        let full = self.accept == Accept::Operator && view.pending.len() + self.noted.len() >= PENDING_MAX;
        if full || self.noted.len() >= PENDING_MAX || self.news.try_send(box_id.clone()).is_err() {
            self.unnoted += 1;
        } else {
            self.noted.insert(box_id.clone());
        }
        verdict
    }

    /// Boxes that wait to be accepted, as of the last look.
    pub(crate) fn pending(&self) -> usize {
        self.view.borrow().pending.len()
    }

    /// Messages whose box could not be noted: more than [`PENDING_MAX`] were pending, or it came too fast.
    pub(crate) const fn unnoted(&self) -> u64 {
        self.unnoted
    }

    /// Ends the task; what waits is written first, within reason.
    pub(crate) async fn close(mut self) {
        drop(self.news);
        if let Some(mut task) = self.task.take()
            && tokio::time::timeout(CLOSE_WITHIN, &mut task).await.is_err()
        {
            self.stop.cancel();
            task.abort();
        }
    }
}

/// The task's side.
struct Keeper {
    registry: DeviceRegistry,
    /// Accepted by the authority's word, not pending.
    by_ca: bool,
    every: Duration,
    now_us: fn() -> i64,
}

impl Keeper {
    async fn work(self, view: watch::Sender<Listing>, mut news: mpsc::Receiver<BoxId>, stop: CancellationToken) {
        let mut next = tokio::time::Instant::now() + self.every;
        loop {
            let box_id = tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(next) => None,
                box_id = news.recv() => match box_id {
                    Some(box_id) => Some(box_id),
                    None => return,
                },
            };
            let outcome = match box_id {
                Some(box_id) => self.note(&box_id).await,
                None => {
                    next = tokio::time::Instant::now() + self.every;
                    self.registry.listing((self.now_us)()).await.map(|listing| {
                        view.send_replace(listing);
                    })
                }
            };
            if let Err(error) = outcome {
                // The last picture stays; the next look comes soon.
                tracing::warn!(%error, "the registry of boxes cannot be read or written; it will be tried again");
            }
        }
    }

    async fn note(&self, box_id: &BoxId) -> Result<(), IngestError> {
        let now_us = (self.now_us)();
        if self.by_ca {
            tracing::info!(%box_id, "accepted by the authority's word");
            self.registry.note_accepted(box_id, "the authority that signed its certificate", now_us).await
        } else {
            tracing::info!(%box_id, "a box waits to be accepted");
            self.registry.register(box_id, now_us).await
        }
    }
}
