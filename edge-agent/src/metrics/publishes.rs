//! Counts what goes to the broker and what it answers, around any [`Link`]. The counts belong to the task that runs the
//! uplink, so that several agents in one process keep theirs apart.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::link::{Incoming, Link, LinkError, Outcome, Session, Target};
use crate::report::Published;

tokio::task_local! {
    static COUNTS: Arc<Counts>;
}

/// The counts while they grow.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    connections: AtomicU64,
    messages: AtomicU64,
    payload_bytes: AtomicU64,
    accepted: AtomicU64,
    without_subscriber: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    pub fn seen(&self) -> Published {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Published {
            connections: of(&self.connections),
            messages: of(&self.messages),
            payload_bytes: of(&self.payload_bytes),
            accepted: of(&self.accepted),
            without_subscriber: of(&self.without_subscriber),
            refused: of(&self.refused),
        }
    }
}

/// Runs an uplink whose [`Counted`] links count there.
pub(crate) async fn counting<F: Future>(counts: Arc<Counts>, uplink: F) -> F::Output {
    COUNTS.scope(counts, uplink).await
}

/// A link that counts.
pub(crate) struct Counted<L> {
    inner: L,
    counts: Arc<Counts>,
}

impl<L: Link> Link for Counted<L> {
    type Ack = Pin<Box<dyn Future<Output = Outcome> + Send>>;

    async fn connect(target: &Target) -> Result<(Self, Session), LinkError> {
        // Outside of `counting` nobody looks at the counts.
        let counts = COUNTS.try_with(Arc::clone).unwrap_or_default();
        let (inner, session) = L::connect(target).await?;
        counts.connections.fetch_add(1, Ordering::Relaxed);
        Ok((Self { inner, counts }, session))
    }

    async fn publish(&mut self, topic: String, payload: Vec<u8>, retain: bool) -> Result<Self::Ack, LinkError> {
        let bytes = payload.len() as u64;
        let answer = self.inner.publish(topic, payload, retain).await?;
        self.counts.messages.fetch_add(1, Ordering::Relaxed);
        self.counts.payload_bytes.fetch_add(bytes, Ordering::Relaxed);
        let counts = Arc::clone(&self.counts);
        Ok(Box::pin(async move {
            let outcome = answer.await;
            let count = match outcome {
                Outcome::Accepted => Some(&counts.accepted),
                Outcome::NoSubscriber => Some(&counts.without_subscriber),
                Outcome::Refused(_) => Some(&counts.refused),
                // No answer at all.
                Outcome::Lost => None,
            };
            if let Some(count) = count {
                count.fetch_add(1, Ordering::Relaxed);
            }
            outcome
        }))
    }

    async fn subscribe(&mut self, topic: String) -> Result<(), LinkError> {
        self.inner.subscribe(topic).await
    }

    async fn next(&mut self) -> Result<Incoming, LinkError> {
        self.inner.next().await
    }

    async fn close(self) {
        self.inner.close().await;
    }
}
