//! What the spool knows by heart about each stream; equal to the file after every transaction.

use std::collections::BTreeMap;

use tournee_payload::Stream;

use crate::report::Pending;
use crate::store::StreamState;

/// State and contents of each stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    states: BTreeMap<Stream, StreamState>,
    pending: BTreeMap<Stream, Pending>,
}

impl Books {
    pub fn state(&self, stream: Stream) -> StreamState {
        self.states.get(&stream).copied().unwrap_or_default()
    }

    pub fn state_mut(&mut self, stream: Stream) -> &mut StreamState {
        self.states.entry(stream).or_default()
    }

    pub fn pending(&self, stream: Stream) -> Pending {
        self.pending.get(&stream).copied().unwrap_or_default()
    }

    pub fn pending_mut(&mut self, stream: Stream) -> &mut Pending {
        self.pending.entry(stream).or_default()
    }

    /// Everything that is stored.
    pub fn total(&self) -> Pending {
        let mut total = Pending::default();
        for pending in self.pending.values() {
            total.add(*pending);
        }
        total
    }
}
