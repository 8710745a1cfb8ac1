//! What breaks a series into pieces. Good and refused rows in turn, or good rows and gap records in turn, leave the series
//! itself whole, but the set of each table that accounts for its part grows by an interval each time: those are bounded here.

use std::collections::HashMap;

use tournee_lake::{Series, Table};

#[derive(Clone, Copy, Debug)]
struct Pieces {
    count: usize,
    /// The number after the last piece.
    next: u64,
}

/// Counted per accounting table and series since the worker began, on top of what was committed then.
#[derive(Debug, Default)]
pub(crate) struct Holes {
    map: HashMap<(Table, Series), Pieces>,
}

impl Holes {
    /// May `table` account for `first..=last` of `series` as well? What continues its last piece always may. `before`: pieces
    /// in the last commit, looked at once per series. `most`: pieces that are allowed.
    pub(crate) fn admit(
        &mut self,
        table: Table,
        series: &Series,
        (first, last): (u64, u64),
        before: usize,
        most: usize,
    ) -> bool {
        let key = (table, series.clone());
        let pieces = self.map.entry(key).or_insert_with(|| Pieces { count: before, next: u64::MAX });
        if pieces.next == first {
            pieces.next = last.saturating_add(1);
            return true;
        }
        if pieces.count >= most {
            return false;
        }
        *pieces = Pieces { count: pieces.count + 1, next: last.saturating_add(1) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES_MAX: usize = 4_096;

    #[test]
    fn what_continues_costs_nothing_and_the_rest_is_bounded() {
        let series = Series { box_id: "a".to_owned(), stream: Table::Air, epoch: 1 };
        let mut holes = Holes::default();
        for seq in 0..3 * PIECES_MAX as u64 {
            assert!(holes.admit(Table::Quarantine, &series, (seq, seq), 0, PIECES_MAX));
        }
        let mut admitted = 0;
        for seq in (100_000..200_000).step_by(2) {
            admitted += usize::from(holes.admit(Table::Quarantine, &series, (seq, seq), 0, PIECES_MAX));
        }
        assert_eq!(admitted, PIECES_MAX - 1);
        // Another table, with pieces from before.
        assert!(holes.admit(Table::Gap, &series, (5, 9), PIECES_MAX - 1, PIECES_MAX));
        assert!(!holes.admit(Table::Gap, &series, (20, 29), 0, PIECES_MAX));
        assert!(holes.admit(Table::Gap, &series, (10, 19), 0, PIECES_MAX));
    }
}
