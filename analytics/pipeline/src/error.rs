//! What can stop a run of the pipeline.

use std::path::PathBuf;

use tournee_query::QueryError;

/// A run that did not end. Nothing was written for the tables that come after the one in the message; a table is either
/// as it was or replaced as a whole.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The lake could not be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// An embedded data file is broken.
    #[error("{file}: {message}")]
    Config {
        /// File.
        file: String,
        /// What is wrong, and what is right.
        message: String,
    },
    /// The network of the territory cannot be driven.
    #[error("the streets of {territory} cannot be matched: {message}")]
    Network {
        /// Territory id.
        territory: String,
        /// Why.
        message: String,
    },
    /// A derived table could not be written.
    #[error("cannot write the table {}: {message}", .path.display())]
    Write {
        /// Folder of the table.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A derived table has other columns.
    #[error(
        "the table {} was written by another version: move the folder {} away and run the pipeline again; it computes everything whose raw rows are still in the lake, older pass facts stay in the folder moved away",
        .path.display(), .path.parent().unwrap_or(.path).display()
    )]
    OtherVersion {
        /// Folder of the table.
        path: PathBuf,
    },
    /// A thread was lost.
    #[error("a worker stopped: {0}")]
    Worker(String),
}
