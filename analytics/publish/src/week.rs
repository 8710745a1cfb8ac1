//! Dates as coarse as the public may see them: ISO weeks.

use chrono::{Datelike, Days, NaiveDate};

/// `2026-01-20` → `2026-01-19`, the Monday of its ISO week; `None` where the text is no date.
#[must_use]
pub fn monday_of(date: &str) -> Option<String> {
    let day = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let since_monday = u64::from(day.weekday().num_days_from_monday());
    Some(day.checked_sub_days(Days::new(since_monday))?.format("%Y-%m-%d").to_string())
}

/// `2026-01-20` → `2026-W04`; `None` where the text is no date.
#[must_use]
pub fn iso_week(date: &str) -> Option<String> {
    let day = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    Some(day.format("%G-W%V").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday_and_may_belong_to_the_other_year() {
        for (date, monday, week) in [
            ("2026-01-19", "2026-01-19", "2026-W04"),
            ("2026-01-25", "2026-01-19", "2026-W04"),
            ("2026-01-01", "2025-12-29", "2026-W01"),
            ("2027-01-03", "2026-12-28", "2026-W53"),
        ] {
            assert_eq!((monday_of(date).as_deref(), iso_week(date).as_deref()), (Some(monday), Some(week)), "{date}");
        }
        for nonsense in ["", "2026-02-30", "janvier"] {
            assert_eq!((monday_of(nonsense), iso_week(nonsense)), (None, None), "{nonsense}");
        }
    }
}
