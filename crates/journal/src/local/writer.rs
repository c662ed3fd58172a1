//! Writes the records of all shards to the active segment, a group at a time.
//!
//! Group commit without a timer: the next group gathers in the queue while one sync runs, and until somebody commits it. One
//! write and one sync for the records of all shards, then one call to the listener of each.

use std::io::IoSlice;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::disk::{DiskFile, PAGE};
use super::frame::{self, Header, Kind};
use super::front::Queued;
use super::index::{self, Tail, Tails};
use super::janitor::Zeros;
use super::keys::Current;
use super::segment::{self, FRAMES};
use super::{Durability, LatchOnPanic, Shared};
use crate::{Fault, Listener, Position, ShardId};

/// Payloads up to this length are copied beside their header; longer ones are handed to the system as they are. Measured:
/// at 1 KiB copying gains nothing over one more slice, and below that a slice costs more than the copy.
const COPY_MAX: usize = 512;

/// With groups of this size on the average zeros are not worth their while, in bytes: what they save of a sync is less than
/// what it takes the disk to write them.
const LARGE_GROUP: u64 = 128 << 10;

/// By how much more than it needs a segment grows that must, in bytes.
const GROWTH: u64 = 1 << 20;

/// Groups from this size on are written past the system's cache, in bytes. A copy there costs more than the disk does,
/// where the system has to find memory for it; and who reads back so much reads it in large pieces.
const THROUGH: usize = 256 << 10;

static ZEROS: [u8; PAGE] = [0; PAGE];

/// After a group that took longer than this, the next one is left to the thread. A group of single sends takes 0.1 to
/// 0.3 ms on a disk where it pays to wait; on slower ones a woken thread is nothing beside the sync.
pub(crate) const QUICK: Duration = Duration::from_millis(1);

/// What is kept of the arena for the next group, in bytes.
const ARENA_KEPT: usize = 4 << 20;

/// What writes: a thread of its own, or whoever commits and may wait. Only one of them has it at a time.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    active: Active,
    tails: Tails,
    /// What records are sealed with, and how many bytes more may be.
    seal: Option<(Current, u64)>,
    /// When the records written since the last sync must be synced.
    deadline: Option<Instant>,
    /// Headers, tables, short payloads and padding of the group, in order. What goes past the system's cache is here as a
    /// whole.
    arena: Vec<u8>,
    /// Where the group begins in the arena: so that its pages are pages of memory if it goes past the cache.
    lead: usize,
    goes_through: bool,
    /// After how many bytes of the arena which long payload of the group comes.
    cuts: Vec<(usize, usize)>,
    /// Shard, position and offset of each frame of the write.
    frames: Vec<(ShardId, u64, u64)>,
    /// What a turn needs, kept for the next one.
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    /// The records of the group.
    group: Vec<Queued>,
    /// Who is to be told of what.
    announced: Vec<(Arc<dyn Listener>, Position)>,
    /// What leaves the cache.
    evicted: Vec<Bytes>,
}

/// The segment that is written to.
pub(crate) struct Active {
    pub(crate) number: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Where the next frame goes.
    pub(crate) end: u64,
    /// Everything before this has been synced.
    pub(crate) synced: u64,
    /// Up to here the file has been prepared.
    pub(crate) capacity: u64,
    /// Up to here the file has space, so that a write cannot find the disk full.
    pub(crate) allocated: u64,
    /// No record has been written to it.
    pub(crate) fresh: bool,
    /// How often it has been synced.
    pub(crate) syncs: u64,
}

impl Active {
    /// Returns a prepared segment as the active one.
    pub(crate) fn begin(number: u64, file: Arc<dyn DiskFile>) -> Active {
        Active { number, file, end: FRAMES, synced: FRAMES, capacity: 0, allocated: 0, fresh: true, syncs: 0 }
    }
}

