//! A journal in files of one directory.
//!
//! ```text
//! <directory>/lock                          held while a process has the journal open
//! <directory>/journal/state                 identity, and what must be there
//! <directory>/journal/keys                  the data keys that records and snapshots are sealed with, wrapped
//! <directory>/journal/000000000001.segment  records of all shards, in the order of arrival
//! <directory>/journal/000000000002.segment  the next one, prepared ahead of time
//! <directory>/journal/segment.spare         a trimmed one, to be used again
//! <directory>/journal/reserve.0             space for the day the disk is full
//! <directory>/snapshots/00000-<position>.snapshot
//! ```
//!
//! One thread writes for all shards ([`writer`](self)), or whoever commits if the disk is quick; one prepares and puts
//! away segments, two read. Start reading in `writer.rs` for what happens to a record, in `recover.rs` for what happens
//! after a crash, and in `frame.rs` for the bytes.

use std::any::Any;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use stanchion_keyring::Keyring;

pub mod between;
mod catalogue;
pub(crate) mod disk;
pub(crate) mod frame;
mod front;
mod hold;
pub(crate) mod image;
pub(crate) mod index;
mod janitor;
pub(crate) mod keys;
mod plain;
pub(crate) mod ranges;
mod reader;
pub(crate) mod recover;
mod reserve;
pub(crate) mod scan;
pub(crate) mod segment;
pub mod simulated;
pub(crate) mod snapshot;
pub(crate) mod state;
mod writer;

#[cfg(test)]
mod tests;

pub use disk::{Access, Directory, Disk, DiskFile};
pub use hold::Hold;
pub use image::{Image, Part, check_copy};

use crate::{Address, Epoch, Fault, FetchDone, Journal, Listener, Position, Record, Room, ShardId, Stats, Tenure};
use catalogue::Catalogue;
use front::{Front, Shard};
use index::Tails;
use janitor::{Janitor, Zeros};
use keys::Keys;
use reader::Readers;
use reserve::Reserve;
use scan::Step;
use state::State;
use writer::{Active, Writer};

/// How many tenures one opening of a journal has numbers for.
const EPOCHS_PER_OPENING: u64 = 1 << 20;
/// The first segment of a journal is prepared while somebody waits for the start, so it is small.
const FIRST_SEGMENT_BYTES: u64 = 1 << 20;
/// Bounds of the length of a segment, in bytes.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 16 * 1024..=1 << 30;
/// The largest reserve, in segments.
const RESERVE_SEGMENTS_MAX: u32 = 64;
/// What a snapshot leaves of the reserve, in segments: without any, the records that follow it have nowhere to go.
const SNAPSHOT_LEAVES: usize = 1;

/// Settings of a local journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Length of a segment in bytes, from 16 KiB to 1 GiB. A longer record gets a longer segment. Default: 64 MiB.
    ///
    /// Space comes back in whole segments, and up to two are prepared or kept for later.
    pub segment_bytes: u64,
    /// How many bytes of recent records stay in memory. Default: 64 MiB.
    pub cache_bytes: usize,
    /// When a record counts as durable. Default: [`Durability::Sync`].
    pub durability: Durability,
    /// How much space is set aside for a full disk, in segments, up to 64. Default: 3.
    ///
    /// While they last, everything goes on; [`Journal::room`] says that it should not for long.
    pub reserve_segments: u32,
    /// How many full segments stay open to read, so many file descriptors. Default: 32.
    ///
    /// Who reads here and there in a journal of more segments opens a file for most reads.
    pub open_segments: usize,
    /// How many bytes of records are sealed with one data key before another follows, with the next segment. Default:
    /// 256 GiB, a thousandth of what an attacker would need to tell anything from it with a chance worth speaking of.
    pub sealed_bytes_max: u64,
}

/// When a record counts as durable, and so what a power cut costs.
///
/// The end of the process, even by `kill -9`, costs nothing that was acknowledged under any of these. Snapshots and
/// full segments are always synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is on the disk (`fdatasync`). A power cut costs nothing that was acknowledged.
    Sync,
    /// When the operating system has it; it is synced within this time. A power cut, or a crash of the operating system,
    /// costs what was acknowledged during at most this time and one sync: sends, but also deletes, so messages may come
    /// back.
    Interval(Duration),
    /// When the operating system has it; it gets to the disk whenever the system likes. A power cut or a crash of the
    /// operating system costs up to a segment of acknowledged records.
    Memory,
}

