//! A disk that cannot read what it holds: `EIO` where it hurts.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use stanchion_journal::inspect::{self, Archive, Entry, FrameKind};
use stanchion_journal::local::between::{Between, Interposed};
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{Directory, Disk, DiskFile, Options};
use stanchion_journal::{Address, Fault, Journal, Listener, Local, Position, Record, ShardId};

const SHARD: ShardId = ShardId(0);
const LENGTH: usize = 1000;
/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(20);

/// A file and the bytes of it that cannot be read.
type Unreadable = Option<(String, Range<u64>)>;

/// A disk of which some bytes of one file cannot be read.
#[derive(Default)]
struct Worn {
    disk: Simulated,
    wear: Arc<Wear>,
}

/// What wear does to reads, and how many there were.
#[derive(Default)]
struct Wear {
    unreadable: Mutex<Unreadable>,
    /// How often files have been read.
    reads: AtomicU64,
    /// How many bytes that were at most.
    bytes: AtomicU64,
}

impl Worn {
    /// Returns the disk as the journal sees it.
    fn seen(&self) -> Arc<dyn Disk> {
        Arc::new(Interposed::new(self.disk.clone(), Arc::clone(&self.wear)))
    }

    fn break_at(&self, name: &str, bytes: Range<u64>) {
        *self.wear.unreadable.lock().unwrap() = Some((name.to_owned(), bytes));
    }
}

impl Between for Wear {
    fn read_at(&self, name: &str, file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        if let Some((unreadable, bytes)) = &*self.unreadable.lock().unwrap() {
            let end = offset + buffer.len() as u64;
            if *unreadable == name && offset < bytes.end && bytes.start < end {
                return Err(io::Error::other("the medium has worn out"));
            }
        }
        file.read_at(buffer, offset)
    }

    /// All is in memory but what cannot be read.
    fn read_at_hand(&self, name: &str, file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(name, file, buffer, offset).map_err(|_| io::ErrorKind::WouldBlock.into())
    }
}

struct Deaf;

impl Listener for Deaf {
    fn durable(&self, _: Position) {}
    fn failed(&self, _: Fault) {}
}

fn open(disk: &Worn) -> Result<Local, Fault> {
    let options = Options { segment_bytes: 64 << 10, cache_bytes: 0, ..Options::default() };
    Local::open_on(disk.seen(), options)
}

fn record(position: u64) -> Record {
    let payload = Bytes::from(vec![position as u8; LENGTH]);
    Record { shard: SHARD, position: Position(position), clock_ms: position, count: 1, payload }
}

/// A closed journal of a few segments on a disk that has not worn out yet.
fn written() -> Worn {
    let disk = Worn::default();
    let journal = open(&disk).expect("opens");
    let tenure = journal.acquire(SHARD, Arc::new(Deaf)).expect("acquires");
    for position in 1..=200 {
        journal.append(tenure.epoch, record(position)).expect("appends");
    }
    journal.close().expect("closes");
    disk
}

/// Returns the file and the offset of a record.
fn place(disk: &Worn, wanted: u64) -> (String, u64) {
    for segment in inspect::overview_on(&*disk.seen()).expect("an overview").segments {
        let mut found = None;
        inspect::frames_on(&*disk.seen(), segment.number, &mut |frame, _| {
            if matches!(frame.kind, FrameKind::Record { position, .. } if position.0 == wanted) {
                found = Some(frame.offset);
            }
        })
        .expect("reads");
        if let Some(offset) = found {
            return (format!("journal/{:012}.segment", segment.number), offset);
        }
    }
    panic!("record {wanted} is nowhere");
}

fn fetch(journal: &Local, position: u64) -> Result<Bytes, Fault> {
    let (sender, done) = channel();
    let at = Address { position: Position(position), offset: 0, length: LENGTH as u32 };
    journal.fetch(SHARD, vec![at], Box::new(move |result| _ = sender.send(result)));
    done.recv_timeout(LONG).expect("an answer").map(|mut bytes| bytes.remove(0))
}

fn is_about(fault: &Fault, name: &str) -> bool {
    matches!(fault, Fault::Io { file, .. } if file.ends_with(name))
}

