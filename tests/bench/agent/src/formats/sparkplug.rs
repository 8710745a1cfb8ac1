//! Metrics as in the payload of Eclipse Sparkplug B: after a birth that gave each name an alias, each value is an alias, a
//! time and a number. Field numbers and meanings are those of the specification; birth and death are not counted.

use super::physical;
use anyhow::Result;
use prost::Message;
use tournee_payload::{Batch, field, fields};

#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(uint64, tag = "1")]
    timestamp: u64,
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
    #[prost(uint64, tag = "3")]
    seq: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(uint64, tag = "2")]
    alias: u64,
    #[prost(uint64, tag = "3")]
    timestamp: u64,
    #[prost(oneof = "Value", tags = "11, 12, 13")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
}

/// Milliseconds, as the specification has them; whole numbers as `long_value`, degrees as doubles, the rest as floats.
///
/// # Errors
/// Never.
pub fn sparkplug(batch: &Batch) -> Result<Vec<u8>> {
    let mut payload = Payload { seq: batch.first_seq % 256, ..Payload::default() };
    for sample in &batch.samples {
        let timestamp = sample.get(field::T_US).map_or(0, |t_us| t_us as u64 / 1_000);
        payload.timestamp = timestamp;
        for field in fields(batch.stream).iter().filter(|it| it.id != field::T_US) {
            let Some(wire) = sample.get(field.id) else { continue };
            let value = match field.scale {
                0 => Value::Long(wire as u64),
                7.. => Value::Double(physical(field, wire)),
                _ => Value::Float(physical(field, wire) as f32),
            };
            payload.metrics.push(Metric { alias: u64::from(field.id), timestamp, value: Some(value) });
        }
    }
    Ok(payload.encode_to_vec())
}
