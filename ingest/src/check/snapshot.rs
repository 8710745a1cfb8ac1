//! One table at one version: its files, and what the watermark objects that this version names say of them.

use std::collections::BTreeMap;

use tournee_lake::transaction::{app_id, object_app_id, object_path};
use tournee_lake::{ExpiredObject, Table, WatermarkObject, WatermarkSet};

use super::account::Violation;
use crate::commit::object_hash;
use crate::error::IngestError;
use crate::lake_store::LakeStore;
use crate::maintain::table::{LiveFile, Maintained};
use crate::transactions::{Transactions, transactions};

/// How often a table is opened anew because ingest went on and removed the objects of the version that was read.
const TRIES: u32 = 8;

/// A table as of one version.
pub(crate) struct Snapshot {
    pub(crate) place: Maintained,
    pub(crate) files: Vec<LiveFile>,
    /// Numbers that the watermark objects call stored in this table.
    pub(crate) stored: WatermarkSet,
    /// Numbers of other streams that they call explained by this table.
    pub(crate) covered: WatermarkSet,
    /// What left because of its age.
    pub(crate) expired: ExpiredObject,
    /// Objects that are not as the log says.
    pub(crate) violations: Vec<Violation>,
}

impl Snapshot {
    /// Opens a table; `None` when there is none.
    pub(crate) async fn open(store: &LakeStore, table: Table) -> Result<Option<Self>, IngestError> {
        let mut last = None;
        for _ in 0..TRIES {
            let fail = |source| IngestError::delta(table, source);
            let log = store.log(table).map_err(fail)?;
            let Some(place) = Maintained::open(table.name(), "date", log).await? else { return Ok(None) };
            let version = place.version();
            if last.as_ref().is_some_and(|snapshot: &Self| snapshot.place.version() == version) {
                break;
            }
            let named = transactions(place.log(), version, None).await.map_err(fail)?;
            let snapshot = Self::load(store, table, place, &named).await?;
            let whole = snapshot.violations.is_empty();
            last = Some(snapshot);
            if whole {
                break;
            }
        }
        Ok(last)
    }

    async fn load(
        store: &LakeStore,
        table: Table,
        place: Maintained,
        named: &Transactions,
    ) -> Result<Self, IngestError> {
        let files = place.files();
        let mut snapshot = Self {
            place,
            files,
            stored: WatermarkSet::new(),
            covered: WatermarkSet::new(),
            expired: ExpiredObject::empty(table),
            violations: Vec::new(),
        };
        let number = |id: &str| named.get(id).copied();
        for shard in 0..64 {
            let Some(n) = number(&app_id(table, shard)) else { continue };
            let hash = number(&object_app_id(table, shard)).unwrap_or_default();
            let name = object_path(table, shard, n, hash);
            let found = read(store, &name, hash).await?.and_then(|bytes| WatermarkObject::from_json(&bytes).ok());
            match found {
                Some(object) => {
                    snapshot.stored.union_with(&object.stored);
                    snapshot.covered.union_with(&object.covered);
                }
                None => snapshot.broken(table, "missing_watermark", &name),
            }
        }
        if let Some(n) = number(&ExpiredObject::app_id(table)) {
            let hash = number(&ExpiredObject::object_app_id(table)).unwrap_or_default();
            let name = ExpiredObject::path(table, n, hash);
            match read(store, &name, hash).await?.and_then(|bytes| ExpiredObject::from_json(&bytes).ok()) {
                Some(object) => snapshot.expired = object,
                None => snapshot.broken(table, "missing_expired", &name),
            }
        }
        Ok(snapshot)
    }

    fn broken(&mut self, table: Table, kind: &'static str, name: &str) {
        let detail =
            format!("the log names {name}, which is missing or not what its name says: restore it from a copy");
        self.violations.push(Violation { table: table.name(), kind, detail });
    }

    /// Live files by date.
    pub(crate) fn by_date(&self) -> BTreeMap<&str, Vec<&LiveFile>> {
        let mut dates: BTreeMap<&str, Vec<&LiveFile>> = BTreeMap::new();
        for file in &self.files {
            dates.entry(&file.partition).or_default().push(file);
        }
        dates
    }
}

/// The bytes of an immutable object, when they are those that its name says.
async fn read(store: &LakeStore, name: &str, hash: i64) -> Result<Option<bytes::Bytes>, IngestError> {
    Ok(store.get(name).await?.filter(|bytes| object_hash(bytes) == hash))
}
