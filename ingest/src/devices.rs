//! Which boxes may write into the lake. One small object per box and word, in the lake's own store: `_devices/pending/<box>.json`,
//! `…/accepted/…`, `…/blocked/…`. What counts is that the object exists, so one listing tells everything, each decision is one
//! atomic write or removal, and any number of workers and operators may be at it at the same time.
//!
//! Blocked is stronger than accepted, accepted stronger than pending: a half-done change is always the stricter of the two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt as _;
use object_store::path::Path;
use object_store::{DynObjectStore, ObjectStoreExt as _, PutMode, PutPayload};
use serde::{Deserialize, Serialize};
use tournee_payload::BoxId;

use crate::error::IngestError;
use crate::lake_store::LakeStore;
use crate::lake_url::LakeUrl;

/// Folder of the registry under the lake.
const FOLDER: &str = "_devices";
/// Boxes that may wait to be accepted; further ones are counted only. A national fleet is installed in lots far below this.
pub const PENDING_MAX: usize = 10_000;
/// A pending box that nobody accepted is forgotten after this, and comes back with its next message.
const PENDING_DAYS: i64 = 30;
/// Boxes that a registry can hold in each state; more are refused with an error.
pub const BOXES_MAX: usize = 1_000_000;

/// What was said of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// It sent something; nobody has said anything.
    Pending,
    /// Its samples are stored.
    Accepted,
    /// Its samples go to quarantine, whatever else was said.
    Blocked,
}

impl DeviceState {
    /// Every state, the strongest last.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Accepted, Self::Blocked];

    /// The folder, and what is printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Blocked => "blocked",
        }
    }
}

/// One box in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The box.
    pub box_id: BoxId,
    /// What counts now.
    pub state: DeviceState,
    /// When that was said, microseconds since 1970, by the clock of the store.
    pub since_us: i64,
}

/// What an object says beside its name: for people.
#[derive(Serialize)]
struct Note<'a> {
    version: u32,
    at_us: i64,
    by: &'a str,
}

/// Every box that the registry knows, as of one listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) pending: BTreeSet<BoxId>,
    pub(crate) accepted: BTreeSet<BoxId>,
    pub(crate) blocked: BTreeSet<BoxId>,
}

/// The registry of a lake.
#[derive(Clone, Debug)]
pub struct DeviceRegistry {
    store: Arc<DynObjectStore>,
    folder: Path,
}

impl DeviceRegistry {
    /// The registry of the lake in a store.
    #[must_use]
    pub fn of(lake: &LakeStore) -> Self {
        Self { store: lake.objects(), folder: Path::from(FOLDER) }
    }

    /// The registry of the lake at a path or URL, made when absent.
    ///
    /// # Errors
    /// When the place is not writable.
    pub async fn open(lake: &LakeUrl) -> Result<Self, IngestError> {
        Ok(Self::of(&LakeStore::create(lake, None).await?))
    }

    fn folder(&self, state: DeviceState) -> Path {
        self.folder.clone().join(state.name())
    }

    fn object(&self, state: DeviceState, box_id: &BoxId) -> Path {
        self.folder(state).join(format!("{box_id}.json"))
    }

    /// Boxes of one state with the time since when, as objects; a box may stand in several.
    async fn objects(&self, state: DeviceState) -> Result<BTreeMap<BoxId, i64>, IngestError> {
        let mut found = BTreeMap::new();
        let folder = self.folder(state);
        let mut list = self.store.list(Some(&folder));
        while let Some(object) = list.next().await {
            let object = match object {
                // A local store may see a file go that another process has just removed.
                Err(object_store::Error::NotFound { .. }) => continue,
                other => other?,
            };
            let name = object.location.filename().and_then(|name| name.strip_suffix(".json"));
            let Some(box_id) = name.and_then(|name| BoxId::new(name).ok()) else { continue };
            found.insert(box_id, object.last_modified.timestamp_micros());
            if found.len() > BOXES_MAX {
                return Err(IngestError::Devices(format!(
                    "more than {BOXES_MAX} boxes are {} in {folder}: remove those that nobody knows",
                    state.name()
                )));
            }
        }
        Ok(found)
    }