#[test]
fn a_record_that_cannot_be_read_fails_its_fetches_and_nothing_else() {
    let disk = written();
    let (name, offset) = place(&disk, 20);
    let journal = open(&disk).expect("opens");
    disk.break_at(&name, offset..offset + 100);
    let refused = fetch(&journal, 20).expect_err("it cannot be read");
    assert!(is_about(&refused, &name), "{refused}");
    // In other segments, and before it in its own.
    assert_eq!(fetch(&journal, 150).expect("reads"), record(150).payload);
    let tenure = journal.acquire(SHARD, Arc::new(Deaf)).expect("acquires");
    journal.append(tenure.epoch, record(201)).expect("appends go on");
    journal.close().expect("a read that failed is no failed write");
}

#[test]
fn a_replay_over_what_cannot_be_read_is_refused_by_name() {
    let disk = written();
    let (name, offset) = place(&disk, 20);
    let journal = open(&disk).expect("only the last segment is read at the start");
    disk.break_at(&name, offset..offset + 100);
    let refused = journal.replay(SHARD, Position(1), &mut |_| Ok(())).expect_err("record 20 cannot be read");
    assert!(is_about(&refused, &name), "{refused}");
}

#[test]
fn a_start_that_cannot_read_a_page_a_segment_or_the_state_is_refused_by_name() {
    let disk = written();
    let last = place(&disk, 200);
    for (name, bytes) in
        [(place(&disk, 1).0, 0..1), (last.0.clone(), 0..1), last_bytes(&last), ("journal/state".to_owned(), 0..1)]
    {
        disk.break_at(&name, bytes);
        let refused = open(&disk).err().expect("it cannot be read");
        assert!(is_about(&refused, &name), "{refused}");
    }
}

fn last_bytes((name, offset): &(String, u64)) -> (String, Range<u64>) {
    (name.clone(), *offset..offset + 1)
}

#[test]
fn a_snapshot_that_cannot_be_read_is_refused_by_name() {
    let disk = written();
    {
        let journal = open(&disk).expect("opens");
        journal.acquire(SHARD, Arc::new(Deaf)).expect("acquires");
        journal.save_snapshot(SHARD, Position(200), Bytes::from_static(b"state")).expect("saves");
        journal.close().expect("closes");
    }
    let name = format!("snapshots/00000-{:020}.snapshot", 200);
    let journal = open(&disk).expect("opens");
    disk.break_at(&name, 0..1);
    // An older one would do, but who cannot read one file should not trust the next: the medium may come back.
    let refused = journal.load_snapshot(SHARD).expect_err("it cannot be read");
    assert!(is_about(&refused, &name), "{refused}");
}

#[test]
fn an_archive_says_where_it_cannot_read_and_goes_on_with_the_next_file() {
    let disk = written();
    let (name, offset) = place(&disk, 20);
    let archive = Archive::open_on(disk.seen()).expect("opens");
    disk.break_at(&name, offset..offset + 100);
    let (mut good, mut lost) = (Vec::new(), 0);
    archive
        .walk(SHARD, Position(1), &mut |entry| {
            match entry {
                Entry::Record(record) => good.push(record.position.0),
                Entry::Lost(damage) => {
                    assert!(damage.file.ends_with(&name), "{damage:?}");
                    lost += 1;
                }
                Entry::Damaged { .. } => panic!("nothing was changed"),
            }
            Ok(())
        })
        .expect("walks");
    assert_eq!(lost, 1);
    assert!(good.contains(&200) && !good.contains(&20), "{good:?}");
}

/// Bodies of a kilobyte, one after the other with something between them.
const STEP: u32 = 1084;

/// Returns the record of so many bodies at a position.
fn batch(position: u64, bodies: u32) -> Record {
    let byte = |at: u32| (u64::from(at) * 7 + u64::from(at) / 251 + position * 31) as u8;
    let payload = Bytes::from((0..bodies * STEP).map(byte).collect::<Vec<u8>>());
    Record { shard: SHARD, position: Position(position), clock_ms: position, count: bodies, payload }
}

