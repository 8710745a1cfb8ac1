//! How much a box may put into quarantine in a day. Beyond it nothing vanishes: it is counted per box, reason and day, and the
//! sums go to quarantine as rows of their own.
//!
//! The counts live in memory and, after every commit, in one small object per worker ([`QuarantineBudget::to_json`]). It is
//! written after the commit, not with it: a crash in between gives a box as much again as it had sent since the commit
//! before, which costs a little disk and never a row. Binding it to the transaction would cost an object more per commit for
//! a limit that need not be exact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Limits of a day, UTC, by the clock of ingest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineLimits {
    /// Rows of one box.
    pub rows_per_box: u64,
    /// Bytes of one box: refused messages, values of refused rows.
    pub bytes_per_box: u64,
    /// Rows of all boxes of a worker.
    pub rows: u64,
    /// Bytes of all boxes of a worker.
    pub bytes: u64,
}

impl Default for QuarantineLimits {
    /// 10,000 rows and 4 MiB for a box, 1,000,000 rows and 256 MiB for a worker.
    fn default() -> Self {
        Self { rows_per_box: 10_000, bytes_per_box: 4 << 20, rows: 1_000_000, bytes: 256 << 20 }
    }
}

/// Boxes that have an account of their own in a day; what further ones send goes to one account for all of them.
const BOXES_MAX: usize = 10_000;
/// Lines of sums that wait; further ones lose the name of their box, never their count.
const SUMS_MAX: usize = 16_384;
/// The name of that account: no box can have it.
const OTHERS: &str = "*";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    rows: u64,
    bytes: u64,
}

/// What was left out of quarantine, of one box, reason and day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Days since 1970.
    pub day: i32,
    /// The box; `*` for those beyond the number that is told apart, and for topics that name none.
    pub box_id: String,
    /// Why it was refused.
    pub reason: String,
    /// Rows, or messages that could not be read as rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The day's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QuarantineBudget {
    limits: QuarantineLimits,
    day: i32,
    all: Used,
    boxes: BTreeMap<String, Used>,
    /// By day, box and reason.
    left_out: BTreeMap<(i32, String, String), Used>,
    /// How often sums were taken out: the same sums taken out again after a crash are told by it.
    serial: u64,
    changed: bool,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    day: i32,
    all: Used,
    boxes: BTreeMap<String, Used>,
    left_out: Vec<LeftOut>,
    serial: u64,
}

const VERSION: u32 = 1;

impl QuarantineBudget {
    pub(crate) const fn new(limits: QuarantineLimits) -> Self {
        Self {
            limits,
            day: i32::MIN,
            all: Used { rows: 0, bytes: 0 },
            boxes: BTreeMap::new(),
            left_out: BTreeMap::new(),
            serial: 0,
            changed: false,
        }
    }

    /// Is there room for so much of this box? If so it is taken; if not it is counted as left out.
    pub(crate) fn take(&mut self, day: i32, box_id: Option<&str>, reason: &str, rows: u64, bytes: u64) -> bool {
        self.begin(day);
        self.changed = true;
        let name = box_id.filter(|name| self.boxes.contains_key(*name) || self.boxes.len() < BOXES_MAX);
        let name = name.unwrap_or(OTHERS);
        let used = self.boxes.get(name).copied().unwrap_or_default();
        let fits = |used: Used, most_rows: u64, most_bytes: u64| {
            used.rows.saturating_add(rows) <= most_rows && used.bytes.saturating_add(bytes) <= most_bytes
        };
        if fits(used, self.limits.rows_per_box, self.limits.bytes_per_box)
            && fits(self.all, self.limits.rows, self.limits.bytes)
        {
            add(self.boxes.entry(name.to_owned()).or_default(), rows, bytes);
            add(&mut self.all, rows, bytes);
            return true;
        }
        let mut key = (day, name.to_owned(), reason.to_owned());
        if self.left_out.len() >= SUMS_MAX && !self.left_out.contains_key(&key) {
            OTHERS.clone_into(&mut key.1);
        }
        add(self.left_out.entry(key).or_default(), rows, bytes);
        false
    }

    /// A new day has new room. The clock of ingest never goes back here: a day that is over is not begun again.
    fn begin(&mut self, day: i32) {
        if day > self.day {
            self.day = day;
            self.all = Used::default();
            self.boxes.clear();
        }
    }

    /// Takes out the sums of days that are over, or all of them; with the number of this taking.
    pub(crate) fn sums(&mut self, today: i32, all: bool) -> (u64, Vec<LeftOut>) {
        let kept = if all { BTreeMap::new() } else { self.left_out.split_off(&(today, String::new(), String::new())) };
        let over = std::mem::replace(&mut self.left_out, kept);
        if !over.is_empty() {
            self.serial = self.serial.wrapping_add(1);
            self.changed = true;
        }
        (self.serial, over.into_iter().map(line).collect())
    }

    /// Rows left out and not yet written as sums.
    pub(crate) fn left_out_rows(&self) -> u64 {
        self.left_out.values().fold(0, |sum, used| sum.saturating_add(used.rows))
    }

