//! Which segments there are, and which of them holds a record.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::disk::{Access, Disk, DiskFile};
use super::index::Index;
use super::segment;
use crate::ShardId;

/// Sealed segments that stay open at once. There may be thousands of segments, and far fewer file descriptors.
const OPEN_MAX: usize = 32;

/// The segments of a journal.
pub(crate) struct Catalogue {
    disk: Arc<dyn Disk>,
    segments: RwLock<Segments>,
    /// Recently read, the newest last.
    open: Mutex<VecDeque<(u64, Arc<dyn DiskFile>)>>,
}

#[derive(Default)]
struct Segments {
    by_number: BTreeMap<u64, Segment>,
    /// The segment in which a shard has its records from a position on.
    starts: BTreeMap<(ShardId, u64), u64>,
    /// The lowest position that has not been trimmed.
    kept: BTreeMap<ShardId, u64>,
}

struct Segment {
    index: Index,
    bytes: u64,
}

/// Where to look for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    /// A frame at or before the record, less than [`super::index::SPAN`] bytes before it.
    pub(crate) offset: u64,
}

impl Catalogue {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Catalogue {
        Catalogue { disk, segments: RwLock::default(), open: Mutex::default() }
    }

    /// Adds a segment, above all others.
    pub(crate) fn add(&self, number: u64, index: Index, bytes: u64) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        for shard in &index.shards {
            segments.starts.insert((shard.shard, shard.first), number);
        }
        segments.by_number.insert(number, Segment { index, bytes });
    }

    /// Notes frames that have been written to a segment: shard, position and offset of each.
    pub(crate) fn note(&self, number: u64, frames: &[(ShardId, u64, u64)], end: u64) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        let Segments { by_number, starts, .. } = &mut *segments;
        let segment = by_number.get_mut(&number).expect("frames are written to segments of the catalogue");
        segment.bytes = segment.bytes.max(end);
        for &(shard, position, offset) in frames {
            if segment.index.note(shard, position, offset) {
                starts.insert((shard, position), number);
            }
        }
    }

    /// Returns the index of a segment as bytes.
    pub(crate) fn encode_index(&self, number: u64, out: &mut Vec<u8>) {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        match segments.by_number.get(&number) {
            Some(segment) => segment.index.encode(out),
            None => Index::default().encode(out),
        }
    }

    /// Returns where to look for a record, or `None` if it is not in any segment or has been trimmed.
    pub(crate) fn locate(&self, shard: ShardId, position: u64) -> Option<Place> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        if position < segments.kept.get(&shard).copied().unwrap_or(0) {
            return None;
        }
        let (_, &number) = segments.starts.range((shard, 0)..=(shard, position)).next_back()?;
        let offset = segments.by_number.get(&number)?.index.find(shard, position)?;
        Some(Place { segment: number, offset })
    }

    /// Returns the lowest position of a shard that is there.
    pub(crate) fn first(&self, shard: ShardId) -> Option<u64> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let (&(_, first), _) = segments.starts.range((shard, 0)..=(shard, u64::MAX)).next()?;
        Some(first.max(segments.kept.get(&shard).copied().unwrap_or(0)))
    }

    /// Returns the number of the segment that is written to.
    pub(crate) fn last(&self) -> u64 {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.by_number.last_key_value().map_or(0, |(&number, _)| number)
    }

    /// Returns the numbers of all segments, from `from` on.
    pub(crate) fn numbers(&self, from: u64) -> Vec<u64> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.by_number.range(from..).map(|(&number, _)| number).collect()
    }

    /// Notes a trim, and takes the segments that no shard needs any more out of the catalogue; they are a prefix, and never
    /// include `active`.
    pub(crate) fn trim(&self, shard: ShardId, below: u64, active: u64) -> Vec<u64> {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        let kept = segments.kept.entry(shard).or_default();
        *kept = below.max(*kept);
        let mut retired = Vec::new();
        while let Some((&number, segment)) = segments.by_number.first_key_value() {
            let kept = &segments.kept;
            let needed = |shard: &super::index::ShardIndex| shard.last >= kept.get(&shard.shard).copied().unwrap_or(0);
            if number >= active || segment.index.shards.iter().any(needed) {
                break;
            }
            let Some(segment) = segments.by_number.remove(&number) else { break };
            for shard in &segment.index.shards {
                segments.starts.remove(&(shard.shard, shard.first));
            }
            retired.push(number);
        }
        drop(segments);
        self.close(&retired);
        retired
    }

    /// Returns how many segments there are, and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        (segments.by_number.len() as u64, segments.by_number.values().map(|segment| segment.bytes).sum())
    }

    /// Returns a segment's file, to read.
    pub(crate) fn file(&self, number: u64) -> io::Result<Arc<dyn DiskFile>> {
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let found = open.iter().position(|(other, _)| *other == number);
            if let Some(entry) = found.and_then(|at| open.remove(at)) {
                let file = Arc::clone(&entry.1);
                open.push_back(entry);
                return Ok(file);
            }
        }
        let file = self.disk.open(&segment::name(number), Access::Read)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(other, _)| *other != number);
        open.push_back((number, Arc::clone(&file)));
        if open.len() > OPEN_MAX {
            open.pop_front();
        }
        Ok(file)
    }

    fn close(&self, numbers: &[u64]) {
        if !numbers.is_empty() {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|(number, _)| !numbers.contains(number));
        }
    }
}
