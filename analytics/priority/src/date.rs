//! Just enough calendar for "in the last 90 days", on ISO 8601 dates.

/// Days since 1970-01-01 of `YYYY-MM-DD` (a longer text is cut after the date); `None` for anything else.
pub(crate) fn days_since_1970(iso: &str) -> Option<i64> {
    let date = iso.get(..10)?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if year.len() != 4 || month.len() != 2 || day.len() != 2 || parts.next().is_some() {
        return None;
    }
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i64>().ok()).flatten();
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days from civil (Hinnant): March-based years make February the last month.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(days_since_1970("1970-01-01"), Some(0));
        assert_eq!(days_since_1970("2000-03-01"), Some(11_017));
        assert_eq!(days_since_1970("2026-01-31"), Some(20_484));
        assert_eq!(days_since_1970("2026-01-31T10:00:00Z"), Some(20_484));
        for bad in ["", "2026-1-31", "2026-13-01", "2026-01-00", "31/01/2026", "é026-01-01", "2026-+1-01"] {
            assert_eq!(days_since_1970(bad), None, "{bad}");
        }
    }
}
