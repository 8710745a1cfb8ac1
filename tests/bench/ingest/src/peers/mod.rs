//! What a user would pick instead, with the same samples and the same promise: acknowledged is on disk.
//!
//! Only the server's own CPU seconds count for a peer: turning our batches into its text is done beforehand and for free. Our
//! own figure holds all of it, from the message to the commit.

pub mod influx;
pub mod postgres;

use tournee_payload::{Sample, Stream, fields};

/// The columns of a row after its identity, in the stream's order.
pub fn names() -> Vec<&'static str> {
    fields(Stream::Mobile).iter().map(|field| field.name).collect()
}

/// A value in its unit, as text; none where it is empty.
pub fn values(sample: &Sample) -> impl Iterator<Item = Option<String>> + '_ {
    fields(Stream::Mobile).iter().map(|field| {
        let wire = sample.get(field.id)?;
        if field.scale == 0 {
            return Some(wire.to_string());
        }
        let unit = 10_i64.pow(u32::from(field.scale));
        let sign = if wire < 0 { "-" } else { "" };
        let width = usize::from(field.scale);
        Some(format!("{sign}{}.{:0width$}", wire.abs() / unit, wire.abs() % unit))
    })
}
