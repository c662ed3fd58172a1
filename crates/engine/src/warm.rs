//! How many messages in memory could be on pages, over all queues, and which queues have most of them.

use std::collections::BTreeSet;

use crate::ids::QueueId;

/// The messages in memory that are not in flight.
#[derive(Clone, Debug)]
pub(crate) struct Warm {
    /// A queue with fewer messages is not worth listing.
    least: usize,
    total: usize,
    /// Queues by the power of two of their messages.
    classes: BTreeSet<(u32, QueueId)>,
}

/// What is known of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    messages: usize,
    /// 0 if the queue is not listed.
    class: u32,
}

impl Warm {
    /// Makes the count of no messages; queues with fewer than `least` are not listed.
    pub(crate) fn new(least: usize) -> Self {
        Warm { least: least.max(2), total: 0, classes: BTreeSet::new() }
    }

    /// Returns the number of messages.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Counts a queue anew. Its class follows only when the number has doubled or halved, so that a queue that comes
    /// and goes by single messages is not listed again for each of them.
    pub(crate) fn count(&mut self, queue: QueueId, counted: &mut Counted, messages: usize) {
        self.total = self.total + messages - counted.messages;
        counted.messages = messages;
        let class = if messages < self.least { 0 } else { messages.ilog2() };
        let has_moved = class > counted.class
            || class + 1 < counted.class
            || class == 0 && messages <= self.least / 2 && counted.class > 0;
        if has_moved {
            self.classes.remove(&(counted.class, queue));
            if class > 0 {
                self.classes.insert((class, queue));
            }
            counted.class = class;
        }
    }

    /// Lists the queues, those with most messages first.
    pub(crate) fn heaviest(&self) -> impl Iterator<Item = QueueId> + '_ {
        self.classes.iter().rev().map(|(_, queue)| *queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_listed_by_the_power_of_two_of_their_messages() {
        let (mut warm, mut queues) = (Warm::new(2), [Counted::default(); 4]);
        for (index, messages) in [1, 70, 5, 100].into_iter().enumerate() {
            warm.count(QueueId(index as u64), &mut queues[index], messages);
        }
        assert_eq!(warm.total(), 176);
        assert_eq!(warm.heaviest().map(|queue| queue.0).collect::<Vec<_>>(), [3, 1, 2]);
        warm.count(QueueId(3), &mut queues[3], 3);
        warm.count(QueueId(1), &mut queues[1], 0);
        assert_eq!(warm.total(), 9);
        assert_eq!(warm.heaviest().map(|queue| queue.0).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn a_queue_that_hovers_around_a_power_of_two_stays_where_it_is() {
        let (mut warm, mut queue) = (Warm::new(2), Counted::default());
        warm.count(QueueId(1), &mut queue, 64);
        let before = queue.class;
        for messages in [63, 64, 32, 100, 127] {
            warm.count(QueueId(1), &mut queue, messages);
            assert_eq!(queue.class, before);
        }
        warm.count(QueueId(1), &mut queue, 31);
        assert!(queue.class < before);
        warm.count(QueueId(1), &mut queue, 0);
        assert_eq!((warm.total(), warm.heaviest().next()), (0, None));
    }
}
