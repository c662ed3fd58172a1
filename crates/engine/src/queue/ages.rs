//! The messages in memory by when they were sent.
//!
//! Nearly all come in the order in which they were sent, and most go in about that order. So those stand in a line, where
//! one that goes from the middle leaves a gap; only what comes out of order, as from a page, stands in a set.
//!
//! ```text
//! line:          4  .  .  7  8  .  10  11   <- a send
//! out of order:  1  2  3
//! ```

use std::collections::{BTreeSet, VecDeque};

use stanchion_types::Timestamp;

use crate::ids::MessageKey;
use crate::room::Room;

/// So many gaps in a line are left alone, however short it is.
const GAPS_KEPT: usize = 64;

/// A message by its age: the time at which it was sent, and its key.
type Aged = (Timestamp, MessageKey);

/// Messages by age.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ages {
    /// Oldest first, each with whether it is still there; the first one is.
    line: VecDeque<(Aged, bool)>,
    /// How many of the line are gone.
    gaps: usize,
    /// The place in the line after the last that became a gap: what leaves memory for a page stands side by side.
    next: usize,
    rest: BTreeSet<Aged>,
}

impl Ages {
    /// Adds a message that is not there.
    pub(crate) fn insert(&mut self, sent_at: Timestamp, key: MessageKey) {
        let aged = (sent_at, key);
        if self.line.back().is_none_or(|(last, _)| *last < aged) {
            self.line.push_back((aged, true));
        } else {
            self.rest.insert(aged);
        }
    }

    /// Takes a message away, if it is there.
    pub(crate) fn remove(&mut self, sent_at: Timestamp, key: MessageKey) {
        let aged = (sent_at, key);
        if !self.rest.is_empty() && self.rest.remove(&aged) {
            return;
        }
        let Some(at) = self.place(aged) else { return };
        if std::mem::replace(&mut self.line[at].1, false) {
            self.gaps += 1;
            self.next = at + 1;
        }
        while self.line.front().is_some_and(|(_, is_there)| !is_there) {
            self.line.pop_front();
            self.gaps -= 1;
            self.next = self.next.saturating_sub(1);
        }
        if self.gaps > GAPS_KEPT.max(self.line.len() / 2) {
            self.line.retain(|(_, is_there)| *is_there);
            self.gaps = 0;
        }
        self.line.fit();
    }

    /// Finds a message in the line, first where it is most likely to be.
    fn place(&self, aged: Aged) -> Option<usize> {
        let likely = [0, self.next].into_iter().find(|at| self.line.get(*at).is_some_and(|(there, _)| *there == aged));
        likely.or_else(|| self.line.binary_search_by_key(&aged, |(there, _)| *there).ok())
    }

    /// Returns the oldest message.
    pub(crate) fn first(&self) -> Option<Aged> {
        let line = self.line.front().map(|(aged, _)| *aged);
        line.into_iter().chain(self.rest.first().copied()).min()
    }

    /// Lists the messages, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Aged> + '_ {
        let mut line = self.line.iter().filter(|(_, is_there)| *is_there).map(|(aged, _)| *aged).peekable();
        let mut rest = self.rest.iter().copied().peekable();
        std::iter::from_fn(move || match (line.peek(), rest.peek()) {
            (Some(one), Some(other)) if other < one => rest.next(),
            (Some(_), _) => line.next(),
            (None, _) => rest.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Makes the steps on a set as well, and compares: keys that are there leave, others come.
    fn check(steps: impl IntoIterator<Item = (u64, u64)>) -> (Ages, BTreeSet<Aged>) {
        let (mut ages, mut set) = (Ages::default(), BTreeSet::new());
        for (sent, key) in steps {
            let aged = (Timestamp::from_millis(sent), MessageKey(key));
            if set.remove(&aged) {
                ages.remove(aged.0, aged.1);
            } else {
                ages.insert(aged.0, aged.1);
                set.insert(aged);
            }
            assert_eq!(ages.first(), set.first().copied());
        }
        assert!(ages.iter().eq(set.iter().copied()));
        (ages, set)
    }

    proptest! {
        #[test]
        fn ages_are_a_set_whatever_comes_and_goes(steps in vec((0..4u64, 0..40u64), 0..400)) {
            check(steps);
        }
    }

    #[test]
    fn one_that_is_not_there_changes_nothing() {
        let (mut ages, set) = check((1..=5).map(|key| (key, key)));
        for (sent, key) in [(0, 0), (3, 4), (9, 9)] {
            ages.remove(Timestamp::from_millis(sent), MessageKey(key));
        }
        assert!(ages.iter().eq(set));
    }

    #[test]
    fn gaps_do_not_outnumber_what_is_there() {
        // The first stays, all others go again.
        let comes = (0..10_000).map(|key| (key, key));
        let (ages, set) = check(comes.clone().chain(comes.skip(1)));
        assert_eq!(set.len(), 1);
        assert!(ages.line.len() <= 2 + 2 * GAPS_KEPT && ages.line.room() <= 16 * GAPS_KEPT);
        check((0..1_000).map(|key| (key, key)).chain([(0, 0), (2, 2), (1, 1)]));
    }
}
