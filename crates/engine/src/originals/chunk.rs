//! What memory knows of a chunk of deduplication ids on disk.

use stanchion_types::Timestamp;

use crate::event::Original;
use crate::event::codec::{Damage, Get, MARK_BYTES, ORIGINAL_BYTES, Put, get_address, get_original, put_address};
use crate::ids::ContentAddress;

/// Originals in a block, which is what one look-up reads: some 16 KiB.
const BLOCK_ORIGINALS: usize = 256;

/// A chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Where its marks and originals are.
    pub(crate) content: ContentAddress,
    /// When the last of its messages was accepted.
    pub(crate) newest: Timestamp,
    /// The first mark of every block.
    fences: Box<[u64]>,
}

impl Chunk {
    /// Describes a chunk; the list must not be empty.
    pub(crate) fn new(content: ContentAddress, originals: &[Original]) -> Self {
        let accepted = originals.iter().map(|original| original.accepted_at);
        Chunk {
            content,
            newest: accepted.max().expect("a chunk lists originals"),
            fences: originals.iter().step_by(BLOCK_ORIGINALS).map(Original::mark).collect(),
        }
    }

    fn count(&self) -> usize {
        self.content.length as usize / (MARK_BYTES + ORIGINAL_BYTES)
    }

    /// Tells whether an address is a part of this chunk.
    pub(crate) fn is_at(&self, at: ContentAddress) -> bool {
        let end = self.content.offset + self.content.length;
        at.position == self.content.position && (self.content.offset..end).contains(&at.offset)
    }

    /// Returns where the marks are.
    pub(crate) fn marks(&self) -> ContentAddress {
        ContentAddress { length: (self.count() * MARK_BYTES) as u32, ..self.content }
    }

    /// Returns where an original with this mark would be, if the chunk reaches that far down.
    ///
    /// That is one block, or several if a mark is shared across their borders.
    pub(crate) fn block(&self, mark: u64) -> Option<ContentAddress> {
        let after = self.fences.partition_point(|fence| *fence <= mark);
        let first = self.fences.partition_point(|fence| *fence < mark).saturating_sub(1);
        let originals = first * BLOCK_ORIGINALS..(after * BLOCK_ORIGINALS).min(self.count());
        (after > 0).then(|| ContentAddress {
            position: self.content.position,
            offset: self.content.offset + (self.count() * MARK_BYTES + originals.start * ORIGINAL_BYTES) as u32,
            length: (originals.len() * ORIGINAL_BYTES) as u32,
        })
    }

    /// Tells whether these bytes can be the block at an address.
    pub(crate) fn is_block(&self, at: ContentAddress, bytes: &[u8]) -> bool {
        let list = self.content.offset as usize + self.count() * MARK_BYTES;
        let fence = (at.offset as usize).checked_sub(list).map(|offset| offset / ORIGINAL_BYTES / BLOCK_ORIGINALS);
        let fence = fence.and_then(|fence| self.fences.get(fence));
        let first = get_original(&mut Get::new(bytes)).ok().map(|original| original.mark());
        bytes.len() == at.length as usize && first.is_some() && fence.copied() == first
    }

    /// Tells whether these bytes can be the marks.
    pub(crate) fn are_marks(&self, bytes: &[u8]) -> bool {
        let firsts = bytes.chunks(BLOCK_ORIGINALS * MARK_BYTES).map(|block| &block[..MARK_BYTES.min(block.len())]);
        bytes.len() == self.count() * MARK_BYTES && firsts.eq(self.fences.iter().map(|fence| fence.to_le_bytes()))
    }

    /// Appends the chunk to a snapshot.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_address(out, self.content);
        out.time(self.newest);
        out.list(&self.fences, |out, fence| out.fixed64(*fence));
    }

    /// Reads a chunk from a snapshot.
    pub(crate) fn get(input: &mut Get<'_>) -> Result<Self, Damage> {
        let (content, newest) = (get_address(input)?, input.time()?);
        let fences: Box<[u64]> = input.list(Get::fixed64)?.into();
        let chunk = Chunk { content, newest, fences };
        let whole = (content.length as usize).is_multiple_of(MARK_BYTES + ORIGINAL_BYTES)
            && content.offset.checked_add(content.length).is_some();
        let blocks = chunk.count().div_ceil(BLOCK_ORIGINALS);
        if !whole || blocks == 0 || blocks != chunk.fences.len() {
            return Err(input.damage("chunk"));
        }
        Ok(chunk)
    }
}
