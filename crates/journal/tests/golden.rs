//! The bytes on disk of version 2, as they were first written: a directory that every later version must read.
//!
//! The files are never edited. A new version of the format gets a directory of its own beside this one. To write it:
//! `STANCHION_WRITE_GOLDEN=<empty directory> cargo test -p stanchion-journal --test golden`.

use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use stanchion_journal::inspect::{self, FrameKind};
use stanchion_journal::local::{Directory, Disk, Options};
use stanchion_journal::{Address, Epoch, Fault, Journal, Listener, Local, Position, Record, ShardId};
use stanchion_keyring::Keyring;

const OPTIONS: Options = Options {
    segment_bytes: 16 << 10,
    cache_bytes: 0,
    durability: stanchion_journal::local::Durability::Sync,
    reserve_segments: 0,
    open_segments: 4,
    sealed_bytes_max: 256 << 30,
};
const SNAPSHOT: &[u8] = b"the state after record 4";

/// The keyring of the golden files.
fn disk(directory: &Path) -> Arc<dyn Disk> {
    let keyring = Keyring::of("golden", [0x5a; 32].into());
    Arc::new(Directory::new(directory).with_keyring(Some(Arc::new(keyring))))
}

struct Deaf;

impl Listener for Deaf {
    fn durable(&self, _position: Position) {}
    fn failed(&self, fault: Fault) {
        panic!("the journal failed: {fault}");
    }
}

/// Twelve records of two shards: with and without a payload, and longer than a block of checksums.
fn records() -> Vec<Record> {
    (1..=6u64)
        .flat_map(|position| [(0u16, position), (513, position)])
        .map(|(shard, position)| {
            let length = [0, 5, 300, 4096, 5000, 77][position as usize - 1];
            let payload: Vec<u8> = (0..length).map(|index| (u64::from(shard) + position * 17 + index) as u8).collect();
            let clock_ms = 1_700_000_000_000 + position;
            let count = position as u32;
            Record {
                shard: ShardId(shard),
                position: Position(position),
                clock_ms,
                count,
                payload: Bytes::from(payload),
            }
        })
        .collect()
}

fn write(directory: &Path) {
    let journal = Local::open_on(disk(directory), OPTIONS).expect("opens");
    let epochs: Vec<(ShardId, Epoch)> = [ShardId(0), ShardId(513)]
        .map(|shard| (shard, journal.acquire(shard, Arc::new(Deaf)).expect("acquires").epoch))
        .to_vec();
    for record in records() {
        let (shard, position) = (record.shard, record.position);
        let epoch = epochs.iter().find(|(of, _)| *of == shard).expect("acquired").1;
        journal.append(epoch, record).expect("appends");
        let started = Instant::now();
        while journal.durable(shard) < position {
            assert!(started.elapsed() < Duration::from_secs(30), "never durable");
            std::thread::yield_now();
        }
        // The next segment is ready whenever it is needed, so the files always look the same.
        journal.settle();
    }
    journal.save_snapshot(ShardId(0), Position(4), Bytes::from_static(SNAPSHOT)).expect("saves");
    journal.settle();
    journal.close().expect("closes");
}

/// Copies the committed directory, because opening a journal changes it.
fn copy(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v2");
    for directory in ["journal", "snapshots"] {
        fs::create_dir_all(to.join(directory)).expect("creates");
        for entry in fs::read_dir(from.join(directory)).expect("the golden files are there") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), to.join(directory).join(entry.file_name())).expect("copies");
        }
    }
}

#[test]
fn files_of_version_2_are_read() {
    if let Some(directory) = std::env::var_os("STANCHION_WRITE_GOLDEN") {
        write(Path::new(&directory));
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    copy(directory.path());
    let report = inspect::check(directory.path()).expect("can be checked");
    assert_eq!(report.damages, []);
    assert_eq!(report.torn_tail, None);
    assert_eq!((report.records, report.snapshots), (12, 1));
    assert_eq!(report.shards, [(ShardId(0), Position(6)), (ShardId(513), Position(6))]);

    let overview = inspect::overview(directory.path()).expect("an overview");
    assert_eq!((overview.opens, overview.first_segment), (1, 1));
    let mut kinds = String::new();
    for segment in &overview.segments {
        let visit = &mut |info: inspect::FrameInfo| {
            kinds.push(match info.kind {
                FrameKind::Base(_) => '[',
                FrameKind::Record { .. } => '.',
                FrameKind::Seal(_) => ']',
            });
        };
        inspect::outline(directory.path(), segment.number, visit).expect("frames");
    }
    assert!(kinds.starts_with('[') && kinds.contains("]["), "several segments with base and seal: {kinds}");

    let journal = Local::open_on(disk(directory.path()), OPTIONS).expect("opens");
    for shard in [ShardId(0), ShardId(513)] {
        let expected: Vec<Record> = records().into_iter().filter(|record| record.shard == shard).collect();
        let mut found = Vec::new();
        let visit = &mut |record| {
            found.push(record);
            Ok(())
        };
        assert_eq!(journal.replay(shard, Position(1), visit), Ok(Position(6)));
        assert_eq!(found, expected);
        let at = Address { position: Position(5), offset: 4090, length: 20 };
        let (sender, receiver) = mpsc::channel();
        journal.fetch(shard, vec![at], Box::new(move |answer| sender.send(answer).expect("somebody waits")));
        let fetched = receiver.recv_timeout(Duration::from_secs(30)).expect("calls back");
        assert_eq!(fetched, Ok(vec![expected[4].payload.slice(4090..4110)]));
    }
    let snapshot = journal.load_snapshot(ShardId(0));
    assert_eq!(snapshot, Ok(Some((Position(4), Bytes::from_static(SNAPSHOT)))));
    let tenure = journal.acquire(ShardId(0), Arc::new(Deaf)).expect("acquires");
    assert!(tenure.epoch > Epoch(1 << 20), "epochs go on: {}", tenure.epoch);
    assert_eq!(tenure.last, Position(6));
}
