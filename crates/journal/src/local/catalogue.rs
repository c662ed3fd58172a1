//! Which segments there are, and which of them holds a record.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::disk::{Access, Disk, DiskFile};
use super::index::{Index, ShardIndex, Span};
use super::ranges::Ranges;
use super::segment;
use crate::ShardId;

/// The segments of a journal.
pub(crate) struct Catalogue {
    disk: Arc<dyn Disk>,
    segments: RwLock<Segments>,
    open: Mutex<OpenFiles>,
}

/// Segments that were read lately and stay open. There may be thousands of segments, and far fewer file descriptors.
///
/// They are of two generations: what is read belongs to the younger one, and when that is full, the older one is closed
/// and the younger one is the older one. So who is read again and again stays, and nobody keeps a list in order of reading.
struct OpenFiles {
    /// How many of one generation.
    most: usize,
    younger: HashMap<u64, Arc<dyn DiskFile>>,
    older: HashMap<u64, Arc<dyn DiskFile>>,
}

impl OpenFiles {
    /// Makes room for some files.
    fn new(open_max: usize) -> OpenFiles {
        OpenFiles { most: (open_max / 2).max(1), younger: HashMap::new(), older: HashMap::new() }
    }

    fn get(&mut self, number: u64) -> Option<Arc<dyn DiskFile>> {
        if let Some(file) = self.younger.get(&number) {
            return Some(Arc::clone(file));
        }
        let file = self.older.remove(&number)?;
        self.put(number, Arc::clone(&file));
        Some(file)
    }

    fn put(&mut self, number: u64, file: Arc<dyn DiskFile>) {
        if self.younger.len() >= self.most {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(number, file);
    }

    fn close(&mut self, number: u64) {
        self.younger.remove(&number);
        self.older.remove(&number);
    }
}

#[derive(Default)]
struct Segments {
    by_number: BTreeMap<u64, Segment>,
    /// The segment in which a shard has its records from a position on.
    starts: BTreeMap<(ShardId, u64), u64>,
    /// The lowest position that has not been trimmed.
    kept: BTreeMap<ShardId, u64>,
    /// Positions above those that nobody needs either.
    released: BTreeMap<ShardId, Ranges>,
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
    /// How many records of the shard are between that frame and the record, that frame counted.
    pub(crate) steps: u64,
    /// A frame behind the record, if the index has one.
    pub(crate) until: Option<u64>,
}

impl Catalogue {
    /// Makes an empty catalogue that keeps at most `open_max` segments open to read.
    pub(crate) fn new(disk: Arc<dyn Disk>, open_max: usize) -> Catalogue {
        Catalogue { disk, segments: RwLock::default(), open: Mutex::new(OpenFiles::new(open_max)) }
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
        let Span { offset, steps, until } = segments.by_number.get(&number)?.index.span(shard, position)?;
        Some(Place { segment: number, offset, steps, until })
    }

    /// Returns the lowest position of a shard, from `from` on, that is there.
    pub(crate) fn first(&self, shard: ShardId, from: u64) -> Option<u64> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let from = from.max(segments.kept.get(&shard).copied().unwrap_or(0));
        segments.held(shard, from, u64::MAX).next().map(|(index, _)| index.first.max(from))
    }

