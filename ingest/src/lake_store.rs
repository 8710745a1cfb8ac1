//! The objects of a lake, wherever it lies: table logs, Parquet files and watermark objects through one door.

use std::fmt;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake::{DeltaTableError, ensure_table_uri};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, ClientConfigKey, DynObjectStore, ObjectMeta, ObjectStoreExt as _, PutMode, PutOptions, RetryConfig,
};
use tournee_lake::Table;

use crate::error::IngestError;
use crate::fail::Hook;
use crate::fail_store::failing;
use crate::lake_url::{LakeUrl, Place};
use crate::store::{FsyncedLocal, create_dirs, sync_table};

/// Marks a lake in an object store, and proves at every start that the store honours "create only if absent".
const MARKER: &str = "_tournee.json";
const MARKER_BYTES: &[u8] = b"{\"lake\":\"tournee\",\"version\":1}\n";

/// Retries of one request of the object store, and the time they may take together. Beyond it the commit fails, is tried
/// again by the worker, and the broker waits meanwhile.
const RETRIES: usize = 5;
const RETRY_WITHIN: Duration = Duration::from_secs(30);
/// One request, unless AWS_TIMEOUT says otherwise.
const REQUEST_WITHIN: &str = "15 seconds";

/// A lake's objects, named relative to its root. Cheap to clone.
#[derive(Clone)]
pub struct LakeStore {
    url: LakeUrl,
    /// From the root of the file system or bucket, as Delta's log wants it.
    root: Arc<DynObjectStore>,
    /// From the lake's root.
    objects: Arc<DynObjectStore>,
    prefix: Path,
}

impl fmt::Debug for LakeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LakeStore({})", self.url)
    }
}

impl LakeStore {
    /// Opens the place for writing: makes the folder, and tries that it can be written.
    ///
    /// # Errors
    /// When it cannot be written, or when the object store ignores `If-None-Match`, on which every commit rests.
    pub async fn create(url: &LakeUrl, hook: Option<Hook>) -> Result<Self, IngestError> {
        Self::create_with(url, &[], hook).await
    }

    /// The same with settings of the object store that go before those of the environment, named like them:
    /// `aws_endpoint_url`, `aws_timeout`, …
    ///
    /// # Errors
    /// As [`LakeStore::create`], and for a name that is no setting.
    pub async fn create_with(
        url: &LakeUrl,
        settings: &[(&str, &str)],
        hook: Option<Hook>,
    ) -> Result<Self, IngestError> {
        match &url.0 {
            Place::Folder(path) => Self::folder(&prepare_root(path)?, hook),
            Place::S3 { bucket, prefix } => {
                let store = Self::bucket(url, bucket, prefix, settings, hook)?;
                store.prove_conditional_put().await?;
                Ok(store)
            }
        }
    }

    /// Opens the place for reading; nothing is created.
    ///
    /// # Errors
    /// When the folder does not exist, or the settings of the object store are unusable.
    pub fn existing(url: &LakeUrl) -> Result<Self, IngestError> {
        match &url.0 {
            Place::Folder(path) => {
                let root = path.canonicalize().map_err(|source| IngestError::Root { path: path.clone(), source })?;
                Self::folder(&root, None)
            }
            Place::S3 { bucket, prefix } => Self::bucket(url, bucket, prefix, &[], None),
        }
    }

    fn folder(root: &FsPath, hook: Option<Hook>) -> Result<Self, IngestError> {
        let prefix = Path::from_absolute_path(root).map_err(object_store::Error::from)?;
        let store = failing(Arc::new(FsyncedLocal::new(hook.clone())), hook);
        Ok(Self::new(root.into(), store, prefix))
    }

