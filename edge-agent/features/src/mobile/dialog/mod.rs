//! Asking a modem, without touching its port: one command at a time, at most one round of questions a second.
//!
//! The owner of the port calls [`Dialog::poll`] and writes what it returns, [`Dialog::feed`] with what it reads, both with
//! the same clock that only goes forward, and takes the [`Event`]s. It sleeps until [`Dialog::wake_us`] or until bytes come.
//!
//! ```text
//! Asleep ──AT──▶ Syncing ──answered──▶ Settling ──quiet──▶ SettingUp ──SIM ready──▶ Idle ⇄ Asking
//!    ▲              │ silent                                   │ no SIM                     │ silent, or answers
//!    └── back-off ──┴──────────────────────────────────────────┴────────────────────────────┘ that do not fit
//! ```
//!
//! A line that announces a start of the modem leads to Asleep from everywhere: its settings are lost. So does silence:
//! after it an answer may come late and would be taken for that of the next command, so everything that arrives while
//! Settling is thrown away.

mod answers;
mod script;
mod types;

use std::collections::VecDeque;

use super::lines::{KeptLines, LineSplitter};
use crate::profile::MobileProfile;
use script::{ASK, Ask, SET_UP, SYNC};
pub use types::{DialogConfig, DialogCounters, Event};

/// Events that wait; a round makes about fifteen.
const EVENTS_MAX: usize = 64;
/// After so many refusals in a row a question is left out, until the modem starts again or [`RETRY_ROUNDS`] have passed.
const REFUSALS_MAX: u8 = 3;
const RETRY_ROUNDS: u64 = 600;
/// After so many empty answers in a row question and answer are believed to be out of step.
const EMPTY_MAX: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Asleep { until_us: i64 },
    Syncing,
    Settling { until_us: i64 },
    SettingUp(usize),
    Idle,
    Asking(usize),
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    command: &'static str,
    until_us: i64,
    /// The line that the command asks for has come.
    answered: bool,
}

/// The dialog with one modem.
#[derive(Debug)]
pub struct Dialog {
    config: DialogConfig,
    profile: MobileProfile,
    splitter: LineSplitter,
    kept: KeptLines,
    phase: Phase,
    waiting: Option<Waiting>,
    /// Latest time seen: a clock that steps back must not lead to a flood.
    now_us: i64,
    round_at_us: Option<i64>,
    round: u64,
    reports: u32,
    /// This round has said whether there is service.
    service_said: bool,
    refused: [u8; ASK.len()],
    empty: u8,
    pauses: u32,
    silent: bool,
    sim: Option<bool>,
    sim_answer: bool,
    /// The modem numbers its errors, so that a plain ERROR to the SIM question means that it does not know the question.
    numbered_errors: bool,
    echo_off: bool,
    echo_seen: bool,
    echo_stuck: bool,
    events: VecDeque<Event>,
    counters: DialogCounters,
}

