//! Damage on the disk: what a crash may leave is mended, anything else is refused by file and offset.

use bytes::Bytes;
use stanchion_journal::local::Disk;
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::{Address, Fault, Journal, Position, inspect};

use crate::harness::{
    SHARD, SMALL, acquire, append, damage, fetch, frames, name, open, record, refusal, replayed, written,
};

#[test]
fn a_tail_torn_at_any_byte_of_the_last_frame_is_cut_and_the_log_goes_on() {
    let whole = written(4, 100);
    let &(segment, offset, bytes) = frames(&whole).last().expect("records");
    // The last bytes are padding, and not part of the record.
    let padding = bytes - (92 + 100);
    for torn in 0..bytes - padding {
        let disk = whole.power_cut(2);
        // Whatever came after that byte never reached the disk. A zero byte there would be the same as what was written.
        damage(&disk, &name(segment), |content| {
            content[offset + torn] ^= 0x55;
            content[offset + torn + 1..].fill(0);
        });
        let report = inspect::check_on(&disk).expect("can be checked");
        assert_eq!(report.damages, [], "torn at {torn}");
        let journal = open(&disk, SMALL).unwrap_or_else(|fault| panic!("torn at {torn}: {fault}"));
        assert_eq!(replayed(&journal, 1, 100), Position(3), "torn at {torn}");
        assert_eq!(append(&journal, 2, 100), Position(5));
        journal.close().expect("closes");
        let journal = open(&disk, SMALL).expect("opens again");
        assert_eq!(replayed(&journal, 1, 100), Position(5), "torn at {torn}");
    }
}

#[test]
fn a_flipped_bit_in_the_middle_is_refused_with_file_and_offset() {
    let whole = written(5, 100);
    let (segment, offset, bytes) = frames(&whole)[2];
    let padding = bytes - (92 + 100);
    for at in 0..bytes - padding {
        let disk = whole.power_cut(2);
        damage(&disk, &name(segment), |content| content[offset + at] ^= 1 << (at % 8));
        let before = disk.content(&name(segment));
        let (file, place) = refusal(&disk);
        assert!(file.ends_with(&name(segment)), "{file}");
        assert_eq!(place, offset as u64, "flipped at {at}");
        assert_eq!(disk.content(&name(segment)), before, "a refused file is not touched");
        let found = inspect::check_on(&disk).expect("can be checked").damages;
        assert_eq!((found.len(), found[0].offset), (1, offset as u64), "check finds the same: {found:?}");
    }
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_is_never_served() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 20, 3000);
    journal.close().expect("closes");
    let (segment, offset, _) = frames(&disk)[1];
    assert_eq!(segment, 1);
    damage(&disk, &name(segment), |content| content[offset + 500] ^= 1);
    let journal = open(&disk, SMALL).expect("sealed segments are not read at the start");
    let at = |position| Address { position: Position(position), offset: 0, length: 3000 };
    assert_eq!(fetch(&journal, at(1)), Ok(record(1, 3000).payload));
    assert_eq!(fetch(&journal, at(3)), Ok(record(3, 3000).payload));
    let refused = fetch(&journal, at(2));
    assert!(matches!(&refused, Err(Fault::Corrupt { file, .. }) if file.ends_with(name(1))), "{refused:?}");
    let replay = journal.replay(SHARD, Position(1), &mut |_| Ok(()));
    assert!(matches!(replay, Err(Fault::Corrupt { offset: place, .. }) if place == offset as u64), "{replay:?}");
    assert_eq!(replayed(&journal, 3, 3000), Position(20), "what is not damaged is read");
    let found = inspect::check_on(&disk).expect("can be checked").damages;
    assert!(found.iter().any(|damage| damage.file.ends_with(name(1)) && damage.offset == offset as u64), "{found:?}");
}

#[test]
fn only_the_damaged_block_of_a_large_record_is_lost() {
    let disk = written(1, 100_000);
    let (segment, offset, bytes) = frames(&disk)[0];
    let payload = offset + bytes - 100_000;
    damage(&disk, &name(segment), |content| content[payload + 50_000] ^= 1);
    // A later segment keeps the record from being the torn tail.
    let journal = open(&disk, SMALL);
    if let Ok(journal) = journal {
        assert_eq!(acquire(&journal, SHARD).2, Position(0), "the last group is taken for torn");
    }
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 2, 100_000);
    let (segment, offset, bytes) = frames(&disk)[0];
    let payload = offset + bytes - 100_000;
    damage(&disk, &name(segment), |content| content[payload + 50_000] ^= 1);
    let whole = record(1, 100_000).payload;
    for (from, length) in [(0, 48_000), (60_000, 40_000), (40_000, 5_000)] {
        let at = Address { position: Position(1), offset: from, length };
        assert_eq!(fetch(&journal, at), Ok(whole.slice(from as usize..(from + length) as usize)), "{at}");
    }
    let damaged = fetch(&journal, Address { position: Position(1), offset: 49_999, length: 2 });
    assert!(matches!(damaged, Err(Fault::Corrupt { .. })), "{damaged:?}");
}

