//! A journal as it was at one moment, to read and to copy: what backups and exports work from.
//!
//! An image only reads. Whoever makes one sees to it that the files stay: by a [`Hold`](super::Hold) of the process that
//! has the journal open, or because nobody has it open.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::catalogue::Catalogue;
use super::disk::{Access, Directory, Disk, DiskFile};
use super::frame::Kind;
use super::index::{self, Index, Tails};
use super::keys::{self, Keys};
use super::recover;
use super::scan::{Frames, Step};
use super::segment::{self, FRAMES};
use super::snapshot;
use super::state::State;
use crate::inspect;
use crate::{Fault, Position, Record, ShardId};

/// How many segments stay open: an image is mostly read from its first to its last.
const OPEN_SEGMENTS: usize = 8;

/// How much is read at once to copy, in bytes.
const COPY: usize = 1 << 20;
/// How much is read at once to find a record, in bytes: more than most records have, as they are often far apart.
const LOOK: usize = 64 * 1024;

/// A journal at one moment.
pub struct Image {
    disk: Arc<dyn Disk>,
    state: State,
    end: (u64, u64),
    tails: Tails,
    parts: Vec<Part>,
    catalogue: Catalogue,
    /// Copies need none.
    keys: Result<Arc<Keys>, Fault>,
    /// Where the last search for a record stopped: segment, walk, and the record before it.
    walk: Option<(u64, Frames, Option<Record>)>,
    _lock: Option<Box<dyn Any + Send + Sync>>,
}

/// A segment, as far as an image needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub number: u64,
    /// Length of its file in bytes; what is behind `used` is of no meaning.
    pub length: u64,
    /// How many of them, from the start, the image needs.
    pub used: u64,
    /// The checksum of its last frame if the segment is full. It covers, directly or by way of other checksums, all that
    /// the segment holds: two full segments of a journal with the same number and seal are the same.
    pub seal: Option<u32>,
}

/// What the frames of a segment say that an image asks for.
struct Scanned {
    tails: Tails,
    index: Index,
    used: u64,
    seal: Option<u32>,
}

impl Image {
    /// Reads what a journal held at `end`, while a [`Hold`](super::Hold) with that end keeps its files.
    ///
    /// # Errors
    /// [`Fault::Missing`] if there is no journal, [`Fault::Corrupt`] if a segment does not reach as far as it must,
    /// [`Fault::Io`].
    pub fn held(disk: Arc<dyn Disk>, end: (u64, u64)) -> Result<Image, Fault> {
        Image::new(disk, end, None)
    }

