//! The deduplication ids in memory.

use std::collections::VecDeque;

use hashbrown::HashTable;
use stanchion_types::Timestamp;

use super::free_at;
use crate::event::{DeduplicationKey, Original};
use crate::ids::QueueId;

/// The ids that were used last, in the order of their use: a line, and an index into it by mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    /// Oldest first.
    line: VecDeque<Original>,
    /// The number of the first in line; numbers are never used again, apart from wrapping around.
    first: u32,
    /// Numbers by mark.
    index: HashTable<u32>,
}

impl Recent {
    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.line.len()
    }

    /// Lists them, oldest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Original> {
        self.line.iter()
    }

    /// Returns one by its place, counted from the oldest.
    pub(crate) fn nth(&self, place: usize) -> &Original {
        &self.line[place]
    }

    /// Finds the last use of an id, whether or not its time is over.
    pub(crate) fn get(&self, mark: u64, queue: QueueId, key: &DeduplicationKey) -> Option<&Original> {
        let original = |number: u32| &self.line[number.wrapping_sub(self.first) as usize];
        let same = |number: &u32| {
            let original = original(*number);
            original.queue == queue && original.deduplication == *key
        };
        self.index.find(mark, same).map(|number| original(*number))
    }

    /// Adds an id, which must not be in use.
    pub(crate) fn push(&mut self, original: Original) {
        let number = self.first.wrapping_add(self.line.len() as u32);
        let (line, first) = (&self.line, self.first);
        let mark = |number: &u32| line[number.wrapping_sub(first) as usize].mark();
        self.index.insert_unique(original.mark(), number, mark);
        self.line.push_back(original);
    }

    /// Removes the ids whose time is over.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        let over = self.line.iter().take_while(|original| free_at(original.accepted_at) <= now).count();
        self.remove_oldest(over);
    }

    /// Removes the oldest ids.
    pub(crate) fn remove_oldest(&mut self, count: usize) {
        for original in self.line.drain(..count) {
            let number = self.first;
            let entry = self.index.find_entry(original.mark(), |other| *other == number);
            entry.expect("every id in line is in the index").remove();
            self.first = number.wrapping_add(1);
        }
    }
}