#[test]
fn missing_and_shortened_segments_are_refused() {
    let whole = written(40, 3000);
    let segments = inspect::overview_on(&whole).expect("an overview").segments;
    assert!(segments.len() > 5, "{segments:?}");
    let used: Vec<u64> = {
        let mut used: Vec<u64> = frames(&whole).iter().map(|frame| frame.0).collect();
        used.dedup();
        used
    };
    for &number in &used {
        let disk = whole.power_cut(2);
        disk.remove(&name(number)).expect("removes");
        let refused = open(&disk, SMALL).map(|_| ()).err();
        let last = number == *used.last().expect("some");
        match refused {
            Some(Fault::Missing { file, .. }) => assert!(file.ends_with(name(number)), "{}", file.display()),
            other => assert!(last && other.is_none(), "without {number}: {other:?}"),
        }
    }
    for &number in &used {
        for length in [0, 100, 4096, 9000] {
            let disk = whole.power_cut(2);
            damage(&disk, &name(number), |content| content.truncate(length));
            let (file, _) = refusal(&disk);
            assert!(file.ends_with(&name(number)), "{file} when {number} was cut at {length}");
        }
    }
}

#[test]
fn after_a_clean_stop_a_missing_last_segment_is_refused() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 40, 3000);
    journal.close().expect("closes");
    let last = frames(&disk).last().expect("records").0;
    for number in [last, last + 1] {
        if disk.content(&name(number)).is_some() {
            disk.remove(&name(number)).expect("removes");
        }
    }
    assert!(matches!(open(&disk, SMALL).map(|_| ()), Err(Fault::Corrupt { .. } | Fault::Missing { .. })));
}

#[test]
fn a_lost_state_file_is_not_an_empty_journal() {
    let disk = written(20, 3000);
    disk.remove("journal/state").expect("removes");
    assert!(matches!(open(&disk, SMALL).map(|_| ()), Err(Fault::Missing { .. })));
    let disk = written(20, 3000);
    damage(&disk, "journal/state", |content| content[25] ^= 1);
    assert!(matches!(open(&disk, SMALL).map(|_| ()), Err(Fault::Corrupt { .. })));
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_one_before() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 30, 2000);
    let states = [(10, vec![1u8; 900]), (20, vec![2u8; 900])];
    for (at, state) in &states {
        journal.save_snapshot(SHARD, Position(*at), Bytes::from(state.clone())).expect("saves");
    }
    journal.close().expect("closes");
    let newest = format!("snapshots/00001-{:020}.snapshot", 20);
    let length = disk.content(&newest).expect("the snapshot").len();
    for cut in 0..length {
        let disk = disk.power_cut(1);
        damage(&disk, &newest, |content| content.truncate(cut));
        let journal = open(&disk, SMALL).expect("opens");
        let loaded = journal.load_snapshot(SHARD).expect("falls back");
        assert_eq!(loaded, Some((Position(10), Bytes::from(states[0].1.clone()))), "cut at {cut}");
    }
    damage(&disk, &newest, |content| content[500] ^= 1);
    let journal = open(&disk.power_cut(1), SMALL).expect("opens");
    assert!(matches!(journal.load_snapshot(SHARD), Ok(Some((Position(10), _)))));
    journal.trim(SHARD, Position(21)).expect("trims");
    let refused = journal.load_snapshot(SHARD);
    assert!(
        matches!(&refused, Err(Fault::Corrupt { file, .. }) if file.ends_with(&newest)),
        "the log does not reach back to the older one: {refused:?}"
    );
    let disk = disk.power_cut(1);
    let older = format!("snapshots/00001-{:020}.snapshot", 10);
    damage(&disk, &older, |content| content[500] ^= 1);
    let journal = open(&disk, SMALL).expect("opens");
    assert!(matches!(journal.load_snapshot(SHARD), Err(Fault::Corrupt { .. })), "none is valid");
    assert_eq!(inspect::check_on(&disk).expect("can be checked").damages.len(), 2);
}
