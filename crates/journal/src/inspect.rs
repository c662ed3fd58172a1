//! Looks into a data directory without changing it, for people and for `check`.
//!
//! Nothing here takes the lock, so a directory can be looked into while a server uses it; then the last records may be
//! half-written and look like a torn tail, and a file that is trimmed at that moment may not be found.

mod archive;
#[cfg(test)]
mod tests;

pub use archive::{Archive, Entry};

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::local::disk::{Access, Directory, Disk, DiskFile};
use crate::local::frame::Kind;
use crate::local::index::Tails;
use crate::local::keys::{self, Keys};
use crate::local::scan::{self, Frame, Piece, Step};
use crate::local::segment;
use crate::local::snapshot;
use crate::local::state::State;
use crate::local::{frame, recover};
use crate::{Epoch, Fault, Position, ShardId};

/// How much damage is listed of one segment.
const LISTED_MAX: usize = 1000;

/// What a data directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// The random number that all files of the journal carry.
    pub journal: u64,
    /// How often the journal has been opened.
    pub opens: u64,
    /// The lowest segment that must be there.
    pub first_segment: u64,
    /// The segments above it that are gone because nobody needed them any more, in order.
    pub gone: Vec<RangeInclusive<u64>>,
    /// The segment and offset at which the log ended when it was closed; `None` while it is open, and after a crash.
    pub closed_at: Option<(u64, u64)>,
    /// The segments, in order.
    pub segments: Vec<SegmentInfo>,
    /// The snapshots, by shard and position.
    pub snapshots: Vec<SnapshotInfo>,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number.
    pub number: u64,
    /// Its file.
    pub file: PathBuf,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Where its seal is, if it has one: the journal goes on in the next segment.
    pub sealed_at: Option<u64>,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// The shard whose state it is.
    pub shard: ShardId,
    /// The last record that it includes.
    pub position: Position,
    /// Its file.
    pub file: PathBuf,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// A frame of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// Where it begins in the file.
    pub offset: u64,
    /// What it is.
    pub kind: FrameKind,
    /// Bytes of the whole frame.
    pub bytes: u64,
    /// Its header's checksum.
    pub checksum: u32,
    /// The segment was durable up to this offset when the frame was made.
    pub synced: u32,
}

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The first frame of a segment: where the shards stood.
    Base(Vec<(ShardId, Position)>),
    /// A record.
    Record {
        /// Its shard.
        shard: ShardId,
        /// The tenure that wrote it.
        epoch: Epoch,
        /// Its position.
        position: Position,
        /// The writer's clock, in milliseconds since 1970.
        clock_ms: u64,
        /// How many events it holds.
        count: u32,
        /// Bytes of its payload.
        payload_bytes: u32,
        /// Checksum of the header of the shard's previous record.
        chain: u32,
    },
    /// The last frame of a segment: where the shards stand.
    Seal(Vec<(ShardId, Position)>),
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// In which file.
    pub file: PathBuf,
    /// From where on, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

impl Damage {
    /// Returns what a fault says about the files; an error if it speaks of something else.
    ///
    /// # Errors
    /// Any fault that does not name a file: it is not about what is stored.
    pub fn of(fault: Fault) -> Result<Damage, Fault> {
        let text = fault.to_string();
        match fault {
            Fault::Corrupt { file, offset, reason } => Ok(Damage { file, offset, reason }),
            Fault::Missing { file, reason } => {
                Ok(Damage { file, offset: 0, reason: format!("it is missing: {reason}") })
            }
            Fault::Io { file, .. } => Ok(Damage { file, offset: 0, reason: text }),
            fault => Err(fault),
        }
    }
}

