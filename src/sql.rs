//! `tournee sql`

use crate::cli::{RowFormat, SqlOptions};
use anyhow::{Context, Result};
use std::time::Duration;
use tournee_query::{Format, Limits};

/// Runs one query and prints its rows.
pub async fn run(options: SqlOptions) -> Result<()> {
    let session = tournee_query::session(&options.data.dir).await?;
    let limits = Limits { timeout: Duration::from_secs(options.timeout_s), max_rows: options.max_rows };
    let result = tournee_query::sql(&session, &options.query, limits)
        .await
        .with_context(|| format!("in {}", options.data.dir.display()))?;
    let format = match options.format {
        RowFormat::Table => Format::Table,
        RowFormat::Csv => Format::Csv,
        RowFormat::Json => Format::Json,
    };
    let mut out = std::io::stdout().lock();
    tournee_query::render(&result, format, &mut out).context("cannot print the rows")
}
