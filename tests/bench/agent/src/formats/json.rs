//! Plain JSON: one object a sample, named by column.

use super::decimal;
use anyhow::Result;
use std::fmt::Write;
use tournee_payload::{Batch, fields};

/// The identity once, then the samples; what is absent is left out.
///
/// # Errors
/// Never.
pub fn json(batch: &Batch) -> Result<Vec<u8>> {
    let mut out = String::new();
    let (box_id, stream) = (&batch.box_id, batch.stream.name());
    write!(
        out,
        "{{\"box\":\"{box_id}\",\"stream\":\"{stream}\",\"epoch\":{},\"first_seq\":{},\"samples\":[",
        batch.epoch, batch.first_seq
    )?;
    for (row, sample) in batch.samples.iter().enumerate() {
        out.push_str(if row == 0 { "{" } else { ",{" });
        let present = fields(batch.stream).iter().filter_map(|field| Some((field, sample.get(field.id)?)));
        for (at, (field, wire)) in present.enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}\"{}\":{}", field.name, decimal(field, wire))?;
        }
        out.push('}');
    }
    out.push_str("]}");
    Ok(out.into_bytes())
}