    /// Reads a journal that nobody has open, and keeps others from opening it as long as the image lives. Every byte is
    /// checked first; remains of a write that was never acknowledged are left out.
    ///
    /// # Errors
    /// [`Fault::Locked`] if somebody has it open, [`Fault::Missing`] if there is no journal, [`Fault::Corrupt`] for the
    /// first damage found, [`Fault::Io`].
    pub fn still(disk: Arc<dyn Disk>) -> Result<Image, Fault> {
        // Before the lock, which would leave a file in a directory that has nothing to do with us.
        load_state(&*disk)?;
        let lock = disk.lock("lock").map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Fault::Locked { file: disk.root().join("lock") },
            _ => Fault::io("lock", disk.root().join("lock"), &error),
        })?;
        let report = inspect::check_on(&*disk)?;
        if let Some(damage) = report.damages.into_iter().next() {
            return Err(Fault::corrupt(damage.file, damage.offset, damage.reason));
        }
        let state = load_state(&*disk)?;
        let mut end = (state.first, FRAMES);
        for number in inspect::numbers(&*disk)?
            .into_iter()
            .rev()
            .filter(|&number| number >= state.first && !state.gone.contains(number))
        {
            let content = recover::load(&*disk, state.journal, number)?;
            if !content.unused {
                end = (number, content.end);
                break;
            }
        }
        Image::new(disk, end, Some(lock))
    }

    fn new(disk: Arc<dyn Disk>, end: (u64, u64), lock: Option<Box<dyn Any + Send + Sync>>) -> Result<Image, Fault> {
        let state = State { clean: Some(end), ..load_state(&*disk)? };
        let catalogue = Catalogue::new(Arc::clone(&disk), OPEN_SEGMENTS);
        let (mut parts, mut tails) = (Vec::new(), Tails::new());
        let numbers = inspect::numbers(&*disk)?;
        let needed = |number: &u64| (state.first..=end.0).contains(number) && !state.gone.contains(*number);
        for number in numbers.into_iter().filter(needed) {
            let (file, path) = open(&*disk, number)?;
            let length = file.length().map_err(|error| Fault::io("measure", &path, &error))?;
            let until = if number == end.0 { Some(end.1) } else { None };
            let scanned = scan(&file, &path, state.journal, number, until)?;
            parts.push(Part { number, length, used: scanned.used, seal: scanned.seal });
            tails = scanned.tails;
            catalogue.add(number, scanned.index, length);
        }
        if parts.last().is_none_or(|part| part.number != end.0) {
            let file = disk.root().join(segment::name(end.0));
            return Err(Fault::Missing { file, reason: "the log ends in it".to_owned() });
        }
        let keys = Keys::load(&*disk, state.journal).map(Arc::new);
        Ok(Image { disk, state, end, tails, parts, catalogue, keys, walk: None, _lock: lock })
    }

    fn keys(&self) -> Result<&Arc<Keys>, Fault> {
        self.keys.as_ref().map_err(Fault::clone)
    }

    /// Returns the bytes of the file of data keys that a directory with these files needs; `None` if nothing is sealed.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] if it is damaged, [`Fault::Io`].
    pub fn data_keys(&self) -> Result<Option<Vec<u8>>, Fault> {
        keys::copy(&*self.disk)
    }

    /// Returns the file of data keys below the data directory.
    pub fn data_keys_file() -> PathBuf {
        keys::NAME.into()
    }

    /// Returns the random number that all files of the journal carry.
    pub fn journal(&self) -> u64 {
        self.state.journal
    }

    /// Returns the segment and the offset in it where the image ends.
    pub fn end(&self) -> (u64, u64) {
        self.end
    }

    /// Returns the last position of each shard.
    pub fn shards(&self) -> Vec<(ShardId, Position)> {
        self.tails.iter().map(|(&shard, tail)| (shard, Position(tail.last))).collect()
    }

    /// Returns the segments, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the text of the state file that a directory with these segments needs: as if the journal had been closed
    /// where the image ends.
    pub fn state(&self) -> String {
        self.state.print()
    }

    /// Returns the file of a segment below the data directory.
    pub fn segment_file(number: u64) -> PathBuf {
        segment::name(number).into()
    }

    /// Returns the file of a snapshot below the data directory.
    pub fn snapshot_file(shard: ShardId, at: Position) -> PathBuf {
        snapshot::name(shard, at).into()
    }

    /// Returns the state file below the data directory.
    pub fn state_file() -> PathBuf {
        super::state::NAME.into()
    }

    /// Hands out the bytes of a segment from its start up to what the image needs of it, a piece at a time. A segment
    /// that was not full at the moment of the image does not say that it is.
    ///
    /// # Errors
    /// [`Fault::Io`]; those of `take` are returned as they are.
    pub fn copy<E: From<Fault>>(&self, part: &Part, take: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let (file, path) = open(&*self.disk, part.number)?;
        let mut buffer = vec![0; COPY];
        let mut at = 0;
        while at < part.used {
            let count = (part.used - at).min(COPY as u64) as usize;
            let piece = &mut buffer[..count];
            let read = file.read_at(piece, at).map_err(|error| Fault::io("read", &path, &error))?;
            if read < count {
                return Err(Fault::corrupt(path, at + read as u64, "the segment has been cut short").into());
            }
            if at == 0 && part.seal.is_none() {
                piece[segment::SEAL_AT as usize..segment::SEAL_AT as usize + 12].fill(0);
            }
            take(piece)?;
            at += count as u64;
        }
        Ok(())
    }

    /// Returns the newest valid snapshot of a shard that is not past the image, and its position; `None` if there is none.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] if there are some and none is valid, [`Fault::Sealed`] if its key is not to be had,
    /// [`Fault::Io`].
    pub fn snapshot(&self, shard: ShardId) -> Result<Option<(Position, Bytes)>, Fault> {
        let keys = self.keys()?;
        self.newest(shard, &|at| snapshot::read(&*self.disk, keys, shard, at))
    }

    /// Returns the position of the newest snapshot of a shard whose file is whole and that is not past the image.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] if there are some and none is whole, [`Fault::Io`].
    pub fn snapshot_position(&self, shard: ShardId) -> Result<Option<Position>, Fault> {
        let check = |at| snapshot::check(&*self.disk, Some(self.state.journal), shard, at);
        Ok(self.newest(shard, &check)?.map(|(at, ())| at))
    }

    fn newest<T>(
        &self,
        shard: ShardId,
        read: &dyn Fn(Position) -> Result<T, Fault>,
    ) -> Result<Option<(Position, T)>, Fault> {
        let last = self.tails.get(&shard).map_or(0, |tail| tail.last);
        let mut damaged = None;
        for at in snapshot::positions(&*self.disk, shard)?.into_iter().filter(|at| at.0 <= last) {
            match read(at) {
                Ok(found) => return Ok(Some((at, found))),
                Err(fault @ Fault::Corrupt { .. }) => damaged = damaged.or(Some(fault)),
                Err(fault) => return Err(fault),
            }
        }
        damaged.map_or(Ok(None), Err)
    }

    /// Visits the records of a shard from `from` on, in order, and returns the last position.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] if a record fails its check or is missing, [`Fault::Io`], and those of `visit`.
    pub fn replay(
        &self,
        shard: ShardId,
        from: Position,
        visit: &mut dyn FnMut(Record) -> Result<(), Fault>,
    ) -> Result<Position, Fault> {
        let last = self.tails.get(&shard).map_or(Position::START, |tail| Position(tail.last));
        let mut next = from.max(Position(1));
        if next > last {
            return Ok(last);
        }
        let first = self.place(shard, next)?.segment;
        for part in self.parts.iter().filter(|part| part.number >= first) {
            let (file, path) = open(&*self.disk, part.number)?;
            let failed = |error: io::Error| Fault::io("read", &path, &error);
            let frames = Frames::new(file, self.state.journal, part.number, FRAMES).map_err(failed)?;
            let mut frames = frames.only(shard, next.0).opening(self.keys()?);
            while frames.offset() < part.used {
                let frame = match frames.step().map_err(failed)? {
                    Step::Frame(frame) => frame,
                    Step::Stop(reason) => return Err(self.keys()?.stopped(&frames, &path, reason)),
                };
                let header = frame.header;
                if header.kind != Kind::Record || header.shard != shard.0 || header.position < next.0 {
                    continue;
                }
                if header.position > next.0 {
                    let reason = format!("record {next} of shard {shard} is missing");
                    return Err(Fault::corrupt(&path, frame.offset, reason));
                }
                next = next.next();
                visit(frame.into_record())?;
            }
        }
        if next <= last {
            let reason = format!("record {next} of shard {shard} was expected in its segments");
            return Err(Fault::Missing { file: self.disk.root().join("journal"), reason });
        }
        Ok(last)
    }

    /// Returns a record. Records asked for in ascending order are found without searching anew.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] if it fails its check or is not where it must be, [`Fault::Missing`] if no segment has it,
    /// [`Fault::Io`].
    pub fn record(&mut self, shard: ShardId, position: Position) -> Result<Record, Fault> {
        if let Some((_, _, Some(record))) = &self.walk
            && (record.shard, record.position) == (shard, position)
        {
            return Ok(record.clone());
        }
        let place = self.place(shard, position)?;
        let (file, path) = open(&*self.disk, place.segment)?;
        let failed = |error: io::Error| Fault::io("read", &path, &error);
        let walk = self.walk.take().filter(|(segment, frames, record)| {
            let behind = record.as_ref().is_some_and(|record| record.shard == shard && record.position < position);
            *segment == place.segment && behind && frames.offset() >= place.offset
        });
        let mut frames = match walk {
            Some((_, frames, _)) => frames,
            None => {
                let frames = Frames::new(file, self.state.journal, place.segment, place.offset).map_err(failed)?;
                frames.chunk(LOOK).opening(self.keys()?)
            }
        };
        loop {
            let frame = match frames.step().map_err(failed)? {
                Step::Frame(frame) => frame,
                Step::Stop(reason) => return Err(self.keys()?.stopped(&frames, &path, reason)),
            };
            if frame.header.kind != Kind::Record || frame.header.shard != shard.0 {
                continue;
            }
            if frame.header.position > position.0 {
                return Err(Fault::corrupt(&path, frame.offset, "the record before this one is missing"));
            }
            if frame.header.position == position.0 {
                let record = frame.into_record();
                self.walk = Some((place.segment, frames, Some(record.clone())));
                return Ok(record);
            }
        }
    }

    fn place(&self, shard: ShardId, position: Position) -> Result<super::catalogue::Place, Fault> {
        self.catalogue.locate(shard, position.0).ok_or_else(|| {
            let reason = format!("record {position} of shard {shard} is in no segment");
            Fault::Missing { file: self.disk.root().join("journal"), reason }
        })
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("directory", &self.disk.root()).field("end", &self.end).finish_non_exhaustive()
    }
}

