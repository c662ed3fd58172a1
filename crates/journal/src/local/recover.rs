//! Finds out where the log ends, and whether everything before that is whole.
//!
//! # Torn tail or damage?
//!
//! A power cut may leave any part of the last, unsynced write: also a later frame without an earlier one. So a good
//! frame after a bad one proves nothing by itself. But each frame carries the offset up to which its segment was durable
//! when the frame was made. Let `X` be where the first frame fails its check:
//!
//! - If some later frame of the segment says that it was durable beyond `X`, the bytes at `X` were synced once and have
//!   changed since: **damage**. The journal refuses to open, and names file and offset.
//! - Otherwise nothing says that `X` was ever synced. Every group is synced before the next one is written, and a group is
//!   acknowledged after its sync, so whatever was acknowledged before the last group is before `X`: a **torn tail**. It is
//!   cut off and overwritten with zeros.
//!
//! Three more things count as proof: the place where the log ended at a clean stop, a later segment in use (a segment is
//! synced whole before the next one is begun), and a snapshot of records past the end. What remains is a record of the
//! very last group before a crash that was acknowledged and changed on the medium before the next start: nothing on any
//! disk can tell that from a torn write.

use std::io::IoSlice;
use std::sync::Arc;

use super::disk::{Access, Disk, DiskFile};
use super::frame::Kind;
use super::index::{self, Index, Tail, Tails};
use super::scan::{self, Frame, Step};
use super::segment::{self, FRAMES};
use super::snapshot;
use super::state::State;
use crate::{Fault, ShardId};

/// What a disk may write as a whole, at most, in bytes; a header is shorter.
const PAGE: u64 = 4096;

/// How much of a sealed segment is read at a time: a base is shorter, and a seal is read whole when its length is known.
/// A start reads both of every segment, and nothing else of it.
const GLANCE: usize = 16 << 10;

#[cfg(test)]
mod tests;

/// What is in a data directory.
pub(crate) struct Recovered {
    /// Segments with frames, in order; the last one is active unless it is sealed.
    pub(crate) segments: Vec<Loaded>,
    /// A prepared segment, the one after the last.
    pub(crate) prepared: Option<u64>,
    /// Where every shard stands.
    pub(crate) tails: Tails,
}

/// A segment with at least one frame.
pub(crate) struct Loaded {
    pub(crate) number: u64,
    pub(crate) index: Index,
    pub(crate) bytes: u64,
    /// Where the next frame goes.
    pub(crate) end: u64,
    pub(crate) sealed: bool,
}

/// What the frames of a segment say.
pub(crate) struct Content {
    pub(crate) base: Tails,
    pub(crate) tails: Tails,
    pub(crate) index: Index,
    bytes: u64,
    pub(crate) end: u64,
    pub(crate) sealed: bool,
    /// There is not even a base frame.
    pub(crate) unused: bool,
    /// Why the walk stopped, if the segment is not sealed.
    pub(crate) stop: &'static str,
}

/// Reads what is in a directory, and cuts off a torn tail. Nothing is changed if something is damaged.
pub(crate) fn recover(disk: &dyn Disk, state: &State) -> Result<Recovered, Fault> {
    let numbers = numbers(disk, state)?;
    let mut contents = Vec::new();
    for &number in &numbers {
        contents.push((number, load(disk, state.journal, number)?));
    }
    let path = |number: u64| disk.root().join(segment::name(number));
    let unused = contents.iter().rev().take_while(|(_, content)| content.unused).count();
    let (used, unused) = contents.split_at(contents.len() - unused);
    let mut tails: Option<&Tails> = None;
    for (at, (number, content)) in used.iter().enumerate() {
        if content.unused || (!content.sealed && at + 1 < used.len()) {
            let reason = format!("{}, and a later segment proves that more was durable", content.stop);
            return Err(Fault::corrupt(path(*number), content.end, reason));
        }
        let hole = at > 0 && used[at - 1].0 + 1 < *number;
        if tails.is_some_and(|tails| !follows(tails, &content.base, hole)) {
            let reason = "the segment does not begin where the one before it ends";
            return Err(Fault::corrupt(path(*number), FRAMES, reason));
        }
        tails = Some(&content.tails);
    }
    let tails = tails.cloned().unwrap_or_default();
    let (last, end) = used.last().map_or((state.first, FRAMES), |(number, content)| (*number, content.end));
    if used.is_empty() && state.first > 1 {
        return Err(Fault::corrupt(path(last), end, "the segment does not begin with its base"));
    }
    match state.clean {
        Some((number, offset)) if (number, offset) != (last, end) => {
            let reason = format!("the log ends here, but was closed at {offset} of segment {number}");
            return Err(Fault::corrupt(path(last), end, reason));
        }
        // Closed here: what follows are zeros, or what an earlier use left.
        Some(_) => {}
        None => {
            check_snapshots(disk, state, &tails, last, end)?;
            // If the last segment is whole, its successor may have been begun, but nothing in it was acknowledged.
            let next = unused.first().map(|(number, _)| (*number, FRAMES));
            let torn = used.last().filter(|(_, content)| !content.sealed).map(|_| (last, end)).or(next);
            if let Some((number, end)) = torn {
                cut(disk, state, number, end)?;
            }
        }
    }
    let prepared = unused.first().map(|(number, _)| *number);
    contents.retain(|(_, content)| !content.unused);
    let loaded = |(number, content): (u64, Content)| {
        let Content { index, bytes, end, sealed, .. } = content;
        Loaded { number, index, bytes, end, sealed }
    };
    Ok(Recovered { segments: contents.into_iter().map(loaded).collect(), prepared, tails })
}

