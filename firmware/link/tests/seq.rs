//! Loss by sequence number, against a model.

use proptest::prelude::*;
use tournee_link::{Arrival, SeqTracker};

#[test]
fn holes_boots_and_repetitions() {
    let mut tracker = SeqTracker::new();
    let seen: Vec<Arrival> = [(1, 40), (1, 41), (1, 44), (1, 44), (1, 43), (2, 0), (2, 1), (3, 2)]
        .map(|(boot, seq)| tracker.track(boot, seq))
        .to_vec();
    assert_eq!(
        seen,
        [
            Arrival::First,
            Arrival::InOrder,
            Arrival::Lost(2),
            Arrival::Late,
            Arrival::Late,
            Arrival::NewBoot { lost: 0 },
            Arrival::InOrder,
            Arrival::NewBoot { lost: 2 },
        ]
    );
    assert_eq!((tracker.lost(), tracker.late(), tracker.boots()), (4, 2, 3));
    tracker.reset();
    assert_eq!(tracker.track(3, 900), Arrival::First);
    assert_eq!(tracker.lost(), 4, "what passed while nobody listened is not the line's loss");
}

#[test]
fn the_counter_may_wrap() {
    let mut tracker = SeqTracker::new();
    tracker.track(1, u32::MAX - 1);
    assert_eq!(tracker.track(1, u32::MAX), Arrival::InOrder);
    assert_eq!(tracker.track(1, 2), Arrival::Lost(2));
    assert_eq!(tracker.track(1, u32::MAX), Arrival::Late);
}

proptest! {
    #[test]
    fn lost_is_what_was_left_out(arrives in proptest::collection::vec(any::<bool>(), 2..300), first in any::<u32>()) {
        let mut tracker = SeqTracker::new();
        let got: Vec<usize> = arrives.iter().enumerate().filter(|(_, yes)| **yes).map(|(n, _)| n).collect();
        for n in &got {
            tracker.track(9, first.wrapping_add(*n as u32));
        }
        let span = got.last().map_or(0, |last| last - got[0] + 1);
        prop_assert_eq!(tracker.lost(), (span - got.len()) as u64);
        prop_assert_eq!(tracker.late(), 0);
    }
}