    /// The object to store, once per change.
    pub(crate) fn take_json(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.changed).then(|| self.to_json())
    }

    fn to_json(&self) -> Vec<u8> {
        let left_out = self.left_out.iter().map(|(key, used)| line((key.clone(), *used))).collect();
        let document = Document {
            version: VERSION,
            day: self.day,
            all: self.all,
            boxes: self.boxes.clone(),
            left_out,
            serial: self.serial,
        };
        // A map with text keys can always be written.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// Goes on from a stored object. One that cannot be read is as none: the day begins anew.
    pub(crate) fn resume(limits: QuarantineLimits, bytes: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if document.version != VERSION {
            return Err(format!("version {} of a newer program", document.version));
        }
        let left_out = document
            .left_out
            .into_iter()
            .map(|it| ((it.day, it.box_id, it.reason), Used { rows: it.rows, bytes: it.bytes }));
        Ok(Self {
            limits,
            day: document.day,
            all: document.all,
            boxes: document.boxes,
            left_out: left_out.collect(),
            serial: document.serial,
            changed: false,
        })
    }
}

fn add(used: &mut Used, rows: u64, bytes: u64) {
    used.rows = used.rows.saturating_add(rows);
    used.bytes = used.bytes.saturating_add(bytes);
}

fn line(((day, box_id, reason), used): ((i32, String, String), Used)) -> LeftOut {
    LeftOut { day, box_id, reason, rows: used.rows, bytes: used.bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: QuarantineLimits =
        QuarantineLimits { rows_per_box: 10, bytes_per_box: 1_000, rows: 25, bytes: 5_000 };

    #[test]
    fn a_box_has_its_room_and_the_rest_is_counted() {
        let mut budget = QuarantineBudget::new(LIMITS);
        for _ in 0..10 {
            assert!(budget.take(1, Some("a"), "checksum", 1, 10));
        }
        assert!(!budget.take(1, Some("a"), "checksum", 1, 10));
        assert!(!budget.take(1, Some("a"), "checksum", 1, 10));
        assert!(!budget.take(1, Some("b"), "out_of_range", 1, 1_001));
        assert!(budget.take(1, Some("b"), "out_of_range", 10, 0));
        assert!(budget.take(1, None, "topic_grammar", 5, 0));
        // The worker's own room is used up.
        assert!(!budget.take(1, Some("c"), "checksum", 1, 1));
        assert_eq!(budget.left_out_rows(), 4);

        // It goes on after a restart.
        let bytes = budget.take_json().unwrap();
        assert!(budget.take_json().is_none());
        let mut again = QuarantineBudget::resume(LIMITS, &bytes).unwrap();
        assert_eq!(again, budget);
        assert!(!again.take(1, Some("a"), "checksum", 1, 1));
        assert_eq!(again.sums(1, false), (0, Vec::new()));

        // A new day, and a clock that steps back into the old one.
        assert!(again.take(2, Some("a"), "checksum", 1, 1));
        assert!(again.take(1, Some("a"), "checksum", 9, 1));
        assert!(!again.take(1, Some("a"), "checksum", 1, 1));
        let (serial, sums) = again.sums(2, false);
        assert_eq!(serial, 1);
        let found: Vec<(i32, &str, &str, u64, u64)> =
            sums.iter().map(|it| (it.day, it.box_id.as_str(), it.reason.as_str(), it.rows, it.bytes)).collect();
        assert_eq!(
            found,
            [(1, "a", "checksum", 4, 22), (1, "b", "out_of_range", 1, 1_001), (1, "c", "checksum", 1, 1)]
        );
        assert_eq!(again.sums(3, true), (1, Vec::new()));
    }

    #[test]
    fn a_million_names_are_one_account() {
        let roomy = QuarantineLimits { rows_per_box: 2, bytes_per_box: 1 << 30, rows: u64::MAX, bytes: u64::MAX };
        let mut budget = QuarantineBudget::new(roomy);
        let mut left_out = 0;
        for number in 0..1_000_000 {
            left_out += u64::from(!budget.take(1, Some(&format!("box-{number}")), "not_accepted", 1, 1));
        }
        assert_eq!(budget.boxes.len(), BOXES_MAX + 1);
        assert_eq!(left_out, 1_000_000 - BOXES_MAX as u64 - 2);
        assert_eq!(budget.left_out_rows(), left_out);
        assert_eq!(budget.sums(1, true).1.len(), 1);
        assert!(QuarantineBudget::resume(roomy, b"{}").is_err());
    }

    #[test]
    fn sums_are_bounded_too() {
        let none = QuarantineLimits { rows_per_box: 0, bytes_per_box: 0, rows: 0, bytes: 0 };
        let mut budget = QuarantineBudget::new(none);
        for number in 0..SUMS_MAX as u64 + 500 {
            assert!(!budget.take(1, Some(&format!("box-{number}")), "checksum", 1, 1));
        }
        assert_eq!(budget.left_out_rows(), SUMS_MAX as u64 + 500);
        assert_eq!(budget.sums(1, true).1.len(), SUMS_MAX + 1);
    }
}
