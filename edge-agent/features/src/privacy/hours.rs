//! Working hours: weekdays and times of day in a named time zone, less holidays.

use chrono::{DateTime, Datelike, Days, NaiveDate, Timelike, Weekday};
use chrono_tz::Tz;

/// Most spans and most closed days.
const ENTRIES_MAX: usize = 64;
const DAY_MIN: u16 = 24 * 60;
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

/// Why working hours are none. Each says what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// The zone.
    #[error("a name of the IANA time zone database, such as Europe/Paris")]
    Zone,
    /// A span.
    #[error(
        "weekdays and times like \"mon-fri 06:00-20:00\" or \"sat 22:00-05:00\", the latter into Sunday; 64 at most"
    )]
    Open,
    /// A closed day.
    #[error(
        "\"fr\" for the public holidays of France, \"fr-alsace-moselle\" for theirs too, or a date like 2026-12-24; 64 at most"
    )]
    Closed,
}

/// Times of day on some weekdays; past midnight when `to_min` is not after `from_min`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    /// Bit n: n days from Monday.
    days: u8,
    from_min: u16,
    to_min: u16,
}

/// Days on which nothing opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    France,
    AlsaceMoselle,
    Date(NaiveDate),
}

/// When samples are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkingHours {
    zone: Tz,
    open: Vec<Span>,
    closed: Vec<Closed>,
    /// As it was given, for people.
    text: String,
}

impl WorkingHours {
    /// `zone` by its IANA name; `open` like `mon-fri 06:00-20:00`, local time, the end not included; `closed`: `fr`,
    /// `fr-alsace-moselle` or dates. Hours that pass midnight belong to the day on which they begin, also where that is a
    /// closed one.
    ///
    /// # Errors
    /// [`HoursError`], by the part that cannot be read; no `open` at all is one.
    pub fn new(zone: &str, open: &[String], closed: &[String]) -> Result<Self, HoursError> {
        let text = format!("{} ({zone})", open.join(", "));
        let zone = zone.parse::<Tz>().map_err(|_| HoursError::Zone)?;
        if open.is_empty() || open.len() > ENTRIES_MAX {
            return Err(HoursError::Open);
        }
        if closed.len() > ENTRIES_MAX {
            return Err(HoursError::Closed);
        }
        let open = open.iter().map(|span| read_span(span).ok_or(HoursError::Open)).collect::<Result<_, _>>()?;
        let closed = closed.iter().map(|day| read_closed(day).ok_or(HoursError::Closed)).collect::<Result<_, _>>()?;
        Ok(Self { zone, open, closed, text })
    }

    /// Whether it is working time at `utc_us`, microseconds since 1970. The clock change needs no rule of its own: every
    /// moment has one local time.
    #[must_use]
    pub fn is_open(&self, utc_us: i64) -> bool {
        let Some(utc) = DateTime::from_timestamp_micros(utc_us) else { return false };
        let local = utc.with_timezone(&self.zone).naive_local();
        let (today, minute) = (local.date(), local.hour() as u16 * 60 + local.minute() as u16);
        let yesterday = today.checked_sub_days(Days::new(1));
        self.open.iter().any(|span| {
            let begins = |day: NaiveDate| span.days & bit(day.weekday()) != 0 && !self.is_closed(day);
            if span.from_min < span.to_min {
                (span.from_min..span.to_min).contains(&minute) && begins(today)
            } else {
                minute >= span.from_min && begins(today) || minute < span.to_min && yesterday.is_some_and(begins)
            }
        })
    }

    fn is_closed(&self, day: NaiveDate) -> bool {
        self.closed.iter().any(|closed| match closed {
            Closed::France => is_holiday(day),
            Closed::AlsaceMoselle => is_holiday(day) || is_holiday_of_alsace_moselle(day),
            Closed::Date(date) => *date == day,
        })
    }
}

impl std::fmt::Display for WorkingHours {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text)
    }
}

fn bit(day: Weekday) -> u8 {
    1 << day.num_days_from_monday()
}

fn read_span(text: &str) -> Option<Span> {
    let (days, times) = text.trim().split_once(' ')?;
    let (from, to) = times.trim().split_once('-')?;
    let (from_min, to_min) = (read_minute(from)?, read_minute(to)?);
    // A whole day is 00:00-24:00; nothing begins at 24:00.
    (from_min != to_min && from_min < DAY_MIN).then_some(Span { days: read_days(days)?, from_min, to_min })
}

