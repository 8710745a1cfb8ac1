//! What became of a file.

use std::collections::BTreeMap;

use tournee_payload::{Sample, field};

use crate::error::ImportError;

/// The count of every row of a file. `rows = stored + Σ refused`, always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Data rows of the file.
    pub rows: u64,
    /// Rows that are in a sample.
    pub stored: u64,
    /// Rows that are not, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Samples given to the sink. The same as `stored` where a row is a sample; road windows for acceleration.
    pub samples: u64,
    /// Values of stored rows that were emptied, by field and reason (`rsrp_dbm: sentinel`).
    pub emptied: BTreeMap<String, u64>,
    /// Earliest sample, UTC µs.
    pub first_us: Option<i64>,
    /// Latest sample, UTC µs.
    pub last_us: Option<i64>,
    /// SHA-256 of the file's bytes as given, hexadecimal.
    pub sha256: String,
}

impl ImportReport {
    /// The epoch of the import: the first 63 bits of the file's SHA-256. The same file is always the same epoch, so that
    /// importing it twice stores nothing twice.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        epoch(&self.sha256)
    }

    pub(crate) fn refuse(&mut self, reason: &str) {
        self.refuse_many(reason, 1);
    }

    pub(crate) fn refuse_many(&mut self, reason: &str, count: u64) {
        if count == 0 {
            return;
        }
        match self.refused.get_mut(reason) {
            Some(sum) => *sum += count,
            None => {
                self.refused.insert(reason.to_owned(), count);
            }
        }
    }

    pub(crate) fn empty(&mut self, field: &str, reason: &str) {
        *self.emptied.entry(format!("{field}: {reason}")).or_default() += 1;
    }

    pub(crate) fn sample(&mut self, sample: &Sample) {
        self.samples += 1;
        if let Some(t_us) = sample.get(field::T_US) {
            self.first_us = Some(self.first_us.map_or(t_us, |first| first.min(t_us)));
            self.last_us = Some(self.last_us.map_or(t_us, |last| last.max(t_us)));
        }
    }

    pub(crate) fn checked(self) -> Result<Self, ImportError> {
        let refused = self.refused.values().sum();
        if self.rows == self.stored + refused {
            Ok(self)
        } else {
            Err(ImportError::CountsDiffer { rows: self.rows, stored: self.stored, refused })
        }
    }
}

/// First 63 bits of a hexadecimal digest.
fn epoch(sha256: &str) -> i64 {
    let head = sha256.get(..16).unwrap_or("0");
    i64::try_from(u64::from_str_radix(head, 16).unwrap_or(0) >> 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_is_the_first_63_bits() {
        assert_eq!(epoch("ffffffffffffffff00"), i64::MAX);
        assert_eq!(epoch("8000000000000001aa"), 1 << 62);
        assert_eq!(epoch(""), 0);
    }

    #[test]
    fn counts_that_differ_are_an_error() {
        let mut report = ImportReport { rows: 3, stored: 1, ..ImportReport::default() };
        report.refuse("bad_time");
        assert!(matches!(report.clone().checked(), Err(ImportError::CountsDiffer { refused: 1, .. })));
        report.refuse("bad_time");
        assert!(report.checked().is_ok());
    }
}
