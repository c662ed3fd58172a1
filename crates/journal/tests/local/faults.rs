//! What a disk may refuse, and what becomes of it: each refusal has one outcome, and is tried on purpose.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use stanchion_journal::local::Disk;
use stanchion_journal::local::simulated::{Operation, Simulated};
use stanchion_journal::{Address, Fault, Journal, Local, Position, inspect};

use crate::harness::{PATIENCE, SHARD, SMALL, acquire, append, fetch, frames, name, open, record, replayed, written};

const LENGTH: usize = 3000;

/// Waits until everything has been refused that was to be refused.
fn wait_for_refusals(disk: &Simulated) {
    let started = Instant::now();
    while disk.refusals() > 0 {
        assert!(started.elapsed() < PATIENCE, "nobody asks for what is refused");
        std::thread::yield_now();
    }
}

/// Appends a record and expects the journal to fail; returns the fault.
fn failing(journal: &Arc<Local>, disk: &Simulated) -> Fault {
    let (ears, epoch, last) = acquire(journal, SHARD);
    journal.append(epoch, record(last.0 + 1, LENGTH)).expect("is queued");
    let fault = ears.wait(last.next()).expect_err("fails");
    let (writes, syncs) = (disk.asked(Operation::Write), disk.asked(Operation::Sync));
    assert_eq!(journal.append(epoch, record(last.0 + 2, LENGTH)), Err(fault.clone()));
    assert_eq!(journal.save_snapshot(SHARD, last, Bytes::new()), Err(fault.clone()));
    assert_eq!(journal.close(), Err(fault.clone()));
    assert_eq!(journal.durable(SHARD), last, "what failed is not durable");
    let after = (disk.asked(Operation::Write), disk.asked(Operation::Sync));
    assert_eq!(after, (writes, syncs), "nothing is written, and no sync is tried, after a failure");
    fault
}

/// Checks that after a power cut everything is there that was announced before a failed append.
fn recovers(disk: &Simulated, announced: u64) {
    for seed in 0..8 {
        let disk = disk.power_cut(seed);
        let journal = open(&disk, SMALL).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        let last = replayed(&journal, 1, LENGTH).0;
        assert!((announced..=announced + 1).contains(&last), "seed {seed}: {last}, {announced} were announced");
        assert_eq!(append(&journal, 8, LENGTH).0, last + 8);
    }
}

#[test]
fn a_write_that_fails_after_any_number_of_bytes_ends_the_journal_and_loses_nothing() {
    for kind in [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::WriteZero, ErrorKind::ReadOnlyFilesystem] {
        for done in [0, 1, 71, 72, 91, 92, 500, 512, 1024, 3071, 3072] {
            let disk = Simulated::new();
            let journal = open(&disk, SMALL).expect("opens");
            append(&journal, 2, LENGTH);
            journal.settle();
            disk.cut_next_write(".segment", kind, done);
            let fault = failing(&journal, &disk);
            let expected = Fault::Io {
                operation: "write",
                file: disk.root().join(name(1)),
                kind,
                message: std::io::Error::from(kind).to_string(),
            };
            assert_eq!(fault, expected);
            recovers(&disk, 2);
        }
    }
}

#[test]
fn a_failed_sync_ends_the_journal_and_is_never_tried_again() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 2, LENGTH);
    journal.settle();
    disk.refuse(Operation::Sync, ".segment", ErrorKind::Other, 1);
    let fault = failing(&journal, &disk);
    assert!(matches!(&fault, Fault::Io { operation: "sync", file, .. } if file.ends_with(name(1))), "{fault}");
    recovers(&disk, 2);
}

#[test]
fn a_failed_preparation_is_tried_again_while_there_is_something_to_write_to() {
    let refused = [
        (Operation::Create, "segment.new"),
        (Operation::Reserve, "segment.new"),
        (Operation::Write, "segment.new"),
        (Operation::Sync, "segment.new"),
        (Operation::Rename, ".segment"),
    ];
    for (operation, part) in refused {
        let disk = Simulated::new();
        let journal = open(&disk, SMALL).expect("opens");
        journal.settle();
        // The next segment is prepared when the second one is begun.
        disk.refuse(operation, part, ErrorKind::Other, 2);
        let last = append(&journal, 6, LENGTH);
        wait_for_refusals(&disk);
        append(&journal, 20, LENGTH);
        assert_eq!(journal.stats().failed, None, "{operation:?}");
        assert_eq!(replayed(&journal, 1, LENGTH).0, last.0 + 20);
        journal.close().expect("closes");
        assert_eq!(inspect::check_on(&disk).expect("can be checked").damages, []);
    }
}

