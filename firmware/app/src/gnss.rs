//! The receiver's bytes to the sampler.

use tournee_drivers::gnss::{Event, Fix, H_ACC_UNKNOWN_MM, Limits, Receiver};
use tournee_link::Gnss;
use tournee_sampler::Sampler;

/// What the receiver said in one piece of its line, at the most: its epochs are a tenth of a second apart or more.
const EVENTS_MAX: usize = 4;
/// Bytes of all that a receiver is told at once, at the most.
pub const SETTINGS_MAX: usize = 512;
/// Between two attempts to set it up; doubles up to the greatest, since a receiver that knows no UBX never obeys.
const ASK_MIN_US: u64 = 1_500_000;
const ASK_MAX_US: u64 = 60_000_000;

/// Listens to the receiver, and tells it how to speak.
#[derive(Debug)]
pub struct Ear {
    receiver: Receiver,
    period_ms: u16,
    ask_at_us: u64,
    ask_every_us: u64,
}

impl Default for Ear {
    fn default() -> Self {
        Self::new()
    }
}

impl Ear {
    /// Nothing heard yet.
    #[must_use]
    pub fn new() -> Self {
        Self { receiver: Receiver::new(Limits::default()), period_ms: 0, ask_at_us: 0, ask_every_us: ASK_MIN_US }
    }

    /// Takes what the receiver's line brought; `with` reaches the sampler, for each piece of news once.
    pub fn hear(&mut self, now_us: u64, bytes: &[u8], mut with: impl FnMut(&mut dyn FnMut(&mut Sampler))) {
        let mut news: heapless::Vec<Event, EVENTS_MAX> = heapless::Vec::new();
        // Small pieces, so that the events of one always find room.
        for piece in bytes.chunks(32) {
            self.receiver.feed(piece, |event| {
                let _ = news.push(event);
            });
            for event in news.iter() {
                match event {
                    Event::Fix(fix) => with(&mut |sampler| sampler.fix_heard(now_us, message(fix))),
                    Event::TimePulse { utc_us } => with(&mut |sampler| sampler.pulse_announced(now_us, *utc_us)),
                    // Counted by the receiver.
                    Event::Refused(_) => {}
                }
            }
            news.clear();
        }
    }

    /// What to tell the receiver now, if anything: it was heard and does not speak as it should, once every `period_ms`.
    pub fn settings(&mut self, now_us: u64, period_ms: u16) -> heapless::Vec<u8, SETTINGS_MAX> {
        let mut settings = heapless::Vec::new();
        let news = self.period_ms != period_ms;
        if !news && !self.receiver.needs_configuration() {
            self.ask_every_us = ASK_MIN_US;
            return settings;
        }
        if news {
            self.ask_every_us = ASK_MIN_US;
        } else if now_us < self.ask_at_us {
            return settings;
        }
        self.period_ms = period_ms;
        self.ask_at_us = now_us.saturating_add(self.ask_every_us);
        self.ask_every_us = (2 * self.ask_every_us).min(ASK_MAX_US);
        // All of it fits; a message that did not would be missing as a whole, and asked for again.
        self.receiver.configure(period_ms, |bytes| {
            let _ = settings.extend_from_slice(bytes);
        });
        settings
    }
}

fn message(fix: &Fix) -> Gnss {
    let Fix { utc_us, fix, sats, hdop_centi, lat_e7, lon_e7, h_acc_mm, speed_mmps, heading_cdeg } = *fix;
    // The contract says 0 for an accuracy that the receiver does not state.
    let h_acc_mm = if h_acc_mm == H_ACC_UNKNOWN_MM { 0 } else { h_acc_mm };
    Gnss { utc_us, fix, sats, hdop_centi, lat_e7, lon_e7, h_acc_mm, speed_mmps, heading_cdeg }
}
