//! The ready messages of one lane in order.
//!
//! Most lanes of a queue with many groups hold one message, and a map for one message would cost ten times as much as
//! the message's place.

use std::collections::BTreeMap;
use std::iter;

use crate::ids::MessageKey;

/// Messages by their place in the order.
#[derive(Clone, Debug, Default)]
pub(super) enum Line {
    /// None.
    #[default]
    Empty,
    /// One message.
    One(u64, MessageKey),
    /// Messages; one or none only until the line is used again.
    Many(BTreeMap<u64, MessageKey>),
}

impl Line {
    /// Returns the number of messages.
    pub(super) fn len(&self) -> usize {
        match self {
            Line::Empty => 0,
            Line::One(..) => 1,
            Line::Many(messages) => messages.len(),
        }
    }

    /// Tells whether there are no messages.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a message; tells whether its place was free.
    pub(super) fn insert(&mut self, order: u64, key: MessageKey) -> bool {
        match self {
            Line::Empty => *self = Line::One(order, key),
            Line::One(taken, _) if *taken == order => return false,
            Line::One(first, message) => *self = Line::Many(BTreeMap::from([(*first, *message), (order, key)])),
            Line::Many(messages) => return messages.insert(order, key).is_none(),
        }
        true
    }

    /// Takes the message at a place away; tells whether there was one.
    pub(super) fn remove(&mut self, order: u64) -> bool {
        match self {
            Line::One(taken, _) if *taken == order => *self = Line::Empty,
            Line::Empty | Line::One(..) => return false,
            Line::Many(messages) => {
                let was_there = messages.remove(&order).is_some();
                if messages.is_empty() {
                    *self = Line::Empty;
                }
                return was_there;
            }
        }
        true
    }

    /// Returns the first place that is taken.
    pub(super) fn first(&self) -> Option<u64> {
        match self {
            Line::Empty => None,
            Line::One(order, _) => Some(*order),
            Line::Many(messages) => messages.keys().next().copied(),
        }
    }

    /// Lists the messages in order, from a place on.
    pub(super) fn from(&self, order: u64) -> impl Iterator<Item = (u64, MessageKey)> + '_ {
        let (one, many) = match self {
            Line::Empty => (None, None),
            Line::One(place, key) => (Some((*place, *key)).filter(|(place, _)| *place >= order), None),
            Line::Many(messages) => (None, Some(messages.range(order..).map(|(place, key)| (*place, *key)))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Lists the messages from the last to the first.
    pub(super) fn backwards(&self) -> Box<dyn Iterator<Item = (u64, MessageKey)> + '_> {
        match self {
            Line::Empty => Box::new(iter::empty()),
            Line::One(place, key) => Box::new(iter::once((*place, *key))),
            Line::Many(messages) => Box::new(messages.iter().rev().map(|(place, key)| (*place, *key))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_is_a_map_whatever_its_length(steps in vec((any::<bool>(), 0..6u64), 0..30), from in 0..6u64) {
            let (mut line, mut map) = (Line::default(), BTreeMap::new());
            for (insert, order) in steps {
                if insert {
                    let is_free = !map.contains_key(&order);
                    prop_assert_eq!(line.insert(order, MessageKey(order)), is_free);
                    map.insert(order, MessageKey(order));
                } else {
                    prop_assert_eq!(line.remove(order), map.remove(&order).is_some());
                }
                prop_assert_eq!((line.len(), line.first()), (map.len(), map.keys().next().copied()));
            }
            let expected: Vec<_> = map.range(from..).map(|(order, key)| (*order, *key)).collect();
            prop_assert_eq!(line.from(from).collect::<Vec<_>>(), expected);
            let expected: Vec<_> = map.iter().rev().map(|(order, key)| (*order, *key)).collect();
            prop_assert_eq!(line.backwards().collect::<Vec<_>>(), expected);
        }
    }
}
