//! Dates and times of day to microseconds since 1970.

/// Microseconds of a day.
pub(super) const DAY_US: i64 = 86_400_000_000;
/// Microseconds of a GPS week.
pub(super) const WEEK_US: i64 = 7 * DAY_US;
/// 1980-01-06, where GPS time begins (IS-GPS-200, section 3.3.4), microseconds since 1970.
pub(super) const GPS_EPOCH_US: i64 = 315_964_800_000_000;

const DAYS_BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAYS_OF_MONTH: [u8; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days since 1970-01-01 of a Gregorian date; nothing before 1970 or for a day that the calendar lacks.
pub(super) fn days(year: u16, month: u8, day: u8) -> Option<i64> {
    let index = usize::from(month.checked_sub(1)?);
    let leap = is_leap(year);
    let last = *DAYS_OF_MONTH.get(index)? + u8::from(leap && month == 2);
    if year < 1970 || day == 0 || day > last {
        return None;
    }
    let before = i64::from(year) - 1;
    // Leap days up to the end of the year before, less the 477 up to the end of 1969.
    let leap_days = before / 4 - before / 100 + before / 400 - 477;
    let in_year = *DAYS_BEFORE_MONTH.get(index)? + i64::from(leap && month > 2) + i64::from(day) - 1;
    Some((i64::from(year) - 1970) * 365 + leap_days + in_year)
}

/// Microseconds of the day; second 60 is a leap second and is taken as the first of the next day.
pub(super) fn time_of_day_us(hour: u8, minute: u8, second: u8, micros: i64) -> Option<i64> {
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
    Some(seconds * 1_000_000 + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(1980, 1, 6).map(|days| days * DAY_US), Some(GPS_EPOCH_US));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(2000, 3, 1), Some(11_017));
        assert_eq!(days(2020, 1, 1).map(|days| days * DAY_US), Some(super::super::UTC_FLOOR_DEFAULT_US));
        assert_eq!(days(2024, 12, 31), Some(20_088));
        for bad in
            [(2023, 2, 29), (2100, 2, 29), (2024, 13, 1), (2024, 0, 1), (2024, 4, 31), (2024, 1, 0), (1969, 1, 1)]
        {
            assert_eq!(days(bad.0, bad.1, bad.2), None, "{bad:?}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = 0;
        for year in 1970..2101 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(got) = days(year, month, day) {
                        assert_eq!(got, expected, "{year}-{month}-{day}");
                        expected += 1;
                    }
                }
            }
        }
        assert_eq!(expected, 47_847, "1970 to 2100 has 131 years and 32 leap days");
    }
}
