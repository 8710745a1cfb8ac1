//! What was refused, with its reason: nothing blocks the line and nothing vanishes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use sha2::{Digest as _, Sha256};
use tournee_lake::{IntervalSet, QUARANTINE_BYTES_MAX, Series, Table};
use tournee_payload::{Sample, Stream, Topic, field, fields};

use crate::budget::LeftOut;
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
    pub reason: Cow<'static, str>,
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
    /// Further rows of the same batch, refused for the same reason: they count as accounted for too, without their values.
    pub also: IntervalSet,
}

/// One line of the quarantine table.
pub(crate) struct Line<'a> {
    pub(crate) refusal: &'a Refusal,
    /// Microseconds since 1970.
    pub(crate) received_us: i64,
    /// A row of [`Refusal::also`]; none for the refusal's own.
    pub(crate) also: Option<u64>,
}

/// Collects the refused rows of one batch: a batch of a hundred thousand bad rows must not become as many texts.
pub(crate) struct RefusedRows<'a> {
    series: &'a Series,
    shard: u8,
    list: Vec<Refusal>,
    /// Per reason: refusals in `list`, and where the last of them is.
    kept: BTreeMap<&'static str, (usize, usize)>,
}

/// Rows of one batch and one reason that are kept with their values.
const KEPT_PER_REASON: usize = 16;

impl<'a> RefusedRows<'a> {
    pub(crate) const fn new(series: &'a Series, shard: u8) -> Self {
        Self { series, shard, list: Vec::new(), kept: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, seq: u64, sample: &Sample, reason: &'static str, detail: String) {
        let (count, last) = self.kept.entry(reason).or_default();
        if *count >= KEPT_PER_REASON
            && let Some(refusal) = self.list.get_mut(*last)
        {
            refusal.also.insert(seq);
            return;
        }
        *count += 1;
        *last = self.list.len();
        self.list.push(*Refusal::row(self.series, seq, sample, self.shard, reason, detail));
    }

    pub(crate) fn finish(self) -> Vec<Refusal> {
        self.list
    }
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
            topic: cut(topic),
            box_id: None,
            stream: None,
            identity: None,
            reason: Cow::Borrowed(reason),
            detail: detail.to_owned(),
            bytes: kept.to_vec(),
            length_bytes: payload.len(),
            shard: topic_shard(topic),
            hash: hex(&hasher.finalize()),
            also: IntervalSet::new(),
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
            reason: Cow::Borrowed(reason),
            detail,
            length_bytes: bytes.len(),
            bytes,
            shard,
            hash: String::new(),
            also: IntervalSet::new(),
        })
    }

    /// The sum of what a box's room for the day did not hold: one line in the place of all of them. `serial` tells sums of the same
    /// day apart.
    pub(crate) fn sum(left_out: LeftOut, shard: u8, serial: u64) -> Box<Self> {
        let LeftOut { day, box_id, reason, rows, bytes } = left_out;
        let hash = hex(&Sha256::digest(format!("sum/{day}/{box_id}/{reason}/{rows}/{bytes}/{shard}/{serial}")));
        Box::new(Self {
            topic: String::new(),
            stream: None,
            identity: None,
            detail: format!(
                "sum of the day: {rows} more, {bytes} bytes, beyond the box's or the worker's room; not kept"
            ),
            box_id: Some(box_id).filter(|name| name != "*"),
            reason: Cow::Owned(reason),
            bytes: Vec::new(),
            length_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            shard,
            hash,
            also: IntervalSet::new(),
        })
    }

    /// The series and the number of the refusal's own row; `also` is of the same series.
    pub(crate) fn accounts_for(&self) -> Option<(Series, u64)> {
        let (epoch, seq) = self.identity?;
        let series = Series { box_id: self.box_id.clone()?, stream: stream_table(self.stream?), epoch };
        Some((series, seq))
    }

    /// Lines of the quarantine table.
    pub(crate) fn lines(&self) -> usize {
        usize::try_from(self.also.count()).unwrap_or(usize::MAX).saturating_add(1)
    }

    /// What it costs in memory, about, bytes.
    pub(crate) fn footprint(&self) -> usize {
        let texts = self.topic.len() + self.detail.len() + self.bytes.len() + self.hash.len();
        size_of::<Self>() + texts + self.box_id.as_ref().map_or(0, String::len) + 16 * self.also.intervals().len()
    }
}

