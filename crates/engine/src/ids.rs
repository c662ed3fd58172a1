//! Names of things inside the engine.

use std::ops::RangeInclusive;

/// A queue of one engine, numbered from 1 in order of creation; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

/// A message in a queue. Numbers grow with every message an engine accepts, so they also tell the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey(pub u64);

/// A message group: a digest of its id.
///
/// Two ids with the same digest would share one lock: slower, never wrong. So 64 bits are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey(pub u64);

/// A digest of a deduplication id or an attempt id. Equal digests count as equal ids, so the digest must be
/// cryptographic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeduplicationHash(pub u128);

/// A message move task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u128);

/// Where the content of a message is: bytes of the payload of a record of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentAddress {
    /// Position of the record.
    pub position: u64,
    /// Offset in the record's payload.
    pub offset: u32,
    /// Length in bytes.
    pub length: u32,
}

/// A page of cold messages. Its number says on which [`Shelf`] it stands; on the line, pages with smaller numbers are
/// served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId(pub u64);

impl PageId {
    /// Returns where the page stands.
    pub fn shelf(self) -> Shelf {
        match self.0 {
            ..DELAYED => Shelf::Line,
            DELAYED..LANE => Shelf::Delayed,
            LANE.. => Shelf::Lane,
        }
    }
}

/// Where a page stands in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shelf {
    /// Visible messages between window and tail.
    Line,
    /// Messages whose delay is not over.
    Delayed,
    /// Visible messages of one group of a FIFO queue, behind those of the group that are in memory.
    Lane,
}

/// The first number of a page of delayed messages.
const DELAYED: u64 = 1 << 60;
/// The first number of a page of one group.
const LANE: u64 = 1 << 61;

impl Shelf {
    /// Returns the numbers of the pages that stand here.
    pub fn numbers(self) -> RangeInclusive<PageId> {
        let (first, last) = match self {
            Shelf::Line => (0, DELAYED - 1),
            Shelf::Delayed => (DELAYED, LANE - 1),
            Shelf::Lane => (LANE, u64::MAX),
        };
        PageId(first)..=PageId(last)
    }
}

/// A chunk of deduplication ids on disk. Numbers grow with every chunk that an engine files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub u64);

/// Chance, as an argument: a seed from which a decision draws as many numbers as it needs.
#[derive(Clone, Copy, Debug)]
pub struct Entropy(pub u128);

impl Entropy {
    /// Returns the `index`th 128 bits drawn from the seed.
    pub fn draw(self, index: u64) -> u128 {
        let low = mix(self.0 as u64 ^ mix(index.wrapping_mul(2)));
        let high = mix((self.0 >> 64) as u64 ^ mix(index.wrapping_mul(2) + 1));
        u128::from(high) << 64 | u128::from(low)
    }
}

/// Scrambles 64 bits so that close inputs have distant outputs (the finalizer of SplitMix64).
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Which bytes of a record's payload an event's content occupies: offset and length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset in the payload.
    pub offset: u32,
    /// Length in bytes.
    pub length: u32,
}

impl Span {
    /// Returns the address of these bytes in the record at `position`.
    pub const fn at(self, position: u64) -> ContentAddress {
        ContentAddress { position, offset: self.offset, length: self.length }
    }
}
