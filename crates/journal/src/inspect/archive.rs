//! A journal that is only read, as far as it can be: by people, by `check`, and by a repair.
//!
//! Nothing is refused. What is damaged is passed over, and said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::inspect::Damage;
use crate::local::disk::{Access, Directory, Disk, DiskFile};
use crate::local::frame::{self, Kind};
use crate::local::index::Index;
use crate::local::keys::Keys;
use crate::local::scan::{Frame, Frames, Piece};
use crate::local::state::State;
use crate::local::{recover, segment, snapshot};
use crate::{Address, Fault, Position, Record, ShardId};

/// How much is read at once by a read that jumps, in bytes.
const JUMP_CHUNK: usize = 64 * 1024;
/// A read goes on from where the last one ended if its record is at most so many records further.
const WALK_MAX: u64 = 256;

/// What can still be read of a journal's records and snapshots.
pub struct Archive {
    disk: Arc<dyn Disk>,
    journal: u64,
    keys: Arc<Keys>,
    parts: BTreeMap<u64, Index>,
    /// The last segment with a record, and where its last frame ends.
    last_frame: Option<(u64, u64)>,
    /// The segment in which a shard has its records from a position on.
    starts: BTreeMap<(ShardId, u64), u64>,
    cursor: Option<Cursor>,
    damages: Vec<Damage>,
    /// The segment and offset from which on nothing is to be believed.
    end: Option<(u64, u64)>,
}

/// What a walk over the records of a shard meets.
#[derive(Debug)]
pub enum Entry {
    /// A record whose bytes are as they were written.
    Record(Record),
    /// A record of which only a part is.
    Damaged {
        /// The record, damaged bytes included.
        record: Record,
        /// From where on the payload must not be believed.
        good: usize,
        /// Where the damage is.
        at: Damage,
    },
    /// Bytes in which there may have been records of any shard.
    Lost(Damage),
}

/// Where the last read has ended.
struct Cursor {
    segment: u64,
    shard: ShardId,
    frames: Frames,
    held: Held,
}

/// A record that was read.
struct Held {
    frame: Frame,
    bad: Vec<usize>,
}

impl Archive {
    /// Looks through the journal in a directory. Of a full segment only its index is read.
    ///
    /// # Errors
    /// [`Fault::Missing`] if nothing in the directory belongs to a journal; [`Fault::Sealed`] if it is sealed and there is
    /// no keyring for it, and whatever is wrong with the file of data keys: without them nothing can be read.
    pub fn open(directory: impl AsRef<Path>) -> Result<Archive, Fault> {
        Archive::open_on(Arc::new(Directory::new(directory.as_ref())))
    }

