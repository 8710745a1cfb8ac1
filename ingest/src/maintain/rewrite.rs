//! One rewrite: some files of a partition become few, in another order, and then the log says so.

use std::path::Path as FsPath;

use arrow::array::{BooleanArray, RecordBatch, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use deltalake::kernel::Add;
use deltalake::protocol::DeltaOperation;
use futures::TryStreamExt as _;

use super::MaintainError;
use super::object_file;
use super::options::Env;
use super::output::{Output, OutputPlan, Written};
use super::sort::Sorter;
use super::table::{LiveFile, Maintained, NotCommitted};
use crate::error::IngestError;
use crate::fail::FailPoint;

/// Rows that are decoded at a time.
const READ_ROWS: usize = 8_192;

/// What a rewrite did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rewritten {
    pub(crate) files_in: u64,
    pub(crate) files_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) rows: u64,
    /// Rows that the filter took out.
    pub(crate) dropped: u64,
}

/// Decides which rows stay.
pub(crate) type Filter<'a> = &'a (dyn Fn(&RecordBatch) -> Result<BooleanArray, IngestError> + Send + Sync);

/// The schema of new files: the table's columns and, after them, those that only the files have. A column that this version
/// does not know was written by a newer one, and must not be lost.
async fn schema_of(table: &Maintained, files: &[LiveFile], own: Option<SchemaRef>) -> Result<SchemaRef, MaintainError> {
    let mut fields: Vec<Field> =
        own.iter().flat_map(|schema| schema.fields()).map(|field| field.as_ref().clone()).collect();
    for file in files {
        let builder = object_file::open(table.store(), &file.path, file.bytes).await?;
        for field in builder.schema().fields() {
            match fields.iter().find(|known| known.name() == field.name()) {
                None => fields.push(field.as_ref().clone().with_nullable(true)),
                Some(known) if known.data_type() == field.data_type() => {}
                Some(known) => {
                    return Err(MaintainError::Type {
                        file: file.path.to_string(),
                        column: field.name().clone(),
                        found: field.data_type().to_string(),
                        wanted: known.data_type().to_string(),
                    });
                }
            }
        }
    }
    Ok(std::sync::Arc::new(Schema::new(fields)))
}

fn fit(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, IngestError> {
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => column.clone(),
        None => new_null_array(field.data_type(), batch.num_rows()),
    });
    Ok(RecordBatch::try_new(schema.clone(), columns.collect())?)
}

/// What to make of the files.
pub(crate) struct Order<'a> {
    /// The table's columns, where they are known.
    pub(crate) own: Option<SchemaRef>,
    /// Columns to sort by; none keeps the order.
    pub(crate) keys: Option<&'a [&'static str]>,
    /// Rows to keep; none keeps all.
    pub(crate) filter: Option<Filter<'a>>,
    /// Where runs of the sort lie.
    pub(crate) folder: &'a FsPath,
    pub(crate) prefix: &'static str,
    pub(crate) properties: parquet::file::properties::WriterProperties,
    pub(crate) statistics: Box<dyn Fn(&RecordBatch) -> String + Send + Sync>,
    pub(crate) partition_column: &'static str,
}

