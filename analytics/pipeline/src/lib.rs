//! From lake tables to pass facts, indicators and recommendations, written back as derived tables.
//!
//! The same lake gives the same rows, whatever the order of its files and whatever the day: everything is sorted before
//! use and nothing asks the wall clock. Pass facts whose raw rows have left are carried over from the run before.

pub mod carry;
pub mod config;
mod error;
pub mod facts;
pub mod inputs;
mod partner;
mod reference;
mod run;
mod store;
mod tables;
pub mod track;

pub use error::PipelineError;
pub use partner::partner_indicators;
pub use run::{PipelineInput, PipelineReport, Stage, import_partner, run};