    /// Returns the lowest position of a shard in a range that is not there.
    pub(crate) fn missing(&self, shard: ShardId, from: u64, to: u64) -> Option<u64> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        if from > to {
            return None;
        }
        if from < segments.kept.get(&shard).copied().unwrap_or(0) {
            return Some(from);
        }
        let mut next = from;
        for (index, _) in segments.held(shard, from, to) {
            if index.first > next {
                break;
            }
            next = index.last + 1;
        }
        (next <= to).then_some(next)
    }

    /// Returns the numbers of all segments, from `from` on.
    pub(crate) fn numbers(&self, from: u64) -> Vec<u64> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.by_number.range(from..).map(|(&number, _)| number).collect()
    }

    /// Notes a trim, and takes the segments that no shard needs any more out of the catalogue; returns their numbers and
    /// their bytes. The last segment stays, because it is written to.
    pub(crate) fn trim(&self, shard: ShardId, below: u64) -> Vec<(u64, u64)> {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        let kept = segments.kept.entry(shard).or_default();
        let before = *kept;
        *kept = below.max(before);
        if let Some(released) = segments.released.get_mut(&shard) {
            released.drop_below(below);
        }
        let retired = segments.retire(shard, &[(before, below.saturating_sub(1))]);
        drop(segments);
        self.close(&retired);
        retired
    }

    /// Notes that records in ranges are not needed, and takes the segments that no shard needs any more out of the
    /// catalogue, as [`trim`](Catalogue::trim) does.
    pub(crate) fn release(&self, shard: ShardId, ranges: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        let kept = segments.kept.get(&shard).copied().unwrap_or(0);
        let released = segments.released.entry(shard).or_default();
        for &(first, last) in ranges {
            released.insert(first.max(kept), last);
        }
        let retired = segments.retire(shard, ranges);
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
        if let Some(file) = self.lock_open().get(number) {
            return Ok(file);
        }
        let file = self.disk.open(&segment::name(number), Access::Read)?;
        self.lock_open().put(number, Arc::clone(&file));
        Ok(file)
    }

    fn close(&self, retired: &[(u64, u64)]) {
        if !retired.is_empty() {
            let mut open = self.lock_open();
            retired.iter().for_each(|&(number, _)| open.close(number));
        }
    }

    fn lock_open(&self) -> MutexGuard<'_, OpenFiles> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Segments {
    /// Returns what segments hold of a shard from one position to another, in order, each with the segment's number.
    fn held(&self, shard: ShardId, from: u64, to: u64) -> impl Iterator<Item = (&ShardIndex, u64)> {
        let before = self.starts.range((shard, 0)..(shard, from)).next_back();
        let within = (from <= to).then(|| self.starts.range((shard, from)..=(shard, to)));
        let numbers = before.into_iter().chain(within.into_iter().flatten()).map(|(_, &number)| number);
        let held = numbers.filter_map(move |number| Some((self.by_number.get(&number)?.index.shard(shard)?, number)));
        held.filter(move |(index, _)| index.last >= from && index.first <= to)
    }

    /// Takes out the segments with records of a shard in some ranges, if nobody needs any record of them, and the first
    /// ones if they have no records at all.
    fn retire(&mut self, shard: ShardId, ranges: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let active = self.by_number.last_key_value().map_or(0, |(&number, _)| number);
        let mut numbers: Vec<u64> =
            ranges.iter().flat_map(|&(from, to)| self.held(shard, from, to)).map(|(_, number)| number).collect();
        numbers
            .extend(self.by_number.iter().take_while(|(_, segment)| segment.index.shards.is_empty()).map(|(&n, _)| n));
        numbers.sort_unstable();
        numbers.dedup();
        numbers.retain(|&number| number != active && !self.is_needed(number));
        let mut retired = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(segment) = self.by_number.remove(&number) else { continue };
            for shard in &segment.index.shards {
                self.starts.remove(&(shard.shard, shard.first));
            }
            retired.push((number, segment.bytes));
        }
        retired
    }

    fn is_needed(&self, number: u64) -> bool {
        let needed = |index: &ShardIndex| {
            let first = index.first.max(self.kept.get(&index.shard).copied().unwrap_or(0));
            let released = self.released.get(&index.shard);
            first <= index.last && !released.is_some_and(|released| released.covers(first, index.last))
        };
        self.by_number.get(&number).is_some_and(|segment| segment.index.shards.iter().any(needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::simulated::Simulated;

    #[test]
    fn few_files_stay_open_and_the_one_that_is_read_again_and_again_does() {
        let disk = Simulated::new();
        let mut open = OpenFiles::new(8);
        for number in 0..100 {
            open.put(number, disk.create(&number.to_string()).expect("creates"));
            assert!(open.get(number).is_some(), "{number} was just opened");
            assert!(open.get(0).is_some(), "the first is read all the time, and is closed at {number}");
            assert!(open.younger.len() + open.older.len() <= 8);
        }
        assert!(open.get(50).is_none());
        open.close(0);
        open.close(99);
        assert!(open.get(0).is_none() && open.get(99).is_none());
    }
}
