//! Settings, events and counters of the dialog.

use crate::mobile::parse::Report;

/// Times of the dialog, µs. Values outside of what is sensible are brought to the nearest that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogConfig {
    /// From one round of questions to the next, at least one second.
    pub round_us: i64,
    /// How long a command may take. The ones asked here read what the modem knows; 300 ms is usual.
    pub answer_us: i64,
    /// First pause after silence; it doubles up to `pause_max_us`.
    pub pause_first_us: i64,
    /// Longest pause after silence.
    pub pause_max_us: i64,
    /// Quiet time after the first answer, for answers that come late.
    pub settle_us: i64,
    /// What a modem needs after it has announced its start.
    pub start_us: i64,
    /// Slow questions (operator, other registrations) are asked in every so many-th round.
    pub slow_every: u32,
}

impl Default for DialogConfig {
    fn default() -> Self {
        Self {
            round_us: 1_000_000,
            answer_us: 3_000_000,
            pause_first_us: 1_000_000,
            pause_max_us: 60_000_000,
            settle_us: 300_000,
            start_us: 3_000_000,
            slow_every: 10,
        }
    }
}

impl DialogConfig {
    pub(super) fn checked(mut self) -> Self {
        const HOUR_US: i64 = 3_600_000_000;
        self.round_us = self.round_us.clamp(1_000_000, HOUR_US);
        self.answer_us = self.answer_us.clamp(100_000, HOUR_US);
        self.pause_first_us = self.pause_first_us.clamp(1_000_000, HOUR_US);
        self.pause_max_us = self.pause_max_us.clamp(self.pause_first_us, HOUR_US);
        self.settle_us = self.settle_us.clamp(0, HOUR_US);
        self.start_us = self.start_us.clamp(0, HOUR_US);
        self.slow_every = self.slow_every.max(1);
        self
    }
}

/// What the dialog found out; `MobileStage::event` makes rows of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A line about the radio.
    Report(Report),
    /// The modem answered that no network serves it. At most once a round.
    NoService,
    /// A round is over; so many reports came in it. None: the modem refuses every question.
    Round {
        /// Reports and answers of no service.
        reports: u32,
    },
    /// The modem does not answer. Once per silence.
    Silent,
    /// The modem has no usable SIM: it is not asked about the radio, because "no service" would be a fault of the box and
    /// no hole in the coverage. Once until it has one.
    NoSim,
    /// The modem has started by itself.
    Restarted,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialogCounters {
    /// Commands written.
    pub commands: u64,
    /// Rounds finished.
    pub rounds: u64,
    /// Commands without a final result in time.
    pub timeouts: u64,
    /// Commands refused with an error.
    pub refusals: u64,
    /// Commands that ended well without the line they ask for.
    pub empty: u64,
    /// Final results that no command waited for.
    pub stray: u64,
    /// Starts of the modem, announced or found by its echo.
    pub restarts: u64,
    /// Checks that found no usable SIM.
    pub no_sim: u64,
    /// Lines longer than any answer.
    pub overlong: u64,
    /// Radio lines that were not understood.
    pub broken: u64,
    /// Lines about something else.
    pub unknown: u64,
    /// Events that nobody took in time.
    pub events_lost: u64,
}
