//! A set of sequence numbers kept as intervals.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Sequence numbers as sorted, disjoint, non-touching inclusive intervals. A box that sends in order is one interval,
/// whatever its age.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalSet {
    /// (first, last), rising, with at least one number missing between neighbours.
    list: Vec<(u64, u64)>,
}

impl IntervalSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The intervals, (first, last) inclusive, rising.
    #[must_use]
    pub fn intervals(&self) -> &[(u64, u64)] {
        &self.list
    }

    /// How many numbers are in the set.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.list.iter().fold(0, |sum: u64, (first, last)| sum.saturating_add((last - first).saturating_add(1)))
    }

    /// Largest number in the set.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.list.last().map(|(_, last)| *last)
    }

    /// Is `seq` in the set?
    #[must_use]
    pub fn contains(&self, seq: u64) -> bool {
        let after = self.list.partition_point(|(first, _)| *first <= seq);
        after.checked_sub(1).and_then(|at| self.list.get(at)).is_some_and(|(_, last)| seq <= *last)
    }

    /// The contiguous watermark: the first number that is missing, counting from 0. Everything below it is in the set.
    #[must_use]
    pub fn watermark(&self) -> u64 {
        match self.list.first() {
            Some((0, last)) => last.saturating_add(1),
            _ => 0,
        }
    }

    /// Adds one number; true when it was not there.
    pub fn insert(&mut self, seq: u64) -> bool {
        // The usual case, a box sending in order, touches only the last interval.
        if let Some((_, last)) = self.list.last_mut()
            && last.checked_add(1) == Some(seq)
        {
            *last = seq;
            return true;
        }
        if self.contains(seq) {
            return false;
        }
        self.insert_range(seq, seq);
        true
    }

    /// Adds `first..=last`; nothing when `first > last`.
    pub fn insert_range(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        // Every interval that overlaps or touches the new one is swallowed.
        let from = self.list.partition_point(|(_, l)| l.saturating_add(1) < first);
        let to = self.list.partition_point(|(f, _)| *f <= last.saturating_add(1));
        let merged = match self.list.get(from..to) {
            Some([head, .., tail]) => (head.0.min(first), tail.1.max(last)),
            Some([only]) => (only.0.min(first), only.1.max(last)),
            _ => (first, last),
        };
        let to = to.max(from);
        self.list.splice(from..to, [merged]);
    }

    /// The parts of `first..=last` that are not in the set, rising.
    #[must_use]
    pub fn missing(&self, first: u64, last: u64) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        let mut next = first;
        let start = self.list.partition_point(|(_, l)| *l < first);
        for (f, l) in self.list.iter().skip(start) {
            if next > last || *f > last {
                break;
            }
            if *f > next {
                out.push((next, f - 1));
            }
            match l.checked_add(1) {
                Some(after) => next = next.max(after),
                None => return out,
            }
        }
        if next <= last {
            out.push((next, last));
        }
        out
    }

    /// Adds every number of `other`.
    pub fn union_with(&mut self, other: &Self) {
        for (first, last) in &other.list {
            self.insert_range(*first, *last);
        }
    }

    /// How many numbers of this set are not in `other`.
    #[must_use]
    pub fn count_outside(&self, other: &Self) -> u64 {
        let mut sum = 0_u64;
        for (first, last) in &self.list {
            for (f, l) in other.missing(*first, *last) {
                sum = sum.saturating_add((l - f).saturating_add(1));
            }
        }
        sum
    }
}

impl FromIterator<u64> for IntervalSet {
    fn from_iter<I: IntoIterator<Item = u64>>(iter: I) -> Self {
        let mut set = Self::new();
        for seq in iter {
            set.insert(seq);
        }
        set
    }
}

impl Serialize for IntervalSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for IntervalSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut set = Self::new();
        for (first, last) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            if first > last {
                return Err(serde::de::Error::custom(format!("interval [{first}, {last}] runs backwards")));
            }
            set.insert_range(first, last);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn edges_of_the_number_range() {
        let mut set = IntervalSet::new();
        set.insert_range(u64::MAX - 1, u64::MAX);
        assert!(set.insert(0));
        assert!(!set.insert(u64::MAX));
        assert_eq!(set.watermark(), 1);
        assert_eq!(set.missing(0, u64::MAX), vec![(1, u64::MAX - 2)]);
        set.insert_range(0, u64::MAX);
        assert_eq!(set.intervals(), &[(0, u64::MAX)]);
        assert_eq!(set.watermark(), u64::MAX);
        assert!(set.missing(0, u64::MAX).is_empty());
        set.insert_range(5, 4);
        assert_eq!(set.intervals().len(), 1);
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(ranges in prop::collection::vec((0_u64..120, 0_u64..12), 0..60), singles in prop::collection::vec(0_u64..140, 0..60)) {
            let mut set = IntervalSet::new();
            let mut model = BTreeSet::new();
            for (first, length) in ranges {
                let missing: Vec<u64> = set.missing(first, first + length).into_iter().flat_map(|(f, l)| f..=l).collect();
                let expected: Vec<u64> = (first..=first + length).filter(|seq| !model.contains(seq)).collect();
                prop_assert_eq!(missing, expected);
                set.insert_range(first, first + length);
                model.extend(first..=first + length);
            }
            for seq in singles {
                prop_assert_eq!(set.insert(seq), model.insert(seq));
            }
            let numbers: Vec<u64> = set.intervals().iter().flat_map(|(first, last)| *first..=*last).collect();
            prop_assert_eq!(&numbers, &model.iter().copied().collect::<Vec<_>>());
            prop_assert!(set.intervals().windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            prop_assert_eq!(set.count(), model.len() as u64);
            prop_assert_eq!(set.last(), model.last().copied());
            prop_assert_eq!(set.watermark(), (0..).find(|seq| !model.contains(seq)).unwrap());
            for seq in 0..160 {
                prop_assert_eq!(set.contains(seq), model.contains(&seq));
            }
            let text = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(serde_json::from_str::<IntervalSet>(&text).unwrap(), set);
        }

        #[test]
        fn union_and_difference(a in prop::collection::btree_set(0_u64..100, 0..60), b in prop::collection::btree_set(0_u64..100, 0..60)) {
            let (left, right): (IntervalSet, IntervalSet) = (a.iter().copied().collect(), b.iter().copied().collect());
            prop_assert_eq!(left.count_outside(&right), a.difference(&b).count() as u64);
            let mut both = left;
            both.union_with(&right);
            prop_assert_eq!(both, a.union(&b).copied().collect::<IntervalSet>());
        }
    }
}