impl Dialog {
    /// A dialog that begins at the first poll.
    #[must_use]
    pub fn new(config: DialogConfig, profile: MobileProfile) -> Self {
        Self {
            config: config.checked(),
            profile,
            splitter: LineSplitter::default(),
            kept: KeptLines::default(),
            phase: Phase::Asleep { until_us: i64::MIN },
            waiting: None,
            now_us: i64::MIN,
            round_at_us: None,
            round: 0,
            reports: 0,
            service_said: false,
            refused: [0; ASK.len()],
            empty: 0,
            pauses: 0,
            silent: false,
            sim: None,
            sim_answer: false,
            numbered_errors: false,
            echo_off: false,
            echo_seen: false,
            echo_stuck: false,
            events: VecDeque::new(),
            counters: DialogCounters::default(),
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> DialogCounters {
        DialogCounters { overlong: self.splitter.overlong(), ..self.counters }
    }

    /// The last lines that were not understood.
    #[must_use]
    pub fn kept(&self) -> &KeptLines {
        &self.kept
    }

    /// Whether the last question was answered, where one was asked.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// The next event.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The port was opened anew: what was asked before is not answered any more.
    pub fn reopened(&mut self, now_us: i64) {
        self.clock(now_us);
        self.splitter.clear();
        self.sleep(0);
    }

    /// When `poll` is due again, on the clock of its argument; bytes that arrive may make it earlier.
    #[must_use]
    pub fn wake_us(&self) -> i64 {
        if let Some(waiting) = &self.waiting {
            return waiting.until_us;
        }
        match self.phase {
            Phase::Asleep { until_us } | Phase::Settling { until_us } => until_us,
            Phase::Idle => self.next_round_us(),
            Phase::Syncing | Phase::SettingUp(_) | Phase::Asking(_) => self.now_us,
        }
    }

    /// What to write now, with its end of line. Call again after writing: after a time-out there may be nothing to write.
    pub fn poll(&mut self, now_us: i64) -> Option<&'static [u8]> {
        self.clock(now_us);
        if let Some(waiting) = self.waiting {
            if self.now_us < waiting.until_us {
                return None;
            }
            self.counters.timeouts += 1;
            if !self.silent {
                self.silent = true;
                self.emit(Event::Silent);
            }
            self.pause();
        }
        // Each turn moves on; the bound keeps a mistake here from being an endless loop.
        for _ in 0..=ASK.len() + SET_UP.len() {
            match self.phase {
                Phase::Asleep { until_us } | Phase::Settling { until_us } if self.now_us < until_us => return None,
                Phase::Asleep { .. } => {
                    self.phase = Phase::Syncing;
                    return self.write(SYNC);
                }
                Phase::Settling { .. } => self.set_up(),
                Phase::Syncing => self.sleep(0),
                Phase::SettingUp(at) => match SET_UP.get(at) {
                    Some(command) => return self.write(command),
                    None => self.phase = Phase::Idle,
                },
                Phase::Idle if self.now_us < self.next_round_us() => return None,
                Phase::Idle => self.begin_round(),
                Phase::Asking(at) => match ASK.get(at) {
                    None => self.end_round(),
                    Some(ask) if self.leaves_out(at, ask) => self.phase = Phase::Asking(at + 1),
                    Some(ask) => return self.write(ask.command),
                },
            }
        }
        None
    }

    /// Takes bytes of the port.
    pub fn feed(&mut self, bytes: &[u8], now_us: i64) {
        self.clock(now_us);
        let mut splitter = std::mem::take(&mut self.splitter);
        splitter.feed(bytes, |line| self.line(line));
        self.splitter = splitter;
    }

    /// Takes one line without its end.
    pub fn feed_line(&mut self, line: &str, now_us: i64) {
        self.clock(now_us);
        self.line(line);
    }

    fn clock(&mut self, now_us: i64) {
        // Half the range is left free for what is added.
        self.now_us = self.now_us.max(now_us.clamp(i64::MIN / 2, i64::MAX / 2));
    }

    fn emit(&mut self, event: Event) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
            self.counters.events_lost += 1;
        }
        self.events.push_back(event);
    }

    fn write(&mut self, command: &'static str) -> Option<&'static [u8]> {
        self.counters.commands += 1;
        self.waiting = Some(Waiting { command, until_us: self.now_us + self.config.answer_us, answered: false });
        Some(command.as_bytes())
    }

    fn sleep(&mut self, pause_us: i64) {
        self.waiting = None;
        self.phase = Phase::Asleep { until_us: self.now_us.saturating_add(pause_us) };
    }

    /// Sleeps longer each time, until a round ends well.
    fn pause(&mut self) {
        let pause_us = self.config.pause_first_us.saturating_mul(1 << self.pauses.min(30));
        self.pauses = self.pauses.saturating_add(1);
        self.sleep(pause_us.min(self.config.pause_max_us));
    }

    fn set_up(&mut self) {
        self.phase = Phase::SettingUp(0);
        self.refused = [0; ASK.len()];
        self.empty = 0;
        (self.numbered_errors, self.echo_off, self.echo_seen) = (false, false, false);
    }

    fn next_round_us(&self) -> i64 {
        self.round_at_us.map_or(i64::MIN, |at| at.saturating_add(self.config.round_us))
    }

    fn begin_round(&mut self) {
        self.round_at_us = Some(self.now_us);
        self.round += 1;
        if self.round.is_multiple_of(RETRY_ROUNDS) {
            self.refused = [0; ASK.len()];
        }
        (self.reports, self.service_said) = (0, false);
        self.phase = Phase::Asking(0);
    }

    fn end_round(&mut self) {
        self.counters.rounds += 1;
        self.emit(Event::Round { reports: self.reports });
        self.pauses = 0;
        self.phase = Phase::Idle;
        if self.echo_seen && !self.echo_stuck {
            // The echo was off and is back: the modem has started again without a word, its settings are lost. Where it
            // cannot be switched off at all, this is tried once.
            self.echo_stuck = true;
            self.restarted();
            self.set_up();
        } else if !self.echo_seen {
            self.echo_stuck = false;
        }
        self.echo_seen = false;
    }

    fn restarted(&mut self) {
        self.counters.restarts += 1;
        self.emit(Event::Restarted);
    }

    /// A question that the modem refuses, or a slow one out of turn. Without a serving cell command the slow ones are all
    /// there is, so they are asked each time.
    fn leaves_out(&self, at: usize, ask: &Ask) -> bool {
        let refused = |at: usize| self.refused.get(at).is_some_and(|count| *count >= REFUSALS_MAX);
        let turn = self.round % u64::from(self.config.slow_every) == 1 % u64::from(self.config.slow_every);
        refused(at) || (ask.slow && !turn && !refused(0))
    }
}
