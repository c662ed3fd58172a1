//! Reads bytes back by address.
//!
//! What the system has in its page cache is read at once, by whoever asks. The rest is left to a few threads that wait
//! for requests: such a read takes its time, and shards do not wait. Addresses are read in the order of the file, close ones with one read, and every block of 4,096 bytes that a
//! result touches is checked. Ten bodies that were sent together cost one read, or two if their record is a large one, and
//! one walk, and no block is checked twice.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::catalogue::Place;
use super::disk::DiskFile;
use super::frame::{self, BLOCK, Checked, ENTRY, FIXED, Kind, Opener, Parsed};
use super::index::SPAN;
use super::plain::Plain;
use super::segment;
use super::{LatchOnPanic, Shared};
use crate::{Address, Fault, FetchDone, Position, ShardId};

/// How many threads read.
pub(crate) const THREADS: usize = 2;
/// What is read after the start of the last walk of a read, in bytes, if nothing tells that less is enough or that a little
/// more has the whole record: the walk itself and a record of a few kilobytes.
const AHEAD: u64 = SPAN + 4096;
/// The most that is read after the start of a walk to have the whole record, in bytes.
const AHEAD_MAX: u64 = 32 * 1024;
/// Addresses whose walks start at most so far apart are read at once, in bytes.
const GAP: u64 = 32 * 1024;
/// The most that is read at once, in bytes.
const READ_MAX: u64 = 256 * 1024;
/// How much of the start of a frame is read at most where a walk reads no more than headers, in bytes: the header and its
/// table, unless the record is larger than 390 KiB. It is less if the index tells that all records there are shorter.
const HEAD: usize = 2048;
/// What it costs to ask the system for bytes that are in its memory, however few, in bytes that could be copied instead.
/// Measured: one to two microseconds.
const ASKING: u64 = 6 * 1024;

/// Requests that wait for a thread.
#[derive(Default)]
pub(crate) struct Readers {
    desk: Mutex<Desk>,
    changed: Condvar,
}

#[derive(Default)]
struct Desk {
    requests: VecDeque<Request>,
    stop: bool,
}

/// What somebody wants to have read.
struct Request {
    shard: ShardId,
    at: Vec<Address>,
    done: FetchDone,
}

impl Readers {
    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a request; gives the callback back if there are no threads any more.
    pub(crate) fn submit(&self, shard: ShardId, at: Vec<Address>, done: FetchDone) -> Result<(), FetchDone> {
        let mut desk = self.lock();
        if desk.stop {
            return Err(done);
        }
        desk.requests.push_back(Request { shard, at, done });
        drop(desk);
        self.changed.notify_one();
        Ok(())
    }

    /// Makes the threads leave when nothing waits.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }

