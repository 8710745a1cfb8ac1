//! What was refused, with its reason: nothing blocks the line and nothing vanishes.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use sha2::{Digest as _, Sha256};
use tournee_lake::{QUARANTINE_BYTES_MAX, Series, Table};
use tournee_payload::{Sample, Stream, Topic, fields};

use crate::convert::day_of;
use crate::error::IngestError;
use crate::validate::stream_table;

/// A refused message or row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Topic, or the source of an import.
    pub topic: String,
    /// The box, if readable.
    pub box_id: Option<String>,
    /// The stream, if readable.
    pub stream: Option<Stream>,
    /// Epoch and sequence number, for a row whose batch was readable: it counts as accounted for.
    pub identity: Option<(i64, u64)>,
    /// Short code that never changes.
    pub reason: &'static str,
    /// What exactly was wrong.
    pub detail: String,
    /// The message (cut at 64 KiB); of a row its values as JSON, wire integers.
    pub bytes: Vec<u8>,
    /// Full length of the message.
    pub length_bytes: usize,
    /// Shard of the topic.
    pub shard: u8,
    /// Hash of the whole: a redelivered message is noted once.
    pub hash: String,
}

impl Refusal {
    /// A message that could not be read. The shard is that of its topic, as far as it can be read.
    #[must_use]
    pub fn message(topic: &str, payload: &[u8], reason: &'static str, detail: &str) -> Box<Self> {
        let mut hasher = Sha256::new();
        hasher.update(topic.as_bytes());
        hasher.update([0]);
        hasher.update(payload);
        let kept = payload.get(..QUARANTINE_BYTES_MAX).unwrap_or(payload);
        Box::new(Self {
            topic: topic.to_owned(),
            box_id: None,
            stream: None,
            identity: None,
            reason,
            detail: detail.to_owned(),
            bytes: kept.to_vec(),
            length_bytes: payload.len(),
            shard: topic_shard(topic),
            hash: hex(&hasher.finalize()),
        })
    }

    /// A row of a readable batch.
    #[must_use]
    pub fn row(
        series: &Series,
        seq: u64,
        sample: &Sample,
        shard: u8,
        reason: &'static str,
        detail: String,
    ) -> Box<Self> {
        let values: serde_json::Map<String, serde_json::Value> = fields(sample.stream)
            .iter()
            .zip(&sample.values)
            .filter_map(|(field, value)| value.map(|value| (field.name.to_owned(), value.into())))
            .collect();
        let bytes = serde_json::Value::Object(values).to_string().into_bytes();
        let topic = series
            .box_id
            .parse()
            .map_or_else(|_| series.box_id.clone(), |box_id| Topic::up(&box_id, sample.stream).to_string());
        Box::new(Self {
            topic,
            box_id: Some(series.box_id.clone()),
            stream: Some(sample.stream),
            identity: Some((series.epoch, seq)),
            reason,
            detail,
            length_bytes: bytes.len(),
            bytes,
            shard,
            hash: String::new(),
        })
    }

    /// The series and number that this refusal accounts for.
    pub(crate) fn accounts_for(&self) -> Option<(Series, u64)> {
        let (epoch, seq) = self.identity?;
        let series = Series { box_id: self.box_id.clone()?, stream: stream_table(self.stream?), epoch };
        Some((series, seq))
    }
}

/// The shard in a topic that may be nonsense otherwise; 0 when there is none.
fn topic_shard(topic: &str) -> u8 {
    topic.split('/').nth(2).and_then(|part| part.parse().ok()).filter(|shard| *shard < 64).unwrap_or(0)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The rows of the quarantine table. `received_us` in microseconds since 1970.
pub(crate) fn to_batch(rows: &[(&Refusal, i64)]) -> Result<RecordBatch, IngestError> {
    let text = |value: &dyn Fn(&Refusal) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|(row, _)| value(row)).collect::<StringArray>())
    };
    let number = |value: &dyn Fn(&Refusal) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(|(row, _)| value(row)).collect::<Int64Array>())
    };
    let received = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(_, received_us)| *received_us));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(received.with_timezone("UTC")),
        text(&|row| row.box_id.clone()),
        text(&|row| Some(row.topic.clone())),
        text(&|row| row.stream.map(|stream| stream.name().to_owned())),
        number(&|row| row.identity.map(|(epoch, _)| epoch)),
        number(&|row| row.identity.and_then(|(_, seq)| i64::try_from(seq).ok())),
        text(&|row| Some(row.reason.to_owned())),
        text(&|row| Some(row.detail.clone())),
        Arc::new(BinaryArray::from_iter_values(rows.iter().map(|(row, _)| &row.bytes))),
        number(&|row| i64::try_from(row.length_bytes).ok()),
        number(&|row| Some(i64::from(row.shard))),
    ];
    Ok(RecordBatch::try_new(Table::Quarantine.file_schema(), arrays)?)
}

/// The partition of a refusal: the day it was received.
pub(crate) const fn day(received_us: i64) -> i32 {
    day_of(received_us)
}
