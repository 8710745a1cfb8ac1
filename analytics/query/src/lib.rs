//! The one DataFusion session: every table of the lake and every derived table, read-only, with limits.
//!
//! Plans of this engine need deep stacks while dependencies are built without optimisation: run everything here on
//! a runtime made by [`runtime`], or on one whose worker threads have stacks of [`STACK_BYTES`].

pub mod columns;
pub mod derived;
mod error;
mod functions;
pub mod read;
mod render;
mod runtime;
mod session;
mod sql;
mod sql_error;
mod suggest;

pub use error::QueryError;
pub use render::{Format, render};
pub use runtime::{STACK_BYTES, runtime};
pub use session::{SessionOptions, open_table, session, session_with};
pub use sql::{Limits, QueryResult, sql};
pub use sql_error::{Position, SqlError, SqlErrorKind};
