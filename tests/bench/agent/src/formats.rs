//! The same samples as others would send them, one document a batch. Where a format leaves a choice, the shorter one is
//! taken: no units in SenML, aliases instead of names in the protobuf, the narrowest Arrow types.

mod arrow_ipc;
mod json;
mod senml;
mod sparkplug;

pub use arrow_ipc::arrow_ipc;
pub use json::json;
pub use senml::senml;
pub use sparkplug::sparkplug;

use tournee_payload::{Batch, Field};

/// A batch in another format.
pub type Writer = fn(&Batch) -> anyhow::Result<Vec<u8>>;

/// Each format with its name.
pub const ALL: [(&str, Writer); 4] = [
    ("JSON", json),
    ("SenML (RFC 8428, JSON)", senml),
    ("Sparkplug-B-like protobuf", sparkplug),
    ("Arrow IPC stream", arrow_ipc),
];

/// A value as text, with the digits that it has and no more.
fn decimal(field: &Field, wire: i64) -> String {
    if field.scale == 0 {
        return wire.to_string();
    }
    let one = 10_u64.pow(u32::from(field.scale));
    let sign = if wire < 0 { "-" } else { "" };
    let (whole, part) = (wire.unsigned_abs() / one, wire.unsigned_abs() % one);
    let text = format!("{sign}{whole}.{part:0width$}", width = usize::from(field.scale));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A value in its unit.
fn physical(field: &Field, wire: i64) -> f64 {
    wire as f64 / 10_f64.powi(i32::from(field.scale))
}
