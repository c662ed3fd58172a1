//! One short history, cut everywhere.

use std::sync::Arc;

use bytes::Bytes;
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::{Address, Fault, Journal, Listener, Position, Stats, inspect};

use crate::harness::{Ears, SHARD, SMALL, acquire, fetch, open, record};

/// What the history was told before the power went off.
#[derive(Default)]
struct Told {
    announced: u64,
    snapshot: u64,
    /// Everything up to here may be gone, and the records in between.
    trimmed: u64,
    released: Vec<u64>,
}

/// Appends records, rolls over segments, saves, releases, trims and closes; then the same once more after a restart. Ends
/// where the power goes off.
fn live(disk: &Simulated, told: &mut Told) -> Result<(), Fault> {
    for round in 0..2 {
        let journal = open(disk, SMALL)?;
        journal.settle();
        let ears = Arc::new(Ears::default());
        let tenure = journal.acquire(SHARD, Arc::clone(&ears) as Arc<dyn Listener>)?;
        let mut last = tenure.last;
        for length in [10, 5000, 5000, 7000, 600, 9000] {
            last = last.next();
            journal.append(tenure.epoch, record(last.0, length))?;
            ears.wait(last)?;
            told.announced = last.0;
            journal.settle();
        }
        journal.save_snapshot(SHARD, Position(last.0 - 1), Bytes::from(vec![round; 700]))?;
        told.snapshot = last.0 - 1;
        told.released.extend(last.0 - 4..=last.0 - 2);
        journal.release(SHARD, &[Position(last.0 - 4)..=Position(last.0 - 2)])?;
        journal.settle();
        if round == 1 {
            told.trimmed = last.0 - 3;
            journal.trim(SHARD, Position(last.0 - 2))?;
            journal.settle();
        }
        let Stats { failed, .. } = journal.stats();
        failed.map_or(Ok(()), Err)?;
        journal.close()?;
    }
    Ok(())
}

const LENGTHS: [usize; 6] = [10, 5000, 5000, 7000, 600, 9000];

fn verify(disk: &Simulated, told: &Told, when: &str) {
    let journal = open(disk, SMALL).unwrap_or_else(|fault| panic!("{when}: {fault}"));
    let (_, _, last) = acquire(&journal, SHARD);
    assert!(last.0 >= told.announced && last.0 <= told.announced + 1, "{when}: {last} of {}", told.announced);
    let snapshot = journal.load_snapshot(SHARD).unwrap_or_else(|fault| panic!("{when}: {fault}"));
    let at = snapshot.map_or(0, |(at, bytes)| {
        assert_eq!(bytes.len(), 700, "{when}");
        at.0
    });
    assert!(at >= told.snapshot, "{when}: the snapshot at {} is gone: {at}", told.snapshot);
    let expected = |position: u64| record(position, LENGTHS[(position as usize - 1) % LENGTHS.len()]);
    let mut next = at + 1;
    let replayed = journal.replay(SHARD, Position(next), &mut |found| {
        assert_eq!(found, expected(next), "{when}");
        next += 1;
        Ok(())
    });
    assert_eq!(replayed, Ok(last), "{when}");
    for position in told.trimmed + 1..=last.0 {
        let whole = expected(position);
        let address = Address { position: Position(position), offset: 0, length: whole.payload.len() as u32 };
        match fetch(&journal, address) {
            Ok(bytes) => assert_eq!(bytes, whole.payload, "{when}: record {position}"),
            Err(Fault::Trimmed { .. }) if told.released.contains(&position) => {}
            Err(fault) => panic!("{when}: record {position}: {fault}"),
        }
    }
    assert_eq!(inspect::check_on(disk).expect("can be checked").damages, [], "{when}");
}

#[test]
fn a_history_cut_at_every_operation_of_the_disk_keeps_all_that_was_announced() {
    let disk = Simulated::new();
    live(&disk, &mut Told::default()).expect("with the power on it ends well");
    let operations = disk.operations();
    assert!(operations > 100, "{operations} operations are no history");
    let mut cuts = 0;
    for at in 0..=operations {
        let disk = Simulated::new();
        disk.turn_off_after(at);
        let mut told = Told::default();
        // The power goes off somewhere in it.
        let _ = live(&disk, &mut told);
        for seed in 0..6 {
            verify(&disk.power_cut(seed), &told, &format!("off after {at} operations, seed {seed}"));
            cuts += 1;
        }
    }
    assert!(cuts > 600, "{cuts}");
}
