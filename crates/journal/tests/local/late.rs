//! Segments that are not prepared in time: the writer gets them as they are.

use std::sync::Arc;

use stanchion_journal::local::Options;
use stanchion_journal::local::simulated::{Operation, Simulated};
use stanchion_journal::{Fault, Journal, Listener, Local, Position, inspect};

use crate::harness::{Ears, SHARD, SMALL, acquire, append, frames, open, record, replayed};

/// What a journal with files of 16 MiB writes at a time, in bytes.
const LARGE: usize = 1 << 20;
/// The length of the records of the short histories, in bytes.
const LENGTH: usize = 4000;
/// From here on the writer of a segment of 16 KiB says that it is late.
const LATE: usize = 24 << 10;

#[test]
fn an_append_that_needs_a_segment_waits_for_a_few_syncs_and_for_none_of_its_zeros() {
    let options = Options { segment_bytes: 16 << 20, reserve_segments: 0, ..SMALL };
    let disk = Simulated::new();
    let journal = open(&disk, options).expect("opens");
    journal.settle();
    // Who writes little at a time gets zeros.
    append(&journal, 20, 100);
    // The third segment is prepared from the second record on, and does not get further than its first zeros.
    let zeros = disk.stall(Operation::Sync, "segment.new");
    let last = append(&journal, 29, LARGE);
    assert_eq!(frames(&disk).last().map(|frame| frame.0), Some(2), "nobody waits while the second can grow");
    let (ears, epoch, _) = acquire(&journal, SHARD);
    let syncs = || disk.asked(Operation::Sync) + disk.asked(Operation::SyncDirectory);
    let before = syncs();
    // This one needs the third. What is done for the fourth is not for it.
    let fourth = disk.stall(Operation::Reserve, "segment.new");
    journal.append(epoch, record(last.0 + 1, 6 * LARGE)).expect("is appended");
    drop(zeros);
    ears.wait(last.next()).expect("becomes durable");
    // The seal, the zeros that were under way, page, name, base and the record itself. All zeros would be three more.
    assert_eq!(syncs() - before, 6);
    assert_eq!(frames(&disk).last().map(|frame| frame.0), Some(3));
    drop(fourth);
    drop(journal);
    for seed in 0..4 {
        let disk = disk.power_cut(seed);
        let journal = open(&disk, options).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        assert_eq!(acquire(&journal, SHARD).2, last.next(), "seed {seed}");
        assert_eq!(inspect::check_on(&disk).expect("can be checked").damages, [], "seed {seed}");
    }
}

#[test]
fn a_segment_after_one_of_large_groups_gets_no_zeros() {
    let options = Options { segment_bytes: 16 << 20, reserve_segments: 0, ..SMALL };
    let zeros = |first: u64, length: usize| {
        let disk = Simulated::new();
        let journal = open(&disk, options).expect("opens");
        // The first segment has a megabyte, and the third is prepared when the second is begun.
        append(&journal, first, length);
        journal.settle();
        let before = disk.asked(Operation::Write);
        append(&journal, 1, 2 * LARGE);
        assert_eq!(frames(&disk).last().map(|frame| frame.0), Some(2));
        journal.settle();
        // The record and the page that it ends on, seal and pointer of the first segment, base of the second, page of the
        // third.
        disk.asked(Operation::Write) - before - 6
    };
    assert_eq!(zeros(3, 300_000), 0);
    assert_eq!(zeros(90, 10_000), (16 << 20) / (256 << 10), "small ones leave time for them");
}

/// Appends records until the writer has said that it is late; nobody prepares anything meanwhile.
fn until_late(journal: &Arc<Local>, disk: &Simulated) -> Result<Position, Fault> {
    let ears = Arc::new(Ears::default());
    let tenure = journal.acquire(SHARD, Arc::clone(&ears) as Arc<dyn Listener>)?;
    let mut last = tenure.last;
    loop {
        last = last.next();
        journal.append(tenure.epoch, record(last.0, LENGTH))?;
        ears.wait(last)?;
        if frames(disk).last().is_some_and(|(_, offset, bytes)| offset + bytes > LATE) {
            return Ok(last);
        }
    }
}

/// Rolls over segments that have their space and no zeros, also after a restart, and ends where the power goes off.
fn live(disk: &Simulated, announced: &mut Position) -> Result<(), Fault> {
    for _ in 0..2 {
        let journal = open(disk, SMALL)?;
        for _ in 0..2 {
            journal.settle();
            let stall = disk.stall(Operation::Reserve, "segment.new");
            let late = until_late(&journal, disk);
            *announced = journal.durable(SHARD);
            let mut last = late?;
            drop(stall);
            let ears = Arc::new(Ears::default());
            let tenure = journal.acquire(SHARD, Arc::clone(&ears) as Arc<dyn Listener>)?;
            for _ in 0..3 {
                last = last.next();
                journal.append(tenure.epoch, record(last.0, LENGTH))?;
                ears.wait(last)?;
                *announced = last;
            }
        }
    }
    Ok(())
}

#[test]
fn a_history_on_segments_without_zeros_cut_at_every_operation_keeps_all_that_was_announced() {
    let disk = Simulated::new();
    let mut announced = Position::START;
    live(&disk, &mut announced).expect("with the power on it ends well");
    let operations = disk.operations();
    assert!(announced.0 > 20 && operations > 100, "{operations} operations for {announced} are no history");
    for at in 0..=operations {
        let disk = Simulated::new();
        disk.turn_off_after(at);
        let mut announced = Position::START;
        // The power goes off somewhere in it.
        let _ = live(&disk, &mut announced);
        for seed in 0..4 {
            let when = format!("off after {at} operations, seed {seed}");
            let disk = disk.power_cut(seed);
            let journal = open(&disk, SMALL).unwrap_or_else(|fault| panic!("{when}: {fault}"));
            let last = acquire(&journal, SHARD).2;
            assert!((announced.0..=announced.0 + 1).contains(&last.0), "{when}: {last} of {announced}");
            assert_eq!(replayed(&journal, 1, LENGTH), last, "{when}");
            assert_eq!(append(&journal, 3, LENGTH).0, last.0 + 3, "{when}");
            assert_eq!(inspect::check_on(&disk).expect("can be checked").damages, [], "{when}");
        }
    }
}