impl Default for Options {
    fn default() -> Options {
        let durability = Durability::Sync;
        Options {
            segment_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            durability,
            reserve_segments: 3,
            open_segments: 32,
            sealed_bytes_max: 256 << 30,
        }
    }
}

/// A journal in files of one directory.
///
/// Dropping it without [`close`](Journal::close) is like killing the process: what has not been announced may be lost.
pub struct Local {
    shared: Arc<Shared>,
    writer: Arc<Mutex<Writer>>,
    threads: Mutex<Option<Threads>>,
    /// Held until the last thread is gone.
    lock: Mutex<Option<Box<dyn Any + Send + Sync>>>,
}

struct Threads {
    writer: JoinHandle<Option<(u64, u64)>>,
    janitor: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
}

/// What the threads share.
struct Shared {
    disk: Arc<dyn Disk>,
    journal: u64,
    opens: u64,
    options: Options,
    front: Mutex<Front>,
    /// There is something for the writer.
    work: Condvar,
    /// The writer has finished a group, or failed.
    settled: Condvar,
    /// One snapshot is written at a time.
    snapshots: Mutex<()>,
    catalogue: Catalogue,
    keys: Arc<Keys>,
    janitor: Janitor,
    readers: Readers,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Front> {
        // The front is changed in single steps that do not panic half-way, so a poisoned lock guards nothing broken.
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the writer have what is in the queue.
    fn commit(&self, mut front: MutexGuard<'_, Front>) {
        front.committed = true;
        // One wake-up for a sleeping writer; a busy one looks at the queue by itself.
        let wake = std::mem::replace(&mut front.writer_sleeps, false);
        drop(front);
        if wake {
            self.work.notify_one();
        }
    }

    /// Waits for something to do; says whether there is, or it is time to leave.
    fn wait_for_work(&self, deadline: Option<Instant>) -> bool {
        let mut front = self.lock();
        loop {
            if front.has_work(deadline) {
                return true;
            }
            if front.closed || front.failed.is_some() {
                return false;
            }
            front.committed = false;
            front.writer_sleeps = true;
            front = match deadline {
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    self.work.wait_timeout(front, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.work.wait(front).unwrap_or_else(PoisonError::into_inner),
            };
            front.writer_sleeps = false;
        }
    }

    /// Returns the fault of asking for a record that is not there any more.
    fn trimmed(&self, shard: ShardId, position: Position) -> Fault {
        let next = self.lock().shards.get(&shard).map_or(Position(1), |shard| shard.tail.next());
        let first = self.catalogue.first(shard, position.0).map_or(next, Position);
        Fault::Trimmed { shard, position, first }
    }

    /// Notes up to where snapshots cover a shard.
    fn note_saved(&self, shard: ShardId, at: Position) {
        let mut front = self.lock();
        let state = front.shards.entry(shard).or_default();
        state.saved = state.saved.max(at);
    }
}

impl Shared {
    /// Waits until everything appended so far is synced.
    fn flush(&self, front: MutexGuard<'_, Front>) -> Result<(), Fault> {
        self.flush_unless(front, &|| false).map(|_| ())
    }

    /// Waits until everything appended so far is synced, or somebody gives up; says which.
    fn flush_unless(&self, mut front: MutexGuard<'_, Front>, gives_up: &dyn Fn() -> bool) -> Result<bool, Fault> {
        front.flush_wanted += 1;
        let flush = front.flush_wanted;
        self.work.notify_one();
        while front.flush_done < flush {
            front.check_failed()?;
            if front.abandoned {
                return Err(Fault::Closed);
            }
            if gives_up() {
                return Ok(false);
            }
            front = self.settled.wait(front).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(true)
    }

    /// Makes sure that segments may go: what made them superfluous, say their survivors appended again, must not be lost
    /// after them. Says whether they may go now: not if the writer waits for the very thread that asks.
    fn before_retiring(&self) -> Result<bool, Fault> {
        if self.options.durability == Durability::Sync {
            return Ok(true);
        }
        let front = self.lock();
        front.check()?;
        self.flush_unless(front, &|| self.janitor.is_needed())
    }

    /// Latches a fault and tells everybody, once.
    fn fail(&self, fault: Fault) {
        let mut front = self.lock();
        if front.failed.is_some() {
            return;
        }
        tracing::error!(%fault, "the journal has failed and stays failed");
        front.failed = Some(fault.clone());
        let listeners: Vec<_> = front.shards.values().filter_map(|shard| shard.listener.clone()).collect();
        let unwritten = std::mem::take(&mut front.queue);
        drop(front);
        drop(unwritten);
        self.work.notify_all();
        self.settled.notify_all();
        for listener in listeners {
            listener.failed(fault.clone());
        }
    }
}

impl Local {
    /// Opens the journal in a directory, or begins one if there is none.
    ///
    /// # Errors
    /// [`Fault::Locked`] if it is open already; [`Fault::Corrupt`] or [`Fault::Missing`] if what is there is not what was
    /// written. Nothing is changed then, except that a torn tail before the damage may have been cut.
    pub fn open(directory: impl AsRef<Path>, options: Options) -> Result<Local, Fault> {
        Local::open_on(Arc::new(Directory::new(directory.as_ref())), options)
    }

    /// Opens the journal on a disk of one's own.
    ///
    /// # Errors
    /// As [`Local::open`].
    pub fn open_on(disk: Arc<dyn Disk>, mut options: Options) -> Result<Local, Fault> {
        options.segment_bytes = options.segment_bytes.clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end());
        options.reserve_segments = options.reserve_segments.min(RESERVE_SEGMENTS_MAX);
        let failed =
            |operation, name: &str, error: std::io::Error| Fault::io(operation, disk.root().join(name), &error);
        for name in ["", "journal", "snapshots"] {
            disk.make_directory(name).map_err(|error| failed("create", name, error))?;
        }
        let lock = lock_on(&*disk)?;
        let (mut state, keys, recovered) = match State::load(&*disk)? {
            Some(state) => {
                // Before anything is changed: without its keys nobody could read the journal.
                let keys = Keys::load(&*disk, state.journal)?;
                snapshot::check_keys(&*disk, &keys)?;
                let recovered = recover::recover(&*disk, &state)?;
                (state, keys, Some(recovered))
            }
            None => {
                let state = begin(&*disk)?;
                let keys = Keys::none(&*disk, state.journal);
                (state, keys, None)
            }
        };
        // A snapshot may have its name only in the cache of the system: what is loaded must not be gone after a power cut.
        disk.sync_directory("snapshots").map_err(|error| failed("sync", "snapshots", error))?;
        let files = disk.list("journal").map_err(|error| failed("list", "journal", error))?;
        let spare = match files.iter().any(|file| janitor::SPARE.strip_prefix("journal/") == Some(file)) {
            true => {
                let file = disk.open(janitor::SPARE, Access::Read);
                let length = file.and_then(|file| file.length());
                Some(length.map_err(|error| failed("measure", janitor::SPARE, error))?)
            }
            false => None,
        };
        if files.iter().any(|file| janitor::NEW.strip_prefix("journal/") == Some(file)) {
            disk.remove(janitor::NEW).map_err(|error| failed("remove", janitor::NEW, error))?;
        }
        state.opens += 1;
        state.clean = None;
        let (id, opens, lowest) = (state.journal, state.opens, state.first);
        let reserve = Reserve::open(Arc::clone(&disk), options.reserve_segments, options.segment_bytes)?;
        let janitor = Janitor::new(Arc::clone(&disk), state, options.segment_bytes, spare, reserve);
        if recovered.is_none() {
            let first = janitor.prepare(lowest, options.segment_bytes.min(FIRST_SEGMENT_BYTES))?;
            janitor.offer(lowest, first);
        }
        janitor.store(&janitor.state.lock().unwrap_or_else(PoisonError::into_inner))?;
        let shared = Arc::new(Shared {
            catalogue: Catalogue::new(Arc::clone(&disk), options.open_segments),
            disk,
            journal: id,
            opens,
            options,
            front: Mutex::default(),
            work: Condvar::new(),
            settled: Condvar::new(),
            snapshots: Mutex::new(()),
            keys: Arc::new(keys),
            janitor,
            readers: Readers::default(),
        });
        let (active, tails) = shared.resume(recovered, lowest)?;
        shared.begin_sealing(active.number)?;
        shared.janitor.want(active.number + 1, Zeros::Written);
        let mut writer = Writer::new(Arc::clone(&shared), active, tails);
        writer.begin()?;
        shared.lock().end = writer.end();
        let writer = Arc::new(Mutex::new(writer));
        let threads = Threads::start(&shared, &writer)
            .map_err(|error| Fault::io("start a thread for", shared.disk.root(), &error))?;
        Ok(Local { shared, writer, threads: Mutex::new(Some(threads)), lock: Mutex::new(Some(lock)) })
    }

    /// Wraps the data keys under the primary key of another keyring, while the journal is in use; returns how many were
    /// under another key. Afterwards keys that are not in this keyring are not needed any more.
    ///
    /// # Errors
    /// [`Fault::Sealed`] if the journal has no keyring, [`Fault::Io`]. The keys stay as they were then.
    pub fn rewrap(&self, keyring: Arc<Keyring>) -> Result<usize, Fault> {
        self.shared.keys.rewrap(&*self.shared.disk, keyring)
    }

    /// Waits until segments are prepared and trimmed ones put away; for tests and benchmarks.
    pub fn settle(&self) {
        self.shared.janitor.settle();
    }
}

/// Takes a data directory for oneself, as an open journal does, until what is returned is dropped.
///
/// # Errors
/// [`Fault::Locked`] if somebody has it; [`Fault::Io`].
pub fn lock(directory: impl AsRef<Path>) -> Result<Box<dyn Any + Send + Sync>, Fault> {
    lock_on(&Directory::new(directory.as_ref()))
}

fn lock_on(disk: &dyn Disk) -> Result<Box<dyn Any + Send + Sync>, Fault> {
    disk.lock("lock").map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Fault::Locked { file: disk.root().join("lock") },
        _ => Fault::io("lock", disk.root().join("lock"), &error),
    })
}

