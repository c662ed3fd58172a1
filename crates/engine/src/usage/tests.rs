use std::collections::BTreeSet;

use super::*;

/// Small enough to write down: buckets of two records, files of four.
fn options() -> Options {
    let record = RECORD_BYTES + 28;
    Options { bucket_bytes: 2 * record, segment_bytes: 4 * record, slack_bytes: 0, step_bytes: 1 }
}

/// Ends so many records, each with 28 bytes of payload and one of them needed.
fn records(usage: &mut Usage, count: u64) {
    for _ in 0..count {
        let position = usage.open.last + 1;
        need(usage, position, 1);
        usage.record_ended(position, 28);
    }
}

fn need(usage: &mut Usage, position: u64, change: i64) {
    assert_eq!(usage.change(position, change), Some(()), "{position} by {change}");
}

/// Ends one more such record, in which these positions lost what was needed there.
fn lose(usage: &mut Usage, positions: impl IntoIterator<Item = u64>) {
    positions.into_iter().for_each(|position| need(usage, position, -1));
    records(usage, 1);
}

#[test]
fn an_empty_journal_needs_nothing() {
    let mut usage = Usage::new(options());
    assert_eq!(usage.low_water(), 1);
    usage.record_ended(1, 28);
    assert_eq!((usage.low_water(), usage.live(), usage.held()), (2, 0, 100));
    usage.record_ended(2, 28);
    assert_eq!((usage.low_water(), usage.held(), usage.freed()), (3, 0, 200));
    assert!(usage.gaps().is_empty());
}

#[test]
fn the_low_water_is_the_first_bucket_of_which_something_is_needed() {
    let mut usage = Usage::new(options());
    records(&mut usage, 7);
    assert_eq!(usage.low_water(), 1);
    lose(&mut usage, [2, 3, 4]);
    assert_eq!((usage.low_water(), usage.gaps()), (1, vec![3..=4]));
    lose(&mut usage, [1]);
    assert_eq!((usage.low_water(), usage.gaps()), (5, vec![]));
}

#[test]
fn a_gap_is_held_as_far_as_it_is_smaller_than_a_file() {
    let mut usage = Usage::new(options());
    records(&mut usage, 14);
    assert_eq!((usage.held(), usage.freed()), (1400, 0));
    lose(&mut usage, [3, 4]);
    lose(&mut usage, [7, 8]);
    // Two gaps of two records, each too small for a file.
    assert_eq!((usage.held(), usage.freed(), usage.gaps()), (1600, 400, vec![3..=4, 7..=8]));
    lose(&mut usage, [5, 6]);
    // One gap of six records now, of which at most four are stuck.
    assert_eq!((usage.held(), usage.freed(), usage.gaps()), (1500, 600, vec![3..=8]));
    lose(&mut usage, [1, 2]);
    assert_eq!((usage.held(), usage.gaps(), usage.low_water()), (1000, vec![], 9));
}

#[test]
fn what_leaves_and_returns_within_a_record_is_not_forgotten() {
    let mut usage = Usage::new(options());
    records(&mut usage, 4);
    need(&mut usage, 1, -1);
    need(&mut usage, 2, -1);
    need(&mut usage, 1, 1);
    usage.record_ended(5, 28);
    assert_eq!((usage.low_water(), usage.bucket(2)), (1, 1));
}

#[test]
fn nothing_is_counted_where_no_record_is_or_below_nothing() {
    let mut usage = Usage::new(options());
    records(&mut usage, 5);
    lose(&mut usage, [3, 4]);
    assert_eq!(usage.change(3, 1), None, "a bucket that is forgotten");
    assert_eq!(usage.change(8, 1), None, "a record after the one that is being written");
    assert_eq!(usage.change(1, -3), None, "more than there is");
}

