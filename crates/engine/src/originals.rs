//! The deduplication ids of the last five minutes, of all queues of a shard.
//!
//! ```text
//! oldest                                                       newest
//! chunk | chunk | chunk | chunk                 recent ids <- a send
//! [ on disk, marks in memory    ]               [ in memory ]
//! ```
//!
//! When there are too many recent ids, the oldest leave memory together, by an event that lists them: a chunk. Memory
//! keeps where the list is, where its blocks begin, and of every id a few bits, its mark. A send whose id has a mark
//! that is known asks for the one block of one chunk that may list it. Chunks are dropped whole, when the five minutes
//! of their newest id are over.

mod blocks;
mod chunk;
mod marks;
mod recent;

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use stanchion_types::Timestamp;
use stanchion_types::limits::DEDUPLICATION_SECONDS;

pub use blocks::Blocks;
pub(crate) use chunk::Chunk;
use marks::Marks;
use recent::Recent;

use crate::event::codec::{MARK_BYTES, find_original};
use crate::event::{DeduplicationKey, Event, Original};
use crate::ids::{ChunkId, ContentAddress, QueueId};
use crate::usage::{Ledger, Usage};

/// A part of a chunk that a decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkWish {
    /// The chunk.
    pub chunk: ChunkId,
    /// Which part.
    pub part: ChunkPart,
    /// Where it is.
    pub at: ContentAddress,
}

/// What of a chunk is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChunkPart {
    /// The marks of all its ids: a start does not read them, so somebody has to, once.
    Marks,
    /// The originals around one mark.
    Block,
}

/// Why an id cannot be looked up at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// A part of a chunk must be read first.
    Load(ChunkWish),
    /// What was read makes no sense.
    Damaged,
}

/// The deduplication ids of a shard.
#[derive(Clone, Debug)]
pub(crate) struct Originals {
    recent: Recent,
    /// The chunks in the order in which they were filed, which is also that of their times.
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk, or of the next one if there is none.
    first: ChunkId,
    /// Marks of the chunks' ids; a cache, never state.
    marks: Marks,
    /// Chunks whose marks were not read yet.
    unmarked: BTreeSet<ChunkId>,
    /// Marks that could not be read are left alone until then by what nobody waits for.
    rest_until: Timestamp,
    ledger: Ledger,
}

impl Originals {
    /// Remembers nothing; of every id on disk memory will keep so many bits besides its place, at most 24.
    pub(crate) fn new(mark_bits: u32) -> Self {
        Originals {
            recent: Recent::default(),
            chunks: VecDeque::new(),
            first: ChunkId(1),
            marks: Marks::new(mark_bits),
            unmarked: BTreeSet::new(),
            rest_until: Timestamp::ZERO,
            ledger: Ledger::default(),
        }
    }

    /// Finds the message that holds an id now, given the blocks that were read for this.
    pub(crate) fn find(
        &self,
        queue: QueueId,
        key: &DeduplicationKey,
        now: Timestamp,
        blocks: &Blocks,
    ) -> Result<Option<Original>, Unknown> {
        let mark = key.mark(queue);
        let holds = |original: &Original| now < free_at(original.accepted_at);
        if let Some(original) = self.recent.get(mark, queue, key).filter(|original| holds(original)) {
            return Ok(Some(*original));
        }
        if let Some(wish) = self.first_unmarked() {
            return Err(Unknown::Load(wish));
        }
        for id in self.marks.candidates(mark) {
            let Some(chunk) = self.chunk(id) else { continue };
            let Some(at) = chunk.block(mark) else { continue };
            let Some(block) = blocks.get(at) else {
                return Err(Unknown::Load(ChunkWish { chunk: id, part: ChunkPart::Block, at }));
            };
            let found = find_original(block, queue, key).map_err(|_| Unknown::Damaged)?;
            if let Some(original) = found.filter(holds) {
                return Ok(Some(original));
            }
        }
        Ok(None)
    }

    /// Remembers a message, and forgets recent ones whose time is over.
    pub(crate) fn insert(&mut self, original: Original) {
        self.recent.forget(original.accepted_at);
        self.recent.push(original);
    }

    /// Returns the event that brings the ids in memory back within a bound: a chunk of the oldest.
    pub(crate) fn overflow(&self, recent_max: usize, chunk_ids: usize) -> Option<Event> {
        if self.recent.len() <= recent_max {
            return None;
        }
        let oldest = self.recent.iter().take(chunk_ids.max(1)).enumerate();
        // Sorting moves what is sorted, so only numbers are.
        let mut order: Vec<(u64, usize)> = oldest.map(|(number, original)| (original.mark(), number)).collect();
        order.sort_unstable();
        let originals = order.into_iter().map(|(_, number)| *self.recent.nth(number)).collect();
        Some(Event::Filed { chunk: self.next(), originals })
    }

    /// Moves the oldest ids to a chunk that lists them.
    pub(crate) fn filed(&mut self, id: ChunkId, content: ContentAddress, originals: &[Original]) {
        assert_eq!(id, self.next(), "chunks are filed in order");
        self.recent.remove_oldest(originals.len());
        self.marks.insert(id, originals.iter().map(Original::mark));
        self.ledger.add(content.position, u64::from(content.length));
        self.chunks.push_back(Chunk::new(content, originals));
    }