    /// The life of a thread.
    pub(crate) fn run(&self, shared: &Shared) {
        let mut desk = self.lock();
        loop {
            if let Some(request) = desk.requests.pop_front() {
                drop(desk);
                let answer = read(shared, request.shard, &request.at, Source::Medium);
                let answer = answer.map(|found| found.into_iter().flatten().collect());
                let told = catch_unwind(AssertUnwindSafe(|| (request.done)(answer)));
                if told.is_err() {
                    // The panic has been printed. Others still want their bytes.
                    tracing::error!(shard = %request.shard, "whoever asked for bytes has panicked");
                }
                desk = self.lock();
            } else if desk.stop {
                return;
            } else {
                desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// An address that is not in memory.
struct Wanted {
    /// Which of the addresses.
    index: usize,
    at: Address,
    place: Place,
}

/// Where bytes may come from.
#[derive(Clone, Copy)]
enum Source {
    /// From wherever they are.
    Medium,
    /// From memory, or not at all.
    Memory,
}

impl Source {
    fn read_at(self, file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        match self {
            Source::Medium => file.read_at(buffer, offset),
            Source::Memory => file.read_at_hand(buffer, offset),
        }
    }

    /// Stops at a fault, unless what is wrong is left to a thread to find out: one place is enough to deal with it.
    fn report(self, fault: Fault) -> Result<(), Fault> {
        match self {
            Source::Medium => Err(fault),
            Source::Memory => Ok(()),
        }
    }
}

/// Returns the bytes at the addresses, in their order, as far as they are in memory.
pub(crate) fn read_at_hand(shared: &Shared, shard: ShardId, at: &[Address]) -> Vec<Option<Bytes>> {
    read(shared, shard, at, Source::Memory).unwrap_or_else(|_| vec![None; at.len()])
}

/// Returns the bytes at the addresses, in their order: all of them, or as far as they are in memory.
fn read(shared: &Shared, shard: ShardId, at: &[Address], source: Source) -> Result<Vec<Option<Bytes>>, Fault> {
    let mut found: Vec<Option<Bytes>> = Vec::with_capacity(at.len());
    let tail = {
        let front = shared.lock();
        found.extend(at.iter().map(|&at| front.cached(shard, at)));
        front.shards.get(&shard).map_or(Position::START, |shard| shard.tail)
    };
    let mut wanted = Vec::new();
    for (index, &at) in at.iter().enumerate().filter(|(index, _)| found[*index].is_none()) {
        if at.position == Position::START || at.position > tail {
            source.report(Fault::OutOfRange { shard, at })?;
            continue;
        }
        // Neighbours are often in one record, and the way to it leads through memory that is cold.
        let known =
            wanted.last().filter(|before: &&Wanted| before.at.position == at.position).map(|before| before.place);
        match known.or_else(|| shared.catalogue.locate(shard, at.position.0)) {
            Some(place) => wanted.push(Wanted { index, at, place }),
            None => source.report(shared.trimmed(shard, at.position))?,
        }
    }
    wanted.sort_unstable_by_key(|wanted| (wanted.at.position, wanted.at.offset));
    let mut rest = &wanted[..];
    while let Some(first) = rest.first() {
        let (run, after) = rest.split_at(run(rest));
        let answer = read_run(shared, shard, run, source, &mut found);
        if let Err(fault) = answer {
            // The segment may have been trimmed and used again under our eyes.
            let place = shared.catalogue.locate(shard, first.at.position.0);
            source.report(if place.is_some() { fault } else { shared.trimmed(shard, first.at.position) })?;
        }
        rest = after;
    }
    Ok(found)
}

/// Returns how many of the addresses, from the first one on, are read at once.
fn run(wanted: &[Wanted]) -> usize {
    let apart = |pair: &[Wanted]| {
        let (first, one, next) = (wanted[0].place, pair[0].place, pair[1].place);
        one.segment != next.segment
            || next.offset - one.offset > GAP
            || next.offset - first.offset + AHEAD_MAX > READ_MAX
    };
    wanted.windows(2).position(apart).map_or(wanted.len(), |last| last + 1)
}

/// Reads a run of addresses of one segment.
fn read_run(
    shared: &Shared,
    shard: ShardId,
    run: &[Wanted],
    source: Source,
    found: &mut [Option<Bytes>],
) -> Result<(), Fault> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    let number = first.place.segment;
    let path = shared.disk.root().join(segment::name(number));
    let failed = |error: std::io::Error| Fault::io("read", &path, &error);
    let file = shared.catalogue.file(number).map_err(failed)?;
    let start = first.place.offset;
    let whole = last.place.until.map(|until| until - last.place.offset).filter(|&whole| whole <= AHEAD_MAX);
    let all = last.place.offset - start + whole.unwrap_or(AHEAD);
    // A disk wants few reads; memory wants few bytes.
    let (first_read, thin) = match source {
        Source::Medium => (all as usize, false),
        Source::Memory => from_memory(run, all),
    };
    let mut walk = Walk {
        file: &*file,
        source,
        journal: shared.journal,
        segment: number,
        chunk: Vec::new(),
        thin: thin.then_some(first_read),
        start,
        at: start,
    };
    walk.refill(first_read).map_err(failed)?;
    let mut record: Option<Opened> = None;
    for (index, wanted) in run.iter().enumerate() {
        let position = wanted.at.position.0;
        if record.as_ref().is_none_or(|record| record.position != position) {
            walk.at = walk.at.max(wanted.place.offset);
            let (at, header, table) = walk.find(shard, position).map_err(|error| error.into_fault(&path))?;
            let plain = match header.header.key {
                0 => None,
                number => {
                    let key = shared.keys.get(number).ok_or_else(|| shared.keys.missing(number, &path))?;
                    Some(Plain::new(Opener::new(key, &header.header, at)))
                }
            };
            record = Some(Opened::new(position, at, header.header.length as usize, table, plain));
        }
        let Some(record) = &mut record else { continue };
        let bytes = record.read(&walk, &run[index..]).map_err(|error| error.into_fault(&path))?;
        found[wanted.index] = Some(bytes.ok_or(Fault::OutOfRange { shard, at: wanted.at })?);
    }
    Ok(())
}

/// Returns how many bytes are read first for a run of addresses in memory, and whether those are the head of a frame, after
/// which only what is wanted follows, because that costs less. `all` is how many there are from the first walk to the end
/// of the last record, as far as is known.
fn from_memory(run: &[Wanted], all: u64) -> (usize, bool) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return (all as usize, false) };
    let start = first.place.offset;
    let end = u64::from(last.at.offset) + u64::from(last.at.length);
    // A record at the start of its walk need not be read to its end.
    let enough = last.place.offset - start + HEAD as u64 + end.next_multiple_of(BLOCK as u64);
    let all = if last.place.steps == 0 { all.min(enough) } else { all };
    let mut spans = run.iter().map(|wanted| wanted.place.until.map(|until| until - wanted.place.offset));
    let longest = spans.try_fold(0, |longest, span| Some(span?.max(longest)));
    let head = longest.map_or(HEAD, |span| frame::payload_at(span as usize).min(HEAD));
    let (mut heads, mut records) = (first.place.steps + 1, 1);
    for pair in run.windows(2).filter(|pair| pair[0].at.position != pair[1].at.position) {
        let (before, next) = (pair[0].place, pair[1].place);
        heads += if before.offset == next.offset { next.steps - before.steps } else { next.steps + 1 };
        records += 1;
    }
    let asked: u64 = run.iter().map(|wanted| u64::from(wanted.at.length)).sum();
    let in_pieces = heads * (head as u64 + ASKING) + records * (BLOCK as u64 + ASKING) + asked;
    // What is behind the first bytes is asked for apart all the same.
    let is_behind = last.place.offset - start + end > all;
    let at_once = all + ASKING + if is_behind { asked + ASKING } else { 0 };
    if in_pieces < at_once { (head, true) } else { (all as usize, false) }
}

/// What can go wrong in a segment.
enum Trouble {
    Io(std::io::Error),
    Damage(u64, &'static str),
}

impl Trouble {
    fn into_fault(self, path: &std::path::Path) -> Fault {
        match self {
            Trouble::Io(error) => Fault::io("read", path, &error),
            Trouble::Damage(offset, reason) => Fault::corrupt(path, offset, reason),
        }
    }
}

/// A walk over frames, most of which are in one chunk; where what is wanted is little, only the head of each.
struct Walk<'a> {
    file: &'a dyn DiskFile,
    source: Source,
    journal: u64,
    segment: u64,
    chunk: Vec<u8>,
    /// Only heads are read, so many bytes of each.
    thin: Option<usize>,
    /// Where the chunk begins in the file.
    start: u64,
    at: u64,
}

impl Walk<'_> {
    /// Makes the chunk begin where the walk is.
    fn refill(&mut self, bytes: usize) -> std::io::Result<()> {
        self.start = self.at;
        self.chunk.resize(bytes, 0);
        let length = self.source.read_at(self.file, &mut self.chunk, self.at)?;
        self.chunk.truncate(length);
        Ok(())
    }

