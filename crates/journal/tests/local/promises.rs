//! Who may open a directory, what a failure ends, and what is durable when.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{Directory, Durability, Options};
use stanchion_journal::{Fault, Journal, Local, Position, inspect};
use stanchion_keyring::Keyring;

use crate::harness::{PATIENCE, SHARD, SMALL, acquire, append, open, record, replayed};

#[test]
fn a_directory_is_opened_once_at_a_time() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = Local::open(directory.path(), SMALL).expect("opens");
    let second = Local::open(directory.path(), SMALL).map(|_| ());
    assert_eq!(second, Err(Fault::Locked { file: directory.path().join("lock") }));
    first.close().expect("closes");
    let third = Local::open(directory.path(), SMALL).expect("opens after a close");
    drop(third);
    Local::open(directory.path(), SMALL).expect("opens after a drop");
    assert!(inspect::check(directory.path()).expect("can be checked").damages.is_empty());
}

#[test]
fn groups_of_every_size_come_back_as_they_were_written() {
    for is_sealed in [false, true] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let keyring = is_sealed.then(|| Arc::new(Keyring::of("k", [7; 32].into())));
        let open = || {
            let disk = Directory::new(directory.path()).with_keyring(keyring.clone());
            let options = Options { segment_bytes: 2 << 20, ..SMALL };
            Arc::new(Local::open_on(Arc::new(disk), options).expect("opens"))
        };
        let journal = open();
        let (ears, epoch, mut last) = acquire(&journal, SHARD);
        // Small groups and groups of half a megabyte take turns, so that large ones begin anywhere in a page, and some
        // of them do not fit into what is left of a segment.
        for records in [1, 55, 2, 57, 60, 1, 1, 90, 58] {
            for _ in 0..records {
                last = last.next();
                journal.queue(epoch, record(last.0, 9001)).expect("is queued");
            }
            journal.commit();
            ears.wait(last).expect("becomes durable");
        }
        assert_eq!(replayed(&journal, 1, 9001), last);
        journal.close().expect("closes");
        drop(journal);
        assert_eq!(replayed(&open(), 1, 9001), last);
        let checked =
            inspect::check_on(&Directory::new(directory.path()).with_keyring(keyring)).expect("can be checked");
        assert!(checked.damages.is_empty(), "{:?}", checked.damages);
    }
}

#[test]
fn a_failed_write_is_as_final_as_a_failed_sync() {
    let disk = Simulated::new();
    let journal = open(&disk, SMALL).expect("opens");
    let (ears, epoch, _) = acquire(&journal, SHARD);
    journal.settle();
    disk.fail_next_write(std::io::ErrorKind::StorageFull);
    journal.append(epoch, record(1, 10)).expect("is queued");
    let fault = ears.wait(Position(1)).expect_err("fails");
    assert!(matches!(&fault, Fault::Io { operation: "write", kind: std::io::ErrorKind::StorageFull, .. }), "{fault}");
    let operations = disk.operations();
    assert_eq!(journal.append(epoch, record(2, 10)), Err(fault.clone()));
    assert_eq!(journal.close(), Err(fault));
    assert_eq!(disk.operations(), operations, "nothing is written or synced after a failure");
}

#[test]
fn synced_in_intervals_an_idle_journal_still_gets_its_sync() {
    let disk = Simulated::new();
    let durability = Durability::Interval(Duration::from_millis(1));
    let journal = open(&disk, Options { durability, ..SMALL }).expect("opens");
    let before = journal.stats().syncs;
    append(&journal, 1, 10);
    let started = std::time::Instant::now();
    while journal.stats().syncs == before {
        assert!(started.elapsed() < PATIENCE, "never synced");
        std::thread::yield_now();
    }
    let journal = open(&disk.power_cut(0), SMALL).expect("opens");
    assert_eq!(replayed(&journal, 1, 10), Position(1), "it survives a power cut after its interval");
}

#[test]
fn a_snapshot_makes_the_records_before_it_durable_whatever_was_asked_for() {
    let disk = Simulated::new();
    let journal = open(&disk, Options { durability: Durability::Memory, ..SMALL }).expect("opens");
    append(&journal, 5, 10);
    journal.save_snapshot(SHARD, Position(5), Bytes::from_static(b"five")).expect("saves");
    for seed in 0..8 {
        let journal = open(&disk.power_cut(seed), SMALL).expect("opens");
        assert_eq!(replayed(&journal, 1, 10), Position(5));
        assert_eq!(journal.load_snapshot(SHARD), Ok(Some((Position(5), Bytes::from_static(b"five")))));
    }
}