fn read_days(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().find(|(known, _)| *known == name).map(|(_, day)| *day);
    let mut days = 0;
    for part in text.split(',') {
        match part.split_once('-') {
            None => days |= bit(day(part)?),
            Some((first, last)) => {
                let (mut at, last) = (day(first)?, day(last)?);
                days |= bit(last);
                // Also round the end of the week: sat-mon.
                while at != last {
                    days |= bit(at);
                    at = at.succ();
                }
            }
        }
    }
    Some(days)
}

fn read_minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str, most: u16| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<u16>().ok()).flatten().filter(|value| *value <= most)
    };
    let minute = two(hours, 24)? * 60 + two(minutes, 59)?;
    (minute <= DAY_MIN).then_some(minute)
}

fn read_closed(text: &str) -> Option<Closed> {
    match text {
        "fr" => Some(Closed::France),
        "fr-alsace-moselle" => Some(Closed::AlsaceMoselle),
        // All ten characters: the year 26 is one too.
        date if date.len() == 10 => NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().map(Closed::Date),
        _ => None,
    }
}

/// The eleven public holidays of France: Code du travail, article L3133-1.
fn is_holiday(day: NaiveDate) -> bool {
    const FIXED: [(u32, u32); 8] = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)];
    // Easter Monday, Ascension, Whit Monday.
    FIXED.contains(&(day.month(), day.day())) || [1, 39, 50].contains(&days_after_easter(day))
}

/// Good Friday and the second day of Christmas: Code du travail, article L3134-13.
fn is_holiday_of_alsace_moselle(day: NaiveDate) -> bool {
    (day.month(), day.day()) == (12, 26) || days_after_easter(day) == -2
}