/// Refuses a log that ends before a snapshot: the records up to a snapshot are durable before it is.
fn check_snapshots(disk: &dyn Disk, state: &State, tails: &Tails, last: u64, end: u64) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::io("list", disk.root().join("snapshots"), &error);
    for (shard, at) in disk.list("snapshots").map_err(failed)?.iter().filter_map(|file| snapshot::identity(file)) {
        let tail = tails.get(&shard).map_or(0, |tail| tail.last);
        if at.0 > tail && snapshot::check(disk, Some(state.journal), shard, at).is_ok() {
            let reason = format!("the log of shard {shard} ends at {tail}, before the snapshot at {at}");
            return Err(Fault::corrupt(disk.root().join(segment::name(last)), end, reason));
        }
    }
    Ok(())
}

/// Says whether a segment may begin at `base` if the one before it ends at `tails`; segments between them may be gone.
pub(crate) fn follows(tails: &Tails, base: &Tails, hole: bool) -> bool {
    if !hole {
        return tails == base;
    }
    tails.iter().all(|(shard, tail)| base.get(shard).is_some_and(|later| later.last > tail.last || later == tail))
}

/// Returns the numbers of the segments that must be there, and removes what must not.
fn numbers(disk: &dyn Disk, state: &State) -> Result<Vec<u64>, Fault> {
    let directory = disk.root().join("journal");
    let files = disk.list("journal").map_err(|error| Fault::io("list", &directory, &error))?;
    let mut numbers: Vec<u64> = files.iter().filter_map(|file| segment::number(file)).collect();
    numbers.sort_unstable();
    for &number in numbers.iter().filter(|&&number| state.is_forgotten(number)) {
        let name = segment::name(number);
        disk.remove(&name).map_err(|error| Fault::io("remove", disk.root().join(&name), &error))?;
    }
    numbers.retain(|&number| !state.is_forgotten(number));
    let mut expected = state.first;
    for &number in &numbers {
        if number != expected {
            let reason = format!("segment {number} is there, and {expected} has not been trimmed");
            return Err(Fault::Missing { file: disk.root().join(segment::name(expected)), reason });
        }
        expected = state.after(number);
    }
    if numbers.is_empty() {
        let reason = "it is the first segment that has not been trimmed".to_owned();
        return Err(Fault::Missing { file: disk.root().join(segment::name(state.first)), reason });
    }
    // Only a segment with a later one is ever given up.
    if state.gone.last() > numbers.last().copied() {
        let reason = "segments before it have been released, and it has not".to_owned();
        return Err(Fault::Missing { file: disk.root().join(segment::name(expected)), reason });
    }
    Ok(numbers)
}

/// Reads one segment: its seal if it has one, all of it otherwise.
pub(crate) fn load(disk: &dyn Disk, journal: u64, number: u64) -> Result<Content, Fault> {
    let name = segment::name(number);
    let path = disk.root().join(&name);
    let failed = |error: std::io::Error| Fault::io("read", &path, &error);
    let file = disk.open(&name, Access::Read).map_err(|error| Fault::io("open", &path, &error))?;
    let mut page = vec![0; FRAMES as usize];
    let read = file.read_at(&mut page, 0).map_err(failed)?;
    let length = file.length().map_err(failed)?;
    segment::check_page(&page[..read], journal, number, length).map_err(|reason| Fault::corrupt(&path, 0, reason))?;
    if let Some(content) = load_sealed(&file, journal, number, &page).map_err(failed)? {
        return Ok(content);
    }
    walk(&file, journal, number, &mut |_| {}).map_err(failed)
}

/// Reads a segment whose page points to its seal: base, seal and index only.
pub(crate) fn load_sealed(
    file: &Arc<dyn DiskFile>,
    journal: u64,
    number: u64,
    page: &[u8],
) -> std::io::Result<Option<Content>> {
    let Some(at) = segment::sealed_at(page, journal, number) else { return Ok(None) };
    let glance = |at: u64| scan::Frames::new(Arc::clone(file), journal, number, at)?.chunk(GLANCE).step();
    let (Step::Frame(base), Step::Frame(seal)) = (glance(FRAMES)?, glance(at)?) else { return Ok(None) };
    let end = seal.end();
    let Some((base, _)) = (base.header.kind == Kind::Base).then(|| index::decode_tails(&base.payload)).flatten() else {
        return Ok(None);
    };
    let Some((tails, index)) = decode_seal(&seal) else { return Ok(None) };
    let bytes = file.length()?;
    Ok(Some(Content { base, tails, index, bytes, end, sealed: true, unused: false, stop: "" }))
}

