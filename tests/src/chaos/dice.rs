//! Chance that a seed repeats.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `from` up to, not including, `to`; `from` where there is none between.
    pub const fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.bits() % if to > from { to - from } else { 1 }
    }

    /// One of `count` places, 0 where there are none.
    pub fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.between(0, count as u64)).unwrap_or_default()
    }

    /// True once in `in_every` times.
    pub const fn one_in(&mut self, in_every: u64) -> bool {
        self.between(0, in_every) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_numbers_stay_between() {
        let (mut one, mut two) = (Dice::new(7), Dice::new(7));
        for _ in 0..1_000 {
            let number = one.between(3, 9);
            assert!((3..9).contains(&number));
            assert_eq!(number, two.between(3, 9));
        }
        assert_eq!(Dice::new(0).bits(), 0xe220_a839_7b1d_cdaf, "the published first value of seed 0");
        assert_eq!(Dice::new(1).between(5, 5), 5);
    }
}
