//! A set of numbers that mostly come in runs: positions that were released, segments that are gone.

use std::collections::BTreeMap;

/// A set of numbers, kept as ranges that neither touch nor overlap: first to last, both included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Returns the empty set.
    pub(crate) const fn new() -> Ranges {
        Ranges(BTreeMap::new())
    }

    /// Adds a range; nothing if it is empty.
    pub(crate) fn insert(&mut self, mut first: u64, mut last: u64) {
        if first > last {
            return;
        }
        if let Some((&start, &end)) = self.0.range(..=first).next_back()
            && end.saturating_add(1) >= first
        {
            first = start;
            last = last.max(end);
        }
        while let Some((&start, &end)) = self.0.range(first..).next() {
            if start > last.saturating_add(1) {
                break;
            }
            self.0.remove(&start);
            last = last.max(end);
        }
        self.0.insert(first, last);
    }

    /// Says whether all of a range is in the set.
    pub(crate) fn covers(&self, first: u64, last: u64) -> bool {
        self.0.range(..=first).next_back().is_some_and(|(_, &end)| end >= last)
    }

    /// Says whether a number is in the set.
    pub(crate) fn contains(&self, number: u64) -> bool {
        self.covers(number, number)
    }

    /// Takes out all numbers below a bound.
    pub(crate) fn drop_below(&mut self, bound: u64) {
        while let Some((&start, &end)) = self.0.first_key_value() {
            if start >= bound {
                break;
            }
            self.0.remove(&start);
            if end >= bound {
                self.0.insert(bound, end);
            }
        }
    }

    /// Returns the highest number.
    pub(crate) fn last(&self) -> Option<u64> {
        self.0.last_key_value().map(|(_, &end)| end)
    }

    /// Returns the ranges in order, each with its first and last number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().map(|(&first, &last)| (first, last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Ranges;

    proptest! {
        #[test]
        fn ranges_hold_what_a_plain_set_holds(steps in prop::collection::vec((any::<bool>(), 0u64..60, 0u64..12), 0..40)) {
            let (mut ranges, mut plain) = (Ranges::default(), BTreeSet::new());
            for (insert, first, more) in steps {
                if insert {
                    ranges.insert(first, first + more);
                    plain.extend(first..=first + more);
                } else {
                    ranges.drop_below(more);
                    plain.retain(|&number| number >= more);
                }
                for number in 0..80 {
                    prop_assert_eq!(ranges.contains(number), plain.contains(&number));
                    let all = (number..=number + 3).all(|number| plain.contains(&number));
                    prop_assert_eq!(ranges.covers(number, number + 3), all);
                }
                let listed: Vec<_> = ranges.iter().collect();
                prop_assert!(listed.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?} could be joined", listed);
                prop_assert_eq!(ranges.last(), plain.last().copied());
            }
        }
    }

    #[test]
    fn the_highest_number_is_no_trap() {
        let mut ranges = Ranges::default();
        ranges.insert(u64::MAX - 1, u64::MAX);
        ranges.insert(3, 2);
        ranges.insert(0, u64::MAX - 2);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, u64::MAX)]);
    }
}
