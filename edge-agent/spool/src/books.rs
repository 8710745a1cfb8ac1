//! What the spool knows by heart about each stream; equal to the file after every transaction.

use std::collections::BTreeMap;

use tournee_payload::Stream;

use crate::report::Pending;
use crate::store::StreamState;

/// State and contents of each stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    states: BTreeMap<Stream, StreamState>,
    /// Sealed batches.
    sealed: BTreeMap<Stream, Pending>,
    /// Committed rows of the open batch.
    open: BTreeMap<Stream, Pending>,
}

impl Books {
    pub fn state(&self, stream: Stream) -> StreamState {
        self.states.get(&stream).copied().unwrap_or_default()
    }

    pub fn state_mut(&mut self, stream: Stream) -> &mut StreamState {
        self.states.entry(stream).or_default()
    }

    /// What is stored, sealed and open.
    pub fn pending(&self, stream: Stream) -> Pending {
        let mut pending = self.sealed.get(&stream).copied().unwrap_or_default();
        pending.add(self.open.get(&stream).copied().unwrap_or_default());
        pending
    }

    pub fn sealed_mut(&mut self, stream: Stream) -> &mut Pending {
        self.sealed.entry(stream).or_default()
    }

    pub fn set_open(&mut self, stream: Stream, open: Pending) {
        self.open.insert(stream, open);
    }

    /// Everything that is stored.
    pub fn total(&self) -> Pending {
        let mut total = Pending::default();
        for pending in self.sealed.values().chain(self.open.values()) {
            total.add(*pending);
        }
        total
    }
}
