//! A set of sequence numbers that may come in any order, in little memory.
//!
//! [`IntervalSet`] is small for numbers that come in order. Rows of a compacted file come by place and time: most numbers then
//! arrive between two that are missing yet, and a list of intervals would grow to one per row before it shrinks. Here numbers
//! lie in blocks of 4,096, one bit each; a full block becomes part of an interval.

use std::collections::BTreeMap;

use tournee_lake::IntervalSet;

const WORDS: usize = 64;
const BLOCK: u64 = 64 * WORDS as u64;

/// Bytes of one block, its place in the map included, about.
pub(crate) const BLOCK_BYTES: usize = WORDS * 8 + 64;

struct Bits {
    words: Box<[u64; WORDS]>,
    set: u32,
}

/// Sequence numbers.
#[derive(Default)]
pub(crate) struct SeqSet {
    full: IntervalSet,
    open: BTreeMap<u64, Bits>,
}

impl SeqSet {
    /// Adds one number; true when it was not there.
    pub(crate) fn insert(&mut self, seq: u64) -> bool {
        let block = seq / BLOCK;
        if !self.open.contains_key(&block) && self.full.contains(block) {
            return false;
        }
        let bits = self.open.entry(block).or_insert_with(|| Bits { words: Box::new([0; WORDS]), set: 0 });
        let at = seq % BLOCK;
        // `at / 64` is below 64 whatever `seq` is.
        let Some(word) = bits.words.get_mut((at / 64) as usize) else { return false };
        let bit = 1 << (at % 64);
        if *word & bit != 0 {
            return false;
        }
        *word |= bit;
        bits.set += 1;
        if u64::from(bits.set) == BLOCK {
            self.open.remove(&block);
            self.full.insert(block);
        }
        true
    }

    /// Blocks that take memory, and intervals of full ones.
    pub(crate) fn blocks(&self) -> usize {
        self.open.len() + self.full.intervals().len() / (BLOCK_BYTES / 16)
    }

    /// The same numbers as intervals.
    pub(crate) fn to_intervals(&self) -> IntervalSet {
        let mut out = IntervalSet::new();
        // Rising, so that each interval is put at the end: full and open blocks side by side.
        let mut full = self.full.intervals().iter().copied().peekable();
        let mut put_full = |until: Option<u64>, out: &mut IntervalSet| {
            while let Some((first, last)) = full.next_if(|(first, _)| until.is_none_or(|until| *first < until)) {
                out.insert_range(first * BLOCK, last.saturating_mul(BLOCK).saturating_add(BLOCK - 1));
            }
        };
        for (block, bits) in &self.open {
            put_full(Some(*block), &mut out);
            for (at, word) in (0..).zip(bits.words.iter()) {
                let mut left = *word;
                while left != 0 {
                    let from = left.trailing_zeros();
                    let run = (left >> from).trailing_ones();
                    let first = block * BLOCK + at * 64 + u64::from(from);
                    out.insert_range(first, first + u64::from(run) - 1);
                    left = if from + run >= 64 { 0 } else { left >> (from + run) << (from + run) };
                }
            }
        }
        put_full(None, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

    use super::*;

    #[test]
    fn behaves_as_a_set_in_any_order() {
        for seed in 0..20 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut numbers: Vec<u64> = (0..30_000).filter(|_| rng.random_bool(0.999)).collect();
            numbers.extend((0..50).map(|_| rng.random_range(0..u64::MAX)));
            numbers.extend([u64::MAX, u64::MAX - 1, 4_095, 4_096]);
            numbers.shuffle(&mut rng);
            let (mut set, mut model) = (SeqSet::default(), BTreeSet::new());
            for seq in numbers {
                assert_eq!(set.insert(seq), model.insert(seq), "{seq}");
            }
            let intervals = set.to_intervals();
            assert_eq!(intervals.count(), model.len() as u64);
            assert!(model.iter().all(|seq| intervals.contains(*seq)));
            assert!(!set.insert(u64::MAX));
        }
    }

    #[test]
    fn full_blocks_take_no_memory() {
        let mut set = SeqSet::default();
        for seq in (0..BLOCK * 100).rev() {
            assert!(set.insert(seq));
        }
        assert_eq!(set.blocks(), 0);
        assert_eq!(set.to_intervals().intervals(), &[(0, BLOCK * 100 - 1)]);
        assert!(!set.insert(17));
    }
}
