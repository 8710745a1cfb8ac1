//! The GPS week counts to 1024 and begins anew: a receiver that does not know which era it is in dates everything 19.6 years
//! off, to the day and second.

/// 1024 weeks, microseconds.
pub(super) const ERA_US: i64 = 1_024 * 7 * 86_400 * 1_000_000;

/// The UTC that a receiver means, µs since 1970, when it is later than `floor_us`; and whether that is another era than it
/// said. `None` for what is no time: within one era from the floor on it stands as it is, and it is moved by an era only
/// into the half of one that follows the floor, so that a receiver that is a day early never lands in the far future.
pub(super) fn place(utc_us: i64, floor_us: i64) -> Option<(i64, bool)> {
    let since = |utc_us: i64| utc_us.saturating_sub(floor_us);
    if (0..ERA_US).contains(&since(utc_us)) {
        return Some((utc_us, false));
    }
    let moved = [utc_us.saturating_add(ERA_US), utc_us.saturating_sub(ERA_US)];
    moved.into_iter().find(|utc_us| (0..ERA_US / 2).contains(&since(*utc_us))).map(|utc_us| (utc_us, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_US: i64 = 86_400_000_000;
    const FLOOR_US: i64 = 1_577_836_800_000_000; // 2020-01-01
    const NOW_US: i64 = 1_780_000_000_000_000; // 2026-05-28

    #[test]
    fn one_era_off_is_put_right_both_ways() {
        assert_eq!(place(NOW_US, FLOOR_US), Some((NOW_US, false)));
        assert_eq!(place(NOW_US - ERA_US, FLOOR_US), Some((NOW_US, true)));
        assert_eq!(place(NOW_US + ERA_US, FLOOR_US), Some((NOW_US, true)));
        // As the roll-over of 2019-04-07 looked in receivers that did not know of it: 1999-08-22 came again.
        assert_eq!(place(935_280_000_000_000, 1_550_000_000_000_000), Some((1_554_595_200_000_000, true)));
    }

    #[test]
    fn what_is_no_time_stays_none() {
        for none in [0, 1, 943_920_000_000_000, i64::MIN, i64::MAX, FLOOR_US - 1, NOW_US - 2 * ERA_US] {
            assert_eq!(place(none, FLOOR_US), None, "{none}");
        }
        // A receiver that is a day behind the last known time is refused, not sent to 2045.
        assert_eq!(place(NOW_US - DAY_US, NOW_US), None);
    }
}
