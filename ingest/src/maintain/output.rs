//! New files of a rewrite, streamed to the store and rolled at a size.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use deltalake::kernel::Add;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::AsyncArrowWriter;
use parquet::file::properties::WriterProperties;

use super::stats::Statistics;
use crate::error::IngestError;

/// Bytes of one part of a large upload.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// How the files of one rewrite are made.
pub(crate) struct OutputPlan {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) schema: SchemaRef,
    pub(crate) properties: WriterProperties,
    /// Statistics of a batch, as Delta's JSON.
    pub(crate) statistics: Box<dyn Fn(&RecordBatch) -> String + Send + Sync>,
    /// The partition column and its value.
    pub(crate) partition: (&'static str, String),
    /// What the files' names begin with.
    pub(crate) prefix: &'static str,
    /// Bytes of a file, about.
    pub(crate) target_bytes: u64,
    pub(crate) now_us: i64,
}

/// Files under way.
pub(crate) struct Output {
    plan: OutputPlan,
    open: Option<Open>,
    done: Vec<Add>,
    rows: u64,
    bytes: u64,
}

struct Open {
    path: Path,
    writer: AsyncArrowWriter<BufWriter>,
    statistics: Statistics,
}

/// What was written, durable.
pub(crate) struct Written {
    pub(crate) adds: Vec<Add>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl Output {
    pub(crate) fn new(plan: OutputPlan) -> Self {
        Self { plan, open: None, done: Vec::new(), rows: 0, bytes: 0 }
    }

    /// Adds rows, in the order in which they shall lie.
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<(), IngestError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        open.statistics.add(&(self.plan.statistics)(batch));
        open.writer.write(batch).await?;
        let size = open.writer.bytes_written().saturating_add(open.writer.in_progress_size());
        if size as u64 >= self.plan.target_bytes {
            self.end(open).await
        } else {
            self.open = Some(open);
            Ok(())
        }
    }

    fn begin(&self) -> Result<Open, IngestError> {
        let (column, value) = &self.plan.partition;
        let name = format!("{column}={value}/{}-{:032x}.zstd.parquet", self.plan.prefix, rand::random::<u128>());
        let path = Path::parse(&name).map_err(object_store::Error::from)?;
        let upload =
            BufWriter::with_capacity(self.plan.store.clone(), path.clone(), PART_BYTES).with_max_concurrency(1);
        let properties = Some(self.plan.properties.clone());
        let writer = AsyncArrowWriter::try_new(upload, self.plan.schema.clone(), properties)?;
        Ok(Open { path, writer, statistics: Statistics::default() })
    }

    async fn end(&mut self, open: Open) -> Result<(), IngestError> {
        let Open { path, writer, statistics } = open;
        let metadata = writer.close().await?;
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        // As the store has it: that is the size that readers are told.
        let size = self.plan.store.head(&path).await?.size;
        let (column, value) = &self.plan.partition;
        self.rows += rows.min(statistics.rows());
        self.bytes += size;
        self.done.push(Add {
            path: path.to_string(),
            partition_values: HashMap::from([((*column).to_owned(), Some(value.clone()))]),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            modification_time: self.plan.now_us.div_euclid(1_000),
            data_change: false,
            stats: Some(statistics.to_json()),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        });
        Ok(())
    }

    /// Ends the last file.
    pub(crate) async fn finish(mut self) -> Result<Written, IngestError> {
        if let Some(open) = self.open.take() {
            self.end(open).await?;
        }
        Ok(Written { adds: self.done, rows: self.rows, bytes: self.bytes })
    }
}
