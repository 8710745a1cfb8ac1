//! When a box drives.

/// One round: the box is switched on at its start and off at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Start, UTC, microseconds since 1970.
    pub start_utc_us: i64,
    /// Length, seconds.
    pub duration_s: u32,
}

/// The rounds of one box, in time order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The rounds.
    pub rounds: Vec<Round>,
}

impl Plan {
    /// Seconds of all rounds together: what a progress bar counts to.
    #[must_use]
    pub fn total_s(&self) -> u64 {
        self.rounds.iter().map(|round| u64::from(round.duration_s)).sum()
    }
}

/// Monday 2026-01-05, days since 1970.
const FIRST_MONDAY: i64 = 20_458;
/// Which rounds of fourteen are driven before dawn, when facades can be read (nine), and which by day (five).
const BEFORE_DAWN: [bool; 14] =
    [true, false, true, true, false, true, true, false, true, true, false, true, false, true];
/// UTC minutes of the day of the rounds before dawn: in Redon the sun rises at about 07:50 UTC in January.
const DAWN_START_MIN: i64 = 4 * 60 + 30;
/// UTC minutes of the day of the rounds by day: the morning rush, noon, and late afternoon.
const DAY_STARTS_MIN: [i64; 3] = [7 * 60 + 30, 12 * 60, 16 * 60];

/// Rounds on as many different working days (Monday to Saturday) from 2026-01-05 on. Nine of fourteen start at about
/// 04:30 UTC and end before 06:30, the others by day; the boxes start some minutes apart and take turns.
#[must_use]
pub fn demo_plan(box_ix: u32, rounds: u32) -> Plan {
    let shift = i64::from(box_ix % 3);
    let rounds = (0..rounds)
        .map(|round| {
            let n = i64::from(round);
            let day = FIRST_MONDAY + n / 6 * 7 + n % 6;
            let before_dawn = BEFORE_DAWN[(round as usize + box_ix as usize * 3) % BEFORE_DAWN.len()];
            let start_min = if before_dawn {
                DAWN_START_MIN + 7 * shift
            } else {
                DAY_STARTS_MIN[(round + box_ix) as usize % DAY_STARTS_MIN.len()] + 11 * shift
            };
            Round {
                start_utc_us: (day * 86_400 + start_min * 60) * 1_000_000,
                duration_s: 1_500 + (round * 97 + box_ix * 53) % 300,
            }
        })
        .collect();
    Plan { rounds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourteen_rounds_are_nine_before_dawn_and_five_by_day_on_fourteen_working_days() {
        for box_ix in 0..3 {
            let plan = demo_plan(box_ix, 14);
            let minute = |round: &Round| round.start_utc_us / 60_000_000 % 1_440;
            let day = |round: &Round| round.start_utc_us / 86_400_000_000;
            let dawn = plan.rounds.iter().filter(|round| minute(round) < 360).count();
            assert_eq!((plan.rounds.len(), dawn), (14, 9));
            assert!(plan.rounds.windows(2).all(|pair| day(&pair[0]) < day(&pair[1])));
            for round in &plan.rounds {
                // 1970-01-01 was a Thursday.
                assert_ne!((day(round) + 4) % 7, 0, "no round on a Sunday");
                assert!((20_454..20_485).contains(&day(round)), "January 2026");
                assert!((1_500..=1_800).contains(&round.duration_s));
                let end = minute(round) + i64::from(round.duration_s) / 60;
                assert!(minute(round) > 360 || end < 390, "before 06:30 UTC");
            }
        }
    }
}