/// Checks a copy of a segment, wherever it is and whatever it is called: every frame, and that it is all of the segment
/// that `part` speaks of.
///
/// # Errors
/// [`Fault::Corrupt`] with the place that is not as it must be, [`Fault::Io`].
pub fn check_copy(file: &Path, journal: u64, part: &Part) -> Result<(), Fault> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let disk = Directory::new(file.parent().unwrap_or(Path::new(".")));
    let opened = disk.open(name, Access::Read).map_err(|error| Fault::io("open", file, &error))?;
    let length = opened.length().map_err(|error| Fault::io("measure", file, &error))?;
    if length < part.used {
        return Err(Fault::corrupt(file, length, "the segment has been cut short"));
    }
    let mut page = vec![0; FRAMES as usize];
    let read = opened.read_at(&mut page, 0).map_err(|error| Fault::io("read", file, &error))?;
    segment::check_page(&page[..read], journal, part.number, part.length)
        .map_err(|reason| Fault::corrupt(file, 0, reason))?;
    let scanned = walk(&opened, file, journal, part.number, Some(part.used))?;
    if scanned.seal != part.seal {
        return Err(Fault::corrupt(file, part.used, "the segment does not end with the frame that it must end with"));
    }
    Ok(())
}

/// Reads what an image needs to know of a segment: by its seal if it is full, else by all of its frames up to `until`.
fn scan(
    file: &Arc<dyn DiskFile>,
    path: &Path,
    journal: u64,
    number: u64,
    until: Option<u64>,
) -> Result<Scanned, Fault> {
    let failed = |error: io::Error| Fault::io("read", path, &error);
    let mut page = vec![0; FRAMES as usize];
    let read = file.read_at(&mut page, 0).map_err(failed)?;
    let length = file.length().map_err(failed)?;
    segment::check_page(&page[..read], journal, number, length).map_err(|reason| Fault::corrupt(path, 0, reason))?;
    if until.is_none()
        && let Some(at) = segment::sealed_at(&page, journal, number)
        && let Step::Frame(seal) =
            Frames::new(Arc::clone(file), journal, number, at).map_err(failed)?.step().map_err(failed)?
        && let Some((tails, index)) = recover::decode_seal(&seal)
    {
        return Ok(Scanned { tails, index, used: seal.end(), seal: Some(seal.checksum) });
    }
    walk(file, path, journal, number, until)
}