/// Begins a journal in a directory without one.
fn begin(disk: &dyn Disk) -> Result<State, Fault> {
    let files = disk.list("journal").map_err(|error| Fault::io("list", disk.root().join("journal"), &error))?;
    let mut numbers = files.iter().filter_map(|file| segment::number(file));
    // A crash in the middle of beginning leaves the first segment without the state; anything more had one.
    if numbers.any(|number| number != 1)
        || disk.list("snapshots").is_ok_and(|files| files.iter().any(|file| snapshot::identity(file).is_some()))
    {
        let reason = "there are segments or snapshots of a journal".to_owned();
        return Err(Fault::Missing { file: disk.root().join(state::NAME), reason });
    }
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| {
        Fault::io("draw a random number for", disk.root(), &std::io::Error::other(error.to_string()))
    })?;
    Ok(State { journal: u64::from_le_bytes(id), opens: 0, first: 1, gone: ranges::Ranges::new(), clean: None })
}

impl Shared {
    /// Draws the data key of this opening, if there is a keyring, and forgets those that nothing needs.
    fn begin_sealing(&self, segment: u64) -> Result<(), Fault> {
        // A snapshot that cannot be read may need any of them.
        let named = snapshot::keys(&*self.disk).ok();
        loop {
            let is_needed = |number, first, last| {
                let state = self.janitor.state.lock().unwrap_or_else(PoisonError::into_inner);
                keys::is_needed(&state, named.as_ref(), number, first, last)
            };
            match self.keys.renew(&*self.disk, segment, &is_needed) {
                Err(fault) if fault.is_full_disk() && self.janitor.make_place(0) => {}
                renewed => return renewed.map(|_| ()),
            }
        }
    }

