//! Days of the civil calendar.

use std::fmt;

/// A day, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

const SECONDS_PER_DAY: i64 = 86_400;

impl Date {
    /// 1970-01-01: what a machine without a set clock says.
    pub const EPOCH: Self = Self { year: 1970, month: 1, day: 1 };

    /// A day that exists, from 1970 on.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let date = Self { year, month, day };
        let exists = (1970..=9999).contains(&year) && (1..=12).contains(&month) && day > 0;
        (exists && Self::from_days(date.days()) == Some(date)).then_some(date)
    }

    /// The day of a Unix time, seconds. `None` before 1970 and after 9999.
    #[must_use]
    pub fn from_unix_s(unix_s: i64) -> Option<Self> {
        Self::from_days(unix_s.div_euclid(SECONDS_PER_DAY))
    }

    /// Days since 1970-01-01, proleptic Gregorian. The year is counted from March, so that the leap day is its last; a
    /// cycle of 400 years has 146 097 days.
    #[must_use]
    pub fn days(self) -> i64 {
        let month_from_march = (i64::from(self.month) + 9) % 12;
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(self.day) - 1;
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
    }

    fn from_days(days: i64) -> Option<Self> {
        // 9999-12-31.
        if !(0..=2_932_896).contains(&days) {
            return None;
        }
        let from_march_0 = days + 719_468;
        let cycle = from_march_0 / 146_097;
        let day_of_cycle = from_march_0 % 146_097;
        let year_of_cycle =
            (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
        let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
        Some(Self { year: year.try_into().ok()?, month: month.try_into().ok()?, day: day.try_into().ok()? })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        for (unix_s, text) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_767_225_599, "2025-12-31"),
            (1_767_225_600, "2026-01-01"),
            (4_107_542_400, "2100-03-01"),
            (253_402_300_799, "9999-12-31"),
        ] {
            assert_eq!(Date::from_unix_s(unix_s).unwrap().to_string(), text);
        }
        assert_eq!((Date::from_unix_s(-1), Date::from_unix_s(253_402_300_800)), (None, None));
    }

    #[test]
    fn every_day_is_the_day_after_the_one_before() {
        let mut last = Date::from_days(0).unwrap();
        for days in 1..=2_932_896 {
            let next = Date::from_days(days).unwrap();
            assert!(next > last && next.days() == days && (next.day == last.day + 1 || next.day == 1), "{next}");
            last = next;
        }
    }

    #[test]
    fn days_that_do_not_exist() {
        assert!(Date::new(2024, 2, 29).is_some());
        for (year, month, day) in
            [(2025, 2, 29), (2100, 2, 29), (2025, 4, 31), (2025, 13, 1), (2025, 0, 1), (2025, 1, 0), (1969, 1, 1)]
        {
            assert_eq!(Date::new(year, month, day), None);
        }
    }
}
