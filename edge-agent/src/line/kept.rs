//! What the line hands to those beside the spool, and what it takes from this computer.

use tournee_features::Kept;
use tournee_features::profile::HostTime;
use tournee_payload::field;

use super::Line;
use crate::host_time::HostNow;
use crate::windows::{Item, Shelf};

/// Between two looks at what is known for later boots.
const KEPT_EVERY_US: u64 = 60_000_000;

impl Line {
    /// Hands raw windows of events, and what boots hand on, to a shelf; with what the shelf held of earlier runs.
    pub fn with_shelf(mut self, shelf: Shelf, kept: Kept) -> Self {
        self.pipeline.remember(kept);
        self.shelf = Some(shelf);
        self
    }

    /// Tells the box's clock the time of this computer when stamps have just been exchanged, as far as `read` believes it.
    /// `now_us` is of the clock of [`Line::feed`], at this moment.
    pub fn host_time(&mut self, now_us: u64, read: impl FnOnce(HostTime) -> Option<HostNow>) {
        let Some((boot_id, exchange)) = self.steward.take_exchange() else { return };
        let Some(host) = read(self.host_policy) else { return };
        let tick_us = i64::try_from(now_us).ok().and_then(|now_us| now_us.checked_add(exchange.offset_us));
        if let Some(tick_us) = tick_us.and_then(|tick_us| u64::try_from(tick_us).ok()) {
            let error_us = host.error_us.saturating_add(exchange.round_trip_us / 2);
            self.pipeline.observe_host(boot_id, tick_us, host.utc_us, error_us);
        }
    }

    /// Shelves what has come since; what lies outside of the areas is not kept here either. `None`: at the end.
    pub(super) fn shelve(&mut self, now_us: Option<u64>) {
        let Some(shelf) = &mut self.shelf else { return };
        for window in self.pipeline.take_windows() {
            let position = window.sample.get(field::LAT_DEG).zip(window.sample.get(field::LON_DEG));
            let is_inside = |(lat, lon)| self.areas.iter().any(|area| area.contains(lat, lon));
            if self.areas.is_empty() || position.is_none_or(is_inside) {
                shelf.put(Item::Window(window));
            }
        }
        if now_us.is_none_or(|now_us| now_us >= self.kept_due_us) {
            self.kept_due_us = now_us.unwrap_or(0).saturating_add(KEPT_EVERY_US);
            shelf.put(Item::Kept(self.pipeline.kept()));
            let moved = self.pipeline.counters().unused.sensor_moved;
            if std::mem::replace(&mut self.sensor_moved, moved) < moved {
                tracing::warn!(
                    times = moved,
                    "the acceleration sensor was moved in its vehicle; its mounting is found anew"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steward::Steward;
    use tournee_features::{VehicleProfile, flags};
    use tournee_link::{
        BoxConfig, Co2, CommandDecoder, CommandEvent, Header, MAX_FRAME_BYTES, Message, PROTO, TimeSync, encode,
    };
    use tournee_payload::{Sample, Stream};

    const UTC_US: i64 = 1_780_000_000_000_000;

    fn frame(tick_us: u64, message: &Message) -> Vec<u8> {
        let header = Header { proto: PROTO, boot_id: 9, seq: (tick_us / 1_000) as u32, tick_us };
        let mut out = [0; MAX_FRAME_BYTES];
        let len = encode(&header, message, &mut out).unwrap();
        out[..len].to_vec()
    }

    /// Two minutes of a box under a roof that answers the host's stamps; its ticks are 5 s ahead of the host's count.
    fn under_a_roof(profile: &str) -> Vec<Sample> {
        let steward = Steward::new(1, BoxConfig::DEFAULT);
        let mut line = Line::new(VehicleProfile::from_toml(profile).unwrap(), None, steward);
        let mut out = Vec::new();
        line.reconnected(0);
        for second in 0..120_u64 {
            let now_us = second * 1_000_000;
            let tick_us = now_us + 5_000_000;
            line.feed(&frame(tick_us, &Message::Co2(Co2 { status: 0, ppm: 430 })), now_us, &mut out);
            while let Some(bytes) = line.command(now_us + 1_000) {
                CommandDecoder::new().feed(&bytes, |event| {
                    let CommandEvent::Frame { header, command } = event else { return };
                    let answer = match command {
                        tournee_link::Command::TimeSync(host_us) => Message::TimeSync(TimeSync {
                            id: header.id,
                            host_us,
                            received_us: tick_us + 3_000,
                            sent_us: tick_us + 3_000,
                        }),
                        _ => Message::Ack(tournee_link::Ack { id: header.id, value: 0 }),
                    };
                    line.feed(&frame(tick_us + 3_000, &answer), now_us + 5_000, &mut out);
                });
            }
            line.host_time(now_us + 6_000, |policy| {
                (policy == HostTime::Synchronised)
                    .then_some(HostNow { utc_us: UTC_US + now_us as i64 + 6_000, error_us: 10 })
            });
        }
        line.finish(&mut out);
        out.into_iter().filter(|sample| sample.stream == Stream::Air).collect()
    }

    #[test]
    fn a_box_under_a_roof_gets_its_time_from_this_computer() {
        let air = under_a_roof("");
        assert_eq!(air.len(), 120);
        for row in &air {
            let tick_us = row.get(field::TICK_US).unwrap();
            assert_eq!(row.get(field::T_US), Some(UTC_US + tick_us - 5_000_000), "the round trip is taken off");
            assert!(row.get(field::FLAGS).unwrap() & i64::from(flags::TIME_FROM_HOST) != 0);
        }
        let never = under_a_roof("[clock]\nhost_time = \"never\"");
        assert!(never.iter().all(|row| row.get(field::T_US).is_none()), "not asked for");
    }
}