impl From<Damage> for Fault {
    fn from(Damage { file, offset, reason }: Damage) -> Self {
        Fault::Corrupt { file, offset, reason }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records that passed all checks.
    pub records: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Segments with records, or ready for some.
    pub segments: u64,
    /// Snapshots that passed all checks.
    pub snapshots: u64,
    /// The last position of each shard.
    pub shards: Vec<(ShardId, Position)>,
    /// The remains of a write that was never acknowledged; the next start cuts them off.
    pub torn_tail: Option<Damage>,
    /// What is wrong, in the order of the files. Empty if all is well.
    pub damages: Vec<Damage>,
}

/// Lists what a data directory holds.
///
/// # Errors
/// [`Fault::Missing`] if there is no journal, [`Fault::Corrupt`] if its state fails its check, [`Fault::Io`].
pub fn overview(directory: impl AsRef<Path>) -> Result<Overview, Fault> {
    overview_on(&Directory::new(directory.as_ref()))
}

/// Lists what a disk holds, as [`overview`] does for a directory.
///
/// # Errors
/// As [`overview`].
pub fn overview_on(disk: &dyn Disk) -> Result<Overview, Fault> {
    let state = state(disk)?;
    let mut segments = Vec::new();
    for number in numbers(disk)? {
        let (file, path) = open(disk, &segment::name(number))?;
        let bytes = file.length().map_err(|error| Fault::io("measure", &path, &error))?;
        let mut page = vec![0; segment::FRAMES as usize];
        file.read_at(&mut page, 0).map_err(|error| Fault::io("read", &path, &error))?;
        let sealed_at = segment::sealed_at(&page, state.journal, number);
        segments.push(SegmentInfo { number, file: path, bytes, sealed_at });
    }
    let mut snapshots = Vec::new();
    for (shard, position) in snapshot_names(disk)? {
        let (file, path) = open(disk, &snapshot::name(shard, position))?;
        let bytes = file.length().map_err(|error| Fault::io("measure", &path, &error))?;
        snapshots.push(SnapshotInfo { shard, position, file: path, bytes });
    }
    let State { journal, opens, first, gone, clean } = state;
    let gone = gone.iter().map(|(first, last)| first..=last).collect();
    Ok(Overview { journal, opens, first_segment: first, gone, closed_at: clean, segments, snapshots })
}

/// Returns the newest snapshot of a shard that passes its check, and its position; `None` if there is none.
///
/// # Errors
/// As [`overview`]; [`Fault::Corrupt`] if there are snapshots of the shard and none passes, [`Fault::Sealed`] if they are
/// sealed and the disk has not the keyring for them.
pub fn snapshot_on(disk: &dyn Disk, shard: ShardId) -> Result<Option<(Position, Bytes)>, Fault> {
    let keys = Keys::load(disk, state(disk)?.journal)?;
    let mut damaged = None;
    for (of, position) in snapshot_names(disk)?.into_iter().rev() {
        if of != shard {
            continue;
        }
        match snapshot::read(disk, &keys, shard, position) {
            Ok(bytes) => return Ok(Some((position, bytes))),
            Err(fault @ Fault::Corrupt { .. }) => damaged = damaged.or(Some(fault)),
            Err(fault) => return Err(fault),
        }
    }
    damaged.map_or(Ok(None), Err)
}

/// Visits the frames of one segment, up to the first place where there is no valid frame; returns that place, and why it
/// is none. In a segment that is in use that is simply its end. No key is needed.
///
/// # Errors
/// As [`overview`]; [`Fault::Io`] if there is no such segment.
pub fn outline(directory: impl AsRef<Path>, number: u64, visit: &mut dyn FnMut(FrameInfo)) -> Result<Damage, Fault> {
    visit_frames(&Directory::new(directory.as_ref()), number, None, &mut |frame, _| visit(frame))
}

/// Visits the frames of a segment as [`outline`] does, with the payloads of records, opened.
///
/// # Errors
/// As [`outline`]; [`Fault::Sealed`] if they are sealed and the disk has not the keyring for them.
pub fn frames_on(disk: &dyn Disk, number: u64, visit: &mut dyn FnMut(FrameInfo, &[u8])) -> Result<Damage, Fault> {
    let keys = Keys::load(disk, state(disk)?.journal)?;
    visit_frames(disk, number, Some(&Arc::new(keys)), visit)
}

fn visit_frames(
    disk: &dyn Disk,
    number: u64,
    keys: Option<&Arc<Keys>>,
    visit: &mut dyn FnMut(FrameInfo, &[u8]),
) -> Result<Damage, Fault> {
    let journal = state(disk)?.journal;
    let (file, path) = open(disk, &segment::name(number))?;
    let failed = |error: std::io::Error| Fault::io("read", &path, &error);
    let mut frames = scan::frames(&file, journal, number).map_err(failed)?;
    if let Some(keys) = keys {
        frames = frames.opening(keys);
    }
    loop {
        match frames.step().map_err(failed)? {
            Step::Frame(frame) => visit(info(&frame), &frame.payload),
            Step::Stop(reason) => {
                if let (Some(keys), Some(key)) = (keys, frames.locked()) {
                    return Err(keys.missing(key, &path));
                }
                let offset = frames.offset();
                return Ok(Damage { file: path, offset, reason: reason.to_owned() });
            }
        }
    }
}

/// Checks every byte that a data directory must hold, and changes nothing. What is sealed is checked as it is stored, so
/// no key is needed.
///
/// # Errors
/// Only what prevents checking: [`Fault::Missing`] if there is no journal, [`Fault::Io`]. What is found is in the report.
pub fn check(directory: impl AsRef<Path>) -> Result<Report, Fault> {
    check_on(&Directory::new(directory.as_ref()))
}

/// Checks a disk as [`check`] does a directory.
///
/// # Errors
/// As [`check`].
pub fn check_on(disk: &dyn Disk) -> Result<Report, Fault> {
    let mut report = Report::default();
    let state = match state(disk) {
        Ok(state) => state,
        Err(Fault::Corrupt { file, offset, reason }) => {
            report.damages.push(Damage { file, offset, reason });
            return Ok(report);
        }
        Err(fault) => return Err(fault),
    };
    match keys::check(disk) {
        Ok(()) => {}
        Err(Fault::Corrupt { file, offset, reason }) => report.damages.push(Damage { file, offset, reason }),
        Err(fault) => return Err(fault),
    }
    check_segments(disk, &state, &mut report)?;
    // What a running journal has trimmed meanwhile was not damaged, but taken away or used again.
    let now = self::state(disk)?;
    let trimmed = |file: &Path| {
        let name = file.file_name().and_then(|name| name.to_str());
        name.and_then(segment::number).is_some_and(|number| now.is_forgotten(number))
    };
    report.damages.retain(|damage| !trimmed(&damage.file));
    for (shard, position) in snapshot_names(disk)? {
        match snapshot::check(disk, Some(state.journal), shard, position) {
            Ok(()) => {
                report.snapshots += 1;
                let last = report.shards.iter().find(|(of, _)| *of == shard).map_or(Position::START, |(_, last)| *last);
                if position > last {
                    let file = disk.root().join(snapshot::name(shard, position));
                    let reason = format!("the log of shard {shard} ends at {last}, before this snapshot");
                    report.damages.push(Damage { file, offset: 0, reason });
                }
            }
            Err(Fault::Corrupt { file, offset, reason }) => report.damages.push(Damage { file, offset, reason }),
            Err(fault) => return Err(fault),
        }
    }
    Ok(report)
}

fn check_segments(disk: &dyn Disk, state: &State, report: &mut Report) -> Result<(), Fault> {
    let mut expected = state.first;
    let mut tails: Option<Tails> = None;
    // Where the log seems to end: nothing may follow.
    let mut ended: Option<(u64, Damage)> = None;
    let mut last = (state.first, segment::FRAMES);
    let mut before: Option<u64> = None;
    let numbers: Vec<u64> = numbers(disk)?.into_iter().filter(|&number| !state.is_forgotten(number)).collect();
    for &number in &numbers {
        let (file, path) = open(disk, &segment::name(number))?;
        if number != expected {
            let file = disk.root().join(segment::name(expected));
            let reason = format!("it is missing, but segment {number} is there");
            report.damages.push(Damage { file, offset: 0, reason });
            // What comes cannot be compared with what is gone.
            tails = None;
        }
        expected = state.after(number);
        let hole = before.replace(number).is_some_and(|before| before + 1 < number);
        let checked = check_segment(&file, &path, state.journal, number, report)?;
        let Some(checked) = checked else {
            tails = None;
            continue;
        };
        if checked.used {
            if let Some((number, ended)) = ended.take() {
                report.torn_tail = None;
                let (file, path) = open(disk, &segment::name(number))?;
                let grown = has_grown(&file, state.journal, number, ended.offset);
                if !grown.map_err(|error| Fault::io("read", path, &error))? {
                    report.damages.push(ended);
                }
            } else if tails.as_ref().is_some_and(|tails| !recover::follows(tails, &checked.base, hole)) {
                let reason = "the segment does not begin where the one before it ends".to_owned();
                report.damages.push(Damage { file: path.clone(), offset: segment::FRAMES, reason });
            }
            last = (number, checked.end);
            tails = Some(checked.tails);
        }
        if checked.damaged {
            tails = None;
        }
        if let Some(reason) = checked.stop {
            let here = Damage { file: path, offset: checked.end, reason };
            if checked.torn && report.torn_tail.is_none() {
                report.torn_tail = Some(here.clone());
            }
            if checked.used || ended.is_none() {
                ended = Some((number, here));
            }
        }
        report.segments += 1;
    }
    if report.segments == 0 {
        let file = disk.root().join(segment::name(state.first));
        report.damages.push(Damage { file, offset: 0, reason: "the first segment is missing".to_owned() });
    }
    if state.gone.last() > numbers.last().copied() {
        let file = disk.root().join(segment::name(expected));
        let reason = "it is missing, but segments before it have been released".to_owned();
        report.damages.push(Damage { file, offset: 0, reason });
    }
    if let Some((number, offset)) = state.clean.filter(|clean| *clean != last) {
        let file = disk.root().join(segment::name(last.0));
        let reason = format!("the log ends here, but was closed at {offset} of segment {number}");
        report.damages.push(Damage { file, offset: last.1, reason });
        report.torn_tail = None;
    }
    Ok(())
}

/// What the frames of one segment say.
struct Checked {
    base: Tails,
    tails: Tails,
    end: u64,
    used: bool,
    /// Damage was found within it.
    damaged: bool,
    /// Why there is no frame at the end, unless it is sealed.
    stop: Option<String>,
    /// There are remains of a write after the end.
    torn: bool,
}

/// Checks one segment; `None` if it is none at all.
fn check_segment(
    file: &Arc<dyn DiskFile>,
    path: &Path,
    journal: u64,
    number: u64,
    report: &mut Report,
) -> Result<Option<Checked>, Fault> {
    let failed = |error: std::io::Error| Fault::io("read", path, &error);
    let mut page = vec![0; segment::FRAMES as usize];
    let read = file.read_at(&mut page, 0).map_err(failed)?;
    if let Err(reason) = segment::check_page(&page[..read], journal, number, file.length().map_err(failed)?) {
        report.damages.push(Damage { file: path.to_owned(), offset: 0, reason: reason.to_owned() });
        return Ok(None);
    }
    let content = recover::walk(file, journal, number, &mut |frame| {
        if frame.header.kind == Kind::Record {
            report.records += 1;
            report.payload_bytes += u64::from(frame.header.length);
        }
    });
    let content = content.map_err(failed)?;
    for (&shard, tail) in &content.tails {
        report.shards.retain(|(of, _)| *of != shard);
        report.shards.push((shard, Position(tail.last)));
    }
    report.shards.sort_unstable();
    let mut checked = Checked {
        base: content.base,
        tails: content.tails,
        end: content.end,
        used: !content.unused,
        damaged: false,
        stop: None,
        torn: false,
    };
    if content.sealed {
        return Ok(Some(checked));
    }
    let mut after = scan::Frames::new(Arc::clone(file), journal, number, content.end).map_err(failed)?;
    let remains = after.remains().map_err(failed)?;
    if remains.any && has_grown(file, journal, number, content.end).map_err(failed)? {
        // Written between the two looks: what comes next cannot be compared with this.
        checked.damaged = true;
        return Ok(Some(checked));
    }
    if let Some(proof) = remains.proof {
        let reason = format!("{}, and the frame at {proof} proves that it was durable", content.stop);
        report.damages.push(Damage { file: path.to_owned(), offset: content.end, reason });
        report.look_behind(after, path, content.end).map_err(failed)?;
        checked.damaged = true;
        // Nothing more can be said about the end of this segment.
        return Ok(Some(checked));
    }
    checked.stop = Some(content.stop.to_owned());
    checked.torn = remains.any;
    Ok(Some(checked))
}

/// Tells whether a running server has written on where a segment seemed to end.
fn has_grown(file: &Arc<dyn DiskFile>, journal: u64, number: u64, end: u64) -> std::io::Result<bool> {
    Ok(recover::walk(file, journal, number, &mut |_| {})?.end > end)
}

impl Report {
    /// Notes what there is behind the first damage of a segment.
    fn look_behind(&mut self, mut frames: scan::Frames, path: &Path, first: u64) -> std::io::Result<()> {
        let mut listed = 0;
        while let Some(piece) = frames.piece()? {
            let offset = piece.offset();
            if listed == LISTED_MAX {
                let reason = "there is more damage from here on than is worth listing".to_owned();
                self.damages.push(Damage { file: path.to_owned(), offset, reason });
                return Ok(());
            }
            let reason = match piece {
                Piece::Frame(frame) => {
                    self.records += u64::from(frame.header.kind == Kind::Record);
                    self.payload_bytes += u64::from(frame.header.length);
                    continue;
                }
                _ if offset == first => continue,
                Piece::Damaged { frame, .. } => {
                    let (shard, position) = (frame.header.shard, frame.header.position);
                    format!("the payload of record {position} of shard {shard} fails its checksum")
                }
                Piece::Lost { until, reason, .. } => format!("{reason}; the next good frame is at {until}"),
            };
            self.damages.push(Damage { file: path.to_owned(), offset, reason });
            listed += 1;
        }
        Ok(())
    }
}

fn info(frame: &Frame) -> FrameInfo {
    let header = frame.header;
    let standing = || {
        let tails = crate::local::index::decode_tails(&frame.payload).map(|(tails, _)| tails).unwrap_or_default();
        tails.into_iter().map(|(shard, tail)| (shard, Position(tail.last))).collect()
    };
    let kind = match header.kind {
        Kind::Base => FrameKind::Base(standing()),
        Kind::Seal => FrameKind::Seal(standing()),
        Kind::Record => FrameKind::Record {
            shard: ShardId(header.shard),
            epoch: Epoch(header.epoch),
            position: Position(header.position),
            clock_ms: header.clock_ms,
            count: header.count,
            payload_bytes: header.length,
            chain: header.chain,
        },
    };
    let bytes = frame::frame_bytes(header.length as usize) as u64;
    FrameInfo { offset: frame.offset, kind, bytes, checksum: frame.checksum, synced: header.synced }
}

/// Tells whether a file is, or was, a segment that a running server has put away meanwhile.
pub fn is_trimmed(directory: impl AsRef<Path>, file: &Path) -> bool {
    let number = file.file_name().and_then(|name| name.to_str()).and_then(segment::number);
    let state = state(&Directory::new(directory.as_ref()));
    number.is_some_and(|number| state.is_ok_and(|state| state.is_forgotten(number)))
}

fn state(disk: &dyn Disk) -> Result<State, Fault> {
    let missing = || Fault::Missing {
        file: disk.root().join(crate::local::state::NAME),
        reason: "every journal has one".to_owned(),
    };
    State::load(disk)?.ok_or_else(missing)
}

pub(crate) fn numbers(disk: &dyn Disk) -> Result<Vec<u64>, Fault> {
    let files = disk.list("journal").map_err(|error| Fault::io("list", disk.root().join("journal"), &error))?;
    let mut numbers: Vec<_> = files.iter().filter_map(|file| segment::number(file)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn snapshot_names(disk: &dyn Disk) -> Result<Vec<(ShardId, Position)>, Fault> {
    let files = disk.list("snapshots").map_err(|error| Fault::io("list", disk.root().join("snapshots"), &error))?;
    let mut names: Vec<_> = files.iter().filter_map(|file| snapshot::identity(file)).collect();
    names.sort_unstable();
    Ok(names)
}

fn open(disk: &dyn Disk, name: &str) -> Result<(Arc<dyn DiskFile>, PathBuf), Fault> {
    let path = disk.root().join(name);
    let file = disk.open(name, Access::Read).map_err(|error| Fault::io("open", &path, &error))?;
    Ok((file, path))
}
