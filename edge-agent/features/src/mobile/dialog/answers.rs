//! What the dialog makes of a line, and of the end of an answer.

use super::script::{self, Final};
use super::{Dialog, EMPTY_MAX, Event, Phase, Waiting};
use crate::mobile::parse::{self, Report, Unparseable};

impl Dialog {
    pub(super) fn line(&mut self, line: &str) {
        let line = line.trim();
        if script::is_start(line) {
            self.restarted();
            self.echo_stuck = false;
            self.sleep(self.config.start_us);
        } else if script::is_stop(line) {
            self.pause();
        } else if script::is_echo(line) {
            self.echo_seen |= self.echo_off && self.waiting.is_some_and(|waiting| waiting.command.trim_end() == line);
        } else if let Some(end) = script::final_result(line) {
            match self.waiting.take() {
                Some(waiting) => self.ended(waiting, end),
                None => self.counters.stray += 1,
            }
        } else if !line.is_empty() {
            self.content(line);
        }
    }

    fn content(&mut self, line: &str) {
        if let Some(waiting) = &mut self.waiting
            && script::answers(waiting.command, line)
        {
            waiting.answered = true;
            if let Some(ready) = script::sim_ready(line) {
                self.sim_answer = ready;
                return;
            }
        }
        // Before the set-up an answer may be an old one, or not in the form that the set-up asks for.
        let listening = matches!(self.phase, Phase::Idle | Phase::Asking(_));
        match parse::parse(line, &self.profile) {
            Ok(Some(report)) if listening => {
                // What comes by itself is not counted as an answer of the round.
                let by_itself = matches!(&report, Report::Registration(one) if one.mode.is_none());
                self.service_said |= matches!(report, Report::Serving(..));
                self.reports += u32::from(!by_itself);
                self.emit(Event::Report(report));
            }
            Ok(_) => {}
            Err(why) => {
                match why {
                    Unparseable::Broken => self.counters.broken += 1,
                    Unparseable::Unknown => self.counters.unknown += 1,
                }
                self.kept.keep(line);
            }
        }
    }

    /// A command has its final result.
    fn ended(&mut self, waiting: Waiting, end: Final) {
        self.silent = false;
        self.counters.refusals += u64::from(end != Final::Ok);
        match self.phase {
            // Whatever it answers, it is there.
            Phase::Syncing => self.phase = Phase::Settling { until_us: self.now_us + self.config.settle_us },
            Phase::SettingUp(at) => self.set_up_ended(at, waiting, end),
            Phase::Asking(at) => self.ask_ended(at, waiting, end),
            // Nothing is asked in the other phases.
            Phase::Asleep { .. } | Phase::Settling { .. } | Phase::Idle => {}
        }
    }

    fn set_up_ended(&mut self, at: usize, waiting: Waiting, end: Final) {
        self.phase = Phase::SettingUp(at + 1);
        match waiting.command {
            script::ECHO_OFF => self.echo_off = end == Final::Ok,
            script::NUMBERED_ERRORS => self.numbered_errors = end == Final::Ok,
            // Not an answer about the SIM, but one that belongs to another command.
            script::SIM if end == Final::Ok && !waiting.answered => {
                self.counters.empty += 1;
                self.pause();
            }
            script::SIM => {
                let ready = match end {
                    Final::Ok => self.sim_answer,
                    Final::NotKnown => true,
                    Final::Error => self.numbered_errors,
                    Final::NoSim | Final::NoNetwork => false,
                };
                if ready {
                    self.sim = Some(true);
                } else {
                    self.without_sim();
                }
            }
            _ => {}
        }
    }

    fn without_sim(&mut self) {
        if self.sim != Some(false) {
            self.emit(Event::NoSim);
        }
        self.sim = Some(false);
        self.counters.no_sim += 1;
        self.pause();
    }

    fn ask_ended(&mut self, at: usize, waiting: Waiting, end: Final) {
        self.phase = Phase::Asking(at + 1);
        let refused = self.refused.get_mut(at);
        match end {
            Final::Ok if waiting.answered => {
                self.empty = 0;
                if let Some(count) = refused {
                    *count = 0;
                }
            }
            Final::Ok => {
                self.counters.empty += 1;
                self.empty += 1;
                if self.empty >= EMPTY_MAX {
                    self.pause();
                }
            }
            Final::NoNetwork => {
                if !self.service_said {
                    self.service_said = true;
                    self.reports += 1;
                    self.emit(Event::NoService);
                }
            }
            Final::NoSim => self.without_sim(),
            Final::Error | Final::NotKnown => {
                if let Some(count) = refused {
                    *count = count.saturating_add(1);
                }
            }
        }
    }
}
