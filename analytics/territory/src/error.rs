//! What can go wrong when a territory is loaded, in words that say what to do.

use thiserror::Error;

/// A file or a setting that cannot be used. Single rows and ways that cannot be used are counted in reports instead.
#[derive(Debug, Error)]
pub enum TerritoryError {
    /// The gzip stream is damaged or its content is larger than allowed.
    #[error("cannot unpack: {0}; download the file again, or raise the limit if the file is meant to be this large")]
    Unpack(String),
    /// The bytes are not the format that they should be.
    #[error("not a readable {format} file: {reason}")]
    Format {
        /// Format that was expected.
        format: &'static str,
        /// What the reader said.
        reason: String,
    },
    /// The file holds more than the reader's limit.
    #[error("more than {limit} {what} in one file: cut the extract to the territory, or raise the limit")]
    TooLarge {
        /// Things that are counted.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Columns that the format requires are missing.
    #[error("missing column(s) {missing}; the file has {found}; see docs/formats/layers.md")]
    MissingColumns {
        /// Names, separated by commas.
        missing: String,
        /// Names in the file.
        found: String,
    },
    /// A sidecar or configuration file is wrong.
    #[error("configuration {file}: {reason}")]
    Config {
        /// Which one.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing usable came out.
    #[error("{0}")]
    Empty(String),
}
