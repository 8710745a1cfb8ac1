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
    /// The Delta log refused.
    #[error("Delta table `{table}`: {source}")]
    Delta {
        /// The table.
        table: &'static str,
        /// Why.
        source: Box<deltalake::DeltaTableError>,
    },
    /// The table on disk has not the columns of this program.
    #[error(
        "table `{table}` has no column `{column}` of the expected type: it was written by another version of Tournée"
    )]
    Schema {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
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