/// When a sum counts as received: on the day that it is of.
pub(crate) fn sum_time(day: i32, now_us: i64) -> i64 {
    let end_us = i64::from(day).saturating_add(1).saturating_mul(86_400_000_000).saturating_sub(1);
    now_us.min(end_us)
}

/// Longest part of a topic that is kept: ours are shorter by far, MQTT allows 64 KiB.
const TOPIC_BYTES_MAX: usize = 256;

fn cut(topic: &str) -> String {
    topic.get(..topic.floor_char_boundary(TOPIC_BYTES_MAX)).unwrap_or_default().to_owned()
}

/// Set by ingest in `flags`: the row's values were refused, and only its key stands.
pub(crate) const VALUES_REFUSED: i64 = 1 << 31;

/// A refused row that stands in its stream's table by its key alone, where a line in quarantine would cost too much: the
/// box's room for the day is used up, or good and refused rows in turn would make interval sets grow without end.
pub(crate) fn key_only(sample: &Sample, stream: Stream) -> Sample {
    let mut kept = Sample::new(stream);
    kept.set(field::T_US, sample.get(field::T_US).filter(|_| sample.stream == stream));
    if kept.out_of_range().is_some() {
        kept.set(field::T_US, None);
    }
    kept.set(field::FLAGS, Some(VALUES_REFUSED));
    kept
}

/// The shard in a topic that may be nonsense otherwise; 0 when there is none.
fn topic_shard(topic: &str) -> u8 {
    topic.split('/').nth(2).and_then(|part| part.parse().ok()).filter(|shard| *shard < 64).unwrap_or(0)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The rows of the quarantine table.
pub(crate) fn to_batch(lines: &[Line<'_>]) -> Result<RecordBatch, IngestError> {
    let text = |value: &dyn Fn(&Refusal) -> Option<String>| -> ArrayRef {
        Arc::new(lines.iter().map(|line| value(line.refusal)).collect::<StringArray>())
    };
    let number = |value: &dyn Fn(&Line<'_>) -> Option<i64>| -> ArrayRef {
        Arc::new(lines.iter().map(value).collect::<Int64Array>())
    };
    let seq = |line: &Line<'_>| line.also.or_else(|| line.refusal.identity.map(|(_, seq)| seq));
    let detail = |line: &Line<'_>| match (line.also, line.refusal.identity) {
        (Some(_), Some((_, first))) => format!("as row {first} of the same batch, values not kept"),
        _ => line.refusal.detail.clone(),
    };
    let bytes = |line: &Line<'_>| if line.also.is_some() { None } else { Some(line.refusal.bytes.clone()) };
    let length =
        |line: &Line<'_>| if line.also.is_some() { None } else { i64::try_from(line.refusal.length_bytes).ok() };
    let received = TimestampMicrosecondArray::from_iter_values(lines.iter().map(|line| line.received_us));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(received.with_timezone("UTC")),
        text(&|refusal| refusal.box_id.clone()),
        text(&|refusal| Some(refusal.topic.clone())),
        text(&|refusal| refusal.stream.map(|stream| stream.name().to_owned())),
        number(&|line| line.refusal.identity.map(|(epoch, _)| epoch)),
        number(&|line| seq(line).and_then(|seq| i64::try_from(seq).ok())),
        text(&|refusal| Some(refusal.reason.to_string())),
        Arc::new(lines.iter().map(|line| Some(detail(line))).collect::<StringArray>()),
        Arc::new(lines.iter().map(bytes).collect::<BinaryArray>()),
        number(&length),
        number(&|line| Some(i64::from(line.refusal.shard))),
    ];
    Ok(RecordBatch::try_new(Table::Quarantine.file_schema(), arrays)?)
}

/// The partition of a refusal: the day it was received.
pub(crate) const fn day(received_us: i64) -> i32 {
    day_of(received_us)
}
