//! Whether the system clock can be believed.

use super::Finding;

/// 2025-01-01, seconds since 1970: before this program was written.
const EARLIEST_UNIX_S: u64 = 1_735_689_600;
/// A fix reaches the agent within a second of its moment; more than this is the clock.
const AGREES_S: f64 = 2.0;
/// Certificates and calibrations are judged by days: beyond this the clock does harm.
const HARM_S: f64 = 3_600.0;

/// A time that the box's receiver gave, and the system's when it arrived; microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    pub utc_us: i64,
    pub system_us: i64,
}

pub fn check(gnss: Option<Heard>, now_unix_s: u64) -> Finding {
    let set = "set it: timedatectl set-ntp true; a board without a battery needs it at every start";
    if now_unix_s < EARLIEST_UNIX_S {
        return Finding::fail("clock", "the system clock is before 2025", set);
    }
    let Some(heard) = gnss else {
        return Finding::warn(
            "clock",
            "plausible, but the box gave no GNSS time to compare it with",
            "look again under open sky; a cold receiver takes a minute",
        );
    };
    let ahead_s = heard.system_us.saturating_sub(heard.utc_us) as f64 / 1e6;
    let text = format!("the system clock is {ahead_s:+.1} s against GNSS");
    match ahead_s.abs() {
        apart if apart <= AGREES_S => Finding::ok("clock", text),
        apart if apart <= HARM_S => Finding::warn("clock", text, set),
        _ => Finding::fail("clock", text, set),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    const NOW_S: u64 = 1_780_000_000;

    #[test]
    fn the_clock_is_judged_by_gnss() {
        let verdict = |ahead_s: i64| {
            let utc_us = NOW_S as i64 * 1_000_000;
            check(Some(Heard { utc_us, system_us: utc_us + ahead_s * 1_000_000 }), NOW_S).verdict
        };
        assert_eq!([verdict(0), verdict(1), verdict(-2)], [Verdict::Ok; 3]);
        assert_eq!([verdict(5), verdict(-3_000)], [Verdict::Warn; 2]);
        assert_eq!([verdict(86_400), verdict(-86_400)], [Verdict::Fail; 2]);
    }

    #[test]
    fn without_gnss_only_the_impossible_is_seen() {
        assert_eq!(check(None, NOW_S).verdict, Verdict::Warn);
        assert_eq!(check(None, 3_600).verdict, Verdict::Fail);
    }
}