#[test]
fn a_preparation_that_fails_for_good_ends_the_journal_when_nothing_is_left_to_write_to() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    journal.settle();
    disk.refuse(Operation::Create, "segment.new", ErrorKind::PermissionDenied, u64::MAX);
    let (ears, epoch, mut last) = acquire(&journal, SHARD);
    let fault = loop {
        last = last.next();
        assert!(last.0 < 100, "nobody stops it");
        if let Err(fault) = journal.append(epoch, record(last.0, LENGTH)).and_then(|()| ears.wait(last)) {
            break fault;
        }
    };
    let expected = |file: &std::path::Path| file.ends_with("journal/segment.new");
    assert!(matches!(&fault, Fault::Io { operation: "create", file, .. } if expected(file)), "{fault}");
    let bytes = (last.0 - 1) * LENGTH as u64;
    assert!(bytes > 2 * SMALL.segment_bytes, "{bytes}: the second segment grows before that");
    disk.allow_all();
    recovers(&disk, last.0 - 1);
}

#[test]
fn a_directory_that_cannot_be_synced_ends_the_journal_before_anything_relies_on_the_new_name() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    journal.settle();
    disk.refuse(Operation::SyncDirectory, "journal", ErrorKind::Other, 1);
    let (ears, epoch, mut last) = acquire(&journal, SHARD);
    let fault = loop {
        last = last.next();
        assert!(last.0 < 100, "nobody stops it");
        if let Err(fault) = journal.append(epoch, record(last.0, LENGTH)).and_then(|()| ears.wait(last)) {
            break fault;
        }
    };
    assert!(matches!(&fault, Fault::Io { operation: "sync", file, .. } if file.ends_with("journal")), "{fault}");
    recovers(&disk, last.0 - 1);
}

#[test]
fn a_file_that_cannot_be_removed_is_removed_at_the_next_start() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    let last = append(&journal, 40, LENGTH);
    journal.settle();
    disk.refuse(Operation::Remove, ".segment", ErrorKind::Other, u64::MAX);
    journal.save_snapshot(SHARD, last, Bytes::new()).expect("saves");
    journal.trim(SHARD, last).expect("trims");
    journal.settle();
    let files = |disk: &Simulated| {
        let files = disk.list("journal").expect("lists");
        files.iter().filter(|file| file.ends_with(".segment")).count()
    };
    assert!(files(&disk) > 3, "the files are still there");
    assert_eq!(append(&journal, 20, LENGTH).0, last.0 + 20, "it goes on");
    disk.allow_all();
    let disk = disk.power_cut(1);
    let journal = open(&disk, SMALL).expect("opens");
    let lowest = inspect::overview_on(&disk).expect("an overview").segments.first().map(|segment| segment.number);
    assert!(lowest > Some(1), "what is not needed is gone: {lowest:?}");
    assert_eq!(replayed(&journal, last.0, LENGTH).0, last.0 + 20);
}

#[test]
fn a_snapshot_that_cannot_be_saved_leaves_the_one_before_and_the_journal_as_they_were() {
    let refused = [
        (Operation::Create, "snapshots/", 0),
        (Operation::Write, "snapshots/", 0),
        (Operation::Write, "snapshots/", 30),
        (Operation::Sync, "snapshots/", 0),
        (Operation::Rename, "snapshots/", 0),
        (Operation::SyncDirectory, "snapshots", 0),
    ];
    for (operation, part, done) in refused {
        let disk = Simulated::new();
        let journal = open(&disk, SMALL).expect("opens");
        append(&journal, 5, LENGTH);
        journal.save_snapshot(SHARD, Position(2), Bytes::from_static(b"two")).expect("saves");
        if done > 0 {
            disk.cut_next_write(part, ErrorKind::Other, done);
        } else {
            disk.refuse(operation, part, ErrorKind::Other, 1);
        }
        let refused = journal.save_snapshot(SHARD, Position(4), Bytes::from_static(b"four"));
        assert!(matches!(refused, Err(Fault::Io { .. })), "{operation:?}: {refused:?}");
        assert_eq!(append(&journal, 5, LENGTH), Position(10), "{operation:?}");
        for seed in 0..8 {
            let journal = open(&disk.power_cut(seed), SMALL).expect("opens");
            let loaded = journal.load_snapshot(SHARD).expect("loads").expect("there is one");
            let (two, four) = (Bytes::from_static(b"two"), Bytes::from_static(b"four"));
            assert!(loaded == (Position(2), two) || loaded == (Position(4), four), "{operation:?}: {loaded:?}");
            assert_eq!(replayed(&journal, 1, LENGTH), Position(10));
        }
    }
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 5, LENGTH);
    disk.refuse(Operation::Sync, "snapshots/", ErrorKind::Other, 1);
    journal.save_snapshot(SHARD, Position(4), Bytes::from_static(b"four")).expect_err("is refused");
    journal.save_snapshot(SHARD, Position(4), Bytes::from_static(b"four")).expect("a new attempt writes a new file");
    assert_eq!(journal.load_snapshot(SHARD), Ok(Some((Position(4), Bytes::from_static(b"four")))));
}