/// Days from Easter Sunday of the same year, by the Gregorian computus (Meeus, Astronomical Algorithms, chapter 8).
fn days_after_easter(day: NaiveDate) -> i64 {
    let year = day.year();
    let golden = year.rem_euclid(19);
    let (century, of_century) = (year.div_euclid(100), year.rem_euclid(100));
    let skipped = century - century / 4 - (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + skipped + 15).rem_euclid(30);
    let to_sunday = (32 + 2 * (century % 4) + 2 * (of_century / 4) - epact - of_century % 4).rem_euclid(7);
    let late = (golden + 11 * epact + 22 * to_sunday) / 451;
    let months = epact + to_sunday - 7 * late + 114;
    let (month, date) = (months.div_euclid(31).unsigned_abs(), (months.rem_euclid(31) + 1).unsigned_abs());
    NaiveDate::from_ymd_opt(year, month, date).map_or(i64::MAX, |easter| day.signed_duration_since(easter).num_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(open: &[&str], closed: &[&str]) -> WorkingHours {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        WorkingHours::new("Europe/Paris", &own(open), &own(closed)).unwrap()
    }

    /// Whether it is open at a time of UTC, ISO 8601.
    fn at(hours: &WorkingHours, utc: &str) -> bool {
        hours.is_open(DateTime::parse_from_rfc3339(utc).unwrap().timestamp_micros())
    }

    #[test]
    fn local_time_decides_in_summer_and_winter() {
        let hours = hours(&["mon-fri 06:00-20:00", "sat 07:30-12:00"], &[]);
        assert!(!at(&hours, "2026-07-01T03:59:59Z") && at(&hours, "2026-07-01T04:00:00Z"), "UTC+2");
        assert!(at(&hours, "2026-07-01T17:59:59Z") && !at(&hours, "2026-07-01T18:00:00Z"), "the end is not included");
        assert!(!at(&hours, "2026-01-07T04:59:59Z") && at(&hours, "2026-01-07T05:00:00Z"), "UTC+1");
        assert!(at(&hours, "2026-07-04T05:30:00Z") && !at(&hours, "2026-07-04T10:00:00Z"), "Saturday");
        assert!(!at(&hours, "2026-07-05T10:00:00Z"), "Sunday");
        assert!(!hours.is_open(i64::MAX) && !hours.is_open(i64::MIN));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let hours = hours(&["fri 22:00-05:00"], &["2026-07-10"]);
        assert!(at(&hours, "2026-07-03T20:00:00Z") && at(&hours, "2026-07-04T02:59:00Z"));
        assert!(!at(&hours, "2026-07-04T03:00:00Z") && !at(&hours, "2026-07-04T20:30:00Z"));
        assert!(!at(&hours, "2026-07-10T20:30:00Z") && !at(&hours, "2026-07-11T01:00:00Z"), "closed that day");
        assert!(!at(&hours, "2026-07-03T01:00:00Z"), "the night from Thursday");
    }

    #[test]
    fn the_clock_change_has_no_hole_and_no_double() {
        // 2026-03-29 02:00 becomes 03:00, 2026-10-25 03:00 becomes 02:00, both at 01:00 UTC.
        let hours = hours(&["sun 02:30-03:30"], &[]);
        assert!(!at(&hours, "2026-03-29T00:59:59Z") && at(&hours, "2026-03-29T01:00:00Z"), "02:30 does not exist");
        assert!(!at(&hours, "2026-03-29T01:30:00Z"));
        assert!(at(&hours, "2026-10-25T00:30:00Z"), "02:30 the first time");
        assert!(!at(&hours, "2026-10-25T01:15:00Z") && at(&hours, "2026-10-25T01:30:00Z"), "and the second");
    }

    /// Dates of Easter Sunday as the Bureau des longitudes publishes them.
    #[test]
    fn easter_and_the_holidays_of_france() {
        for (year, month, day) in [
            (1961, 4, 2),
            (2000, 4, 23),
            (2008, 3, 23),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2038, 4, 25),
        ] {
            let easter = NaiveDate::from_ymd_opt(year, month, day).unwrap();
            assert_eq!(days_after_easter(easter), 0, "{easter}");
            assert_eq!(easter.weekday(), Weekday::Sun);
        }
        let year = (0..365).filter_map(|n| NaiveDate::from_ymd_opt(2026, 1, 1)?.checked_add_days(Days::new(n)));
        let holidays: Vec<String> = year.clone().filter(|day| is_holiday(*day)).map(|day| day.to_string()).collect();
        assert_eq!(
            holidays,
            [
                "2026-01-01",
                "2026-04-06",
                "2026-05-01",
                "2026-05-08",
                "2026-05-14",
                "2026-05-25",
                "2026-07-14",
                "2026-08-15",
                "2026-11-01",
                "2026-11-11",
                "2026-12-25"
            ]
        );
        let more: Vec<String> =
            year.filter(|day| is_holiday_of_alsace_moselle(*day)).map(|day| day.to_string()).collect();
        assert_eq!(more, ["2026-04-03", "2026-12-26"]);
        let hours = hours(&["mon-sun 00:00-24:00"], &["fr"]);
        assert!(
            !at(&hours, "2026-07-13T22:00:00Z")
                && at(&hours, "2026-07-13T21:59:00Z")
                && at(&hours, "2026-07-14T22:00:00Z")
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let new = |zone: &str, open: &str, closed: &str| {
            let closed: Vec<String> = closed.split_whitespace().map(str::to_owned).collect();
            WorkingHours::new(zone, &[open.to_owned()], &closed).map(drop)
        };
        assert_eq!(new("Europe/Rennes", "mon 06:00-07:00", ""), Err(HoursError::Zone));
        for open in [
            "",
            "mon",
            "mon 6:00-20:00",
            "mon 06:00",
            "mon 06:00-06:00",
            "mon 24:00-06:00",
            "mon 06:00-24:01",
            "lun 06:00-20:00",
            "mon- 06:00-20:00",
            "mon 06:60-20:00",
            "mon +6:00-20:00",
            "mon,06:00-20:00",
            "mon 06:00-20:00-21:00",
        ] {
            assert_eq!(new("Europe/Paris", open, ""), Err(HoursError::Open), "{open}");
        }
        for closed in ["de", "2026-02-30", "26-12-24"] {
            assert_eq!(new("Europe/Paris", "mon 06:00-20:00", closed), Err(HoursError::Closed), "{closed}");
        }
        assert_eq!(WorkingHours::new("Europe/Paris", &[], &[]), Err(HoursError::Open));
        new("Pacific/Noumea", "sat-mon,wed 22:00-05:00", "fr 2026-12-24").unwrap();
    }
}
