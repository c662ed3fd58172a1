//! A chunk of deduplication ids as bytes.
//!
//! ```text
//! mark | mark | ...   original | original | ...      both ascending by mark
//! ```
//!
//! Everything has a fixed size, so that a part of a chunk can be read without the rest: the marks alone, or the block of
//! originals that one mark falls into.

use super::{Damage, Get, Put};
use crate::event::{DeduplicationKey, Original};
use crate::ids::{DeduplicationHash, GroupKey, MessageKey, QueueId};

/// Size of a mark.
pub(crate) const MARK_BYTES: usize = 8;
/// Size of an original: its name, when it was accepted, its id and its key.
pub(crate) const ORIGINAL_BYTES: usize = NAME_BYTES + 8 + 16 + 8;
/// Size of what tells originals apart: queue, digest, whether there is a group, group.
const NAME_BYTES: usize = 8 + 16 + 1 + 8;

/// Appends originals, which ascend by mark, with their marks in front.
pub(super) fn put_originals(originals: &[Original], out: &mut Vec<u8>) {
    out.reserve(originals.len() * (MARK_BYTES + ORIGINAL_BYTES));
    for original in originals {
        out.fixed64(original.mark());
    }
    for original in originals {
        put_original(original, out);
    }
}

/// Reads a chunk.
pub(super) fn get_originals(bytes: &[u8]) -> Result<Vec<Original>, Damage> {
    let damage = |what| Damage { what, left: bytes.len() };
    let count = bytes.len() / (MARK_BYTES + ORIGINAL_BYTES);
    if count == 0 || !bytes.len().is_multiple_of(MARK_BYTES + ORIGINAL_BYTES) {
        return Err(damage("length of chunk"));
    }
    let (marks, list) = bytes.split_at(count * MARK_BYTES);
    let mut marks = Get::new(marks);
    let mut originals = Vec::with_capacity(count);
    let mut before = 0;
    for bytes in list.chunks_exact(ORIGINAL_BYTES) {
        let original = get_original(&mut Get::new(bytes))?;
        let mark = marks.fixed64()?;
        if mark != original.mark() || mark < before {
            return Err(damage("mark"));
        }
        before = mark;
        originals.push(original);
    }
    Ok(originals)
}

/// Appends an original.
pub(crate) fn put_original(original: &Original, out: &mut Vec<u8>) {
    out.raw(&name(original.queue, &original.deduplication));
    out.fixed64(original.accepted_at.millis());
    out.id(&original.id);
    out.fixed64(original.key.0);
}

/// Reads an original.
pub(crate) fn get_original(input: &mut Get<'_>) -> Result<Original, Damage> {
    let (queue, hash) = (QueueId(input.fixed64()?), DeduplicationHash(input.fixed128()?));
    let group = match (input.bool()?, input.fixed64()?) {
        (true, group) => Some(GroupKey(group)),
        (false, 0) => None,
        (false, _) => return Err(input.damage("group")),
    };
    let accepted_at = stanchion_types::Timestamp::from_millis(input.fixed64()?);
    let (id, key) = (input.id()?, MessageKey(input.fixed64()?));
    Ok(Original { queue, deduplication: DeduplicationKey { hash, group }, accepted_at, id, key })
}

/// Looks an id up in a block of originals.
pub(crate) fn find_original(block: &[u8], queue: QueueId, key: &DeduplicationKey) -> Result<Option<Original>, Damage> {
    let name = name(queue, key);
    let found = block.chunks_exact(ORIGINAL_BYTES).find(|bytes| bytes.starts_with(&name));
    found.map(|bytes| get_original(&mut Get::new(bytes))).transpose()
}

fn name(queue: QueueId, key: &DeduplicationKey) -> [u8; NAME_BYTES] {
    let mut name = [0; NAME_BYTES];
    name[..8].copy_from_slice(&queue.0.to_le_bytes());
    name[8..24].copy_from_slice(&key.hash.0.to_le_bytes());
    name[24] = u8::from(key.group.is_some());
    name[25..].copy_from_slice(&key.group.map_or(0, |group| group.0).to_le_bytes());
    name
}
