//! What waits for the line: in order, bounded, numbered before it waits.

use heapless::Deque;
use tournee_link::{Header, Message, PROTO};

/// Messages that may wait.
pub const QUEUE_CAPACITY: usize = 48;

/// How much a message matters when the line is full; less comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Answers, states, health.
    Control = 0,
    /// Sensors of a few values a second.
    Slow = 1,
    /// Acceleration blocks.
    Accel = 2,
    /// Parts of infrared pictures.
    Thermal = 3,
}

impl Class {
    /// The class of a message.
    #[must_use]
    pub const fn of(message: &Message) -> Self {
        match message {
            Message::Accel(_) => Self::Accel,
            Message::Thermal(_) => Self::Thermal,
            Message::Gnss(_)
            | Message::Pps(_)
            | Message::Pm(_)
            | Message::Climate(_)
            | Message::Co2(_)
            | Message::No2(_)
            | Message::ModemLine(_) => Self::Slow,
            Message::Hello(_)
            | Message::Health(_)
            | Message::HelloV2(_)
            | Message::TimeSync(_)
            | Message::Ack(_)
            | Message::Nak(_)
            | Message::Config(_)
            | Message::SelfTest(_)
            | Message::SensorState(_)
            | Message::HealthV2(_) => Self::Control,
        }
    }
}

/// The send queue. Its order is the order of the numbers, always; when it is full, the oldest message of the least
/// important class in it makes room, and its number is missing on the line: a loss is a gap, always.
#[derive(Debug)]
pub struct SendQueue {
    boot_id: u32,
    next_seq: u32,
    waiting: Deque<(Header, Message), QUEUE_CAPACITY>,
    drops: [u32; 4],
}

impl SendQueue {
    /// Empty, at the start of a boot.
    #[must_use]
    pub const fn new(boot_id: u32) -> Self {
        Self { boot_id, next_seq: 0, waiting: Deque::new(), drops: [0; 4] }
    }

    /// Numbers a message and lets it wait.
    pub fn push(&mut self, tick_us: u64, message: Message) {
        let header = Header { proto: PROTO, boot_id: self.boot_id, seq: self.next_seq, tick_us };
        self.next_seq = self.next_seq.wrapping_add(1);
        let class = Class::of(&message);
        if self.waiting.is_full() {
            let worst = self.waiting.iter().map(|(_, waiting)| Class::of(waiting)).max().unwrap_or(class);
            let dropped = if worst >= class { worst } else { class };
            if let Some(drops) = self.drops.get_mut(dropped as usize) {
                *drops = drops.saturating_add(1);
            }
            if worst < class {
                return;
            }
            self.drop_oldest(worst);
        }
        // There is room now.
        let _ = self.waiting.push_back((header, message));
    }

    /// Takes the oldest of a class out; the order of the others stays. Each moves once, which a full line has time for.
    fn drop_oldest(&mut self, class: Class) {
        let mut found = false;
        for _ in 0..self.waiting.len() {
            let Some(entry) = self.waiting.pop_front() else { return };
            if !found && Class::of(&entry.1) == class {
                found = true;
            } else {
                // It has just been taken out.
                let _ = self.waiting.push_back(entry);
            }
        }
    }

    /// The next message for the line.
    pub fn pop(&mut self) -> Option<(Header, Message)> {
        self.waiting.pop_front()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Dropped so far, by [`Class`].
    #[must_use]
    pub const fn drops(&self) -> [u32; 4] {
        self.drops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tournee_link::{Ack, Co2, SeqTracker, Thermal};

    fn thermal() -> Message {
        let pixels_cdegc = Default::default();
        Message::Thermal(Thermal { camera: 0, frame: 0, chunk: 0, ambient_cdegc: 0, pixels_cdegc })
    }

    fn message(class: u8) -> Message {
        match class {
            0 => Message::Ack(Ack { id: 1, value: 0 }),
            1 => Message::Co2(Co2 { status: 0, ppm: 400 }),
            2 => {
                Message::Accel(tournee_link::Accel { odr_hz: 400, scale_ug: 122, lost: 0, samples: Default::default() })
            }
            _ => thermal(),
        }
    }

    #[test]
    fn an_answer_displaces_a_picture_and_never_the_other_way() {
        let mut queue = SendQueue::new(1);
        for _ in 0..QUEUE_CAPACITY {
            queue.push(0, message(0));
        }
        queue.push(0, thermal());
        assert_eq!(queue.drops(), [0, 0, 0, 1]);
        let mut queue = SendQueue::new(1);
        for _ in 0..QUEUE_CAPACITY {
            queue.push(0, thermal());
        }
        queue.push(0, message(0));
        assert_eq!(queue.drops(), [0, 0, 0, 1]);
        assert_eq!(queue.pop().map(|(header, _)| header.seq), Some(1));
    }

    proptest! {
        /// Goal: a loss is a gap, always. Method: any pushes and pops; the reader's gaps are the drops, in order.
        #[test]
        fn what_is_dropped_is_missing_and_nothing_else(steps in proptest::collection::vec((0_u8..4, any::<bool>()), 0..400)) {
            let mut queue = SendQueue::new(7);
            let mut tracker = SeqTracker::new();
            let mut pushed = 0_u64;
            let mut popped = 0_u64;
            let mut last = None;
            for (class, pop) in steps {
                queue.push(0, message(class));
                pushed += 1;
                if pop && let Some((header, _)) = queue.pop() {
                    prop_assert!(last < Some(header.seq));
                    last = Some(header.seq);
                    if popped == 0 && header.seq > 0 { tracker.track(7, u32::MAX); }
                    tracker.track(header.boot_id, header.seq);
                    popped += 1;
                }
            }
            queue.push(0, message(0));
            pushed += 1;
            while let Some((header, _)) = queue.pop() {
                if popped == 0 && header.seq > 0 { tracker.track(7, u32::MAX); }
                tracker.track(header.boot_id, header.seq);
                popped += 1;
            }
            let drops: u64 = queue.drops().iter().map(|drops| u64::from(*drops)).sum();
            prop_assert_eq!(pushed, popped + drops);
            prop_assert_eq!(tracker.lost(), drops);
        }
    }
}
