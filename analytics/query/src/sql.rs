//! One read-only statement, with a time limit and a row limit.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::sqlparser::ast::Statement as Ast;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use futures::StreamExt;

use crate::sql_error::{SqlError, SqlErrorKind};

/// Limits of one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest time from text to last row.
    pub timeout: Duration,
    /// Most rows that are returned; the rest is cut and said so.
    pub max_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(60), max_rows: 100_000 }
    }
}

/// Longest statement that is looked at, bytes.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Rows of a statement.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// Columns.
    pub schema: SchemaRef,
    /// Rows.
    pub batches: Vec<RecordBatch>,
    /// Rows in `batches`.
    pub rows: usize,
    /// There were more than `max_rows`.
    pub truncated: bool,
    /// From text to last row.
    pub elapsed: Duration,
}

/// Runs one SELECT, EXPLAIN, SHOW or DESCRIBE. Call it on [`crate::runtime`] or a runtime with stacks as deep.
///
/// # Errors
/// A wrong, refused, failed or overlong statement; the error says where and what to do.
pub async fn sql(ctx: &SessionContext, text: &str, limits: Limits) -> Result<QueryResult, SqlError> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the statement has {} bytes; at most {MAX_TEXT_BYTES} are looked at", text.len());
        return Err(SqlError::plain(SqlErrorKind::Refused, message));
    }
    if text.trim().trim_end_matches(';').is_empty() {
        return Err(SqlError::plain(SqlErrorKind::Syntax, "the statement is empty; try: SHOW TABLES"));
    }
    // On a worker thread: its stack is deep enough, the caller's may not be.
    let task = tokio::spawn({
        let (ctx, text) = (ctx.clone(), text.to_owned());
        async move { run(&ctx, &text, limits).await }
    });
    let abort = task.abort_handle();
    // A caller that goes away takes its query with it.
    let _guard = AbortOnDrop(abort);
    match tokio::time::timeout(limits.timeout, task).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => Err(SqlError::plain(SqlErrorKind::Failed, format!("the query was interrupted: {error}"))),
        Err(_) => Err(SqlError::plain(
            SqlErrorKind::Timeout,
            format!(
                "stopped after {} s, the time limit: narrow it (e.g. WHERE date = DATE '2026-01-15') or raise the limit",
                limits.timeout.as_secs_f64()
            ),
        )),
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(ctx: &SessionContext, text: &str, limits: Limits) -> Result<QueryResult, SqlError> {
    let start = Instant::now();
    let state = ctx.state();
    let dialect = state.config_options().sql_parser.dialect;
    let statement = match state.sql_to_statement(text, &dialect) {
        Ok(statement) => statement,
        Err(error) => return Err(SqlError::explain(&error, ctx, text, &[]).await),
    };
    if let Some(what) = refused(&statement) {
        return Err(SqlError::plain(
            SqlErrorKind::Refused,
            format!("{what} is refused: the lake is read-only, only SELECT, EXPLAIN, SHOW and DESCRIBE are answered"),
        ));
    }
    let tables: Vec<String> = state
        .resolve_table_references(&statement)
        .map(|references| references.iter().map(|reference| reference.table().to_owned()).collect())
        .unwrap_or_default();
    let outcome = async {
        let plan = state.statement_to_plan(statement).await?;
        // The statement was looked at above; the plan is checked too, for what a new version may nest elsewhere.
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)?;
        let frame = ctx.execute_logical_plan(plan).await?;
        let mut stream = frame.execute_stream().await?;
        let schema = stream.schema();
        let (mut batches, mut rows, mut truncated) = (Vec::new(), 0usize, false);
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let room = limits.max_rows.saturating_sub(rows);
            if batch.num_rows() > room {
                truncated = true;
                batches.push(batch.slice(0, room));
                rows += room;
                break;
            }
            rows += batch.num_rows();
            batches.push(batch);
        }
        Ok::<_, DataFusionError>(QueryResult { schema, batches, rows, truncated, elapsed: start.elapsed() })
    };
    match outcome.await {
        Ok(result) => Ok(result),
        Err(error) => Err(SqlError::explain(&error, ctx, text, &tables).await),
    }
}

/// The name of a statement that would change something; none for those that only read.
fn refused(statement: &Statement) -> Option<String> {
    match statement {
        Statement::Statement(ast) => match ast.as_ref() {
            // A query may still hold INSERT or SELECT INTO; the plan check catches those.
            Ast::Query(_)
            | Ast::Explain { .. }
            | Ast::ExplainTable { .. }
            | Ast::ShowTables { .. }
            | Ast::ShowColumns { .. }
            | Ast::ShowVariable { .. }
            | Ast::ShowVariables { .. }
            | Ast::ShowFunctions { .. } => None,
            other => Some(first_words(&other.to_string())),
        },
        Statement::Explain(explain) => refused(&explain.statement),
        Statement::CreateExternalTable(_) => Some("CREATE EXTERNAL TABLE".to_owned()),
        Statement::CopyTo(_) => Some("COPY".to_owned()),
        Statement::Reset(_) => Some("RESET".to_owned()),
    }
}

/// "CREATE TABLE" of "CREATE TABLE t (…)": the words in capitals that a statement begins with, two at most.
fn first_words(text: &str) -> String {
    let words: Vec<&str> =
        text.split_whitespace().take(2).take_while(|word| word.chars().all(|c| c.is_ascii_uppercase())).collect();
    if words.is_empty() { "this statement".to_owned() } else { words.join(" ") }
}
