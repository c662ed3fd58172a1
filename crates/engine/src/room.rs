//! Memory that tables hold for entries that have gone.
//!
//! A table that grows takes twice the room it had, and keeps it. Ten thousand queues that were deep one after the other
//! would so hold the room of ten thousand deep queues. What is done here changes what a table costs, never what it says.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};

use hashbrown::HashMap;

/// Room for so many entries is never given back by [`Room::fit`]: it comes and goes with every burst.
const KEPT: usize = 128;

/// What can give room back.
pub(crate) trait Room {
    /// Returns the number of entries.
    fn entries(&self) -> usize;
    /// Returns how many entries there is room for.
    fn room(&self) -> usize;
    /// Gives room back, down to that for so many entries.
    fn keep(&mut self, entries: usize);

    /// Gives room back if less than an eighth of it is used; to be called after an entry has gone. The entries that stay are
    /// moved, which is much less work than was done on those that went.
    fn fit(&mut self) {
        if self.room() > KEPT.max(8 * self.entries()) {
            self.keep(2 * self.entries());
        }
    }

    /// Gives room back if less than half of it is used; to be called where memory is short.
    fn tighten(&mut self) {
        if self.room() > 2 * self.entries() {
            self.keep(self.entries() + self.entries() / 4);
        }
    }
}

impl<K: Eq + Hash, V, S: BuildHasher> Room for HashMap<K, V, S> {
    fn entries(&self) -> usize {
        self.len()
    }

    fn room(&self) -> usize {
        self.capacity()
    }

    fn keep(&mut self, entries: usize) {
        self.shrink_to(entries);
    }
}

impl<T> Room for VecDeque<T> {
    fn entries(&self) -> usize {
        self.len()
    }

    fn room(&self) -> usize {
        self.capacity()
    }

    fn keep(&mut self, entries: usize) {
        self.shrink_to(entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: u64) -> HashMap<u64, u64> {
        (0..entries).map(|key| (key, key)).collect()
    }

    #[test]
    fn a_table_that_is_emptied_gives_its_room_back_and_keeps_its_entries() {
        let mut table = table(10_000);
        for key in 0..9_990 {
            table.remove(&key);
            table.fit();
        }
        assert!(table.room() <= KEPT, "room for {} entries is left", table.room());
        assert_eq!((9_990..10_000).filter(|key| table.get(key) == Some(key)).count(), 10);
    }

    #[test]
    fn a_table_that_comes_and_goes_with_bursts_keeps_its_room() {
        let mut table = table(100);
        table.retain(|_, _| false);
        let room = table.room();
        table.fit();
        assert!(room > 0 && table.room() == room);
    }

    #[test]
    fn where_memory_is_short_half_of_the_room_is_used() {
        for left in [1, 10, 60, 100, 1_000] {
            let (mut table, mut line) = (table(2_000), (0..2_000).collect::<VecDeque<u64>>());
            table.retain(|key, _| *key < left);
            line.truncate(left as usize);
            table.tighten();
            line.tighten();
            // A table has a power of two of places, of which an eighth stays free.
            assert!(table.room() <= 3 * left as usize, "room for {} entries of {left}", table.room());
            assert!(line.room() <= 2 * left as usize, "room for {} entries of {left}", line.room());
            assert_eq!((table.entries(), line.entries()), (left as usize, left as usize));
        }
    }
}