/// A journal with a record of so many bodies at each of some positions, and the disk under it.
fn batches(bodies: &[u32]) -> (Worn, Local) {
    let disk = Worn::default();
    let options = Options { segment_bytes: 1 << 20, cache_bytes: 0, ..Options::default() };
    let journal = Local::open_on(disk.seen(), options).expect("opens");
    let tenure = journal.acquire(SHARD, Arc::new(Deaf)).expect("acquires");
    for (position, &bodies) in (1..).zip(bodies) {
        journal.append(tenure.epoch, batch(position, bodies)).expect("appends");
    }
    while journal.durable(SHARD).0 < bodies.len() as u64 {
        std::thread::yield_now();
    }
    (disk, journal)
}

fn bodies(position: u64, numbers: impl IntoIterator<Item = u32>) -> Vec<Address> {
    let at = |number: u32| Address { position: Position(position), offset: number * STEP + 60, length: 1024 };
    numbers.into_iter().map(at).collect()
}

fn fetch_all(journal: &Local, at: &[Address]) -> Result<Vec<Bytes>, Fault> {
    let (sender, done) = channel();
    journal.fetch(SHARD, at.to_vec(), Box::new(move |result| _ = sender.send(result)));
    done.recv_timeout(LONG).expect("an answer")
}

/// Returns what is at hand if all of it is.
fn at_hand(journal: &Local, at: &[Address]) -> Option<Vec<Bytes>> {
    journal.at_hand(SHARD, at).into_iter().collect()
}

/// Fetches, compares and returns how many reads it took.
fn reads_for(disk: &Worn, journal: &Local, lengths: &[u32], at: &[Address]) -> u64 {
    let before = disk.wear.reads.load(Ordering::Relaxed);
    let found = fetch_all(journal, at).expect("reads");
    let reads = disk.wear.reads.load(Ordering::Relaxed) - before;
    let content = |at: &Address| {
        let whole = batch(at.position.0, lengths[at.position.0 as usize - 1]).payload;
        whole.slice(at.offset as usize..(at.offset + at.length) as usize)
    };
    assert_eq!(found, at.iter().map(content).collect::<Vec<_>>());
    reads
}

#[test]
fn bodies_that_were_sent_together_are_read_together() {
    let lengths = [10, 10, 10, 100, 10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 10, 10, 10];
    let (disk, journal) = batches(&lengths);
    let reads = |at: &[Address]| reads_for(&disk, &journal, &lengths, at);
    for position in [1, 2, 3, 5, 16] {
        assert_eq!(reads(&bodies(position, 0..10)), 1, "ten bodies of record {position}");
    }
    for first in [0, 20, 50, 90] {
        assert!(reads(&bodies(4, first..first + 10)) <= 2, "from {first} of a hundred bodies");
    }
    let singles: Vec<Address> = (6..16).flat_map(|position| bodies(position, [0])).collect();
    assert_eq!(reads(&singles), 1, "ten records in a row");
    // In any order, again and again, with gaps, over the borders of records, and all that there is.
    assert!(reads(&bodies(4, [90, 3, 3, 91, 4, 60, 99, 0])) <= 4);
    let mixed: Vec<Address> = [18, 1, 4, 2].into_iter().flat_map(|position| bodies(position, [9, 0])).collect();
    assert!(reads(&mixed) <= 5);
    let whole = |position: u64| Address {
        position: Position(position),
        offset: 0,
        length: lengths[position as usize - 1] * STEP,
    };
    assert!(reads(&(1..=18).map(whole).collect::<Vec<_>>()) <= 4);
}

