//! A Parquet file in an object store, read piece by piece.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::Result;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

/// A file and its size, as the log has it.
pub(crate) struct ObjectFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

/// Opens a file. One that is shorter than the log says is broken, and the reader says so.
///
/// # Errors
/// When the store fails, or the file is no Parquet file.
pub(crate) async fn open(
    store: Arc<dyn ObjectStore>,
    path: &Path,
    bytes: u64,
) -> Result<ParquetRecordBatchStreamBuilder<ObjectFile>> {
    ParquetRecordBatchStreamBuilder::new(ObjectFile { store, path: path.clone(), bytes }).await
}

impl AsyncFileReader for ObjectFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { Ok(self.store.get_range(&self.path, range).await?) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { Ok(self.store.get_ranges(&self.path, &ranges).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let bytes = self.bytes;
            let metadata = ParquetMetaDataReader::new().load_and_finish(self, bytes).await?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}
