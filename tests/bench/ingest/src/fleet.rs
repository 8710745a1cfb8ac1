//! A fleet that sends what real drives recorded: the rows of the Cork drives, dealt out to as many vehicles as asked for.
//!
//! Values are those of the recording; identity is each vehicle's own, and the times are laid to the last hours at one row a
//! second, as a fleet would send today.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::BufReader;
use tournee_import::Mapping;
use tournee_payload::{Batch, BoxId, Sample, Stream, Topic, encode, field};
use tournee_tests::{shared_data, workspace_root};

/// A minute at one row a second, as vehicles send.
pub const BATCH_ROWS: usize = 60;
const SECOND_US: i64 = 1_000_000;

/// A batch as it goes over the wire.
pub struct Message {
    /// Its vehicle, by position.
    pub vehicle: usize,
    /// `…/up/mobile`.
    pub topic: String,
    /// The encoded batch.
    pub payload: Vec<u8>,
    /// The number after its last.
    pub next_seq: u64,
}

/// Vehicles and what they send.
pub struct Fleet {
    /// Round robin over the vehicles, each in order.
    pub messages: Vec<Message>,
    /// The vehicles.
    pub boxes: Vec<BoxId>,
    /// All rows.
    pub rows: usize,
    /// The samples of each vehicle, for peers that take no batches.
    pub samples: Vec<Vec<Sample>>,
}

/// The rows of the Cork drives.
pub fn cork() -> Result<Vec<Sample>> {
    let data = shared_data().context("no recordings: set TOURNEE_SHARED_DATA to their folder")?;
    let path = data.join("signal/ucc_5g_cork_driving.csv.gz");
    let mapping = Mapping::from_toml(&std::fs::read_to_string(workspace_root().join("mappings/cork-gnettrack.toml"))?)?;
    let mut samples = Vec::new();
    let file = BufReader::new(File::open(&path).with_context(|| path.display().to_string())?);
    tournee_import::import(file, &mapping, &mut |sample| samples.push(sample))?;
    ensure!(samples.len() > 10_000, "{} holds only {} rows", path.display(), samples.len());
    Ok(samples)
}

/// `vehicles` vehicles with `rows` rows together. `name` makes their ids differ from those of another fleet.
pub fn fleet(recorded: &[Sample], name: &str, vehicles: usize, rows: usize) -> Result<Fleet> {
    let each = rows.div_ceil(vehicles).next_multiple_of(BATCH_ROWS);
    let span_us = i64::try_from(each)? * SECOND_US;
    let start_us = chrono::Utc::now().timestamp_micros() / SECOND_US * SECOND_US - span_us;
    let mut boxes = Vec::with_capacity(vehicles);
    let mut samples = Vec::with_capacity(vehicles);
    for vehicle in 0..vehicles {
        boxes.push(BoxId::new(&format!("{name}-{vehicle:05}"))?);
        // Each begins elsewhere in the recording.
        let from = vehicle * 977;
        let own = (0..each).map(|at| {
            let mut sample = recorded[(from + at) % recorded.len()].clone();
            sample.set(field::T_US, Some(start_us + i64::try_from(at).unwrap_or(0) * SECOND_US));
            sample.set(field::TICK_US, Some(5_000_000 + i64::try_from(at).unwrap_or(0) * SECOND_US));
            sample.set(field::BOOT_ID, Some(0x1234_5678));
            sample
        });
        samples.push(own.collect::<Vec<_>>());
    }
    let mut messages = Vec::with_capacity(each / BATCH_ROWS * vehicles);
    for part in 0..each / BATCH_ROWS {
        for (vehicle, box_id) in boxes.iter().enumerate() {
            let first = part * BATCH_ROWS;
            let batch = Batch {
                box_id: box_id.clone(),
                stream: Stream::Mobile,
                epoch: 0x5EED_0000 + vehicle as u64,
                first_seq: first as u64,
                samples: samples[vehicle][first..first + BATCH_ROWS].to_vec(),
            };
            messages.push(Message {
                vehicle,
                topic: Topic::up(box_id, Stream::Mobile).to_string(),
                payload: encode(&batch)?,
                next_seq: (first + BATCH_ROWS) as u64,
            });
        }
    }
    Ok(Fleet { messages, boxes, rows: each * vehicles, samples })
}
