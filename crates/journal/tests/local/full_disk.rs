//! A disk that runs full.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{Disk, Options};
use stanchion_journal::{Fault, Journal, Local, Position, Room, inspect};

use crate::harness::{PATIENCE, SHARD, SMALL, acquire, append, open, record, replayed};

const SEGMENT: u64 = SMALL.segment_bytes;
const OPTIONS: Options = Options { reserve_segments: 3, ..SMALL };
/// So long that five of them fill a segment.
const LENGTH: usize = 3000;

/// Waits until the journal has as much room as expected.
fn wait_for(journal: &Arc<Local>, room: Room) {
    let started = Instant::now();
    while journal.room() != room {
        assert!(started.elapsed() < PATIENCE, "{:?} and not {room:?}", journal.room());
        std::thread::yield_now();
    }
}

/// Appends records, each in a group of its own, until a condition holds; returns the last position.
fn append_until(journal: &Arc<Local>, done: impl Fn() -> bool) -> Position {
    let (ears, epoch, mut last) = acquire(journal, SHARD);
    for _ in 0..1000 {
        journal.settle();
        if done() {
            return last;
        }
        last = last.next();
        journal.append(epoch, record(last.0, LENGTH)).expect("is appended");
        ears.wait(last).expect("becomes durable");
    }
    panic!("a thousand records have changed nothing");
}

/// What a disk has no more space for than some bytes: those that are there, or those of this user.
const LIMITS: [fn(&Simulated, u64); 2] = [Simulated::set_space, Simulated::set_quota];

/// A journal on a disk that has just become full, and its last position.
fn full() -> (Simulated, Arc<Local>, Position) {
    limited(Simulated::set_space)
}

/// As [`full`], by a limit.
fn limited(limit: fn(&Simulated, u64)) -> (Simulated, Arc<Local>, Position) {
    let disk = Simulated::new();
    let journal = open(&disk, OPTIONS).expect("opens");
    append(&journal, 20, LENGTH);
    journal.settle();
    assert_eq!(journal.room(), Room::Plenty);
    limit(&disk, disk.used() + SEGMENT);
    let last = append_until(&journal, || journal.room() != Room::Plenty);
    assert_eq!(journal.room(), Room::Low, "the reserve begins to be used, and is not used up");
    (disk, journal, last)
}