    fn bucket(
        url: &LakeUrl,
        bucket: &str,
        prefix: &Path,
        settings: &[(&str, &str)],
        hook: Option<Hook>,
    ) -> Result<Self, IngestError> {
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(RetryConfig {
                backoff: BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() },
                max_retries: RETRIES,
                retry_timeout: RETRY_WITHIN,
            });
        if std::env::var_os("AWS_TIMEOUT").is_none() {
            builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), REQUEST_WITHIN);
        }
        for (name, value) in settings {
            builder = builder.with_config(name.parse()?, *value);
        }
        let store = failing(Arc::new(builder.build()?), hook);
        Ok(Self::new(url.clone(), store, prefix.clone()))
    }

    fn new(url: LakeUrl, root: Arc<DynObjectStore>, prefix: Path) -> Self {
        let objects = Arc::new(PrefixStore::new(root.clone(), prefix.clone()));
        Self { url, root, objects, prefix }
    }

    /// Where the lake lies; of a folder the absolute name.
    #[must_use]
    pub const fn url(&self) -> &LakeUrl {
        &self.url
    }

    /// The folder, when the lake is one of this machine.
    #[must_use]
    pub fn local_root(&self) -> Option<&FsPath> {
        self.url.folder()
    }

    /// Every object of the lake, named relative to its root.
    #[must_use]
    pub fn objects(&self) -> Arc<DynObjectStore> {
        self.objects.clone()
    }

    /// The bytes of an object; `None` when it is not there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, object_store::Error> {
        match self.objects.get(&Path::from(name)).await {
            Ok(found) => found.bytes().await.map(Some),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes an object, durable when this returns; replaces one of that name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), object_store::Error> {
        self.objects.put(&Path::from(name), bytes.into()).await.map(|_| ())
    }

    /// Writes an object only if nobody has the name; durable when this returns. False when the name is taken, be it by an
    /// earlier try of this very call whose answer was lost.
    ///
    /// # Errors
    /// When the store fails: the object may then be there all the same.
    pub async fn put_new(&self, name: &str, bytes: Bytes) -> Result<bool, object_store::Error> {
        let options = PutOptions::from(PutMode::Create);
        match self.objects.put_opts(&Path::from(name), bytes.into(), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Every object below `dir`, at any depth, in no order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, dir: &str) -> Result<Vec<ObjectMeta>, object_store::Error> {
        let found: Result<Vec<ObjectMeta>, _> = self.objects.list(Some(&Path::from(dir))).try_collect().await;
        match found {
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            found => found,
        }
    }

    /// Removes objects; how many are gone now. What is not there counts as gone. Best effort: the first trouble is logged.
    pub async fn delete(&self, names: Vec<String>) -> usize {
        let locations = futures::stream::iter(names.into_iter().map(|name| Ok(Path::from(name)))).boxed();
        let mut gone = 0;
        let mut trouble = None;
        let mut results = self.objects.delete_stream(locations);
        while let Some(result) = results.next().await {
            match result {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => gone += 1,
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        if let Some(error) = trouble {
            tracing::debug!(lake = %self.url, %error, "objects that nobody needs stay");
        }
        gone
    }

    /// The log of a table.
    pub(crate) fn log(&self, table: Table) -> Result<LogStoreRef, DeltaTableError> {
        self.log_of(table.name())
    }

    /// The log of the Delta table in the folder `name` under the root.
    pub(crate) fn log_of(&self, name: &str) -> Result<LogStoreRef, DeltaTableError> {
        let location = match &self.url.0 {
            Place::Folder(path) => ensure_table_uri(path.join(name).to_string_lossy())?,
            Place::S3 { bucket, .. } => {
                let text = format!("s3://{bucket}/{}", self.prefix.clone().join(name));
                text.parse().map_err(|_| DeltaTableError::InvalidTableLocation(text))?
            }
        };
        let table: Arc<DynObjectStore> = Arc::new(PrefixStore::new(self.root.clone(), self.prefix.clone().join(name)));
        Ok(default_logstore(table, self.root.clone(), &location, &StorageConfig::default()))
    }

    /// Makes what was read of a table's log last, before anything is built on it or acknowledged. An object store has no
    /// page cache of ours to lose: what it showed, stands.
    pub(crate) async fn sync(&self, table: Table) -> Result<(), IngestError> {
        let Some(root) = self.local_root() else { return Ok(()) };
        let path = table.path(root);
        sync_table(root, &path).await.map_err(|source| IngestError::Root { path, source })
    }

    /// Writes the marker twice, and wants to be refused: some stores take the header and ignore it, and would let two workers
    /// write the same version.
    async fn prove_conditional_put(&self) -> Result<(), IngestError> {
        let fail = |source| IngestError::Bucket { location: self.url.to_string(), source };
        let marker = Bytes::from_static(MARKER_BYTES);
        if self.put_new(MARKER, marker.clone()).await.map_err(fail)?
            && self.put_new(MARKER, marker).await.map_err(fail)?
        {
            return Err(IngestError::NotConditional { location: self.url.to_string() });
        }
        Ok(())
    }
}

/// Makes the directory, finds its absolute name, and tries that it can be written.
fn prepare_root(path: &FsPath) -> Result<PathBuf, IngestError> {
    let fail = |source| IngestError::Root { path: path.to_path_buf(), source };
    std::path::absolute(path).and_then(|path| create_dirs(&path)).map_err(fail)?;
    let root = path.canonicalize().map_err(fail)?;
    // The path may have led through links: these are the directories that hold the files.
    create_dirs(&root).map_err(fail)?;
    let probe = root.join(format!(".{:016x}.staging", rand::random::<u64>()));
    std::fs::write(&probe, []).and_then(|()| std::fs::remove_file(&probe)).map_err(fail)?;
    Ok(root)
}
