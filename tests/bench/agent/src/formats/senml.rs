//! SenML in JSON (RFC 8428): one record a value, with a base name and a base time.

use super::decimal;
use anyhow::Result;
use std::fmt::Write;
use tournee_payload::{Batch, Field, field, fields};

/// Microseconds, as the decimal seconds of SenML.
const SECONDS: Field = Field { id: 0, name: "t", scale: 6, min: i64::MIN, max: i64::MAX, doc: "" };

/// `bn` is the box and the stream, `bt` the time of the first sample; each record has its name, its value and, where it is
/// not that of the base, its time.
///
/// # Errors
/// Never.
pub fn senml(batch: &Batch) -> Result<Vec<u8>> {
    let base_us = batch.samples.iter().find_map(|sample| sample.get(field::T_US)).unwrap_or(0);
    let mut out = String::from("[");
    write!(
        out,
        "{{\"bn\":\"urn:dev:ops:{}:{}:\",\"bt\":{},\"n\":\"seq\",\"v\":{}}}",
        batch.box_id,
        batch.stream.name(),
        decimal(&SECONDS, base_us),
        batch.first_seq
    )?;
    for sample in &batch.samples {
        let after_us = sample.get(field::T_US).unwrap_or(base_us) - base_us;
        let time = if after_us == 0 { String::new() } else { format!(",\"t\":{}", decimal(&SECONDS, after_us)) };
        for field in fields(batch.stream).iter().filter(|it| it.id != field::T_US) {
            if let Some(wire) = sample.get(field.id) {
                write!(out, ",{{\"n\":\"{}\",\"v\":{}{time}}}", field.name, decimal(field, wire))?;
            }
        }
    }
    out.push(']');
    Ok(out.into_bytes())
}
