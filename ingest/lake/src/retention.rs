//! How long rows stay. The defaults follow the CNIL's reference on the location of employees' vehicles: two months at most without
//! a reason of its own; raw samples leave well before that, and what stays longer (pass facts) says nothing finer than
//! "this street section on this date".

use crate::Table;

/// Days that a raw sample stays.
pub const RAW_DAYS: u32 = 30;
/// Days that a refused message or row stays.
pub const QUARANTINE_DAYS: u32 = 30;
/// Months that a pass fact stays.
pub const PASS_FACT_MONTHS: u32 = 24;
/// Days that a version of a table can still be read after it was replaced; files leave the disk this long after their rows
/// left the table.
pub const HISTORY_DAYS: u32 = 7;

/// How long rows of each kind stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days of the streams' tables; `None` keeps everything.
    pub raw_days: Option<u32>,
    /// Days of `quarantine`; `None` keeps everything.
    pub quarantine_days: Option<u32>,
    /// Months of pass facts; `None` keeps everything.
    pub pass_fact_months: Option<u32>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            raw_days: Some(RAW_DAYS),
            quarantine_days: Some(QUARANTINE_DAYS),
            pass_fact_months: Some(PASS_FACT_MONTHS),
        }
    }
}

impl Retention {
    /// Nothing leaves.
    pub const NEVER: Self = Self { raw_days: None, quarantine_days: None, pass_fact_months: None };

    /// The first day (days since 1970, UTC) of a raw table that stays when today is `today`: all before it leave. `None` when
    /// nothing leaves.
    #[must_use]
    pub fn first_kept_day(&self, table: Table, today: i32) -> Option<i32> {
        let days = match table {
            Table::Quarantine => self.quarantine_days,
            _ => self.raw_days,
        }?;
        Some(today.saturating_sub(i32::try_from(days).unwrap_or(i32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_stays_its_days() {
        let retention = Retention { raw_days: Some(30), quarantine_days: Some(7), pass_fact_months: None };
        assert_eq!(retention.first_kept_day(Table::Air, 20_000), Some(19_970));
        assert_eq!(retention.first_kept_day(Table::Quarantine, 20_000), Some(19_993));
        assert_eq!(Retention::NEVER.first_kept_day(Table::Air, 20_000), None);
        let endless = Retention { raw_days: Some(u32::MAX), ..retention };
        assert!(endless.first_kept_day(Table::Air, 20_000).is_some_and(|day| day < -2_000_000_000));
    }
}