    /// Notes where a chunk is from now on.
    pub(crate) fn refiled(&mut self, id: ChunkId, content: ContentAddress) {
        let place = self.place(id).expect("a chunk that is moved exists");
        let chunk = &mut self.chunks[place];
        assert_eq!(content.length, chunk.content.length, "a chunk is moved whole");
        self.ledger.remove(chunk.content.position, u64::from(chunk.content.length));
        self.ledger.add(content.position, u64::from(content.length));
        chunk.content = content;
    }

    /// Returns where a chunk is; `None` if it is gone.
    pub(crate) fn content_of(&self, id: ChunkId) -> Option<ContentAddress> {
        self.chunk(id).map(|chunk| chunk.content)
    }

    /// Returns the event that drops the oldest chunk, if its time is over.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Event> {
        (self.next_deadline() <= now).then_some(Event::Forgotten { chunk: self.first })
    }

    /// Returns when the time of the oldest chunk is over.
    pub(crate) fn next_deadline(&self) -> Timestamp {
        self.chunks.front().map_or(Timestamp::NEVER, |chunk| free_at(chunk.newest))
    }

    /// Drops the oldest chunk.
    pub(crate) fn forgotten(&mut self, id: ChunkId) {
        assert_eq!(id, self.first, "the oldest chunk is dropped first");
        let chunk = self.chunks.pop_front().expect("a chunk that is dropped exists");
        self.unmarked.remove(&id);
        self.first = ChunkId(id.0 + 1);
        self.marks.drop_before(self.first);
        self.ledger.remove(chunk.content.position, u64::from(chunk.content.length));
    }

    /// Returns the marks that are to be read next, before somebody waits for them.
    pub(crate) fn wanted(&self, now: Timestamp) -> Option<ChunkWish> {
        self.first_unmarked().filter(|_| self.rest_until <= now)
    }

    /// Takes what was read for a wish; tells whether it makes sense. What was read of a chunk that has been moved or dropped
    /// meanwhile is passed over.
    pub(crate) fn loaded(&mut self, wish: ChunkWish, bytes: &Bytes) -> bool {
        let Some(chunk) = self.chunk(wish.chunk).filter(|chunk| chunk.is_at(wish.at)) else { return true };
        match wish.part {
            ChunkPart::Block => chunk.is_block(wish.at, bytes),
            ChunkPart::Marks => {
                if !chunk.are_marks(bytes) {
                    return false;
                }
                if self.unmarked.remove(&wish.chunk) {
                    let mark = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("a mark has eight bytes"));
                    self.marks.insert(wish.chunk, bytes.chunks_exact(MARK_BYTES).map(mark));
                }
                true
            }
        }
    }

    /// Notes that a wish could not be met; tells whether it would still help anybody.
    pub(crate) fn failed(&mut self, wish: ChunkWish, next_try: Timestamp) -> bool {
        let needed = self.chunk(wish.chunk).is_some_and(|chunk| chunk.is_at(wish.at));
        if needed && wish.part == ChunkPart::Marks {
            self.rest_until = next_try;
        }
        needed
    }

    /// Counts what of the journal is needed no more or anew.
    ///
    /// # Errors
    /// The position that the accounting does not know.
    pub(crate) fn settle(&mut self, usage: &mut Usage) -> Result<(), u64> {
        usage.settle(&mut self.ledger)
    }

    /// Notes all chunks.
    pub(crate) fn recount(&self, ledger: &mut Ledger) {
        self.chunks.iter().for_each(|chunk| ledger.add(chunk.content.position, u64::from(chunk.content.length)));
    }

    /// Lists the recent ids, oldest first.
    pub(crate) fn recent(&self) -> impl ExactSizeIterator<Item = &Original> {
        self.recent.iter()
    }

    /// Lists the chunks, oldest first, after the number of the first.
    pub(crate) fn chunks(&self) -> (ChunkId, impl ExactSizeIterator<Item = &Chunk>) {
        (self.first, self.chunks.iter())
    }

    /// Puts back what a snapshot found; the marks are read later.
    pub(crate) fn restore(&mut self, first: ChunkId, chunks: Vec<Chunk>, recent: Vec<Original>) {
        self.first = first;
        self.chunks = chunks.into();
        let mut ledger = std::mem::take(&mut self.ledger);
        self.recount(&mut ledger);
        self.ledger = ledger;
        self.unmarked = (first.0..self.next().0).map(ChunkId).collect();
        for original in recent {
            self.recent.push(original);
        }
    }

    fn next(&self) -> ChunkId {
        ChunkId(self.first.0 + self.chunks.len() as u64)
    }

    fn chunk(&self, id: ChunkId) -> Option<&Chunk> {
        self.chunks.get(self.place(id)?)
    }

    fn place(&self, id: ChunkId) -> Option<usize> {
        let place = usize::try_from(id.0.checked_sub(self.first.0)?).ok()?;
        (place < self.chunks.len()).then_some(place)
    }

    fn first_unmarked(&self) -> Option<ChunkWish> {
        let id = *self.unmarked.first()?;
        let chunk = self.chunk(id).expect("a chunk without marks exists");
        Some(ChunkWish { chunk: id, part: ChunkPart::Marks, at: chunk.marks() })
    }
}

/// Returns when an id is free again.
fn free_at(accepted_at: Timestamp) -> Timestamp {
    accepted_at.plus_seconds(DEDUPLICATION_SECONDS)
}

#[cfg(test)]
mod tests;