    /// Takes what recovery found into memory, and returns where to go on.
    fn resume(&self, recovered: Option<recover::Recovered>, first: u64) -> Result<(Active, Tails), Fault> {
        let begin = |number, file| Active::begin(number, file);
        let Some(recovered) = recovered else {
            return Ok((begin(first, self.janitor.take(first)?), Tails::new()));
        };
        let open = |number: u64| {
            let name = segment::name(number);
            let file = self.disk.open(&name, Access::Write);
            file.map_err(|error| Fault::io("open", self.disk.root().join(&name), &error))
        };
        {
            let mut front = self.lock();
            for (&shard, tail) in &recovered.tails {
                front.shards.insert(shard, Shard::recovered(Position(tail.last)));
            }
        }
        if let Some(last) = recovered.segments.last() {
            // What was read may only be in the cache of the system: make true what the frames will say.
            let synced = open(last.number)?.sync();
            synced.map_err(|error| Fault::io("sync", self.disk.root().join(segment::name(last.number)), &error))?;
        }
        let last = recovered.segments.last().map(|last| (last.number, last.end, last.sealed));
        for loaded in recovered.segments {
            self.catalogue.add(loaded.number, loaded.index, loaded.bytes);
        }
        let active = match (last, recovered.prepared) {
            (Some((number, end, false)), prepared) => {
                if let Some(next) = prepared {
                    self.janitor.offer(next, open(next)?);
                }
                let file = open(number)?;
                Active { number, file, end, synced: end, capacity: 0, allocated: 0, fresh: false, syncs: 0 }
            }
            (Some((number, _, true)), None) => {
                // Somebody waits for the start, and zeros only save time.
                self.janitor.hurry();
                begin(number + 1, self.janitor.prepare(number + 1, self.options.segment_bytes)?)
            }
            (_, Some(prepared)) => begin(prepared, open(prepared)?),
            (None, None) => unreachable!("recovery refuses a directory without segments"),
        };
        Ok((active, recovered.tails))
    }
}

