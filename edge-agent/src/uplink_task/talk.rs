//! What the uplink says of itself, and what it does with what it hears.

use std::time::Duration;

use tokio::time::Instant;
use tournee_payload::{Ack, AckMessage, StateMessage, Status, Stream, Topic};
use tournee_spool::GapReason;

use super::{End, UplinkTask};
use crate::commands_desk::Came;
use crate::keeper::{Acked, Said};
use crate::link::{Incoming, LinkError, Session};
use crate::report::UplinkStatus;
use crate::uplink::{Limits, Span};

/// MQTT bytes of a PUBLISH beside its payload, at the most: the longest topic, header, lengths, packet id, properties.
const STATE_HEAD_BYTES: usize = 128;

impl UplinkTask {
    /// Tells what is known of the way to the broker.
    pub(super) fn show(&self, trouble: &str) {
        let memory = self.desk.memory();
        self.shown.send_if_modified(|shown| {
            let now = UplinkStatus {
                certificate: self.certificate.state().clone(),
                // While it is tried again, the old reason still stands.
                trouble: if trouble.is_empty() && !*self.connected.borrow() {
                    shown.trouble.clone()
                } else {
                    trouble.to_owned()
                },
                collection_off: memory.collection_off,
                last_command_id: memory.last_id,
            };
            let news = now != *shown;
            *shown = now;
            news
        });
    }

    /// Takes over what a new configuration says.
    pub(super) fn adopt(&mut self, now: Duration) {
        let (mqtt, sampling) = {
            let config = self.settings.borrow_and_update();
            (config.mqtt.clone(), config.sampling.clone())
        };
        self.reconnect_most = Duration::from_secs(mqtt.reconnect_most_s);
        self.machine.set_limits(now, Limits::of(&mqtt));
        match sampling.wanted() {
            Ok(wanted) => self.desk.configure(sampling, wanted),
            // Checked before it was offered.
            Err(error) => tracing::error!(%error, "the sampling stays as it was"),
        }
    }

    /// The bytes of `state`.
    pub(super) fn state(&self, status: Status, max_packet_bytes: Option<u32>) -> Vec<u8> {
        let most = max_packet_bytes.map_or(usize::MAX, |most| most as usize).saturating_sub(STATE_HEAD_BYTES);
        let state = StateMessage { box_id: self.box_id.clone(), status, epoch: self.epoch };
        self.desk.state(state, self.certificate.state().until_s(), most)
    }

    /// What a minute may have changed.
    pub(super) async fn look(&mut self) {
        let changed = self.certificate.look(&self.box_id, (self.wall_s)());
        let came = self.desk.retry().await;
        if changed || came == Came::Answer {
            self.answer();
        }
    }

    /// Commands were dealt with, or the certificate is not as it was.
    pub(super) fn answer(&mut self) {
        self.machine.prioritise(self.desk.memory().priorities());
        self.report_due = true;
        self.show("");
    }

    pub(super) async fn heard(&mut self, message: &Incoming, start: Instant) -> Result<(), End> {
        match Topic::parse(&message.topic) {
            Ok(Topic::DownAck { .. }) => self.watermarks(message, start).await?,
            Ok(Topic::DownCommand { .. }) => match self.desk.take(&self.box_id, &message.payload).await {
                Came::Nothing => {}
                Came::Refused => self.report.refused_messages += 1,
                Came::Answer => self.answer(),
            },
            _ => tracing::warn!(topic = message.topic, "a message that nobody asked for"),
        }
        Ok(())
    }

    pub(super) async fn too_large(
        &mut self,
        stream: Stream,
        span: Span,
        bytes: usize,
        session: Session,
        start: Instant,
    ) -> Result<(), End> {
        let limit = session.max_packet_bytes;
        tracing::error!(
            stream = stream.name(),
            bytes,
            ?limit,
            "the broker's packet limit is below our batches: raise it"
        );
        // A gap cannot be recorded by giving a gap up.
        if stream == Stream::Gap {
            return Err(LinkError("the broker's packet limit is too small for a gap record".to_owned()).into());
        }
        match self.spool.give_up(stream, span.first_seq, GapReason::TooLargeForBroker).await? {
            Said::Done(_) => {}
            Said::Later => self.machine.later(start.elapsed(), stream, span.first_seq),
        }
        Ok(())
    }

    pub(super) async fn watermarks(&mut self, message: &Incoming, start: Instant) -> Result<(), End> {
        let read = match AckMessage::decode(&message.payload) {
            Ok(read) if read.box_id == self.box_id => read,
            Ok(read) => {
                tracing::warn!(other = %read.box_id, "a watermark of another box under our topic");
                self.report.refused_messages += 1;
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(%error, reason = error.reason(), "a watermark that cannot be read");
                self.report.refused_messages += 1;
                return Ok(());
            }
        };
        for ack in read.acks {
            self.acknowledge(ack, start).await?;
        }
        Ok(())
    }

    pub(super) async fn acknowledge(&mut self, ack: Ack, start: Instant) -> Result<(), End> {
        match self.spool.acknowledge(ack).await? {
            Said::Done(Acked::Taken) => self.machine.watermark(start.elapsed(), ack.stream, ack.next_seq),
            Said::Done(Acked::OtherEpoch) => {}
            Said::Done(Acked::NewEpoch(epoch)) => {
                self.epoch = epoch;
                self.machine.new_epoch();
                self.owed.clear();
                return Err(LinkError("a new epoch begins with a new connection".to_owned()).into());
            }
            Said::Later => {
                let owed = self.owed.entry(ack.stream).or_insert(ack);
                if owed.next_seq < ack.next_seq {
                    *owed = ack;
                }
            }
        }
        Ok(())
    }
}
