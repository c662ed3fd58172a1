//! Random bits in small portions, bought from the operating system in large ones.

use stanchion_engine::ids::Entropy;

/// A pool of random bits; nothing that was drawn stays in it.
pub(crate) struct EntropyPool {
    bytes: [u8; EntropyPool::BYTES],
    used: usize,
}

impl EntropyPool {
    const BYTES: usize = 2048;

    /// Makes an empty pool: the first draw fills it.
    pub(crate) fn new() -> Self {
        EntropyPool { bytes: [0; EntropyPool::BYTES], used: EntropyPool::BYTES }
    }

    /// Draws the seed for one command.
    pub(crate) fn draw(&mut self) -> Entropy {
        if self.used == EntropyPool::BYTES {
            // Linux gives these bytes once it has booted; a server that gets none could make no message id.
            getrandom::fill(&mut self.bytes).expect("the operating system gives random bytes");
            self.used = 0;
        }
        let portion = self.bytes[self.used..].first_chunk_mut::<16>().expect("a pool is a whole number of portions");
        self.used += portion.len();
        Entropy(u128::from_ne_bytes(std::mem::take(portion)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_draws_are_alike_across_refills() {
        let mut pool = EntropyPool::new();
        let draws: HashSet<u128> = (0..1000).map(|_| pool.draw().0).collect();
        assert_eq!(draws.len(), 1000);
    }
}
