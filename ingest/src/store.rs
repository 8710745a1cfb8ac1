//! Local files that are on disk when a write returns.
//!
//! `object_store`'s local file system writes a temporary file and renames it without asking the kernel to flush anything: a
//! power cut may leave an empty file under the final name, or no file at all, *after* the commit was acknowledged to the
//! vehicle, which by then has deleted its copy. Here the file is flushed before it gets its name, and the directory after.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use tournee_lake::Table;

use crate::fail::{FailPoint, Hook};

const STORE: &str = "FsyncedLocal";

/// The local file system from its root, with every write flushed.
pub(crate) struct FsyncedLocal {
    inner: Arc<LocalFileSystem>,
    hook: Option<Hook>,
}

impl FsyncedLocal {
    pub(crate) fn new(hook: Option<Hook>) -> Self {
        Self { inner: Arc::new(LocalFileSystem::new()), hook }
    }
}

impl fmt::Debug for FsyncedLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

impl fmt::Display for FsyncedLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: source.into() }
}

/// Flushes a directory: its entries are data too.
fn sync_dir(dir: &FsPath) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Directories whose entry in their parent is on disk, as far as this process has seen to it.
static ANCHORED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
/// Beyond this the set is begun anew: flushing a directory once more costs time, nothing else.
const ANCHORED_MAX: usize = 16_384;

fn anchored() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // A set of names is whole whatever thread ended while it held the lock.
    ANCHORED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates what is missing of the absolute path `dir`, and flushes every parent once per process. Also of directories that
/// were there: the process that made them may have ended before it flushed.
pub(crate) fn create_dirs(dir: &FsPath) -> io::Result<()> {
    if anchored().contains(dir) && dir.is_dir() {
        return Ok(());
    }
    let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    create_dirs(parent)?;
    let existed = dir.is_dir();
    if !existed
        && let Err(error) = std::fs::create_dir(dir)
        && !dir.is_dir()
    {
        return Err(error);
    }
    match sync_dir(parent) {
        // Above the lake there may be directories that only others may open, or that no disk holds.
        Err(error) if !existed || !cannot_be_flushed(&error) => return Err(error),
        _ => {}
    }
    let mut anchored = anchored();
    if anchored.len() >= ANCHORED_MAX {
        anchored.clear();
    }
    anchored.insert(dir.to_path_buf());
    Ok(())
}

fn cannot_be_flushed(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), PermissionDenied | InvalidInput | ReadOnlyFilesystem | Unsupported)
}

/// Flushes the directories of a table. What was read of the log may be in the page cache alone, if whoever wrote it could
/// not flush; after this it stands, and may be acknowledged.
pub(crate) async fn sync_table(lake_root: &FsPath, table: &FsPath) -> io::Result<()> {
    let (root, table) = (lake_root.to_path_buf(), table.to_path_buf());
    let work = move || {
        let log = table.join("_delta_log");
        create_dirs(&log)?;
        [log, table, root].iter().try_for_each(|dir| sync_dir(dir))
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Writes, flushes, then gives the name: with `create` only when nobody has it.
pub(crate) fn put_file(path: &FsPath, parts: &[bytes::Bytes], create: bool) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("a file needs a directory"))?;
    create_dirs(dir)?;
    // A name that readers of the table ignore, and that two writers never share.
    let staging = dir.join(format!(".{:016x}.staging", rand::random::<u64>()));
    let written = (|| {
        let mut file = File::create_new(&staging)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        if create { std::fs::hard_link(&staging, path) } else { std::fs::rename(&staging, path) }
    })();
    if create || written.is_err() {
        // The link stands or the write failed: either way the temporary name has done its work.
        let _ = std::fs::remove_file(&staging);
    }
    written?;
    sync_dir(dir)
}

/// The table of a log entry.
fn log_entry(path: &FsPath) -> Option<Table> {
    let log = path.parent().filter(|dir| dir.ends_with("_delta_log"))?;
    Table::from_name(log.parent()?.file_name()?.to_str()?)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<io::Result<T>> {
    tokio::task::spawn_blocking(work).await.map_err(generic)
}

async fn sync_written(path: PathBuf) -> Result<()> {
    blocking(move || {
        File::open(&path)?.sync_all()?;
        path.parent().map_or(Ok(()), sync_dir)
    })
    .await?
    .map_err(generic)
}

#[async_trait]
impl ObjectStore for FsyncedLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let create = match opts.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            // Let the inner store say that it cannot.
            PutMode::Update(_) => return self.inner.put_opts(location, payload, opts).await,
        };
        let path = self.inner.path_to_filesystem(location)?;
        let parts: Vec<bytes::Bytes> = payload.into_iter().collect();
        let name = path.display().to_string();
        let log_of = log_entry(&path).filter(|_| create);
        match blocking(move || put_file(&path, &parts, create)).await? {
            Ok(()) => match (&self.hook, log_of) {
                (Some(hook), Some(table)) if hook(FailPoint::AfterLink, table) => {
                    Err(generic(format!("error injected after {name} was written")))
                }
                _ => Ok(PutResult { e_tag: None, version: None }),
            },
            Err(source) if create && source.kind() == io::ErrorKind::AlreadyExists => {
                Err(object_store::Error::AlreadyExists { path: name, source: source.into() })
            }
            Err(source) => Err(generic(format!("cannot write {name}: {source}"))),
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let path = self.inner.path_to_filesystem(location)?;
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(FsyncedUpload { inner, path }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        sync_written(self.inner.path_to_filesystem(to)?).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        sync_written(self.inner.path_to_filesystem(to)?).await
    }
}

/// A large file in parts (Delta's checkpoints): flushed once whole.
#[derive(Debug)]
struct FsyncedUpload {
    inner: Box<dyn MultipartUpload>,
    path: PathBuf,
}

#[async_trait]
impl MultipartUpload for FsyncedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        sync_written(self.path.clone()).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_flushed_once_and_a_removed_directory_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        std::fs::create_dir(dir.path().join("a")).unwrap();
        create_dirs(&deep).unwrap();
        for path in [&deep, &dir.path().join("a"), &dir.path().to_path_buf()] {
            assert!(anchored().contains(path), "{}", path.display());
        }
        std::fs::remove_dir(&deep).unwrap();
        create_dirs(&deep).unwrap();
        assert!(deep.is_dir());
        std::fs::write(deep.join("file"), b"").unwrap();
        assert!(create_dirs(&deep.join("file/below")).is_err());
    }

    #[tokio::test]
    async fn the_directories_of_a_table_must_be_flushable() {
        let dir = tempfile::tempdir().unwrap();
        sync_table(dir.path(), &dir.path().join("air")).await.unwrap();
        std::fs::write(dir.path().join("road"), b"").unwrap();
        assert!(sync_table(dir.path(), &dir.path().join("road")).await.is_err());
    }

    #[test]
    fn creates_once_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c.json");
        put_file(&path, &[bytes::Bytes::from_static(b"one")], true).unwrap();
        let error = put_file(&path, &[bytes::Bytes::from_static(b"two")], true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        put_file(&path, &[bytes::Bytes::from_static(b"th"), bytes::Bytes::from_static(b"ree")], false).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
