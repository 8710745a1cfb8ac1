//! One bar per stage on a terminal, one line per stage elsewhere.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Instant;

/// The bars of the demo.
pub struct Stages {
    bars: MultiProgress,
    terminal: bool,
    started: Instant,
}

/// One stage.
pub struct Stage {
    bar: ProgressBar,
    name: &'static str,
    terminal: bool,
    started: Instant,
}

impl Stages {
    /// Draws on standard error, so that standard output stays clean for figures.
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), terminal, started: Instant::now() }
    }

    /// A new stage of `length` steps.
    pub fn stage(&self, name: &'static str, length: u64) -> Stage {
        let bar = self.bars.add(ProgressBar::new(length.max(1)));
        if let Ok(style) = ProgressStyle::with_template("{prefix:<26} {bar:32} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        Stage { bar, name, terminal: self.terminal, started: Instant::now() }
    }

    /// Seconds since the demo began.
    pub fn elapsed_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

impl Stage {
    /// Sets how far it is.
    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// Ends the stage with what came of it.
    pub fn done(self, result: &str) {
        if self.terminal {
            self.bar.set_position(self.bar.length().unwrap_or(1));
            self.bar.finish_with_message(result.to_owned());
        } else {
            eprintln!("{:<26} {:>6.1} s  {result}", self.name, self.started.elapsed().as_secs_f64());
        }
    }
}