/// What the writer has to do next.
struct Work {
    /// A flush that is asked for, by its number.
    flush: Option<u64>,
    /// The interval is over.
    due: bool,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, active: Active, tails: Tails) -> Writer {
        let (arena, cuts, frames) = (Vec::new(), Vec::new(), Vec::new());
        let seal = shared.keys.current().map(|current| (current, shared.options.sealed_bytes_max));
        let (deadline, lead, goes_through, scratch) = (None, 0, false, Scratch::default());
        Writer { shared, active, tails, seal, deadline, arena, lead, goes_through, cuts, frames, scratch }
    }

    /// The life of the thread that writes what nobody waits for. Returns where the log ends, if it ended well.
    pub(crate) fn run(writer: &Mutex<Writer>, shared: &Shared) -> Option<(u64, u64)> {
        loop {
            // Without the writer: meanwhile others may write.
            let deadline = lock(writer).deadline;
            if !shared.wait_for_work(deadline) {
                break;
            }
            if !lock(writer).turn() {
                return None;
            }
        }
        let front = shared.lock();
        let is_well = !front.abandoned && front.failed.is_none();
        drop(front);
        is_well.then(|| lock(writer).end())
    }

    /// Writes what there is to be written, and tells of it. Says whether the journal goes on.
    ///
    /// Listeners are told here, so that they are told in order: what they may call does not wait for the writer.
    pub(crate) fn turn(&mut self) -> bool {
        let _latch = LatchOnPanic(Arc::clone(&self.shared));
        let Some(work) = self.take() else { return true };
        let mut scratch = mem::take(&mut self.scratch);
        let begun = Instant::now();
        if let Err(fault) = self.work(&scratch.group, &work) {
            self.shared.fail(fault);
            return false;
        }
        self.finish(&mut scratch, work.flush, begun.elapsed() < QUICK);
        for (listener, position) in scratch.announced.drain(..) {
            listener.durable(position);
        }
        scratch.group.clear();
        scratch.evicted.clear();
        if self.arena.capacity() > ARENA_KEPT {
            self.arena = Vec::new();
        }
        self.scratch = scratch;
        true
    }

    /// Returns the segment and the offset in it where the log ends.
    pub(crate) fn end(&self) -> (u64, u64) {
        (self.active.number, self.active.end)
    }

    /// Takes the queue if there is something to do.
    fn take(&mut self) -> Option<Work> {
        let mut front = self.shared.lock();
        let has_work = front.has_work(self.deadline);
        front.committed = false;
        if !has_work {
            return None;
        }
        mem::swap(&mut front.queue, &mut self.scratch.group);
        Some(Work {
            flush: (front.flush_wanted > front.flush_done).then_some(front.flush_wanted),
            due: self.deadline.is_some_and(|deadline| deadline <= Instant::now()),
        })
    }

    fn work(&mut self, group: &[Queued], work: &Work) -> Result<(), Fault> {
        if !group.is_empty() {
            self.write(group)?;
        }
        let sync = match self.shared.options.durability {
            Durability::Sync => true,
            Durability::Interval(interval) => {
                self.deadline.get_or_insert_with(|| later(interval));
                work.due
            }
            Durability::Memory => false,
        };
        if (sync || work.flush.is_some()) && self.active.end > self.active.synced { self.sync() } else { Ok(()) }
    }

    /// Notes what a group led to, and takes from the cache what is too much.
    fn finish(&self, scratch: &mut Scratch, flush: Option<u64>, quick: bool) {
        let mut front = self.shared.lock();
        for queued in &scratch.group {
            if let Some(shard) = front.shards.get_mut(&queued.record.shard) {
                shard.written = queued.record.position;
            }
        }
        for shard in front.shards.values_mut() {
            if shard.durable < shard.written {
                shard.durable = shard.written;
                scratch.announced.extend(shard.listener.clone().map(|listener| (listener, shard.durable)));
            }
        }
        front.end = self.end();
        front.is_quick = quick;
        if let Some(flush) = flush {
            front.flush_done = flush;
        }
        front.evict(self.shared.options.cache_bytes, &mut scratch.evicted);
        drop(front);
        self.shared.settled.notify_all();
    }

    /// Writes a group, without a sync of its last segment.
    fn write(&mut self, group: &[Queued]) -> Result<(), Fault> {
        let mut next = 0;
        while next < group.len() {
            let start = self.active.end;
            next = self.gather(group, next);
            if self.active.end > start {
                self.make_room()?;
                self.put(group, start)?;
            }
            if next < group.len() {
                self.roll()?;
            }
        }
        Ok(())
    }

    /// Lays out as many records as fit into the active segment, from `next` on; returns the first that does not.
    fn gather(&mut self, group: &[Queued], mut next: usize) -> usize {
        self.cuts.clear();
        self.frames.clear();
        self.clear_arena(&group[next..]);
        while let Some(Queued { epoch, record }) = group.get(next) {
            let length = record.payload.len();
            let bytes = frame::frame_bytes(length);
            if !self.fits(bytes as u64) {
                break;
            }
            let tail = self.tails.entry(record.shard).or_default();
            assert_eq!(tail.last + 1, record.position.0, "the queue holds dense positions");
            let header = Header {
                kind: Kind::Record,
                shard: record.shard.0,
                journal: self.shared.journal,
                segment: self.active.number,
                epoch: epoch.0,
                position: record.position.0,
                clock_ms: record.clock_ms,
                count: record.count,
                length: length as u32,
                chain: tail.checksum,
                synced: self.active.synced as u32,
                key: self.seal.as_ref().map_or(0, |(current, _)| current.number),
            };
            let payload = &record.payload;
            let checksum = match &mut self.seal {
                Some((Current { key, .. }, left)) => {
                    *left = left.saturating_sub(length as u64);
                    frame::encode_sealed(&header, self.active.end, payload, key, &mut self.arena)
                }
                None => {
                    let checksum = frame::encode(&header, payload, &mut self.arena);
                    if length <= COPY_MAX || self.goes_through {
                        self.arena.extend_from_slice(payload);
                    } else {
                        self.cuts.push((self.arena.len(), next));
                    }
                    checksum
                }
            };
            *tail = Tail { last: record.position.0, checksum };
            let padding = bytes - frame::payload_at(length) - length;
            self.arena.extend_from_slice(&[0; frame::ALIGNMENT][..padding]);
            self.frames.push((record.shard, record.position.0, self.active.end));
            self.active.end += bytes as u64;
            self.active.fresh = false;
            next += 1;
        }
        next
    }

    /// Empties the arena, to lay records out in.
    fn clear_arena(&mut self, group: &[Queued]) {
        self.arena.clear();
        let bytes: usize = group.iter().map(|queued| frame::frame_bytes(queued.record.payload.len())).sum();
        // Who does not wait for the disk does not wait for this either.
        self.goes_through = bytes >= THROUGH && self.shared.options.durability == Durability::Sync;
        self.lead = 0;
        if self.goes_through {
            self.arena.reserve(PAGE + bytes);
            let (memory, place) = (self.arena.as_ptr().addr(), self.active.end as usize);
            self.lead = (PAGE + place % PAGE - memory % PAGE) % PAGE;
            self.arena.resize(self.lead, 0);
        }
    }

    /// Says whether a frame goes into the active segment, and its seal after it.
    ///
    /// If the next segment is not ready, this one grows: syncs are slower then, but nobody waits for megabytes of zeros.
    /// Half-way to twice its length it is said that the next one is needed without them. Only at twice its length the
    /// writer waits, for the few syncs that make a segment of it, or if the disk has no space for growth: then the one who
    /// prepares segments has some in reserve.
    fn fits(&mut self, bytes: u64) -> bool {
        let end = self.active.end + bytes;
        let end = end + self.seal_bytes(end);
        if self.active.fresh || end <= self.active.capacity {
            return true;
        }
        let most = self.shared.options.segment_bytes.max(self.active.capacity) * 2;
        if end > most || self.shared.janitor.is_ready() {
            return false;
        }
        if end > most - most / 4 {
            self.shared.janitor.hurry();
        }
        end <= self.active.allocated || self.allocate((end + GROWTH).min(most)).is_ok()
    }

    /// Returns how long a seal after `end` may be at most, in bytes.
    fn seal_bytes(&self, end: u64) -> u64 {
        // Where a shard stands, the head of its index, and one entry more than it has spans.
        let shards = self.tails.len() as u64 + 1;
        let payload = 8 + shards * (16 + 24 + 8) + (end / index::SPAN + 1) * 8;
        frame::frame_bytes(payload as usize) as u64
    }

    /// Makes sure that what has been laid out has space, also if it is a record longer than a segment.
    fn make_room(&mut self) -> Result<(), Fault> {
        let end = self.active.end + self.seal_bytes(self.active.end);
        while end > self.active.allocated {
            match self.allocate(end) {
                Err(fault) if fault.is_full_disk() && self.shared.janitor.make_place(0) => {}
                allocated => return allocated,
            }
        }
        Ok(())
    }

    /// Asks the disk for the space of the active segment up to some length.
    fn allocate(&mut self, length: u64) -> Result<(), Fault> {
        // Where space cannot be asked for, writing will find out whether there is some.
        self.active.file.reserve(length).map_err(|error| self.fault("extend", &error))?;
        self.active.allocated = length;
        self.shared.catalogue.note(self.active.number, &[], length);
        Ok(())
    }

    /// Writes what has been laid out.
    fn put(&mut self, group: &[Queued], start: u64) -> Result<(), Fault> {
        let (mut from, mut at) = (self.lead, start);
        // The last page is shared with what comes next, and stays in the cache for it.
        let pages_end = self.active.end / PAGE as u64 * PAGE as u64;
        if self.goes_through && pages_end > start {
            at = pages_end;
            from += (at - start) as usize;
            let written = self.active.file.write_through(&self.arena[self.lead..from], start);
            written.map_err(|error| self.fault("write", &error))?;
        }
        let mut slices = Vec::with_capacity(2 * self.cuts.len() + 2);
        for &(until, payload) in &self.cuts {
            slices.push(IoSlice::new(&self.arena[from..until]));
            slices.push(IoSlice::new(&group[payload].record.payload));
            from = until;
        }
        slices.push(IoSlice::new(&self.arena[from..]));
        // Zeros to the end of the page, if it is there: what has not been read yet need not be read to be written in part.
        let end = self.active.end.next_multiple_of(PAGE as u64).min(self.active.allocated);
        slices.push(IoSlice::new(&ZEROS[..end.saturating_sub(self.active.end) as usize]));
        let written = self.active.file.write_at(&mut slices, at);
        written.map_err(|error| self.fault("write", &error))?;
        self.shared.catalogue.note(self.active.number, &self.frames, self.active.end);
        Ok(())
    }

    /// Makes everything written durable.
    fn sync(&mut self) -> Result<(), Fault> {
        self.active.file.sync().map_err(|error| self.fault("sync", &error))?;
        self.active.synced = self.active.end;
        self.active.syncs += 1;
        self.deadline = None;
        self.shared.lock().syncs += 1;
        Ok(())
    }

    /// Ends the active segment, and begins the next one. The old one is durable before anything is written to the new one,
    /// whatever durability was asked for, so only the last segment can have a torn tail.
    fn roll(&mut self) -> Result<(), Fault> {
        self.seal()?;
        let number = self.active.number + 1;
        self.shared.janitor.need();
        // Whoever prepares segments may be waiting for a sync.
        drop(self.shared.lock());
        self.shared.settled.notify_all();
        let file = self.shared.janitor.take(number)?;
        let group_bytes = self.active.end / self.active.syncs.max(1);
        let zeros = if group_bytes >= LARGE_GROUP { Zeros::Spared } else { Zeros::Written };
        self.active = Active::begin(number, file);
        self.begin()?;
        self.renew_key();
        self.shared.janitor.want(number + 1, zeros);
        Ok(())
    }

    /// Writes the last frame of a segment, where all shards stand and the index, and syncs it.
    ///
    /// Only then the page gets its pointer: whoever follows it relies on everything before the seal without reading it. If
    /// a power cut takes the pointer, the segment is read as a whole.
    fn seal(&mut self) -> Result<(), Fault> {
        let mut payload = Vec::new();
        index::encode_tails(&self.tails, &mut payload);
        self.shared.catalogue.encode_index(self.active.number, &mut payload);
        let at = self.active.end;
        self.note(Kind::Seal, &payload)?;
        self.shared.catalogue.note(self.active.number, &[], self.active.end);
        self.sync()?;
        let pointer = segment::seal_pointer(self.shared.journal, self.active.number, at);
        let written = self.active.file.write_at(&mut [IoSlice::new(&pointer)], segment::SEAL_AT);
        written.map_err(|error| self.fault("write", &error))
    }

    /// Goes on with the active segment; the first thing in it is where all shards stand.
    ///
    /// That is durable before the segment is in the catalogue, so before any other can be put away: however many are
    /// trimmed, the lowest segment tells the positions before it.
    pub(crate) fn begin(&mut self) -> Result<(), Fault> {
        self.active.capacity = self.active.file.length().map_err(|error| self.fault("measure", &error))?;
        self.active.allocated = self.active.capacity;
        if self.active.end > FRAMES {
            return Ok(());
        }
        let mut payload = Vec::new();
        index::encode_tails(&self.tails, &mut payload);
        self.note(Kind::Base, &payload)?;
        self.sync()?;
        self.shared.catalogue.add(self.active.number, index::Index::default(), self.active.capacity);
        Ok(())
    }

    /// Draws another data key if enough has been sealed with this one. If it cannot be had, this one is still good for a
    /// segment.
    fn renew_key(&mut self) {
        let Some((current, left @ 0)) = &mut self.seal else { return };
        let sealed_max = self.shared.options.sealed_bytes_max;
        match self.shared.keys.renew(&*self.shared.disk, self.active.number, &|_, _, _| true) {
            Ok(renewed) => (*current, *left) = (renewed.unwrap_or_else(|| current.clone()), sealed_max),
            Err(fault) => tracing::warn!(%fault, "cannot draw a new data key, and try again with the next segment"),
        }
    }

    /// Writes a frame of the journal's own. It tells positions and places only, so it is never sealed.
    fn note(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Fault> {
        let header = Header {
            kind,
            shard: 0,
            journal: self.shared.journal,
            segment: self.active.number,
            epoch: 0,
            position: 0,
            clock_ms: 0,
            count: self.tails.len() as u32,
            length: payload.len() as u32,
            chain: 0,
            synced: self.active.synced as u32,
            key: 0,
        };
        let mut bytes = Vec::new();
        frame::encode(&header, payload, &mut bytes);
        bytes.extend_from_slice(payload);
        bytes.resize(frame::frame_bytes(payload.len()), 0);
        let written = self.active.file.write_at(&mut [IoSlice::new(&bytes)], self.active.end);
        written.map_err(|error| self.fault("write", &error))?;
        self.active.end += bytes.len() as u64;
        Ok(())
    }

    fn fault(&self, operation: &'static str, error: &std::io::Error) -> Fault {
        Fault::io(operation, self.shared.disk.root().join(segment::name(self.active.number)), error)
    }
}

/// Takes the writer. After a panic in its turn the journal has failed, and it writes no more.
fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the time after an interval, or in a century if that is not a time.
fn later(interval: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(interval).unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 86_400))
}
