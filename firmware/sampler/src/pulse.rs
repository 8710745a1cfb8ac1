//! Which second an edge of the receiver's pulse is, and which tick a fix belongs to.

/// A time pulse announcement or a fix is of use for this long.
const FRESH_US: u64 = 1_500_000;
/// A fix reaches the box about this long after its epoch: what it takes the receiver to compute and to send it.
const FIX_LATENCY_US: i64 = 100_000;
const SECOND_US: i64 = 1_000_000;

/// What is known of the receiver's time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pulse {
    /// UTC of the next edge as the receiver announced it, and when it said so.
    announced: Option<(i64, u64)>,
    /// UTC of the last fix and when it arrived.
    fix: Option<(i64, u64)>,
    /// Ticks and UTC of the last labelled edge.
    edge: Option<(u64, i64)>,
}

impl Pulse {
    pub(crate) const fn new() -> Self {
        Self { announced: None, fix: None, edge: None }
    }

    /// The receiver says what the next edge is.
    pub(crate) fn announce(&mut self, now_us: u64, utc_us: i64) {
        self.announced = Some((utc_us, now_us));
    }

    /// An edge: its UTC, 0 while unknown.
    pub(crate) fn edge(&mut self, tick_us: u64) -> i64 {
        let fresh = |since: u64| tick_us.saturating_sub(since) <= FRESH_US;
        let utc_us = match (self.announced.take(), self.fix) {
            (Some((utc_us, since)), _) if fresh(since) => utc_us,
            (_, Some((utc_us, since))) if fresh(since) => {
                let passed_us = i64::try_from(tick_us.saturating_sub(since)).unwrap_or(0);
                let about_us = utc_us.saturating_add(passed_us).saturating_add(FIX_LATENCY_US);
                (about_us.saturating_add(SECOND_US / 2)).div_euclid(SECOND_US).saturating_mul(SECOND_US)
            }
            _ => 0,
        };
        self.edge = (utc_us != 0).then_some((tick_us, utc_us));
        utc_us
    }

    /// A fix has arrived: the tick of its epoch by the last edge; else that of its arrival.
    pub(crate) fn fix(&mut self, arrived_us: u64, utc_us: i64) -> u64 {
        if utc_us == 0 {
            return arrived_us;
        }
        self.fix = Some((utc_us, arrived_us));
        let by_edge = self
            .edge
            .filter(|(tick_us, _)| arrived_us.saturating_sub(*tick_us) <= FRESH_US)
            .and_then(|(tick_us, edge_utc_us)| tick_us.checked_add_signed(utc_us.saturating_sub(edge_utc_us)));
        // A label that is a second off would put the fix into the future or far into the past.
        by_edge
            .filter(|tick_us| *tick_us <= arrived_us && arrived_us.saturating_sub(*tick_us) < SECOND_US as u64)
            .unwrap_or(arrived_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTC: i64 = 1_767_600_000_000_000;

    #[test]
    fn an_announced_edge_is_labelled_once() {
        let mut pulse = Pulse::new();
        assert_eq!(pulse.edge(1_000_000), 0);
        pulse.announce(1_900_000, UTC);
        assert_eq!(pulse.edge(2_000_000), UTC);
        assert_eq!(pulse.edge(3_000_000), 0, "an old announcement says nothing of the next edge");
    }

    #[test]
    fn without_announcements_the_last_fix_labels_the_edge() {
        let mut pulse = Pulse::new();
        assert_eq!(pulse.fix(5_110_000, UTC), 5_110_000);
        assert_eq!(pulse.edge(6_000_000), UTC + SECOND_US);
        assert_eq!(pulse.fix(6_090_000, UTC + SECOND_US), 6_000_000, "the epoch of the fix is the edge");
        assert_eq!(pulse.fix(6_390_000, UTC + SECOND_US + 300_000), 6_300_000);
    }

    #[test]
    fn a_wrong_label_never_moves_a_fix_out_of_its_second() {
        let mut pulse = Pulse::new();
        pulse.announce(0, UTC);
        pulse.edge(1_000);
        assert_eq!(pulse.fix(100_000, UTC + 5 * SECOND_US), 100_000);
        assert_eq!(pulse.fix(100_000, UTC - 5 * SECOND_US), 100_000);
    }
}