    /// Every box with what counts for it, by name.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub async fn list(&self) -> Result<Vec<Device>, IngestError> {
        let mut all: BTreeMap<BoxId, (DeviceState, i64)> = BTreeMap::new();
        for state in DeviceState::ALL {
            all.extend(self.objects(state).await?.into_iter().map(|(box_id, since_us)| (box_id, (state, since_us))));
        }
        let device = |(box_id, (state, since_us))| Device { box_id, state, since_us };
        Ok(all.into_iter().map(device).collect())
    }

    /// The three lists. Pending boxes that nobody wanted for a month are forgotten on the way.
    pub(crate) async fn listing(&self, now_us: i64) -> Result<Listing, IngestError> {
        let oldest_us = now_us.saturating_sub(PENDING_DAYS * 86_400_000_000);
        let accepted: BTreeSet<BoxId> = self.objects(DeviceState::Accepted).await?.into_keys().collect();
        let blocked: BTreeSet<BoxId> = self.objects(DeviceState::Blocked).await?.into_keys().collect();
        let mut pending = BTreeSet::new();
        for (box_id, since_us) in self.objects(DeviceState::Pending).await? {
            // Accepted or blocked by somebody who ended before he had cleared this away.
            if since_us < oldest_us || accepted.contains(&box_id) || blocked.contains(&box_id) {
                self.remove(DeviceState::Pending, &box_id).await?;
            } else {
                pending.insert(box_id);
            }
        }
        Ok(Listing { pending, accepted, blocked })
    }

    /// Notes that a box sent something and waits to be accepted.
    pub(crate) async fn register(&self, box_id: &BoxId, now_us: i64) -> Result<(), IngestError> {
        self.put(DeviceState::Pending, box_id, "the box itself", now_us).await
    }

    /// Notes that the authority vouches for a box; unlike [`Self::accept`] it lifts no block.
    pub(crate) async fn note_accepted(&self, box_id: &BoxId, by: &str, now_us: i64) -> Result<(), IngestError> {
        self.put(DeviceState::Accepted, box_id, by, now_us).await?;
        self.remove(DeviceState::Pending, box_id).await
    }

    /// Accepts a box, which may be one that never sent anything: workers store its samples from their next look on, and the
    /// vehicle then sends again what was not stored. `by`: who says so.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn accept(&self, box_id: &BoxId, by: &str, now_us: i64) -> Result<(), IngestError> {
        self.put(DeviceState::Accepted, box_id, by, now_us).await?;
        self.remove(DeviceState::Blocked, box_id).await?;
        self.remove(DeviceState::Pending, box_id).await
    }

    /// Blocks a box: what it sends goes to quarantine, and no watermark covers it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn block(&self, box_id: &BoxId, by: &str, now_us: i64) -> Result<(), IngestError> {
        self.put(DeviceState::Blocked, box_id, by, now_us).await?;
        self.remove(DeviceState::Accepted, box_id).await?;
        self.remove(DeviceState::Pending, box_id).await
    }

    async fn put(&self, state: DeviceState, box_id: &BoxId, by: &str, at_us: i64) -> Result<(), IngestError> {
        let note = Note { version: 1, at_us, by };
        // Two texts and a number can always be written.
        let bytes = serde_json::to_vec(&note).unwrap_or_default();
        let object = self.object(state, box_id);
        match self.store.put_opts(&object, PutPayload::from(bytes), PutMode::Create.into()).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn remove(&self, state: DeviceState, box_id: &BoxId) -> Result<(), IngestError> {
        match self.store.delete(&self.object(state, box_id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> BoxId {
        BoxId::new(name).unwrap()
    }

    async fn states(registry: &DeviceRegistry) -> Vec<(String, DeviceState)> {
        registry.list().await.unwrap().into_iter().map(|it| (it.box_id.to_string(), it.state)).collect()
    }

    #[tokio::test]
    async fn words_of_operators_stand_and_the_stricter_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let registry = DeviceRegistry::open(&LakeUrl::from(dir.path().join("lake"))).await.unwrap();
        assert!(registry.list().await.unwrap().is_empty());
        registry.register(&id("a"), 1).await.unwrap();
        registry.register(&id("a"), 2).await.unwrap();
        registry.register(&id("b"), 3).await.unwrap();
        registry.accept(&id("b"), "ops", 4).await.unwrap();
        registry.accept(&id("never-seen"), "ops", 4).await.unwrap();
        registry.block(&id("c"), "ops", 5).await.unwrap();
        use DeviceState::{Accepted, Blocked, Pending};
        let named = |list: &[(&str, DeviceState)]| -> Vec<(String, DeviceState)> {
            list.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect()
        };
        let expected = [("a", Pending), ("b", Accepted), ("c", Blocked), ("never-seen", Accepted)];
        assert_eq!(states(&registry).await, named(&expected));

        // Another process sees the same, and a half-done change counts as the stricter word.
        let other = DeviceRegistry::open(&LakeUrl::from(dir.path().join("lake"))).await.unwrap();
        assert_eq!(states(&other).await, named(&expected));
        other.put(Blocked, &id("b"), "ops", 6).await.unwrap();
        assert_eq!(states(&registry).await[1], ("b".to_owned(), Blocked));
        registry.accept(&id("b"), "ops", 7).await.unwrap();
        assert_eq!(states(&other).await, named(&expected));
        other.block(&id("b"), "ops", 8).await.unwrap();
        let listing = registry.listing(9).await.unwrap();
        assert_eq!(listing.blocked, BTreeSet::from([id("b"), id("c")]));
        assert_eq!(listing.accepted, BTreeSet::from([id("never-seen")]));
        assert_eq!(listing.pending, BTreeSet::from([id("a")]));
    }

    #[tokio::test]
    async fn what_nobody_wants_is_forgotten_after_a_month() {
        let dir = tempfile::tempdir().unwrap();
        let registry = DeviceRegistry::open(&LakeUrl::from(dir.path())).await.unwrap();
        registry.register(&id("a"), 1).await.unwrap();
        let now_us = registry.list().await.unwrap()[0].since_us;
        let day_us = 86_400_000_000;
        assert_eq!(registry.listing(now_us + 29 * day_us).await.unwrap().pending.len(), 1);
        assert!(registry.listing(now_us + 31 * day_us).await.unwrap().pending.is_empty());
        assert!(registry.list().await.unwrap().is_empty());
        // Files that are none of ours are no boxes.
        std::fs::create_dir_all(dir.path().join("_devices/accepted")).unwrap();
        std::fs::write(dir.path().join("_devices/accepted/README"), "").unwrap();
        std::fs::write(dir.path().join("_devices/accepted/Not A Box.json"), "").unwrap();
        assert!(registry.list().await.unwrap().is_empty());
    }
}