#[test]
fn a_disk_that_becomes_read_only_ends_the_journal_and_can_still_be_read() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 12, LENGTH);
    journal.settle();
    for operation in [
        Operation::Create,
        Operation::Reserve,
        Operation::Write,
        Operation::Sync,
        Operation::Rename,
        Operation::Remove,
        Operation::SyncDirectory,
    ] {
        disk.refuse(operation, "", ErrorKind::ReadOnlyFilesystem, u64::MAX);
    }
    let fault = failing(&journal, &disk);
    assert!(matches!(fault, Fault::Io { kind: ErrorKind::ReadOnlyFilesystem, .. }), "{fault}");
    let at = Address { position: Position(7), offset: 0, length: LENGTH as u32 };
    // Reads end with the journal when it is closed, and not before.
    assert!(matches!(fetch(&journal, at), Ok(_) | Err(Fault::Closed)));
    assert_eq!(inspect::check_on(&disk).expect("can be checked").damages, []);
    drop(journal);
    let refused = open(&disk, SMALL).map(|_| ());
    assert!(
        matches!(&refused, Err(Fault::Io { kind: ErrorKind::ReadOnlyFilesystem, file, .. }) if file.starts_with("simulated")),
        "{refused:?}"
    );
    disk.allow_all();
    recovers(&disk, 12);
}

#[test]
fn without_permission_nothing_is_opened_or_changed_and_the_file_is_named() {
    let whole = written(20, LENGTH);
    let there = inspect::overview_on(&whole).expect("an overview").segments;
    let last = there.iter().rev().find(|segment| segment.sealed_at.is_none()).expect("one is in use").number;
    for part in ["journal/state".to_owned(), name(1), name(last)] {
        let disk = whole.power_cut(1);
        disk.refuse(Operation::Open, &part, ErrorKind::PermissionDenied, 1);
        let operations = disk.operations();
        match open(&disk, SMALL).map(|_| ()) {
            Err(Fault::Io { kind: ErrorKind::PermissionDenied, file, .. }) => {
                assert!(file.ends_with(&part), "{} for {part}", file.display());
            }
            other => panic!("{part}: {other:?}"),
        }
        assert_eq!(disk.operations(), operations, "{part}: nothing was changed");
        open(&disk, SMALL).expect("opens when permitted");
    }
}

#[test]
fn a_segment_deleted_under_a_running_journal_is_named_by_reads_and_at_the_next_start() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    append(&journal, 20, LENGTH);
    journal.settle();
    let active = frames(&disk).last().expect("records").0;
    for number in [1, active] {
        let disk = disk.power_cut(1);
        let journal = open(&disk, SMALL).expect("opens");
        journal.settle();
        disk.remove(&name(number)).expect("removes");
        if number == 1 {
            let at = |position| Address { position: Position(position), offset: 0, length: LENGTH as u32 };
            let gone = fetch(&journal, at(1));
            assert!(matches!(&gone, Err(Fault::Io { kind: ErrorKind::NotFound, file, .. }) if file.ends_with(name(1))));
            assert_eq!(fetch(&journal, at(20)), Ok(record(20, LENGTH).payload), "others are served");
        }
        assert_eq!(append(&journal, 10, LENGTH), Position(30), "it goes on");
        drop(journal);
        let refused = open(&disk, SMALL).map(|_| ());
        assert!(
            matches!(&refused, Err(Fault::Missing { file, .. }) if file.ends_with(name(number))),
            "{number}: {refused:?}"
        );
    }
}
