//! Loss by sequence number.

/// What a sequence number says about the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first message after the tracker was made or reset: nothing is known of what came before.
    First,
    /// The next one.
    InOrder,
    /// Some are missing before this one.
    Lost(u32),
    /// The box has restarted: its sequence begins again; this many of the new boot are missing before this one.
    NewBoot {
        /// Missing from the start of the new boot.
        lost: u32,
    },
    /// One that is not newer than the last: a repetition, or out of order.
    Late,
}

/// Counts what is missing. A box numbers its messages before its send queue, so that a hole is a loss, always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeqTracker {
    last: Option<(u32, u32)>,
    lost: u64,
    late: u64,
    boots: u64,
}

impl SeqTracker {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None, lost: 0, late: 0, boots: 0 }
    }

    /// Takes one message's identity, also of messages that are unknown.
    pub fn track(&mut self, boot_id: u32, seq: u32) -> Arrival {
        let arrival = match self.last {
            None => {
                self.boots += 1;
                Arrival::First
            }
            Some((boot, _)) if boot != boot_id => {
                self.boots += 1;
                self.lost += u64::from(seq);
                Arrival::NewBoot { lost: seq }
            }
            // Half the range ahead is newer, half is older: the counter may wrap.
            Some((_, last)) => match seq.wrapping_sub(last) {
                1 => Arrival::InOrder,
                ahead @ 2..=0x7fff_ffff => {
                    self.lost += u64::from(ahead - 1);
                    Arrival::Lost(ahead - 1)
                }
                _ => {
                    self.late += 1;
                    return Arrival::Late;
                }
            },
        };
        self.last = Some((boot_id, seq));
        arrival
    }

    /// To call after a reconnection at which the box may have restarted unseen; the counters stay.
    pub fn reset(&mut self) {
        self.last = None;
    }

    /// Messages missing so far.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Repeated or out-of-order messages so far.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Boots seen so far; a reset counts the same boot again.
    #[must_use]
    pub const fn boots(&self) -> u64 {
        self.boots
    }
}
