//! Why a file could not be written.

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The territory has no commune of this code.
    #[error("the territory `{territory}` has no commune `{code_insee}`")]
    UnknownCommune {
        /// Territory id.
        territory: String,
        /// Code asked for.
        code_insee: String,
    },
    /// A table or column name that files cannot carry.
    #[error("`{0}` cannot name a table or column: use a-z, 0-9 and _, starting with a letter, 60 characters at most")]
    Name(String),
    /// A row that does not fit its table.
    #[error("table `{table}`, row `{row}`: {message}")]
    Row {
        /// Table.
        table: String,
        /// Id of the row.
        row: String,
        /// What does not fit.
        message: String,
    },
    /// Two tables cannot stand in one file.
    #[error("column `{column}` has one type in table `{table}` and another before it")]
    Mixed {
        /// Column.
        column: String,
        /// Table where it changes.
        table: String,
    },
    /// A position outside the projection.
    #[error("longitude {lon_deg}, latitude {lat_deg} cannot be projected to EPSG:{epsg}: choose another projection")]
    Projection {
        /// Longitude, degrees.
        lon_deg: f64,
        /// Latitude, degrees.
        lat_deg: f64,
        /// Target.
        epsg: i32,
    },
    /// Kinds or gates that cannot be used.
    #[error(transparent)]
    Data(#[from] tournee_indicators::DataError),
    /// SQLite.
    #[error("GeoPackage: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// CSV.
    #[error("CSV: {0}")]
    Csv(String),
}
