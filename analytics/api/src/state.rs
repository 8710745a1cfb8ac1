//! The one thing that changes while the server runs: which snapshot it answers from.

use std::sync::{Arc, PoisonError, RwLock};

use crate::assets::Assets;
use crate::served::{PrepareError, Served};
use crate::snapshot::Snapshot;

/// Shared state. Clones are handles to the same state; a request keeps the snapshot it began with.
#[derive(Clone, Debug)]
pub struct AppState {
    current: Arc<RwLock<Arc<Served>>>,
    assets: &'static Assets,
}

impl AppState {
    /// A state that answers from this snapshot. Takes a moment per territory: it writes the layers.
    ///
    /// # Errors
    /// Where the snapshot cannot be written as JSON.
    pub fn new(snapshot: Snapshot) -> Result<Self, PrepareError> {
        let current = Arc::new(RwLock::new(Arc::new(Served::new(snapshot)?)));
        Ok(Self { current, assets: Assets::embedded() })
    }

    /// Answers from this snapshot from now on. Prepared before the swap, so that no request waits for it.
    ///
    /// # Errors
    /// Where the snapshot cannot be written as JSON; the old one stays.
    pub fn replace(&self, snapshot: Snapshot) -> Result<(), PrepareError> {
        let fresh = Arc::new(Served::new(snapshot)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(crate) fn served(&self) -> Arc<Served> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn assets(&self) -> &'static Assets {
        self.assets
    }
}
