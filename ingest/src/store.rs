//! Local files that are on disk when a write returns.
//!
//! `object_store`'s local file system writes a temporary file and renames it without asking the kernel to flush anything: a
//! power cut may leave an empty file under the final name, or no file at all, *after* the commit was acknowledged to the
//! vehicle, which by then has deleted its copy. Here the file is flushed before it gets its name, and the directory after.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

const STORE: &str = "FsyncedLocal";

/// The local file system from its root, with every write flushed.
#[derive(Debug)]
pub(crate) struct FsyncedLocal {
    inner: Arc<LocalFileSystem>,
}

impl FsyncedLocal {
    pub(crate) fn new() -> Self {
        Self { inner: Arc::new(LocalFileSystem::new()) }
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

/// Creates what is missing of `dir`, flushing each parent that gained an entry.
fn create_dirs(dir: &FsPath) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_dirs(parent)?;
        match std::fs::create_dir(dir) {
            Ok(()) => sync_dir(parent)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
        match blocking(move || put_file(&path, &parts, create)).await? {
            Ok(()) => Ok(PutResult { e_tag: None, version: None }),
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
