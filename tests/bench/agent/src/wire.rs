//! Bytes per sample on the wire.

use crate::drives::Drive;
use crate::formats;
use anyhow::Result;
use std::collections::BTreeMap;
use tournee_payload::{Batch, Sample, Stream, Topic, encode, fields};

/// The level of our own batches.
const ZSTD_LEVEL: i32 = 3;

/// Bytes per sample of one format.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// As it is.
    pub plain: f64,
    /// With zstd over each message.
    pub packed: f64,
}

/// Our own: payload, and payload with the MQTT packet around it (fixed header, topic, number, no properties, and PUBACK).
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Payload, bytes per sample.
    pub payload: f64,
    /// With MQTT's own bytes, both ways.
    pub mqtt: f64,
    /// Batches.
    pub batches: usize,
    /// Samples.
    pub samples: usize,
    /// Samples and payload bytes by stream.
    pub streams: BTreeMap<Stream, (usize, usize)>,
}

/// What the agent sends.
#[must_use]
pub fn own(drive: &Drive) -> Own {
    let mut own = Own { batches: drive.batches.len(), samples: drive.samples(), ..Own::default() };
    let (mut payload, mut mqtt) = (0, 0);
    for sent in &drive.batches {
        let topic = Topic::up(&sent.batch.box_id, sent.batch.stream).to_string().len();
        let body = 2 + topic + 2 + 1 + sent.bytes.len();
        payload += sent.bytes.len();
        // One byte of kind, a length of one to four bytes; the answer is four bytes.
        mqtt += 1 + (1 + (body >= 128) as usize + (body >= 16_384) as usize) + body + 4;
        let stream = own.streams.entry(sent.batch.stream).or_default();
        stream.0 += sent.batch.samples.len();
        stream.1 += sent.bytes.len();
    }
    own.payload = payload as f64 / own.samples.max(1) as f64;
    own.mqtt = mqtt as f64 / own.samples.max(1) as f64;
    own
}

/// What the others would send.
///
/// # Errors
/// A format that cannot write a batch.
pub fn others(drive: &Drive) -> Result<Vec<(&'static str, Size)>> {
    let samples = drive.samples().max(1) as f64;
    let mut sizes = Vec::new();
    for (name, write) in formats::ALL {
        let mut size = Size::default();
        for sent in &drive.batches {
            let bytes = write(&sent.batch)?;
            size.plain += bytes.len() as f64 / samples;
            size.packed += zstd::bulk::compress(&bytes, ZSTD_LEVEL)?.len() as f64 / samples;
        }
        sizes.push((name, size));
    }
    Ok(sizes)
}

/// What each column of a stream costs, bytes per sample, dearest first: what the batches get smaller by when it is left out,
/// and under the name `(envelope)` what is left when every column is.
///
/// # Errors
/// A batch that cannot be written.
pub fn columns(drive: &Drive, stream: Stream) -> Result<Vec<(&'static str, f64)>> {
    let batches: Vec<&Batch> = drive.batches.iter().map(|sent| &sent.batch).filter(|it| it.stream == stream).collect();
    let samples: usize = batches.iter().map(|batch| batch.samples.len()).sum();
    let size = |keep: &dyn Fn(u16) -> bool| -> Result<f64> {
        let mut bytes = 0;
        for batch in &batches {
            let mut batch = (*batch).clone();
            batch.samples.iter_mut().for_each(|sample| void(sample, keep));
            bytes += encode(&batch)?.len();
        }
        Ok(bytes as f64 / samples.max(1) as f64)
    };
    let whole = size(&|_| true)?;
    let mut costs = vec![("(envelope)", size(&|_| false)?)];
    for field in fields(stream) {
        costs.push((field.name, whole - size(&|id| id != field.id)?));
    }
    costs.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(costs)
}

fn void(sample: &mut Sample, keep: &dyn Fn(u16) -> bool) {
    for field in fields(sample.stream).iter().filter(|field| !keep(field.id)) {
        sample.set(field.id, None);
    }
}
