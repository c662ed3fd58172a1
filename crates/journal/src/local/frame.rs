//! A frame: one record, or a note of the journal to itself, as bytes of a segment.
//!
//! ```text
//!  0  magic      4      "SJR1"
//!  4  version    1      1
//!  5  kind       1      1 record, 2 base, 3 seal
//!  6  shard      2
//!  8  journal    8      random, the same in all files of a journal
//! 16  segment    8      number of the segment
//! 24  epoch      8
//! 32  position   8
//! 40  clock_ms   8
//! 48  count      4
//! 52  length     4      of the payload
//! 56  chain      4      checksum of the header of the shard's previous record
//! 60  synced     4      the segment was durable up to this offset when the frame was made
//! 64  checksum   4      CRC-32C of bytes 0 to 63 and of the table
//! 68  table      4 n    CRC-32C of each 4,096 bytes of payload
//!     payload
//!     zeros, up to a multiple of 8
//! ```
//!
//! All numbers are little-endian. The table lets a reader check the few kilobytes it wants out of a large record, and
//! the checksum of the header covers the table, and so, through it, everything.
//!
//! `journal` and `segment` tell a frame from what an earlier use of the same file left behind, and from bytes in a
//! message body that look like a frame: the random number is never shown to a client. `synced` is what recovery needs to
//! tell a torn tail from damage, see `recover`.

use std::ops::Range;

#[cfg(test)]
mod tests;

/// The alignment of frames in a segment, in bytes.
pub(crate) const ALIGNMENT: usize = 8;
/// Bytes before the table.
pub(crate) const FIXED: usize = 68;
/// Bytes of payload under one checksum.
pub(crate) const BLOCK: usize = 4096;
/// The longest payload, in bytes. Far above what a group commit needs, and low enough for 32-bit offsets.
pub(crate) const PAYLOAD_MAX: usize = 1 << 30;

pub(crate) const MAGIC: [u8; 4] = *b"SJR1";
const VERSION: u8 = 1;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A record of a shard.
    Record,
    /// The first frame of a segment: where every shard stood.
    Base,
    /// The last frame of a segment: where every shard stands, and the index of the segment.
    Seal,
}

/// Everything in a frame but the payload and its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) shard: u16,
    pub(crate) journal: u64,
    pub(crate) segment: u64,
    pub(crate) epoch: u64,
    pub(crate) position: u64,
    pub(crate) clock_ms: u64,
    pub(crate) count: u32,
    pub(crate) length: u32,
    pub(crate) chain: u32,
    pub(crate) synced: u32,
}

/// A header that passed its check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    pub(crate) header: Header,
    pub(crate) checksum: u32,
}

/// What some bytes are, read as a header and table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parsed {
    Valid(Checked),
    /// As many bytes are needed to tell.
    Short(usize),
    Invalid(&'static str),
}

/// Returns how many blocks a payload has.
pub(crate) const fn blocks(length: usize) -> usize {
    length.div_ceil(BLOCK)
}

/// Returns where the payload begins in a frame.
pub(crate) const fn payload_at(length: usize) -> usize {
    FIXED + 4 * blocks(length)
}

/// Returns the bytes of a whole frame with a payload of `length` bytes.
pub(crate) const fn frame_bytes(length: usize) -> usize {
    (payload_at(length) + length).next_multiple_of(ALIGNMENT)
}

/// Appends header and table of a frame, without the payload and what follows it, and returns the header's checksum.
pub(crate) fn encode(header: &Header, payload: &[u8], out: &mut Vec<u8>) -> u32 {
    let mut fixed = [0u8; FIXED];
    fixed[0..4].copy_from_slice(&MAGIC);
    fixed[4] = VERSION;
    fixed[5] = match header.kind {
        Kind::Record => 1,
        Kind::Base => 2,
        Kind::Seal => 3,
    };
    fixed[6..8].copy_from_slice(&header.shard.to_le_bytes());
    fixed[8..16].copy_from_slice(&header.journal.to_le_bytes());
    fixed[16..24].copy_from_slice(&header.segment.to_le_bytes());
    fixed[24..32].copy_from_slice(&header.epoch.to_le_bytes());
    fixed[32..40].copy_from_slice(&header.position.to_le_bytes());
    fixed[40..48].copy_from_slice(&header.clock_ms.to_le_bytes());
    fixed[48..52].copy_from_slice(&header.count.to_le_bytes());
    fixed[52..56].copy_from_slice(&header.length.to_le_bytes());
    fixed[56..60].copy_from_slice(&header.chain.to_le_bytes());
    fixed[60..64].copy_from_slice(&header.synced.to_le_bytes());
    let start = out.len();
    out.extend_from_slice(&fixed);
    for block in payload.chunks(BLOCK) {
        out.extend_from_slice(&crc32c::crc32c(block).to_le_bytes());
    }
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&fixed[..64]), &out[start + FIXED..]);
    out[start + 64..start + FIXED].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Reads header and table from the start of some bytes and checks them. The payload is not looked at.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return Parsed::Short(FIXED) };
    if fixed[0..4] != MAGIC {
        return Parsed::Invalid("no frame begins here");
    }
    if fixed[4] != VERSION {
        return Parsed::Invalid("the frame has an unknown version");
    }
    let kind = match fixed[5] {
        1 => Kind::Record,
        2 => Kind::Base,
        3 => Kind::Seal,
        _ => return Parsed::Invalid("the frame has an unknown kind"),
    };
    let length = u32_at(fixed, 52);
    if length as usize > PAYLOAD_MAX {
        return Parsed::Invalid("the frame has an impossible length");
    }
    let Some(table) = bytes.get(FIXED..payload_at(length as usize)) else {
        return Parsed::Short(payload_at(length as usize));
    };
    let checksum = u32_at(fixed, 64);
    if crc32c::crc32c_append(crc32c::crc32c(&fixed[..64]), table) != checksum {
        return Parsed::Invalid("the header of the frame fails its checksum");
    }
    let header = Header {
        kind,
        shard: u16::from_le_bytes([fixed[6], fixed[7]]),
        journal: u64_at(fixed, 8),
        segment: u64_at(fixed, 16),
        epoch: u64_at(fixed, 24),
        position: u64_at(fixed, 32),
        clock_ms: u64_at(fixed, 40),
        count: u32_at(fixed, 48),
        length,
        chain: u32_at(fixed, 56),
        synced: u32_at(fixed, 60),
    };
    Parsed::Valid(Checked { header, checksum })
}

/// Says whether some blocks of a payload pass their checks.
///
/// `table` holds the checksums of these blocks and `bytes` their content: whole blocks, but for the last of the payload.
pub(crate) fn intact(table: &[u8], bytes: &[u8]) -> bool {
    let checksums = table.chunks_exact(4);
    checksums.len() == blocks(bytes.len())
        && checksums.zip(bytes.chunks(BLOCK)).all(|(checksum, block)| checksum == crc32c::crc32c(block).to_le_bytes())
}

/// Returns which blocks hold a range of the payload.
pub(crate) fn blocks_of(range: Range<usize>) -> Range<usize> {
    if range.is_empty() { 0..0 } else { range.start / BLOCK..blocks(range.end) }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}
