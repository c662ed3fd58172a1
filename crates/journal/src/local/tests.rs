use std::time::Instant;

use super::simulated::{Operation, Simulated};
use super::*;

const SHARD: ShardId = ShardId(1);
const SEGMENT: u64 = 16 << 10;

/// Longer than anything here takes; who waits this long waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);

struct Deaf;

impl Listener for Deaf {
    fn durable(&self, _position: Position) {}

    fn failed(&self, _fault: Fault) {}
}

/// Notes which threads tell of durable records.
#[derive(Default)]
struct Ears(Mutex<Vec<thread::ThreadId>>);

impl Ears {
    fn told_here(&self) -> bool {
        self.0.lock().expect("not poisoned").contains(&thread::current().id())
    }
}

impl Listener for Ears {
    fn durable(&self, _position: Position) {
        self.0.lock().expect("not poisoned").push(thread::current().id());
    }

    fn failed(&self, _fault: Fault) {}
}

/// A journal that appends records of 4,000 bytes.
struct Desk {
    journal: Local,
    epoch: Epoch,
    last: Position,
}

impl Desk {
    fn open(disk: &Simulated, durability: Durability) -> Desk {
        let options =
            Options { segment_bytes: SEGMENT, cache_bytes: 0, durability, reserve_segments: 1, ..Options::default() };
        let journal = Local::open_on(Arc::new(disk.clone()), options).expect("opens");
        let tenure = journal.acquire(SHARD, Arc::new(Deaf)).expect("is acquired");
        Desk { journal, epoch: tenure.epoch, last: tenure.last }
    }

    fn append(&mut self, count: usize) {
        for _ in 0..count {
            self.last = self.last.next();
            let payload = Bytes::from_static(&[7; 4000]);
            let record = Record { shard: SHARD, position: self.last, clock_ms: 1, count: 1, payload };
            self.journal.append(self.epoch, record).expect("is appended");
        }
    }

    /// Opens one with a durable record, and waits until there is nothing left to do.
    fn at_rest(disk: &Simulated) -> Desk {
        let mut desk = Desk::open(disk, Durability::Sync);
        desk.append(1);
        desk.wait();
        desk.journal.settle();
        desk
    }

    fn queue(&mut self) {
        self.last = self.last.next();
        let payload = Bytes::from_static(b"x");
        let record = Record { shard: SHARD, position: self.last, clock_ms: 1, count: 1, payload };
        self.journal.queue(self.epoch, record).expect("is queued");
    }

    /// Commits as if the disk had just been quick, or slow.
    fn commit_and_wait(&self, is_quick: bool) {
        self.journal.shared.lock().is_quick = is_quick;
        self.journal.commit_and_wait();
    }

    fn wait(&self) {
        until("the records to be durable", || self.journal.durable(SHARD) == self.last);
    }
}

#[test]
fn queued_records_gather_until_they_are_committed_and_share_one_sync() {
    let disk = Simulated::new();
    let mut desk = Desk::open(&disk, Durability::Sync);
    desk.append(1);
    desk.wait();
    let before = desk.journal.stats().syncs;
    for _ in 2..=4 {
        desk.queue();
    }
    desk.journal.commit();
    desk.wait();
    assert_eq!(desk.journal.stats().syncs - before, 1);
    desk.journal.commit();
    desk.append(1);
    desk.wait();
    assert_eq!(desk.journal.stats().syncs - before, 2, "a commit of nothing is none");
    let record =
        Record { shard: SHARD, position: desk.last.next(), clock_ms: 1, count: 1, payload: Bytes::from_static(b"y") };
    desk.journal.queue(desk.epoch, record).expect("is queued");
    let tenure = desk.journal.acquire(SHARD, Arc::new(Deaf)).expect("is acquired");
    assert_eq!(tenure.last, desk.last.next(), "who takes over does not wait in vain for what was queued");
}

#[test]
fn whoever_commits_writes_if_the_disk_was_quick() {
    let mut desk = Desk::open(&Simulated::new(), Durability::Sync);
    desk.append(1);
    desk.wait();
    let ears = Arc::new(Ears::default());
    let tenure = desk.journal.acquire(SHARD, ears.clone()).expect("is acquired");
    desk.epoch = tenure.epoch;
    // The thread may still be at what it did before, and writes then.
    until("this thread to write", || {
        desk.queue();
        desk.commit_and_wait(true);
        desk.wait();
        ears.told_here()
    });
    let before = desk.journal.stats().syncs;
    desk.commit_and_wait(true);
    assert_eq!(desk.journal.stats().syncs, before, "a commit of nothing is none");
    desk.journal.close().expect("closes");
}

#[test]
fn whoever_commits_does_not_wait_for_a_slow_disk() {
    let disk = Simulated::new();
    let mut desk = Desk::at_rest(&disk);
    let (writes, stall) = (disk.asked(Operation::Write), disk.stall(Operation::Sync, ".segment"));
    desk.append(1);
    until("a group to be written", || disk.asked(Operation::Write) > writes);
    let begun = Instant::now();
    until("it to be a slow one", || begun.elapsed() > 2 * writer::QUICK);
    drop(stall);
    desk.wait();
    assert!(!desk.journal.shared.lock().is_quick, "a group that took long was called quick");
    for durability in [Durability::Sync, Durability::Interval(Duration::MAX)] {
        let disk = Simulated::new();
        let mut desk = Desk::open(&disk, durability);
        desk.queue();
        let stall = disk.stall(Operation::Write, ".segment");
        // Returns, though nothing can be written.
        desk.commit_and_wait(durability != Durability::Sync);
        drop(stall);
        desk.wait();
    }
}

#[test]
fn a_sync_that_fails_while_somebody_waits_for_it_ends_the_journal() {
    let disk = Simulated::new();
    let mut desk = Desk::at_rest(&disk);
    disk.fail_next_sync(std::io::ErrorKind::Other);
    desk.queue();
    desk.commit_and_wait(true);
    until("the failure", || desk.journal.stats().failed.is_some());
    assert_eq!(desk.journal.durable(SHARD), Position(1), "what was not synced was announced");
    let syncs = disk.asked(Operation::Sync);
    desk.commit_and_wait(true);
    assert!(desk.journal.close().is_err(), "closing cannot make it durable either");
    assert_eq!(disk.asked(Operation::Sync), syncs, "a sync was tried again");
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited for {what} in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_writer_gets_its_segments_while_the_one_who_prepares_them_waits_for_a_sync_before_a_trim() {
    // An interval that never ends is one in which only others ask for syncs.
    for durability in [Durability::Memory, Durability::Interval(Duration::MAX)] {
        let disk = Simulated::new();
        let mut desk = Desk::open(&disk, durability);
        for _ in 0..10 {
            desk.append(1);
            desk.wait();
        }
        desk.journal.settle();
        let stall = disk.stall(Operation::Write, ".segment");
        // More than the segment in use, grown to twice its length, and the one that is prepared can hold.
        let before = desk.last;
        desk.append(30);
        desk.journal.trim(SHARD, before).expect("is trimmed");
        until("a sync to be asked for", || desk.journal.shared.lock().flush_wanted > 0);
        drop(stall);
        desk.wait();
        until("what was trimmed to be put away", || disk.content(&segment::name(1)).is_none());
        desk.journal.close().expect("closes");
    }
}
