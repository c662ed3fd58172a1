//! Where the records of a segment are: every so often an entry, and a short walk from there.
//!
//! An entry for each record would cost 8 bytes a record, which is a lot for a deep backlog of records with one small
//! message each. So a shard gets an entry only if its last one is 16 KiB back: half a byte for a record of 1 KiB. The
//! walk stays within the one read that fetches the record anyway.

use super::frame::{u32_at, u64_at};
use crate::ShardId;

/// A record begins less than this many bytes after the entry that leads to it.
pub(crate) const SPAN: u64 = 16 * 1024;

/// Between which places of a segment a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where to start walking to find it.
    pub(crate) offset: u64,
    /// How many records of its shard are passed on the way.
    pub(crate) steps: u64,
    /// Where it has certainly ended, if there is a later entry to tell.
    pub(crate) until: Option<u64>,
}

/// The last record of a shard at some point of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) last: u64,
    /// The checksum of its header.
    pub(crate) checksum: u32,
}

/// The tails of all shards that ever had a record, by shard.
pub(crate) type Tails = std::collections::BTreeMap<ShardId, Tail>;

/// The index of one segment. Few shards, so a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) shards: Vec<ShardIndex>,
}

/// The records of one shard in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardIndex {
    pub(crate) shard: ShardId,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Position relative to `first`, and offset in the file.
    entries: Vec<(u32, u32)>,
}

impl Index {
    /// Adds a record, and says whether it is the first of its shard here.
    pub(crate) fn note(&mut self, shard: ShardId, position: u64, offset: u64) -> bool {
        let entry = |first: u64| ((position - first) as u32, offset as u32);
        let Some(index) = self.shards.iter_mut().find(|index| index.shard == shard) else {
            let entries = vec![entry(position)];
            self.shards.push(ShardIndex { shard, first: position, last: position, entries });
            return true;
        };
        index.last = position;
        if index.entries.last().is_none_or(|&(_, at)| offset - u64::from(at) >= SPAN) {
            index.entries.push(entry(index.first));
        }
        false
    }

    pub(crate) fn shard(&self, shard: ShardId) -> Option<&ShardIndex> {
        self.shards.iter().find(|index| index.shard == shard)
    }

    /// Returns where to start walking to find a record.
    pub(crate) fn find(&self, shard: ShardId, position: u64) -> Option<u64> {
        self.span(shard, position).map(|span| span.offset)
    }

    /// Returns where a record is, as far as the entries tell.
    pub(crate) fn span(&self, shard: ShardId, position: u64) -> Option<Span> {
        let index = self.shard(shard)?;
        if position < index.first || position > index.last {
            return None;
        }
        let after = index.entries.partition_point(|&(relative, _)| index.first + u64::from(relative) <= position);
        let (relative, offset) = *index.entries.get(after.checked_sub(1)?)?;
        let until = index.entries.get(after).map(|&(_, offset)| u64::from(offset));
        Some(Span { offset: u64::from(offset), steps: position - index.first - u64::from(relative), until })
    }

    /// Appends the index as bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.shards.len() as u32).to_le_bytes());
        for index in &self.shards {
            out.extend_from_slice(&u32::from(index.shard.0).to_le_bytes());
            out.extend_from_slice(&(index.entries.len() as u32).to_le_bytes());
            out.extend_from_slice(&index.first.to_le_bytes());
            out.extend_from_slice(&index.last.to_le_bytes());
            for (relative, offset) in &index.entries {
                out.extend_from_slice(&relative.to_le_bytes());
                out.extend_from_slice(&offset.to_le_bytes());
            }
        }
    }

    /// Reads the index from the start of some bytes.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Index> {
        let count = u32_at(take(&mut bytes, 4)?, 0);
        let mut shards = Vec::new();
        for _ in 0..count {
            let head = take(&mut bytes, 24)?;
            let entries = take(&mut bytes, (u32_at(head, 4) as usize).checked_mul(8)?)?;
            let entries = entries.chunks_exact(8).map(|entry| (u32_at(entry, 0), u32_at(entry, 4))).collect();
            let shard = ShardId(u16::try_from(u32_at(head, 0)).ok()?);
            shards.push(ShardIndex { shard, first: u64_at(head, 8), last: u64_at(head, 16), entries });
        }
        bytes.is_empty().then_some(Index { shards })
    }
}

/// Appends tails as bytes.
pub(crate) fn encode_tails(tails: &Tails, out: &mut Vec<u8>) {
    out.extend_from_slice(&(tails.len() as u32).to_le_bytes());
    for (shard, tail) in tails {
        out.extend_from_slice(&u32::from(shard.0).to_le_bytes());
        out.extend_from_slice(&tail.checksum.to_le_bytes());
        out.extend_from_slice(&tail.last.to_le_bytes());
    }
}

/// Reads tails from the start of some bytes, and returns what follows them.
pub(crate) fn decode_tails(mut bytes: &[u8]) -> Option<(Tails, &[u8])> {
    let count = u32_at(take(&mut bytes, 4)?, 0);
    let mut tails = Tails::new();
    for _ in 0..count {
        let entry = take(&mut bytes, 16)?;
        let tail = Tail { checksum: u32_at(entry, 4), last: u64_at(entry, 8) };
        tails.insert(ShardId(u16::try_from(u32_at(entry, 0)).ok()?), tail);
    }
    Some((tails, bytes))
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(head)
}