#[test]
fn a_damaged_block_fails_the_bodies_in_it_and_no_others() {
    let (disk, journal) = batches(&[10, 100, 10]);
    let (name, offset) = place(&disk, 2);
    let table = 20 * u64::from(100 * STEP).div_ceil(4096);
    let payload = offset + 72 + table;
    // In the middle of a block that holds parts of five bodies.
    let damaged = 15 * 4096 + 2000;
    let mut content = disk.disk.content(&name).expect("the file is there");
    content[(payload + damaged) as usize] ^= 1;
    disk.disk.overwrite(&name, content);
    let first = (damaged / 4096 * 4096) as u32;
    let touches = |at: &Address| at.offset < first + 4096 && at.offset + at.length > first;
    let is_about_it = |fault: &Fault| matches!(fault, Fault::Corrupt { file, offset, .. } if file.ends_with(&name) && *offset == payload + u64::from(first));
    let all = bodies(2, 0..100);
    assert_eq!(all.iter().filter(|at| touches(at)).count(), 5);
    for at in &all {
        match fetch_all(&journal, std::slice::from_ref(at)) {
            Ok(bytes) => {
                assert!(!touches(at), "{at} was served");
                let from = at.offset as usize;
                assert_eq!(bytes[0], batch(2, 100).payload.slice(from..from + at.length as usize));
            }
            Err(fault) => assert!(touches(at) && is_about_it(&fault), "{at}: {fault}"),
        }
    }
    for ten in all.chunks(10) {
        let answer = fetch_all(&journal, ten);
        assert_eq!(answer.is_err(), ten.iter().any(touches), "{}", ten[0]);
        assert!(answer.as_ref().err().is_none_or(is_about_it), "{answer:?}");
    }
    // One that the record does not have fails with the others, as it always did.
    let past = fetch_all(&journal, &bodies(2, 95..101));
    assert!(matches!(past, Err(Fault::OutOfRange { at, .. }) if at.offset == 100 * STEP + 60), "{past:?}");
}

#[test]
fn what_is_in_memory_is_there_at_once_and_the_rest_is_not() {
    let (disk, journal) = batches(&[10, 100, 10]);
    let (one, two) = (bodies(1, 0..10), bodies(2, 80..90));
    for at in [&one, &two] {
        assert_eq!(at_hand(&journal, at), fetch_all(&journal, at).ok(), "as if it was fetched");
    }
    let (name, offset) = place(&disk, 2);
    let far = offset + 80 * u64::from(STEP);
    disk.break_at(&name, far..far + 10 * u64::from(STEP));
    assert_eq!(at_hand(&journal, &two[..1]), None);
    let three = [two[0], one[0], bodies(4, [0])[0]];
    let found = journal.at_hand(SHARD, &three);
    assert_eq!(found[1..], [fetch_all(&journal, &one[..1]).expect("reads").pop(), None], "the third is no record");
    assert_eq!(found[0], None, "one of them has to be waited for");
}

#[test]
fn what_is_at_hand_here_and_there_is_read_without_what_lies_between() {
    let (disk, journal) = batches(&[10; 60]);
    for step in [3, 7] {
        let at: Vec<Address> =
            (0..8).map(|number| 58 - step * number).flat_map(|p| bodies(p, [p as u32 % 10])).collect();
        let before = disk.wear.bytes.load(Ordering::Relaxed);
        let found = at_hand(&journal, &at).expect("all is in memory");
        let read = disk.wear.bytes.load(Ordering::Relaxed) - before;
        assert_eq!(found, fetch_all(&journal, &at).expect("reads"));
        // The blocks of each body, and a way to its record that is shorter than the record.
        assert!(read <= 8 * (2 * 4096 + 4096), "{read} bytes were read");
    }
}

#[test]
fn damage_is_never_at_hand() {
    let (disk, journal) = batches(&[10]);
    let (name, offset) = place(&disk, 1);
    let mut content = disk.disk.content(&name).expect("the file is there");
    content[offset as usize + 5000] ^= 1;
    disk.disk.overwrite(&name, content);
    assert_eq!(at_hand(&journal, &bodies(1, 0..10)), None);
    assert!(matches!(fetch_all(&journal, &bodies(1, 0..10)), Err(Fault::Corrupt { .. })));
}

#[test]
fn a_file_of_the_system_reads_at_hand_what_it_reads_or_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = Directory::new(directory.path());
    let file = disk.create("file").expect("creates");
    let content: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    file.write_at(&mut [IoSlice::new(&content)], 0).expect("writes");
    for (offset, length) in [(0, 100_000), (10, 1), (99_990, 20), (100_000, 5), (200_000, 5)] {
        let (mut plain, mut at_hand) = (vec![0; length], vec![0; length]);
        let read = file.read_at(&mut plain, offset).expect("reads");
        match file.read_at_hand(&mut at_hand, offset) {
            Ok(found) => assert_eq!((found, at_hand), (read, plain)),
            // The system may have dropped it, or not be able to tell.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
}
