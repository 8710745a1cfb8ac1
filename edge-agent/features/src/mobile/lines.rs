//! From the bytes of a serial line to lines, and a short memory of the lines that nobody understood.

use std::collections::VecDeque;

/// A line longer than this is none; the longest answer to a question of ours has about 160 bytes.
pub const LINE_BYTES_MAX: usize = 512;

/// Cuts at CR and LF; keeps no more than one line of at most [`LINE_BYTES_MAX`] bytes.
#[derive(Clone, Debug, Default)]
pub struct LineSplitter {
    line: Vec<u8>,
    /// The line is too long already: its rest is dropped too.
    skipping: bool,
    overlong: u64,
}

impl LineSplitter {
    /// Takes bytes and hands over every whole line that is not empty. What is no UTF-8 is replaced.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&str)) {
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => {
                    if !self.skipping && !self.line.is_empty() {
                        take(&String::from_utf8_lossy(&self.line));
                    }
                    self.clear();
                }
                _ if self.skipping => {}
                _ if self.line.len() == LINE_BYTES_MAX => {
                    self.overlong += 1;
                    self.line.clear();
                    self.skipping = true;
                }
                _ => self.line.push(*byte),
            }
        }
    }

    /// Forgets a line that has begun: the port was opened anew.
    pub fn clear(&mut self) {
        self.line.clear();
        self.skipping = false;
    }

    /// Lines that were too long.
    #[must_use]
    pub fn overlong(&self) -> u64 {
        self.overlong
    }
}

/// Lines that are kept, and characters of each.
const KEPT_MAX: usize = 8;
const KEPT_CHARS_MAX: usize = 200;

/// Counts lines and keeps the last eight, each up to 200 characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptLines {
    count: u64,
    last: VecDeque<String>,
}

impl KeptLines {
    /// Counts a line and keeps it. A line that is there already is counted only, so that one that repeats does not push
    /// the others out.
    pub fn keep(&mut self, line: &str) {
        self.count += 1;
        let end = line.char_indices().nth(KEPT_CHARS_MAX).map_or(line.len(), |(at, _)| at);
        let line = line.get(..end).unwrap_or(line);
        if self.last.iter().any(|kept| kept == line) {
            return;
        }
        if self.last.len() == KEPT_MAX {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }

    /// Lines so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The last ones, oldest first, none twice.
    pub fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(splitter: &mut LineSplitter, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        splitter.feed(bytes, |line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn lines_end_with_any_end() {
        let mut splitter = LineSplitter::default();
        assert_eq!(lines(&mut splitter, b"AT+CSQ\r\r\n+CSQ: 17,99\r\n\r\nO"), ["AT+CSQ", "+CSQ: 17,99"]);
        assert_eq!(lines(&mut splitter, b"K\n\xff\n"), ["OK", "\u{fffd}"]);
    }

    #[test]
    fn a_line_without_end_is_counted_and_does_not_grow() {
        let mut splitter = LineSplitter::default();
        assert!(lines(&mut splitter, &[b'x'; 5000]).is_empty());
        assert!(splitter.line.capacity() <= 2 * LINE_BYTES_MAX);
        assert_eq!(lines(&mut splitter, b"rest\r\nOK\r\n"), ["OK"]);
        assert_eq!(splitter.overlong(), 1);
        let whole = vec![b'y'; LINE_BYTES_MAX];
        assert!(lines(&mut splitter, &whole).is_empty());
        assert_eq!(lines(&mut splitter, b"\r").first().map(String::len), Some(LINE_BYTES_MAX));
    }

    #[test]
    fn kept_lines_are_few_short_and_different() {
        let mut kept = KeptLines::default();
        for n in 0..100 {
            kept.keep(&format!("{n} {}", "é".repeat(900)));
            kept.keep("again");
        }
        assert_eq!((kept.count(), kept.last().count()), (200, KEPT_MAX));
        assert!(kept.last().all(|line| line.chars().count() <= KEPT_CHARS_MAX));
        assert!(kept.last().any(|line| line.starts_with("99 ")) && kept.last().any(|line| line == "again"));
    }
}
