//! Bytes of a GNSS receiver to fixes, by the reader that runs in the box.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

use tournee_drivers::gnss::{Event, Fix, H_ACC_UNKNOWN_MM, Limits, Receiver};
use tournee_link::{Gnss, Message};

use super::source::{Item, Source};

const READ_BYTES: usize = 4_096;

pub struct GnssLog {
    file: File,
    receiver: Receiver,
    waiting: VecDeque<Item>,
    last_us: Option<i64>,
    untimed: u64,
    not_after_the_last: u64,
    at_end: bool,
}

impl GnssLog {
    pub fn new(file: File, earliest_us: i64) -> Self {
        let limits = Limits { utc_floor_us: earliest_us, ..Limits::default() };
        Self {
            file,
            receiver: Receiver::new(limits),
            waiting: VecDeque::new(),
            last_us: None,
            untimed: 0,
            not_after_the_last: 0,
            at_end: false,
        }
    }

    fn take(&mut self, events: Vec<Event>) {
        for event in events {
            let Event::Fix(fix) = event else { continue };
            if fix.utc_us == 0 {
                self.untimed += 1;
            } else if self.last_us.is_some_and(|last_us| fix.utc_us <= last_us) {
                self.not_after_the_last += 1;
            } else {
                self.last_us = Some(fix.utc_us);
                self.waiting.push_back(Item { t_us: fix.utc_us, message: message(&fix) });
            }
        }
    }
}

impl Source for GnssLog {
    fn next(&mut self) -> io::Result<Option<Item>> {
        while self.waiting.is_empty() && !self.at_end {
            let mut buffer = [0_u8; READ_BYTES];
            let count = self.file.read(&mut buffer)?;
            let mut events = Vec::new();
            if count == 0 {
                self.at_end = true;
                // The last epoch has no next one to end it.
                self.receiver.line_idle(|event| events.push(event));
            } else {
                self.receiver.feed(buffer.get(..count).unwrap_or_default(), |event| events.push(event));
            }
            self.take(events);
        }
        Ok(self.waiting.pop_front())
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("epochs without a time", self.untimed),
            ("epochs not after the last", self.not_after_the_last),
            ("frames and sentences refused", u64::from(self.receiver.counters().refused_in_all())),
        ]
    }
}

/// As the box does it.
fn message(fix: &Fix) -> Message {
    // The contract says 0 for an accuracy that the receiver does not state.
    let h_acc_mm = if fix.h_acc_mm == H_ACC_UNKNOWN_MM { 0 } else { fix.h_acc_mm };
    Message::Gnss(Gnss {
        utc_us: fix.utc_us,
        fix: fix.fix,
        sats: fix.sats,
        hdop_centi: fix.hdop_centi,
        lat_e7: fix.lat_e7,
        lon_e7: fix.lon_e7,
        h_acc_mm,
        speed_mmps: fix.speed_mmps,
        heading_cdeg: fix.heading_cdeg,
    })
}
