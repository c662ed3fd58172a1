//! Which chunk may list an id: a few bits of every id on disk.
//!
//! One table serves 256 chunks that were filed one after the other, so it is filled once, never changed, and
//! dropped as a whole. A table is an array of buckets of 64 bytes, one line of the processor's cache: a look-up costs
//! one access to memory for every table, however many chunks there are.

use crate::ids::ChunkId;

/// Places in a bucket.
const PLACES: usize = 16;
/// Bits of a place that tell the chunk among those of its table; the other bits are of the mark.
const CHUNK_BITS: u32 = 8;
/// Most bits of a mark in a place.
pub(super) const TAG_BITS: u32 = u32::BITS - CHUNK_BITS;
/// Ids for which a bucket is provided: full buckets make look-ups go on with the next.
const FILL: usize = 13;

/// The marks of all chunks.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    tables: Vec<Table>,
    /// The bits of a mark that are kept.
    tag: u32,
}

/// The marks of a run of chunks.
#[derive(Clone, Debug)]
struct Table {
    buckets: Vec<Bucket>,
    chunks: Vec<ChunkId>,
    /// How many more ids it takes.
    room: usize,
}

/// Places, filled from the front; 0 is empty.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Bucket([u32; PLACES]);

impl Marks {
    /// Makes an empty set that keeps so many bits of every mark.
    pub(super) fn new(bits: u32) -> Self {
        Marks { tables: Vec::new(), tag: (1 << bits.min(TAG_BITS)) - 1 }
    }

    /// Adds the ids of a chunk.
    pub(super) fn insert(&mut self, chunk: ChunkId, marks: impl ExactSizeIterator<Item = u64>) {
        let fits = |table: &Table| table.room >= marks.len() && table.chunks.len() < 1 << CHUNK_BITS;
        if !self.tables.last().is_some_and(fits) {
            self.tables.push(Table::new(marks.len() << CHUNK_BITS));
        }
        let table = self.tables.last_mut().expect("a table was just added");
        table.room -= marks.len();
        let place = table.chunks.len() as u32;
        table.chunks.push(chunk);
        for mark in marks {
            table.insert(mark, tag(mark, self.tag) << CHUNK_BITS | place);
        }
    }

    /// Lists the chunks that may hold an id with this mark, the newest table first.
    pub(super) fn candidates(&self, mark: u64) -> Vec<ChunkId> {
        let mut found = Vec::new();
        for table in self.tables.iter().rev() {
            table.find(mark, tag(mark, self.tag), &mut found);
        }
        found
    }

    /// Forgets the tables all of whose chunks are before this one.
    pub(super) fn drop_before(&mut self, first: ChunkId) {
        self.tables.retain(|table| table.chunks.iter().any(|chunk| *chunk >= first));
    }
}

/// Returns the bits that are kept of a mark: never 0, which is an empty place.
fn tag(mark: u64, bits: u32) -> u32 {
    (mark as u32 & bits).max(1)
}

impl Table {
    fn new(ids: usize) -> Self {
        let buckets = ids.div_ceil(FILL);
        Table { buckets: vec![Bucket([0; PLACES]); buckets], chunks: Vec::new(), room: ids }
    }

    /// Returns the bucket where a mark belongs. Its upper bits say so, and the lower ones are kept.
    fn home(&self, mark: u64) -> usize {
        ((u128::from(mark) * self.buckets.len() as u128) >> 64) as usize
    }

    fn insert(&mut self, mark: u64, place: u32) {
        let mut at = self.home(mark);
        loop {
            // There are more places than ids, so one is empty.
            if let Some(empty) = self.buckets[at].0.iter_mut().find(|place| **place == 0) {
                *empty = place;
                return;
            }
            at = (at + 1) % self.buckets.len();
        }
    }

    fn find(&self, mark: u64, tag: u32, found: &mut Vec<ChunkId>) {
        let mut at = self.home(mark);
        loop {
            let bucket = &self.buckets[at].0;
            // Without a branch, so that the whole bucket is compared at once.
            let hits = (0..PLACES).fold(0u32, |hits, at| hits | u32::from(bucket[at] >> CHUNK_BITS == tag) << at);
            if hits != 0 {
                let chunk = |at: usize| self.chunks[(bucket[at] & ((1 << CHUNK_BITS) - 1)) as usize];
                for at in (0..PLACES).filter(|at| hits & 1 << at != 0) {
                    if !found.contains(&chunk(at)) {
                        found.push(chunk(at));
                    }
                }
            }
            if bucket[PLACES - 1] == 0 {
                return;
            }
            at = (at + 1) % self.buckets.len();
        }
    }
}