    /// Looks through the journal on a disk, as [`Archive::open`] does in a directory.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn open_on(disk: Arc<dyn Disk>) -> Result<Archive, Fault> {
        let mut damages = Vec::new();
        let state = match State::load(&*disk) {
            Ok(state) => state,
            Err(fault) => {
                damages.push(Damage::of(fault)?);
                None
            }
        };
        let numbers = match super::numbers(&*disk) {
            Ok(numbers) => numbers,
            Err(fault) => {
                damages.push(Damage::of(fault)?);
                Vec::new()
            }
        };
        let journal = match &state {
            Some(state) => state.journal,
            None => owner(&*disk, &numbers)?,
        };
        let keys = Arc::new(Keys::load(&*disk, journal)?);
        let mut archive = Archive {
            disk,
            journal,
            keys,
            parts: BTreeMap::new(),
            last_frame: None,
            starts: BTreeMap::new(),
            cursor: None,
            damages,
            end: None,
        };
        let forgotten = |number: u64| state.as_ref().is_some_and(|state| state.is_forgotten(number));
        for number in numbers.into_iter().filter(|&number| !forgotten(number)) {
            if let Err(fault) = archive.add(number) {
                archive.damages.push(Damage::of(fault)?);
            }
        }
        Ok(archive)
    }

    fn add(&mut self, number: u64) -> Result<(), Fault> {
        let (file, path) = super::open(&*self.disk, &segment::name(number))?;
        let failed = |error: std::io::Error| Fault::io("read", &path, &error);
        let mut page = vec![0; segment::FRAMES as usize];
        file.read_at(&mut page, 0).map_err(failed)?;
        let sealed = recover::load_sealed(&file, self.journal, number, &page).map_err(failed)?;
        let (index, end) = match sealed {
            Some(content) => (content.index, content.end),
            None => {
                let (mut index, mut end) = (Index::default(), segment::FRAMES);
                let mut frames = Frames::new(file, self.journal, number, segment::FRAMES).map_err(failed)?;
                while let Some(piece) = frames.piece().map_err(failed)? {
                    let (Piece::Frame(frame) | Piece::Damaged { frame, .. }) = piece else { continue };
                    end = frame.end();
                    if frame.header.kind == Kind::Record {
                        index.note(ShardId(frame.header.shard), frame.header.position, frame.offset);
                    }
                }
                (index, end)
            }
        };
        if !index.shards.is_empty() {
            self.last_frame = Some((number, end));
        }
        for shard in &index.shards {
            self.starts.insert((shard.shard, shard.first), number);
        }
        self.parts.insert(number, index);
        Ok(())
    }

    /// Returns the data directory, for messages to people.
    pub fn directory(&self) -> &Path {
        self.disk.root()
    }

    /// Returns the random number that all files of the journal carry.
    pub fn journal(&self) -> u64 {
        self.journal
    }

    /// Returns the shards that have left a record or a snapshot.
    pub fn shards(&self) -> BTreeSet<ShardId> {
        let snapshots = super::snapshot_names(&*self.disk).unwrap_or_default();
        self.starts.keys().map(|(shard, _)| *shard).chain(snapshots.into_iter().map(|(shard, _)| shard)).collect()
    }

    /// Returns what kept files from being looked into.
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }

    /// Returns the last position of a shard of which there is any trace in the segments.
    pub fn last(&self, shard: ShardId) -> Position {
        let of_shard = self.parts.values().filter_map(|index| index.shard(shard));
        Position(of_shard.map(|index| index.last).max().unwrap_or(0))
    }

    /// Returns the newest snapshot of a shard that passes its checks, with its position; what is wrong with newer ones is
    /// added to `damages`.
    ///
    /// # Errors
    /// [`Fault::Io`] if the snapshots cannot be listed.
    pub fn snapshot(&self, shard: ShardId, damages: &mut Vec<Damage>) -> Result<Option<(Position, Bytes)>, Fault> {
        for at in snapshot::positions(&*self.disk, shard)? {
            match snapshot::read(&*self.disk, &self.keys, shard, at) {
                Ok(bytes) => return Ok(Some((at, bytes))),
                Err(fault) => damages.push(Damage::of(fault)?),
            }
        }
        Ok(None)
    }

    /// Returns what of the damage that a check has found may have cost the end of the log: it lies behind the last frame
    /// that is left, or concerns that frame's file as a whole.
    pub fn lost_end<'a>(&self, damages: &'a [Damage]) -> Option<&'a Damage> {
        let (last, end) = self.last_frame.unwrap_or((0, 0));
        damages.iter().find(|damage| {
            let number = damage.file.file_name().and_then(|name| name.to_str()).and_then(segment::number);
            number
                .is_some_and(|number| number > last || (number == last && (damage.offset == 0 || damage.offset >= end)))
        })
    }

    /// Ends all walks at the remains of a write that was never acknowledged.
    pub fn cut_at(&mut self, torn: &Damage) {
        let name = torn.file.file_name().and_then(|name| name.to_str());
        self.end = name.and_then(segment::number).map(|number| (number, torn.offset));
    }

    /// Visits what there was of a shard's records when the archive was opened, from a position on, in the order of the
    /// files. What a running server appends meanwhile is left out.
    ///
    /// # Errors
    /// A fault of `visit` ends the walk and is returned. A file that cannot be read is [`Entry::Lost`]. [`Fault::Sealed`] if
    /// a data key is missing: what it seals is not lost as long as somebody may find the key.
    pub fn walk(
        &self,
        shard: ShardId,
        from: Position,
        visit: &mut dyn FnMut(Entry) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let last = self.last(shard);
        for (&number, index) in &self.parts {
            let end = match self.end {
                Some((segment, _)) if number > segment => return Ok(()),
                Some((segment, offset)) if number == segment => offset,
                _ => u64::MAX,
            };
            // A segment of records of others may still have lost some of this shard.
            if index.shard(shard).is_some_and(|index| index.last < from.0) {
                continue;
            }
            let path = self.disk.root().join(segment::name(number));
            let opened = self.disk.open(&segment::name(number), Access::Read);
            let mut frames = match opened.and_then(|file| Frames::new(file, self.journal, number, segment::FRAMES)) {
                Ok(frames) => frames.opening(&self.keys),
                Err(error) => {
                    visit(Entry::Lost(Damage { file: path, offset: 0, reason: error.to_string() }))?;
                    continue;
                }
            };
            loop {
                match frames.piece() {
                    Ok(None) => break,
                    Ok(Some(piece)) => {
                        if let Some(key) = frames.locked() {
                            return Err(self.keys.missing(key, &path));
                        }
                        if piece.offset() >= end {
                            break;
                        }
                        if let Some(entry) = entry(piece, &path, shard, from, last) {
                            visit(entry)?;
                        }
                    }
                    Err(error) => {
                        let (offset, reason) = (frames.offset(), error.to_string());
                        visit(Entry::Lost(Damage { file: path.clone(), offset, reason }))?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads the bytes at an address; fast if addresses come in the order of their records.
    ///
    /// # Errors
    /// [`Fault::Missing`] if no segment has the record, [`Fault::OutOfRange`] if it is not that long, [`Fault::Corrupt`] if
    /// the bytes asked for fail their check, [`Fault::Io`].
    pub fn read(&mut self, shard: ShardId, at: Address) -> Result<Bytes, Fault> {
        let (number, offset) = self.locate(shard, at.position)?;
        let path = self.disk.root().join(segment::name(number));
        let failed = |error: std::io::Error| Fault::io("read", &path, &error);
        let near = |cursor: &Cursor| {
            let before = at.position.0.checked_sub(cursor.held.frame.header.position);
            cursor.segment == number && cursor.shard == shard && before.is_some_and(|records| records <= WALK_MAX)
        };
        let mut cursor = match self.cursor.take().filter(near) {
            Some(cursor) => cursor,
            None => {
                let file = self.disk.open(&segment::name(number), Access::Read).map_err(failed)?;
                let frames = Frames::new(file, self.journal, number, offset).map_err(failed)?;
                let mut frames = frames.chunk(JUMP_CHUNK).only(shard, at.position.0).opening(&self.keys);
                let held = next(&mut frames, shard, at.position).map_err(failed)?;
                let Some(held) = held else { return Err(missing(shard, at.position, path)) };
                Cursor { segment: number, shard, frames, held }
            }
        };
        while cursor.held.frame.header.position < at.position.0 {
            match next(&mut cursor.frames, shard, at.position).map_err(failed)? {
                Some(held) => cursor.held = held,
                None => return Err(missing(shard, at.position, path)),
            }
        }
        if let Some(key) = cursor.frames.locked() {
            return Err(self.keys.missing(key, &path));
        }
        let bytes = slice(&cursor.held, shard, at, &path);
        self.cursor = Some(cursor);
        bytes
    }

    fn locate(&self, shard: ShardId, position: Position) -> Result<(u64, u64), Fault> {
        let start = self.starts.range((shard, 0)..=(shard, position.0)).next_back();
        let found = start.and_then(|(_, &number)| Some((number, self.parts.get(&number)?.find(shard, position.0)?)));
        found.ok_or_else(|| missing(shard, position, self.disk.root().join("journal")))
    }
}

/// Returns the next record of a shard, which is the one wanted or the first after it.
fn next(frames: &mut Frames, shard: ShardId, wanted: Position) -> std::io::Result<Option<Held>> {
    while let Some(piece) = frames.piece()? {
        let (frame, bad) = match piece {
            Piece::Frame(frame) => (frame, Vec::new()),
            Piece::Damaged { frame, bad } => (frame, bad),
            Piece::Lost { .. } => continue,
        };
        let ours = frame.header.kind == Kind::Record && frame.header.shard == shard.0;
        if ours && frame.header.position >= wanted.0 {
            return Ok(Some(Held { frame, bad }));
        }
    }
    Ok(None)
}

fn slice(held: &Held, shard: ShardId, at: Address, path: &Path) -> Result<Bytes, Fault> {
    let Held { frame, bad } = held;
    if frame.header.position != at.position.0 {
        return Err(missing(shard, at.position, path.to_owned()));
    }
    let range = at.offset as usize..at.offset as usize + at.length as usize;
    if range.end > frame.payload.len() {
        return Err(Fault::OutOfRange { shard, at });
    }
    if let Some(block) = frame::blocks_of(range.clone()).find(|block| bad.contains(block)) {
        let offset = frame.offset + (frame::payload_at(frame.payload.len()) + block * frame::BLOCK) as u64;
        return Err(Fault::corrupt(path, offset, "the payload fails its checksum"));
    }
    Ok(Bytes::copy_from_slice(&frame.payload[range]))
}

fn entry(piece: Piece, path: &Path, shard: ShardId, from: Position, last: Position) -> Option<Entry> {
    let ours = |frame: &Frame| {
        let header = frame.header;
        header.kind == Kind::Record && header.shard == shard.0 && (from.0..=last.0).contains(&header.position)
    };
    let here = |offset: u64, reason: &str| Damage { file: path.to_owned(), offset, reason: reason.to_owned() };
    match piece {
        Piece::Frame(frame) => ours(&frame).then(|| Entry::Record(frame.into_record())),
        Piece::Damaged { frame, bad } => ours(&frame).then(|| {
            let good = bad.first().map_or(frame.payload.len(), |block| block * frame::BLOCK);
            let offset = frame.offset + (frame::payload_at(frame.payload.len()) + good) as u64;
            let at = here(offset, "the payload of the frame fails its checksum");
            Entry::Damaged { record: frame.into_record(), good, at }
        }),
        Piece::Lost { at, until, reason } => {
            Some(Entry::Lost(here(at, &format!("{reason}; the next good frame is at {until}"))))
        }
    }
}

/// Returns the journal to which segments and snapshots belong, by their headers.
fn owner(disk: &dyn Disk, numbers: &[u64]) -> Result<u64, Fault> {
    let mut votes = BTreeMap::<u64, usize>::new();
    for &number in numbers {
        let Ok((file, _)) = super::open(disk, &segment::name(number)) else { continue };
        if let Some(journal) = journal_of(&file, number) {
            *votes.entry(journal).or_default() += 1;
        }
    }
    for (shard, at) in super::snapshot_names(disk).unwrap_or_default() {
        if let Ok(journal) = snapshot::journal_of(disk, shard, at) {
            *votes.entry(journal).or_default() += 1;
        }
    }
    let most = votes.into_iter().max_by_key(|&(_, votes)| votes);
    most.map(|(journal, _)| journal).ok_or_else(|| Fault::Missing {
        file: disk.root().join("journal"),
        reason: "no state, segment or snapshot tells which journal this is".to_owned(),
    })
}

fn journal_of(file: &Arc<dyn DiskFile>, number: u64) -> Option<u64> {
    let mut page = vec![0; segment::FRAMES as usize];
    let read = file.read_at(&mut page, 0).ok()?;
    let journal = (read == page.len()).then(|| frame::u64_at(&page, 16))?;
    segment::check_page(&page, journal, number, u64::MAX).is_ok().then_some(journal)
}

fn missing(shard: ShardId, position: Position, file: PathBuf) -> Fault {
    Fault::Missing { file, reason: format!("it should hold record {position} of shard {shard}") }
}
