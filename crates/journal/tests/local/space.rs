//! Space that is given back and used again: nothing old comes back, and nothing goes that is needed.

use std::sync::Arc;

use bytes::Bytes;
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{Disk, Durability, Options};
use stanchion_journal::{Address, Fault, Journal, Local, Position, inspect};

use crate::harness::{SHARD, SMALL, acquire, append, damage, fetch, frames, name, open, record, replayed};

#[test]
fn segments_used_again_do_not_resurrect_old_records() {
    let mut disk = Simulated::new();
    let mut last = Position::START;
    let mut reused = false;
    for round in 0..40 {
        let journal = open(&disk, SMALL).unwrap_or_else(|fault| panic!("round {round}: {fault}"));
        assert_eq!(acquire(&journal, SHARD).2, last, "round {round}");
        // Different lengths, so that old frames are cut at every place by new ones.
        last = append(&journal, 12, 900 + 40 * round as usize);
        journal.trim(SHARD, last.next()).expect("trims");
        journal.settle();
        let segments = inspect::overview_on(&disk).expect("an overview").segments;
        assert!(segments.len() <= 4, "trimmed segments are put away: {segments:?}");
        reused |= segments.iter().any(|segment| {
            let content = disk.content(&name(segment.number)).expect("is there");
            let own = segment.number.to_le_bytes();
            // Frames begin with their magic number, and have the number of the segment at 16.
            content.chunks(8).enumerate().any(|(at, word)| {
                word.starts_with(b"SJR1") && content.get(at * 8 + 16..at * 8 + 24).is_some_and(|number| number != own)
            })
        });
        disk = disk.power_cut(round);
    }
    assert!(reused, "no segment was ever used again, so this test shows nothing");
}

/// Appends records, releases all but the first and the last few, and returns where segments are gone.
fn with_holes(disk: &Simulated) -> Vec<std::ops::RangeInclusive<u64>> {
    let journal = open(disk, SMALL).expect("opens");
    let mut last = Position::START;
    for _ in 0..60 {
        last = append(&journal, 1, 3000);
        // A segment whose successor is not ready grows, and then fewer of them are free as a whole.
        journal.settle();
    }
    journal.save_snapshot(SHARD, last, Bytes::from_static(b"sixty")).expect("saves");
    // What is prepared or set aside later on must not count as what was not given back.
    journal.settle();
    let before = journal.stats();
    journal.release(SHARD, &[Position(10)..=Position(25), Position(35)..=Position(50)]).expect("releases");
    journal.settle();
    let after = journal.stats();
    assert!(before.bytes_on_disk - after.bytes_on_disk >= 24 * 3000, "{before:?} {after:?}");
    let mut listed = disk.list("journal").expect("lists");
    listed.retain(|name| name != "state" && name != "keys");
    assert_eq!(after.segments, listed.len() as u64, "files and figures agree");
    let bytes = |name: &String| disk.content(&format!("journal/{name}")).expect("is there").len() as u64;
    let bytes: u64 = listed.iter().map(bytes).sum();
    assert_eq!(after.bytes_on_disk, bytes, "files and figures agree");
    assert_eq!(append(&journal, 1, 3000), Position(61));
    let overview = inspect::overview_on(disk).expect("an overview");
    assert_eq!((overview.first_segment, overview.gone.len()), (1, 2), "{overview:?}");
    overview.gone
}

#[test]
fn released_segments_go_from_the_middle_and_the_rest_survives_power_cuts() {
    let disk = Simulated::new();
    let gone = with_holes(&disk);
    for seed in 0..8 {
        let disk = disk.power_cut(seed);
        let journal = open(&disk, SMALL).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        assert_eq!(inspect::overview_on(&disk).expect("an overview").gone, gone);
        assert_eq!(inspect::check_on(&disk).expect("can be checked").damages, []);
        assert_eq!(journal.load_snapshot(SHARD), Ok(Some((Position(60), Bytes::from_static(b"sixty")))));
        let at = |position| Address { position: Position(position), offset: 0, length: 3000 };
        let there = |position: u64| fetch(&journal, at(position)) == Ok(record(position, 3000).payload);
        let kept: Vec<u64> = (1..=61).filter(|&position| there(position)).collect();
        assert!((1..10).chain(26..35).chain(51..=61).all(|position| kept.contains(&position)), "{kept:?}");
        assert!(kept.len() < 61, "{kept:?}");
        let first_gone = (1..=61).find(|position| !kept.contains(position)).expect("some are gone");
        let next = kept.iter().copied().find(|&position| position > first_gone).expect("not all are gone");
        let trimmed = Fault::Trimmed { shard: SHARD, position: Position(first_gone), first: Position(next) };
        assert_eq!(fetch(&journal, at(first_gone)), Err(trimmed.clone()));
        assert_eq!(journal.replay(SHARD, Position(1), &mut |_| Ok(())), Err(trimmed), "no replay jumps over a hole");
        assert_eq!(replayed(&journal, 51, 3000), Position(61));
        // A trim up to a hole joins it.
        journal.trim(SHARD, Position(first_gone)).expect("trims");
        journal.settle();
        let overview = inspect::overview_on(&disk).expect("an overview");
        assert_eq!((overview.first_segment, overview.gone.len()), (gone[0].end() + 1, 1), "{overview:?}");
    }
}

