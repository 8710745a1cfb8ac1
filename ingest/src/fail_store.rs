//! A store that fails when a test's plan says so: nothing written, written without an answer, or slow.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, DynObjectStore, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use tournee_lake::Table;

use crate::fail::{FailPoint, Hook};

const STORE: &str = "FailingStore";

/// `store` with the faults of `hook`; without one `store` itself.
pub(crate) fn failing(store: Arc<DynObjectStore>, hook: Option<Hook>) -> Arc<DynObjectStore> {
    match hook {
        Some(hook) => Arc::new(FailingStore { inner: store, hook }),
        None => store,
    }
}

struct FailingStore {
    inner: Arc<DynObjectStore>,
    hook: Hook,
}

impl FailingStore {
    /// Asks the hook, on a thread that may wait.
    async fn reach(&self, point: FailPoint, location: &Path) -> Result<()> {
        let Some(table) = table_of(location) else { return Ok(()) };
        let hook = Arc::clone(&self.hook);
        let fails = tokio::task::spawn_blocking(move || hook(point, table)).await.map_err(error)?;
        if fails { Err(error(format!("{} of {location}, on purpose", point.name()))) } else { Ok(()) }
    }
}

fn error(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: source.into() }
}

/// The table that an object belongs to: the last folder that is called like one.
fn table_of(location: &Path) -> Option<Table> {
    location.parts().filter_map(|part| Table::from_name(part.as_ref())).next_back()
}

impl fmt::Debug for FailingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({:?})", self.inner)
    }
}

impl fmt::Display for FailingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FailingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.reach(FailPoint::StoreWrite, location).await?;
        let done = self.inner.put_opts(location, payload, opts).await?;
        self.reach(FailPoint::StoreWritten, location).await?;
        Ok(done)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.reach(FailPoint::StoreWrite, location).await?;
        self.inner.put_multipart_opts(location, opts).await
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
        self.reach(FailPoint::StoreWrite, to).await?;
        self.inner.copy_opts(from, to, options).await?;
        self.reach(FailPoint::StoreWritten, to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.reach(FailPoint::StoreWrite, to).await?;
        self.inner.rename_opts(from, to, options).await?;
        self.reach(FailPoint::StoreWritten, to).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailPlan;
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;

    #[tokio::test]
    async fn nothing_written_and_written_without_an_answer() {
        let inner: Arc<DynObjectStore> = Arc::new(InMemory::new());
        let plan = FailPlan::parse("on-purpose,store_write:air:1=error,store_written:air:1=error").unwrap();
        let store = failing(Arc::clone(&inner), Some(plan.hook()));
        let path = Path::from("lake/air/date=2026-01-05/part-1.parquet");
        assert!(store.put(&path, "one".into()).await.unwrap_err().to_string().contains("store_write of"));
        assert!(inner.get(&path).await.is_err(), "nothing is there");
        assert!(store.put(&path, "two".into()).await.unwrap_err().to_string().contains("store_written of"));
        assert_eq!(inner.get(&path).await.unwrap().bytes().await.unwrap(), "two", "it is there, unanswered");
        store.put(&path, "three".into()).await.unwrap();
        store.put(&Path::from("lake/_watermarks/road/07/1.json"), "x".into()).await.unwrap();
    }

    #[test]
    fn the_table_stands_in_the_path() {
        let of = |path: &str| table_of(&Path::from(path));
        assert_eq!(of("home/air/lake/road/_delta_log/00000000000000000001.json"), Some(Table::Road));
        assert_eq!(of("lake/_watermarks/gap/63/00000000000000000012-7fffffffffffffff.json"), Some(Table::Gap));
        assert_eq!(of("lake/other/file"), None);
    }
}
