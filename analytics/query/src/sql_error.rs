//! A wrong statement, answered with what is wrong, where, and the nearest right names.

use std::fmt;

use datafusion::common::{Diagnostic, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

use crate::suggest::nearest;

/// Why a statement was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// It cannot be parsed.
    Syntax,
    /// A name is not known.
    UnknownName,
    /// It is understood and wrong: types, grouping, ambiguity.
    Invalid,
    /// It would change something, or is too long.
    Refused,
    /// It took too long.
    Timeout,
    /// It needed more memory than the limit.
    Memory,
    /// It failed while running.
    Failed,
}

/// A place in the statement's text, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// A statement that was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// Kind.
    pub kind: SqlErrorKind,
    /// What is wrong, one line.
    pub message: String,
    /// Where.
    pub position: Option<Position>,
    /// The line of the text at `position`.
    pub line_text: Option<String>,
    /// Characters to underline from `position`.
    pub width: usize,
    /// Nearest known names, best first.
    pub nearest: Vec<String>,
    /// What to do instead.
    pub hint: Option<String>,
}

impl std::error::Error for SqlError {}

impl fmt::Display for SqlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.message)?;
        if let Some(Position { line, column }) = self.position {
            write!(out, " (line {line}, column {column})")?;
        }
        if !self.nearest.is_empty() {
            write!(out, "; nearest: {}", self.nearest.join(", "))?;
        }
        if let Some(hint) = &self.hint {
            write!(out, "; {hint}")?;
        }
        if let (Some(position), Some(text)) = (self.position, &self.line_text) {
            let (shown, before) = window(text, position.column.saturating_sub(1));
            // Tabs stay tabs, so that the caret stands under its character whatever their width.
            let pad: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let room = shown.chars().count().saturating_sub(before.chars().count()).max(1);
            write!(out, "\n  {shown}\n  {pad}{}", "^".repeat(self.width.clamp(1, room)))?;
        }
        Ok(())
    }
}

/// At most 100 characters of a line around the column (from 0), and the part of it before the column.
fn window(text: &str, column: usize) -> (String, String) {
    let skip = column.saturating_sub(60);
    let shown: String = text.chars().skip(skip).take(100).collect();
    let before: String = text.chars().skip(skip).take(column.saturating_sub(skip)).collect();
    (shown, before)
}

impl SqlError {
    /// An error that has no place in the text.
    pub(crate) fn plain(kind: SqlErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message, position: None, line_text: None, width: 1, nearest: Vec::new(), hint: None }
    }

    fn at(mut self, text: &str, position: Option<Position>, width: usize) -> Self {
        self.position = position;
        self.width = width;
        self.line_text =
            position.and_then(|p| text.lines().nth(p.line.saturating_sub(1))).map(|line| line.trim_end().to_owned());
        self
    }

    /// Explains an engine error for the text that caused it. `tables` are those that the text names.
    pub(crate) async fn explain(error: &DataFusionError, ctx: &SessionContext, text: &str, tables: &[String]) -> Self {
        let span = error.diagnostic().and_then(span_of);
        let root = innermost(error);
        match root {
            DataFusionError::SQL(parser, _) => syntax(&parser.to_string(), text),
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => {
                    let scope: Vec<(Option<String>, String)> = valid_fields
                        .iter()
                        .map(|c| (c.relation.as_ref().map(|r| r.table().to_owned()), c.name.clone()))
                        .collect();
                    let relation = field.relation.as_ref().map(|relation| relation.table().to_owned());
                    unknown_column(ctx, text, tables, relation.as_deref(), &field.name, &scope, span).await
                }
                SchemaError::AmbiguousReference { field } => {
                    let (position, width) = place(text, &field.name, span);
                    let mut error = Self::plain(
                        SqlErrorKind::Invalid,
                        format!("column \"{}\" is in several tables of this query", field.name),
                    );
                    error.hint = Some(format!("write table.{}", field.name));
                    error.at(text, position, width)
                }
                other => Self::plain(SqlErrorKind::Invalid, other.to_string()),
            },
            DataFusionError::ResourcesExhausted(_) => Self::plain(
                SqlErrorKind::Memory,
                "the query needs more memory than its limit: aggregate or filter more, or raise TOURNEE_QUERY_MEMORY_MIB",
            ),
            DataFusionError::Plan(message) | DataFusionError::NotImplemented(message) => {
                planned(message, ctx, text, span, error.diagnostic())
            }
            DataFusionError::Execution(message) => Self::plain(SqlErrorKind::Failed, one_line(message)),
            other => Self::plain(SqlErrorKind::Failed, one_line(&other.strip_backtrace())),
        }
    }
}

/// The error under contexts, diagnostics, collections and shares.
fn innermost(mut error: &DataFusionError) -> &DataFusionError {
    loop {
        error = match error {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => inner,
            DataFusionError::Shared(inner) => inner,
            DataFusionError::Collection(inner) => match inner.first() {
                Some(first) => first,
                None => return error,
            },
            DataFusionError::External(inner) => match inner.downcast_ref::<DataFusionError>() {
                Some(inner) => inner,
                None => return error,
            },
            _ => return error,
        }
    }
}

