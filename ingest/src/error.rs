//! What can go wrong, each with what to do about it.

use std::path::PathBuf;

use thiserror::Error;

/// An error of ingest. Nothing of it loses samples: what was not committed is not acknowledged.
#[derive(Debug, Error)]
pub enum IngestError {
    /// The lake's directory cannot be used.
    #[error("cannot use the lake directory {path}: {source}; make it writable or choose another with --data-dir")]
    Root {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a place for a lake.
    #[error("cannot use `{location}` as a lake: {reason}")]
    Location {
        /// What was given.
        location: String,
        /// Why not.
        reason: String,
    },
    /// The object store cannot be used.
    #[error(
        "cannot use {location}: {source}; see that the bucket exists and that AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL are right"
    )]
    Bucket {
        /// The lake.
        location: String,
        /// Why.
        source: object_store::Error,
    },
    /// The object store lets two writers have the same name.
    #[error(
        "{location}: the store ignores If-None-Match on PUT, so that two workers could overwrite each other's commits; use a store that honours it (Amazon S3 does)"
    )]
    NotConditional {
        /// The lake.
        location: String,
    },
    /// The Delta log refused.
    #[error("Delta table `{table}`: {source}")]
    Delta {
        /// The table.
        table: &'static str,
        /// Why.
        source: Box<deltalake::DeltaTableError>,
    },
    /// The table has not the columns of this program, and they cannot be added.
    #[error(
        "table `{table}` was written by another version of Tournée, column `{column}`: {reason}; nothing was written, use the version that fits"
    )]
    Schema {
        /// The table.
        table: &'static str,
        /// The column.
        column: String,
        /// What does not fit.
        reason: String,
    },
    /// Rows could not be made into columns.
    #[error("cannot build columns: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Parquet could not be written or read.
    #[error("Parquet: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A file could not be written or read.
    #[error("lake storage: {0}")]
    Store(#[from] object_store::Error),
    /// A watermark object cannot be read.
    #[error("{path}: {source}")]
    Watermark {
        /// The object.
        path: String,
        /// Why.
        source: tournee_lake::WatermarkError,
    },
    /// The log names a watermark object that is not there.
    #[error(
        "the log of `{table}` names watermark object {hash:016x} of shard {shard:02}, which is missing: restore `_watermarks` from a copy of the lake"
    )]
    WatermarkMissing {
        /// The table.
        table: &'static str,
        /// The shard.
        shard: u8,
        /// The hash that names the object.
        hash: i64,
    },
    /// Another worker keeps committing to the same shards.
    #[error("`{table}`: another worker keeps writing the same shards; let only one worker own a shard")]
    Contended {
        /// The table.
        table: &'static str,
    },
    /// A shard that this worker does not own.
    #[error("box `{box_id}` belongs to shard {shard:02}, which this worker does not own")]
    ForeignShard {
        /// The box.
        box_id: String,
        /// Its shard.
        shard: u8,
    },
    /// The registry of boxes.
    #[error("registry of boxes: {0}")]
    Devices(String),
    /// MQTT options are not usable.
    #[error("MQTT settings: {0}")]
    Mqtt(String),
    /// The embedded broker.
    #[error("{0}")]
    Broker(String),
    /// A test asked for a crash here.
    #[error("crash injected at {0:?}")]
    Injected(crate::FailPoint),
}

impl IngestError {
    pub(crate) fn delta(table: tournee_lake::Table, source: deltalake::DeltaTableError) -> Self {
        Self::Delta { table: table.name(), source: Box::new(source) }
    }
}