    /// Returns bytes of the file, from the chunk if they are there.
    fn bytes(&self, at: u64, count: usize) -> Result<std::borrow::Cow<'_, [u8]>, Trouble> {
        let from = (at - self.start) as usize;
        if let Some(bytes) = self.chunk.get(from..from + count) {
            return Ok(bytes.into());
        }
        let mut bytes = vec![0; count];
        let read = self.source.read_at(self.file, &mut bytes, at).map_err(Trouble::Io)?;
        if read < count {
            Err(Trouble::Damage(at + read as u64, "the segment has been cut short"))
        } else {
            Ok(bytes.into())
        }
    }

    /// Walks to a record, and returns where it begins, its header and its table. The walk stays there.
    fn find(&mut self, shard: ShardId, position: u64) -> Result<(u64, Checked, Vec<u8>), Trouble> {
        loop {
            let at = self.at;
            if let Some(head) = self.thin.filter(|_| at != self.start) {
                self.refill(head).map_err(Trouble::Io)?;
            }
            let mut need = FIXED;
            let checked = loop {
                match frame::parse(&self.bytes(at, need)?) {
                    Parsed::Valid(checked) => break checked,
                    Parsed::Short(bytes) => need = bytes,
                    Parsed::Invalid(reason) => return Err(Trouble::Damage(at, reason)),
                }
            };
            let header = checked.header;
            if header.journal != self.journal || header.segment != self.segment {
                return Err(Trouble::Damage(at, "the frame is left over from an earlier use of the file"));
            }
            if header.kind == Kind::Record && header.shard == shard.0 {
                if header.position == position {
                    let table = self.bytes(at + FIXED as u64, need.max(FIXED) - FIXED)?.into_owned();
                    return Ok((at, checked, table));
                }
                if header.position > position {
                    return Err(Trouble::Damage(at, "the record before this one is missing"));
                }
            }
            self.at = at + frame::frame_bytes(header.length as usize) as u64;
        }
    }
}