#[test]
fn the_sparsest_run_is_chosen_and_the_newest_bytes_are_not() {
    let mut usage = Usage::new(Options { slack_bytes: 400, ..options() });
    records(&mut usage, 40);
    need(&mut usage, 40, 1000);
    let all = BTreeSet::new();
    assert_eq!(usage.sparsest(Space::Plenty, &all), Some(1..=8), "all alike: the oldest");
    lose(&mut usage, [11, 13, 15, 17]);
    assert_eq!(usage.sparsest(Space::Plenty, &all), Some(11..=18));
    assert_eq!(usage.sparsest(Space::Plenty, &BTreeSet::from([13])), Some(15..=22));
    lose(&mut usage, (37..=39).collect::<Vec<_>>());
    assert_eq!(usage.sparsest(Space::Plenty, &all), Some(11..=18), "the newest are left alone");
}

#[test]
fn buckets_far_apart_are_old_however_few_they_are() {
    let mut usage = Usage::new(Options { slack_bytes: 1000, ..options() });
    records(&mut usage, 40);
    lose(&mut usage, (3..=38).filter(|position| ![19, 20].contains(position)).collect::<Vec<_>>());
    // Three buckets and what is written now: by themselves less than the slack, with the gaps before them more.
    assert_eq!((usage.by_bucket().len(), usage.held(), usage.excess(Space::Plenty) > 0), (4, 1500, true));
    assert_eq!(usage.sparsest(Space::Plenty, &BTreeSet::new()), Some(1..=20));
}

#[test]
fn a_run_of_which_nearly_all_is_needed_is_not_worth_moving() {
    let mut usage = Usage::new(options());
    records(&mut usage, 12);
    (1..=12).for_each(|position| need(&mut usage, position, 90));
    assert_eq!(usage.sparsest(Space::Plenty, &BTreeSet::new()), None);
}

#[test]
fn the_excess_counts_from_half_as_much_again_as_is_needed_and_the_slack() {
    let mut usage = Usage::new(Options { slack_bytes: 100, ..options() });
    records(&mut usage, 4);
    need(&mut usage, 1, 96);
    assert_eq!((usage.live(), usage.held()), (100, 400));
    assert_eq!((usage.excess(Space::Plenty), usage.pressure(Space::Plenty)), (150, 100));
    need(&mut usage, 2, 100);
    assert_eq!((usage.excess(Space::Plenty), usage.pressure(Space::Plenty)), (0, 0));
}

#[test]
fn without_plenty_of_space_less_is_left_alone_and_less_may_be_needed_of_what_is_moved() {
    let mut usage = Usage::new(Options { slack_bytes: 4000, ..options() });
    records(&mut usage, 20);
    assert_eq!(
        (usage.held(), usage.excess(Space::Plenty), usage.sparsest(Space::Plenty, &BTreeSet::new())),
        (2000, 0, None)
    );
    let chosen = |usage: &Usage, space| usage.sparsest(space, &BTreeSet::new());
    for space in [Space::Scarce, Space::Last] {
        assert_eq!((usage.excess(space), usage.pressure(space), chosen(&usage, space)), (1580, 100, Some(1..=8)));
    }
    // A quarter of each record is needed, then half, then more than that.
    for (by, scarce, last) in [(24, true, true), (25, true, false), (1, false, false)] {
        (1..=20).for_each(|position| need(&mut usage, position, by));
        let found = [Space::Scarce, Space::Last].map(|space| chosen(&usage, space).is_some());
        assert_eq!(found, [scarce, last], "{} of {}", usage.live(), usage.held());
    }
}

#[test]
fn a_snapshot_keeps_the_buckets_and_counts_what_is_needed_again() {
    let mut usage = Usage::new(options());
    records(&mut usage, 9);
    lose(&mut usage, [3, 4]);
    let mut bytes = Vec::new();
    usage.put(&mut bytes);
    let mut again = Usage::get(options(), &mut Get::new(&bytes)).expect("what was written reads back");
    (1..=10).filter(|position| ![3, 4].contains(position)).for_each(|position| need(&mut again, position, 1));
    assert_eq!(again.by_bucket(), usage.by_bucket());
    let figures = |usage: &Usage| (usage.held(), usage.live(), usage.freed(), usage.gaps(), usage.low_water());
    assert_eq!(figures(&again), figures(&usage));
    for cut in 0..bytes.len() {
        assert!(Usage::get(options(), &mut Get::new(&bytes[..cut])).is_err(), "cut to {cut}");
    }
}
