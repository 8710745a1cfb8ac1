//! Arrow IPC, stream format: schema, one record batch, end.

use super::physical;
use anyhow::Result;
use arrow::array::{ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tournee_payload::{Batch, Field, fields};

/// Columns without a value in the whole batch are left out.
///
/// # Errors
/// What Arrow says.
pub fn arrow_ipc(batch: &Batch) -> Result<Vec<u8>> {
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    for field in fields(batch.stream) {
        let wires: Vec<Option<i64>> = batch.samples.iter().map(|sample| sample.get(field.id)).collect();
        if wires.iter().any(Option::is_some) {
            columns.push((field.name, column(field, wires)));
        }
    }
    let rows = RecordBatch::try_from_iter(columns)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema())?;
    writer.write(&rows)?;
    Ok(writer.into_inner()?)
}

fn column(field: &Field, wires: Vec<Option<i64>>) -> ArrayRef {
    let narrow = i32::try_from(field.max).is_ok() && i32::try_from(field.min).is_ok();
    let values = wires.iter().map(|wire| wire.map(|wire| physical(field, wire)));
    match field.scale {
        0 if narrow => Arc::new(
            wires.into_iter().map(|wire| wire.and_then(|wire| i32::try_from(wire).ok())).collect::<Int32Array>(),
        ),
        0 => Arc::new(Int64Array::from(wires)),
        7.. => Arc::new(values.collect::<Float64Array>()),
        _ => Arc::new(values.map(|value| value.map(|value| value as f32)).collect::<Float32Array>()),
    }
}