/// The record that is being read.
struct Opened {
    position: u64,
    /// Where its payload begins in the file.
    payload: u64,
    length: usize,
    table: Vec<u8>,
    /// What opens the record, and has been opened, if it is sealed.
    plain: Option<Plain>,
    /// The blocks in the chunk of the walk that have been checked.
    checked: Range<usize>,
    /// Blocks that the chunk does not have, read by themselves.
    apart: Apart,
}

/// Some blocks of a record.
#[derive(Default)]
struct Apart {
    /// Where they begin in the payload.
    start: usize,
    bytes: Vec<u8>,
    checked: Range<usize>,
}

impl Opened {
    fn new(position: u64, at: u64, length: usize, table: Vec<u8>, plain: Option<Plain>) -> Opened {
        let payload = at + frame::payload_at(length) as u64;
        Opened { position, payload, length, table, plain, checked: 0..0, apart: Apart::default() }
    }

    /// Returns which part of the payload an address means, or `None` if it is not that long.
    fn range(&self, at: Address) -> Option<Range<usize>> {
        let range = at.offset as usize..at.offset as usize + at.length as usize;
        (range.end <= self.length).then_some(range)
    }

    /// Returns the whole blocks that hold a part of the payload, as a part of the payload.
    fn content(&self, range: Range<usize>) -> Range<usize> {
        let blocks = frame::blocks_of(range);
        blocks.start * BLOCK..(blocks.end * BLOCK).min(self.length)
    }

