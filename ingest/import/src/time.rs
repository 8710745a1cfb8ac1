//! Times of partners' files to UTC microseconds.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeZone};
use chrono_tz::Tz;

use crate::error::ImportError;
use crate::mapping::TimeMapping;

/// Reads the texts of a time column.
#[derive(Clone, Debug)]
pub enum Clock {
    /// A count; microseconds per unit.
    Count(f64),
    /// With its own offset.
    Rfc3339,
    /// A pattern in a zone.
    Local(String, Tz),
}

/// A time that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// UTC, or the device's clock for `seconds`.
    pub t_us: i64,
    /// The clock showed this time twice; the first was taken.
    pub ambiguous: bool,
}

/// Times further from 1970, microseconds, are refused.
const T_MAX_US: i64 = 9_000_000_000_000_000;

impl Clock {
    /// The clock of a mapping.
    ///
    /// # Errors
    /// An unknown zone, or a pattern without one.
    pub fn new(mapping: &TimeMapping) -> Result<Self, ImportError> {
        Ok(match mapping.format.as_str() {
            "unix_s" | "seconds" => Self::Count(1e6),
            "unix_ms" => Self::Count(1e3),
            "unix_us" => Self::Count(1.0),
            "rfc3339" => Self::Rfc3339,
            pattern if !pattern.contains('%') => {
                return Err(ImportError::Mapping(format!(
                    "time format `{pattern}` is unknown; use unix_s, unix_ms, unix_us, rfc3339, seconds or a strftime pattern"
                )));
            }
            pattern => {
                let Some(name) = &mapping.timezone else {
                    return Err(ImportError::Mapping(format!(
                        "time column `{}`: a pattern needs a timezone, such as \"Europe/Paris\" or \"UTC\"",
                        mapping.column
                    )));
                };
                let zone = name.parse().map_err(|_| {
                    ImportError::Mapping(format!("timezone `{name}` is unknown; use an IANA name such as Europe/Paris"))
                })?;
                Self::Local(pattern.to_owned(), zone)
            }
        })
    }

    /// Reads a text.
    ///
    /// # Errors
    /// The reason to refuse the row.
    pub fn read(&self, text: &str) -> Result<Instant, &'static str> {
        let read = self.read_any(text)?;
        // 2^53 µs are 285 years: beyond it a number would have lost digits, and differences of such times may overflow.
        if (-T_MAX_US..=T_MAX_US).contains(&read.t_us) { Ok(read) } else { Err("bad_time") }
    }

    fn read_any(&self, text: &str) -> Result<Instant, &'static str> {
        let sure = |t_us: i64| Instant { t_us, ambiguous: false };
        match self {
            Self::Count(unit_us) => {
                let count: f64 = text.parse().map_err(|_| "bad_time")?;
                let t_us = (count * unit_us).round();
                // A float beyond i64 becomes its end, which is out of bounds too.
                if t_us.is_finite() { Ok(sure(t_us as i64)) } else { Err("bad_time") }
            }
            Self::Rfc3339 => {
                DateTime::parse_from_rfc3339(text).map(|time| sure(time.timestamp_micros())).map_err(|_| "bad_time")
            }
            Self::Local(pattern, zone) => {
                let local = NaiveDateTime::parse_from_str(text, pattern).map_err(|_| "bad_time")?;
                match zone.from_local_datetime(&local) {
                    LocalResult::Single(time) => Ok(sure(time.timestamp_micros())),
                    LocalResult::Ambiguous(first, _) => Ok(Instant { t_us: first.timestamp_micros(), ambiguous: true }),
                    LocalResult::None => Err("time_that_never_was"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(format: &str, zone: Option<&str>) -> Result<Clock, ImportError> {
        let timezone = zone.map(str::to_owned);
        Clock::new(&TimeMapping { column: "t".to_owned(), format: format.to_owned(), timezone })
    }

    #[test]
    fn local_clocks() {
        let dublin = clock("%Y.%m.%d_%H.%M.%S", Some("Europe/Dublin")).unwrap();
        let at = |text: &str| dublin.read(text);
        // Winter is UTC in Ireland, summer is not.
        assert_eq!(at("2019.12.14_10.16.30").unwrap().t_us, 1_576_318_590_000_000);
        assert_eq!(at("2019.07.14_10.16.30").unwrap().t_us, 1_563_095_790_000_000);
        assert!(at("2019.10.27_01.30.00").unwrap().ambiguous);
        assert_eq!(at("2019.03.31_01.30.00"), Err("time_that_never_was"));
        assert_eq!(at("yesterday"), Err("bad_time"));
    }

    #[test]
    fn counts_and_offsets() {
        assert_eq!(clock("unix_ms", None).unwrap().read("1533226488299.0").unwrap().t_us, 1_533_226_488_299_000);
        assert_eq!(
            clock("rfc3339", None).unwrap().read("2026-01-01T01:00:00+01:00").unwrap().t_us,
            1_767_225_600_000_000
        );
        for bad in ["NaN", "inf", "1e300", "", "12 h"] {
            assert_eq!(clock("unix_s", None).unwrap().read(bad), Err("bad_time"), "{bad}");
        }
    }

    #[test]
    fn years_that_are_none() {
        let utc = clock("%Y-%m-%d %H:%M:%S", Some("UTC")).unwrap();
        for bad in
            ["+262000-01-01 00:00:00", "-262000-01-01 00:00:00", "+262143-12-31 00:00:00", "+999999-01-01 00:00:00"]
        {
            assert_eq!(utc.read(bad), Err("bad_time"), "{bad}");
        }
        assert_eq!(clock("rfc3339", None).unwrap().read("9999-12-31T23:59:59Z"), Err("bad_time"));
        assert_eq!(utc.read("2200-01-01 00:00:00").unwrap().t_us, 7_258_118_400_000_000);
        for count in ["9000000001", "-9000000001", "1e15"] {
            assert_eq!(clock("unix_s", None).unwrap().read(count), Err("bad_time"), "{count}");
        }
    }

    #[test]
    fn impossible_mappings() {
        assert!(clock("%H:%M", None).unwrap_err().to_string().contains("needs a timezone"));
        assert!(clock("%H:%M", Some("Cork")).unwrap_err().to_string().contains("Cork"));
        assert!(clock("epoch", None).unwrap_err().to_string().contains("epoch"));
    }
}