fn span_of(diagnostic: &Diagnostic) -> Option<(Position, usize)> {
    let span = diagnostic.span?;
    if span.start.line == 0 {
        return None;
    }
    let position =
        Position { line: usize::try_from(span.start.line).ok()?, column: usize::try_from(span.start.column).ok()? };
    let width = if span.start.line == span.end.line { span.end.column.saturating_sub(span.start.column) } else { 1 };
    Some((position, usize::try_from(width).unwrap_or(1).max(1)))
}

/// The span of the engine where it lies on the name, else the first place of the name in the text.
fn place(text: &str, name: &str, span: Option<(Position, usize)>) -> (Option<Position>, usize) {
    match find_name(text, name) {
        Some(found) if span.is_none_or(|(position, _)| !text_at(text, position).contains(&name.to_lowercase())) => {
            (Some(found), name.chars().count())
        }
        _ => match span {
            Some((position, width)) => (Some(position), width),
            None => (None, 1),
        },
    }
}

/// The word-like run at a position (a dotted, maybe quoted name), lower case.
fn text_at(text: &str, position: Position) -> String {
    text.lines()
        .nth(position.line.saturating_sub(1))
        .map(|line| {
            line.chars()
                .skip(position.column.saturating_sub(1))
                .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '-'))
                .flat_map(char::to_lowercase)
                .collect()
        })
        .unwrap_or_default()
}

/// First place where `name` stands as a whole word outside string literals and comments, case apart.
fn find_name(text: &str, name: &str) -> Option<Position> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    if wanted.is_empty() {
        return None;
    }
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut in_text = false;
    for (row, line) in text.lines().enumerate() {
        let chars: Vec<char> = line.chars().collect();
        let mut column = 0;
        while let Some(&c) = chars.get(column) {
            if c == '\'' {
                in_text = !in_text;
            } else if !in_text && c == '-' && chars.get(column + 1) == Some(&'-') {
                break;
            } else if !in_text
                && (column == 0 || !chars.get(column - 1).copied().is_some_and(word))
                && chars
                    .get(column..column + wanted.len())
                    .is_some_and(|part| part.iter().zip(&wanted).all(|(a, b)| a.to_lowercase().eq(b.to_lowercase())))
                && !chars.get(column + wanted.len()).copied().is_some_and(word)
            {
                return Some(Position { line: row + 1, column: column + 1 });
            }
            column += 1;
        }
    }
    None
}