    /// Returns the bytes at the first of some addresses, all in this record or later ones, checked; `None` if the record is
    /// not that long. If they have to be read, so are those of the addresses that follow closely.
    fn read(&mut self, walk: &Walk<'_>, wanted: &[Wanted]) -> Result<Option<Bytes>, Trouble> {
        let Some(range) = wanted.first().and_then(|first| self.range(first.at)) else { return Ok(None) };
        if range.is_empty() {
            return Ok(Some(Bytes::new()));
        }
        let content = self.content(range.clone());
        let from = (self.payload - walk.start) as usize;
        if let Some(bytes) = walk.chunk.get(from + content.start..from + content.end) {
            let (table, plain) = (&self.table, &mut self.plain);
            return take(table, self.payload, plain, bytes, content.start, &mut self.checked, range).map(Some);
        }
        let apart = self.apart.start..self.apart.start + self.apart.bytes.len();
        if content.start < apart.start || content.end > apart.end {
            let all = self.content(range.start..self.reach(range.end, wanted));
            let bytes = walk.bytes(self.payload + all.start as u64, all.len())?.into_owned();
            self.apart = Apart { start: all.start, bytes, checked: 0..0 };
        }
        let Apart { start, bytes, checked } = &mut self.apart;
        let bytes = &bytes[content.start - *start..content.end - *start];
        take(&self.table, self.payload, &mut self.plain, bytes, content.start, checked, range).map(Some)
    }

    /// Returns the end of what is read at once for addresses, the first of which ends at `end`.
    fn reach(&self, end: usize, wanted: &[Wanted]) -> usize {
        let start = end;
        let mut end = end;
        for next in wanted.iter().skip(1).take_while(|next| next.at.position.0 == self.position) {
            let Some(range) = self.range(next.at) else { break };
            if range.start > end + GAP as usize || range.end > start + READ_MAX as usize {
                break;
            }
            end = end.max(range.end);
        }
        end
    }
}

/// Returns a range of a payload, whose blocks begin at `start` in it: opened if they are sealed, checked if they are not.
fn take(
    table: &[u8],
    payload: u64,
    plain: &mut Option<Plain>,
    bytes: &[u8],
    start: usize,
    checked: &mut Range<usize>,
    range: Range<usize>,
) -> Result<Bytes, Trouble> {
    match plain {
        // What opens is as it was sealed, which says more than its checksum.
        Some(plain) => plain
            .read(table, bytes, range)
            .map_err(|block| Trouble::Damage(payload + (block * BLOCK) as u64, "the payload is not what was sealed")),
        None => {
            check(table, payload, bytes, start, checked)?;
            Ok(copy(bytes, start, range))
        }
    }
}

/// Checks blocks of a payload, the first of which begins at `start` in it, unless that has just been done.
fn check(table: &[u8], payload: u64, bytes: &[u8], start: usize, checked: &mut Range<usize>) -> Result<(), Trouble> {
    let blocks = frame::blocks_of(start..start + bytes.len());
    for (block, content) in blocks.clone().zip(bytes.chunks(BLOCK)) {
        if !checked.contains(&block) && !frame::intact(&table[ENTRY * block..ENTRY * (block + 1)], content) {
            return Err(Trouble::Damage(payload + (block * BLOCK) as u64, "the payload fails its checksum"));
        }
    }
    // Addresses come in ascending order, so one range is enough.
    let joins = checked.start <= blocks.start && blocks.start <= checked.end;
    *checked = if joins { checked.start..blocks.end.max(checked.end) } else { blocks };
    Ok(())
}

/// Returns a part of a payload of which `bytes` begin at `start`: a copy, so that a small body does not keep a large read
/// in memory.
fn copy(bytes: &[u8], start: usize, range: Range<usize>) -> Bytes {
    Bytes::copy_from_slice(&bytes[range.start - start..range.end - start])
}

/// Starts the threads.
pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<Vec<std::thread::JoinHandle<()>>> {
    (0..THREADS)
        .map(|number| {
            let shared = Arc::clone(shared);
            let builder = std::thread::Builder::new().name(format!("journal-read-{number}"));
            builder.spawn(move || {
                let latch = LatchOnPanic(shared);
                latch.0.readers.run(&latch.0);
            })
        })
        .collect()
}