impl Threads {
    fn start(shared: &Arc<Shared>, writer: &Arc<Mutex<Writer>>) -> std::io::Result<Threads> {
        let janitor = {
            let shared = Arc::clone(shared);
            thread::Builder::new().name("journal-prepare".to_owned()).spawn(move || {
                let latch = LatchOnPanic(shared);
                latch.0.janitor.run(&|| latch.0.before_retiring());
            })?
        };
        let readers = reader::start(shared)?;
        let (writer, shared) = (Arc::clone(writer), Arc::clone(shared));
        let writer =
            thread::Builder::new().name("journal-write".to_owned()).spawn(move || Writer::run(&writer, &shared))?;
        Ok(Threads { writer, janitor, readers })
    }
}

impl Local {
    /// Stops all threads; returns where the log ends if the writer left in peace.
    fn stop(&self) -> Option<(u64, u64)> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        self.shared.work.notify_all();
        self.shared.settled.notify_all();
        // The writer may wait for a segment, so it goes first.
        let end = threads.writer.join().ok().flatten();
        self.shared.janitor.stop();
        self.shared.readers.stop();
        for thread in threads.readers.into_iter().chain([threads.janitor]) {
            // A panic has been reported by its own thread.
            let _ = thread.join();
        }
        end
    }

    fn unlock(&self) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        {
            let mut front = self.shared.lock();
            front.closed = true;
            front.abandoned = true;
        }
        self.stop();
        self.unlock();
    }
}