#[test]
fn only_the_holes_that_the_state_lists_are_accepted() {
    let whole = Simulated::new();
    let gone = with_holes(&whole);
    let whole = whole.power_cut(1);
    let there = inspect::overview_on(&whole).expect("an overview").segments;
    let used: Vec<u64> = {
        let mut used: Vec<u64> = frames(&whole).iter().map(|frame| frame.0).collect();
        used.dedup();
        used
    };
    for &number in &used[..used.len() - 1] {
        let disk = whole.power_cut(2);
        disk.remove(&name(number)).expect("removes");
        let refused = open(&disk, SMALL).map(|_| ()).err();
        assert!(
            matches!(&refused, Some(Fault::Missing { file, .. }) if file.ends_with(name(number))),
            "without {number}: {refused:?}"
        );
        let damages = inspect::check_on(&disk).expect("can be checked").damages;
        assert!(damages.iter().any(|damage| damage.file.ends_with(name(number))), "without {number}: {damages:?}");
    }
    // Everything after the last hole is lost.
    let disk = whole.power_cut(2);
    let after = gone.last().expect("holes").end() + 1;
    for segment in there.iter().filter(|segment| segment.number >= after) {
        disk.remove(&name(segment.number)).expect("removes");
    }
    let refused = open(&disk, SMALL).map(|_| ()).err();
    assert!(matches!(&refused, Some(Fault::Missing { file, .. }) if file.ends_with(name(after))), "{refused:?}");
    let damages = inspect::check_on(&disk).expect("can be checked").damages;
    assert!(damages.iter().any(|damage| damage.file.ends_with(name(after))), "{damages:?}");
    // What a crash between the state and the removal leaves is removed at the next start, and never read.
    let disk = whole.power_cut(2);
    disk.create(&name(*gone[0].start())).expect("creates");
    assert_eq!(inspect::check_on(&disk).expect("can be checked").damages, []);
    open(&disk, SMALL).expect("opens").settle();
    assert_eq!(disk.content(&name(*gone[0].start())), None);
}

#[test]
fn what_no_snapshot_covers_cannot_be_released() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 30, 3000);
    let release = |journal: &Arc<Local>, last| journal.release(SHARD, &[Position(5)..=Position(last)]);
    let refused = |saved, last| Err(Fault::Gap { shard: SHARD, expected: Position(saved), got: Position(last) });
    assert_eq!(release(&journal, 20), refused(0, 20));
    journal.save_snapshot(SHARD, Position(19), Bytes::new()).expect("saves");
    assert_eq!(release(&journal, 20), refused(19, 20));
    let disk = disk.power_cut(3);
    let journal = open(&disk, SMALL).expect("opens");
    assert_eq!(release(&journal, 19), refused(0, 19), "nobody has looked whether the snapshot is good");
    journal.load_snapshot(SHARD).expect("loads");
    assert_eq!(release(&journal, 19), Ok(()));
    assert_eq!(replayed(&journal, 20, 3000), Position(30));
}

#[test]
fn a_snapshot_before_a_hole_is_no_fallback() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 60, 3000);
    for at in [5, 40] {
        journal.save_snapshot(SHARD, Position(at), Bytes::from(vec![7; 900])).expect("saves");
    }
    let newest = format!("snapshots/00001-{:020}.snapshot", 40);
    let damaged = disk.power_cut(1);
    let journal = open(&damaged, SMALL).expect("opens");
    journal.load_snapshot(SHARD).expect("loads");
    journal.release(SHARD, &[Position(10)..=Position(30)]).expect("releases");
    journal.settle();
    damage(&damaged, &newest, |content| content[500] ^= 1);
    let refused = journal.load_snapshot(SHARD);
    assert!(matches!(&refused, Err(Fault::Corrupt { file, .. }) if file.ends_with(&newest)), "{refused:?}");
}

#[test]
fn nothing_is_put_away_before_what_replaces_it_is_durable() {
    let disk = Simulated::new();
    let journal = open(&disk, Options { durability: Durability::Memory, ..SMALL }).expect("opens");
    let last = append(&journal, 40, 3000);
    journal.trim(SHARD, last).expect("trims");
    journal.settle();
    assert!(inspect::overview_on(&disk).expect("an overview").first_segment > 1, "segments were put away");
    for seed in 0..8 {
        let journal = open(&disk.power_cut(seed), SMALL).expect("opens");
        assert_eq!(replayed(&journal, last.0, 3000), last, "the survivor of a trim is lost");
    }
}
