//! Chance from a seed (SplitMix64): the same seed draws the same numbers.

pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Draws a number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    /// Tells true in `percent` of a hundred cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Picks one of some things; there is at least one.
    pub(crate) fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }

    /// Picks up to so many different things, in their order.
    pub(crate) fn some<T: Copy>(&mut self, things: &[T], most: usize) -> Vec<T> {
        let mut left = most.min(things.len());
        let mut picked = Vec::new();
        for (index, thing) in things.iter().enumerate() {
            if left > 0 && self.below(things.len() - index) < left {
                picked.push(*thing);
                left -= 1;
            }
        }
        picked
    }
}