pub(crate) fn decode_seal(seal: &Frame) -> Option<(Tails, Index)> {
    if seal.header.kind != Kind::Seal {
        return None;
    }
    let (tails, rest) = index::decode_tails(&seal.payload)?;
    Some((tails, Index::decode(rest)?))
}

/// Reads all frames of a segment, up to the first that does not follow.
pub(crate) fn walk(
    file: &Arc<dyn DiskFile>,
    journal: u64,
    number: u64,
    visit: &mut dyn FnMut(&Frame),
) -> std::io::Result<Content> {
    let mut frames = scan::frames(file, journal, number)?;
    let (mut base, mut tails, mut index) = (Tails::new(), Tails::new(), Index::default());
    let (mut end, mut sealed, mut unused) = (FRAMES, false, true);
    let stop = loop {
        let frame = match frames.step()? {
            Step::Frame(frame) => frame,
            Step::Stop(reason) => break reason,
        };
        match frame.header.kind {
            Kind::Base if unused => {
                let Some((decoded, _)) = index::decode_tails(&frame.payload) else {
                    break "the base of the segment makes no sense";
                };
                base = decoded;
                tails = base.clone();
            }
            _ if unused => break "the segment does not begin with its base",
            Kind::Base => break "there is a second base",
            Kind::Record => {
                if let Err(reason) = follow(&mut tails, &frame) {
                    break reason;
                }
                index.note(ShardId(frame.header.shard), frame.header.position, frame.offset);
            }
            Kind::Seal => {
                let Some((at_seal, _)) = decode_seal(&frame) else { break "the seal makes no sense" };
                if at_seal != tails {
                    break "the seal does not agree with the records";
                }
                sealed = true;
            }
        }
        unused = false;
        end = frame.end();
        visit(&frame);
        if sealed {
            break "";
        }
    };
    Ok(Content { base, tails, index, bytes: file.length()?, end, sealed, unused, stop })
}

/// Notes a record, if it is the next of its shard.
pub(crate) fn follow(tails: &mut Tails, frame: &Frame) -> Result<(), &'static str> {
    let tail = tails.entry(ShardId(frame.header.shard)).or_default();
    if frame.header.position != tail.last + 1 {
        return Err("the record has not the next position of its shard");
    }
    if frame.header.chain != tail.checksum {
        return Err("the record does not continue the chain of its shard");
    }
    *tail = Tail { last: frame.header.position, checksum: frame.checksum };
    Ok(())
}

/// Decides what the bytes after the last good frame are, and clears them if they are the remains of a write that was never
/// acknowledged.
fn cut(disk: &dyn Disk, state: &State, number: u64, end: u64) -> Result<(), Fault> {
    let name = segment::name(number);
    let path = disk.root().join(&name);
    let file = disk.open(&name, Access::Write).map_err(|error| Fault::io("open", &path, &error))?;
    let failed = |error: std::io::Error| Fault::io("read", &path, &error);
    let mut frames = scan::Frames::new(Arc::clone(&file), state.journal, number, end).map_err(failed)?;
    let remains = frames.remains().map_err(failed)?;
    if let Some(proof) = remains.proof {
        let reason = match frames.step().map_err(failed)? {
            Step::Stop(reason) => reason,
            Step::Frame(_) => "the record does not follow the one before",
        };
        return Err(Fault::corrupt(
            &path,
            end,
            format!("{reason}, and the frame at {proof} proves that it was durable"),
        ));
    }
    let length = file.length().map_err(failed)?;
    let until = if remains.any {
        tracing::warn!(file = %path.display(), offset = end, "cut off a torn tail: the write was never acknowledged");
        length
    } else {
        // The rest of a header whose beginning was lost looks like nothing. Were it left, the next record could be torn
        // at the same place, and its beginning and that rest be the old record again.
        let until = length.min((end / PAGE + 2) * PAGE);
        let mut near = vec![0; until.saturating_sub(end) as usize];
        let read = file.read_at(&mut near, end).map_err(failed)?;
        if near[..read].iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        until
    };
    let zeros = vec![0u8; 1 << 20];
    let mut at = end;
    while at < until {
        let count = (until - at).min(zeros.len() as u64) as usize;
        let written = file.write_at(&mut [IoSlice::new(&zeros[..count])], at);
        written.map_err(|error| Fault::io("write", &path, &error))?;
        at += count as u64;
    }
    file.sync().map_err(|error| Fault::io("sync", &path, &error))
}
