//! What can be wrong with a file or its mapping.

use tournee_features::ProfileError;

/// One line that says what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The mapping is no TOML of ours.
    #[error("mapping: {0}")]
    MappingToml(String),
    /// The mapping says something impossible.
    #[error("mapping: {0}")]
    Mapping(String),
    /// The vehicle profile in the mapping is impossible.
    #[error("mapping: {0}")]
    Profile(#[from] ProfileError),
    /// Acceleration without motion.
    #[error(
        "this mapping makes road windows from acceleration and needs the file with the motion too: give it with --motion FILE"
    )]
    MotionMissing,
    /// A motion file for rows that need none.
    #[error("this mapping has no [accelerometer] table: leave the motion file out")]
    MotionUnwanted,
    /// Nothing in it.
    #[error("the {file} is empty")]
    Empty {
        /// Which file.
        file: &'static str,
    },
    /// No text.
    #[error("the {file} is not a CSV table: {found}")]
    NotText {
        /// Which file.
        file: &'static str,
        /// Its first bytes, or what else is wrong.
        found: String,
    },
    /// A column is not there.
    #[error("the {file} has no column `{column}`; it has: {found}")]
    NoColumn {
        /// Which file.
        file: &'static str,
        /// What the mapping names.
        column: String,
        /// What the header holds.
        found: String,
    },
    /// A column is there twice.
    #[error("the {file} has the column `{column}` more than once; which one is meant cannot be known")]
    ColumnTwice {
        /// Which file.
        file: &'static str,
        /// The name.
        column: String,
    },
    /// Reading failed: damaged compression, a disk error, a line without end.
    #[error("the {file} cannot be read past row {row}: {reason}")]
    Read {
        /// Which file.
        file: &'static str,
        /// Data rows read before.
        row: u64,
        /// What the reader said.
        reason: String,
    },
    /// Too many rows for one file.
    #[error("the {file} has more than {most} rows; split it")]
    TooLong {
        /// Which file.
        file: &'static str,
        /// The limit.
        most: u64,
    },
    /// A motion file without a single usable row.
    #[error("the motion file has no usable row: {rows} rows, {reasons}")]
    NoMotion {
        /// Rows read.
        rows: u64,
        /// Why each was refused.
        reasons: String,
    },
    /// A bug of ours: the counts do not add up. Nothing may be stored.
    #[error("{rows} rows, but {stored} stored and {refused} refused: nothing was stored, please report this")]
    CountsDiffer {
        /// Data rows of the file.
        rows: u64,
        /// Stored ones.
        stored: u64,
        /// Refused ones.
        refused: u64,
    },
}
