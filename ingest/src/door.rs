//! The door of the lake: a message comes in, and it is stored, put into quarantine or counted. No IO here.

use std::time::Duration;

use tournee_payload::{BoxId, Stream, field};

use crate::admission::{Accept, Admission, Verdict};
use crate::budget::QuarantineLimits;
use crate::devices::DeviceRegistry;
use crate::error::IngestError;
use crate::lake::{Lake, Limits};
use crate::measured::Measured;
use crate::quarantine::Refusal;
use crate::validate::message;

/// Where messages of vehicles come in.
pub struct Door {
    /// The lake behind it.
    pub lake: Lake,
    admission: Admission,
    measured: Measured,
}

/// A message that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LetIn {
    /// To be told its watermark after the commit.
    pub(crate) box_id: BoxId,
}

impl Door {
    /// A door with the limits for vehicles. Needs a Tokio runtime where the registry is looked at. `budget`: the stored
    /// account of quarantine, see [`Lake::with_quarantine`].
    ///
    /// # Errors
    /// When the registry of boxes cannot be read.
    pub async fn open(
        lake: Lake,
        accept: Accept,
        registry: Option<DeviceRegistry>,
        look_every: Duration,
        limits: QuarantineLimits,
        budget: Option<&[u8]>,
    ) -> Result<Self, IngestError> {
        let (lake, trouble) = lake.with_limits(Limits::VEHICLES).with_quarantine(limits, budget);
        if let Some(trouble) = trouble {
            tracing::warn!(trouble, "the stored account of quarantine cannot be read; the day begins anew");
        }
        let admission = Admission::start(accept, registry, look_every, crate::run::now_us).await?;
        Ok(Self { lake, admission, measured: Measured::default() })
    }

    /// Takes a message; `now_us` is the time of ingestion, microseconds since 1970. True when samples of it will be
    /// acknowledged to the box after the next commit.
    pub fn take(&mut self, topic: &str, payload: &[u8], now_us: i64) -> bool {
        self.let_in(topic, payload, now_us).is_some()
    }

    pub(crate) fn let_in(&mut self, topic: &str, payload: &[u8], now_us: i64) -> Option<LetIn> {
        self.measured.messages += 1;
        self.measured.bytes += payload.len() as u64;
        let batch = match message(topic, payload) {
            Ok(decoded) => {
                self.lake.note_unknown_fields(decoded.unknown_fields);
                decoded.batch
            }
            Err(refusal) => {
                self.lake.refuse(refusal, now_us);
                return None;
            }
        };
        if let Verdict::Refused(reason, detail) = self.admission.verdict(&batch.box_id) {
            let mut refusal = Refusal::message(topic, payload, reason, detail);
            refusal.box_id = Some(batch.box_id.to_string());
            refusal.stream = Some(batch.stream);
            self.lake.refuse(refusal, now_us);
            return None;
        }
        let (box_id, stream) = (batch.box_id.clone(), batch.stream);
        let newest_us = batch.samples.iter().rev().find_map(|sample| sample.get(field::T_US));
        match self.lake.append(batch, now_us) {
            Ok(done) => {
                self.note(&box_id, stream, done.rows, newest_us, now_us);
                Some(LetIn { box_id })
            }
            // Only with a kept session of a worker that had other shards: their owner gets it from the vehicle again.
            Err(error) => {
                let refusal = Refusal::message(topic, payload, "foreign_shard", &error.to_string());
                self.lake.refuse(refusal, now_us);
                None
            }
        }
    }

    fn note(&mut self, box_id: &BoxId, stream: Stream, rows: u64, newest_us: Option<i64>, now_us: i64) {
        self.measured.batch(box_id, stream, rows, newest_us, now_us);
    }

    /// What was measured, with what the lake and the registry say of it.
    pub fn measured(&mut self, now_us: i64) -> Measured {
        let mut measured = self.measured.seen(now_us);
        measured.refused.clone_from(self.lake.refused_by_reason());
        measured.left_out_rows = self.lake.left_out_rows();
        measured.boxes_known = self.lake.known_boxes() as u64;
        measured.boxes_pending = self.admission.pending() as u64;
        measured.boxes_unnoted = self.admission.unnoted();
        measured
    }

    /// A commit that took so long has ended.
    pub(crate) fn committed(&mut self, took: Duration, now_us: i64) {
        self.measured.commit(took, now_us);
    }

    /// Ends the task that looks at the registry.
    pub async fn close(self) -> Lake {
        self.admission.close().await;
        self.lake
    }
}
