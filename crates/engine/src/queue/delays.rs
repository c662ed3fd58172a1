//! Delayed messages in memory, and which of them can leave it.
//!
//! On a standard queue each message has a moment of its own, so they stand in slots of a second: a page takes messages
//! of one slot, or of some neighbours if they are far away, and returns whole when the first of them comes. On a FIFO
//! queue all messages have the queue's delay, so they become visible in the order of their keys, in one line.
//!
//! ```text
//! standard:  now | 12:00:01: a f | 12:00:02: c | ... | 12:14:58: b | 12:14:59: d e     the fullest span leaves
//! FIFO:      a b c d | page | page | y z                                               the end of the line leaves
//! ```

use std::collections::{BTreeMap, BTreeSet};

use stanchion_types::Timestamp;

use crate::ids::MessageKey;

/// Length of a slot.
const SLOT_MS: u64 = 1_000;
/// A page spans one slot more for every so many that it is away. What returns with the first of its messages, too early,
/// does so after a wait that is long against the time it has left; and pages are full although each slot has few messages.
const SLOTS_FOR_ONE: u64 = 64;

/// The delayed messages of a queue that are in memory.
#[derive(Clone, Debug, Default)]
pub struct Delays {
    slots: BTreeMap<u64, BTreeSet<(Timestamp, MessageKey)>>,
    line: BTreeSet<MessageKey>,
    count: usize,
}

impl Delays {
    /// Returns the number of messages.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a message. [`Timestamp::NEVER`] and [`Timestamp::ZERO`] stand for the due moments of a FIFO queue.
    pub fn insert(&mut self, due: Timestamp, key: MessageKey) {
        let is_new = match due {
            Timestamp::NEVER | Timestamp::ZERO => self.line.insert(key),
            due => self.slots.entry(slot(due)).or_default().insert((due, key)),
        };
        assert!(is_new, "message {key:?} was delayed twice");
        self.count += 1;
    }

    /// Takes a message away.
    pub fn remove(&mut self, due: Timestamp, key: MessageKey) {
        let was_there = match due {
            Timestamp::NEVER | Timestamp::ZERO => self.line.remove(&key),
            due => {
                let entry = self.slots.get_mut(&slot(due)).expect("a delayed message has a slot");
                let was_there = entry.remove(&(due, key));
                if entry.is_empty() {
                    self.slots.remove(&slot(due));
                }
                was_there
            }
        };
        assert!(was_there, "message {key:?} was not delayed");
        self.count -= 1;
    }

    /// Returns the first due moment on a standard queue.
    pub fn first_due(&self) -> Option<Timestamp> {
        let (_, slot) = self.slots.first_key_value()?;
        slot.first().map(|(due, _)| *due)
    }

    /// Lists the messages of a standard queue whose delay is over.
    pub fn over(&self, now: Timestamp) -> impl Iterator<Item = MessageKey> + '_ {
        let ordered = self.slots.values().flatten();
        ordered.take_while(move |(due, _)| *due <= now).map(|(_, key)| *key)
    }

    /// Lists the messages of a FIFO queue in order.
    pub fn line(&self) -> impl DoubleEndedIterator<Item = MessageKey> + '_ {
        self.line.iter().copied()
    }

    /// Returns how many messages of a standard queue stand in slots that begin at `from` or later.
    pub fn far(&self, from: Timestamp) -> usize {
        let near: usize = self.slots.range(..first_slot(from)).map(|(_, slot)| slot.len()).sum();
        self.count - self.line.len() - near
    }

    /// Chooses messages of a standard queue for a page, at most `size`, of slots that begin at `from` or later.
    ///
    /// That is the fullest span. If not even that one holds `dense` messages it is the farther half of them all: what
    /// of it returns too early can leave again, and half of it will not have to.
    pub fn choose(&self, from: Timestamp, size: usize, dense: usize) -> Vec<MessageKey> {
        let from = first_slot(from);
        let far = self.slots.range(from..);
        let spans = far.clone().map(|(&at, _)| {
            let span = at..=at + (at - from) / SLOTS_FOR_ONE;
            (self.slots.range(span.clone()).map(|(_, slot)| slot.len()).sum::<usize>().min(size), at, span)
        });
        let Some((count, _, fullest)) = spans.max_by_key(|(count, at, _)| (*count, *at)) else { return Vec::new() };
        if count >= dense {
            let span = self.slots.range(fullest).flat_map(|(_, slot)| slot);
            return span.take(size).map(|(_, key)| *key).collect();
        }
        let half = far.clone().map(|(_, slot)| slot.len()).sum::<usize>().div_ceil(2);
        far.rev().flat_map(|(_, slot)| slot.iter().rev()).take(size.min(half)).map(|(_, key)| *key).collect()
    }
}

