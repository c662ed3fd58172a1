//! Who may open a directory, what a failure ends, and what is durable when.

use std::time::Duration;

use bytes::Bytes;
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{Durability, Options};
use stanchion_journal::{Fault, Journal, Local, Position, inspect};

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
