//! A modem's log: lines with the second at which each was said.

use std::fs::File;
use std::io;

use tournee_link::{MODEM_LINE_MAX, Message, ModemLine};

use super::source::{Item, Lines, Source, micros};

pub struct ModemLog {
    lines: Lines,
    last_us: Option<i64>,
    unstamped: u64,
    too_long: u64,
    out_of_order: u64,
}

impl ModemLog {
    pub fn new(file: File) -> Self {
        Self { lines: Lines::new(file), last_us: None, unstamped: 0, too_long: 0, out_of_order: 0 }
    }
}

/// Time and text of a line `SECONDS TEXT`.
pub fn stamped(line: &str) -> Option<(i64, &str)> {
    let (seconds, text) = line.trim().split_once([' ', '\t', ','])?;
    let t_us = seconds.parse::<f64>().ok().and_then(micros).filter(|t_us| *t_us >= 0)?;
    let text = text.trim();
    (text.starts_with('+') || text.starts_with("AT") || matches!(text, "OK" | "ERROR")).then_some((t_us, text))
}

impl Source for ModemLog {
    fn next(&mut self) -> io::Result<Option<Item>> {
        while let Some(line) = self.lines.next()? {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((t_us, text)) = stamped(&line) else {
                self.unstamped += 1;
                continue;
            };
            // Several lines of one answer have the same second.
            if self.last_us.is_some_and(|last_us| t_us < last_us) {
                self.out_of_order += 1;
                continue;
            }
            if text.len() > MODEM_LINE_MAX {
                self.too_long += 1;
                continue;
            }
            let Ok(text) = text.try_into() else {
                self.too_long += 1;
                continue;
            };
            self.last_us = Some(t_us);
            return Ok(Some(Item { t_us, message: Message::ModemLine(ModemLine { text }) }));
        }
        Ok(None)
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("lines without a time or not of a modem", self.unstamped),
            ("lines that are too long", self.too_long + self.lines.cut),
            ("lines out of order", self.out_of_order),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_second_first() {
        assert_eq!(stamped("12.25 +CSQ: 20,99"), Some((12_250_000, "+CSQ: 20,99")));
        assert_eq!(stamped("1780000000\tOK"), Some((1_780_000_000_000_000, "OK")));
        for no in ["+CSQ: 20,99", "x +CSQ: 1", "1 hello", "-1 OK", "nan OK", "inf OK", "1e300 OK", ""] {
            assert_eq!(stamped(no), None, "{no}");
        }
    }
}