impl Journal for Local {
    /// Takes a shard over. Waits until what an older tenure has queued is written and announced; that is part of the
    /// answer. Epochs grow over restarts as well.
    fn acquire(&self, shard: ShardId, listener: Arc<dyn Listener>) -> Result<Tenure, Fault> {
        let mut front = self.shared.lock();
        front.check()?;
        front.acquired += 1;
        assert!(front.acquired < EPOCHS_PER_OPENING, "a shard is acquired once or twice by a process");
        let epoch = self.shared.opens * EPOCHS_PER_OPENING + front.acquired;
        // From here on the older tenure cannot append.
        front.shards.entry(shard).or_default().epoch = epoch;
        // What that one has queued and not committed is awaited here.
        front.committed = true;
        self.shared.work.notify_one();
        loop {
            front.check()?;
            let state = front.shards.entry(shard).or_default();
            if state.epoch != epoch {
                return Err(Fault::StaleEpoch { shard, epoch: Epoch(epoch), current: Epoch(state.epoch) });
            }
            if state.durable == state.tail {
                state.listener = Some(listener);
                return Ok(Tenure { epoch: Epoch(epoch), last: state.tail });
            }
            front = self.shared.settled.wait(front).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn append(&self, epoch: Epoch, record: Record) -> Result<(), Fault> {
        let mut front = self.shared.lock();
        front.append(epoch, record)?;
        self.shared.commit(front);
        Ok(())
    }

    fn queue(&self, epoch: Epoch, record: Record) -> Result<(), Fault> {
        self.shared.lock().append(epoch, record)
    }

    fn commit(&self) {
        self.shared.commit(self.shared.lock());
    }

    /// Writes here if the last group was quick, and nobody else writes. Without a sync for each group there may be an
    /// interval to keep, which is for the thread.
    fn commit_and_wait(&self) {
        let mut front = self.shared.lock();
        if self.shared.options.durability != Durability::Sync || !front.is_quick || front.closed {
            return self.shared.commit(front);
        }
        let Ok(mut writer) = self.writer.try_lock() else { return self.shared.commit(front) };
        front.committed = true;
        drop(front);
        writer.turn();
    }

    fn durable(&self, shard: ShardId) -> Position {
        self.shared.lock().shards.get(&shard).map_or(Position::START, |shard| shard.durable)
    }

    fn cached(&self, shard: ShardId, at: Address) -> Option<Bytes> {
        self.shared.lock().cached(shard, at)
    }

    fn at_hand(&self, shard: ShardId, at: &[Address]) -> Vec<Option<Bytes>> {
        reader::read_at_hand(&self.shared, shard, at)
    }

    fn fetch(&self, shard: ShardId, at: Vec<Address>, done: FetchDone) {
        if let Err(done) = self.shared.readers.submit(shard, at, done) {
            thread::spawn(move || done(Err(Fault::Closed)));
        }
    }

    fn replay(
        &self,
        shard: ShardId,
        from: Position,
        visit: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Position, Fault> {
        let last = self.shared.lock().shards.get(&shard).map_or(Position::START, |shard| shard.written);
        let from = from.max(Position(1));
        if from > last.next() {
            return Err(Fault::Gap { shard, expected: last.next(), got: from });
        }
        if from > last {
            return Ok(last);
        }
        let Some(place) = self.shared.catalogue.locate(shard, from.0) else {
            return Err(self.shared.trimmed(shard, from));
        };
        if let Some(missing) = self.shared.catalogue.missing(shard, from.0, last.0) {
            return Err(self.shared.trimmed(shard, Position(missing)));
        }
        let mut next = from;
        // The checksum of the header before, once there was one.
        let mut chain = None;
        for number in self.shared.catalogue.numbers(place.segment) {
            let path = self.shared.disk.root().join(segment::name(number));
            let failed = |error: std::io::Error| Fault::io("read", &path, &error);
            let start = if number == place.segment { place.offset } else { segment::FRAMES };
            let file = self.shared.catalogue.file(number).map_err(failed)?;
            let frames = scan::Frames::new(file, self.shared.journal, number, start).map_err(failed)?;
            let mut frames = frames.only(shard, from.0).opening(&self.shared.keys);
            while next <= last {
                let frame = match frames.step().map_err(failed)? {
                    Step::Frame(frame) => frame,
                    Step::Stop(reason) => return Err(self.shared.keys.stopped(&frames, &path, reason)),
                };
                match frame.header.kind {
                    frame::Kind::Seal => break,
                    frame::Kind::Record if frame.header.shard == shard.0 => {}
                    _ => continue,
                }
                if chain.is_some_and(|chain| chain != frame.header.chain) {
                    let reason = "the record does not continue the chain of its shard";
                    return Err(Fault::corrupt(path, frame.offset, reason));
                }
                chain = Some(frame.checksum);
                if frame.header.position < next.0 {
                    continue;
                }
                if frame.header.position > next.0 {
                    return Err(Fault::corrupt(
                        path,
                        frame.offset,
                        format!("record {next} of shard {shard} is missing"),
                    ));
                }
                next = next.next();
                visit(frame.into_record())?;
            }
            if next > last {
                return Ok(last);
            }
        }
        let reason = format!("record {next} of shard {shard} was expected after it");
        Err(Fault::Missing { file: self.shared.disk.root().join("journal"), reason })
    }

    fn trim(&self, shard: ShardId, below: Position) -> Result<(), Fault> {
        {
            let front = self.shared.lock();
            front.check()?;
            let most = front.shards.get(&shard).map_or(Position(1), |shard| shard.durable.next());
            if below > most {
                return Err(Fault::Gap { shard, expected: most, got: below });
            }
        }
        self.shared.janitor.retire(self.shared.catalogue.trim(shard, below.0));
        Ok(())
    }

    /// Gives back the segments in which no record of any shard is needed any more. A segment with one record that is
    /// needed stays as a whole.
    fn release(&self, shard: ShardId, ranges: &[RangeInclusive<Position>]) -> Result<(), Fault> {
        {
            let front = self.shared.lock();
            front.check()?;
            let saved = front.shards.get(&shard).map_or(Position::START, |shard| shard.saved);
            if let Some(range) = ranges.iter().find(|range| !range.is_empty() && *range.end() > saved) {
                return Err(Fault::Gap { shard, expected: saved, got: *range.end() });
            }
        }
        let ranges: Vec<_> = ranges.iter().map(|range| (range.start().0, range.end().0)).collect();
        self.shared.janitor.retire(self.shared.catalogue.release(shard, &ranges));
        Ok(())
    }

    fn save_snapshot(&self, shard: ShardId, at: Position, bytes: Bytes) -> Result<(), Fault> {
        let durable = self.durable(shard);
        if at > durable {
            return Err(Fault::Gap { shard, expected: durable, got: at });
        }
        let front = self.shared.lock();
        front.check()?;
        if self.shared.options.durability == Durability::Sync {
            drop(front);
        } else {
            self.shared.flush(front)?;
        }
        let _one = self.shared.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        let held = || self.shared.janitor.is_held();
        loop {
            match snapshot::save(&*self.shared.disk, &self.shared.keys, shard, at, &bytes, &held) {
                Ok(()) => break self.shared.note_saved(shard, at),
                Err(fault) if fault.is_full_disk() && self.shared.janitor.make_place(SNAPSHOT_LEAVES) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    fn load_snapshot(&self, shard: ShardId) -> Result<Option<(Position, Bytes)>, Fault> {
        let last = self.durable(shard);
        let is_whole = |from: Position| self.shared.catalogue.missing(shard, from.0, last.0).is_none();
        let loaded = snapshot::load(&*self.shared.disk, &self.shared.keys, shard, &is_whole, last)?;
        if let Some((at, _)) = &loaded {
            self.shared.note_saved(shard, *at);
        }
        Ok(loaded)
    }

    fn room(&self) -> Room {
        self.shared.janitor.reserve.room()
    }

    fn stats(&self) -> Stats {
        let (segments, bytes) = self.shared.catalogue.size();
        let (more, more_bytes) = self.shared.janitor.size();
        let front = self.shared.lock();
        Stats {
            bytes_on_disk: bytes + more_bytes,
            segments: segments + more,
            syncs: front.syncs,
            records: front.records,
            bytes_appended: front.bytes_appended,
            room: self.shared.janitor.reserve.room(),
            failed: front.failed.clone(),
        }
    }

    fn close(&self) -> Result<(), Fault> {
        let mut front = self.shared.lock();
        front.check_failed()?;
        if front.closed {
            return Ok(());
        }
        // Refuses appends from here on, so the flush covers everything.
        front.closed = true;
        let flushed = self.shared.flush(front);
        let end = self.stop();
        if let Some(clean) = end.filter(|_| flushed.is_ok()) {
            let mut state = self.shared.janitor.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.clean = Some(clean);
            self.shared.janitor.store(&state)?;
        }
        self.unlock();
        flushed
    }
}

/// Marks the journal as failed if the thread that holds it panics: otherwise everybody would wait for it for ever.
struct LatchOnPanic(Arc<Shared>);

impl Drop for LatchOnPanic {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let error = std::io::Error::other("a thread of the journal has panicked");
        let fault = Fault::io("go on with", self.0.disk.root(), &error);
        self.0.janitor.fail(fault.clone());
        self.0.fail(fault);
    }
}