/// Writes the new files, and commits. `Ok(None)`: another maintenance was quicker, nothing changed.
pub(crate) async fn rewrite(
    env: &Env<'_>,
    table: &mut Maintained,
    files: &[LiveFile],
    order: Order<'_>,
) -> Result<Option<Rewritten>, MaintainError> {
    env.reach(FailPoint::BeforeRewrite, table.name)?;
    let dropping = order.filter.is_some();
    let (written, dropped) = write(env, table, files, order).await?;
    let sum = Rewritten {
        files_in: files.len() as u64,
        files_out: written.adds.len() as u64,
        bytes_in: files.iter().map(|file| file.bytes).sum(),
        bytes_out: written.bytes,
        rows: written.rows,
        dropped,
    };
    // A reader of changes sees a rewrite as none, and rows that left as a change.
    let adds = written.adds.iter().cloned().map(|add| Add { data_change: dropping, ..add }).collect();
    let removes = files.iter().map(|file| env.removal(&file.remove, dropping)).collect();
    let operation = if dropping {
        DeltaOperation::Delete { predicate: Some("older than its retention".to_owned()) }
    } else {
        DeltaOperation::Optimize {
            predicate: None,
            target_size: i64::try_from(env.options.target_bytes).unwrap_or(i64::MAX),
        }
    };
    env.reach(FailPoint::BeforeRewriteCommit, table.name)?;
    match table.replace(removes, adds, Vec::new(), operation).await {
        Ok(version) => {
            tracing::debug!(table = table.name, version, "files rewritten");
            env.reach(FailPoint::AfterRewriteCommit, table.name)?;
            table.reload().await?;
            Ok(Some(sum))
        }
        Err(NotCommitted::Moved) => {
            table.discard(&written.adds).await;
            table.reload().await?;
            Ok(None)
        }
        // The files stay: the log may name them. If it does not, vacuum finds them.
        Err(NotCommitted::Unknown(error)) => {
            table.reload().await?;
            let live = table.live_paths();
            let landed = written.adds.iter().all(|add| live.iter().any(|path| path.as_ref() == add.path));
            if landed && !live.contains(&files.first().map(|file| file.path.clone()).unwrap_or_default()) {
                return Ok(Some(sum));
            }
            Err(table.fail(error).into())
        }
    }
}

/// Reads, filters, sorts, writes; counts that no row was lost on the way.
async fn write(
    env: &Env<'_>,
    table: &Maintained,
    files: &[LiveFile],
    order: Order<'_>,
) -> Result<(Written, u64), MaintainError> {
    let schema = schema_of(table, files, order.own).await?;
    let partition = files.first().map(|file| file.partition.clone()).unwrap_or_default();
    let mut output = Output::new(OutputPlan {
        store: table.store(),
        schema: schema.clone(),
        properties: order.properties,
        statistics: order.statistics,
        partition: (order.partition_column, partition),
        prefix: order.prefix,
        target_bytes: env.options.target_bytes,
        now_us: env.now_us,
    });
    let mut sorter = match order.keys {
        // Decoded rows, their copy in order, and the files under way share the memory.
        Some(keys) => Some(Sorter::new(schema.clone(), keys, env.options.memory_bytes / 4, order.folder)?),
        None => None,
    };
    let (mut read, mut dropped) = (0_u64, 0_u64);
    for file in files {
        let builder = object_file::open(table.store(), &file.path, file.bytes).await?;
        let mut batches = builder.with_batch_size(READ_ROWS).build()?;
        while let Some(batch) = batches.try_next().await? {
            env.go_on()?;
            let mut batch = fit(&batch, &schema)?;
            read += batch.num_rows() as u64;
            if let Some(filter) = order.filter {
                let kept = filter_record_batch(&batch, &filter(&batch)?)?;
                dropped += (batch.num_rows() - kept.num_rows()) as u64;
                batch = kept;
            }
            match &mut sorter {
                Some(sorter) => sorter.push(batch)?,
                None => output.write(&batch).await?,
            }
            tokio::task::yield_now().await;
        }
    }
    if let Some(sorter) = sorter {
        tracing::debug!(table = table.name, rows = read, runs = sorter.spilled(), "sorting");
        let mut sorted = sorter.finish()?;
        while let Some(batch) = sorted.next_batch()? {
            env.go_on()?;
            output.write(&batch).await?;
            tokio::task::yield_now().await;
        }
    }
    let written = output.finish().await?;
    if written.rows + dropped != read {
        table.discard(&written.adds).await;
        return Err(MaintainError::Rows { table: table.name, read, written: written.rows + dropped });
    }
    Ok((written, dropped))
}
