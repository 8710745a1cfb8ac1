//! The modem's own serial port.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tournee_features::mobile::dialog::DialogConfig;

use super::{ConfigError, refused, within};

/// The modem's own serial port, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModemSettings {
    /// The device of its AT commands; empty: none, the box hands the modem's lines on.
    pub path: PathBuf,
    /// Bits per second.
    pub baud: u32,
    /// Milliseconds from one round of questions to the next.
    pub round_ms: u64,
    /// Milliseconds that an answer may take.
    pub answer_ms: u64,
    /// Milliseconds of the first pause after silence; it doubles.
    pub pause_first_ms: u64,
    /// Milliseconds of the longest pause after silence.
    pub pause_most_ms: u64,
    /// Milliseconds of quiet after the first answer.
    pub settle_ms: u64,
    /// Milliseconds that the modem needs after its start.
    pub start_ms: u64,
    /// Slow questions are asked in every so many-th round.
    pub slow_every: u32,
}

impl Default for ModemSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            baud: 115_200,
            round_ms: 1_000,
            answer_ms: 3_000,
            pause_first_ms: 1_000,
            pause_most_ms: 60_000,
            settle_ms: 300,
            start_ms: 3_000,
            slow_every: 10,
        }
    }
}

impl ModemSettings {
    /// Whether the modem has a port of its own.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.path.as_os_str().is_empty()
    }

    /// The times of the dialog.
    ///
    /// # Errors
    /// A value out of its range, a port that is also that of the box.
    pub fn dialog(&self, box_path: &std::path::Path) -> Result<DialogConfig, ConfigError> {
        within("modem.baud", u64::from(self.baud), 1_200..=4_000_000)?;
        within("modem.round_ms", self.round_ms, 1_000..=3_600_000)?;
        within("modem.answer_ms", self.answer_ms, 100..=60_000)?;
        within("modem.pause_first_ms", self.pause_first_ms, 1_000..=3_600_000)?;
        within("modem.pause_most_ms", self.pause_most_ms, self.pause_first_ms..=3_600_000)?;
        within("modem.settle_ms", self.settle_ms, 0..=10_000)?;
        within("modem.start_ms", self.start_ms, 0..=60_000)?;
        within("modem.slow_every", u64::from(self.slow_every), 1..=3_600)?;
        if self.is_on() && self.path == box_path {
            let value = self.path.display().to_string();
            return Err(refused("modem.path", &value, "another device than serial.path: a line has one reader"));
        }
        // In range, so no number overflows.
        let us = |ms: u64| i64::try_from(ms).unwrap_or(3_600_000).saturating_mul(1_000);
        Ok(DialogConfig {
            round_us: us(self.round_ms),
            answer_us: us(self.answer_ms),
            pause_first_us: us(self.pause_first_ms),
            pause_max_us: us(self.pause_most_ms),
            settle_us: us(self.settle_ms),
            start_us: us(self.start_ms),
            slow_every: self.slow_every,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_defaults_are_those_of_the_dialog() {
        assert_eq!(ModemSettings::default().dialog(Path::new("")).unwrap(), DialogConfig::default());
    }

    #[test]
    fn refusals_name_the_key_and_the_range() {
        let text = |change: &dyn Fn(&mut ModemSettings)| {
            let mut settings = ModemSettings { path: "/dev/ttyUSB2".into(), ..ModemSettings::default() };
            change(&mut settings);
            settings.dialog(Path::new("/dev/ttyACM0")).unwrap_err().to_string()
        };
        let round = text(&|it| it.round_ms = 999);
        assert!(round.contains("modem.round_ms = 999 is not accepted: 1000 to 3600000"), "{round}");
        let most = text(&|it| (it.pause_first_ms, it.pause_most_ms) = (5_000, 4_000));
        assert!(most.contains("modem.pause_most_ms = 4000 is not accepted: 5000 to 3600000"), "{most}");
        assert!(text(&|it| it.answer_ms = u64::MAX).contains("modem.answer_ms"));
        assert!(text(&|it| it.baud = 1).contains("modem.baud"));
        assert!(text(&|it| it.settle_ms = 10_001).contains("modem.settle_ms"));
        assert!(text(&|it| it.start_ms = 60_001).contains("modem.start_ms"));
        assert!(text(&|it| it.slow_every = 0).contains("modem.slow_every"));
        let same = text(&|it| it.path = "/dev/ttyACM0".into());
        assert!(same.contains("modem.path = /dev/ttyACM0 is not accepted: another device than serial.path"), "{same}");
    }
}