/// Walks over the frames of a segment up to its seal, or to `until`, which must be the end of a frame.
fn walk(
    file: &Arc<dyn DiskFile>,
    path: &Path,
    journal: u64,
    number: u64,
    until: Option<u64>,
) -> Result<Scanned, Fault> {
    let failed = |error: io::Error| Fault::io("read", path, &error);
    let mut frames = Frames::new(Arc::clone(file), journal, number, FRAMES).map_err(failed)?;
    let mut scanned = Scanned { tails: Tails::new(), index: Index::default(), used: FRAMES, seal: None };
    while scanned.seal.is_none() && until.is_none_or(|until| scanned.used < until) {
        let at = frames.offset();
        let frame = match frames.step().map_err(failed)? {
            Step::Frame(frame) => frame,
            Step::Stop(reason) => return Err(Fault::corrupt(path, at, reason)),
        };
        match frame.header.kind {
            Kind::Base => {
                let tails = index::decode_tails(&frame.payload).map(|(tails, _)| tails);
                scanned.tails =
                    tails.ok_or_else(|| Fault::corrupt(path, at, "the base of the segment makes no sense"))?;
            }
            Kind::Record => {
                recover::follow(&mut scanned.tails, &frame).map_err(|reason| Fault::corrupt(path, at, reason))?;
                scanned.index.note(ShardId(frame.header.shard), frame.header.position, frame.offset);
            }
            Kind::Seal => scanned.seal = Some(frame.checksum),
        }
        scanned.used = frame.end();
    }
    if until.is_some_and(|until| scanned.used != until) {
        return Err(Fault::corrupt(path, scanned.used, "a frame reaches past the end of the log"));
    }
    Ok(scanned)
}

fn load_state(disk: &dyn Disk) -> Result<State, Fault> {
    let missing =
        || Fault::Missing { file: disk.root().join(super::state::NAME), reason: "every journal has one".to_owned() };
    State::load(disk)?.ok_or_else(missing)
}

fn open(disk: &dyn Disk, number: u64) -> Result<(Arc<dyn DiskFile>, PathBuf), Fault> {
    let name = segment::name(number);
    let path = disk.root().join(&name);
    let file = disk.open(&name, Access::Read).map_err(|error| Fault::io("open", &path, &error))?;
    Ok((file, path))
}

#[cfg(test)]
mod tests;