async fn unknown_column(
    ctx: &SessionContext,
    text: &str,
    tables: &[String],
    relation: Option<&str>,
    name: &str,
    scope: &[(Option<String>, String)],
    span: Option<(Position, usize)>,
) -> SqlError {
    let (mut position, mut width) = place(text, name, span);
    if let (Some(relation), None) = (relation, position) {
        (position, width) = place(text, relation, None);
    }
    // A qualifier that no table of the query has is the mistake, not the column.
    let known_relations: Vec<&str> = scope.iter().filter_map(|(relation, _)| relation.as_deref()).collect();
    if let Some(relation) = relation
        && !known_relations.is_empty()
        && !known_relations.contains(&relation)
    {
        let mut error = SqlError::plain(SqlErrorKind::UnknownName, format!("no table \"{relation}\" in this query"));
        error.nearest = nearest(relation, known_relations.iter().copied());
        if error.nearest.is_empty() {
            let mut all: Vec<String> = known_relations.iter().map(|&name| name.to_owned()).collect();
            all.sort();
            all.dedup();
            error.hint = Some(format!("its tables: {}", all.join(", ")));
        }
        let at = find_name(text, &format!("{relation}.{name}")).or_else(|| find_name(text, relation)).or(position);
        return error.at(text, at, relation.chars().count());
    }
    let in_scope: Vec<&str> = scope
        .iter()
        .filter(|(of, _)| relation.is_none() || of.as_deref() == relation)
        .map(|(_, column)| column.as_str())
        .collect();
    let mut near = nearest(name, in_scope.iter().copied());
    let mut hint = None;
    if near.is_empty() || scope.is_empty() {
        let session = all_columns(ctx, if scope.is_empty() { tables } else { &[] }).await;
        near = nearest(name, session.iter().map(|(_, column)| column.as_str()))
            .into_iter()
            .filter_map(|column| session.iter().find(|(_, known)| *known == column))
            .map(|(table, column)| format!("{table}.{column}"))
            .collect();
    }
    if quoted(text, position) {
        hint = Some(format!("text is written in single quotes: '{name}'"));
        near.clear();
    } else if near.is_empty() {
        hint = tables.first().map(|table| format!("see its columns with: DESCRIBE {table}"));
    }
    let mut of: Vec<&str> = match relation {
        Some(relation) => vec![relation],
        None if known_relations.is_empty() => tables.iter().map(String::as_str).collect(),
        None => known_relations,
    };
    of.sort_unstable();
    of.dedup();
    let place_of = match of.as_slice() {
        [] => String::new(),
        some => format!(" in {}", some.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ")),
    };
    let mut error = SqlError::plain(SqlErrorKind::UnknownName, format!("no column \"{name}\"{place_of}"));
    error.nearest = near;
    error.hint = hint;
    error.at(text, position, width)
}

/// The name at this position stands in double quotes.
fn quoted(text: &str, position: Option<Position>) -> bool {
    let Some(position) = position else { return false };
    let Some(line) = text.lines().nth(position.line.saturating_sub(1)) else { return false };
    let at = position.column.saturating_sub(1);
    line.chars().nth(at) == Some('"') || (at > 0 && line.chars().nth(at - 1) == Some('"'))
}

/// (table, column) of the session's tables, or of those named.
async fn all_columns(ctx: &SessionContext, only: &[String]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for table in all_tables(ctx) {
        if !only.is_empty() && !only.contains(&table) {
            continue;
        }
        if let Ok(provider) = ctx.table_provider(table.as_str()).await {
            found.extend(provider.schema().fields().iter().map(|field| (table.clone(), field.name().clone())));
        }
    }
    found
}

fn all_tables(ctx: &SessionContext) -> Vec<String> {
    let mut names: Vec<String> = ctx
        .catalog("datafusion")
        .and_then(|catalog| catalog.schema("public"))
        .map(|schema| schema.table_names())
        .unwrap_or_default();
    names.sort();
    names
}

fn all_functions(ctx: &SessionContext) -> Vec<String> {
    let state = ctx.state();
    let mut names: Vec<String> = state
        .scalar_functions()
        .keys()
        .chain(state.aggregate_functions().keys())
        .chain(state.window_functions().keys())
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Errors that the planner gives as sentences.
fn planned(
    message: &str,
    ctx: &SessionContext,
    text: &str,
    span: Option<(Position, usize)>,
    diagnostic: Option<&Diagnostic>,
) -> SqlError {
    if let Some(name) = between(message, "table '", "' not found") {
        let table = name.rsplit('.').next().unwrap_or(name);
        let known = all_tables(ctx);
        let mut error = SqlError::plain(SqlErrorKind::UnknownName, format!("no table \"{table}\""));
        error.nearest = nearest(table, known.iter().map(String::as_str));
        if error.nearest.is_empty() {
            error.hint = Some(if known.is_empty() {
                "there are no tables yet: nothing was stored in this data directory".to_owned()
            } else {
                format!("tables: {}", known.join(", "))
            });
        }
        let (position, width) = place(text, table, span);
        return error.at(text, position, width);
    }
    if let Some(name) = between(message, "Invalid function '", "'") {
        let known = all_functions(ctx);
        let mut error = SqlError::plain(SqlErrorKind::UnknownName, format!("no function \"{name}\""));
        error.nearest = nearest(name, known.iter().map(String::as_str));
        if error.nearest.is_empty() {
            error.hint = Some("see them with: SHOW FUNCTIONS".to_owned());
        }
        let (position, width) = place(text, name, span);
        return error.at(text, position, width);
    }
    let (position, width) = span.map_or((None, 1), |(position, width)| (Some(position), width));
    let said = match diagnostic {
        // The diagnostic is the shorter sentence; its helps say what to do.
        Some(diagnostic) => {
            let helps: Vec<&str> = diagnostic.helps.iter().map(|help| help.message.as_str()).collect();
            [vec![diagnostic.message.as_str()], helps].concat().join("; ")
        }
        None => message.to_owned(),
    };
    SqlError::plain(SqlErrorKind::Invalid, one_line(&said)).at(text, position, width)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let rest = text.get(start..)?;
    rest.get(..rest.find(after)?)
}

/// A parser's message, with the position taken out of its text.
fn syntax(message: &str, text: &str) -> SqlError {
    let message = message.trim_start_matches("sql parser error: ").trim_start_matches("ParserError(\"");
    let number = |label: &str| {
        let rest = message.get(message.find(label)? + label.len()..)?;
        rest.chars().skip_while(|c| *c == ' ').take_while(char::is_ascii_digit).collect::<String>().parse().ok()
    };
    let position = match (number("Line:"), number("Column:")) {
        (Some(line), Some(column)) if line > 0 && column > 0 => Some(Position { line, column }),
        // The text ended too early: the place is its end.
        _ => text
            .lines()
            .enumerate()
            .last()
            .map(|(row, line)| Position { line: row + 1, column: line.trim_end().chars().count() + 1 }),
    };
    let said = message.split(" at Line:").next().unwrap_or(message);
    SqlError::plain(SqlErrorKind::Syntax, format!("syntax: {}", one_line(said))).at(text, position, 1)
}

/// The first paragraph, on one line, not longer than a terminal can bear.
fn one_line(message: &str) -> String {
    let joined = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = joined.chars().take(400).collect();
    if cut.len() < joined.len() {
        cut.push('…');
    }
    cut
}
