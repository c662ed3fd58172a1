//! A disk that cannot read what it holds: `EIO` where it hurts.

use std::any::Any;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use stanchion_journal::inspect::{self, Archive, Entry, FrameKind};
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::local::{Access, Disk, DiskFile, Options};
use stanchion_journal::{Address, Fault, Journal, Listener, Local, Position, Record, ShardId};

const SHARD: ShardId = ShardId(0);
const LENGTH: usize = 1000;
/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(20);

/// A file and the bytes of it that cannot be read.
type Unreadable = Option<(String, Range<u64>)>;

/// A disk of which some bytes of one file cannot be read.
#[derive(Clone)]
struct Worn {
    disk: Simulated,
    unreadable: Arc<Mutex<Unreadable>>,
}

struct WornFile {
    name: String,
    file: Arc<dyn DiskFile>,
    unreadable: Arc<Mutex<Unreadable>>,
}

impl Worn {
    fn new(disk: Simulated) -> Worn {
        Worn { disk, unreadable: Arc::default() }
    }

    fn break_at(&self, name: &str, bytes: Range<u64>) {
        *self.unreadable.lock().unwrap() = Some((name.to_owned(), bytes));
    }

    fn wrap(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(WornFile { name: name.to_owned(), file, unreadable: self.unreadable.clone() })
    }
}

impl Disk for Worn {
    fn root(&self) -> &Path {
        self.disk.root()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.disk.lock(name)
    }

    fn make_directory(&self, name: &str) -> io::Result<()> {
        self.disk.make_directory(name)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.disk.list(directory)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(name, self.disk.open(name, access)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(name, self.disk.create(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        self.disk.sync_directory(directory)
    }
}

impl DiskFile for WornFile {
    fn write_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.file.write_at(slices, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some((name, bytes)) = &*self.unreadable.lock().unwrap() {
            let end = offset + buffer.len() as u64;
            if *name == self.name && offset < bytes.end && bytes.start < end {
                return Err(io::Error::other("the medium has worn out"));
            }
        }
        self.file.read_at(buffer, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn reserve(&self, length: u64) -> io::Result<bool> {
        self.file.reserve(length)
    }
}

struct Deaf;

impl Listener for Deaf {
    fn durable(&self, _: Position) {}
    fn failed(&self, _: Fault) {}
}

fn open(disk: &Worn) -> Result<Local, Fault> {
    let options = Options { segment_bytes: 64 << 10, cache_bytes: 0, ..Options::default() };
    Local::open_on(Arc::new(disk.clone()), options)
}

fn record(position: u64) -> Record {
    let payload = Bytes::from(vec![position as u8; LENGTH]);
    Record { shard: SHARD, position: Position(position), clock_ms: position, count: 1, payload }
}

/// A closed journal of a few segments on a disk that has not worn out yet.
fn written() -> Worn {
    let disk = Worn::new(Simulated::new());
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
    for segment in inspect::overview_on(disk).expect("an overview").segments {
        let mut found = None;
        inspect::frames_on(disk, segment.number, &mut |frame, _| {
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
    let archive = Archive::open_on(Arc::new(disk.clone())).expect("opens");
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