#[test]
fn a_full_disk_is_seen_while_there_is_still_the_reserve_to_write_to() {
    for limit in LIMITS {
        let (disk, journal, low) = limited(limit);
        let exhausted = append_until(&journal, || journal.room() == Room::Full);
        let written = (exhausted.0 - low.0) * LENGTH as u64;
        assert!(written >= 2 * (SEGMENT - 4096), "only {written} bytes could be written to the reserve");
        let (ears, epoch, mut last) = acquire(&journal, SHARD);
        let fault = loop {
            last = last.next();
            assert!(last.0 < exhausted.0 + 100, "nobody stops it");
            if let Err(fault) = journal.append(epoch, record(last.0, LENGTH)).and_then(|()| ears.wait(last)) {
                break fault;
            }
        };
        assert!(fault.is_full_disk(), "{fault}");
        assert!(matches!(fault, Fault::Io { operation: "prepare" | "create", .. }), "no write was tried: {fault}");
        assert_eq!(journal.stats().room, Room::Full);
        let announced = ears.durable();
        assert!(announced > exhausted, "{announced}: the last segment was written to as well");
        drop(journal);
        for seed in 0..4 {
            let disk = disk.power_cut(seed);
            disk.set_space(u64::MAX);
            assert!(
                open(&disk, OPTIONS).is_ok_and(|journal| replayed(&journal, 1, LENGTH) >= announced),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_full_disk_can_be_opened_and_written_to() {
    let (disk, journal, last) = full();
    drop(journal);
    for seed in 0..8 {
        let disk = disk.power_cut(seed);
        disk.set_space(disk.used());
        let journal = open(&disk, OPTIONS).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        assert_eq!(replayed(&journal, 1, LENGTH), last);
        let last = append(&journal, 3, LENGTH);
        wait_for(&journal, Room::Low);
        journal.close().expect("closes");
        let journal = open(&disk, OPTIONS).unwrap_or_else(|fault| panic!("seed {seed}, again: {fault}"));
        assert_eq!(replayed(&journal, 1, LENGTH), last);
    }
}

#[test]
fn space_that_others_give_back_ends_the_shortage_without_a_restart() {
    for limit in LIMITS {
        let (disk, journal, last) = limited(limit);
        limit(&disk, 1 << 30);
        wait_for(&journal, Room::Plenty);
        assert_eq!(append(&journal, 40, LENGTH).0, last.0 + 40);
        assert_eq!(replayed(&journal, 1, LENGTH).0, last.0 + 40);
    }
}

#[test]
fn a_reserve_that_a_snapshot_has_used_is_filled_up_though_nothing_more_is_written() {
    let disk = Simulated::new();
    let journal = open(&disk, OPTIONS).expect("opens");
    let last = append(&journal, 5, LENGTH);
    journal.settle();
    disk.set_space(disk.used());
    journal.save_snapshot(SHARD, last, Bytes::from(vec![7; 8000])).expect("the reserve makes place");
    assert_eq!(journal.room(), Room::Low);
    disk.set_space(1 << 30);
    wait_for(&journal, Room::Plenty);
}

#[test]
fn space_that_the_journal_itself_gives_back_ends_the_shortage_without_a_restart() {
    for used_up in [false, true] {
        let (disk, journal, mut last) = full();
        disk.set_space(disk.used());
        if used_up {
            last = append_until(&journal, || journal.room() == Room::Full);
        }
        // Not even a block is left for the file that says which segments are gone: the reserve has to make place, or if
        // that is used up, somebody who removes a file.
        disk.set_space(disk.used() + if used_up { 2 * 4096 } else { 0 });
        journal.save_snapshot(SHARD, last, Bytes::new()).expect("a small snapshot has place");
        journal.trim(SHARD, last).expect("trims");
        wait_for(&journal, Room::Plenty);
        assert_eq!(append(&journal, 5, LENGTH).0, last.0 + 5);
        let report = inspect::check_on(&disk).expect("can be checked");
        assert_eq!(report.damages, []);
        drop(journal);
        let journal = open(&disk.power_cut(3), OPTIONS).expect("opens");
        assert_eq!(replayed(&journal, last.0, LENGTH).0, last.0 + 5);
    }
}

#[test]
fn a_snapshot_may_use_the_reserve_but_not_the_last_of_it() {
    let (disk, journal, last) = full();
    disk.set_space(disk.used());
    let state = |byte, length| Bytes::from(vec![byte; length]);
    journal.save_snapshot(SHARD, Position(last.0 - 1), state(1, 10_000)).expect("there is space in the reserve");
    let too_large = journal.save_snapshot(SHARD, last, state(2, 10 * SEGMENT as usize));
    assert!(too_large.as_ref().is_err_and(Fault::is_full_disk), "{too_large:?}");
    assert_eq!(journal.room(), Room::Low, "a segment's worth is left");
    assert_eq!(journal.load_snapshot(SHARD), Ok(Some((Position(last.0 - 1), state(1, 10_000)))));
    assert_eq!(append(&journal, 5, LENGTH).0, last.0 + 5);
    assert_eq!(disk.content("snapshots/00001.new"), None, "half a snapshot takes no space");
}

#[test]
fn a_record_longer_than_a_segment_finds_its_space_in_the_reserve() {
    let (disk, journal, last) = full();
    disk.set_space(disk.used());
    let (ears, epoch, _) = acquire(&journal, SHARD);
    journal.append(epoch, record(last.0 + 1, 30_000)).expect("is appended");
    ears.wait(Position(last.0 + 1)).expect("becomes durable");
    assert_ne!(journal.room(), Room::Plenty);
}

#[test]
fn without_a_reserve_the_shortage_is_seen_all_the_same() {
    let disk = Simulated::new();
    let journal = open(&disk, Options { reserve_segments: 0, ..SMALL }).expect("opens");
    append(&journal, 20, LENGTH);
    journal.settle();
    disk.set_space(disk.used());
    append_until(&journal, || journal.room() == Room::Full);
    disk.set_space(1 << 30);
    wait_for(&journal, Room::Plenty);
    append(&journal, 20, LENGTH);
}

#[test]
fn a_smaller_reserve_gives_the_rest_back_and_a_larger_one_is_filled_up() {
    let disk = Simulated::new();
    for (wanted, files) in [(2, 2), (5, 5), (0, 0), (1, 1)] {
        let journal = open(&disk, Options { reserve_segments: wanted, ..SMALL }).expect("opens");
        journal.settle();
        let there = disk.list("journal").expect("lists").iter().filter(|name| name.starts_with("reserve.")).count();
        assert_eq!(there, files);
        journal.close().expect("closes");
    }
}

/// One step of a life on a disk that is nearly full.
#[derive(Clone, Debug)]
enum Step {
    Append {
        count: u64,
        length: usize,
    },
    /// Save a snapshot of this length at the durable position, and trim below it.
    Trim {
        length: usize,
    },
    /// Save a snapshot at the durable position, and release some records below it.
    Release {
        from: u64,
        count: u64,
    },
    /// Somebody else takes all free space but this, or gives some back.
    Space {
        free: u64,
    },
    Kill,
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1u64..8, 0usize..20_000).prop_map(|(count, length)| Step::Append { count, length }),
        2 => (0usize..20_000).prop_map(|length| Step::Trim { length }),
        2 => (1u64..40, 0u64..40).prop_map(|(from, count)| Step::Release { from, count }),
        3 => prop_oneof![Just(0), Just(4096), 0u64..200_000].prop_map(|free| Step::Space { free }),
        1 => Just(Step::Kill),
        3 => Just(Step::Settle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_on_a_full_disk_no_write_meets_it_and_nothing_is_lost(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let disk = Simulated::new();
        let mut journal = open(&disk, OPTIONS).expect("opens");
        journal.settle();
        let (mut ears, mut epoch, _) = acquire(&journal, SHARD);
        let (mut lengths, mut trimmed, mut failed) = (Vec::<usize>::new(), 0, None);
        for step in steps {
            match step {
                Step::Append { count, length } => {
                    for _ in 0..count {
                        let next = Position(lengths.len() as u64 + 1);
                        let appended = journal.append(epoch, record(next.0, length));
                        if let Err(fault) = appended.and_then(|()| ears.wait(next)) {
                            prop_assert!(fault.is_full_disk(), "{}", fault);
                            let tried = matches!(fault, Fault::Io { operation: "write" | "sync", .. });
                            prop_assert!(!tried, "a write has met the full disk: {}", fault);
                            failed = Some(fault);
                            break;
                        }
                        lengths.push(length);
                    }
                }
                Step::Trim { length } => {
                    let at = Position(lengths.len() as u64);
                    if journal.save_snapshot(SHARD, at, Bytes::from(vec![7; length])).is_ok() {
                        trimmed = at.0;
                        journal.trim(SHARD, at.next()).expect("trims");
                    }
                }
                Step::Release { from, count } => {
                    let at = Position(lengths.len() as u64);
                    let last = Position((from + count).min(at.0));
                    if journal.save_snapshot(SHARD, at, Bytes::new()).is_ok() {
                        trimmed = at.0;
                        journal.release(SHARD, &[Position(from)..=last]).expect("releases");
                    }
                }
                Step::Space { free } => disk.set_space(disk.used() + free),
                Step::Kill => {
                    drop(ears);
                    drop(journal);
                    journal = match open(&disk, OPTIONS) {
                        Ok(journal) => journal,
                        Err(fault) => {
                            // Opening may need a segment and a block, and nothing was kept that gives them.
                            prop_assert!(fault.is_full_disk(), "{}", fault);
                            disk.set_space(disk.used() + 4 * SEGMENT);
                            open(&disk, OPTIONS).expect("opens when there is space")
                        }
                    };
                    let acquired = acquire(&journal, SHARD);
                    prop_assert_eq!(acquired.2.0, lengths.len() as u64);
                    journal.load_snapshot(SHARD).expect("loads");
                    (ears, epoch) = (acquired.0, acquired.1);
                }
                Step::Settle => journal.settle(),
            }
            if failed.is_some() {
                break;
            }
        }
        prop_assert_eq!(journal.stats().failed, failed);
        drop(journal);
        disk.set_space(u64::MAX);
        let journal = open(&disk, OPTIONS).expect("opens when there is space");
        let mut next = trimmed;
        let last = journal.replay(SHARD, Position(trimmed + 1), &mut |found| {
            next += 1;
            assert!(lengths.get(next as usize - 1).is_none_or(|&length| found == record(next, length)), "record {next}");
            Ok(())
        });
        prop_assert!(last.as_ref().is_ok_and(|last| last.0 >= lengths.len() as u64), "{:?}", last);
        prop_assert_eq!(inspect::check_on(&disk).expect("can be checked").damages, vec![]);
    }
}