fn slot(due: Timestamp) -> u64 {
    due.millis() / SLOT_MS
}

fn first_slot(from: Timestamp) -> u64 {
    from.millis().div_ceil(SLOT_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(messages: &[(u64, u64)]) -> Delays {
        let mut delays = Delays::default();
        for &(due, key) in messages {
            delays.insert(Timestamp::from_millis(due), MessageKey(key));
        }
        delays
    }

    fn chosen(delays: &Delays, from: u64, size: usize, dense: usize) -> Vec<u64> {
        delays.choose(Timestamp::from_millis(from), size, dense).into_iter().map(|key| key.0).collect()
    }

    #[test]
    fn a_page_takes_the_fullest_slot_that_is_not_near() {
        let delays = delays(&[(1_100, 1), (1_200, 2), (1_300, 3), (5_100, 4), (5_000, 5), (9_000, 6)]);
        assert_eq!(chosen(&delays, 3_000, 10, 2), [5, 4]);
        assert_eq!(chosen(&delays, 3_000, 1, 2), [6], "of slots that fill a page the farthest");
        assert_eq!(delays.far(Timestamp::from_millis(3_000)), 3);
    }

    #[test]
    fn a_page_of_messages_that_are_far_away_spans_some_seconds() {
        let moments = [(1_000, 1), (1_000, 2), (250_000, 3), (250_100, 7), (251_000, 4), (252_900, 5), (600_000, 6)];
        let minutes = delays(&moments);
        assert_eq!(chosen(&minutes, 1_000, 10, 2), [3, 7, 4, 5], "250 seconds away it is four seconds");
        assert_eq!(chosen(&minutes, 1_000, 2, 2), [4, 5], "the farthest that fills a page");
        assert_eq!(chosen(&minutes, 200_000, 10, 2), [3, 7], "50 seconds away it is one");
    }

    #[test]
    fn where_no_slot_is_full_a_page_takes_the_farther_half() {
        let delays = delays(&[(1_000, 1), (2_000, 2), (3_000, 3), (4_000, 4), (5_000, 5)]);
        assert_eq!(chosen(&delays, 2_000, 10, 2), [5, 4]);
        assert_eq!(chosen(&delays, 1_500, 1, 2), [5]);
        assert_eq!(chosen(&delays, 5_001, 10, 1), [] as [u64; 0]);
    }

    #[test]
    fn messages_are_over_in_the_order_of_their_moments() {
        let mut delays = delays(&[(1_999, 1), (1_000, 2), (2_000, 3), (2_001, 4)]);
        let over = |delays: &Delays| delays.over(Timestamp::from_millis(2_000)).map(|key| key.0).collect::<Vec<_>>();
        assert_eq!(over(&delays), [2, 1, 3]);
        delays.remove(Timestamp::from_millis(1_000), MessageKey(2));
        assert_eq!(over(&delays), [1, 3]);
        assert_eq!(delays.first_due(), Some(Timestamp::from_millis(1_999)));
        assert_eq!(delays.len(), 3);
    }
}
