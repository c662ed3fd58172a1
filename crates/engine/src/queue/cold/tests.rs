use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn address(position: u64) -> ContentAddress {
    ContentAddress { position, offset: 0, length: 1 }
}

/// Makes a page that lists received messages with these keys.
fn received(keys: &[u64]) -> Page {
    let (low, high) = (keys.iter().min().unwrap(), keys.iter().max().unwrap());
    Page {
        list: address(1),
        count: keys.len() as u32,
        oldest: Timestamp::from_millis(*low),
        newest: Timestamp::from_millis(*high),
        received: Some((MessageKey(*low), MessageKey(*high))),
        contents: Box::default(),
        first: *low,
        due: Timestamp::NEVER,
        group: None,
    }
}

proptest! {
    #[test]
    fn a_key_is_looked_for_on_every_page_whose_range_holds_it(
        ranges in vec((0..1000u64, 0..300u64), 0..40),
        removed in vec(any::<prop::sample::Index>(), 0..5),
        key in 0..1300u64,
    ) {
        let mut cold = Cold::default();
        for (number, (low, width)) in ranges.iter().enumerate() {
            cold.put(PageId(number as u64), received(&[*low, low + width]));
        }
        let mut gone = BTreeSet::new();
        for index in removed.iter().filter(|_| !ranges.is_empty()) {
            let id = index.index(ranges.len()) as u64;
            cold.remove(PageId(id));
            gone.insert(id);
        }
        let holds = |(number, (low, width)): (usize, &(u64, u64))| {
            let number = number as u64;
            (!gone.contains(&number) && (*low..=low + width).contains(&key)).then_some(PageId(number))
        };
        let expected: BTreeSet<PageId> = ranges.iter().enumerate().filter_map(holds).collect();
        prop_assert_eq!(cold.holding(MessageKey(key)).collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn the_widest_range_of_keys_is_found_at_both_ends() {
    let mut cold = Cold::default();
    cold.put(PageId(1), received(&[0, u64::MAX >> 1]));
    for key in [0, 1, u64::MAX >> 1] {
        assert_eq!(cold.holding(MessageKey(key)).collect::<Vec<_>>(), [PageId(1)]);
    }
}

#[test]
fn pages_of_other_shelves_are_not_on_the_line() {
    let mut cold = Cold::default();
    let delayed = cold.free(Shelf::Delayed);
    cold.put(delayed, received(&[1, 2]));
    assert!(cold.is_line_empty());
    assert_eq!((cold.messages(), cold.delayed_messages()), (0, 2));
    let line = cold.after();
    cold.put(line, received(&[3]));
    assert_eq!((line.shelf(), cold.first().map(|(id, _)| id)), (Shelf::Line, Some(line)));
    assert_eq!(cold.free(Shelf::Delayed), PageId(delayed.0 + 1));
    assert_eq!((cold.messages(), cold.delayed_messages()), (1, 2));
}
